//! One image on its way: from rung to rung, try to try, until its bytes are kept or nobody has them.

use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::catalog::OriginKey;
use crate::catalog::row::{Attempt, Failure};
use crate::fetch::pace::Signal;
use crate::fetch::retry::Backoff;
use crate::fetch::source::{Rung, ladder};
use crate::fetch::{self, Answer, Headers};
use crate::media::{self, Flaw, Inspected};
use crate::ops::archive::{Shared, now};
use crate::origin::OriginUrl;
use crate::store::{self, Draft, Finished};

/// Bytes gathered before they are written to the draft; a smaller image is looked at in memory.
const BUFFER: usize = 256 * 1024;

/// A host that asks for a longer pause is not waited for in this run.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// An image that is wanted.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) key: OriginKey,
    origin: OriginUrl,
    rungs: Vec<Rung>,
    rung: usize,
    /// How often the present rung was tried.
    tries: u32,
    attempts: Vec<Attempt>,
}

/// How a try ended.
pub(super) enum Ended {
    /// With a whole, genuine image.
    Got(Box<Got>),
    /// Without one.
    Failed(TryError),
    /// The disk failed, which is no fault of the image.
    Store(anyhow::Error),
}

/// An image that is not durable yet.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) draft: Finished,
    pub(super) inspected: Inspected,
    /// The rung that gave it.
    pub(super) source: String,
    /// Where it came from, if not from the origin's own URL.
    pub(super) url: Option<String>,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

/// Why a try gave no image.
#[derive(Debug, thiserror::Error)]
pub(super) enum TryError {
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    #[error(transparent)]
    Flaw(#[from] Flaw),
    #[error("the check of its bytes broke off")]
    Broken,
    /// The host was told to be left alone for longer than a run lasts; `reason` is what it said then.
    #[error("its host asked to be left alone for {seconds} s")]
    LeftAlone { reason: String, seconds: u64 },
    #[error("the configuration leaves nobody to ask")]
    NoSource,
}

impl TryError {
    fn reason(&self) -> String {
        match self {
            Self::Fetch(error) => error.reason().to_string(),
            Self::Flaw(flaw) => flaw.reason().to_string(),
            Self::Broken => "damaged".to_owned(),
            Self::LeftAlone { reason, .. } => reason.clone(),
            Self::NoSource => "no_source".to_owned(),
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Fetch(error) => error.detail(),
            Self::Flaw(_) | Self::Broken | Self::LeftAlone { .. } | Self::NoSource => self.to_string(),
        }
    }

    /// Whether the address itself is forbidden, which then nobody else may be told.
    fn is_blocked(&self) -> bool {
        matches!(self, Self::Fetch(error) if error.is_private())
    }
}

impl Ended {
    pub(super) fn signal(&self) -> Signal {
        match self {
            Self::Failed(TryError::Fetch(error)) if self.closes_host().is_none() => error.signal(),
            Self::Got(_) | Self::Failed(_) | Self::Store(_) => Signal::Fine,
        }
    }

    /// If the host asked to be left alone for longer than a run should wait: with what status, and how many seconds.
    pub(super) fn closes_host(&self) -> Option<(String, u64)> {
        let Self::Failed(TryError::Fetch(error)) = self else { return None };
        let pause = error.retry_after().filter(|pause| *pause > LONGEST_PAUSE)?;
        Some((error.reason().to_string(), pause.as_secs()))
    }
}

/// What to do after a failed try.
pub(super) enum Then {
    /// Ask the host of the job's present rung, not before that instant.
    Again(Job, Option<Instant>),
    /// There is nobody left to ask.
    Nobody(Job),
}

impl Job {
    pub(super) fn new(
        key: OriginKey,
        origin: OriginUrl,
        wrappers: &[url::Url],
        options: &fetch::Options,
    ) -> Self {
        let rungs = ladder(&origin.url(), wrappers, options);
        Self { key, origin, rungs, rung: 0, tries: 0, attempts: Vec::new() }
    }

    pub(super) fn origin(&self) -> &OriginUrl {
        &self.origin
    }

    /// Whom the present rung asks; the pace counts by it.
    pub(super) fn host(&self) -> String {
        let rung = self.rungs.get(self.rung).and_then(|rung| rung.url.host_str());
        rung.unwrap_or_else(|| self.origin.host()).to_owned()
    }

    pub(super) fn after(mut self, error: &TryError, options: &fetch::Options) -> Then {
        let Some(rung) = self.rungs.get(self.rung) else {
            self.attempts.push(Attempt {
                at: now(),
                source: "none".to_owned(),
                url: self.origin.to_string(),
                reason: error.reason(),
                detail: error.to_string(),
            });
            return Then::Nobody(self);
        };
        let detail = error.detail();
        let reason = error.reason();
        tracing::info!(origin = %self.origin, source = %rung.source, url = %rung.url, reason, detail, "no image");
        self.attempts.push(Attempt {
            at: now(),
            source: rung.source.to_string(),
            url: rung.url.to_string(),
            reason,
            detail,
        });
        self.tries += 1;
        if let TryError::Fetch(error) = error
            && error.retry_after().is_none_or(|pause| pause <= LONGEST_PAUSE)
            && let Some(delay) =
                Backoff::new(options.retries).delay(self.tries, error, &mut fastrand::Rng::new())
        {
            return Then::Again(self, Some(Instant::now() + delay));
        }
        if error.is_blocked() || self.rung + 1 >= self.rungs.len() {
            return Then::Nobody(self);
        }
        self.rung += 1;
        self.tries = 0;
        Then::Again(self, None)
    }

    /// Why there is no copy: what the origin itself said last, or else the last that anybody said.
    pub(super) fn failure(&self) -> Failure {
        let own = self.attempts.iter().rfind(|attempt| attempt.source == "origin");
        let attempt = own.or(self.attempts.last()).expect("a job fails by failing a try");
        Failure {
            origin: self.origin.to_string(),
            at: now(),
            reason: attempt.reason.clone(),
            detail: attempt.detail.clone(),
            attempts: self.attempts.clone(),
        }
    }
}

/// Tries the present rung once.
pub(super) async fn attempt(shared: &Arc<Shared>, job: Job) -> (Job, Ended) {
    let ended = match job.rungs.get(job.rung) {
        Some(rung) => try_rung(shared, &job, rung).await,
        None => Err(Trouble::Try(TryError::NoSource)),
    };
    let ended = match ended {
        Ok(got) => Ended::Got(Box::new(got)),
        Err(Trouble::Try(error)) => Ended::Failed(error),
        Err(Trouble::Store(error)) => Ended::Store(error),
    };
    (job, ended)
}

enum Trouble {
    Try(TryError),
    Store(anyhow::Error),
}

impl From<fetch::Error> for Trouble {
    fn from(error: fetch::Error) -> Self {
        Self::Try(error.into())
    }
}

impl From<store::Error> for Trouble {
    fn from(error: store::Error) -> Self {
        Self::Store(error.into())
    }
}

async fn try_rung(shared: &Arc<Shared>, job: &Job, rung: &Rung) -> Result<Got, Trouble> {
    tracing::debug!(origin = %job.origin, source = %rung.source, url = %rung.url, "asking");
    let mut answer = shared.fetcher.get(&rung.url, &Headers::default()).await?;
    let (buffer, draft) = receive(shared, &mut answer).await?;
    let limits = shared.options.limits;
    let writing = Arc::clone(shared);
    let finished = tokio::task::spawn_blocking(move || finish(&writing, &buffer, draft, &limits));
    let (draft, inspected) = finished.await.map_err(|_| Trouble::Try(TryError::Broken))??;
    let url = answer.final_url.as_str();
    Ok(Got {
        draft,
        inspected,
        source: rung.source.to_string(),
        url: (url != job.origin.as_str()).then(|| url.to_owned()),
        etag: answer.headers.etag.clone(),
        last_modified: answer.headers.last_modified.clone(),
    })
}

/// Takes the body in; all but its end is in the draft afterwards, if it is large.
async fn receive(shared: &Arc<Shared>, answer: &mut Answer) -> Result<(Vec<u8>, Option<Draft>), Trouble> {
    let mut buffer: Vec<u8> = Vec::new();
    let mut draft = None;
    while let Some(chunk) = answer.chunk().await? {
        shared.progress.received(chunk.len() as u64);
        buffer.extend_from_slice(&chunk);
        if buffer.len() >= BUFFER {
            let shared = Arc::clone(shared);
            let full = std::mem::replace(&mut buffer, Vec::with_capacity(BUFFER + BUFFER / 4));
            let write = tokio::task::spawn_blocking(move || {
                let mut draft = draft.map_or_else(|| shared.archive.store.begin(), Ok)?;
                draft.write(&full)?;
                Ok::<_, store::Error>(draft)
            });
            draft = Some(write.await.map_err(|error| Trouble::Store(error.into()))??);
        }
    }
    Ok((buffer, draft))
}

/// Writes the rest, and looks whether it all is an image before anything is finished.
fn finish(
    shared: &Shared,
    rest: &[u8],
    draft: Option<Draft>,
    limits: &media::Limits,
) -> Result<(Finished, Inspected), Trouble> {
    let flaw = |flaw: Flaw| Trouble::Try(flaw.into());
    match draft {
        None => {
            let inspected = media::inspect(Cursor::new(rest), limits).map_err(flaw)?;
            let mut draft = shared.archive.store.begin()?;
            draft.write(rest)?;
            Ok((draft.finish(), inspected))
        }
        Some(mut draft) => {
            draft.write(rest)?;
            let inspected = media::inspect(draft.reader()?, limits).map_err(flaw)?;
            Ok((draft.finish(), inspected))
        }
    }
}
