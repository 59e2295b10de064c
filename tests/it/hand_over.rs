//! `imgkeep archive` where a daemon is at work: handed over to it, or not, the same comes of it.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::api::client::Daemon;
use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

const URL: &str = "http://cdn.example/a.jpg";
const GONE: &str = "http://cdn.example/gone.jpg";

fn test(origin: &Origin) -> Test {
    origin.image(URL, picture::jpeg(1));
    Test::new()
        .origin(origin)
        .set("fetch.sources", "[\"origin\"]")
        .set("fetch.retries", "0")
        .document("posts/a.md", format!("![]({URL}) ![]({GONE})\n"))
        .document("posts/sub/b.md", format!("![]({URL})\n"))
        .document("posts/read-only.md", format!("![]({URL})\n"))
        .document("other/c.md", "nothing\n")
}

/// One document cannot be rewritten.
fn lock(test: &Test) {
    let path = test.path("posts/read-only.md");
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
}

/// Runs that the daemon did on order, the newest first.
fn orders(daemon: &Daemon) -> Vec<Value> {
    let mut runs = daemon.get("/api/v1/runs");
    let Value::Array(mut runs) = runs["runs"].take() else { panic!("it is a list") };
    runs.retain(|run| run["kind"] == "archive");
    runs
}

fn ordered(daemon: &Daemon) -> usize {
    orders(daemon).len()
}

/// The report without what no two runs have in common.
fn timeless(mut report: Value) -> Value {
    report["elapsed_ms"].take();
    for failure in report["failures"].as_array_mut().unwrap() {
        for attempt in failure["attempts"].as_array_mut().unwrap() {
            attempt["at"].take();
            attempt["next"].take();
        }
    }
    report
}

#[test]
fn both_ways_give_the_same_report() {
    for words in
        ["posts/ other", "./posts other/c.md --no-rewrite", "posts/sub/b.md posts --link /kept/", "."]
    {
        let origin = Origin::start();
        let (here, there) = (test(&origin), test(&origin));
        lock(&here);
        lock(&there);
        let daemon = Daemon::start(there);
        let command = format!("--format json archive {words}");
        let local = here.run(&command).expect_code(3);
        let handed = daemon.test.run(&command).expect_code(3);
        assert_eq!(ordered(&daemon), 1, "{words}: {}", handed.stderr);
        assert_eq!(timeless(handed.json()), timeless(local.json()), "{words}");
        assert_eq!(daemon.test.tree("posts"), here.tree("posts"), "{words}");
        assert_eq!(daemon.test.blobs().keys().collect::<Vec<_>>(), here.blobs().keys().collect::<Vec<_>>());

        let told = |test: &Test| {
            let said = test.run(&format!("archive {words}")).expect_code(3).stdout;
            let (first, rest) = said.split_once('\n').unwrap();
            (first.split(", in").next().unwrap().to_owned(), rest.to_owned())
        };
        assert_eq!(told(&daemon.test), told(&here), "{words}");
        assert_eq!(ordered(&daemon), 2);
    }
}

#[test]
fn what_the_daemon_would_do_otherwise_is_done_here() {
    let origin = Origin::start();
    let daemon = Daemon::start(test(&origin));
    for (words, warns) in [
        ("archive posts --local", false),
        ("archive posts --diff", false),
        ("archive posts --dry-run", false),
        ("archive posts --set fetch.retries=1", true),
    ] {
        let said = daemon.test.run(words).expect_code(if words.contains("dry") { 0 } else { 3 }).stderr;
        assert_eq!(said.contains("other settings"), warns, "{words}: {said}");
        assert_eq!(said.matches("done here").count(), usize::from(warns), "{said}");
    }
    assert_eq!(daemon.test.run_with_input("archive -", b"text").expect_code(0).stdout, "text");
    assert_eq!(ordered(&daemon), 0);
    assert!(daemon.test.run("archive nowhere").expect_code(2).stderr.contains("nowhere"));
    // From another folder, and with other words for the same store, it is the same archive.
    let mut elsewhere = daemon.test.command("archive ../posts --set store.path=../cache");
    let handed = elsewhere.current_dir(daemon.test.path("other")).output().unwrap();
    assert_eq!((handed.status.code(), ordered(&daemon)), (Some(3), 1), "{handed:?}");
}

fn start_slow(origin: &Origin, daemon: &Daemon, words: &str) -> Child {
    origin.answer(URL, Answer::image(picture::jpeg(1)).delay(Duration::from_secs(20)));
    let child = daemon.test.command(words).spawn().unwrap();
    let start = Instant::now();
    while origin.count(URL) == 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "the image is never asked for");
        sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn ctrl_c_has_the_daemon_stop_that_run() {
    let origin = Origin::start();
    let daemon = Daemon::start(test(&origin));
    let child = start_slow(&origin, &daemon, "--format json archive posts");
    assert_eq!(ordered(&daemon), 1);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let outcome = child.wait_with_output().unwrap();
    assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
    let report: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(report["interrupted"], true);
    let run = &orders(&daemon)[0];
    assert_eq!(run["state"], "failed", "{run}");
    // The daemon lives, and does the next one.
    origin.image(URL, picture::jpeg(1));
    daemon.test.run("archive posts").expect_code(3);
    assert_eq!(ordered(&daemon), 2);
}

#[test]
fn a_daemon_that_ends_leaves_the_rest_to_be_done_here() {
    let origin = Origin::start();
    let mut daemon = Daemon::start(test(&origin));
    let child = start_slow(&origin, &daemon, "--format json archive posts");
    assert_eq!(ordered(&daemon), 1);
    daemon.signal(Signal::KILL);
    origin.image(URL, picture::jpeg(1));
    let outcome = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(3), "{said}");
    assert!(said.contains("the rest is done here"), "{said}");
    let report: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(report["references"]["archived"], 3);
    assert_eq!(daemon.test.blobs().len(), 1);
}

#[test]
fn the_socket_is_the_owners_and_goes_with_its_daemon() {
    let origin = Origin::start();
    let mut daemon = Daemon::start(test(&origin));
    let path = daemon.test.path("cache/control.sock");
    let found = fs::symlink_metadata(&path).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.mode() & 0o7777, 0o660);
    let outside = json!({ "paths": [daemon.test.path("other")] }).to_string();
    let reply = daemon.ask_by_socket("POST /api/v1/runs", &["Content-Type: application/json"], &outside);
    assert_eq!(reply.status, 202, "its owner may have anything archived");
    daemon.ended(reply.field("location").unwrap());
    let status = daemon.test.run("status --format json").expect_code(0).json();
    assert_eq!(
        (&status["daemon"]["works"], &status["daemon"]["last"]["state"]),
        (&json!(true), &json!("done"))
    );
    assert!(daemon.test.run("status").expect_code(0).stdout.contains("last run: "));
    daemon.signal(Signal::TERM);
    assert!(!path.exists(), "it ended in good order");
    assert!(daemon.test.run("status --format json").expect_code(0).json().get("daemon").is_none());
}

#[test]
fn a_socket_that_was_left_is_replaced_and_what_is_none_is_not() {
    let origin = Origin::start();
    let mut daemon = Daemon::start(test(&origin));
    daemon.signal(Signal::KILL);
    let path = daemon.test.path("cache/control.sock");
    assert!(path.exists(), "nobody tidied up");
    daemon.test.run("archive posts/sub").expect_code(0);
    let test = std::mem::replace(&mut daemon.test, Test::new());
    let mut daemon = Daemon::start(test);
    daemon.test.run("archive posts").expect_code(3);
    assert_eq!(ordered(&daemon), 1);
    daemon.signal(Signal::TERM);
    fs::write(daemon.test.path("precious"), "mine").unwrap();
    std::os::unix::fs::symlink(daemon.test.path("precious"), &path).unwrap();
    let refused = daemon.test.run("daemon --listen 127.0.0.1:0").expect_code(1);
    assert!(refused.stderr.contains("is no socket"), "{}", refused.stderr);
    assert_eq!(daemon.test.read("precious"), b"mine");
}

#[test]
fn a_store_may_lie_deep() {
    let origin = Origin::start();
    let deep = format!("{}/{}", "x".repeat(120), "y".repeat(120));
    let test = test(&origin).set("store.path", &format!("{deep:?}"));
    fs::create_dir_all(test.path(&deep)).unwrap();
    let daemon = Daemon::start(test);
    daemon.test.run("archive posts").expect_code(3);
    assert_eq!(ordered(&daemon), 1);
}
