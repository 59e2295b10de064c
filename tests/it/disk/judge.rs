//! What a run may say and do when the disk fails.

use crate::disk::fault::Call;
use crate::disk::scene::Scene;
use crate::support::Outcome;

/// What the system, or SQLite in its name, calls the errors that are injected.
const REASONS: &[&str] = &[
    "No space left on device",
    "Input/output error",
    "Disk quota exceeded",
    "Read-only file system",
    "Permission denied",
    "Too many open files",
    "No locks available",
    "disk I/O error",
    "database or disk is full",
    "unable to open database file",
    "attempt to write a readonly database",
    "locking protocol",
    "is read-only",
    // What SQLite makes of a catalog that it could not finish making.
    "file is not a database",
];

/// What SQLite makes of a database file that the disk does not read, and of a log.
const UNREAD: &[&str] = &["database disk image is malformed", "no such table"];

/// What only a programmer should see.
const RAW: &[&str] =
    &["panicked", "RUST_BACKTRACE", "Os {", "Custom {", "kind:", "Error {", "Some(", "unwrap"];

/// Looks at what a run said and how it ended when these `hits` failed. `is_complete` tells whether it has done all of its
/// work.
pub(super) fn judge(scene: &Scene, when: &str, outcome: &Outcome, hits: &[Call], is_complete: bool) {
    let told = || format!("{when}\nhit: {hits:#?}\nstdout:\n{}\nstderr:\n{}", outcome.stdout, outcome.stderr);
    for raw in RAW {
        assert!(!outcome.stderr.contains(raw) && !outcome.stdout.contains(raw), "`{raw}` in {}", told());
    }
    match outcome.code {
        Some(0) => {
            assert!(is_complete, "exit code 0, and not all is done: {}", told());
            let broken = hits.iter().filter(|hit| is_promise(hit)).collect::<Vec<_>>();
            let is_swallowed = !broken.is_empty() && !is_of_folding(scene, &broken);
            assert!(!is_swallowed, "a failed sync was swallowed: {}", told());
        }
        Some(1) => says_why(scene, &outcome.stderr, hits, &told()),
        Some(3) => says_why(scene, &format!("{}{}", outcome.stdout, outcome.stderr), hits, &told()),
        other => panic!("exit code {other:?}: {}", told()),
    }
}

/// A line that names a path of the scene and what the system said of these `hits`.
fn says_why(scene: &Scene, text: &str, hits: &[Call], told: &str) {
    let (root, relative) = (scene.root(), ["cache", "posts"]);
    let names =
        |line: &str| line.contains(root.to_str().unwrap()) || relative.iter().any(|path| line.contains(path));
    let is_unread =
        hits.iter().any(|hit| hit.text.starts_with("pread64(") && hit.text.contains("catalog.db"));
    let reasons = REASONS.iter().chain(if is_unread { UNREAD } else { &[] });
    let is_clear = |line: &str| names(line) && reasons.clone().any(|reason| line.contains(reason));
    assert!(text.lines().any(is_clear), "no line names a path and a reason: {told}");
}

/// Whether all that failed is the one sync of SQLite's log before it is folded into the database, at the end of a run.
/// Each commit has synced its own part of the log, which is left where it is then; after a failed commit it would be
/// folded and removed like any other.
fn is_of_folding(scene: &Scene, broken: &[&Call]) -> bool {
    let log = scene.root().join("cache/catalog.db-wal");
    let is_left = log.metadata().is_ok_and(|log| log.len() > 0);
    is_left && matches!(broken, [hit] if hit.text.contains("catalog.db-wal>"))
}

/// A sync on which the promise of a run rests. What SQLite syncs when it folds its log into the database, and what
/// is there in the log, is none.
fn is_promise(hit: &Call) -> bool {
    let syncs = ["fsync(", "fdatasync(", "syncfs("].iter().any(|call| hit.text.starts_with(call));
    // Nor does SQLite say that it could not sync the folder of its log: then the journal has what the log had.
    syncs && !["catalog.db>", "/cache>"].iter().any(|path| hit.text.contains(path))
}
