//! Everything that fuzzing started from or came upon is held to the same properties again.
//!
//! The properties are those of `fuzz/src`, and `fuzz/README.md` says how to look for more. Bytes that once broke one
//! stay in the corpus under a name that says what was wrong.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

#[path = "../fuzz/src/lib.rs"]
pub mod properties;

fn files(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz")).join(folder).join(target);
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.sort();
    files
}

/// Replays what is kept of one target.
fn replay(target: &str) -> usize {
    let mut replayed = 0;
    let mut broken = Vec::new();
    for path in files("seeds", target).into_iter().chain(files("corpus", target)) {
        let bytes = fs::read(&path).expect("an input can be read");
        if catch_unwind(AssertUnwindSafe(|| properties::run(target, &bytes))).is_err() {
            broken.push(path);
        }
        replayed += 1;
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(replayed > 0, "there is nothing of {target}");
    replayed
}

#[test]
fn what_was_kept_holds() {
    for (target, _) in properties::TARGETS {
        println!("{target}: {} inputs", replay(target));
    }
}
