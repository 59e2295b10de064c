//! Images that nobody gave are asked for again.

use std::fs;
use std::os::unix::fs::symlink;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use super::running::{Daemon, until};
use super::scene;
use crate::support::{Test, picture};

const LATE: &str = "http://late.example/b.jpg";

fn post() -> String {
    format!("![]({LATE})\n")
}

fn is_planned(daemon: &Daemon) -> bool {
    let planned = daemon.agenda()["planned"].as_array().unwrap().clone();
    planned.iter().any(|planned| planned["kind"] == "retry")
}

/// The clock of the catalog is moved instead of ours: the failure is as old as that.
fn make_old(test: &Test) {
    let catalog = rusqlite::Connection::open(test.path("cache/catalog.db")).unwrap();
    let sql = "UPDATE failures SET attempts = replace(attempts, '\"next\":1', '\"next\":')";
    assert_eq!(catalog.execute(sql, []).unwrap(), 1);
}

#[test]
fn an_image_that_comes_back_is_asked_for_when_its_time_has_come() {
    let (origin, test) = scene();
    test.write("posts/a.md", post());
    let daemon = Daemon::start(&test);
    until("it is asked for", || origin.count(LATE) > 0);
    until("the run is over", || daemon.done("reconcile") == 1);
    until("its next time is planned", || is_planned(&daemon));
    drop(daemon);
    make_old(&test);
    origin.image(LATE, picture::jpeg(2));
    let daemon = Daemon::start(&test);
    until("the document has its image", || test.read("posts/a.md") != post().as_bytes());
    until("it was a retry", || daemon.done("retry") == 1);
}

#[test]
fn after_one_in_vain_the_next_is_planned() {
    let (_origin, test) = scene();
    test.write("posts/a.md", post());
    let daemon = Daemon::start(&test);
    until("its next time is planned", || is_planned(&daemon));
    drop(daemon);
    make_old(&test);
    let daemon = Daemon::start(&test);
    until("it is asked for again", || daemon.done("retry") == 1);
    until("and will be another time", || is_planned(&daemon));
}

#[test]
fn behind_a_link_they_are_asked_for_too() {
    let (origin, test) = scene();
    let test = test.set("daemon.watch", "link/posts");
    test.write("real/posts/a.md", post());
    symlink("real", test.path("link")).unwrap();
    let daemon = Daemon::start(&test);
    until("its next time is planned", || is_planned(&daemon));
    drop(daemon);
    make_old(&test);
    origin.image(LATE, picture::jpeg(2));
    let _daemon = Daemon::start(&test);
    until("the document has its image", || test.read("real/posts/a.md") != post().as_bytes());
}

#[test]
fn another_configuration_forgets_none() {
    let (_origin, test) = scene();
    test.write("posts/a.md", post());
    let settings = |retries: u32| {
        fs::write(test.path("settings.toml"), format!("[fetch]\nretries = {retries}\n")).unwrap();
    };
    settings(0);
    let words = "--format json --config settings.toml daemon --listen 127.0.0.1:0";
    let daemon = Daemon::start_with(&mut test.command(words));
    until("its next time is planned", || is_planned(&daemon));
    settings(1);
    daemon.signal(Signal::HUP);
    until("it is in force", || daemon.said().contains("read again and is in force"));
    sleep(Duration::from_secs(3));
    until("it still is", || is_planned(&daemon));
}
