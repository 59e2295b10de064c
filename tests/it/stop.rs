//! Ctrl-C, once and twice.

use std::fs::File;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

const URL: &str = "http://cdn.example/a.jpg";
const POST: &str = "![](http://cdn.example/a.jpg)\n";

/// A run that has its image, and waits until the writer has done with the document.
struct Scene {
    origin: Origin,
    test: Test,
    writer: File,
}

impl Scene {
    fn new() -> Self {
        let origin = Origin::start();
        origin.image(URL, picture::jpeg(1));
        let test = Test::new().origin(&origin).document("posts/a.md", POST);
        let writer = File::options().append(true).open(test.path("posts/a.md")).unwrap();
        Self { origin, test, writer }
    }

    fn start(&self) -> Child {
        let run = self.test.command("archive posts").spawn().unwrap();
        let start = Instant::now();
        while self.origin.count(URL) == 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "the image is never asked for");
            sleep(Duration::from_millis(5));
        }
        sleep(Duration::from_millis(300));
        run
    }
}

fn interrupt(run: &Child) {
    let pid = Pid::from_child(run);
    kill_process(pid, Signal::INT).unwrap();
    sleep(Duration::from_millis(200));
}

#[test]
fn the_first_lets_the_run_end_in_good_order() {
    let scene = Scene::new();
    let run = scene.start();
    interrupt(&run);
    drop(scene.writer);
    let outcome = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.contains("once more stops at once"), "{said}");
    assert_eq!(scene.test.blobs().len(), 1);
    scene.test.run("archive posts").expect_code(0);
    assert_ne!(scene.test.read("posts/a.md"), POST.as_bytes());
    assert_eq!(scene.origin.count(URL), 1, "what was downloaded was kept");
}

#[test]
fn the_second_ends_it_at_once_and_loses_nothing() {
    let scene = Scene::new();
    let run = scene.start();
    interrupt(&run);
    let asked = Instant::now();
    interrupt(&run);
    let outcome = run.wait_with_output().unwrap();
    let took = asked.elapsed();
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(130), "{said}");
    assert!(took < Duration::from_secs(1), "{took:?}: it waited for the writer");
    assert_eq!(scene.test.read("posts/a.md"), POST.as_bytes());
    drop(scene.writer);
    scene.test.run("archive posts").expect_code(0);
    assert_eq!(scene.test.blobs().len(), 1);
    assert_ne!(scene.test.read("posts/a.md"), POST.as_bytes());
    scene.test.assert_no_litter();
}

#[test]
fn what_failed_before_is_not_asked_again_although_its_document_waits_for_more() {
    let origin = Origin::start();
    origin.answer("http://cdn.example/gone.jpg", Answer::status(404));
    origin.answers(URL, [Answer::image(picture::jpeg(1)).delay(Duration::from_secs(8)), Answer::status(404)]);
    let test = Test::new()
        .origin(&origin)
        .set("fetch.sources", "[\"origin\"]")
        .document("posts/a.md", format!("{POST}![](http://cdn.example/gone.jpg)\n"));
    let run = test.command("archive posts").spawn().unwrap();
    let start = Instant::now();
    while origin.requests().len() < 3 {
        assert!(start.elapsed() < Duration::from_secs(60), "both are asked for, one by https too");
        sleep(Duration::from_millis(5));
    }
    sleep(Duration::from_millis(300));
    interrupt(&run);
    assert_eq!(run.wait_with_output().unwrap().status.code(), Some(1));
    let asked = origin.count("http://cdn.example/gone.jpg");
    test.run("archive posts").expect_code(3);
    assert_eq!(origin.count("http://cdn.example/gone.jpg"), asked);
}
