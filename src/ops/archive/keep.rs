//! Keeps one batch, in the order that makes a crash harmless: blobs, catalog, documents.

use std::borrow::Cow;
use std::collections::HashSet;
use std::mem;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use anyhow::Result;
use tokio::sync::oneshot;

use crate::blob::BlobName;
use crate::catalog::OriginKey;
use crate::catalog::row::{self, Counts, Failure, Rewrite, Seen, Snapshot};
use crate::crawl;
use crate::digest::Digest;
use crate::document::diff;
use crate::document::reference::Reference;
use crate::document::splice::Edit;
use crate::files::replace::{self, Replacement};
use crate::ladder::hosts::Host;
use crate::media::MediaType;
use crate::ops::archive::download::{Got, Job};
use crate::ops::archive::reading::Read;
use crate::ops::archive::{DocumentFailure, Outlook, Shared, now, seen};
use crate::ops::{BASE_ELSEWHERE, kept, litter, why};
use crate::rewrite::link::{self, LinkStyle};
use crate::rewrite::{self, Planned};
use crate::store::Finished;

/// A batch of this size is kept at once: it is what memory holds of documents and what a kill can cost.
const BYTES: u64 = 32 << 20;
const DOCUMENTS: usize = 500;

/// What waits to be kept.
#[derive(Debug, Default)]
pub(super) struct Batch {
    drafts: Vec<(Finished, MediaType)>,
    snapshots: Vec<Snapshot>,
    keys: Vec<OriginKey>,
    pub(super) failures: Vec<Failure>,
    documents: Vec<Document>,
    /// Length of all drafts and documents.
    bytes: u64,
    /// What an earlier batch learned: it rides along and forces no batch of its own.
    pub(super) seen: Vec<(Vec<u8>, Seen)>,
    /// Likewise, which origins without a copy each of these documents holds.
    pub(super) wanted: Vec<(Vec<u8>, Vec<OriginKey>)>,
    /// Likewise, what is known of hosts.
    pub(super) hosts: Vec<(String, Host)>,
    /// Likewise, bytes that were found out.
    pub(super) placeholders: Vec<row::Placeholder>,
}

/// A document whose origins all have their fate.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) read: Read,
    pub(super) answers: Vec<(Reference, BlobName)>,
    /// How many there are, or were before they were planned.
    pub(super) links: u64,
}

impl Document {
    pub(super) fn new(read: Read, answers: Vec<(Reference, BlobName)>) -> Self {
        let links = answers.len() as u64;
        Self { read, answers, links }
    }
}

/// What keeping a batch led to.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Origins whose copies the catalog knows now.
    pub(super) keys: Vec<OriginKey>,
    pub(super) counts: Tally,
    /// Documents that need nothing more, to be recorded with the next batch.
    pub(super) seen: Vec<(Vec<u8>, Seen)>,
    /// Which origins without a copy they hold, likewise.
    pub(super) wanted: Vec<(Vec<u8>, Vec<OriginKey>)>,
    pub(super) refused: Vec<DocumentFailure>,
    /// Documents that somebody edited meanwhile.
    pub(super) again: Vec<Document>,
    pub(super) diffs: Vec<Vec<u8>>,
    /// What kept a part of the batch from being made, if anything did; the rest was made before.
    pub(super) broke_off: Option<anyhow::Error>,
    /// Documents that are through.
    pub(super) finished: u64,
}

/// Numbers for the report.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) changed: u64,
    pub(super) archived: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
    pub(super) deduplicated: u64,
    pub(super) bytes_stored: u64,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.drafts.is_empty() && self.failures.is_empty() && self.documents.is_empty()
    }

    /// Whether no more should be added before it is kept.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= BYTES || self.documents.len() >= DOCUMENTS
    }

    pub(super) fn add(&mut self, document: Document) {
        self.bytes += document.read.entry.stat.size;
        self.documents.push(document);
    }

    pub(super) fn got(&mut self, job: &Job, got: Got) {
        self.keys.push(job.key);
        self.bytes += got.draft.bytes();
        self.snapshots.push(Snapshot {
            origin: job.origin().to_string(),
            taken: now(),
            digest: got.draft.digest(),
            extension: got.inspected.media_type.extension().to_owned(),
            bytes: got.draft.bytes(),
            width: got.inspected.width,
            height: got.inspected.height,
            source: got.source,
            url: got.url,
            etag: got.etag,
            last_modified: got.last_modified,
            attempts: job.attempts(),
        });
        self.drafts.push((got.draft, got.inspected.media_type));
    }
}

/// The one thread that keeps batches. Always the same: each thread holds on to memory for its largest batch.
pub(super) struct Keeper {
    batches: Option<mpsc::Sender<(Batch, oneshot::Sender<Result<Done>>)>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn start(shared: Arc<Shared>) -> Self {
        let (sender, batches) = mpsc::channel::<(Batch, oneshot::Sender<Result<Done>>)>();
        let thread = thread::spawn(move || {
            for (batch, reply) in batches {
                // A run that was given up waits for no reply.
                let _ = reply.send(keep(&shared, batch));
            }
        });
        Self { batches: Some(sender), thread: Some(thread) }
    }

    /// The reply never comes if the thread is gone.
    pub(super) fn keep(&self, batch: Batch) -> oneshot::Receiver<Result<Done>> {
        let (reply, done) = oneshot::channel();
        if let Some(batches) = &self.batches {
            let _ = batches.send((batch, reply));
        }
        done
    }
}

impl Drop for Keeper {
    /// Lets the batch at hand end: a run that fails leaves no document half through.
    fn drop(&mut self) {
        self.batches.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A document that is about to be replaced.
struct Change {
    document: Document,
    after: Vec<u8>,
    /// The way back, until it is recorded.
    rewrite: Option<Rewrite>,
    diff: Vec<u8>,
}

/// # Errors
/// When the store, the journal or the catalog fails. Documents are then as they were.
pub(super) fn keep(shared: &Shared, batch: Batch) -> Result<Done> {
    let mut done = Done { keys: batch.keys, finished: batch.documents.len() as u64, ..Done::default() };
    // From here on nobody takes a blob away that a document is about to be pointed at.
    let _hold = shared.archive.store.hold()?;
    let mut there = HashSet::new();
    let catalog = &shared.archive.catalog;
    let mut new = HashSet::new();
    for (draft, _) in &batch.drafts {
        if catalog.has(draft.digest())? || !new.insert(draft.digest()) {
            done.counts.deduplicated += 1;
        } else {
            done.counts.bytes_stored += draft.bytes();
        }
    }
    shared.archive.store.commit(batch.drafts)?;

    let mut slice = Slice {
        record: row::Batch {
            snapshots: batch.snapshots,
            failures: batch.failures,
            seen: batch.seen,
            wanted: batch.wanted,
            hosts: batch.hosts,
            placeholders: batch.placeholders,
            ..row::Batch::default()
        },
        ..Slice::default()
    };
    for document in batch.documents {
        let mut is_there = |blob: BlobName| {
            there.contains(&blob) || (shared.archive.store.contains(blob) && there.insert(blob))
        };
        if !document.answers.iter().all(|(_, blob)| is_there(*blob)) {
            again(document, &mut done);
            continue;
        }
        if !shared.options.rewrite || (document.answers.is_empty() && document.read.kept.is_empty()) {
            let stat = document.read.entry.stat.identity();
            through(shared, &document, stat, &mut done);
            continue;
        }
        match plan(shared, document)? {
            Plan::Change(change) => {
                slice.bytes += change.after.len() as u64;
                slice.changes.push(*change);
            }
            Plan::Through(document, record) => {
                slice.record.rewrites.extend(record);
                let stat = document.read.entry.stat.identity();
                through(shared, &document, stat, &mut done);
            }
            Plan::Again(document) => again(document, &mut done),
            Plan::Refused(document, why) => refuse(&document, &why, Outlook::Lasting, &mut done),
        }
        if slice.bytes >= BYTES
            && let Err(error) = mem::take(&mut slice).make(shared, &mut done)
        {
            done.broke_off = Some(error);
            return Ok(done);
        }
    }
    done.broke_off = slice.make(shared, &mut done).err();
    Ok(done)
}

/// So many changes as memory should hold at a time.
#[derive(Default)]
struct Slice {
    record: row::Batch,
    changes: Vec<Change>,
    /// Length of the new documents.
    bytes: u64,
}

impl Slice {
    fn make(mut self, shared: &Shared, done: &mut Done) -> Result<()> {
        self.record.rewrites.extend(self.changes.iter_mut().filter_map(|change| change.rewrite.take()));
        shared.archive.catalog.record(&shared.run, &self.record)?;
        replace_documents(shared, self.changes, done);
        Ok(())
    }
}

/// Records what the last batch learned.
pub(super) fn confirm(shared: &Shared, batch: Batch) -> Result<()> {
    let Batch { seen, wanted, hosts, placeholders, failures, .. } = batch;
    let record = row::Batch { seen, wanted, hosts, placeholders, failures, ..row::Batch::default() };
    Ok(shared.archive.catalog.record(&shared.run, &record)?)
}

enum Plan {
    Change(Box<Change>),
    /// Nothing to change, but perhaps a record to make for a document that was edited or moved.
    Through(Document, Option<Rewrite>),
    /// Edited since it was read.
    Again(Document),
    Refused(Document, String),
}

fn plan(shared: &Shared, mut document: Document) -> Result<Plan> {
    let read = &document.read;
    let (style, images) = (&shared.options.link, shared.archive.store.images());
    let folder = match style.folder(&read.entry.folder, &read.base) {
        Some(folder) => folder,
        None if document.answers.is_empty() => Cow::Borrowed(&*read.entry.folder),
        None => return Ok(Plan::Refused(document, BASE_ELSEWHERE.to_owned())),
    };
    let bytes = match crawl::read(&read.entry, shared.reader.crawl.max_bytes) {
        Ok(bytes) if Digest::of(&bytes) == read.digest => bytes,
        _ => return Ok(Plan::Again(document)),
    };
    let known = match kept::kept(&shared.archive.catalog, &read.name, &bytes, &read.kept) {
        Err(error) if error.is_of_a_record() => return Ok(Plan::Refused(document, error.to_string())),
        known => known?,
    };
    // A document that was moved took its relative links along: they lead to the store again.
    let relative = LinkStyle::Relative.folder(&read.entry.folder, &read.base);
    let moved = read.kept.iter().filter_map(|link| {
        let folder = relative.as_deref()?;
        let target = link::target(folder, &link.url)?;
        let url = || LinkStyle::Relative.link(folder, &images, link.blob, &link.url);
        let is_astray = target != images.join(link.blob.to_string());
        is_astray.then(|| Edit::of_url(&bytes, link.span, link.escapes, &url()))
    });
    let moved: Vec<Edit> = moved.collect();
    let answers = mem::take(&mut document.answers);
    if moved.is_empty() && answers.is_empty() {
        let ours = known.exact.as_ref().is_some_and(|record| record.document == read.name);
        let record = (!ours).then(|| {
            let planned = rewrite::plan(&bytes, &known.standing, moved, Vec::new(), "");
            record(&document.read, &planned, known.exact.as_ref())
        });
        return Ok(Plan::Through(document, record.filter(|record| !record.links.is_empty())));
    }
    let answers = answers.into_iter().map(|(reference, blob)| {
        let link = style.link(&folder, &images, blob, &reference.url);
        (reference, blob, link)
    });
    let planned = rewrite::plan(&bytes, &known.standing, moved, answers.collect(), &shared.run.name);
    let rewrite = Some(record(&document.read, &planned, known.exact.as_ref()));
    let diff = match shared.options.diffs {
        true => diff::unified(&document.read.entry.path.to_string_lossy(), &bytes, &planned.patch),
        false => Vec::new(),
    };
    Ok(Plan::Change(Box::new(Change { document, after: planned.after, rewrite, diff })))
}

/// The way back from `planned`; the mtime is that of the document before its first rewrite, where that is known.
fn record(read: &Read, planned: &Planned, exact: Option<&Rewrite>) -> Rewrite {
    Rewrite {
        document: read.name.clone(),
        before: rewrite::before(&planned.after, &planned.links),
        after: Digest::of(&planned.after),
        mtime: exact.map_or(read.entry.stat.mtime_ns, |record| record.mtime),
        links: planned.links.iter().map(kept::link).collect(),
    }
}

fn replace_documents(shared: &Shared, changes: Vec<Change>, done: &mut Done) {
    let mut documents = Vec::with_capacity(changes.len());
    let mut replacements = Vec::with_capacity(changes.len());
    for change in changes {
        replacements.push(Replacement {
            path: change.document.read.entry.real(),
            expected: change.document.read.digest,
            new: change.after,
            mtime: shared.options.replace.mtime,
            left_by_us: None,
        });
        documents.push((change.document, change.diff));
    }
    let outcomes = replace::replace_all(replacements, &shared.options.replace);
    for ((document, diff), outcome) in documents.into_iter().zip(outcomes) {
        outcome.as_ref().err().inspect(|refused| litter::tell_kept(refused));
        match outcome {
            Ok(replaced) => {
                tracing::info!(document = %document.read.entry.path.display(), links = document.links, "rewritten");
                done.counts.changed += 1;
                done.diffs.extend((!diff.is_empty()).then_some(diff));
                through(shared, &document, replaced.stat.identity(), done);
            }
            Err(refused) if refused.is_transient() => again(document, done),
            Err(refused) => {
                let outlook = (&refused).into();
                refuse(&document, &why(refused), outlook, done);
            }
        }
    }
}

/// A document that somebody edited meanwhile.
fn again(document: Document, done: &mut Done) {
    done.again.push(document);
    done.finished -= 1;
}

/// A document that is as it should be.
fn through(shared: &Shared, document: &Document, stat: [u8; 32], done: &mut Done) {
    let answers = document.links;
    done.counts.archived += answers;
    done.counts.failed += document.read.counts.failed;
    done.counts.skipped += document.read.skipped_links;
    let counts = Counts {
        archived: answers + document.read.kept.len() as u64,
        skipped: document.read.counts.skipped + document.read.skipped_links,
        ..document.read.counts
    };
    // A document from stdin has no name and is not remembered.
    if !document.read.name.is_empty() {
        done.seen.push(seen(&document.read, stat, shared.plan, counts));
        if shared.has_wanted || !document.read.wanted.is_empty() {
            done.wanted.push((document.read.name.clone(), document.read.wanted.clone()));
        }
    }
}

fn refuse(document: &Document, why: &str, outlook: Outlook, done: &mut Done) {
    done.counts.failed += document.read.counts.failed + document.links;
    done.counts.skipped += document.read.skipped_links;
    done.refused.push(DocumentFailure::new(&document.read.entry.path, why).with(outlook));
}
