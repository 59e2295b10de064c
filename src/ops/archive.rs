//! The whole road: find, download, store, rewrite.
//!
//! One loop owns all state; what takes long happens beside it and reports back:
//!
//! ```text
//! reading (threads) ──Read──▶ loop ──Job──▶ downloads (tasks, paced by host) ──▶ loop
//!                              │                                                  ▲
//!                              └──Batch──▶ keeping (one thread): store, journal, ─┘
//!                                          catalog, documents
//! ```
//!
//! What grows with the number of documents is one small row each, and the failures and diffs of the report;
//! documents wait for their images in a window of bounded size. A batch is kept in the order that makes a crash harmless: blobs, catalog, documents.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use tokio::sync::{Semaphore, mpsc};

use crate::catalog::row::{Counts, Seen};
use crate::catalog::{KnownDocuments, Run};
use crate::crawl::Entry;
use crate::digest::Digest;
use crate::fetch::{self, Fetcher};
use crate::files::replace;
use crate::ladder;
use crate::ladder::schedule::Policy;
use crate::media;
use crate::ops::stop::Stop;
use crate::ops::{Archive, Reader};
use crate::resolve::Resolved;
use crate::rewrite::link::LinkStyle;

mod asking;
pub(super) mod climb;
pub(super) mod download;
mod folders;
mod follow;
mod keep;
mod memory;
mod progress;
mod reading;
mod recall;
mod report;
mod run;
mod update;

pub use progress::{Moment, Progress};
pub use report::{DocumentFailure, Images, Outlook, References, Report, UnarchivedImage, contract};
pub use update::Updates;

use folders::Folders;
use reading::{Read, Reading, plan_key, read_in_background, unchanged};
use run::Loop;
use update::{Asked, Before};

/// What to do besides keeping the images.
#[derive(Clone, Debug)]
pub struct Options {
    /// How kept links are written.
    pub link: LinkStyle,
    /// Whether documents are pointed at the kept images.
    pub rewrite: bool,
    /// How documents are replaced.
    pub replace: replace::Options,
    /// What counts as a sane image.
    pub limits: media::Limits,
    /// How to ask and how often.
    pub fetch: fetch::Options,
    /// Whom to ask.
    pub ladder: ladder::Options,
    /// Whether images that nobody gave are asked for again before their time.
    pub retry: bool,
    /// Whether origins are asked if what is kept of them is the newest.
    pub update: Update,
    /// How many documents may wait for their images at a time: each is held in memory.
    pub window: usize,
    /// How often a document that somebody keeps editing is planned in one run.
    pub plans: u32,
    /// Whether [`Report::diffs`] is filled.
    pub diffs: bool,
    /// Who may end the run before its end.
    pub stop: Stop,
}

/// What to do about images that were kept before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Nothing: they are kept.
    No,
    /// Keep the newest one, too.
    Keep,
    /// And point the documents at it.
    Follow,
}

/// Archives the images of `entries`. `known` is what the catalog says of documents: those that are as they
/// were left are not opened.
///
/// # Errors
/// When the store, the catalog or the disk fails before anything is done. What fails later, what cannot be fetched and
/// what cannot be rewritten is in the report: nothing is lost, and another run finishes the work.
pub async fn archive(
    reader: Arc<Reader>,
    archive: Arc<Archive>,
    fetcher: Arc<Fetcher>,
    entries: Vec<Entry>,
    known: KnownDocuments,
    options: Options,
    progress: Arc<Progress>,
) -> Result<Report> {
    let started = Instant::now();
    let shared = Shared::new(reader, archive, fetcher, options, progress)?;
    let all = if shared.options.update == Update::No { Vec::new() } else { entries.clone() };
    let folders = Arc::new(Folders::of(&entries));
    let (entries, mut report) = unchanged(&shared.archive, entries, &known, shared.plan);
    let before = Arc::new(Before { entries: all, known });
    let asked = match shared.options.update {
        Update::No => Asked::default(),
        Update::Keep | Update::Follow => update::update(&shared, Arc::clone(&before), &mut report).await?,
    };
    if !report.interrupted {
        report = walk(&shared, entries, &folders, &asked, report).await?;
    }
    if shared.options.update == Update::Follow
        && !report.interrupted
        && let Err(error) = follow::follow(&shared, before, asked, &mut report).await
    {
        report.break_off(error);
    }
    report.run.clone_from(&shared.run.name);
    report.elapsed = started.elapsed();
    Ok(report)
}

/// Reads the documents, keeps their images and rewrites them.
async fn walk(
    shared: &Arc<Shared>,
    entries: Vec<Entry>,
    folders: &Arc<Folders>,
    asked: &Asked,
    report: Report,
) -> Result<Report> {
    shared.progress.start(entries.len());
    let mut unmasked = recall::unfinished(shared)?;
    let (sender, receiver) = mpsc::channel(64);
    let (reader, archive) = (Arc::clone(&shared.reader), Arc::clone(&shared.archive));
    let reading = read_in_background(reader, archive, entries, sender);
    let (mut report, found) = Loop::new(Arc::clone(shared), report)?.run(receiver).await;
    reading.await.context("the reading thread stopped")?;
    unmasked.extend(found);
    // Who is asked instead may have a banner of their own.
    while !unmasked.is_empty() && !report.interrupted {
        match recall::recall(shared, unmasked, folders, &mut report).await {
            Ok(more) => unmasked = more,
            Err(error) => {
                report.break_off(error);
                break;
            }
        }
    }
    if let Err(error) = update::settle(shared, asked, &mut report) {
        report.break_off(error);
    }
    Ok(report)
}

/// The documents that a run would have to open: all but those that an earlier one left with nothing to do.
///
/// # Errors
/// When the catalog fails.
pub fn unfinished(reader: &Reader, archive: &Archive, entries: Vec<Entry>) -> Result<Vec<Entry>> {
    let known = archive.catalog.documents()?;
    Ok(unchanged(archive, entries, &known, plan_key(reader, true)).0)
}

/// The documents that are not as a run left them, whatever came of it then.
#[must_use]
pub fn changed(
    reader: &Reader,
    archive: &Archive,
    rewrite: bool,
    entries: Vec<Entry>,
    known: &KnownDocuments,
) -> Vec<Entry> {
    let plan = plan_key(reader, rewrite);
    let is_known = |entry: &Entry| {
        let seen = known.unchanged(&archive.name(entry), entry.stat.identity());
        seen.is_some_and(|seen| seen.plan == plan)
    };
    entries.into_iter().filter(|entry| !is_known(entry)).collect()
}

/// Archives the images of a document that is no file. Nothing is rewritten or remembered of it.
///
/// # Errors
/// As [`archive`].
pub(super) async fn archive_resolved(
    reader: Arc<Reader>,
    archive: Arc<Archive>,
    fetcher: Arc<Fetcher>,
    resolved: Resolved,
    options: Options,
    progress: Arc<Progress>,
) -> Result<Report> {
    let started = Instant::now();
    progress.start(1);
    let (sender, receiver) = mpsc::channel(1);
    let today = Some(jiff::Timestamp::now());
    let read = Read::new(Entry::unnamed(), Vec::new(), Digest::of(&[]), resolved, today, 0);
    sender.send(Reading::Document(Box::new(read))).await.context("the loop stopped")?;
    drop(sender);
    let options = Options { rewrite: false, ..options };
    let shared = Shared::new(reader, archive, fetcher, options, progress)?;
    let (mut report, _) = Loop::new(shared, Report::looked_at(1))?.run(receiver).await;
    if let Some(error) = report.broke_off {
        return Err(error);
    }
    report.elapsed = started.elapsed();
    Ok(report)
}

/// What every part of a run shares.
pub(super) struct Shared {
    reader: Arc<Reader>,
    archive: Arc<Archive>,
    fetcher: Arc<Fetcher>,
    options: Options,
    run: Run,
    plan: [u8; 8],
    /// Whether the catalog may have to forget that a document wants an image.
    has_wanted: bool,
    /// What anybody said before, in milliseconds since 1970, counts for nothing.
    since: i64,
    progress: Arc<Progress>,
    /// Leave to look at a large image.
    inspecting: Semaphore,
}

impl Shared {
    pub(super) fn new(
        reader: Arc<Reader>,
        archive: Arc<Archive>,
        fetcher: Arc<Fetcher>,
        options: Options,
        progress: Arc<Progress>,
    ) -> Result<Arc<Self>> {
        let plan = plan_key(&reader, options.rewrite);
        let has_wanted = archive.catalog.has_wanted()?;
        let since = if options.retry { now() } else { 0 };
        let run = Run::start("archive");
        let inspecting = Semaphore::new(1);
        Ok(Arc::new(Self {
            reader,
            archive,
            fetcher,
            options,
            run,
            plan,
            has_wanted,
            since,
            progress,
            inspecting,
        }))
    }

    /// Whom to ask.
    pub(super) fn ladder(&self) -> &ladder::Options {
        &self.options.ladder
    }

    /// Who may end the run.
    pub(super) fn stop(&self) -> Stop {
        self.options.stop.clone()
    }

    /// What answers are judged by.
    fn policy(&self) -> Policy<'_> {
        let Options { fetch, ladder, limits, .. } = &self.options;
        Policy { fetch, ladder, media: limits }
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A document that needs nothing more.
fn seen(read: &Read, stat: [u8; 32], plan: [u8; 8], counts: Counts) -> (Vec<u8>, Seen) {
    (read.name.clone(), Seen { stat, plan, counts })
}
