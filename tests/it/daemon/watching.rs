//! What the daemon notices.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use super::running::{Daemon, until};
use super::{POST, URL, is_archived, scene};

#[test]
fn what_was_there_and_what_is_dropped_in_is_archived_once() {
    let (origin, test) = scene();
    test.write("posts/before.md", POST);
    let daemon = Daemon::start(&test);
    until("what was there is archived", || is_archived(&test, "posts/before.md"));
    test.write("posts/dropped.md", POST);
    until("what is dropped in is archived", || is_archived(&test, "posts/dropped.md"));
    until("both runs are over", || {
        daemon.runs().len() == 2 && daemon.runs().iter().all(|run| run["state"] == "done")
    });
    // Our own writing is a change like any other: time enough for it to settle and to be seen for what it is.
    sleep(Duration::from_secs(3));
    assert_eq!(daemon.runs().len(), 2, "{:?}", daemon.runs());
    assert_eq!(origin.count(URL), 1);
    let planned = daemon.agenda()["planned"].as_array().unwrap().clone();
    let kinds: Vec<_> = planned.iter().map(|planned| planned["kind"].as_str().unwrap()).collect();
    for kind in ["reconcile", "scrub", "gc"] {
        assert!(kinds.contains(&kind), "{planned:?}");
    }
}

#[test]
fn editors_renames_and_links_are_noticed() {
    let (_origin, test) = scene();
    fs::create_dir(test.path("posts")).unwrap();
    test.write("elsewhere/real.md", POST);
    let _daemon = Daemon::start(&test);
    // An editor that saves beside the document and renames.
    test.write("posts/saved.md", "nothing yet\n");
    test.write("posts/saved.md~", POST);
    fs::rename(test.path("posts/saved.md~"), test.path("posts/saved.md")).unwrap();
    // A file that comes from elsewhere, and a link to one.
    test.write("elsewhere/moved.md", POST);
    fs::rename(test.path("elsewhere/moved.md"), test.path("posts/moved.md")).unwrap();
    symlink(test.path("elsewhere/real.md"), test.path("posts/link.md")).unwrap();
    for path in ["posts/saved.md", "posts/moved.md", "posts/link.md", "elsewhere/real.md"] {
        until(path, || is_archived(&test, path));
    }
    assert!(test.path("posts/link.md").is_symlink());
}

#[test]
fn a_tree_that_is_moved_in_is_watched_too() {
    let (_origin, test) = scene();
    fs::create_dir(test.path("posts")).unwrap();
    let _daemon = Daemon::start(&test);
    test.write("coming/a/b/c.md", POST);
    test.write("coming/.hidden/d.md", POST);
    fs::rename(test.path("coming"), test.path("posts/come")).unwrap();
    until("what came along is archived", || is_archived(&test, "posts/come/a/b/c.md"));
    test.write("posts/come/a/b/later.md", POST);
    until("what comes there later is archived", || is_archived(&test, "posts/come/a/b/later.md"));
    fs::rename(test.path("posts/come/a"), test.path("posts/gone")).unwrap();
    test.write("posts/gone/b/again.md", POST);
    until("a folder with another name is watched", || is_archived(&test, "posts/gone/b/again.md"));
    assert!(!is_archived(&test, "posts/come/.hidden/d.md"));
}

#[test]
fn the_rules_of_any_walk_hold() {
    let (_origin, test) = scene();
    let test = test.set("documents.exclude", "[\"drafts/\"]");
    test.write("posts/.gitignore", "private/\n*.tmp.md\n");
    fs::create_dir_all(test.path("posts/private")).unwrap();
    fs::create_dir_all(test.path("posts/drafts/deep")).unwrap();
    fs::create_dir_all(test.path("posts/sub")).unwrap();
    let daemon = Daemon::start(&test);
    for path in [
        "posts/private/a.md",
        "posts/drafts/deep/b.md",
        "posts/sub/c.tmp.md",
        "posts/.d.md",
        "posts/sub/e.png",
    ] {
        test.write(path, POST);
    }
    test.write("posts/sub/last.md", POST);
    until("the only document is archived", || is_archived(&test, "posts/sub/last.md"));
    until("its run is over", || daemon.done("change") == 1);
    for path in ["posts/private/a.md", "posts/drafts/deep/b.md", "posts/sub/c.tmp.md", "posts/.d.md"] {
        assert_eq!(test.read(path), POST.as_bytes(), "{path}");
    }
    // The rules change: what they ruled out is a document now.
    test.write("posts/.gitignore", "*.tmp.md\n");
    until("it is no secret any more", || is_archived(&test, "posts/private/a.md"));
}

#[test]
fn two_thousand_files_at_once_are_few_runs() {
    let (origin, test) = scene();
    let test = test.set("daemon.settle_secs", "1");
    fs::create_dir(test.path("posts")).unwrap();
    let daemon = Daemon::start(&test);
    for number in 0..2_000 {
        test.write(&format!("posts/{}/{number}.md", number % 20), POST);
    }
    let is_done = |number: &i32| is_archived(&test, &format!("posts/{}/{number}.md", number % 20));
    until("all are archived", || (0..2_000).rev().all(|number| is_done(&number)));
    assert!(daemon.runs().len() <= 6, "{} runs", daemon.runs().len());
    assert_eq!(origin.count(URL), 1);
}

#[test]
fn a_folder_that_is_not_there_is_looked_for() {
    let (_origin, test) = scene();
    let daemon = Daemon::start(&test);
    let how = || daemon.agenda()["watched"][0]["how"].as_str().unwrap().to_owned();
    until("it is missed", || how() == "missing");
    test.write("posts/a.md", POST);
    until("it is watched when it comes", || how() == "events");
    until("what it holds is archived", || is_archived(&test, "posts/a.md"));
    fs::rename(test.path("posts"), test.path("away")).unwrap();
    until("it is missed again", || how() == "missing");
    test.write("posts/b.md", POST);
    until("another one takes its place", || is_archived(&test, "posts/b.md"));
    test.write("posts/c.md", POST);
    until("and is watched", || is_archived(&test, "posts/c.md"));
    test.write("away/d.md", POST);
    test.write("posts/e.md", POST);
    until("it goes on", || is_archived(&test, "posts/e.md"));
    assert!(!is_archived(&test, "away/d.md"), "nobody watches that any more");
}

#[test]
fn a_document_that_somebody_holds_open_is_tried_again() {
    let (_origin, test) = scene();
    test.write("posts/a.md", POST);
    let writer = fs::File::options().append(true).open(test.path("posts/a.md")).unwrap();
    let daemon = Daemon::start(&test);
    until("it is left as it is", || daemon.said().contains("left as it is"));
    test.write("posts/b.md", POST);
    until("others do not wait for it", || is_archived(&test, "posts/b.md"));
    assert!(!is_archived(&test, "posts/a.md"));
    drop(writer);
    until("it is archived in the end", || is_archived(&test, "posts/a.md"));
}

#[test]
fn a_document_that_may_not_be_written_is_not_tried_all_the_time() {
    use std::os::unix::fs::PermissionsExt;
    let (_origin, test) = scene();
    test.write("posts/a.md", POST);
    let path = test.path("posts/a.md");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let daemon = Daemon::start(&test);
    until("it is left as it is", || daemon.said().contains("is read-only"));
    test.write("posts/b.md", POST);
    until("others are archived", || is_archived(&test, "posts/b.md"));
    assert_eq!(daemon.said().matches("is read-only").count(), 1);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    until("it is archived once it may be", || is_archived(&test, "posts/a.md"));
}

#[test]
fn where_folders_cannot_be_watched_they_are_looked_through() {
    let (_origin, test) = scene();
    let test = test.set("daemon.poll_secs", "1");
    for number in 0..20 {
        fs::create_dir_all(test.path(&format!("posts/{number}"))).unwrap();
    }
    let program = test.command("--format json daemon --listen 127.0.0.1:0");
    // The limit of a user namespace of our own: nobody else's.
    let limited = "echo 3 > /proc/sys/user/max_inotify_watches && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-U", "-r", "sh", "-c", limited, "sh"]).arg(program.get_program()).args(program.get_args());
    command.current_dir(test.root()).env_clear().env("HOME", test.root()).env("PATH", "/usr/bin:/bin");
    let probe = Command::new("unshare")
        .args(["-U", "-r", "sh", "-c", "echo 3 > /proc/sys/user/max_inotify_watches"])
        .output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        println!("not tried: no user namespace may be made here");
        return;
    }
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let daemon = Daemon::start_with(&mut command);
    until("it says so", || daemon.said().contains("fs.inotify.max_user_watches"));
    let watched = daemon.agenda()["watched"][0].clone();
    assert_eq!(watched["how"], "polling", "{watched}");
    assert!(watched["why"].as_str().unwrap().contains("fs.inotify.max_user_watches"), "{watched}");
    test.write("posts/19/a.md", POST);
    until("it is found all the same", || is_archived(&test, "posts/19/a.md"));
    until("its run is over", || daemon.runs().len() == 1 && daemon.done("change") == 1);
    sleep(Duration::from_secs(3));
    assert_eq!(daemon.runs().len(), 1, "nothing new is no run");
}
