//! Removes blobs that no document and no record refers to.
//!
//! What is kept:
//!
//! - a blob that any record of a document refers to which is there: its newest state, and every earlier one that
//!   `restore` may still be asked to lead back from;
//! - a blob that a document links to which is there, whoever wrote the link, or whose origin it names: this is looked up
//!   in the documents themselves before anything is removed;
//! - the newest copy of an origin, if no document was ever pointed at it: it was kept without rewriting, for a document
//!   from stdin, or for those who ask in place of a proxy.
//!
//! Everything else is marked when it is first noticed, and removed once the mark is as old as the grace period, and the
//! file is, too; until then anything that refers to it takes the mark back. What remains are copies that were only in documents
//! that are gone, older copies that none uses, and placeholders. A document whose watched folder is not there
//! at all is not taken for gone.
//!
//! Removal goes the other way round than keeping: the journal hears of it, the catalog forgets, and then the file is moved
//! to the store's trash, where it stays for another week. A crash in between leaves a file that the catalog does not
//! know, which the next collection takes; a file that the journal says is kept is left alone, for then it is the catalog
//! that has a gap.
//!
//! Nobody is pointed at a blob that is about to go: who archives [holds](crate::store::Store::hold) the store from before
//! it sees that the blob is there until its record is in the catalog, batch by batch; who removes holds it alone while it
//! asks once more who refers to what, and until the file is moved. So either the record is seen here, or the missing blob there, and
//! it is then fetched again.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::blob::BlobName;
use crate::catalog::garbage::{DocumentId, Unreferenced};
use crate::catalog::{OriginKey, Run};
use crate::crawl::Entry;
use crate::digest::Digest;
use crate::files::stat::Stat;
use crate::ops::{Archive, Reader, parallel};

/// How long what was removed stays in the trash, in days.
const TRASH_DAYS: i64 = 7;
/// Blobs that are removed while the store is held, at a time.
const AT_A_TIME: usize = 5_000;

/// What to remove.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a blob outlives its last reference.
    pub grace: Duration,
    /// Folders of which nobody knows now what is in them: their documents are not gone.
    pub absent: Vec<PathBuf>,
    /// Whether nothing is changed, not even noted.
    pub dry_run: bool,
}

/// What was removed, or would be.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Blobs that went into the trash.
    pub removed: Vec<Removed>,
    /// Files in the store that nothing knows, likewise.
    pub orphaned: Vec<PathBuf>,
    /// Files that the catalog does not know and the journal does: it should be made again.
    pub unknown: Vec<PathBuf>,
    /// Blobs that nothing refers to, and whose time has not come.
    pub waiting: Sum,
    /// When the first of them goes, in milliseconds since 1970.
    pub next: Option<i64>,
    /// Documents that are not where they were.
    pub gone: u64,
    /// Of these, the ones that were forgotten with their images.
    pub forgotten: u64,
    /// What left the trash for good.
    pub emptied: Sum,
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

/// Collects garbage as it is at `now`, in milliseconds since 1970.
///
/// # Errors
/// When the store or the catalog fails. What was removed until then is.
pub fn gc(reader: &Reader, archive: &Archive, options: &Options, now: i64) -> Result<Report> {
    let mut report = Report::default();
    let gone = gone(archive, &options.absent)?;
    report.gone = gone.len() as u64;
    let mut unreferenced = archive.catalog.unreferenced(&gone, now)?;
    if !unreferenced.is_empty() {
        let named = named(reader, archive, &unreferenced)?;
        unreferenced.retain(|found| !named.contains(&found.blob.digest));
    }
    if !options.dry_run {
        archive.catalog.mark(&gone, &unreferenced, now)?;
    }
    let grace = millis(options.grace);
    let (due, waiting): (Vec<_>, Vec<_>) =
        unreferenced.into_iter().partition(|found| is_due(archive, found, grace, now));
    for found in &waiting {
        report.waiting.add(1, found.bytes);
    }
    report.next = waiting.iter().map(|found| found.since.saturating_add(grace)).min();
    let run = Run::start("gc");
    let collecting = Collecting { archive, options, gone: &gone, run: &run, grace, now };
    for part in due.chunks(AT_A_TIME) {
        collecting.remove(part, &mut report)?;
    }
    collecting.orphans(&mut report)?;
    collecting.trash(&mut report)?;
    Ok(report)
}

/// The documents that are not where they were.
fn gone(archive: &Archive, absent: &[PathBuf]) -> Result<Vec<DocumentId>> {
    let mut documents = archive.catalog.all_documents()?;
    documents.retain(|document| {
        let path = archive.path_of(&document.name);
        is_gone(archive, document) && !absent.iter().any(|folder| path.starts_with(folder))
    });
    Ok(documents)
}

/// What the system does not let us see may be there.
fn is_gone(archive: &Archive, document: &DocumentId) -> bool {
    matches!(Stat::find(&archive.path_of(&document.name)), Ok(None))
}

fn is_due(archive: &Archive, found: &Unreferenced, grace: i64, now: i64) -> bool {
    // By two clocks: one of them may have been wrong.
    found.since.saturating_add(grace) <= now && is_old(&archive.store.path(found.blob), grace, now)
}

/// Whether nobody wrote the file for so long; also if there is none.
fn is_old(path: &Path, grace: i64, now: i64) -> bool {
    match Stat::find(path) {
        Ok(Some(stat)) => (stat.mtime_ns / 1_000_000).saturating_add(grace) <= now,
        Ok(None) => true,
        Err(_) => false,
    }
}

/// Which of `blobs` the documents that are there link to, or name the origin of.
fn named(reader: &Reader, archive: &Archive, blobs: &[Unreferenced]) -> Result<HashSet<Digest>> {
    let digests: HashSet<Digest> = blobs.iter().map(|found| found.blob.digest).collect();
    let origins: HashMap<OriginKey, Vec<Digest>> = archive.catalog.origins_of_blobs(blobs)?;
    let documents = archive.catalog.all_documents()?;
    let mut named = HashSet::new();
    let read = |document: &DocumentId| -> Vec<Digest> {
        let Ok(entry) = Entry::at(&archive.path_of(&document.name)) else { return Vec::new() };
        let known = |blob: BlobName| digests.contains(&blob.digest);
        let Ok(document) = reader.read(&entry, &known) else { return Vec::new() };
        let links = document.resolved.kept.iter().map(|link| link.blob.digest);
        let remote = document.resolved.remote.iter().map(|remote| OriginKey::of(&remote.origin));
        let copies = remote.filter_map(|key| origins.get(&key)).flatten().copied();
        links.filter(|digest| digests.contains(digest)).chain(copies).collect()
    };
    parallel::in_order(&documents, read, |found| {
        named.extend(found);
        ControlFlow::Continue(())
    });
    Ok(named)
}

struct Collecting<'a> {
    archive: &'a Archive,
    options: &'a Options,
    gone: &'a [DocumentId],
    run: &'a Run,
    grace: i64,
    now: i64,
}

impl Collecting<'_> {
    fn remove(&self, due: &[Unreferenced], report: &mut Report) -> Result<()> {
        let Self { archive, options, run, grace, now, .. } = self;
        let store = &archive.store;
        if options.dry_run {
            report.removed.extend(due.iter().map(Removed::from));
            return Ok(());
        }
        let _hold = store.hold_alone()?;
        // Somebody may have recorded a reference just before, or brought a document back.
        let mut gone = self.gone.to_vec();
        gone.retain(|document| is_gone(archive, document));
        let unreferenced = archive.catalog.unreferenced(&gone, *now)?.into_iter();
        let still: HashMap<Digest, Unreferenced> =
            unreferenced.map(|found| (found.blob.digest, found)).collect();
        let due: Vec<Unreferenced> = due
            .iter()
            .filter_map(|found| still.get(&found.blob.digest).copied())
            .filter(|found| is_due(archive, found, *grace, *now))
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        report.forgotten += archive.catalog.remove(run, &due, &gone, *now)?;
        let paths: Vec<PathBuf> = due.iter().map(|found| store.path(found.blob)).collect();
        store.discard(&paths, self.day()?)?;
        report.removed.extend(due.iter().map(Removed::from));
        Ok(())
    }

    /// Files that the catalog does not know: a crash left them, or it is the catalog that is not whole.
    fn orphans(&self, report: &mut Report) -> Result<()> {
        let Self { archive, options, grace, now, .. } = self;
        let store = &archive.store;
        let known: HashSet<BlobName> = archive.catalog.blobs()?.into_iter().collect();
        // What a dry run leaves in place is no orphan.
        let old = store.list()?.into_iter().filter_map(Result::ok).filter(|blob| !known.contains(blob));
        let mut old: Vec<BlobName> = old.filter(|blob| is_old(&store.path(*blob), *grace, *now)).collect();
        if old.is_empty() {
            return Ok(());
        }
        let digests: HashSet<Digest> = old.iter().map(|blob| blob.digest).collect();
        let journaled = archive.catalog.journaled(&digests)?;
        let paths = |blobs: &[BlobName]| blobs.iter().map(|blob| store.path(*blob)).collect::<Vec<_>>();
        let unknown: Vec<BlobName> = old.extract_if(.., |blob| journaled.contains(&blob.digest)).collect();
        report.unknown = paths(&unknown);
        if !options.dry_run {
            let _hold = store.hold_alone()?;
            // Somebody may have kept one of them just before.
            let mut still = Vec::new();
            for blob in old {
                let knows = archive.catalog.knows(blob.digest)?;
                still.extend((!knows && is_old(&store.path(blob), *grace, *now)).then_some(blob));
            }
            old = still;
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
        let removed: u64 = self.removed.iter().map(|removed| removed.bytes).sum();
        write!(
            f,
            "{} images ({removed} bytes) and {} stray files removed, {} wait for their time",
            self.removed.len(),
            self.orphaned.len(),
            self.waiting.blobs
        )?;
        if !self.unknown.is_empty() {
            write!(
                f,
                "; {} files are not in the catalog: see `imgkeep verify --rebuild`",
                self.unknown.len()
            )?;
        }
        Ok(())
    }
}
