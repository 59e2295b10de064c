//! Killed at any moment: each document is wholly old or wholly new, every link has its image, the catalog opens, one
//! more run finishes the work and leaves nothing behind, and the way back is whole.
//!
//! `steps` kills the program at each system call that changes the disk, `random` at random moments, and `daemon` the
//! daemon, while documents appear and change. What must hold is `scene`'s, and `power` holds the disk to it, too.
//! All of it: `IMGKEEP_ROUNDS=500 cargo test --test it -- --nocapture crash::`.

mod daemon;
mod random;
pub(crate) mod scene;
mod steps;
pub(crate) mod tally;

use std::time::{Duration, Instant};

use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

#[test]
fn a_copy_that_somebody_removes_in_the_middle_of_a_run_is_no_crash() {
    let origin = Origin::start();
    origin.image("http://cdn.example/a.jpg", picture::jpeg(1));
    let test = Test::new()
        .origin(&origin)
        .document("posts/a.md", "![](http://cdn.example/a.jpg)")
        .document("posts/b.md", "![](http://cdn.example/a.jpg) ![](http://cdn.example/late.jpg)");
    let (images, rewritten) = (test.path("cache/images"), test.path("posts/a.md"));
    origin.answer_by("http://cdn.example/late.jpg", move |_, _| {
        let start = Instant::now();
        let is_kept = || std::fs::read_to_string(&rewritten).is_ok_and(|text| text.contains("cache/images"));
        while !is_kept() && start.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(10));
        }
        // So that the loop hears of it, too.
        std::thread::sleep(Duration::from_millis(300));
        std::fs::remove_dir_all(&images).unwrap();
        std::fs::create_dir(&images).unwrap();
        Answer::image(picture::jpeg(2))
    });
    let report = test.run("archive posts --format json").expect_code(0).json();
    assert_eq!(report["references"]["archived"], 3, "{report}");
    test.run("verify --repair").expect_code(0);
}
