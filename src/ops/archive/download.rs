//! One image on its way: from rung to rung, try to try, until its bytes are kept or nobody has them.

use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, Instant};

use url::Url;

use crate::catalog::OriginKey;
use crate::catalog::row::{Attempt, Failure};
use crate::digest::Digest;
use crate::fetch::pace::Signal;
use crate::fetch::retry::Backoff;
use crate::fetch::{self, Answer, Headers, Reason, Validators};
use crate::ladder::hosts::Hosts;
use crate::ladder::schedule::Policy;
use crate::ladder::{Ladder, Rung, placeholder, wayback};
use crate::media::{self, Flaw, Inspected};
use crate::ops::archive::memory::Memory;
use crate::ops::archive::{Shared, now};
use crate::origin::OriginUrl;
use crate::store::{self, Draft, Finished};

/// Bytes gathered before they are written to the draft; a smaller image is looked at in memory.
const BUFFER: usize = 256 * 1024;

/// An image that is longer is looked at while no other such is.
const LARGE: u64 = 1 << 20;

/// The longest list of captures that is read.
const LONGEST_LIST: usize = 1 << 20;

/// A host that asks for a longer pause is not waited for in this run.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// An image that is wanted.
#[derive(Debug)]
pub(in crate::ops) struct Job {
    pub(in crate::ops) key: OriginKey,
    pub(in crate::ops) wanted: Wanted,
    origin: OriginUrl,
    ladder: Ladder,
    /// Whether nobody shows it: documents only link to it, and a page at its place is no loss.
    is_link: bool,
    /// How often the present rung was tried in this run.
    tries: u32,
    /// What is remembered of earlier runs, and what this one adds.
    memory: Memory,
    /// Images that were had instead of the one that is wanted, each with the URL asked for.
    pub(in crate::ops) different: Vec<(Digest, Url)>,
}

/// Which answer will do.
#[derive(Clone, Debug)]
pub(in crate::ops) enum Wanted {
    /// Any genuine image.
    Image,
    /// The same, or word that the copy with these validators is the newest still.
    Newer(Validators),
    /// These bytes and no others.
    Exactly(Digest),
}

/// How a try ended.
pub(super) enum Ended {
    /// With a whole image.
    Got(Box<Got>),
    /// With word that the validators of the copy that is had hold still.
    Unchanged,
    /// With a list of captures.
    Listed(Vec<u8>),
    /// Without one.
    Failed(TryError),
    /// The disk failed, which is no fault of the image.
    Store(anyhow::Error),
}

/// An image that is not durable yet.
#[derive(Debug)]
pub(in crate::ops) struct Got {
    pub(in crate::ops) draft: Finished,
    pub(in crate::ops) inspected: Inspected,
    /// The rung that gave it.
    pub(in crate::ops) source: String,
    /// Where it came from, if not from the origin's own URL.
    pub(in crate::ops) url: Option<String>,
    pub(in crate::ops) etag: Option<String>,
    pub(in crate::ops) last_modified: Option<String>,
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
    /// A picture that stands for others.
    #[error("{}", placeholder::detail(*digest))]
    Placeholder { digest: Digest },
    /// Another image than the one that is to be had again.
    #[error("other bytes: {digest}")]
    Different { digest: Digest },
    #[error("the configuration leaves nobody to ask")]
    NoSource,
}

impl TryError {
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Fetch(error) => error.reason(),
            Self::Flaw(flaw) => flaw.reason().parse().unwrap_or(Reason::Damaged),
            Self::Broken => Reason::Damaged,
            Self::Placeholder { .. } => Reason::Placeholder,
            Self::Different { .. } => Reason::Different,
            Self::NoSource => Reason::NoSource,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Fetch(error) => error.detail(),
            Self::Flaw(_)
            | Self::Broken
            | Self::Placeholder { .. }
            | Self::Different { .. }
            | Self::NoSource => self.to_string(),
        }
    }

    /// Whether the address itself is forbidden, which then nobody else may be told.
    fn is_blocked(&self) -> bool {
        matches!(self, Self::Fetch(error) if error.is_private())
    }

    /// How long the host asks to be left alone.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Fetch(error) => error.retry_after(),
            _ => None,
        }
    }
}

impl Ended {
    pub(super) fn signal(&self) -> Signal {
        match self {
            Self::Failed(TryError::Fetch(error)) if self.closes_host().is_none() => error.signal(),
            Self::Got(_) | Self::Unchanged | Self::Listed(_) | Self::Failed(_) | Self::Store(_) => {
                Signal::Fine
            }
        }
    }

    /// If the host asked to be left alone for longer than a run should wait: with what status, and for how long.
    pub(super) fn closes_host(&self) -> Option<(Reason, Duration)> {
        let Self::Failed(TryError::Fetch(error)) = self else { return None };
        let pause = error.retry_after().filter(|pause| *pause > LONGEST_PAUSE)?;
        Some((error.reason(), pause))
    }
}

/// What to do after a failed try.
pub(super) enum Then {
    /// Ask the present rung again, not before that instant.
    Again(Instant),
    /// That rung has nothing.
    Left,
}

impl Job {
    pub(super) fn new(origin: OriginUrl, is_link: bool, ladder: Ladder, memory: Memory) -> Self {
        let (key, different) = (OriginKey::of(&origin), Vec::new());
        Self { key, wanted: Wanted::Image, origin, ladder, is_link, tries: 0, memory, different }
    }

    /// An image that was had before, and of which no failure is remembered.
    pub(in crate::ops) fn again(origin: OriginUrl, ladder: Ladder, wanted: Wanted) -> Self {
        Self { wanted, ..Self::new(origin, false, ladder, Memory::new(None)) }
    }

    pub(in crate::ops) fn origin(&self) -> &OriginUrl {
        &self.origin
    }

    pub(super) fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// Whom the present rung asks; the pace counts by it.
    pub(super) fn host(&self) -> String {
        self.ladder.rung().map_or_else(|| self.origin.host(), Rung::host).to_owned()
    }

    /// The same with its port.
    pub(super) fn place(&self) -> String {
        self.ladder.rung().map_or_else(|| self.origin.host().to_owned(), Rung::place)
    }

    /// Goes on to the next rung whose time has come and whose host may be asked. Returns whether there is one.
    /// What was said before `since`, in milliseconds since 1970, does not count.
    pub(super) fn seek(&mut self, hosts: &Hosts, policy: Policy<'_>, since: i64) -> bool {
        let now = now();
        while let Some(rung) = self.ladder.rung() {
            if let Some(attempt) = self.memory.holds(rung, policy, now).filter(|attempt| attempt.at >= since)
            {
                let passed: Vec<Url> = attempt.passed.iter().filter_map(|url| url.parse().ok()).collect();
                let reason = attempt.reason.parse().unwrap_or(Reason::Damaged);
                match attempt.is_private() {
                    true => self.ladder.stop(),
                    false => self.ladder.skip(reason, &passed),
                }
            } else if let Some((reason, until)) = hosts.closed(&rung.place(), now) {
                self.memory.left_alone(rung, reason, until, policy);
                self.ladder.skip(reason, &[]);
            } else {
                return true;
            }
        }
        if self.memory.is_empty() {
            self.memory.no_source(&self.origin, policy);
        }
        false
    }

    /// The present rung gave nothing, this time.
    pub(super) fn failed(&mut self, error: &TryError, passed: &[Url], policy: Policy<'_>) -> Then {
        let Some(rung) = self.ladder.rung() else { return Then::Left };
        let (reason, detail) = (error.reason(), error.detail());
        tracing::info!(origin = %self.origin, source = %rung.source, url = %rung.url, %reason, detail, "no image");
        self.memory.failed(rung, reason, detail, passed, error.retry_after(), policy);
        if let TryError::Different { digest } = error {
            self.different.push((*digest, rung.url.clone()));
        }
        self.tries += 1;
        if let TryError::Fetch(error) = error
            && error.retry_after().is_none_or(|pause| pause <= LONGEST_PAUSE)
            && let Some(delay) =
                Backoff::new(policy.fetch.retries).delay(self.tries, error, &mut fastrand::Rng::new())
        {
            return Then::Again(Instant::now() + delay);
        }
        self.tries = 0;
        let leads_to_page = self.is_link && reason == Reason::NotAnImage;
        if error.is_blocked() || leads_to_page {
            self.ladder.stop();
        } else {
            self.ladder.failed(reason, passed);
        }
        Then::Left
    }

    /// The present rung listed captures.
    pub(super) fn listed(&mut self, body: &[u8]) {
        self.tries = 0;
        self.ladder.listed(body);
    }

    /// Other documents know other wrappers.
    pub(super) fn also_ask(&mut self, wrappers: Vec<Url>) {
        self.ladder.also_ask(wrappers);
    }

    /// Who was asked in this run and gave nothing.
    pub(in crate::ops) fn attempts(&self) -> Vec<Attempt> {
        self.memory.of_this_run().to_vec()
    }

    /// Why there is no copy, and whether that is news.
    pub(in crate::ops) fn failure(self) -> (Failure, bool) {
        self.memory.failure(&self.origin)
    }
}

/// Tries the present rung once. Returns where redirects led, too.
pub(super) async fn attempt(shared: &Arc<Shared>, job: Job) -> (Job, Vec<Url>, Ended) {
    let mut passed = Vec::new();
    let host = job.host();
    let per_host = shared.options.fetch.per_host;
    let most = if host == wayback::HOST { wayback::AT_A_TIME.min(per_host) } else { per_host };
    let _turn = shared.fetcher.turn(&host, most).await;
    let ended = match job.ladder.rung() {
        Some(rung) if rung.is_list => list(shared, rung).await.map(Ended::Listed),
        Some(rung) => try_rung(shared, &job, rung, &mut passed).await,
        None => Err(Trouble::Try(TryError::NoSource)),
    };
    let ended = ended.unwrap_or_else(|trouble| match trouble {
        Trouble::Try(error) => Ended::Failed(error),
        Trouble::Store(error) => Ended::Store(error),
    });
    (job, passed, ended)
}

/// The body of a list of captures.
async fn list(shared: &Arc<Shared>, rung: &Rung) -> Result<Vec<u8>, Trouble> {
    let mut answer = shared.fetcher.get(&rung.url, &Headers::default()).await?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_LIST {
            return Err(fetch::Error::TooLarge { limit: LONGEST_LIST as u64 }.into());
        }
    }
    Ok(body)
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

async fn try_rung(
    shared: &Arc<Shared>,
    job: &Job,
    rung: &Rung,
    passed: &mut Vec<Url>,
) -> Result<Ended, Trouble> {
    tracing::debug!(origin = %job.origin, source = %rung.source, url = %rung.url, "asking");
    let had = match &job.wanted {
        Wanted::Newer(validators) => Some(validators.clone()),
        Wanted::Image | Wanted::Exactly(_) => None,
    };
    let is_conditional = had.is_some();
    let headers = Headers { referer: rung.referer.clone(), had, ..Headers::default() };
    let mut answer = match shared.fetcher.get_noting(&rung.url, &headers, passed).await {
        Err(error) if is_conditional && error.is_not_modified() => return Ok(Ended::Unchanged),
        answer => answer?,
    };
    let (buffer, draft) = receive(shared, &mut answer).await?;
    let limits = shared.options.limits;
    let writing = Arc::clone(shared);
    // An SVG may be one single tag, and that is held in memory.
    let turn = if answer.length() > LARGE { Some(shared.inspecting.acquire().await) } else { None };
    let finished = tokio::task::spawn_blocking(move || finish(&writing, &buffer, draft, &limits));
    let (draft, inspected) = finished.await.map_err(|_| Trouble::Try(TryError::Broken))??;
    drop(turn);
    let url = answer.final_url.as_str();
    Ok(Ended::Got(Box::new(Got {
        draft,
        inspected,
        source: rung.source.to_string(),
        url: (url != job.origin.as_str()).then(|| url.to_owned()),
        etag: answer.headers.etag.clone(),
        last_modified: answer.headers.last_modified.clone(),
    })))
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
