//! How hosts are asked: with what, how fast, and when they are left alone.

use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

#[test]
fn a_wrapper_that_comes_later_is_asked_whoever_is_known_to_be_dead() {
    let origin = Origin::start();
    origin.worker("cors.zfour.workers.dev");
    let test = Test::new().origin(&origin).set("fetch.sources", "[\"origin\", \"proxy\"]");
    for n in 0..20 {
        test.write(&format!("posts/{n}-a.md"), format!("![](http://cdn.example/{n}.jpg)"));
    }
    origin.host("cdn.example", |_, _| Answer::status(404));
    test.run("archive posts").expect_code(3);
    // The proxy has kept what the host has no more.
    for n in 0..20 {
        let wrapped = format!("https://cors.zfour.workers.dev/?http://cdn.example/{n}.jpg");
        origin.image(&wrapped, picture::jpeg(n));
        test.write(&format!("posts/{n}-b.md"), format!("![]({wrapped})"));
    }
    let report = test.run("archive posts --format json").json();
    assert_eq!(report["images"]["downloaded"], 20, "{report}");
    test.run("archive posts").expect_code(0);
}
