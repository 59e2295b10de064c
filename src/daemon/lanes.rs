//! Which archiving runs are under way: pure, told the time by its caller.
//!
//! An order, a look through whole folders and a retry may take hours, one after the other. Changes do not wait for them: they have
//! lanes of their own, and more than one, for a slow server delays only the documents that need it. What a run for
//! changes is at work on is left to it until its end.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Runs for changes at a time.
const MOST: usize = 3;
/// A run for changes that takes longer is not waited for.
const LONG: Duration = Duration::from_secs(1);

/// Where a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// What was dropped and edited.
    Changes,
    /// All else.
    Errands,
}

/// The runs that are under way.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    errand: bool,
    /// When each run for changes began, and what it looks at.
    changes: Vec<(Instant, BTreeSet<PathBuf>)>,
}

impl Lanes {
    /// A run starts that looks at `paths`.
    pub(super) fn start(&mut self, lane: Lane, paths: BTreeSet<PathBuf>, now: Instant) {
        match lane {
            Lane::Changes => self.changes.push((now, paths)),
            Lane::Errands => self.errand = true,
        }
    }

    /// The run over `paths` is over.
    pub(super) fn end(&mut self, lane: Lane, paths: &BTreeSet<PathBuf>) {
        match lane {
            Lane::Changes => {
                if let Some(ended) = self.changes.iter().position(|(_, of_run)| of_run == paths) {
                    self.changes.swap_remove(ended);
                }
            }
            Lane::Errands => self.errand = false,
        }
    }

    /// When another run may start there if none ends before; `None` if one has to.
    pub(super) fn free_at(&self, lane: Lane, now: Instant) -> Option<Instant> {
        match lane {
            Lane::Errands => (!self.errand).then_some(now),
            Lane::Changes if self.changes.len() >= MOST => None,
            Lane::Changes => {
                let last = self.changes.iter().map(|(started, _)| *started + LONG).max();
                Some(last.map_or(now, |last| last.max(now)))
            }
        }
    }

    /// Whether a run may start there.
    pub(super) fn is_free(&self, lane: Lane, now: Instant) -> bool {
        self.free_at(lane, now).is_some_and(|free| free <= now)
    }

    /// Whether nothing is under way.
    pub(super) fn are_empty(&self) -> bool {
        !self.errand && self.changes.is_empty()
    }

    /// Whether a run for changes is at work on `path`, above it or below it.
    pub(super) fn hold(&self, path: &Path) -> bool {
        self.changes.iter().any(|(_, paths)| {
            let mut behind = paths.range::<Path, _>((Bound::Included(path), Bound::Unbounded));
            path.ancestors().any(|above| paths.contains(above))
                || behind.next().is_some_and(|other| other.starts_with(path))
        })
    }

    /// What the runs for changes look at.
    pub(super) fn changing(&self) -> impl Iterator<Item = &PathBuf> {
        self.changes.iter().flat_map(|(_, paths)| paths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> BTreeSet<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn changes_wait_neither_for_an_errand_nor_long_for_each_other() {
        let start = Instant::now();
        let mut lanes = Lanes::default();
        lanes.start(Lane::Errands, paths(&["/posts"]), start);
        assert!(!lanes.is_free(Lane::Errands, start) && lanes.is_free(Lane::Changes, start));
        for run in 0..3 {
            let now = start + LONG * run;
            assert!(lanes.is_free(Lane::Changes, now));
            lanes.start(Lane::Changes, paths(&[&format!("/posts/{run}.md")]), now);
            assert!(!lanes.is_free(Lane::Changes, now), "what comes a moment later goes along");
        }
        assert_eq!(lanes.free_at(Lane::Changes, start + LONG * 9), None);
        lanes.end(Lane::Changes, &paths(&["/posts/1.md"]));
        assert!(lanes.is_free(Lane::Changes, start + LONG * 9));
        lanes.end(Lane::Errands, &paths(&[]));
        assert!(lanes.is_free(Lane::Errands, start) && !lanes.are_empty());
    }

    #[test]
    fn a_document_is_in_one_run_at_a_time() {
        let now = Instant::now();
        let mut lanes = Lanes::default();
        lanes.start(Lane::Changes, paths(&["/posts/a.md", "/posts/deep"]), now);
        for (path, expected) in [
            ("/posts/a.md", true),
            ("/posts/b.md", false),
            ("/posts/deep/c.md", true),
            ("/posts", true),
            ("/posts/a", false),
        ] {
            assert_eq!(lanes.hold(Path::new(path)), expected, "{path}");
        }
        lanes.end(Lane::Changes, &paths(&["/posts/a.md", "/posts/deep"]));
        assert!(!lanes.hold(Path::new("/posts/a.md")) && lanes.are_empty());
    }
}
