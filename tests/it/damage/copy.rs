//! The store copied file by file while it is written to, in any order, as `cp -a` or a backup does: all that was archived
//! when the copy began is in it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use imgkeep::digest::Digest;

use crate::damage::scene::of;
use crate::support::origin::Origin;
use crate::support::rounds::rounds;
use crate::support::{Test, picture};

/// Posts of which each run archives a few.
const POSTS: u64 = 400;

fn name(number: u64) -> String {
    format!("posts/{number}.md")
}

fn text(number: u64) -> String {
    format!("# {number}\n\n![](http://cdn.example/{number}.jpg)\n")
}

/// Everything below `folder`: folders first, then files.
fn below(folder: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    let mut next = 0;
    while next < folders.len() {
        for entry in fs::read_dir(&folders[next]).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
        next += 1;
    }
    (folders, files)
}

/// Copies a folder in a random order, slowly. What is gone meanwhile is not copied.
fn copy(from: &Path, to: &Path) {
    let (folders, mut files) = below(from);
    for folder in folders {
        fs::create_dir_all(to.join(folder.strip_prefix(from).unwrap())).unwrap();
    }
    fastrand::shuffle(&mut files);
    for file in files {
        let Ok(mut source) = File::open(&file) else { continue };
        let mut target = File::create(to.join(file.strip_prefix(from).unwrap())).unwrap();
        // The catalog in pieces, so that it changes under the hand that copies it.
        let is_catalog = file.to_str().unwrap().contains("catalog.db");
        let mut piece = vec![0; if is_catalog { 4096 } else { 1 << 20 }];
        loop {
            match source.read(&mut piece).unwrap() {
                0 => break,
                length => target.write_all(&piece[..length]).unwrap(),
            }
            if is_catalog {
                thread::sleep(Duration::from_millis(fastrand::u64(..15)));
            }
        }
    }
}

#[test]
fn a_copy_of_a_living_store_has_all_that_was_there_when_it_began() {
    let origin = Origin::start();
    for number in 0..POSTS {
        origin.image(&format!("http://cdn.example/{number}.jpg"), picture::jpeg(number));
    }
    let test = Arc::new(Test::new().origin(&origin).set("fetch.sources", "[\"origin\"]"));
    // What is archived, and as what.
    let archived: Arc<Mutex<BTreeMap<u64, Vec<u8>>>> = Arc::default();
    let stop = Arc::new(AtomicBool::new(false));
    let archiving = thread::spawn({
        let (test, archived, stop) = (Arc::clone(&test), Arc::clone(&archived), Arc::clone(&stop));
        move || {
            let mut next = 0;
            while !stop.load(Ordering::Relaxed) {
                let numbers = next..(next + 3).min(POSTS);
                for number in numbers.clone() {
                    test.write(&name(number), text(number));
                }
                test.run("archive posts").expect_code(0);
                for number in numbers.clone() {
                    archived.lock().unwrap().insert(number, test.read(&name(number)));
                }
                next = numbers.end;
                if next == POSTS {
                    // All of them once more.
                    test.run("restore posts").expect_code(0);
                    archived.lock().unwrap().clear();
                    next = 0;
                }
            }
        }
    });
    let (mut damaged, count) = (0, rounds(6));
    for round in 0..count {
        while archived.lock().unwrap().len() < 3 {
            thread::sleep(Duration::from_millis(10));
        }
        let began = archived.lock().unwrap().clone();
        let folder = tempfile::tempdir().unwrap();
        copy(&test.path("cache"), &folder.path().join("cache"));
        damaged += u32::from(check(&test, folder.path(), &began, &format!("copy {round}")));
    }
    stop.store(true, Ordering::Relaxed);
    archiving.join().unwrap();
    println!(
        "copies of a living store: {count}, the catalog was torn in {damaged}, 0 documents without a way back"
    );
}

/// Returns whether the catalog of the copy was damaged.
fn check(test: &Test, root: &Path, archived: &BTreeMap<u64, Vec<u8>>, when: &str) -> bool {
    let run = |words: &str| {
        let mut command = test.command(words);
        let output = command.current_dir(root).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    fs::create_dir(root.join("posts")).unwrap();
    for (number, bytes) in archived {
        fs::write(root.join(name(*number)), bytes).unwrap();
        let file = File::options().write(true).open(root.join(name(*number))).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(60)).unwrap();
        let digest = Digest::of(&picture::jpeg(*number)).to_string();
        let kept = fs::read(root.join(format!("cache/images/{}/{digest}.jpg", &digest[..2])));
        assert!(kept.is_ok_and(|kept| kept == picture::jpeg(*number)), "{when}: image {number}");
    }
    let (_, report, said) = run("verify --format json");
    let report =
        serde_json::from_str(&report).unwrap_or_else(|error| panic!("{when}: {error}: {report}{said}"));
    // An image may have come after the copy began, when it was written down already or was not yet.
    let kinds = ["corrupt", "dangling", "unreadable", "catalog"];
    let bad: Vec<_> = of(&report).into_iter().filter(|(kind, _)| kinds.contains(&kind.as_str())).collect();
    assert!(bad.is_empty(), "{when}: {bad:?}: {said}");
    let restored = run("restore posts");
    assert_eq!(restored.0, Some(0), "{when}: {restored:?}");
    for number in archived.keys() {
        let now = fs::read(root.join(name(*number))).unwrap();
        assert_eq!(now, text(*number).as_bytes(), "{when}: post {number}: {restored:?}");
    }
    said.contains("the catalog is damaged")
}
