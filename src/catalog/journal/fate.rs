//! What became of blobs, by the journal: whether one that was removed was kept again since.
//!
//! Lines are compared by their times, for the files are not in the order of the lines: a run may last long.

use std::collections::HashMap;
use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::catalog::journal::{Line, read};
use crate::digest::Digest;
use crate::files;

/// What the journal says of one blob.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// When its last copy was taken.
    taken: Option<i64>,
    /// When the last run started that pointed a document at it.
    recorded: Option<i64>,
    /// A document without a file was pointed at it.
    given_out: bool,
    /// When it was last removed, and whether records referred to it then.
    removed: Option<(i64, bool)>,
}

impl Fate {
    /// Whether it should be there.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        let Self { taken, recorded, given_out, removed } = *self;
        match removed {
            None => taken.is_some() || recorded.is_some() || given_out,
            _ if given_out => true,
            Some((at, _)) if taken.is_some_and(|taken| taken >= at) => true,
            Some((at, true)) => recorded.is_some_and(|recorded| recorded >= at),
            // No record referred to it when it was removed: what does is younger.
            Some((_, false)) => recorded.is_some(),
        }
    }
}

/// What the journal in `folder` says of the blobs that are `wanted`, and whether a part of it cannot be read.
///
/// # Errors
/// When a file cannot be opened.
pub fn fates(
    folder: &Path,
    wanted: &dyn Fn(Digest) -> bool,
) -> Result<(HashMap<Digest, Fate>, bool), files::Error> {
    let mut fates: HashMap<Digest, Fate> = HashMap::new();
    let read = read(folder, |line| {
        add(&mut fates, wanted, &line);
        Ok::<_, files::Error>(())
    })?;
    Ok((fates, !read.spoiled.is_empty()))
}

fn add(fates: &mut HashMap<Digest, Fate>, wanted: &dyn Fn(Digest) -> bool, line: &Line) {
    match line {
        Line::Snapshot(snapshot) if wanted(snapshot.digest) => {
            let fate = fates.entry(snapshot.digest).or_default();
            fate.taken = fate.taken.max(Some(snapshot.taken));
        }
        Line::Rewrite(rewrite) => {
            for link in rewrite.links.iter().filter(|link| wanted(link.blob.digest)) {
                let fate = fates.entry(link.blob.digest).or_default();
                fate.recorded = fate.recorded.max(Some(started(&link.run)));
            }
        }
        Line::GivenOut(blob) if wanted(blob.digest) => fates.entry(blob.digest).or_default().given_out = true,
        Line::Removal(removal) => {
            let plain = removal.digests.iter().map(|digest| (digest, false));
            let recorded = removal.recorded.iter().map(|digest| (digest, true));
            for (digest, recorded) in plain.chain(recorded).filter(|(digest, _)| wanted(**digest)) {
                let fate = fates.entry(*digest).or_default();
                fate.removed = fate.removed.max(Some((removal.at, recorded)));
            }
        }
        Line::Run(_) | Line::Snapshot(_) | Line::GivenOut(_) | Line::Placeholder(_) | Line::Mended(_) => {}
    }
}

/// When the run of that name started, in milliseconds since 1970; 0 if its name does not say.
fn started(run: &str) -> i64 {
    let time = run.split('-').next().unwrap_or_default();
    let read = DateTime::strptime("%Y%m%dT%H%M%SZ", time).and_then(|time| time.to_zoned(TimeZone::UTC));
    read.map_or(0, |time| time.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_removed_is_kept_again_by_these_rules() {
        let fate = |taken, recorded, given_out, removed| Fate { taken, recorded, given_out, removed };
        for (fate, kept, why) in [
            (fate(None, None, false, None), false, "nobody knows it"),
            (fate(Some(5), None, false, None), true, "a copy"),
            (fate(None, Some(5), false, None), true, "a record whose copy is in a part that is lost"),
            (fate(Some(5), None, false, Some((9, false))), false, "it was removed after that"),
            (fate(Some(9), None, false, Some((9, false))), true, "and fetched again"),
            (fate(Some(5), Some(5), false, Some((9, false))), true, "the record was not there then"),
            (fate(Some(5), Some(5), false, Some((9, true))), false, "the record was there then"),
            (fate(Some(5), Some(12), false, Some((9, true))), true, "there is another since"),
            (fate(Some(5), None, true, Some((9, false))), true, "somebody has a link to it"),
        ] {
            assert_eq!(fate.is_kept(), kept, "{why}");
        }
    }

    #[test]
    fn the_name_of_a_run_says_when_it_started() {
        assert_eq!(started("19700102T000001Z-00ff"), 86_401_000);
        assert_eq!(started("run"), 0);
    }
}
