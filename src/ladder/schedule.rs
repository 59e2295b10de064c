//! When a rung that failed is asked again: each reason has its own schedule.

use std::time::Duration;

use serde::Serialize;

use crate::digest::Digest;
use crate::fetch::{self, Reason};
use crate::ladder;
use crate::media;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// Nothing is left alone for longer: a time that is farther off was told by a wrong clock.
const LONGEST: Duration = Duration::from_secs(90 * DAY);

/// What the judgement of answers depends on besides the answers.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Limits and rules of asking.
    pub fetch: &'a fetch::Options,
    /// Whom to ask.
    pub ladder: &'a ladder::Options,
    /// What counts as a sane image.
    pub media: &'a media::Limits,
}

/// When something is asked again. The earlier comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "when", rename_all = "snake_case")]
pub enum Due {
    /// In the next run.
    NextRun,
    /// In the first run from then on.
    At {
        /// Milliseconds since 1970.
        at: i64,
    },
    /// Once one of these keys of the configuration has another value; if there are none, once this program
    /// judges otherwise.
    Settings {
        /// As `section.key`.
        settings: &'static [&'static str],
    },
}

impl Due {
    /// The same for one whose host is left alone until then, in milliseconds since 1970.
    #[must_use]
    pub fn not_before(self, until: i64) -> Self {
        match self {
            Self::NextRun => Self::At { at: until },
            Self::At { at } => Self::At { at: at.max(until) },
            Self::Settings { .. } => self,
        }
    }
}

/// When a rung is asked again that failed with `reason` under the settings of `fingerprint` and was to be left
/// alone until `next`. Times are milliseconds since 1970; no `next` stands for as long as the settings stay.
#[must_use]
pub fn due(reason: Reason, fingerprint: &str, next: Option<i64>, policy: Policy<'_>, now: i64) -> Due {
    if fingerprint != self::fingerprint(reason, policy) {
        return Due::NextRun;
    }
    match next {
        Some(next) if next <= now || is_astray(next, now) => Due::NextRun,
        Some(next) => Due::At { at: next },
        None => Due::Settings { settings: settings(reason) },
    }
}

/// Whether `until` lies farther behind `now` than anything is put off, both in milliseconds since 1970.
pub(super) fn is_astray(until: i64, now: i64) -> bool {
    u128::from(until.saturating_sub(now).unsigned_abs()) > LONGEST.as_millis()
}

/// The keys of the configuration that `reason` may come from: those of its [`fingerprint`].
fn settings(reason: Reason) -> &'static [&'static str] {
    match reason {
        Reason::BlockedAddress | Reason::BlockedScheme | Reason::BlockedPort | Reason::BlockedUrl => {
            &["fetch.allow_networks", "fetch.deny_networks", "fetch.connect_to", "fetch.resolve"]
        }
        Reason::Dns | Reason::Connect => &["fetch.connect_to", "fetch.resolve"],
        Reason::Tls => &["fetch.root_certificates", "fetch.connect_to", "fetch.resolve"],
        Reason::Timeout | Reason::TooSlow => {
            &["fetch.timeout_secs", "fetch.connect_timeout_secs", "fetch.idle_timeout_secs"]
        }
        Reason::TooLarge => &["fetch.max_bytes"],
        Reason::Placeholder => &["fetch.placeholder_urls", "fetch.placeholders", "fetch.genuine"],
        Reason::NoSource => &["fetch.sources", "fetch.proxies"],
        Reason::Http(401 | 403) => &["fetch.user_agent", "fetch.site"],
        Reason::Http(_)
        | Reason::RedirectLimit
        | Reason::Truncated
        | Reason::Protocol
        | Reason::Encoding
        | Reason::NotAnImage
        | Reason::Bomb
        | Reason::Damaged
        | Reason::Different => &[],
    }
}

/// How long a rung is left alone that failed `tries` times in a row (from 1), the last time with `reason`.
/// `None`: for as long as the configuration stays as it is.
#[must_use]
pub fn pause(reason: Reason, tries: u32) -> Option<Duration> {
    let steps: &[u64] = match reason {
        // What passes by itself.
        Reason::Timeout
        | Reason::TooSlow
        | Reason::Connect
        | Reason::Truncated
        | Reason::Protocol
        | Reason::Http(408 | 425 | 429 | 500..) => &[HOUR, DAY, 7 * DAY, 30 * DAY],
        // What somebody has to mend.
        Reason::Dns | Reason::Tls | Reason::RedirectLimit | Reason::Encoding => &[DAY, 7 * DAY, 30 * DAY],
        Reason::Http(410) => &[90 * DAY],
        // What is rarely taken back.
        Reason::Http(_) | Reason::NotAnImage | Reason::Damaged | Reason::Placeholder | Reason::Different => {
            &[7 * DAY, 30 * DAY, 90 * DAY]
        }
        // What our own rules say.
        Reason::BlockedAddress
        | Reason::BlockedScheme
        | Reason::BlockedPort
        | Reason::BlockedUrl
        | Reason::TooLarge
        | Reason::Bomb
        | Reason::NoSource => return None,
    };
    let step = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
    Some(Duration::from_secs(steps[step.min(steps.len() - 1)]))
}

/// A fingerprint of the settings that `reason` came from: once they change, the rung is open again.
#[must_use]
pub fn fingerprint(reason: Reason, policy: Policy<'_>) -> String {
    let Policy { fetch, ladder, media } = policy;
    let addresses = || {
        let mut pinned: Vec<_> = fetch.connect_to.iter().collect();
        let mut names: Vec<_> = fetch.resolve.iter().collect();
        pinned.sort();
        names.sort();
        format!("{pinned:?} {names:?}")
    };
    let settings = match reason {
        Reason::BlockedAddress | Reason::BlockedScheme | Reason::BlockedPort | Reason::BlockedUrl => {
            format!("{:?} {:?} {:?} {}", fetch.allow_networks, fetch.deny_networks, fetch.ports, addresses())
        }
        Reason::Dns | Reason::Connect => addresses(),
        Reason::Tls => {
            let roots: Vec<Digest> = fetch.root_certificates.iter().map(|pem| Digest::of(pem)).collect();
            format!("{roots:?} {}", addresses())
        }
        Reason::Timeout | Reason::TooSlow => format!(
            "{:?} {:?} {:?} {} {:?}",
            fetch.timeout, fetch.connect_timeout, fetch.idle_timeout, fetch.min_rate, fetch.rate_window
        ),
        Reason::TooLarge => fetch.max_bytes.to_string(),
        Reason::RedirectLimit => fetch.max_redirects.to_string(),
        Reason::Bomb => format!("{media:?}"),
        Reason::Placeholder => format!("{:?}", ladder.placeholders),
        Reason::NoSource => format!("{:?} {:?}", ladder.sources, ladder.proxies),
        Reason::Http(401 | 403) => format!("{} {:?}", fetch.user_agent, ladder.site),
        Reason::Http(_)
        | Reason::Truncated
        | Reason::Protocol
        | Reason::Encoding
        | Reason::NotAnImage
        | Reason::Damaged
        | Reason::Different => String::new(),
    };
    Digest::of(settings.as_bytes()).to_string()[..8].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_schedule() {
        let days = |reason, tries| pause(reason, tries).map(|pause| pause.as_secs_f64() / DAY as f64);
        assert_eq!(days(Reason::Timeout, 1), Some(1.0 / 24.0));
        assert_eq!(days(Reason::Timeout, 2), Some(1.0));
        assert_eq!(days(Reason::Http(503), 4), Some(30.0));
        assert_eq!(days(Reason::Http(503), u32::MAX), Some(30.0));
        assert_eq!(days(Reason::Dns, 1), Some(1.0));
        assert_eq!(days(Reason::Http(404), 1), Some(7.0));
        assert_eq!(days(Reason::TooLarge, 1), None);
    }

    #[test]
    fn due_is_the_next_run_once_the_time_has_come_or_a_setting_changed() {
        let (fetch, ladder, media) =
            (fetch::Options::default(), ladder::Options::default(), media::Limits::default());
        let policy = Policy { fetch: &fetch, ladder: &ladder, media: &media };
        let small = fetch::Options { max_bytes: 1, ..fetch.clone() };
        let is = fingerprint(Reason::TooLarge, policy);
        let was = fingerprint(Reason::TooLarge, Policy { fetch: &small, ..policy });
        let of = |reason, fingerprint: &str, next| due(reason, fingerprint, next, policy, 10);
        let waits = Due::Settings { settings: &["fetch.max_bytes"] };
        assert_eq!(of(Reason::TooLarge, &is, None), waits);
        assert_eq!(of(Reason::TooLarge, &was, None), Due::NextRun);
        let same = fingerprint(Reason::Http(404), policy);
        assert_eq!(of(Reason::Http(404), &same, Some(11)), Due::At { at: 11 });
        assert_eq!(of(Reason::Http(404), &same, Some(10)), Due::NextRun);
        assert_eq!(of(Reason::Http(404), &same, Some(i64::MAX)), Due::NextRun, "a wrong clock said so");
        assert!(Due::NextRun < Due::At { at: 0 } && Due::At { at: i64::MAX } < waits);
        assert_eq!(Due::NextRun.not_before(12), Due::At { at: 12 });
        assert_eq!(Due::At { at: 13 }.not_before(12), Due::At { at: 13 });
        assert_eq!(waits.not_before(12), waits);
    }

    #[test]
    fn a_setting_reopens_only_what_it_caused() {
        let (media, ladder) = (media::Limits::default(), ladder::Options::default());
        let larger = fetch::Options { max_bytes: 1, ..fetch::Options::default() };
        let changed = |reason| {
            let of = |fetch| fingerprint(reason, Policy { fetch, ladder: &ladder, media: &media });
            of(&fetch::Options::default()) != of(&larger)
        };
        assert!(changed(Reason::TooLarge));
        for reason in [Reason::Timeout, Reason::Bomb, Reason::Dns, Reason::Http(404), Reason::BlockedAddress]
        {
            assert!(!changed(reason), "{reason}");
        }
    }
}
