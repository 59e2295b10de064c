//! What takes long keeps nobody else waiting.

use std::time::Duration;

use super::running::{Daemon, until};
use super::{POST, is_archived, scene};
use crate::support::origin::{Answer, Origin};
use crate::support::picture;

/// An image that takes minutes to come.
fn slow(origin: &Origin, url: &str) -> String {
    let image = picture::sized(image::ImageFormat::Png, 2, 300, 300);
    origin.answers(url, [Answer::image(image).drip(200, Duration::from_millis(300))]);
    format!("![]({url})\n")
}

#[test]
fn what_is_dropped_in_waits_for_no_other_run() {
    let (origin, test) = scene();
    let before = slow(&origin, "http://slow.example/before.png");
    let dropped = slow(&origin, "http://sleepy.example/dropped.png");
    test.write("posts/before.md", &before);
    let mut daemon = Daemon::start(&test);
    until("the long run is under way", || origin.count("http://slow.example/before.png") == 1);
    test.write("posts/first.md", POST);
    until("a post is archived beside it", || is_archived(&test, "posts/first.md"));
    test.write("posts/dropped.md", &dropped);
    until("another long run is under way", || origin.count("http://sleepy.example/dropped.png") == 1);
    test.write("posts/second.md", POST);
    until("a post is archived beside both", || is_archived(&test, "posts/second.md"));
    assert_eq!(test.read("posts/before.md"), before.as_bytes());
    assert_eq!(test.read("posts/dropped.md"), dropped.as_bytes());
    let running = |kind: &str| {
        let runs = daemon.runs();
        runs.iter().filter(|run| run["kind"] == kind && run["state"] == "running").count()
    };
    until("both are still under way, and no other", || (running("reconcile"), running("change")) == (1, 1));
    // Edited while a run is at work on it: that comes afterwards, and nobody is asked twice meanwhile.
    test.write("posts/dropped.md", format!("edited\n{dropped}"));
    test.write("posts/third.md", POST);
    until("others go on", || is_archived(&test, "posts/third.md"));
    assert_eq!(origin.count("http://sleepy.example/dropped.png"), 1);
    assert!(daemon.stop() < Duration::from_secs(15), "it stops both");
    test.assert_no_litter();
}
