//! How the daemon begins, ends, and lives through trouble.

use std::fs;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::running::{Daemon, until};
use super::{POST, URL, is_archived, scene};
use crate::support::origin::Answer;
use crate::support::picture;

#[test]
fn a_second_daemon_on_the_same_store_is_refused_by_name() {
    let (_origin, test) = scene();
    let mut daemon = Daemon::start(&test);
    // Not by its port, which is taken, too.
    let refused = test.run(&format!("daemon --listen {}", daemon.address)).expect_code(1);
    let (store, pid) = (test.path("cache").canonicalize().unwrap(), daemon.child.id());
    assert!(refused.stderr.contains(&format!("`{}`, process {pid}", store.display())), "{}", refused.stderr);
    daemon.stop();
    Daemon::start(&test).stop();
}

#[test]
fn it_ends_in_the_middle_of_a_download_and_goes_on_later() {
    let (origin, test) = scene();
    let slow = "http://slow.example/b.jpg";
    let image = picture::sized(image::ImageFormat::Png, 2, 300, 300);
    let drip = Answer::image(image.clone()).drip(1_000, Duration::from_millis(300));
    origin.answers(slow, [drip, Answer::image(image)]);
    test.write("posts/a.md", POST);
    test.write("posts/b.md", format!("![]({slow})\n"));
    let mut daemon = Daemon::start(&test);
    until("it is under way", || origin.count(slow) == 1);
    let took = daemon.stop();
    println!("it took {took:?}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    test.assert_no_litter();
    assert_eq!(test.read("posts/b.md"), format!("![]({slow})\n").as_bytes());
    let _daemon = Daemon::start(&test);
    until("the rest is done", || test.read("posts/b.md") != format!("![]({slow})\n").as_bytes());
    until("the other too", || is_archived(&test, "posts/a.md"));
    assert_eq!(origin.count(URL), 1, "what was downloaded was kept");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (origin, test) = scene();
    test.write("posts/a.md", POST);
    // Held open: the run waits for it.
    let _writer = fs::File::options().append(true).open(test.path("posts/a.md")).unwrap();
    let mut daemon = Daemon::start(&test);
    until("it is under way", || origin.count(URL) == 1);
    daemon.signal(Signal::TERM);
    until("it heard", || daemon.said().contains("asked to stop"));
    daemon.signal(Signal::TERM);
    let status = daemon.wait();
    assert!(status.code() == Some(130) || status.success(), "{status}");
    assert_eq!(test.read("posts/a.md"), POST.as_bytes());
}

#[test]
fn a_changed_configuration_is_taken_over_or_refused() {
    let (_origin, test) = scene();
    let settings = |watch: &str, scope: &str| {
        let text = format!("[daemon]\nwatch = [{watch}]\n[references]\nscope = \"{scope}\"\n");
        fs::write(test.path("settings.toml"), text).unwrap();
    };
    settings("\"notes\"", "proxied");
    test.write("notes/a.md", POST);
    test.write("more/b.md", POST);
    // Not with `scene`'s own settings, which would win over the file's.
    let mut command = test.command("--format json --config settings.toml daemon --listen 127.0.0.1:0");
    let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let watch = arguments.iter().position(|argument| argument == "daemon.watch=posts").unwrap();
    let mut rest = Command::new(command.get_program());
    rest.args(&arguments[..watch - 1]).args(&arguments[watch + 1..]);
    rest.current_dir(test.root()).env_clear().stdout(std::process::Stdio::piped());
    rest.stderr(std::process::Stdio::piped());
    command = rest;
    let daemon = Daemon::start_with(&mut command);
    until("it is at work", || daemon.said().contains("at work"));
    until("it watches", || daemon.agenda()["watched"][0]["how"] == "events");

    settings("\"notes\", \"more\"", "everything");
    daemon.signal(Signal::HUP);
    until("it says why not", || {
        let agenda = daemon.agenda();
        agenda["refused_configuration"].as_str().is_some_and(|why| why.contains("everything"))
    });
    until("the log does too", || daemon.said().contains("settings.toml"));
    assert_eq!(daemon.agenda()["watched"].as_array().unwrap().len(), 1);

    settings("\"notes\", \"more\"", "all");
    daemon.signal(Signal::HUP);
    until("another folder is watched", || is_archived(&test, "more/b.md"));
    until("other rules hold", || is_archived(&test, "notes/a.md"));
    assert!(daemon.agenda()["refused_configuration"].is_null());

    settings("\"more\"", "all");
    daemon.signal(Signal::HUP);
    until("one is let go", || daemon.agenda()["watched"].as_array().unwrap().len() == 1);
    test.write("notes/late.md", POST);
    test.write("more/late.md", POST);
    until("the other is still watched", || is_archived(&test, "more/late.md"));
    assert!(!is_archived(&test, "notes/late.md"));
}

#[test]
fn it_waits_while_another_program_holds_the_catalog() {
    let (origin, test) = scene();
    test.run("archive --no-rewrite .").expect_code(0);
    let mut other = rusqlite::Connection::open(test.path("cache/catalog.db")).unwrap();
    let mut daemon = Daemon::start(&test);
    let held = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    test.write("posts/a.md", POST);
    until("it has the image", || origin.count(URL) == 1);
    std::thread::sleep(Duration::from_secs(2));
    assert!(!is_archived(&test, "posts/a.md"));
    let asked = std::time::Instant::now();
    assert!(daemon.agenda()["watched"].is_array(), "it answers meanwhile");
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    drop(held);
    until("it goes on", || is_archived(&test, "posts/a.md"));
    daemon.stop();
}

#[test]
fn a_full_disk_is_waited_out() {
    let (origin, test) = scene();
    let store = test.path("store");
    fs::create_dir(&store).unwrap();
    let mount = |words: &[&str]| {
        Command::new(words[0]).args(&words[1..]).arg(&store).output().is_ok_and(|done| done.status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs"]) {
        println!("not tried: nothing may be mounted here");
        return;
    }
    let big = "http://cdn.example/big.png";
    origin.image(big, picture::sized(image::ImageFormat::Png, 3, 900, 800));
    let test = test.set("store.path", "store");
    fs::create_dir(test.path("posts")).unwrap();
    let mut daemon = Daemon::start(&test);
    until("the first chores are done", || daemon.done("gc") == 1);
    test.write("posts/small.md", POST);
    until("there is room for a small one", || is_archived(&test, "posts/small.md"));
    let filler = store.join("filler");
    fs::write(&filler, vec![0; 4 << 20]).unwrap();
    test.write("posts/big.md", format!("![]({big})\n"));
    until("nothing is fetched any more", || daemon.agenda()["paused"].is_string());
    assert_eq!(test.read("posts/big.md"), format!("![]({big})\n").as_bytes());
    let healthy = daemon.get("/api/v1/runs");
    assert!(healthy["runs"].is_array(), "it still answers");
    let asked = origin.count(big);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(origin.count(big), asked, "nobody is asked in vain");
    fs::remove_file(&filler).unwrap();
    until("it goes on by itself", || test.read("posts/big.md") != format!("![]({big})\n").as_bytes());
    until("and says so", || daemon.agenda()["paused"].is_null());
    daemon.stop();
    drop(daemon);
    assert!(mount(&["umount"]));
}

#[test]
fn a_document_without_room_is_rewritten_once_there_is_some() {
    let (_origin, test) = scene();
    let posts = test.path("posts");
    fs::create_dir(&posts).unwrap();
    let mount = |words: &[&str]| {
        Command::new(words[0]).args(&words[1..]).arg(&posts).output().is_ok_and(|done| done.status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs"]) {
        println!("not tried: nothing may be mounted here");
        return;
    }
    test.write("posts/a.md", POST);
    let filler = posts.join("filler.bin");
    let full = (1..=16).rev().any(|pages| fs::write(&filler, vec![0; pages * 4096]).is_ok());
    assert!(full);
    let mut daemon = Daemon::start(&test);
    until("there is no room", || daemon.said().contains("left as it is"));
    assert!(!is_archived(&test, "posts/a.md"));
    fs::remove_file(&filler).unwrap();
    until("it is tried again", || is_archived(&test, "posts/a.md"));
    assert!(daemon.agenda()["paused"].is_null());
    daemon.stop();
    drop(daemon);
    assert!(mount(&["umount"]));
}

#[test]
fn scrubbing_mends_an_image_whose_bits_have_turned() {
    let (origin, test) = scene();
    test.write("posts/a.md", POST);
    test.run("archive posts").expect_code(0);
    let blob = test.blobs().into_values().next().unwrap();
    let mut bytes = fs::read(&blob).unwrap();
    bytes[100] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let daemon = Daemon::start(&test);
    until("it is read again", || daemon.done("scrub") == 1);
    assert_eq!(fs::read(&blob).unwrap(), picture::jpeg(1));
    assert_eq!(origin.count(URL), 2);
    assert!(daemon.said().contains("not as it was"), "{}", daemon.said());
    let runs = daemon.get("/api/v1/runs");
    let outcome = runs["runs"].as_array().unwrap().iter().find(|run| run["kind"] == "scrub").unwrap();
    assert!(outcome["outcome"].as_str().unwrap().contains("1 fetched again"), "{outcome}");
}
