//! Folders that are moved, replaced, deleted and closed while the program is at work in them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{Spotter, blob, finish, origin, run, start, url};
use crate::daemon::running::Daemon;
use crate::support::Test;
use crate::support::origin::Origin;
use crate::support::over::SetsInTheEnd;
use crate::support::rounds::rounds;

const IMAGES: u64 = 5;
const DOCUMENTS: u64 = 12;

fn name(number: u64) -> String {
    format!("{number}.md")
}

fn text(number: u64) -> String {
    let (one, two) = (url(number % IMAGES), url((number + 1) % IMAGES));
    format!("# {number}\n![]({one})\n\nMore.\n\n![]({two})\n")
}

/// The text with links to copies that start with one of `prefixes`.
fn faces(number: u64, prefixes: &[&str]) -> Vec<String> {
    let link = |prefix: &str, image: u64| format!("{prefix}{}", blob(image % IMAGES));
    let face = |prefix: &&str| {
        text(number)
            .replace(&url(number % IMAGES), &link(prefix, number))
            .replace(&url((number + 1) % IMAGES), &link(prefix, number + 1))
    };
    prefixes.iter().map(face).chain([text(number)]).collect()
}

/// Documents in `posts/sub`.
fn scene() -> (Origin, Test) {
    let origin = origin(IMAGES);
    let test = Test::in_memory().origin(&origin).set("rewrite.keep_mtime", "true");
    (0..DOCUMENTS).for_each(|number| test.write(&format!("posts/sub/{}", name(number)), text(number)));
    (origin, test)
}

/// Every document is in `folder`, and wholly old or wholly new.
fn all_are_whole(test: &Test, folder: &str) {
    for number in 0..DOCUMENTS {
        let found = String::from_utf8(test.read(&format!("{folder}/{}", name(number)))).unwrap();
        let faces = faces(number, &["../../cache/images/", "../cache/images/", "/images/"]);
        assert!(faces.contains(&found), "{number}: {found}");
    }
}

/// One more run finishes the work, and the way back is whole.
fn and_back(test: &Test) {
    run(test, "archive --local posts", &[0]);
    all_are_whole(test, "posts/sub");
    run(test, "verify", &[0]);
    run(test, "restore posts", &[0]);
    for number in 0..DOCUMENTS {
        assert_eq!(test.read(&format!("posts/sub/{}", name(number))), text(number).into_bytes());
    }
    test.assert_no_litter();
}

/// The commands that change documents, one after the other, until `done`.
fn work_until(test: &Test, done: &AtomicBool) -> u32 {
    let mut runs = 0;
    while !done.load(Ordering::Relaxed) {
        // What has just been moved away cannot be found (2), or not be written.
        for words in ["archive posts", "relink posts --link /images/", "restore posts"] {
            run(test, words, &[0, 2, 3]);
            runs += 1;
        }
    }
    runs
}

/// `work` runs while a folder with documents and a symlink to a folder with others change places again and again.
fn swap_while(who: &str, test: &Test, work: impl FnOnce(&AtomicBool) + Send) {
    let outside = test.root().parent().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    let before: Vec<_> = (0..DOCUMENTS)
        .map(|number| {
            let path = outside.join(name(number));
            fs::write(&path, text(number)).unwrap();
            let inode = fs::metadata(&path).unwrap();
            (path, inode)
        })
        .collect();
    let (sub, link) = (test.path("posts/sub"), test.path("posts/.link"));
    symlink(&outside, &link).unwrap();
    let folders = [sub.clone(), outside.clone()];
    let (spotter, reading) = (Spotter::start(&folders), Spotter::of_reading(&folders));
    let (done, swaps) = (AtomicBool::new(false), AtomicU32::new(0));
    let swap = || {
        renameat_with(CWD, &sub, CWD, &link, RenameFlags::EXCHANGE).unwrap();
        swaps.fetch_add(1, Ordering::Relaxed);
    };
    thread::scope(|scope| {
        let end = SetsInTheEnd(&done);
        let working = scope.spawn(|| work(&done));
        for round in 0..rounds(40) {
            // Most of the time the folder is where it was found, or else the documents would never be read; it goes
            // when new ones are written in it, and now and then for all that a run does after it has found them.
            if round % 8 == 0 {
                reading.wait(Duration::from_secs(10));
                swap();
                thread::sleep(Duration::from_millis(1_200));
                swap();
                continue;
            }
            spotter.wait(Duration::from_millis(300));
            for _ in 0..5 {
                swap();
                thread::sleep(Duration::from_micros(fastrand::u64(..1000)));
                swap();
                thread::sleep(Duration::from_micros(fastrand::u64(..300)));
            }
        }
        drop(end);
        working.join().unwrap();
    });
    assert!(sub.symlink_metadata().unwrap().is_dir());
    let mut written = 0;
    for (path, inode) in &before {
        let is_same = {
            use std::os::unix::fs::MetadataExt;
            let now = fs::metadata(path).unwrap();
            (now.ino(), now.mtime_nsec(), now.ctime_nsec())
                == (inode.ino(), inode.mtime_nsec(), inode.ctime_nsec())
        };
        if !is_same {
            written += 1;
            println!("{}: {:?}", path.display(), fs::read_to_string(path));
        }
    }
    let there = fs::read_dir(&outside).unwrap().count();
    println!("{who}: {} swaps, {written} of {DOCUMENTS} documents outside were written", swaps.into_inner());
    assert_eq!((written, there), (0, before.len()));
    fs::remove_file(&link).unwrap();
}

#[test]
fn nothing_is_written_through_a_symlink_that_took_a_folders_place() {
    let (_origin, test) = scene();
    swap_while("commands", &test, |done| {
        work_until(&test, done);
    });
    and_back(&test);
}

#[test]
fn a_daemon_writes_nothing_through_a_symlink_that_took_a_folders_place() {
    let (_origin, test) = scene();
    let test = test.set("daemon.watch", "posts").set("daemon.settle_secs", "0.05");
    let mut daemon = Daemon::start(&test);
    swap_while("daemon", &test, |done| {
        while !done.load(Ordering::Relaxed) {
            run(&test, "archive posts", &[0, 3]);
            run(&test, "restore posts", &[0, 3]);
        }
    });
    daemon.stop();
    and_back(&test);
}

#[test]
fn folders_may_be_moved_renamed_and_replaced_in_the_middle() {
    let (_origin, test) = scene();
    let (posts, away) = (test.path("posts"), test.root().join("away"));
    let (sub, other) = (test.path("posts/sub"), test.path("posts/other"));
    let spotter = Spotter::start(std::slice::from_ref(&sub));
    let done = AtomicBool::new(false);
    let moves: Vec<(&str, &Path, &Path)> = vec![
        ("away", &posts, &away),
        ("under another name", &sub, &other),
        ("into a hidden folder", &sub, Path::new("posts/.hidden")),
    ];
    let rounds = rounds(15) as usize;
    let runs = thread::scope(|scope| {
        let end = SetsInTheEnd(&done);
        let working = scope.spawn(|| work_until(&test, &done));
        for (_, from, to) in moves.iter().cycle().take(rounds) {
            spotter.wait(Duration::from_millis(400));
            thread::sleep(Duration::from_micros(fastrand::u64(..2000)));
            let to = test.root().join(to);
            fs::rename(from, &to).unwrap();
            thread::sleep(Duration::from_millis(fastrand::u64(..60)));
            fs::rename(&to, from).unwrap();
        }
        drop(end);
        working.join().unwrap()
    });
    all_are_whole(&test, "posts/sub");
    println!("{rounds} moves, {runs} runs, 0 documents lost");
    and_back(&test);
}

#[test]
fn a_deleted_folder_stays_deleted() {
    for round in 0..rounds(4) {
        let (_origin, test) = scene();
        let spotter = Spotter::start(&[test.path("posts/sub")]);
        let archive = start(&test, "archive posts");
        assert!(spotter.wait(Duration::from_secs(60)), "it does nothing");
        thread::sleep(Duration::from_micros(u64::from(round) * 700));
        // A file may come between listing and removing, as for any `rm -r`.
        while fs::remove_dir_all(test.path("posts/sub")).is_err() {}
        finish(archive, "archive posts", &[0, 3]);
        assert!(!test.path("posts/sub").exists(), "{:?}", test.tree("posts"));
        run(&test, "archive posts", &[0]);
        run(&test, "verify", &[0]);
    }
}

/// `words` as a user who may write what is his and nothing else.
fn as_nobody(test: &Test, words: &str) -> Command {
    let program = test.command(words);
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.arg(test.root().join("../imgkeep")).args(program.get_args()).current_dir(test.root());
    command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn permissions_may_change_in_the_middle() {
    let (_origin, test) = scene();
    // Where the program was built others may not look.
    fs::copy(env!("CARGO_BIN_EXE_imgkeep"), test.root().join("../imgkeep")).unwrap();
    let whole = test.root().parent().unwrap().to_owned();
    let given = Command::new("chown").args(["-R", "65534:65534"]).arg(&whole).status();
    let is_nobody = given.is_ok_and(|status| status.success())
        && as_nobody(&test, "--version").status().is_ok_and(|status| status.success());
    if !is_nobody {
        println!("not tried: only root can become somebody else");
        return;
    }
    let done = AtomicBool::new(false);
    let spotter = Spotter::start(&[test.path("posts/sub")]);
    let rounds = rounds(15);
    let runs = thread::scope(|scope| {
        let end = SetsInTheEnd(&done);
        let working = scope.spawn(|| {
            let mut runs = 0;
            while !done.load(Ordering::Relaxed) {
                for words in ["archive posts", "restore posts"] {
                    finish(as_nobody(&test, words).spawn().unwrap(), words, &[0, 3]);
                    runs += 1;
                }
            }
            runs
        });
        for round in 0..rounds {
            let one = test.path(&format!("posts/sub/{}", name(fastrand::u64(..DOCUMENTS))));
            let (path, closed, open) = match round % 4 {
                0 => (one, 0o000, 0o644),
                1 => (one, 0o444, 0o600),
                2 => (test.path("posts/sub"), 0o555, 0o755),
                _ => (test.path("posts/sub"), 0o000, 0o755),
            };
            spotter.wait(Duration::from_millis(400));
            thread::sleep(Duration::from_micros(fastrand::u64(..2000)));
            // It may be away for the instant of a swap.
            let chmod = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            chmod(closed);
            thread::sleep(Duration::from_millis(fastrand::u64(..150)));
            chmod(open);
        }
        drop(end);
        working.join().unwrap()
    });
    all_are_whole(&test, "posts/sub");
    let again = |words: &str, codes: &[i32]| finish(as_nobody(&test, words).spawn().unwrap(), words, codes);
    again("archive posts", &[0]);
    all_are_whole(&test, "posts/sub");
    again("verify", &[0]);
    again("restore posts", &[0]);
    for number in 0..DOCUMENTS {
        assert_eq!(test.read(&format!("posts/sub/{}", name(number))), text(number).into_bytes());
    }
    test.assert_no_litter();
    println!("{rounds} changes of permissions, {runs} runs, 0 documents lost");
}
