//! Whom to ask in this run: what is learned of hosts, other wrappers of one image, and placeholders.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use url::Url;

use crate::catalog::OriginKey;
use crate::catalog::memory::Given;
use crate::catalog::row::{Failure, Placeholder};
use crate::fetch::Reason;
use crate::ladder::hosts::{self, Host, Hosts};
use crate::ladder::placeholder::{Verdict, Watch};
use crate::ladder::{self, Hints, Ladder, Lesson, Source};
use crate::ops::archive::download::{Got, Job, TryError, Wanted};
use crate::ops::archive::memory::Memory;
use crate::ops::archive::reading::Target;
use crate::ops::archive::recall::Unmasked;
use crate::ops::archive::{Shared, now};
use crate::origin::OriginUrl;

/// The part of a run's state that says whom to ask.
pub(in crate::ops) struct Asking {
    hosts: Hosts,
    watch: Watch,
    /// Wrappers that other documents know of an image that is being asked for.
    others: HashMap<OriginKey, Vec<Url>>,
    /// Bytes that were found out in this run, and whose they are.
    unmasked: Vec<Unmasked>,
    /// The same, until it is recorded.
    news: Vec<Placeholder>,
}

impl Asking {
    pub(super) fn new(shared: &Shared) -> Result<Self> {
        let mut hosts = shared.archive.catalog.known_hosts()?;
        if shared.options.retry {
            hosts.values_mut().for_each(Host::open);
        }
        Ok(Self {
            hosts: Hosts::new(hosts),
            watch: Watch::new(shared.options.ladder.placeholders.clone()),
            others: HashMap::new(),
            unmasked: Vec::new(),
            news: Vec::new(),
        })
    }

    pub(super) fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    pub(in crate::ops) fn take_changed_hosts(&mut self) -> Vec<(String, Host)> {
        self.hosts.take_changed()
    }

    pub(super) fn take_unmasked(&mut self) -> Vec<Unmasked> {
        std::mem::take(&mut self.unmasked)
    }

    pub(in crate::ops) fn take_news(&mut self) -> Vec<Placeholder> {
        std::mem::take(&mut self.news)
    }

    /// An image that somebody has to be asked for. `failure` is what is remembered of it.
    pub(super) fn job(
        &self,
        shared: &Shared,
        target: &Target,
        is_link: bool,
        hints: &Hints,
        failure: Option<Failure>,
    ) -> Job {
        let ladder = self.ladder(shared, &target.origin, hints, &shared.options.ladder);
        Job::new(target.origin.clone(), is_link, ladder, Memory::new(failure))
    }

    /// Whom to ask for `origin`, in the manner that its host is known to like.
    pub(in crate::ops) fn ladder(
        &self,
        shared: &Shared,
        origin: &OriginUrl,
        hints: &Hints,
        options: &ladder::Options,
    ) -> Ladder {
        let manner = self.hosts.manner(origin.host());
        Ladder::new(&origin.url(), hints, options, &shared.options.fetch, manner)
    }

    /// A host answered at `place`.
    pub(super) fn answered(&mut self, place: &str) {
        self.hosts.answered(place);
    }

    /// Keeps the wrappers of one more reference to an image, should nobody else give it.
    pub(super) fn also_ask(&mut self, target: &Target) {
        if target.answer.is_none() && !target.wrappers.is_empty() {
            let known = self.others.entry(target.key).or_default();
            for url in &target.wrappers {
                if !known.contains(url) {
                    known.push(url.clone());
                }
            }
        }
    }

    /// The wrappers that were kept for an image.
    pub(super) fn others(&mut self, key: OriginKey) -> Vec<Url> {
        self.others.remove(&key).unwrap_or_default()
    }

    /// Whether the host that `job` would ask is to be left alone.
    pub(super) fn is_left_alone(&self, job: &Job) -> bool {
        self.hosts.closed(&job.place(), now()).is_some()
    }

    /// A host asked for a long pause.
    pub(super) fn close(&mut self, host: &str, reason: Reason, pause: Duration) {
        tracing::warn!(host, seconds = pause.as_secs(), "left alone for a while, as it asked");
        self.hosts.close(host, reason, pause, now());
    }

    /// `place` gave nothing for `origin`; `by_experience` if it was asked first since it helped before. That one
    /// image is missing does not mean that the manner is of no use any more.
    pub(super) fn lost(&mut self, place: &str, origin: &OriginUrl, reason: Reason, by_experience: bool) {
        if by_experience && ladder::may_be_the_hosts_fault(reason) {
            self.hosts.learn(origin.host(), Lesson::Forget);
        }
        if !hosts::is_silence(reason) {
            self.hosts.answered(place);
        } else if let Some(until) = self.hosts.silent(place, reason, now()) {
            let until = jiff::Timestamp::from_millisecond(until).unwrap_or_default();
            tracing::warn!(host = place, %reason, until = %until.strftime("%Y-%m-%d %H:%M UTC"), "left alone for a while");
        }
    }

    /// What speaks against `got` being the image; if nothing does, what it teaches is learned.
    pub(super) fn judge(&mut self, shared: &Shared, job: &Job, got: &Got) -> Result<Option<TryError>> {
        let Some(rung) = job.ladder().rung() else { return Ok(None) };
        let (host, digest) = (rung.host(), got.draft.digest());
        let is_wanted = match job.wanted {
            Wanted::Exactly(wanted) if wanted == digest => return Ok(self.genuine(job)),
            Wanted::Exactly(_) => false,
            Wanted::Image | Wanted::Newer(_) => true,
        };
        if !self.watch.needs_no_past(host, digest) {
            for given in shared.archive.catalog.given(digest)? {
                if let Some(url) = asked_of(&given, host) {
                    self.watch.remember(host, digest, &url, false);
                }
            }
            if shared.archive.catalog.is_placeholder(digest, host)? {
                self.watch.remember(host, digest, &rung.url, true);
            }
        }
        let size = got.inspected.width.zip(got.inspected.height);
        match self.watch.judge(host, digest, &rung.url, got.draft.bytes(), size) {
            Verdict::Genuine if !is_wanted => return Ok(Some(TryError::Different { digest })),
            Verdict::Genuine => return Ok(self.genuine(job)),
            Verdict::Placeholder => {}
            Verdict::Unmasked => {
                tracing::warn!(host, %digest, "the same picture for many images: a placeholder");
                self.unmasked.push((digest, Some(host.to_owned())));
                let origins = Vec::new();
                self.news.push(Placeholder { digest, host: host.to_owned(), at: now(), origins });
            }
        }
        Ok(Some(TryError::Placeholder { digest }))
    }

    /// The image of `job` was given, and nothing speaks against it.
    fn genuine(&mut self, job: &Job) -> Option<TryError> {
        self.hosts.answered(&job.place());
        self.hosts.learn(job.origin().host(), job.ladder().lesson());
        None
    }
}

/// What `host` was asked for when it gave this, if it was the one that did.
pub(super) fn asked_of(given: &Given, host: &str) -> Option<Url> {
    Url::parse(&asked_for(given)).ok().filter(|url| url.host_str() == Some(host))
}

/// What was asked for when somebody gave this: where an origin's redirects led does not tell it.
pub(super) fn asked_for(given: &Given) -> String {
    let origin = || given.origin.clone();
    match given.source.parse() {
        Ok(Source::Origin) => origin(),
        Ok(scheme @ (Source::OriginHttps | Source::OriginHttp)) => {
            let scheme = if scheme == Source::OriginHttps { "https:" } else { "http:" };
            given.origin.split_once(':').map_or_else(origin, |(_, rest)| format!("{scheme}{rest}"))
        }
        Ok(Source::Proxy | Source::ConfiguredProxy | Source::Wayback) | Err(_) => {
            given.url.clone().unwrap_or_else(origin)
        }
    }
}

/// Whether everybody whom `target` knows was asked already when it came to `failure`.
pub(super) fn knows_nobody_else(target: &Target, failure: &Failure) -> bool {
    let was_asked = |url: &Url| failure.attempts.iter().any(|attempt| attempt.url == url.as_str());
    target.wrappers.iter().all(was_asked)
}
