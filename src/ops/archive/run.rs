//! One loop owns all the state of a run; see the picture above it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::{mpsc, oneshot};

use crate::blob::BlobName;
use crate::catalog::OriginKey;
use crate::ladder::Hints;
use crate::media::MediaType;
use crate::ops::archive::asking;
use crate::ops::archive::climb::{Climb, Fate};
use crate::ops::archive::keep::{self, Batch, Document, Done, Keeper};
use crate::ops::archive::reading::{Read, Reading, read};
use crate::ops::archive::recall::Unmasked;
use crate::ops::archive::{DocumentFailure, Report, Shared, UnarchivedImage};

/// References that wait for images at a time, for each document that may.
const REFERENCES: usize = 20;
/// A batch is kept when it is full, or this old.
const BATCH_AGE: Duration = Duration::from_millis(300);

/// A document in the window.
struct Waiting {
    read: Read,
    /// Distinct origins that are still being fetched.
    missing: usize,
    /// The copies of those that are had by now.
    had: HashMap<OriginKey, BlobName>,
}

/// The state of one run; only the loop touches it.
pub(super) struct Loop {
    shared: Arc<Shared>,
    climb: Climb,
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
    batch: Batch,
    batch_since: Option<Instant>,
    keeper: Keeper,
    report: Report,
}

impl Loop {
    pub(super) fn new(shared: Arc<Shared>, report: Report) -> Result<Self> {
        Ok(Self {
            climb: Climb::new(Arc::clone(&shared))?,
            waiting: HashMap::new(),
            next_waiting: 0,
            references: 0,
            pending: HashMap::new(),
            fresh: HashMap::new(),
            failed: HashMap::new(),
            batch: Batch::default(),
            batch_since: None,
            keeper: Keeper::start(Arc::clone(&shared)),
            shared,
            report,
        })
    }

    /// Runs until every document has its images or nobody has them. Returns placeholders that were found out, too.
    pub(super) async fn run(mut self, reading: mpsc::Receiver<Reading>) -> (Report, Vec<Unmasked>) {
        let mut keeping = None;
        let walked = self.walk(reading, &mut keeping).await;
        if walked.is_err()
            && let Some(keeping) = keeping
            && let Ok(Ok(done)) = keeping.await
        {
            // What it led to is reported, whatever broke off.
            let _ = self.kept(done).await;
        }
        let ended = match walked {
            Ok(()) => self.finish().await,
            broken => broken,
        };
        if let Err(error) = ended {
            self.report.break_off(error);
        }
        (self.report, self.climb.asking.take_unmasked())
    }

    async fn walk(
        &mut self,
        mut reading: mpsc::Receiver<Reading>,
        keeping: &mut Option<oneshot::Receiver<Result<Done>>>,
    ) -> Result<()> {
        let mut all_read = false;
        let stop = self.shared.stop();
        let mut stop = std::pin::pin!(stop.asked());
        loop {
            let idle = all_read && self.climb.len() == 0 && self.waiting.is_empty();
            if keeping.is_none() && (self.batch_is_due() || (idle && !self.batch.is_empty())) {
                *keeping = Some(self.keep());
            }
            if idle && keeping.is_none() {
                break;
            }
            let window = self.shared.options.window;
            let room = self.waiting.len() < window
                && self.references < window.saturating_mul(REFERENCES)
                && !self.batch.is_full();
            let due = self.batch_since.map(|since| since + BATCH_AGE).filter(|_| keeping.is_none());
            let sleep = due.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                read = reading.recv(), if room && !all_read => match read {
                    Some(Reading::Document(read)) => self.admit(*read)?,
                    Some(Reading::Skipped(path, skip)) => self.report.skip(&path, &skip),
                    None => all_read = true,
                },
                Some(fate) = self.climb.next() => self.take(fate?)?,
                done = async { keeping.as_mut().expect("guarded below").await }, if keeping.is_some() => {
                    *keeping = None;
                    self.kept(done.context("the keeping thread stopped")??).await?;
                },
                () = tokio::time::sleep_until(sleep.into()) => {},
                () = &mut stop => {
                    tracing::warn!("stopping: what is downloaded is kept first");
                    self.climb.stop().await;
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
        Ok(())
    }

    /// A document enters the window: its origins are looked up, and those that nobody has are asked for.
    fn admit(&mut self, mut read: Read) -> Result<()> {
        let id = self.next_waiting;
        self.next_waiting += 1;
        self.report.found(&read.counts, read.kept.len() as u64);
        let mut asked = HashSet::new();
        let mut jobs = Vec::new();
        let hints = Hints { page: read.page.clone(), date: read.date, ..Hints::default() };
        let shown: HashSet<OriginKey> =
            read.targets.iter().filter(|target| !target.link).map(|target| target.key).collect();
        for target in &mut read.targets {
            target.answer = self.answer(target.key)?;
            if target.answer.is_some() || !asked.insert(target.key) {
                self.climb.asking.also_ask(target);
                continue;
            }
            if let Some(waiters) = self.pending.get_mut(&target.key) {
                waiters.push(id);
                self.climb.asking.also_ask(target);
                continue;
            }
            let hints = Hints { wrappers: target.wrappers.clone(), policy: target.policy, ..hints.clone() };
            let known = self.failed.get(&target.key).map(|index| &self.report.failures[*index].failure);
            // Who was asked for another document need not be asked again; but perhaps this one knows more.
            if known.is_some_and(|failure| asking::knows_nobody_else(target, failure)) {
                asked.remove(&target.key);
                continue;
            }
            let failure = match known {
                Some(failure) => Some(failure.clone()),
                None => self.shared.archive.catalog.failure(target.key)?,
            };
            let is_link = !shown.contains(&target.key);
            jobs.push(self.climb.asking.job(&self.shared, target, is_link, &hints, failure));
            self.pending.insert(target.key, vec![id]);
        }
        self.references += read.targets.len();
        let missing = asked.len();
        let waiting = Waiting { read, missing, had: HashMap::new() };
        if missing == 0 {
            return self.ready(waiting);
        }
        self.waiting.insert(id, waiting);
        jobs.into_iter().for_each(|job| self.climb.ask(job));
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

    /// An image's fate is known: a copy, or nobody has it.
    fn take(&mut self, fate: Fate) -> Result<()> {
        let key = match fate {
            Fate::Got(job, got) => {
                self.report.downloaded(got.draft.bytes());
                let blob = BlobName { digest: got.draft.digest(), media_type: got.inspected.media_type };
                self.fresh.insert(job.key, blob);
                let key = job.key;
                self.batch.got(&job, *got);
                self.touch_batch();
                key
            }
            // The second is for those who ask on a condition.
            Fate::Nobody(job) | Fate::Unchanged(job) => {
                let key = job.key;
                let (failure, is_news) = job.failure();
                let index = match self.failed.get(&key) {
                    Some(index) => self.report.fail_again(*index, failure),
                    None => self.report.fail(failure, is_news),
                };
                self.failed.insert(key, index);
                key
            }
        };
        self.resolved(key)
    }

    /// An origin's fate is known: documents that waited for it only are ready.
    fn resolved(&mut self, key: OriginKey) -> Result<()> {
        let copy = self.fresh.get(&key).copied();
        for id in self.pending.remove(&key).unwrap_or_default() {
            let waiting = self.waiting.get_mut(&id).expect("who waits is in the window");
            waiting.had.extend(copy.map(|blob| (key, blob)));
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
            // What was had stays had, even if somebody has taken the copy away by now.
            let had = target.answer.or_else(|| waiting.had.get(&target.key).copied());
            let answer = match had {
                Some(blob) => Some(blob),
                // Perhaps another document knew somebody else who had it.
                None => self.answer(target.key)?,
            };
            match answer {
                Some(blob) => {
                    let mut reference = target.reference;
                    if blob.media_type == MediaType::Svg {
                        reference.url = target.url;
                    }
                    answers.push((reference, blob));
                }
                None => {
                    let image = &mut self.report.failures[self.failed[&target.key]];
                    self.batch.failures.extend(image.news());
                    // A link that leads to no image was never ours to keep.
                    if target.link && image.failure.reason == "not_an_image" {
                        read.skipped_links += 1;
                    } else {
                        read.counts.failed += 1;
                        read.wanted.push(target.key);
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
        let mut batch = std::mem::take(&mut self.batch);
        batch.hosts = self.climb.asking.take_changed_hosts();
        batch.placeholders = self.climb.asking.take_news();
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
        if let Some(error) = done.broke_off {
            return Err(error);
        }
        self.shared.progress.documents(done.finished);
        if !done.seen.is_empty() {
            // Whoever hears of our own writing is to find it in the catalog, even if nothing else comes for a while.
            self.touch_batch();
        }
        self.batch.seen.extend(done.seen);
        self.batch.wanted.extend(done.wanted);
        for Document { read: Read { entry, plans, counts, kept, .. }, links, .. } in done.again {
            let (plans, kept) = (plans + 1, kept.len() as u64);
            if plans >= self.shared.options.plans {
                self.report.refuse(DocumentFailure::busy(&entry.path));
                self.report.references.failed += counts.failed + links;
                self.shared.progress.documents(1);
                continue;
            }
            let shared = Arc::clone(&self.shared);
            let read = tokio::task::spawn_blocking(move || match entry.again() {
                Ok(again) => read(&shared.reader, &shared.archive, &again, plans),
                Err(error) => Reading::Skipped(entry.path, error.into()),
            });
            self.report.not_found(&counts, kept);
            match read.await.context("the reading thread stopped")? {
                Reading::Document(read) => self.admit(*read)?,
                Reading::Skipped(path, skip) => self.report.skip(&path, &skip),
            }
        }
        Ok(())
    }

    /// Records what the last batch learned about its documents.
    async fn finish(&mut self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let mut batch = std::mem::take(&mut self.batch);
        batch.hosts = self.climb.asking.take_changed_hosts();
        batch.placeholders = self.climb.asking.take_news();
        // Documents that wait for other images when a run is stopped have not told of these.
        batch.failures.extend(self.report.failures.iter_mut().filter_map(UnarchivedImage::news));
        tokio::task::spawn_blocking(move || keep::confirm(&shared, batch))
            .await
            .context("the keeping thread stopped")?
    }
}
