//! What earlier runs came to know of one image, held against the rungs of its ladder.

use jiff::Timestamp;
use url::Url;

use crate::catalog::OriginKey;
use crate::catalog::row::{Attempt, Failure, Snapshot};
use crate::ladder::hosts::Hosts;
use crate::ladder::schedule::{Due, Policy};
use crate::ladder::{Hints, Ladder, Rung, Source, asks_for_another_referer, wayback};
use crate::ops::Reader;
use crate::ops::explain::{Condition, KnownHost, Step};
use crate::ops::status::LeftAlone;
use crate::origin::OriginUrl;
use crate::origin::proxy::{Layer, Unwrapped};

/// What the catalog knows.
#[derive(Default)]
pub(super) struct Past {
    pub(super) copies: Vec<Snapshot>,
    pub(super) failure: Option<Failure>,
    pub(super) hosts: Hosts,
}

impl Past {
    /// Who gave nothing, the last time that anybody was asked.
    fn attempts(&self) -> &[Attempt] {
        match (&self.failure, self.copies.first()) {
            (Some(failure), _) => &failure.attempts,
            (None, Some(copy)) => &copy.attempts,
            (None, None) => &[],
        }
    }

    /// What documents say of the image, `written`; or else what can be told from whom they had asked.
    pub(super) fn hints(&self, reader: &Reader, subject: &Unwrapped, written: Vec<Hints>) -> Hints {
        let mut hints = written.first().cloned().unwrap_or_else(|| Hints {
            page: self.page(&subject.origin),
            date: Timestamp::now(),
            ..Hints::default()
        });
        hints.wrappers = subject.layers.iter().filter_map(Layer::url).collect();
        hints.date = self.date().unwrap_or(hints.date);
        let asked = self.attempts().iter().filter(|attempt| attempt.source == "proxy");
        let gave = self.copies.first().filter(|copy| copy.source == "proxy");
        let asked = asked.map(|attempt| attempt.url.as_str());
        let others = asked.chain(gave.and_then(|copy| copy.url.as_deref()));
        // Where a proxy redirected to is no wrapper.
        let key = OriginKey::of(&subject.origin);
        let is_wrapper = |url: &&str| {
            reader.resolver.families.unwrap(url).is_ok_and(|found| OriginKey::of(&found.origin) == key)
        };
        let others = others.filter(is_wrapper).filter_map(|url| Url::parse(url).ok());
        hints.wrappers.extend(written.into_iter().flat_map(|hints| hints.wrappers).chain(others));
        hints
    }

    /// The page that the origin was told of.
    fn page(&self, origin: &OriginUrl) -> Option<Url> {
        let root = origin.url().join("/").ok();
        let own = self.attempts().iter().filter(|attempt| attempt.source == "origin");
        let mut referers = own.filter_map(|attempt| Url::parse(attempt.referer.as_deref()?).ok());
        referers.find(|referer| Some(referer) != root.as_ref())
    }

    /// The date for which the Wayback Machine was asked, if it was.
    fn date(&self) -> Option<Timestamp> {
        let asked = self.attempts().iter().map(|attempt| attempt.url.as_str());
        let gave = self.copies.iter().filter_map(|copy| copy.url.as_deref());
        let mut urls = asked.chain(gave).filter_map(|url| Url::parse(url).ok());
        urls.find_map(|url| wayback::date_of(&url))
    }

    /// The rungs, and behind them whoever else was asked. `policy` says when again, if ever.
    pub(super) fn steps(&self, ladder: &Ladder, policy: Option<Policy<'_>>, now: i64) -> Vec<Step> {
        let rungs = ladder.rungs();
        let gave = self.giver(rungs);
        let mut steps: Vec<Step> = Vec::new();
        for (at, rung) in rungs.iter().enumerate() {
            let attempt = self.last(rung);
            let condition = policy.filter(|_| attempt.is_none()).and_then(|_| self.condition(rungs, at));
            let open = policy.filter(|_| condition.is_none());
            steps.push(Step {
                source: rung.source.to_string(),
                url: rung.url.to_string(),
                referer: rung.referer.as_ref().map(Url::to_string),
                gave: gave.is_some_and(|gave| gave == rung),
                attempt: attempt.cloned(),
                condition,
                due: open.map(|policy| self.due(&rung.place(), attempt, policy, now)),
            });
        }
        let is_stranger = |attempt: &&Attempt| !rungs.iter().any(|rung| attempt.is_of(rung));
        let strangers = self.attempts().iter().filter(|attempt| attempt.source != "none");
        for attempt in strangers.filter(is_stranger) {
            steps.retain(|step| step.url != attempt.url || step.referer != attempt.referer);
            steps.push(Step {
                source: attempt.source.clone(),
                url: attempt.url.clone(),
                referer: attempt.referer.clone(),
                gave: false,
                attempt: Some(attempt.clone()),
                condition: None,
                due: policy.map(|policy| self.due(&attempt.place(), Some(attempt), policy, now)),
            });
        }
        steps
    }

    fn last(&self, rung: &Rung) -> Option<&Attempt> {
        self.attempts().iter().rfind(|attempt| attempt.is_of(rung))
    }

    /// Why the rung at `at`, which was not asked, is passed over, if it is.
    fn condition(&self, rungs: &[Rung], at: usize) -> Option<Condition> {
        let url = &rungs[at].url;
        let before = at.checked_sub(1).map(|before| &rungs[before]).filter(|before| before.url == *url);
        if let Some(before) = before {
            let reason = self.last(before).and_then(|attempt| attempt.reason.parse().ok());
            return (!reason.is_some_and(asks_for_another_referer)).then_some(Condition::Refused);
        }
        if self.attempts().iter().any(Attempt::is_private) {
            return Some(Condition::Private);
        }
        let mut passed = self.attempts().iter().flat_map(|attempt| &attempt.passed);
        passed.any(|passed| *passed == url.as_str()).then_some(Condition::Redirected)
    }

    /// When `place` is asked, if `attempt` was the last time. What was said before there was a copy does not count.
    fn due(&self, place: &str, attempt: Option<&Attempt>, policy: Policy<'_>, now: i64) -> Due {
        let attempt = attempt.filter(|_| self.failure.is_some());
        let due = attempt.map_or(Due::NextRun, |attempt| attempt.due(policy, now));
        self.hosts.closed(place, now).map_or(due, |(_, until)| due.not_before(until))
    }

    /// The rung that gave the newest copy, if that can be told: of those with the copy's source, the one that
    /// did not fail and did not wait for another to fail.
    fn giver<'a>(&self, rungs: &'a [Rung]) -> Option<&'a Rung> {
        let copy = self.copies.first()?;
        let source: Source = copy.source.parse().ok()?;
        let failed = |rung: &Rung| copy.attempts.iter().any(|attempt| attempt.is_of(rung));
        let was_asked =
            |at: usize| !rungs[at].is_climb || at.checked_sub(1).is_some_and(|at| failed(&rungs[at]));
        let mut candidates = (0..rungs.len())
            .filter(|at| rungs[*at].source == source && !failed(&rungs[*at]) && was_asked(*at))
            .map(|at| &rungs[at]);
        let same_url = |rung: &&Rung| copy.url.as_deref() == Some(rung.url.as_str());
        candidates
            .clone()
            .find(same_url)
            .or_else(|| candidates.next().filter(|_| candidates.next().is_none()))
    }

    pub(super) fn known_hosts(&self, origin: &str, steps: &[Step], now: i64) -> Vec<KnownHost> {
        let urls: Vec<Url> = steps.iter().filter_map(|step| Url::parse(&step.url).ok()).collect();
        let mut hosts: Vec<&str> = vec![origin];
        for host in urls.iter().filter_map(Url::host_str) {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        let known = hosts.into_iter().map(|host| KnownHost {
            host: host.to_owned(),
            left_alone: LeftAlone::of(&self.hosts, host, now),
            manner: self.hosts.manner(host).filter(|_| host == origin).map(str::to_owned),
        });
        known.filter(|host| host.left_alone.is_some() || host.manner.is_some()).collect()
    }
}
