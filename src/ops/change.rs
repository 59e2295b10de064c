//! Changing documents that hold kept links: what `restore` and `relink` have in common.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Result;

use crate::blob::BlobName;
use crate::catalog::{Batch, Rewrite, Run};
use crate::crawl::Entry;
use crate::digest::Digest;
use crate::document::diff;
use crate::document::splice::Patch;
use crate::files::replace::{self, Mtime, Replacement};
use crate::ops::kept::{Kept, kept, link};
use crate::ops::{Archive, Document, Reader, parallel};
use crate::rewrite::{self, Standing};

/// Documents replaced at a time: durability is paid once for all of them.
const BATCH: usize = 500;
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
}

/// The change to one document, planned and not yet made.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) patch: Patch,
    pub(super) mtime: Mtime,
    /// The way back from the changed document, if it still holds kept links.
    pub(super) rewrite: Option<Rewrite>,
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

struct Ready {
    entry: Entry,
    name: Vec<u8>,
    digest: Digest,
    after: Vec<u8>,
    change: Change,
    diff: Vec<u8>,
}

/// Plans every document with `plan`, on every core, and replaces those for which it gives a change.
///
/// # Errors
/// When the catalog fails. A document that cannot be changed is in the report.
pub(super) fn change(
    reader: &Reader,
    archive: &Archive,
    run: &Run,
    entries: &[Entry],
    options: &Options,
    plan: &(dyn Fn(&Planning<'_>) -> Result<Option<Change>> + Sync),
) -> Result<Report> {
    let mut report = Report { scanned: entries.len() as u64, ..Report::default() };
    let mut ready = Vec::new();
    let mut failed = None;
    parallel::in_order(
        entries,
        |entry| prepare(reader, archive, entry, options, plan),
        |outcome| {
            match outcome {
                Ok(Prepared::Ready(document)) => ready.push(*document),
                Ok(Prepared::Nothing { unknown }) => report.unknown += unknown,
                Ok(Prepared::Skipped(path, why)) => report.failed.push((path, why)),
                Err(error) => failed = Some(error),
            }
            if ready.len() >= BATCH && failed.is_none() {
                failed =
                    make(reader, archive, run, std::mem::take(&mut ready), options, plan, &mut report).err();
            }
            if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    );
    if let Some(error) = failed {
        return Err(error);
    }
    make(reader, archive, run, ready, options, plan, &mut report)?;
    Ok(report)
}

enum Prepared {
    Ready(Box<Ready>),
    Nothing { unknown: u64 },
    Skipped(PathBuf, String),
}

fn prepare(
    reader: &Reader,
    archive: &Archive,
    entry: &Entry,
    options: &Options,
    plan: &(dyn Fn(&Planning<'_>) -> Result<Option<Change>> + Sync),
) -> Result<Prepared> {
    let known = |blob: BlobName| archive.catalog.knows(blob.digest).unwrap_or(false);
    let document = match reader.read(entry, &known) {
        Ok(document) => document,
        Err(skip) if skip.is_failure() => return Ok(Prepared::Skipped(entry.path.clone(), skip.to_string())),
        Err(_) => return Ok(Prepared::Nothing { unknown: 0 }),
    };
    let name = archive.name(entry);
    let kept = kept(&archive.catalog, &name, &document.bytes, &document.resolved.kept)?;
    if kept.standing.is_empty() {
        return Ok(Prepared::Nothing { unknown: 0 });
    }
    let planning = Planning { entry, name, document, kept };
    let Some(change) = plan(&planning)? else { return Ok(Prepared::Nothing { unknown: 0 }) };
    if change.patch.is_empty() {
        return Ok(Prepared::Nothing { unknown: change.unknown });
    }
    let bytes = &planning.document.bytes;
    let diff = match options.diffs {
        true => diff::unified(&entry.path.to_string_lossy(), bytes, &change.patch),
        false => Vec::new(),
    };
    let (digest, after) = (change.patch.planned_for(), change.patch.apply(bytes));
    Ok(Prepared::Ready(Box::new(Ready {
        entry: entry.clone(),
        name: planning.name,
        digest,
        after,
        change,
        diff,
    })))
}

/// Makes a batch of changes: the way back first, then the documents.
fn make(
    reader: &Reader,
    archive: &Archive,
    run: &Run,
    mut ready: Vec<Ready>,
    options: &Options,
    plan: &(dyn Fn(&Planning<'_>) -> Result<Option<Change>> + Sync),
    report: &mut Report,
) -> Result<()> {
    for round in 1..=PLANS {
        if ready.is_empty() {
            return Ok(());
        }
        if options.dry_run {
            for document in ready {
                report.made(document);
            }
            return Ok(());
        }
        let rewrites = ready.iter().filter_map(|document| document.change.rewrite.clone()).collect();
        archive.catalog.record(run, &Batch { rewrites, ..Batch::default() })?;
        let replacements = ready
            .iter_mut()
            .map(|document| Replacement {
                path: document.entry.real(),
                expected: document.digest,
                new: std::mem::take(&mut document.after),
                mtime: document.change.mtime,
                left_by_us: None,
            })
            .collect();
        let outcomes = replace::replace_all(replacements, &options.replace);
        let mut again = Vec::new();
        let mut changed = Vec::new();
        for (document, outcome) in ready.into_iter().zip(outcomes) {
            match outcome {
                Ok(_) => {
                    changed.push(document.name.clone());
                    report.made(document);
                }
                Err(refused) if refused.is_transient() && round < PLANS => again.push(document.entry),
                Err(refused) => report.failed.push((document.entry.path, refused.to_string())),
            }
        }
        archive.catalog.forget(&changed)?;
        ready = Vec::new();
        for entry in again {
            match prepare(reader, archive, &entry, options, plan)? {
                Prepared::Ready(document) => ready.push(*document),
                Prepared::Nothing { unknown } => report.unknown += unknown,
                Prepared::Skipped(path, why) => report.failed.push((path, why)),
            }
        }
    }
    Ok(())
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
