//! When a change has settled: pure, told the time by its caller.
//!
//! A path is settled when nothing was heard of it for a while, or when it has been changing for half a minute: a file
//! that is written to all the time is looked at now and then all the same. What settles about the same time is taken at
//! once, so that a thousand files are one run.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Nobody waits longer for quiet.
const LONGEST: Duration = Duration::from_secs(30);
/// How long what has settled waits for what is about to.
const GATHERING: Duration = Duration::from_secs(1);
/// So many changed paths are held; beyond, whole folders are looked through instead.
const MOST: usize = 20_000;

/// Paths that were changed, and when.
#[derive(Debug)]
pub(super) struct Changes {
    settle: Duration,
    waiting: BTreeMap<PathBuf, Heard>,
}

/// The first and the last that was heard of a path.
#[derive(Clone, Copy, Debug)]
struct Heard {
    first: Instant,
    last: Instant,
}

impl Heard {
    fn settles(self, settle: Duration) -> Instant {
        (self.last + settle).min(self.first + LONGEST.max(settle))
    }
}

impl Changes {
    pub(super) fn new(settle: Duration) -> Self {
        Self { settle, waiting: BTreeMap::new() }
    }

    pub(super) fn set_settle(&mut self, settle: Duration) {
        self.settle = settle;
    }

    /// Something happened to `path`.
    pub(super) fn heard(&mut self, path: PathBuf, now: Instant) {
        self.waiting
            .entry(path)
            .and_modify(|heard| heard.last = now)
            .or_insert(Heard { first: now, last: now });
    }

    /// Whether there are so many that it is better to look through whole folders.
    pub(super) fn are_many(&self) -> bool {
        self.waiting.len() > MOST
    }

    /// Forgets what lies in `folder`; it is going to be looked through as a whole.
    pub(super) fn forget(&mut self, folder: &Path) {
        self.waiting.retain(|path, _| !path.starts_with(folder));
    }

    /// What has not settled.
    pub(super) fn waiting(&self) -> HashSet<PathBuf> {
        self.waiting.keys().cloned().collect()
    }

    /// When [`Self::take`] has something to give.
    pub(super) fn due(&self) -> Option<Instant> {
        let settles = |heard: &Heard| heard.settles(self.settle);
        let first = self.waiting.values().map(settles).min()?;
        let gathered = first + GATHERING;
        // The last of those that settle in time.
        self.waiting.values().map(settles).filter(|settled| *settled <= gathered).max()
    }

    /// What has settled.
    pub(super) fn take(&mut self, now: Instant) -> BTreeSet<PathBuf> {
        if self.due().is_none_or(|due| due > now) {
            return BTreeSet::new();
        }
        let settle = self.settle;
        let settled = self.waiting.extract_if(.., |_, heard| heard.settles(settle) <= now);
        settled.map(|(path, _)| path).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `heard` are paths and the milliseconds at which something happened to them; `takes` the milliseconds at which
    /// is asked, and what is given then.
    fn check(heard: &[(&str, u64)], takes: &[(u64, &[&str])]) {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut changes = Changes::new(Duration::from_secs(2));
        let mut heard = heard.iter().peekable();
        for (time, expected) in takes {
            while let Some((path, when)) = heard.next_if(|(_, when)| when <= time) {
                changes.heard(PathBuf::from(path), at(*when));
            }
            let taken = changes.take(at(*time));
            let expected: BTreeSet<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(taken, expected, "at {time}");
        }
    }

    #[test]
    fn a_change_settles_once_it_is_quiet() {
        check(&[("a", 0)], &[(0, &[]), (1_999, &[]), (2_000, &["a"]), (9_000, &[])]);
        check(&[("a", 0), ("a", 1_500), ("a", 3_000)], &[(2_000, &[]), (4_999, &[]), (5_000, &["a"])]);
        check(&[("a", 0), ("a", 10_000)], &[(2_000, &["a"]), (11_999, &[]), (12_000, &["a"])]);
    }

    #[test]
    fn what_is_written_to_all_the_time_is_looked_at_now_and_then() {
        let heard: Vec<(&str, u64)> = (0..100).map(|second| ("log.md", second * 1_000)).collect();
        check(
            &heard,
            &[(29_999, &[]), (30_000, &["log.md"]), (31_000, &[]), (59_000, &[]), (61_000, &["log.md"])],
        );
    }

    #[test]
    fn what_settles_about_the_same_time_is_taken_at_once() {
        check(&[("a", 0), ("b", 900)], &[(2_000, &[]), (2_899, &[]), (2_900, &["a", "b"])]);
        check(&[("a", 0), ("b", 1_100)], &[(2_000, &["a"]), (3_100, &["b"])]);
    }

    #[test]
    fn many_changes_in_a_folder_become_one() {
        let mut changes = Changes::new(Duration::ZERO);
        let now = Instant::now();
        for number in 0..=MOST {
            assert!(!changes.are_many());
            changes.heard(Path::new("/posts").join(number.to_string()), now);
        }
        assert!(changes.are_many() && changes.waiting().contains(Path::new("/posts/7")));
        changes.heard(PathBuf::from("/other"), now);
        changes.forget(Path::new("/posts"));
        assert_eq!(changes.take(now), BTreeSet::from([PathBuf::from("/other")]));
    }
}
