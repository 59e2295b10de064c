//! Changing documents that hold kept links: what `restore` and `relink` have in common.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Result;

use crate::blob::BlobName;
use crate::catalog::Run;
use crate::catalog::row::{Batch, Rewrite};
use crate::crawl::{self, Entry};
use crate::digest::Digest;
use crate::document::diff;
use crate::document::splice::Patch;
use crate::files::replace::{self, Mtime, Replacement};
use crate::ops::kept::{Kept, kept, link};
use crate::ops::{Archive, Document, Reader, litter, parallel, why};
use crate::rewrite::{self, Standing};

/// A slice of this size is replaced at once.
const DOCUMENTS: usize = 500;
const BYTES: u64 = 32 << 20;
/// How often a document that somebody keeps editing is planned again.
const PLANS: u32 = 5;

/// How to go about it.
#[derive(Clone, Debug)]
pub struct Options {
    /// How documents are replaced.
    pub replace: replace::Options,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Whether [`Report::diffs`] is filled.
    pub diffs: bool,
}

/// What became of the documents.
#[derive(Debug, Default)]
pub struct Report {
    /// Documents that were looked at.
    pub scanned: u64,
    /// Documents that were, or would be, changed.
    pub changed: u64,
    /// Kept links that were, or would be, changed.
    pub links: u64,
    /// Kept links whose original nobody knows.
    pub unknown: u64,
    /// Documents that were left as they are, and why.
    pub failed: Vec<(PathBuf, String)>,
    /// Unified diffs, if they were asked for.
    pub diffs: Vec<Vec<u8>>,
    /// What stopped it before its end, if the catalog failed.
    pub broke_off: Option<anyhow::Error>,
}

/// The change to one document, planned and not yet made.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) patch: Patch,
    pub(super) mtime: Mtime,
    /// The way back from the changed document, if it still holds kept links.
    pub(super) rewrite: Option<Rewrite>,
    /// What it is pointed at and was not before.
    pub(super) pointed_at: Vec<BlobName>,
    /// Kept links whose original nobody knows.
    pub(super) unknown: u64,
}

/// A document with everything a plan may look at.
pub(super) struct Planning<'a> {
    pub(super) entry: &'a Entry,
    /// What the catalog calls it.
    pub(super) name: Vec<u8>,
    pub(super) document: Document,
    pub(super) kept: Kept,
}

/// What a plan says of one document.
pub(super) enum Plan {
    Change(Change),
    /// It must stay as it is.
    Refused(String),
}

/// Plans one document; errors are the catalog's.
type Planner<'a> = dyn Fn(&Planning<'_>) -> Result<Plan> + Sync + 'a;

/// Plans every document with `plan`, on every core, and replaces those that change.
///
/// A document that cannot be changed is in the report, and so is what ends it all.
pub(super) fn change(
    reader: &Reader,
    archive: &Archive,
    command: &'static str,
    entries: &[Entry],
    options: &Options,
    plan: &Planner<'_>,
) -> Report {
    let changer = Changer { reader, archive, run: Run::start(command), options, plan };
    let mut report = Report { scanned: entries.len() as u64, ..Report::default() };
    let mut slice = Slice::default();
    let mut failed = None;
    parallel::in_order(
        entries,
        |entry| changer.prepare(entry),
        |outcome| {
            let taken = outcome.map(|prepared| slice.take(prepared, &mut report));
            let made = taken.and_then(|()| match slice.is_full() {
                true => changer.make(std::mem::take(&mut slice), &mut report),
                false => Ok(()),
            });
            failed = made.err();
            if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    );
    report.broke_off = failed.or_else(|| changer.make(slice, &mut report).err());
    report
}

/// A document that is about to change. Its bytes are read again then: memory holds what changes only.
struct Ready {
    entry: Entry,
    name: Vec<u8>,
    change: Change,
    diff: Vec<u8>,
    /// Length of the document.
    bytes: u64,
}

enum Prepared {
    Ready(Box<Ready>),
    Nothing { unknown: u64 },
    Skipped(PathBuf, String),
}

/// So many documents as are replaced at a time: durability is paid once for all of them.
#[derive(Default)]
struct Slice {
    documents: Vec<Ready>,
    bytes: u64,
}

impl Slice {
    fn take(&mut self, prepared: Prepared, report: &mut Report) {
        match prepared {
            Prepared::Ready(document) => {
                self.bytes += document.bytes;
                self.documents.push(*document);
            }
            Prepared::Nothing { unknown } => report.unknown += unknown,
            Prepared::Skipped(path, why) => report.failed.push((path, why)),
        }
    }

    fn is_full(&self) -> bool {
        self.bytes >= BYTES || self.documents.len() >= DOCUMENTS
    }
}

struct Changer<'a> {
    reader: &'a Reader,
    archive: &'a Archive,
    run: Run,
    options: &'a Options,
    plan: &'a Planner<'a>,
}

impl Changer<'_> {
    fn prepare(&self, entry: &Entry) -> Result<Prepared> {
        let known = |blob: BlobName| self.archive.catalog.knows(blob.digest).unwrap_or(false);
        let document = match self.reader.read(entry, &known) {
            Ok(document) => document,
            Err(skip) if skip.is_failure() => {
                return Ok(Prepared::Skipped(entry.path.clone(), skip.to_string()));
            }
            Err(_) => return Ok(Prepared::Nothing { unknown: 0 }),
        };
        let name = self.archive.name(entry);
        let kept = match kept(&self.archive.catalog, &name, &document.bytes, &document.resolved.kept) {
            Err(error) if error.is_of_a_record() => {
                return Ok(Prepared::Skipped(entry.path.clone(), error.to_string()));
            }
            kept => kept?,
        };
        if kept.standing.is_empty() {
            return Ok(Prepared::Nothing { unknown: 0 });
        }
        let planning = Planning { entry, name, document, kept };
        let change = match (self.plan)(&planning)? {
            Plan::Change(change) => change,
            Plan::Refused(why) => return Ok(Prepared::Skipped(entry.path.clone(), why)),
        };
        if change.patch.is_empty() {
            return Ok(Prepared::Nothing { unknown: change.unknown });
        }
        let bytes = &planning.document.bytes;
        let diff = match self.options.diffs {
            true => diff::unified(&entry.path.to_string_lossy(), bytes, &change.patch),
            false => Vec::new(),
        };
        let bytes = bytes.len() as u64;
        Ok(Prepared::Ready(Box::new(Ready {
            entry: entry.clone(),
            name: planning.name,
            change,
            diff,
            bytes,
        })))
    }

    /// Makes the changes of a slice: the way back first, then the documents. What somebody edited meanwhile is
    /// planned again.
    fn make(&self, mut slice: Slice, report: &mut Report) -> Result<()> {
        if self.options.dry_run {
            slice.documents.into_iter().for_each(|document| report.made(document));
            return Ok(());
        }
        for round in 1..=PLANS {
            if slice.documents.is_empty() {
                break;
            }
            let again = self.replace(slice.documents, round == PLANS, report)?;
            slice = Slice::default();
            for entry in again {
                slice.take(self.prepare(&entry)?, report);
            }
        }
        Ok(())
    }

    /// Returns the documents that are to be planned again; with `last`, there are none.
    fn replace(&self, mut documents: Vec<Ready>, last: bool, report: &mut Report) -> Result<Vec<Entry>> {
        let mut again = Vec::new();
        // From here on nobody takes a blob away that a document is about to be pointed at.
        let _hold = self.archive.store.hold()?;
        let lacks = |document: &mut Ready| {
            document.change.pointed_at.iter().any(|blob| !self.archive.store.contains(*blob))
        };
        for document in documents.extract_if(.., lacks) {
            match last {
                true => {
                    report.failed.push((document.entry.path, "an image that it needs is gone".to_owned()));
                }
                false => again.push(document.entry),
            }
        }
        // A record takes back what is known of the state in which a document was left.
        let left_by_us = documents.iter().map(|document| self.left_by_us(document));
        let left_by_us: Vec<bool> = left_by_us.collect::<Result<_>>()?;
        let rewrites = documents.iter_mut().filter_map(|document| document.change.rewrite.take()).collect();
        self.archive.catalog.record(&self.run, &Batch { rewrites, ..Batch::default() })?;
        let mut ready = Vec::with_capacity(documents.len());
        let mut replacements = Vec::with_capacity(documents.len());
        for (document, left_by_us) in documents.into_iter().zip(left_by_us) {
            match self.replacement(&document, left_by_us) {
                Some(replacement) => {
                    replacements.push(replacement);
                    ready.push(document);
                }
                None if last => report.failed.push((document.entry.path, "it keeps changing".to_owned())),
                None => again.push(document.entry),
            }
        }
        let outcomes = replace::replace_all(replacements, &self.options.replace);
        let mut changed = Vec::new();
        for (document, outcome) in ready.into_iter().zip(outcomes) {
            outcome.as_ref().err().inspect(|refused| litter::tell_kept(refused));
            match outcome {
                Ok(_) => {
                    changed.push(document.name.clone());
                    report.made(document);
                }
                Err(refused) if refused.is_transient() && !last => again.push(document.entry),
                Err(refused) => report.failed.push((document.entry.path, why(refused))),
            }
        }
        self.archive.catalog.forget(&changed)?;
        Ok(again)
    }

    /// Whether nobody changed it since we did.
    fn left_by_us(&self, document: &Ready) -> Result<bool> {
        let last = self.archive.catalog.last_stat(&document.name)?;
        Ok(last.is_some_and(|last| last == document.entry.stat.identity()))
    }

    /// The new document; `None` if the old one is not what was planned for any more.
    fn replacement(&self, document: &Ready, left_by_us: bool) -> Option<Replacement> {
        let patch = &document.change.patch;
        let expected = patch.planned_for();
        let bytes = crawl::read(&document.entry, self.reader.crawl.max_bytes).ok();
        let bytes = bytes.filter(|bytes| Digest::of(bytes) == expected)?;
        Some(Replacement {
            path: document.entry.real(),
            expected,
            new: patch.apply(&bytes),
            mtime: document.change.mtime,
            left_by_us: left_by_us.then_some(document.entry.stat),
        })
    }
}

impl Report {
    fn made(&mut self, document: Ready) {
        self.changed += 1;
        self.links += document.change.patch.edits().len() as u64;
        self.unknown += document.change.unknown;
        self.diffs.extend((!document.diff.is_empty()).then_some(document.diff));
    }
}

/// The record of a document after `patch`, for the kept links that stay kept: those in `staying`.
pub(super) fn record(planning: &Planning<'_>, patch: &Patch, staying: &[Standing]) -> Rewrite {
    let links = rewrite::carried(patch, staying);
    let after = patch.apply(&planning.document.bytes);
    Rewrite {
        document: planning.name.clone(),
        before: rewrite::before(&after, &links),
        after: Digest::of(&after),
        mtime: planning.kept.exact.as_ref().map_or(planning.entry.stat.mtime_ns, |record| record.mtime),
        links: links.iter().map(link).collect(),
    }
}
