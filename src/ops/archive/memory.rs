//! What is known of the rungs of one origin that gave nothing: from earlier runs, and from this one.

use std::time::Duration;

use url::Url;

use crate::catalog::row::{Attempt, Failure};
use crate::fetch::Reason;
use crate::ladder::schedule::{self, Policy};
use crate::ladder::{Rung, wayback};
use crate::ops::archive::now;
use crate::origin::OriginUrl;

/// So many attempts are remembered for one origin.
const KEPT: usize = 48;

/// Attempts, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Memory {
    attempts: Vec<Attempt>,
    /// How many of them are of earlier runs.
    old: usize,
    /// What was said of the origin then.
    failure: Option<Failure>,
}

impl Memory {
    /// What the catalog knows.
    pub(super) fn new(failure: Option<Failure>) -> Self {
        let attempts = failure.as_ref().map(|failure| failure.attempts.clone()).unwrap_or_default();
        Self { old: attempts.len(), attempts, failure }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    pub(super) fn of_this_run(&self) -> &[Attempt] {
        &self.attempts[self.old..]
    }

    /// The last attempt of `rung`, if what it said still holds: its time has not come, and nothing that it came
    /// from has changed.
    pub(super) fn holds(&self, rung: &Rung, policy: Policy<'_>, now: i64) -> Option<&Attempt> {
        let attempt = self.last(rung)?;
        let reason: Reason = attempt.reason.parse().ok()?;
        let is_same = attempt.policy == schedule::fingerprint(reason, policy);
        (is_same && attempt.next.is_none_or(|next| now < next)).then_some(attempt)
    }

    /// `rung` was asked and gave nothing.
    pub(super) fn failed(
        &mut self,
        rung: &Rung,
        reason: Reason,
        detail: String,
        passed: &[Url],
        retry_after: Option<Duration>,
        policy: Policy<'_>,
    ) {
        let before = last_of(&self.attempts[..self.old], rung);
        let tries = before.map_or(0, |attempt| attempt.tries).saturating_add(1);
        let pause = schedule::pause(reason, tries).map(|pause| pause.max(retry_after.unwrap_or_default()));
        let at = now();
        let next = pause.map(|pause| at.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)));
        let passed = passed.iter().map(Url::to_string).collect();
        self.attempts.push(Attempt { at, passed, tries, next, ..described(rung, reason, detail, policy) });
    }

    /// `rung` was not asked, since its host is left alone until then.
    pub(super) fn left_alone(&mut self, rung: &Rung, reason: Reason, until: i64, policy: Policy<'_>) {
        let tries = self.last(rung).map_or(0, |attempt| attempt.tries);
        let detail =
            format!("`{}` is left alone for a while: it did not answer, or asked for it", rung.host());
        let attempt = described(rung, reason, detail, policy);
        self.attempts.push(Attempt { tries, next: Some(until), ..attempt });
    }

    /// The configuration leaves nobody to ask.
    pub(super) fn no_source(&mut self, origin: &OriginUrl, policy: Policy<'_>) {
        let reason = Reason::NoSource;
        self.attempts.push(Attempt {
            at: now(),
            source: "none".to_owned(),
            url: origin.to_string(),
            reason: reason.to_string(),
            detail: "the configuration leaves nobody to ask".to_owned(),
            referer: None,
            passed: Vec::new(),
            tries: 1,
            next: None,
            policy: schedule::fingerprint(reason, policy),
        });
    }

    /// Why there is no copy: what the origin itself said last, or else the last that anybody said; and whether
    /// this run added anything to it.
    pub(super) fn failure(mut self, origin: &OriginUrl) -> (Failure, bool) {
        let is_news = self.attempts.len() > self.old;
        if let Some(failure) = self.failure.take().filter(|_| !is_news) {
            return (failure, false);
        }
        let own = self.attempts.iter().rfind(|attempt| attempt.source == "origin");
        let said = own.or(self.attempts.last());
        let (reason, detail) =
            said.map(|said| (said.reason.clone(), said.detail.clone())).unwrap_or_default();
        let forgotten = self.attempts.len().saturating_sub(KEPT);
        self.attempts.drain(..forgotten);
        (Failure { origin: origin.to_string(), at: now(), reason, detail, attempts: self.attempts }, true)
    }

    fn last(&self, rung: &Rung) -> Option<&Attempt> {
        let (old, new) = self.attempts.split_at(self.old);
        new.iter().rfind(|attempt| is_of(attempt, rung)).or_else(|| last_of(old, rung))
    }
}

/// The last of earlier runs' attempts that says what `rung` would. Which capture is the nearest depends on a
/// document's date; that none was of use holds for every date.
fn last_of<'a>(old: &'a [Attempt], rung: &Rung) -> Option<&'a Attempt> {
    let origin = wayback::captured(rung.url.as_str());
    old.iter().rfind(|attempt| {
        is_of(attempt, rung) || (origin.is_some() && wayback::captured(&attempt.url) == origin)
    })
}

fn is_of(attempt: &Attempt, rung: &Rung) -> bool {
    attempt.url == rung.url.as_str() && attempt.referer.as_deref() == rung.referer.as_ref().map(Url::as_str)
}

fn described(rung: &Rung, reason: Reason, detail: String, policy: Policy<'_>) -> Attempt {
    Attempt {
        at: now(),
        source: rung.source.to_string(),
        url: rung.url.to_string(),
        reason: reason.to_string(),
        detail,
        referer: rung.referer.as_ref().map(Url::to_string),
        passed: Vec::new(),
        tries: 0,
        next: None,
        policy: schedule::fingerprint(reason, policy),
    }
}
