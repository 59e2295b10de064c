//! `git checkout` of one branch and the other while the program is at work in the tree.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Spotter, blob, origin, run, url};
use crate::support::Test;
use crate::support::over::SetsInTheEnd;
use crate::support::rounds::rounds;

const IMAGES: u64 = 10;
const DOCUMENTS: u64 = 120;
/// Of other lengths: git knows a document by its length and its time, in seconds, and the tests make them all of one age.
const BRANCHES: [&str; 2] = ["one", "another"];
/// A document that is not of the branch after that never will be.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a document is in a branch; some are in one branch only, and some the same in both.
fn text(branch: &str, number: u64) -> Option<String> {
    let shift = match (branch, number % 10) {
        ("one", 3) | ("another", 4) => return None,
        (_, 5) | ("one", _) => 0,
        _ => 1,
    };
    let word = if number % 10 == 5 { "both" } else { branch };
    let image = |step: u64| format!("![]({})\n", url((number + shift + step) % IMAGES));
    let filler = format!("A line of {word}.\n").repeat(20);
    Some(format!("# {number} of {word}\n{}{filler}{}The end of {word}.\n", image(0), image(1)))
}

/// The same with links to the copies.
fn kept(text: &str) -> String {
    (0..IMAGES).fold(text.to_owned(), |text, image| {
        text.replace(&format!("({})", url(image)), &format!("(../cache/images/{})", blob(image)))
    })
}

fn git(test: &Test, words: &str) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "core.fsync=none"]);
    command.args(words.split(' ')).current_dir(test.root()).env_remove("GIT_DIR");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    let done = command.output().expect("git is there");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(done.status.success(), "git {words}: {}", said(&done.stderr));
    said(&done.stdout)
}

fn path(test: &Test, number: u64) -> std::path::PathBuf {
    test.path(&format!("posts/{number}.md"))
}

fn commit(test: &Test, branch: &str) {
    for number in 0..DOCUMENTS {
        match text(branch, number) {
            Some(text) => test.write(&format!("posts/{number}.md"), text),
            None => drop(fs::remove_file(path(test, number))),
        }
    }
    git(test, "add --all");
    git(test, &format!("commit --quiet --message {branch}"));
}

/// Whether every document is the branch's, with addresses or with links to copies; else what the first other one is.
fn is_of(test: &Test, branch: &str, kept: &[Option<String>]) -> Result<(), String> {
    let others = (0..DOCUMENTS).filter_map(|number| {
        let found = fs::read_to_string(path(test, number)).ok();
        let is_of = found == text(branch, number) || found == kept[usize::try_from(number).unwrap()];
        (!is_of).then(|| format!("{number} is not of {branch}: {found:?}"))
    });
    let others: Vec<String> = others.collect();
    match &*others {
        [] => Ok(()),
        [first, rest @ ..] => Err(format!("{first}, and {} more", rest.len())),
    }
}

#[test]
fn a_tree_is_the_branch_that_was_checked_out_last() {
    let origin = origin(IMAGES);
    let test = Test::in_memory().origin(&origin);
    git(&test, "init --quiet --initial-branch one");
    fs::write(test.path(".gitignore"), "/cache/\n").unwrap();
    commit(&test, "one");
    git(&test, "checkout --quiet -b another");
    commit(&test, "another");
    let kept: [Vec<Option<String>>; 2] = BRANCHES
        .map(|branch| (0..DOCUMENTS).map(|number| text(branch, number).map(|text| kept(&text))).collect());

    let spotter = Spotter::start(&[test.path("posts")]);
    let (done, rounds) = (AtomicBool::new(false), rounds(6));
    let mut met = 0;
    thread::scope(|scope| {
        let end = SetsInTheEnd(&done);
        let working = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                run(&test, "archive posts", &[0, 3]);
                run(&test, "restore posts", &[0, 3]);
            }
        });
        for round in 0..rounds {
            met += u32::from(spotter.wait(Duration::from_secs(5)));
            thread::sleep(Duration::from_micros(fastrand::u64(..60_000)));
            let index = round as usize % 2;
            git(&test, &format!("checkout --quiet --force {}", BRANCHES[index]));
            let start = Instant::now();
            // For the instant of a swap one may be another.
            while let Err(why) = is_of(&test, BRANCHES[index], &kept[index]) {
                if start.elapsed() > PATIENCE {
                    panic!("{why}\n{}{}", git(&test, "status"), git(&test, "diff --stat"));
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        drop(end);
        working.join().unwrap();
    });
    let last = (rounds as usize - 1) % 2;
    run(&test, "archive posts", &[0]);
    for number in 0..DOCUMENTS {
        let found = fs::read_to_string(path(&test, number)).ok();
        assert_eq!(found, kept[last][usize::try_from(number).unwrap()], "{number}");
    }
    run(&test, "verify", &[0]);
    let dirty = git(&test, "status --porcelain");
    assert!(dirty.lines().all(|line| line.starts_with(" M posts/")), "{dirty}");
    run(&test, "restore posts", &[0]);
    assert_eq!(git(&test, "status --porcelain"), "");
    test.assert_no_litter();
    println!("{rounds} checkouts of {DOCUMENTS} documents, {met} while they were rewritten, 0 lost");
    assert!(met > 0);
}
