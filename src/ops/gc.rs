//! Removes blobs that nothing refers to.
//!
//! What is kept:
//!
//! - a blob that any record of a document refers to, be the document there or not: whatever `restore` may be asked to lead
//!   back from keeps its images;
//! - a blob that a document links to which is there, whoever wrote the link, or whose origin it names: this is looked up
//!   in the documents themselves before anything is removed;
//! - a blob that a document from stdin was pointed at: nobody knows where it is now;
//! - the newest copy of an origin.
//!
//! What remains are older copies that no document was ever pointed at, and placeholders. Records are never removed.
//!
//! Who asks for it (`--forget-gone`) has the records of documents that are gone not count: of those that were missed
//! twice, a day apart or more, and for the first time before the grace period. A document is gone if its folder, or the
//! nearest one above that there is, holds another document that is known; else it may be on a disk that is not there,
//! and counts. Even then the records stay, and the catalog remembers the name of the image: should the document turn up,
//! it can be restored.
//!
//! A blob is marked when it is first noticed, and removed once the mark [counts](crate::catalog::garbage::Mark) and the
//! file is as old as the grace period, too; until then anything that refers to it takes the mark back. A clock that shows an
//! earlier time than the catalog knows by more than a day is not believed: nothing is done then. Nor is anything removed as
//! long as a document that is there cannot be read.
//!
//! Removal goes the other way round than keeping: the journal hears of it, the catalog forgets, and then the file is moved
//! to the store's trash, where it stays for another week. A crash in between leaves a file that the catalog does not
//! know, which the next collection takes; a file that the journal says is kept is left alone, for then it is the catalog
//! that has a gap.
//!
//! Nobody is pointed at a blob that is about to go: whoever points a document at one [holds](crate::store::Store::hold) the
//! store from before it sees that the blob is there until its record is in the catalog; who removes holds it alone while it
//! asks once more who refers to what, reads the documents that changed meanwhile, and until the file is moved. So
//! either the reference is seen here, or the missing blob there, and it is then fetched again.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::blob::BlobName;
use crate::catalog::Run;
use crate::catalog::garbage::{DAY, DocumentId, Unreferenced};
use crate::catalog::journal::fate::Fate;
use crate::digest::Digest;
use crate::files::stat::Stat;
use crate::ops::gc::missing::{Missing, is_gone};
use crate::ops::gc::named::{Looking, Named};
use crate::ops::{Archive, Reader};

mod missing;
mod named;

/// How long what was removed stays in the trash, in days.
const TRASH_DAYS: i64 = 7;
/// Blobs that are removed while the store is held, at a time.
const AT_A_TIME: usize = 5_000;

/// What to remove.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How long a blob outlives its last reference.
    pub grace: Duration,
    /// Folders of which nobody knows now what is in them: their documents are not gone.
    pub absent: Vec<PathBuf>,
    /// Documents that count although the catalog may not know them.
    pub search: Vec<PathBuf>,
    /// Whether records of documents that are gone for that long do not count.
    pub forget_gone: bool,
    /// Whether nothing is changed, not even noted.
    pub dry_run: bool,
}

/// What was removed, or would be.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Why nothing was done, if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Blobs that went into the trash.
    pub removed: Vec<Removed>,
    /// Files in the store that nothing knows, likewise.
    pub orphaned: Vec<PathBuf>,
    /// Files that the catalog does not know and the journal does: it should be made again.
    pub unknown: Vec<PathBuf>,
    /// Files that the catalog does not know while a part of the journal cannot be read: they stay.
    pub doubtful: Vec<PathBuf>,
    /// Documents that are there and cannot be read: no blob was removed.
    pub unreadable: Vec<PathBuf>,
    /// Blobs that nothing refers to, and whose time has not come.
    pub waiting: Sum,
    /// When the first of them goes, in milliseconds since 1970.
    pub next: Option<i64>,
    /// Documents that are not where they were.
    pub gone: u64,
    /// Documents that may be on a disk that is not there.
    pub unsure: Vec<PathBuf>,
    /// Documents that are gone, and whose images were removed.
    pub forgotten: Vec<PathBuf>,
    /// What left the trash for good.
    pub emptied: Sum,
    /// It was asked to stop before its end.
    pub interrupted: bool,
}

/// A blob that was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Its name.
    pub blob: BlobName,
    /// Its length.
    pub bytes: u64,
}

/// Blobs, and their length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// How many there are.
    pub blobs: u64,
    /// Together.
    pub bytes: u64,
}

impl Sum {
    fn add(&mut self, blobs: u64, bytes: u64) {
        self.blobs += blobs;
        self.bytes += bytes;
    }
}

/// Collects garbage as it is at `now`, in milliseconds since 1970, until `stop` says so. One at a time does, and another
/// says so in its report.
///
/// # Errors
/// When the store or the catalog fails. What was removed until then is.
pub fn gc(
    reader: &Reader,
    archive: &Archive,
    options: &Options,
    now: i64,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Report> {
    let mut report = Report::default();
    let lock = if options.dry_run { None } else { archive.store.collect()? };
    if lock.is_none() && !options.dry_run {
        report.refused = Some("another process collects garbage now".to_owned());
        return Ok(report);
    }
    if let Some(newest) = archive.catalog.newest_time()?.filter(|newest| now.saturating_add(DAY) < *newest) {
        let newest = Timestamp::from_millisecond(newest).map(|at| at.to_string()).unwrap_or_default();
        report.refused = Some(format!("the clock is wrong, or was: the archive has something of {newest}"));
        return Ok(report);
    }
    let grace = millis(options.grace);
    let missing = Missing::look(archive, &options.absent)?;
    report.gone = (missing.gone.len() + missing.unsure.len()) as u64;
    report.unsure = missing.unsure.iter().map(|document| archive.path_of(&document.name)).collect();
    if !options.dry_run {
        archive.catalog.mark_gone(&missing.gone, now)?;
    }
    let given_up = match options.forget_gone {
        true => archive.catalog.long_gone(&missing.gone, grace, now)?,
        false => Vec::new(),
    };
    let mut unreferenced = archive.catalog.unreferenced(&given_up, now)?;
    let looking = Looking::new(reader, archive, &options.search, stop, &unreferenced)?;
    let mut named = Named::default();
    if !unreferenced.is_empty() {
        looking.look(&mut named)?;
    }
    if stop() {
        report.interrupted = true;
        return Ok(report);
    }
    if !named.unreadable.is_empty() {
        report.unreadable = named.unreadable;
        return Ok(report);
    }
    unreferenced.retain(|found| !named.blobs.contains(&found.blob.digest));
    if !options.dry_run {
        archive.catalog.mark(&unreferenced, now)?;
    }
    let (due, waiting): (Vec<_>, Vec<_>) =
        unreferenced.into_iter().partition(|found| is_due(archive, found, grace, now));
    for found in &waiting {
        report.waiting.add(1, found.bytes);
    }
    report.next = waiting.iter().map(|found| found.mark.counts_from(grace)).min();
    let run = Run::start("gc");
    let mut collecting = Collecting { archive, options, given_up, looking, named, run: &run, grace, now };
    for part in due.chunks(AT_A_TIME) {
        if stop() || !report.unreadable.is_empty() {
            break;
        }
        collecting.remove(part, &mut report)?;
    }
    let removed: HashSet<Digest> = report.removed.iter().map(|removed| removed.blob.digest).collect();
    let forgotten = archive.catalog.referring(&collecting.given_up, &removed)?;
    report.forgotten = forgotten.iter().map(|document| archive.path_of(&document.name)).collect();
    if report.unreadable.is_empty() && !stop() {
        collecting.orphans(&mut report)?;
        collecting.trash(&mut report)?;
    }
    report.interrupted = stop();
    Ok(report)
}

fn is_due(archive: &Archive, found: &Unreferenced, grace: i64, now: i64) -> bool {
    // By two clocks: one of them may have been wrong.
    found.mark.counts(grace, now) && is_old(&archive.store.path(found.blob), grace, now)
}

/// Whether nobody wrote the file for so long; also if there is none.
fn is_old(path: &Path, grace: i64, now: i64) -> bool {
    match Stat::find(path) {
        Ok(Some(stat)) => (stat.mtime_ns / 1_000_000).saturating_add(grace) <= now,
        Ok(None) => true,
        Err(_) => false,
    }
}

struct Collecting<'a> {
    archive: &'a Archive,
    options: &'a Options,
    given_up: Vec<DocumentId>,
    looking: Looking<'a>,
    named: Named,
    run: &'a Run,
    grace: i64,
    now: i64,
}

impl Collecting<'_> {
    fn remove(&mut self, due: &[Unreferenced], report: &mut Report) -> Result<()> {
        let Self { archive, options, run, grace, now, .. } = *self;
        let store = &archive.store;
        if options.dry_run {
            report.removed.extend(due.iter().map(Removed::from));
            return Ok(());
        }
        let _hold = store.hold_alone()?;
        // Somebody may have brought a document back just before, or written a link.
        self.given_up.retain(|document| is_gone(archive, document));
        self.looking.look(&mut self.named)?;
        if !self.named.unreadable.is_empty() {
            report.unreadable.clone_from(&self.named.unreadable);
            return Ok(());
        }
        let mut due = due.to_vec();
        due.retain(|found| {
            !self.named.blobs.contains(&found.blob.digest) && is_due(archive, found, grace, now)
        });
        // The catalog sees whether somebody recorded a reference.
        let removed = archive.catalog.remove(run, &due, &self.given_up, now)?;
        let paths: Vec<PathBuf> = removed.iter().map(|found| store.path(found.blob)).collect();
        store.discard(&paths, self.day()?)?;
        report.removed.extend(removed.iter().map(Removed::from));
        Ok(())
    }

    /// Files that the catalog does not know: a crash left them, or it is the catalog that is not whole.
    fn orphans(&self, report: &mut Report) -> Result<()> {
        let Self { archive, options, grace, now, .. } = self;
        let store = &archive.store;
        let known = || -> Result<HashSet<BlobName>> { Ok(archive.catalog.blobs()?.into_iter().collect()) };
        let before = known()?;
        let old = store.list()?.into_iter().filter_map(Result::ok).filter(|blob| !before.contains(blob));
        let mut old: Vec<BlobName> = old.filter(|blob| is_old(&store.path(*blob), *grace, *now)).collect();
        if old.is_empty() {
            return Ok(());
        }
        let digests: HashSet<Digest> = old.iter().map(|blob| blob.digest).collect();
        let (fates, spoiled) = archive.catalog.fates(&digests)?;
        let is_kept = |blob: &mut BlobName| fates.get(&blob.digest).is_some_and(Fate::is_kept);
        let paths = |blobs: &[BlobName]| blobs.iter().map(|blob| store.path(*blob)).collect::<Vec<_>>();
        let unknown: Vec<BlobName> = old.extract_if(.., is_kept).collect();
        report.unknown = paths(&unknown);
        if spoiled {
            report.doubtful = paths(&old);
            return Ok(());
        }
        if !options.dry_run {
            let _hold = store.hold_alone()?;
            // Somebody may have kept one of them just before.
            let known = known()?;
            old.retain(|blob| !known.contains(blob) && is_old(&store.path(*blob), *grace, *now));
            store.discard(&paths(&old), self.day()?)?;
        }
        report.orphaned = paths(&old);
        Ok(())
    }

    fn trash(&self, report: &mut Report) -> Result<()> {
        let today = self.day()?;
        let long_ago = self.now.saturating_sub(TRASH_DAYS * 24 * 3_600_000);
        for discarded in self.archive.store.trash()? {
            let age = today.since(discarded.day)?.get_days();
            let changed = discarded.changed.duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis);
            if i64::from(age) < TRASH_DAYS || changed > long_ago {
                continue;
            }
            if !self.options.dry_run {
                self.archive.store.empty_trash(discarded.day)?;
            }
            report.emptied.add(discarded.files, discarded.bytes);
        }
        Ok(())
    }

    fn day(&self) -> Result<Date> {
        Ok(Timestamp::from_millisecond(self.now)?.to_zoned(TimeZone::UTC).date())
    }
}

impl From<&Unreferenced> for Removed {
    fn from(found: &Unreferenced) -> Self {
        Self { blob: found.blob, bytes: found.bytes }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Report {
    /// In a line, for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.refused {
            return write!(f, "nothing was done: {why}");
        }
        let removed: u64 = self.removed.iter().map(|removed| removed.bytes).sum();
        write!(
            f,
            "{} images ({removed} bytes) and {} stray files removed, {} wait for their time",
            self.removed.len(),
            self.orphaned.len(),
            self.waiting.blobs
        )?;
        if let Some(first) = self.unreadable.first() {
            write!(
                f,
                "; nothing more goes as long as documents cannot be read, such as `{}`",
                first.display()
            )?;
        }
        let lost = self.unknown.len() + self.doubtful.len();
        if lost > 0 {
            write!(f, "; {lost} files are not in the catalog: see `imgkeep verify --rebuild`")?;
        }
        if self.interrupted {
            write!(f, "; it was stopped before its end")?;
        }
        Ok(())
    }
}
