//! Which of the images that are kept could not be had from their own servers any more?
//!
//! Asks politely: for the head of each image, paced by host, once, and not those who are left alone. Where a
//! server will not tell by the head alone, the image is asked for on condition that it changed. Nothing is kept
//! or remembered of the answers.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::task::JoinSet;
use url::Url;

use crate::catalog::row::Snapshot;
use crate::digest::Digest;
use crate::fetch::pace::{Next, Pace, Signal};
use crate::fetch::{Fetcher, Reason};
use crate::ladder::hosts::{self, Hosts};
use crate::ladder::schedule::Policy;
use crate::ladder::{self, Hints, Kind, Ladder};
use crate::ops::Archive;

mod asking;

use asking::{Ended, Job, Method, Today, ask};

/// So many wait for their turn at a time.
const WINDOW: usize = 2_000;

/// A host that asks for a longer pause is not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How many origins are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Every one.
    All,
    /// That many, taken at random.
    Some(usize),
}

/// The text is neither a number nor `all`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a number from 1 up, or `all`")]
pub struct ParseError;

impl FromStr for Sample {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            _ => text.parse().ok().filter(|count| *count > 0).map(Self::Some).ok_or(ParseError),
        }
    }
}

/// What became of the origins of kept images.
#[derive(Debug, Default)]
pub struct Report {
    /// Origins of which a copy is kept.
    pub kept: u64,
    /// By what they answered, in order of URL.
    pub there: Vec<Asked>,
    /// They give other bytes now.
    pub changed: Vec<Asked>,
    /// They do not give the image any more.
    pub gone: Vec<Asked>,
    /// They gave no answer that would tell.
    pub unknown: Vec<Asked>,
}

/// An origin that was asked.
#[derive(Debug, Serialize)]
pub struct Asked {
    /// The image's own URL.
    pub origin: String,
    /// When the newest copy was had: milliseconds since 1970.
    pub taken: i64,
    /// Who gave it: where it was not the origin, that was gone already.
    pub source: String,
    /// SHA-256 of the copy.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
    /// Why it is gone or unknown, a word of the closed list.
    pub reason: Option<String>,
    /// The same for a person.
    pub detail: Option<String>,
}

/// What would be lost without the copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// Distinct images.
    pub images: u64,
    /// Their length.
    pub bytes: u64,
}

impl Report {
    /// Origins that were asked.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.there.len() + self.changed.len() + self.gone.len() + self.unknown.len()
    }

    /// The copies of those who are gone; the same bytes count once.
    #[must_use]
    pub fn saved(&self) -> Saved {
        let images: HashMap<Digest, u64> = self.gone.iter().map(|gone| (gone.digest, gone.bytes)).collect();
        Saved { images: images.len() as u64, bytes: images.values().sum() }
    }

    /// How many of `asked` there are for each reason.
    #[must_use]
    pub fn by_reason(asked: &[Asked]) -> BTreeMap<&str, u64> {
        let mut reasons = BTreeMap::new();
        for reason in asked.iter().filter_map(|asked| asked.reason.as_deref()) {
            *reasons.entry(reason).or_default() += 1;
        }
        reasons
    }

    fn add(&mut self, job: Job, ended: Result<Today, (Reason, String)>) {
        let (list, said) = match ended {
            Ok(Today::There) => (&mut self.there, None),
            Ok(Today::Changed) => (&mut self.changed, None),
            Err((reason, detail)) if is_final(reason) => (&mut self.gone, Some((reason, detail))),
            Err(said) => (&mut self.unknown, Some(said)),
        };
        let (reason, detail) = said.map(|(reason, detail)| (reason.to_string(), detail)).unzip();
        let Snapshot { origin, taken, source, digest, bytes, .. } = job.copy;
        list.push(Asked { origin, taken, source, digest, bytes, reason, detail });
    }

    fn sort(&mut self) {
        for list in [&mut self.there, &mut self.changed, &mut self.gone, &mut self.unknown] {
            list.sort_by(|a, b| a.origin.cmp(&b.origin));
        }
    }
}

/// Asks the origins of `sample` of the kept images at `now` (milliseconds since 1970).
///
/// # Errors
/// When the catalog fails.
pub async fn rot(
    archive: &Archive,
    fetcher: Arc<Fetcher>,
    policy: Policy<'_>,
    sample: Sample,
    now: i64,
) -> Result<Report> {
    let most = match sample {
        Sample::All => None,
        Sample::Some(most) => Some(most),
    };
    let mut copies = archive.catalog.newest_copies(most)?.into_iter();
    let ladder = ladder::Options { sources: vec![Kind::Origin], ..policy.ladder.clone() };
    let mut rounds = Rounds {
        hosts: Hosts::new(archive.catalog.known_hosts()?),
        pace: Pace::new(policy.fetch.concurrency, policy.fetch.per_host),
        report: Report { kept: archive.catalog.totals()?.origins, ..Report::default() },
        now,
    };
    let mut asking = JoinSet::new();
    loop {
        while rounds.pace.waiting() < WINDOW
            && let Some(copy) = copies.next()
        {
            let Ok(origin) = Url::parse(&copy.origin) else { continue };
            let manner = origin.host_str().and_then(|host| rounds.hosts.manner(host));
            let ladder = Ladder::new(&origin, &Hints::default(), &ladder, policy.fetch, manner);
            rounds.go_on(Job { copy, ladder, method: Method::Head, said: None });
        }
        let wake = match rounds.pace.next(Instant::now()) {
            Next::Start(job) => {
                if let Some(job) = rounds.unless_left_alone(job) {
                    let fetcher = Arc::clone(&fetcher);
                    asking.spawn(async move { ask(&fetcher, job).await });
                }
                continue;
            }
            Next::Wait(until) => until,
            Next::Busy => Instant::now() + Duration::from_secs(3600),
            Next::Idle => break,
        };
        tokio::select! {
            Some(ended) = asking.join_next() => {
                let (job, passed, ended) = ended.context("a request stopped")?;
                rounds.ended(job, &passed, ended);
            }
            () = tokio::time::sleep_until(wake.into()) => {}
        }
    }
    rounds.report.sort();
    Ok(rounds.report)
}

/// Who is asked next, and what came of it.
struct Rounds {
    hosts: Hosts,
    pace: Pace<Job>,
    report: Report,
    /// When it began: milliseconds since 1970.
    now: i64,
}

impl Rounds {
    /// Asks the present rung, or gives up.
    fn go_on(&mut self, mut job: Job) {
        if job.ladder.rung().is_some() {
            return self.pace.push(&job.host(), None, job);
        }
        let said = job.said.take().unwrap_or_else(|| (Reason::NoSource, "nobody to ask".to_owned()));
        self.report.add(job, Err(said));
    }

    /// The job, if its host may be asked.
    fn unless_left_alone(&mut self, mut job: Job) -> Option<Job> {
        let host = job.host();
        let Some((reason, _)) = self.hosts.closed(&job.place(), self.now) else { return Some(job) };
        self.pace.done(&host, Signal::Fine, Instant::now());
        let not_asked = || (reason, format!("not asked: `{host}` is left alone for a while"));
        let said = job.said.take().unwrap_or_else(not_asked);
        self.report.add(job, Err(said));
        None
    }

    /// A request came to its end. `passed` is where redirects led.
    fn ended(&mut self, mut job: Job, passed: &[Url], ended: Ended) {
        let (host, place) = (job.host(), job.place());
        let signal = self.signal(&host, &ended);
        self.pace.done(&host, signal, Instant::now());
        let (reason, detail) = match ended {
            Ended::Failed(error) => (error.reason(), error.detail()),
            Ended::NotAnImage => (Reason::NotAnImage, "the answer is no image any more".to_owned()),
            Ended::Told(today) => {
                self.hosts.answered(&place);
                return self.report.add(job, Ok(today));
            }
            Ended::WouldNotTell => {
                self.hosts.answered(&place);
                job.method = Method::Get;
                return self.go_on(job);
            }
        };
        if hosts::is_silence(reason) {
            self.hosts.silent(&place, reason, self.now);
        } else {
            self.hosts.answered(&place);
        }
        job.failed(reason, detail, passed);
        self.go_on(job);
    }

    /// What the end of a request tells the pace; a host that asks for a long pause is left alone instead.
    fn signal(&mut self, host: &str, ended: &Ended) -> Signal {
        let Ended::Failed(error) = ended else { return Signal::Fine };
        match error.retry_after().filter(|pause| *pause > LONGEST_PAUSE) {
            Some(pause) => {
                self.hosts.close(host, error.reason(), pause, self.now);
                Signal::Fine
            }
            None => error.signal(),
        }
    }
}

/// Whether `reason` tells that the image is gone, rather than that its server is busy or ours to blame.
fn is_final(reason: Reason) -> bool {
    match reason {
        Reason::Http(408 | 425 | 429 | 500..) => false,
        Reason::Dns
        | Reason::Connect
        | Reason::Tls
        | Reason::Http(_)
        | Reason::RedirectLimit
        | Reason::NotAnImage
        | Reason::Placeholder => true,
        Reason::BlockedAddress
        | Reason::BlockedScheme
        | Reason::BlockedPort
        | Reason::BlockedUrl
        | Reason::Timeout
        | Reason::TooSlow
        | Reason::TooLarge
        | Reason::Truncated
        | Reason::Protocol
        | Reason::Encoding
        | Reason::Bomb
        | Reason::Damaged
        | Reason::Different
        | Reason::NoSource => false,
    }
}
