//! One fault at a time, at every call that touches the store or the documents.

use std::collections::BTreeSet;

use crate::disk::fault::{self, Call, Fault};
use crate::disk::judge::judge;
use crate::disk::scene::{PREFIX, Scene};
use crate::support::rounds::rounds;

/// Calls that change the disk or read from it, and how each may fail.
const FAULTS: &[(&str, &[&str])] = &[
    ("write", &["ENOSPC", "EIO", "EDQUOT"]),
    ("pwrite64", &["ENOSPC", "EIO"]),
    ("fsync", &["EIO", "ENOSPC"]),
    ("fdatasync", &["EIO", "EDQUOT"]),
    ("syncfs", &["EIO"]),
    ("rename", &["ENOSPC", "EIO", "EACCES", "EROFS"]),
    ("renameat2", &["ENOSPC", "EIO", "EROFS"]),
    ("openat", &["EACCES", "EMFILE", "ENOSPC", "EROFS", "EIO"]),
    ("mkdir", &["ENOSPC", "EROFS", "EACCES"]),
    ("ftruncate", &["EIO", "ENOSPC"]),
    ("unlink", &["EIO", "EROFS"]),
    ("close", &["EIO"]),
    ("flock", &["ENOLCK"]),
    ("read", &["EIO"]),
    ("pread64", &["EIO"]),
    ("getdents64", &["EIO"]),
];

/// A command, how its scene is made, and when all of its work is done.
struct Case {
    words: &'static str,
    prepare: fn() -> Scene,
    is_complete: fn(&Scene) -> bool,
    /// Whether blobs are damaged on purpose.
    is_damaged: bool,
    /// What finishes the work, before the scene is looked at as a whole.
    again: Option<&'static str>,
}

/// Some of `numbers`, the first and the last too, `most` in all.
fn some(numbers: &BTreeSet<u32>, most: u32) -> Vec<u32> {
    let numbers: Vec<u32> = numbers.iter().copied().collect();
    let most = most as usize;
    if numbers.len() <= most {
        return numbers;
    }
    let last = numbers.len() - 1;
    let places: BTreeSet<usize> = (0..most).map(|place| place * last / (most - 1).max(1)).collect();
    places.into_iter().map(|place| numbers[place]).collect()
}

fn sweep(case: &Case, each: u32, persistent: u32) {
    if !fault::has_strace() {
        return;
    }
    let (mut faults, mut harmless, mut elsewhere) = (0, 0, 0);
    for (call, errors) in FAULTS {
        let scene = (case.prepare)();
        let (outcome, calls) = fault::listed(&scene.test.command(case.words), call);
        assert_eq!(outcome.code, Some(0), "{}: {outcome:?}", case.words);
        let numbers = fault::numbers(&calls, &scene.root());
        // In a small round each call has one error, another one for each command.
        let small = rounds(0) == 0;
        for (index, error) in errors.iter().enumerate() {
            if small && index != case.words.len() % errors.len() {
                continue;
            }
            let single = some(&numbers, rounds(each)).into_iter().map(|number| number.to_string());
            let lasting = some(&numbers, rounds(persistent)).into_iter().map(|number| format!("{number}+"));
            // A failing wake-up of a thread is no fault of the disk.
            let lasting = lasting.filter(|_| !["write", "read", "close", "openat"].contains(call));
            for when in single.chain(lasting) {
                match one(case, &Fault { call, error, when }) {
                    Hit::Elsewhere => elsewhere += 1,
                    Hit::Harmless => harmless += 1,
                    Hit::Told => faults += 1,
                }
            }
        }
    }
    println!(
        "{}: {} faults injected, {harmless} of them made no difference, 0 lost ({elsewhere} more hit no file of ours)",
        case.words,
        faults + harmless
    );
    assert!(faults >= 8, "only {faults} faults were told of");
}

/// What a fault hit.
enum Hit {
    /// Nothing, or no file of the scene.
    Elsewhere,
    /// The run went on and did all of its work.
    Harmless,
    /// The run said so.
    Told,
}

fn one(case: &Case, fault: &Fault) -> Hit {
    let scene = (case.prepare)();
    let when = format!("{}, {fault}", case.words);
    let (outcome, hits) = fault::injected(&scene.test.command(case.words), fault);
    scene.check(&when, case.is_damaged);
    let is_ours = |hit: &Call| hit.is_below(&scene.root()) && !hit.text.contains("catalog.db-journal");
    let ours = !hits.is_empty() && hits.iter().all(is_ours);
    if ours {
        let is_complete = (case.is_complete)(&scene);
        judge(&scene, &when, &outcome, &hits, is_complete);
    }
    if let Some(words) = case.again {
        let again = scene.test.run(words);
        assert_eq!(again.code, Some(0), "{when}, then {words}: {again:?}");
        assert!((case.is_complete)(&scene), "{when}, then {words}");
    }
    scene.finish(&when);
    match (ours, outcome.code) {
        (false, _) => Hit::Elsewhere,
        (true, Some(0)) => Hit::Harmless,
        (true, _) => Hit::Told,
    }
}

#[test]
fn archive() {
    let is_complete = Scene::are_all_archived;
    sweep(
        &Case { words: "archive posts", prepare: Scene::new, is_complete, is_damaged: false, again: None },
        2,
        1,
    );
}

#[test]
fn restore() {
    let is_complete = Scene::are_all_as_before;
    let words = "restore posts";
    let again = Some(words);
    sweep(&Case { words, prepare: Scene::archived, is_complete, is_damaged: false, again }, 1, 1);
}

#[test]
fn relink() {
    let is_complete = |scene: &Scene| {
        let posts = ["posts/0.md", "posts/1.md", "posts/2.md"];
        posts
            .iter()
            .all(|post| String::from_utf8(scene.test.read(post)).unwrap().matches(PREFIX).count() == 2)
            && posts.iter().all(|post| !String::from_utf8(scene.test.read(post)).unwrap().contains("cache"))
    };
    let words = "relink posts --link /images/";
    let again = Some(words);
    sweep(&Case { words, prepare: Scene::archived, is_complete, is_damaged: false, again }, 1, 1);
}

#[test]
fn repair() {
    let is_complete = |scene: &Scene| scene.test.run("verify").code == Some(0);
    let words = "verify --repair";
    let again = Some(words);
    sweep(&Case { words, prepare: Scene::damaged, is_complete, is_damaged: true, again }, 1, 1);
}

#[test]
fn gc() {
    let is_complete = |scene: &Scene| !scene.has_garbage();
    let words = "gc --forget-gone";
    let again = Some(words);
    sweep(&Case { words, prepare: Scene::with_garbage, is_complete, is_damaged: false, again }, 1, 1);
}
