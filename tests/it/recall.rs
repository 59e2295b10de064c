//! Pictures that were kept for images and turn out to be none.

use std::collections::HashSet;
use std::fs;

use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

/// A host that shows one banner for every image.
fn banner(origin: &Origin, host: &str, seed: u64) {
    origin.host(host, move |_, _| Answer::image(picture::jpeg(seed)));
}

/// A proxy that has every image.
fn proxy(origin: &Origin) {
    origin.host("cors.zfour.workers.dev", |request, _| {
        Answer::image(picture::jpeg(request.target.bytes().map(u64::from).sum()))
    });
}

fn proxied(n: usize) -> String {
    format!("![](https://cors.zfour.workers.dev/?http://cdn.example/{n}.jpg)\n")
}

/// Writes `posts/<n>.md` for each.
fn write(test: &Test, numbers: std::ops::Range<usize>) {
    for n in numbers {
        test.write(&format!("posts/{n}.md"), proxied(n));
    }
}

#[test]
fn nobody_is_asked_again_for_what_redirects_led_to_a_banner() {
    let origin = Origin::start();
    origin.host("cdn.example", |request, _| match request.target.as_str() {
        "/banner.jpg" => Answer::image(picture::jpeg(77)),
        _ => Answer::redirect("/banner.jpg"),
    });
    origin.host("cors.zfour.workers.dev", |_, _| Answer::status(404));
    let test = Test::new().origin(&origin).set("fetch.sources", "[\"proxy\", \"origin\"]");
    write(&test, 0..8);
    let report = test.run("archive posts --format json").expect_code(3).json();
    assert_eq!(report["references"]["failed"], 8, "{report}");
    let mut asked = HashSet::new();
    for request in origin.requests().into_iter().filter(|request| request.target != "/banner.jpg") {
        let key = (request.url.clone(), request.header("Referer").map(str::to_owned));
        assert!(asked.insert(key), "asked twice: {}", request.url);
    }
}

#[test]
fn who_is_asked_instead_may_have_a_banner_too() {
    let origin = Origin::start();
    banner(&origin, "cdn.example", 77);
    banner(&origin, "cors.zfour.workers.dev", 78);
    let test = Test::new().origin(&origin);
    write(&test, 0..8);
    let before = test.tree("posts");
    let report = test.run("archive posts --format json").expect_code(3).json();
    assert_eq!(test.tree("posts"), before, "{report}");
    assert_eq!(report["references"]["failed"], 8, "{report}");
    assert_eq!(report["references"]["archived"], 0, "{report}");
    let asked = origin.requests().len();
    test.run("archive posts").expect_code(3);
    assert_eq!(origin.requests().len(), asked, "nobody is asked before the time");
}

#[test]
fn documents_are_named_as_the_user_names_them() {
    let origin = Origin::start();
    banner(&origin, "cdn.example", 77);
    let test = Test::new().origin(&origin).set("fetch.sources", "[\"origin\"]");
    write(&test, 0..4);
    test.run("archive posts").expect_code(0);
    write(&test, 4..5);
    let report = test.run("archive posts --format json").expect_code(3).json();
    let failures = report["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 5, "{report}");
    for failure in failures {
        let n = failure["origin"].as_str().unwrap().trim_start_matches("http://cdn.example/");
        let expected = format!("posts/{}", n.replace(".jpg", ".md"));
        assert_eq!(failure["documents"], serde_json::json!([expected]), "{report}");
    }
}

#[test]
fn a_document_that_cannot_be_restored_is_reported() {
    let origin = Origin::start();
    banner(&origin, "cdn.example", 77);
    let test = Test::new().origin(&origin).set("fetch.sources", "[\"origin\"]");
    write(&test, 0..4);
    test.run("archive posts").expect_code(0);
    // A file of two names is not replaced.
    fs::hard_link(test.path("posts/0.md"), test.path("twin")).unwrap();
    write(&test, 4..5);
    let outcome = test.run("archive posts --format json").expect_code(3);
    assert_eq!(outcome.json()["documents"]["failed"], 1, "{}", outcome.stdout);
    assert!(outcome.stdout.contains("posts/0.md"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("restore --image"), "{}", outcome.stdout);
    assert_eq!(test.read("posts/1.md"), proxied(1).as_bytes());
    let digest = imgkeep::digest::Digest::of(&picture::jpeg(77));
    fs::remove_file(test.path("twin")).unwrap();
    test.run(&format!("restore posts --image {digest}")).expect_code(0);
    assert_eq!(test.read("posts/0.md"), proxied(0).as_bytes());
}

#[test]
fn images_are_asked_of_others_although_documents_are_not_rewritten() {
    let origin = Origin::start();
    banner(&origin, "cdn.example", 77);
    proxy(&origin);
    let test = Test::new().origin(&origin);
    write(&test, 0..4);
    test.run("archive posts --no-rewrite").expect_code(0);
    write(&test, 4..5);
    let report = test.run("archive posts --no-rewrite --format json").expect_code(0).json();
    assert_eq!(report["references"]["failed"], 0, "{report}");
    assert_eq!(test.blobs().len(), 6, "the banner, and five images from the proxy");
    origin.host_down("cors.zfour.workers.dev");
    let asked = origin.requests().len();
    test.run("archive posts --no-rewrite").expect_code(0);
    assert_eq!(origin.requests().len(), asked);
    write(&test, 5..6);
    let report =
        test.run("archive posts --no-rewrite --format json --set fetch.retries=0").expect_code(3).json();
    assert_eq!(report["references"]["failed"], 1, "{report}");
    for n in 0..5 {
        assert_eq!(test.read(&format!("posts/{n}.md")), proxied(n).as_bytes());
    }
}

#[test]
fn documents_that_were_not_asked_about_are_restored_and_no_more() {
    let origin = Origin::start();
    banner(&origin, "cdn.example", 77);
    proxy(&origin);
    let test = Test::new().origin(&origin);
    write(&test, 0..4);
    test.run("archive posts").expect_code(0);
    test.run("restore posts/0.md").expect_code(0);
    test.write("other/4.md", proxied(4));
    test.run("archive other --format json").expect_code(3);
    for n in 0..4 {
        assert_eq!(test.read(&format!("posts/{n}.md")), proxied(n).as_bytes(), "{n}");
    }
    assert_ne!(test.read("other/4.md"), proxied(4).as_bytes());
    test.run("archive posts").expect_code(0);
    assert_eq!(test.blobs().len(), 6, "the banner, and five images from the proxy");
}
