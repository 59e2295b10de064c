//! The first steps of the road: which documents must be read, and what they name.

use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use url::Url;

use crate::blob::BlobName;
use crate::catalog::row::Counts;
use crate::catalog::{KnownDocuments, OriginKey};
use crate::crawl::{Entry, Skip};
use crate::digest::Digest;
use crate::document::date;
use crate::document::reference::Reference;
use crate::document::referrer::Policy;
use crate::ops::archive::Report;
use crate::ops::{Archive, Reader, counts, parallel};
use crate::origin::OriginUrl;
use crate::origin::proxy::Layer;
use crate::resolve::{Link, Resolved};

/// A document as it was read, with its remote references.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) entry: Entry,
    /// What the catalog calls it.
    pub(super) name: Vec<u8>,
    pub(super) digest: Digest,
    pub(super) targets: Vec<Target>,
    pub(super) kept: Vec<Link>,
    pub(super) remote_base: bool,
    /// Where the document is published, if it says so.
    pub(super) page: Option<Url>,
    /// When it was written.
    pub(super) date: Timestamp,
    pub(super) counts: Counts,
    /// Its origins that nobody gave.
    pub(super) wanted: Vec<OriginKey>,
    /// Links that turned out to lead to no image.
    pub(super) skipped_links: u64,
    /// How often it was planned before.
    pub(super) plans: u32,
}

/// A wanted reference. `reference.url` is empty here: the origin says it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) reference: Reference,
    pub(super) key: OriginKey,
    pub(super) origin: OriginUrl,
    pub(super) wrappers: Vec<Url>,
    pub(super) policy: Option<Policy>,
    pub(super) url: String,
    pub(super) link: bool,
    /// The copy, once there is one.
    pub(super) answer: Option<BlobName>,
}

/// What the outcome for an unchanged document depends on besides its bytes.
pub(super) fn plan_key(reader: &Reader, rewrite: bool) -> [u8; 8] {
    let text = format!(
        "{} {:?} {:?} {}",
        env!("CARGO_PKG_VERSION"),
        reader.rules.fingerprint(),
        reader.resolver.families.fingerprint(),
        rewrite,
    );
    Digest::of(text.as_bytes()).as_bytes()[..8].try_into().expect("a digest has 32 bytes")
}

/// Leaves out the documents that are as a run left them with nothing to do; they are counted, not opened.
pub(super) fn unchanged(
    archive: &Archive,
    entries: Vec<Entry>,
    known: &KnownDocuments,
    plan: [u8; 8],
) -> (Vec<Entry>, Report) {
    let mut report = Report::looked_at(entries.len() as u64);
    let mut rest = Vec::new();
    let mut last: Option<(Arc<Path>, Vec<u8>)> = None;
    let mut name = Vec::new();
    for entry in entries {
        if !last.as_ref().is_some_and(|(folder, _)| Arc::ptr_eq(folder, &entry.folder)) {
            last = Some((Arc::clone(&entry.folder), archive.folder_name(&entry.folder)));
        }
        name.clear();
        name.extend_from_slice(last.as_ref().map_or(&[], |(_, folder)| folder));
        name.extend_from_slice(entry.file_name().as_bytes());
        let seen = known.unchanged(&name, entry.stat.identity());
        match seen.filter(|seen| seen.plan == plan && seen.counts.failed == 0) {
            Some(seen) => report.add_unchanged(&seen.counts),
            None => rest.push(entry),
        }
    }
    (rest, report)
}

/// One thing the reading threads found.
pub(super) enum Reading {
    Document(Box<Read>),
    Skipped(PathBuf, Skip),
}

pub(super) fn read_in_background(
    reader: Arc<Reader>,
    archive: Arc<Archive>,
    entries: Vec<Entry>,
    sender: mpsc::Sender<Reading>,
) -> JoinHandle<()> {
    tokio::task::spawn_blocking(move || {
        let read = |entry: &Entry| read(&reader, &archive, entry, 0);
        parallel::in_order(&entries, read, |result| match sender.blocking_send(result) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        });
    })
}

pub(super) fn read(reader: &Reader, archive: &Archive, entry: &Entry, plans: u32) -> Reading {
    let known = |blob: BlobName| archive.catalog.knows(blob.digest).unwrap_or(false);
    let document = match reader.read(entry, &known) {
        Ok(document) => document,
        Err(skip) => return Reading::Skipped(entry.path.clone(), skip),
    };
    let digest = Digest::of(&document.bytes);
    let date = match document.resolved.remote.is_empty() {
        false => date::of(&document.bytes, &entry.path.to_string_lossy()),
        true => None,
    };
    let read = Read::new(entry.clone(), archive.name(entry), digest, document.resolved, date, plans);
    Reading::Document(Box::new(read))
}

impl Read {
    /// `date` is what the document says; else its file's time counts.
    pub(super) fn new(
        entry: Entry,
        name: Vec<u8>,
        digest: Digest,
        resolved: Resolved,
        date: Option<Timestamp>,
        plans: u32,
    ) -> Self {
        let modified = || Timestamp::from_nanosecond(entry.stat.mtime_ns.into()).unwrap_or_default();
        let date = date.unwrap_or_else(modified);
        let counts = counts(&resolved);
        let wanted = resolved.remote.into_iter().filter(|remote| remote.wanted);
        let targets = wanted.map(|remote| Target {
            url: remote.url().to_owned(),
            reference: remote.reference,
            key: OriginKey::of(&remote.origin),
            origin: remote.origin,
            wrappers: remote.wrappers.iter().filter_map(Layer::url).collect(),
            policy: remote.policy,
            link: remote.link,
            answer: None,
        });
        Self {
            entry,
            name,
            digest,
            targets: targets.collect(),
            kept: resolved.kept,
            remote_base: resolved.remote_base,
            page: resolved.page,
            date,
            counts,
            wanted: Vec::new(),
            skipped_links: 0,
            plans,
        }
    }
}
