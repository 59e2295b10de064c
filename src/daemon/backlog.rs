//! What could not be done and is tried again: pure, told the time by its caller.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The pause before the second try; it doubles from one to the next.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(600);

/// Paths that are looked at again in a while.
#[derive(Debug, Default)]
pub(super) struct Backlog(BTreeMap<PathBuf, Again>);

#[derive(Clone, Copy, Debug)]
struct Again {
    due: Instant,
    tries: u32,
    /// Whether it was given out, and nobody has said yet what came of it.
    out: bool,
}

impl Backlog {
    /// Tries these again; the pause grows with each time in a row.
    pub(super) fn add(&mut self, paths: impl IntoIterator<Item = PathBuf>, now: Instant) {
        for path in paths {
            let tries = self.0.get(&path).map_or(0, |again| again.tries + 1);
            let pause = FIRST.saturating_mul(2_u32.saturating_pow(tries)).min(LONGEST);
            self.0.insert(path, Again { due: now + pause, tries, out: false });
        }
    }

    /// Tries these again after the longest pause: somebody did not want it now.
    pub(super) fn put_off(&mut self, paths: impl IntoIterator<Item = PathBuf>, now: Instant) {
        for path in paths {
            self.0.insert(path, Again { due: now + LONGEST, tries: 0, out: false });
        }
    }

    /// When the first is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.values().filter(|again| !again.out).map(|again| again.due).min()
    }

    /// What is due; it stays known until [`Self::settle`].
    pub(super) fn take(&mut self, now: Instant) -> BTreeSet<PathBuf> {
        let mut taken = BTreeSet::new();
        for (path, again) in self.0.iter_mut().filter(|(_, again)| !again.out && again.due <= now) {
            again.out = true;
            taken.insert(path.clone());
        }
        taken
    }

    /// Forgets which of `paths` were given out and did not come back.
    pub(super) fn settle(&mut self, paths: &BTreeSet<PathBuf>) {
        self.0.retain(|path, again| !again.out || !paths.contains(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_again_and_again_waits_longer_each_time() {
        let start = Instant::now();
        let mut backlog = Backlog::default();
        let path = || [PathBuf::from("a.md")];
        let mut now = start;
        for pause in [5, 10, 20, 40, 80, 160, 320, 600, 600] {
            backlog.add(path(), now);
            backlog.settle(&BTreeSet::from(path()));
            let due = now + Duration::from_secs(pause);
            assert_eq!(backlog.due(), Some(due));
            assert!(backlog.take(due - Duration::from_millis(1)).is_empty());
            assert_eq!(backlog.take(due), BTreeSet::from(path()));
            assert_eq!((backlog.due(), backlog.take(due)), (None, BTreeSet::new()));
            now = due;
        }
        backlog.settle(&BTreeSet::from(path()));
        backlog.add(path(), now);
        assert_eq!(backlog.due(), Some(now + FIRST), "it went well in between");
    }

    #[test]
    fn what_somebody_stopped_is_put_off() {
        let now = Instant::now();
        let path = || [PathBuf::from("a.md")];
        let mut backlog = Backlog::default();
        backlog.add(path(), now);
        backlog.take(now + FIRST);
        backlog.put_off(path(), now);
        backlog.settle(&BTreeSet::from(path()));
        assert_eq!(backlog.due(), Some(now + LONGEST));
    }
}
