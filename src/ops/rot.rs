//! Which of the images that are kept could not be had from their own servers any more?
//!
//! Asks politely: for the head of each image, paced by host, once, and not those who are left alone. Where a
//! server will not tell by the head alone, the image is asked for on condition that it changed. Nothing is kept
//! or remembered of the answers.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

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
    let mut hosts = Hosts::new(archive.catalog.known_hosts()?);
    let most = match sample {
        Sample::All => None,
        Sample::Some(most) => Some(most),
    };
    let mut copies = archive.catalog.newest_copies(most)?.into_iter();
    let mut report = Report { kept: archive.catalog.totals()?.origins, ..Report::default() };
    let ladder = ladder::Options { sources: vec![Kind::Origin], ..policy.ladder.clone() };
    let mut pace = Pace::new(policy.fetch.concurrency, policy.fetch.per_host);
    let mut asking = JoinSet::new();
    loop {
        while pace.waiting() < WINDOW
            && let Some(copy) = copies.next()
        {
            let Ok(origin) = Url::parse(&copy.origin) else { continue };
            let manner = origin.host_str().and_then(|host| hosts.manner(host));
            let ladder = Ladder::new(&origin, &Hints::default(), &ladder, policy.fetch, manner);
            let job = Job { copy, ladder, method: Method::Head, said: None };
            pace.push(&job.host(), None, job);
        }
        let wake = match pace.next(Instant::now()) {
            Next::Start(job) => {
                let host = job.host();
                if let Some((reason, _)) = hosts.closed(&host, now) {
                    pace.done(&host, Signal::Fine, Instant::now());
                    let detail = format!("not asked: `{host}` is left alone for a while");
                    report.add(job, Err((reason, detail)));
                    continue;
                }
                let fetcher = Arc::clone(&fetcher);
                asking.spawn(async move { ask(&fetcher, job).await });
                continue;
            }
            Next::Wait(until) => Some(until),
            Next::Busy => None,
            Next::Idle => break,
        };
        let ended = tokio::select! {
            Some(ended) = asking.join_next() => ended.context("a request stopped")?,
            () = async { tokio::time::sleep_until(wake.expect("guarded below").into()).await }, if wake.is_some() => {
                continue;
            }
        };
        let (mut job, passed, ended) = ended;
        let host = job.host();
        let signal = match &ended {
            Ended::Failed(error) => error.signal(),
            Ended::Told(_) | Ended::WouldNotTell | Ended::NotAnImage => Signal::Fine,
        };
        pace.done(&host, signal, Instant::now());
        let (reason, detail) = match ended {
            Ended::Told(today) => {
                hosts.answered(&host);
                report.add(job, Ok(today));
                continue;
            }
            Ended::WouldNotTell => {
                hosts.answered(&host);
                job.method = Method::Get;
                pace.push(&host, None, job);
                continue;
            }
            Ended::NotAnImage => (Reason::NotAnImage, "the answer is no image any more".to_owned()),
            Ended::Failed(error) => (error.reason(), error.detail()),
        };
        if hosts::is_silence(reason) {
            hosts.silent(&host, reason, now);
        } else {
            hosts.answered(&host);
        }
        job.failed(reason, detail, &passed);
        match job.ladder.rung() {
            Some(_) => pace.push(&job.host(), None, job),
            None => {
                let said = job.said.take().unwrap_or((Reason::NoSource, String::new()));
                report.add(job, Err(said));
            }
        }
    }
    report.sort();
    Ok(report)
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
        | Reason::NoSource => false,
    }
}
