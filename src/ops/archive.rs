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

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::blob::BlobName;
use crate::catalog::row::{Counts, Seen};
use crate::catalog::{KnownDocuments, OriginKey, Run};
use crate::crawl::Entry;
use crate::digest::Digest;
use crate::fetch::pace::{Next, Pace};
use crate::fetch::{self, Fetcher};
use crate::files::replace;
use crate::media;
use crate::ops::{Archive, Reader};
use crate::resolve::Resolved;
use crate::rewrite::link::LinkStyle;

mod download;
mod keep;
mod progress;
mod reading;
mod report;

pub use progress::{Moment, Progress};
pub use report::{DocumentFailure, Report, UnarchivedImage};

use download::{Ended, Job, TryError};
use keep::{Batch, Document, Done, Keeper};
use reading::{Read, Reading, plan_key, read, read_in_background, unchanged};

/// Documents and references that wait for images at a time.
const WINDOW_DOCUMENTS: usize = 2_000;
const WINDOW_REFERENCES: usize = 40_000;
/// A batch is kept when it is full, or this old.
const BATCH_AGE: Duration = Duration::from_millis(300);
/// How often a document that somebody keeps editing is planned again in one run.
const PLANS: u32 = 5;

/// What to do besides keeping the images.
#[derive(Clone, Debug)]
pub struct Options {
    /// How kept links are written.
    pub link: LinkStyle,
    /// Whether documents are pointed at the kept images.
    pub rewrite: bool,
    /// How documents are replaced.
    pub replace: replace::Options,
    /// Whether a rewritten document keeps its modification time.
    pub keep_mtime: bool,
    /// What counts as a sane image.
    pub limits: media::Limits,
    /// Whom to ask and how often.
    pub fetch: fetch::Options,
    /// Whether [`Report::diffs`] is filled.
    pub diffs: bool,
}

/// Archives the images of `entries`. `known` is what the catalog says of documents: those that are as they
/// were left are not opened.
///
/// # Errors
/// When the store, the catalog or the disk fails: nothing is lost, and another run finishes the work. What
/// cannot be fetched and what cannot be rewritten is in the report instead.
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
    let plan = plan_key(&reader, options.rewrite);
    let (entries, report) = unchanged(&archive, entries, &known, plan);
    drop(known);
    progress.start(entries.len());
    let (sender, receiver) = mpsc::channel(64);
    let reading = read_in_background(Arc::clone(&reader), Arc::clone(&archive), entries, sender);
    let run = Run::start("archive");
    let shared = Arc::new(Shared { reader, archive, fetcher, options, run, plan, progress });
    let mut report = Loop::new(shared, report).run(receiver).await?;
    reading.await.context("the reading thread stopped")?;
    report.elapsed = started.elapsed();
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
    let read = Read::new(Entry::unnamed(), Vec::new(), Digest::of(&[]), resolved, 0);
    sender.send(Reading::Document(Box::new(read))).await.context("the loop stopped")?;
    drop(sender);
    let options = Options { rewrite: false, ..options };
    let run = Run::start("archive");
    let plan = plan_key(&reader, options.rewrite);
    let shared = Arc::new(Shared { reader, archive, fetcher, options, run, plan, progress });
    let mut report = Loop::new(shared, Report::looked_at(1)).run(receiver).await?;
    report.elapsed = started.elapsed();
    Ok(report)
}

/// What every part of a run shares.
struct Shared {
    reader: Arc<Reader>,
    archive: Arc<Archive>,
    fetcher: Arc<Fetcher>,
    options: Options,
    run: Run,
    plan: [u8; 8],
    progress: Arc<Progress>,
}

/// A document in the window.
struct Waiting {
    read: Read,
    /// Distinct origins that are still being fetched.
    missing: usize,
}

/// The state of one run; only the loop touches it.
struct Loop {
    shared: Arc<Shared>,
    pace: Pace<Job>,
    waiting: HashMap<u64, Waiting>,
    next_waiting: u64,
    /// References in the window.
    references: usize,
    /// Who waits for an origin that is being fetched.
    pending: HashMap<OriginKey, Vec<u64>>,
    /// Copies that the catalog does not know yet.
    fresh: HashMap<OriginKey, BlobName>,
    /// Origins that nobody gave in this run: asked once a run. The index is that of `report.failures`.
    failed: HashMap<OriginKey, usize>,
    /// Hosts that asked to be left alone for long: with what status, and for how many seconds.
    closed: HashMap<String, (String, u64)>,
    batch: Batch,
    batch_since: Option<Instant>,
    keeper: Keeper,
    report: Report,
}

impl Loop {
    fn new(shared: Arc<Shared>, report: Report) -> Self {
        Self {
            pace: Pace::new(shared.options.fetch.concurrency, shared.options.fetch.per_host),
            waiting: HashMap::new(),
            next_waiting: 0,
            references: 0,
            pending: HashMap::new(),
            fresh: HashMap::new(),
            failed: HashMap::new(),
            closed: HashMap::new(),
            batch: Batch::default(),
            batch_since: None,
            keeper: Keeper::start(Arc::clone(&shared)),
            shared,
            report,
        }
    }

    async fn run(mut self, mut reading: mpsc::Receiver<Reading>) -> Result<Report> {
        let mut downloads: JoinSet<(Job, Ended)> = JoinSet::new();
        let mut keeping: Option<oneshot::Receiver<Result<Done>>> = None;
        let mut all_read = false;
        let mut stop = std::pin::pin!(stop_signal());
        loop {
            let wake = self.start_downloads(&mut downloads)?;
            let idle = all_read && downloads.is_empty() && self.waiting.is_empty();
            if keeping.is_none() && (self.batch_is_due() || (idle && !self.batch.is_empty())) {
                keeping = Some(self.keep());
            }
            if idle && keeping.is_none() {
                break;
            }
            let room = self.waiting.len() < WINDOW_DOCUMENTS
                && self.references < WINDOW_REFERENCES
                && !self.batch.is_full();
            let due = self.batch_since.map(|since| since + BATCH_AGE).filter(|_| keeping.is_none());
            let wake = wake.into_iter().chain(due).min();
            let sleep = wake.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                read = reading.recv(), if room && !all_read => match read {
                    Some(Reading::Document(read)) => self.admit(*read)?,
                    Some(Reading::Skipped(path, skip)) => self.report.skip(path, &skip),
                    None => all_read = true,
                },
                Some(ended) = downloads.join_next() => {
                    let (job, ended) = ended.context("a download stopped")?;
                    self.ended(job, ended)?;
                },
                done = async { keeping.as_mut().expect("guarded below").await }, if keeping.is_some() => {
                    keeping = None;
                    self.kept(done.context("the keeping thread stopped")??).await?;
                },
                () = tokio::time::sleep_until(sleep.into()) => {},
                () = &mut stop => {
                    tracing::warn!("stopping: what is downloaded is kept first");
                    downloads.shutdown().await;
                    if let Some(keeping) = keeping.take() {
                        let done = keeping.await.context("the keeping thread stopped")??;
                        self.kept(done).await?;
                    }
                    while !self.batch.is_empty() {
                        let done = self.keep().await.context("the keeping thread stopped")??;
                        self.kept(done).await?;
                    }
                    self.report.interrupted = true;
                    break;
                },
            }
        }
        self.finish().await?;
        Ok(self.report)
    }

    /// Starts what the pace allows; says when there may be more, if only time is missing.
    fn start_downloads(&mut self, downloads: &mut JoinSet<(Job, Ended)>) -> Result<Option<Instant>> {
        loop {
            match self.pace.next(Instant::now()) {
                Next::Start(job) => {
                    if let Some((reason, seconds)) = self.closed.get(&job.host()).cloned() {
                        self.ended(job, Ended::Failed(TryError::LeftAlone { reason, seconds }))?;
                        continue;
                    }
                    let shared = Arc::clone(&self.shared);
                    downloads.spawn(async move { download::attempt(&shared, job).await });
                }
                Next::Wait(until) => return Ok(Some(until)),
                Next::Busy | Next::Idle => return Ok(None),
            }
        }
    }

    /// A document enters the window: its origins are looked up, and those that nobody has are asked for.
    fn admit(&mut self, mut read: Read) -> Result<()> {
        let id = self.next_waiting;
        self.next_waiting += 1;
        self.report.found(&read.counts, read.kept.len() as u64);
        let mut asked = HashSet::new();
        let mut missing = 0;
        for target in &mut read.targets {
            target.answer = self.answer(target.key)?;
            if target.answer.is_some() || self.failed.contains_key(&target.key) || !asked.insert(target.key) {
                continue;
            }
            missing += 1;
            if let Some(waiters) = self.pending.get_mut(&target.key) {
                waiters.push(id);
                continue;
            }
            self.pending.insert(target.key, vec![id]);
            let job =
                Job::new(target.key, target.origin.clone(), &target.wrappers, &self.shared.options.fetch);
            self.ask(job, None);
        }
        self.references += read.targets.len();
        let waiting = Waiting { read, missing };
        if missing == 0 {
            return self.ready(waiting);
        }
        self.waiting.insert(id, waiting);
        Ok(())
    }

    fn answer(&self, key: OriginKey) -> Result<Option<BlobName>> {
        match self.fresh.get(&key) {
            Some(blob) => Ok(Some(*blob)),
            None => {
                let kept = self.shared.archive.catalog.kept(key)?;
                // A copy that is gone is fetched again.
                Ok(kept.filter(|blob| self.shared.archive.store.contains(*blob)))
            }
        }
    }

    fn ask(&mut self, job: Job, not_before: Option<Instant>) {
        self.pace.push(&job.host(), not_before, job);
    }

    /// A download came to an end: a copy, another try, another rung, or nobody has it.
    fn ended(&mut self, job: Job, ended: Ended) -> Result<()> {
        self.pace.done(&job.host(), ended.signal(), Instant::now());
        if let Some(pause) = ended.closes_host() {
            tracing::warn!(
                host = job.host(),
                seconds = pause.1,
                "left alone for the rest of this run, as it asked"
            );
            self.closed.insert(job.host(), pause);
        }
        match ended {
            Ended::Got(got) => {
                self.shared.progress.downloaded();
                self.report.downloaded(got.draft.bytes());
                let blob = BlobName { digest: got.draft.digest(), media_type: got.inspected.media_type };
                self.fresh.insert(job.key, blob);
                self.batch.got(&job, *got);
                self.touch_batch();
                self.resolved(job.key)
            }
            Ended::Failed(error) => match job.after(&error, &self.shared.options.fetch) {
                download::Then::Again(job, not_before) => {
                    self.ask(job, not_before);
                    Ok(())
                }
                download::Then::Nobody(job) => {
                    self.shared.progress.failed();
                    self.failed.insert(job.key, self.report.fail(job.failure()));
                    self.resolved(job.key)
                }
            },
            Ended::Store(error) => Err(error),
        }
    }

    /// An origin's fate is known: documents that waited for it only are ready.
    fn resolved(&mut self, key: OriginKey) -> Result<()> {
        for id in self.pending.remove(&key).unwrap_or_default() {
            let waiting = self.waiting.get_mut(&id).expect("who waits is in the window");
            waiting.missing -= 1;
            if waiting.missing == 0 {
                let waiting = self.waiting.remove(&id).expect("it was there a line ago");
                self.ready(waiting)?;
            }
        }
        Ok(())
    }

    /// All of a document's origins have their fate: it goes into the batch.
    fn ready(&mut self, waiting: Waiting) -> Result<()> {
        let mut read = waiting.read;
        self.references -= read.targets.len();
        let mut answers = Vec::with_capacity(read.targets.len());
        for target in std::mem::take(&mut read.targets) {
            let answer = match target.answer {
                Some(blob) => Some(blob),
                None => self.answer(target.key)?,
            };
            match answer {
                Some(blob) => answers.push((target.reference, blob)),
                None => {
                    let image = &mut self.report.failures[self.failed[&target.key]];
                    // A link that leads to no image was never ours to keep.
                    if target.link && image.failure.reason == "not_an_image" {
                        read.skipped_links += 1;
                    } else {
                        read.counts.failed += 1;
                        if !image.counts() {
                            self.batch.failures.push(image.failure.clone());
                        }
                        image.used_by(&read.entry.path, &target.url);
                    }
                }
            }
        }
        self.batch.add(Document::new(read, answers));
        self.touch_batch();
        Ok(())
    }

    fn touch_batch(&mut self) {
        self.batch_since.get_or_insert_with(Instant::now);
    }

    fn batch_is_due(&self) -> bool {
        self.batch.is_full() || self.batch_since.is_some_and(|since| since.elapsed() >= BATCH_AGE)
    }

    fn keep(&mut self) -> oneshot::Receiver<Result<Done>> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_since = None;
        self.keeper.keep(batch)
    }

    /// A batch is kept: its copies are in the catalog, its documents replaced, refused, or to be read again.
    async fn kept(&mut self, done: Done) -> Result<()> {
        for key in done.keys {
            self.fresh.remove(&key);
        }
        self.report.kept(&done.counts);
        for failure in done.refused {
            self.report.refuse(failure);
        }
        self.report.diffs.extend(done.diffs);
        self.shared.progress.documents(done.finished);
        self.batch.seen.extend(done.seen);
        for Document { read: Read { entry, plans, counts, kept, .. }, links, .. } in done.again {
            let (plans, kept) = (plans + 1, kept.len() as u64);
            if plans >= PLANS {
                let why = "it kept changing while it was rewritten";
                self.report.refuse(DocumentFailure::new(&entry.path, why));
                self.report.references.failed += counts.failed + links;
                self.shared.progress.documents(1);
                continue;
            }
            let shared = Arc::clone(&self.shared);
            let read = tokio::task::spawn_blocking(move || {
                let path = entry.path.clone();
                match Entry::at(&path) {
                    Ok(again) => read(&shared.reader, &shared.archive, &again, plans),
                    Err(error) => Reading::Skipped(path, error.into()),
                }
            });
            self.report.not_found(&counts, kept);
            match read.await.context("the reading thread stopped")? {
                Reading::Document(read) => self.admit(*read)?,
                Reading::Skipped(path, skip) => self.report.skip(path, &skip),
            }
        }
        Ok(())
    }

    /// Records what the last batch learned about its documents.
    async fn finish(&mut self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let seen = std::mem::take(&mut self.batch.seen);
        tokio::task::spawn_blocking(move || keep::confirm(&shared, seen))
            .await
            .context("the keeping thread stopped")?
    }
}

/// Ends when the user or the system asks the program to stop.
async fn stop_signal() {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(signal) => signal,
        Err(error) => {
            tracing::warn!(%error, "signals cannot be heard");
            return std::future::pending().await;
        }
    };
    tokio::select! {
        _ = terminate.recv() => {},
        _ = tokio::signal::ctrl_c() => {},
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
