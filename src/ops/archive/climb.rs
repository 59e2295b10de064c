//! Asks for images, each rung by rung and all of them paced by host, until every one is had or nobody is left.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use url::Url;

use crate::fetch::pace::{Next, Pace, Signal};
use crate::ladder::wayback;
use crate::ops::archive::Shared;
use crate::ops::archive::asking::Asking;
use crate::ops::archive::download::{self, Ended, Got, Job, Then, TryError};

/// Images that are being asked for.
pub(in crate::ops) struct Climb {
    shared: Arc<Shared>,
    pub(in crate::ops) asking: Asking,
    pace: Pace<Job>,
    downloads: JoinSet<(Job, Vec<Url>, Ended)>,
    /// Images that nobody gave, until [`Self::next`] tells of them.
    lost: VecDeque<Job>,
}

/// What became of an image.
pub(in crate::ops) enum Fate {
    /// Somebody gave it. Not durable yet.
    Got(Job, Box<Got>),
    /// The copy that is had is the newest still: its validators hold.
    Unchanged(Job),
    /// Nobody gave it.
    Nobody(Job),
}

impl Climb {
    pub(in crate::ops) fn new(shared: Arc<Shared>) -> Result<Self> {
        let mut pace = Pace::new(shared.options.fetch.concurrency, shared.options.fetch.per_host);
        pace.limit(wayback::HOST, wayback::AT_A_TIME);
        let asking = Asking::new(&shared)?;
        Ok(Self { shared, asking, pace, downloads: JoinSet::new(), lost: VecDeque::new() })
    }

    /// Asks whoever is next, or gives the image up.
    pub(in crate::ops) fn ask(&mut self, mut job: Job) {
        match job.seek(self.asking.hosts(), self.shared.policy(), self.shared.since) {
            true => self.push(job, None),
            false => self.lost.push_back(job),
        }
    }

    /// An image that nobody gave, not even those whom other documents came to know of in the meantime.
    fn given_up(&mut self) -> Option<Job> {
        while let Some(mut job) = self.lost.pop_front() {
            let others = self.asking.others(job.key);
            if others.is_empty() {
                self.shared.progress.failed();
                return Some(job);
            }
            job.also_ask(others);
            self.ask(job);
        }
        None
    }

    /// How many images have no fate yet.
    pub(in crate::ops) fn len(&self) -> usize {
        self.pace.waiting() + self.downloads.len() + self.lost.len()
    }

    /// The next fate, or `None` if nothing is asked for. Nothing is lost if this is dropped before it ends.
    pub(in crate::ops) async fn next(&mut self) -> Option<Result<Fate>> {
        loop {
            let wake = self.start();
            if !self.lost.is_empty() {
                match self.given_up() {
                    Some(job) => return Some(Ok(Fate::Nobody(job))),
                    None => continue,
                }
            }
            if self.len() == 0 {
                return None;
            }
            let wake = wake.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                Some(ended) = self.downloads.join_next() => {
                    let fate = ended.context("a download stopped");
                    let fate = fate.and_then(|(job, passed, ended)| self.ended(job, &passed, ended));
                    if let Some(fate) = fate.transpose() {
                        return Some(fate);
                    }
                },
                () = tokio::time::sleep_until(wake.into()) => {},
            }
        }
    }

    /// Ends what is under way; its images have no fate.
    pub(in crate::ops) async fn stop(&mut self) {
        self.downloads.shutdown().await;
    }

    /// Starts what the pace allows; says when there may be more, if only time is missing.
    fn start(&mut self) -> Option<Instant> {
        loop {
            match self.pace.next(Instant::now()) {
                Next::Start(job) => {
                    if self.asking.is_left_alone(&job) {
                        self.pace.done(&job.host(), Signal::Fine, Instant::now());
                        self.ask(job);
                        continue;
                    }
                    let shared = Arc::clone(&self.shared);
                    self.downloads.spawn(async move { download::attempt(&shared, job).await });
                }
                Next::Wait(until) => return Some(until),
                Next::Busy | Next::Idle => return None,
            }
        }
    }

    fn push(&mut self, job: Job, not_before: Option<Instant>) {
        self.pace.push(&job.host(), not_before, job);
    }

    /// A download came to an end: a fate, another try or another rung. `passed` is where redirects led.
    fn ended(&mut self, mut job: Job, passed: &[Url], ended: Ended) -> Result<Option<Fate>> {
        let host = job.host();
        self.pace.done(&host, ended.signal(), Instant::now());
        if let Some((reason, pause)) = ended.closes_host() {
            self.asking.close(&host, reason, pause);
        }
        match ended {
            Ended::Got(got) => match self.asking.judge(&self.shared, &job, &got)? {
                Some(error) => self.failed(job, passed, &error),
                None => {
                    self.shared.progress.downloaded();
                    self.asking.others(job.key);
                    return Ok(Some(Fate::Got(job, got)));
                }
            },
            Ended::Unchanged => {
                self.asking.answered(&job.place());
                return Ok(Some(Fate::Unchanged(job)));
            }
            Ended::Listed(body) => {
                job.listed(&body);
                self.ask(job);
            }
            Ended::Failed(error) => self.failed(job, passed, &error),
            Ended::Store(error) => return Err(error),
        }
        Ok(None)
    }

    fn failed(&mut self, mut job: Job, passed: &[Url], error: &TryError) {
        let place = job.place();
        let by_experience = job.ladder().is_by_experience();
        match job.failed(error, passed, self.shared.policy()) {
            Then::Again(not_before) => self.push(job, Some(not_before)),
            Then::Left => {
                self.asking.lost(&place, job.origin(), error.reason(), by_experience);
                self.ask(job);
            }
        }
    }
}
