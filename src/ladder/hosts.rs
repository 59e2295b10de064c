//! What is known of hosts: which to leave alone for a while, and how to ask each.
//!
//! Pure. A host that failed several images in a row is left alone (a circuit breaker); so is one that asked
//! for a long pause.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use url::Url;

use crate::fetch::Reason;
use crate::ladder::{Lesson, schedule};

/// So many images in a row that a host did not answer for close it.
const IN_A_ROW: u32 = 5;
/// How long it is left alone the first time.
const FIRST: Duration = Duration::from_secs(600);

/// One host as the catalog remembers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Images in a row that it did not answer for.
    pub failures: u32,
    /// How often in a row it was closed.
    pub closings: u32,
    /// Why it is left alone, and until when in milliseconds since 1970.
    pub closed: Option<(Reason, i64)>,
    /// The manner in which its images were had when the first rung failed.
    pub manner: Option<String>,
}

/// Every host that anything is known of.
#[derive(Debug, Default)]
pub struct Hosts {
    /// By name; by [`place`] where something is known of one port only.
    hosts: BTreeMap<String, Host>,
    /// Those of which something new is known.
    changed: Vec<String>,
}

/// Where `url` is asked: `host:port`. Many a host answers at 80 and not at 443, or the other way round.
#[must_use]
pub fn place(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

/// The host of a [`place`].
#[must_use]
pub fn host_of(place: &str) -> &str {
    place.rsplit_once(':').filter(|_| !place.ends_with(']')).map_or(place, |(host, _)| host)
}

/// Whether `reason` tells that the host does not answer, whatever it is asked for.
#[must_use]
pub fn is_silence(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Dns
            | Reason::Connect
            | Reason::Tls
            | Reason::Timeout
            | Reason::TooSlow
            | Reason::Protocol
            | Reason::Http(429 | 500..)
    )
}

impl Host {
    fn closed_at(&self, now: i64) -> Option<(Reason, i64)> {
        self.closed.filter(|(_, until)| now < *until && !schedule::is_astray(*until, now))
    }

    /// Forgets that it did not answer.
    pub fn open(&mut self) {
        *self = Self { manner: self.manner.take(), ..Self::default() };
    }
}

impl Hosts {
    /// What is remembered.
    #[must_use]
    pub fn new(hosts: HashMap<String, Host>) -> Self {
        Self { hosts: hosts.into_iter().collect(), changed: Vec::new() }
    }

    /// Why `place` is left alone at `now` (milliseconds since 1970), and until when: by itself, or as its whole
    /// host is.
    #[must_use]
    pub fn closed(&self, place: &str, now: i64) -> Option<(Reason, i64)> {
        let closed = |name: &str| self.hosts.get(name).and_then(|host| host.closed_at(now));
        closed(place).into_iter().chain(closed(host_of(place))).max_by_key(|(_, until)| *until)
    }

    /// The same for `host`, be it for one of its ports only.
    #[must_use]
    pub fn closed_anywhere(&self, host: &str, now: i64) -> Option<(Reason, i64)> {
        let places = self.hosts.range(format!("{host}:")..format!("{host};"));
        let all = self.hosts.get(host).into_iter().chain(places.map(|(_, place)| place));
        all.filter_map(|known| known.closed_at(now)).max_by_key(|(_, until)| *until)
    }

    /// The manner in which the images of `host` were had before.
    #[must_use]
    pub fn manner(&self, host: &str) -> Option<&str> {
        self.hosts.get(host)?.manner.as_deref()
    }

    /// `place` answered, be it that it has no such image.
    pub fn answered(&mut self, place: &str) {
        for name in [place, host_of(place)] {
            if let Some(known) = self.hosts.get_mut(name)
                && (known.failures, known.closings, known.closed) != (0, 0, None)
            {
                known.open();
                self.changed.push(name.to_owned());
            }
        }
    }

    /// `place` gave no answer for an image at `now`. Returns until when it is left alone, if that begins here.
    pub fn silent(&mut self, place: &str, reason: Reason, now: i64) -> Option<i64> {
        let host = match reason {
            // That tells of the name, or of whoever answers for it.
            Reason::Dns | Reason::Http(_) => host_of(place),
            _ => place,
        };
        let known = self.hosts.entry(host.to_owned()).or_default();
        known.failures = known.failures.saturating_add(1);
        if known.failures < IN_A_ROW || known.closed_at(now).is_some() {
            return None;
        }
        known.closings = known.closings.saturating_add(1);
        let pause = match known.closings {
            1 => FIRST,
            closings => schedule::pause(reason, closings - 1).unwrap_or(FIRST),
        };
        let until = now.saturating_add(millis(pause));
        // The first image after that decides.
        known.failures = IN_A_ROW - 1;
        known.closed = Some((reason, until));
        self.changed.push(host.to_owned());
        Some(until)
    }

    /// `host` asked to be left alone for `pause`.
    pub fn close(&mut self, host: &str, reason: Reason, pause: Duration, now: i64) {
        let until = now.saturating_add(millis(pause));
        if self.closed(host, now).is_some_and(|(_, known)| known >= until) {
            return;
        }
        let known = self.hosts.entry(host.to_owned()).or_default();
        known.closed = Some((reason, until));
        self.changed.push(host.to_owned());
    }

    /// An image of `host` was had, or not, in a manner that teaches something.
    pub fn learn(&mut self, host: &str, lesson: Lesson) {
        let manner = match lesson {
            Lesson::Nothing => return,
            Lesson::BeginWith(manner) => Some(manner),
            Lesson::Forget => None,
        };
        let known = self.hosts.entry(host.to_owned()).or_default();
        if known.manner != manner {
            known.manner = manner;
            self.changed.push(host.to_owned());
        }
    }

    /// What has to be remembered since the last call, each host once.
    pub fn take_changed(&mut self) -> Vec<(String, Host)> {
        let mut names = std::mem::take(&mut self.changed);
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter_map(|name| self.hosts.get(&name).cloned().map(|host| (name, host))).collect()
    }
}

fn millis(pause: Duration) -> i64 {
    i64::try_from(pause.as_millis()).unwrap_or(i64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_host_is_closed_and_one_image_may_open_it_again() {
        let mut hosts = Hosts::default();
        for _ in 1..IN_A_ROW {
            assert_eq!(hosts.silent("a", Reason::Connect, 0), None);
        }
        assert_eq!(hosts.silent("a", Reason::Timeout, 0), Some(600_000));
        assert_eq!(hosts.closed("a", 599_999), Some((Reason::Timeout, 600_000)));
        assert_eq!(hosts.silent("a", Reason::Timeout, 1), None, "one that was under way");
        assert_eq!((hosts.closed("a", 600_000), hosts.closed("b", 0)), (None, None));
        assert_eq!(hosts.silent("a", Reason::Timeout, 600_000), Some(600_000 + 3_600_000));
        assert_eq!(hosts.take_changed().len(), 1);
        hosts.answered("a");
        assert_eq!(hosts.closed("a", 600_001), None);
        assert_eq!(hosts.take_changed(), [("a".to_owned(), Host::default())]);
        hosts.answered("a");
        assert_eq!(hosts.take_changed(), []);
    }

    #[test]
    fn one_port_is_left_alone_and_the_other_not() {
        let mut hosts = Hosts::default();
        for _ in 0..IN_A_ROW {
            hosts.silent("a:443", Reason::Tls, 0);
        }
        let closed = Some((Reason::Tls, 600_000));
        assert_eq!((hosts.closed("a:443", 1), hosts.closed("a:80", 1)), (closed, None));
        assert_eq!((hosts.closed_anywhere("a", 1), hosts.closed_anywhere("a.b", 1)), (closed, None));
        hosts.answered("a:80");
        assert_eq!(hosts.closed("a:443", 1), closed);
        for _ in 0..IN_A_ROW {
            hosts.silent("a:80", Reason::Http(503), 0);
        }
        assert_eq!(hosts.closed("a:8080", 1), Some((Reason::Http(503), 600_000)), "the whole host");
        hosts.answered("a:443");
        assert_eq!(hosts.closed_anywhere("a", 1), None);
        assert_eq!((host_of("[::1]:80"), host_of("[::1]"), host_of("a")), ("[::1]", "[::1]", "a"));
    }

    #[test]
    fn no_pause_overflows_and_none_outlives_a_wrong_clock() {
        let mut hosts = Hosts::default();
        hosts.close("a", Reason::Http(429), Duration::MAX, i64::MAX / 4);
        assert_eq!(hosts.closed("a", 0), None);
        let day = Duration::from_secs(86_400);
        hosts.close("a", Reason::Http(429), day, 0);
        assert_eq!(hosts.closed("a", 1), Some((Reason::Http(429), 86_400_000)));
        hosts.close("a", Reason::Http(503), day / 2, 0);
        assert_eq!(hosts.closed("a", 1), Some((Reason::Http(429), 86_400_000)), "the longer one counts");
    }

    #[test]
    fn an_answer_in_between_keeps_it_open() {
        let mut hosts = Hosts::default();
        for _ in 0..10 {
            for _ in 1..IN_A_ROW {
                assert_eq!(hosts.silent("a", Reason::Connect, 0), None);
            }
            hosts.answered("a");
        }
    }

    #[test]
    fn manners_are_learned_and_forgotten() {
        let mut hosts = Hosts::default();
        hosts.learn("a", Lesson::BeginWith("proxy p.test".to_owned()));
        hosts.learn("a", Lesson::Nothing);
        assert_eq!(hosts.manner("a"), Some("proxy p.test"));
        hosts.learn("a", Lesson::Forget);
        assert_eq!(hosts.manner("a"), None);
    }
}
