//! Whom to ask for an image: a ladder of sources, climbed until one gives it.
//!
//! Pure: no request is made here. The origin comes first, with one `Referer` after the other where it refuses;
//! then the origin over the other scheme, the proxies that documents used, those of the configuration, and the
//! Wayback Machine at the date of the document.

use jiff::Timestamp;
use url::Url;

use crate::document::referrer::Policy;
use crate::fetch::{self, Reason};

pub mod hosts;
pub mod placeholder;
mod rung;
pub mod schedule;
pub mod wayback;

pub use rung::{Kind, ParseError, Rung, Source};

/// Whom to ask.
#[derive(Clone, Debug)]
pub struct Options {
    /// In this order.
    pub sources: Vec<Kind>,
    /// Templates of proxies to ask, with `{url}` where the percent-encoded origin goes.
    pub proxies: Vec<String>,
    /// The site that the documents are from: told to hosts that refuse those who come from nowhere.
    pub site: Option<Url>,
    /// What counts as a placeholder.
    pub placeholders: placeholder::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sources: vec![Kind::Origin, Kind::Proxy, Kind::Wayback],
            proxies: Vec::new(),
            site: None,
            placeholders: placeholder::Options::default(),
        }
    }
}

/// What a document tells about where its image may be.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// Addresses that documents gave for it, each still wrapped, outermost first.
    pub wrappers: Vec<Url>,
    /// The referrer policy of its element or page.
    pub policy: Option<Policy>,
    /// Where the document is published, or the root of its site.
    pub page: Option<Url>,
    /// When the document was written.
    pub date: Timestamp,
    /// Where the image was had before, by whom.
    pub known: Vec<(Source, Url)>,
}

/// One origin's rungs and how far they have been climbed.
#[derive(Clone, Debug)]
pub struct Ladder {
    origin: Url,
    date: Timestamp,
    rungs: Vec<Rung>,
    at: usize,
    /// URLs that were asked or that a redirect led to.
    asked: Vec<Url>,
    /// Whether the first rung stands there because it helped before.
    by_experience: bool,
    is_public: bool,
    /// Whether proxies may be told of the origin.
    may_ask_proxies: bool,
    /// Whether each failure so far may be one of the whole host rather than of this image.
    is_hosts_fault: bool,
}

/// What a success tells for the next image of the same host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lesson {
    /// Nothing new.
    Nothing,
    /// Begin with the rung of this [manner](Rung::manner).
    BeginWith(String),
    /// Begin at the beginning.
    Forget,
}

impl Ladder {
    /// The rungs for `origin`, no third party being told of one that `guard` would refuse. `experience` is the manner in which its host's images were had before.
    #[must_use]
    pub fn new(
        origin: &Url,
        hints: &Hints,
        options: &Options,
        guard: &fetch::Options,
        experience: Option<&str>,
    ) -> Self {
        let (mut rungs, is_public) = rung::rungs(origin, hints, options, guard);
        let may_ask_proxies = is_public && options.sources.contains(&Kind::Proxy);
        let known = experience.and_then(|manner| rungs.iter().position(|rung| rung.manner(origin) == manner));
        if let Some(known) = known {
            let rung = rungs.remove(known);
            rungs.insert(0, Rung { is_climb: false, ..rung });
        }
        Self {
            origin: origin.clone(),
            date: hints.date,
            rungs,
            at: 0,
            asked: Vec::new(),
            by_experience: known.is_some_and(|known| known > 0),
            is_public,
            may_ask_proxies,
            is_hosts_fault: true,
        }
    }

    /// The rung to ask now; `None` if there is nobody left.
    #[must_use]
    pub fn rung(&self) -> Option<&Rung> {
        self.rungs.get(self.at)
    }

    /// Every rung, those already climbed too.
    #[must_use]
    pub fn rungs(&self) -> &[Rung] {
        &self.rungs
    }

    /// Whether third parties may be told of the origin, as far as its URL says.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.is_public
    }

    /// The present rung gave no image. `passed` are the URLs that it was redirected to.
    pub fn failed(&mut self, reason: Reason, passed: &[Url]) {
        let Some(left) = self.leave(reason, passed) else { return };
        if left.source == Source::Wayback {
            self.step_to_other_captures(&left, reason);
        }
        self.pass_over(&left, reason);
    }

    /// The present rung is not asked, for what is known of it holds still.
    pub fn skip(&mut self, reason: Reason, passed: &[Url]) {
        let Some(left) = self.leave(reason, passed) else { return };
        self.pass_over(&left, reason);
    }

    /// The present rung gave a list of captures: `body`.
    pub fn listed(&mut self, body: &[u8]) {
        let captures = wayback::captures(body, self.date, &self.asked);
        if captures.is_empty() {
            return self.failed(Reason::NotAnImage, &[]);
        }
        self.at += 1;
        self.insert(captures);
    }

    /// Nobody else may be told of the origin.
    pub fn stop(&mut self) {
        self.rungs.truncate(self.at + 1);
        self.at = self.rungs.len();
        self.may_ask_proxies = false;
    }

    /// Other documents know other addresses for it, which are asked last.
    pub fn also_ask(&mut self, wrappers: Vec<Url>) {
        for url in wrappers.into_iter().filter(|_| self.may_ask_proxies) {
            if !self.rungs.iter().any(|rung| rung.url == url) && !self.asked.contains(&url) {
                self.rungs.push(Rung::new(Source::Proxy, url));
            }
        }
    }

    /// What is learned of the origin's host when the present rung gave the image.
    #[must_use]
    pub fn lesson(&self) -> Lesson {
        match self.rung() {
            Some(_) if self.at == 0 => Lesson::Nothing,
            Some(rung) if self.is_hosts_fault && rung.source != Source::Wayback => {
                Lesson::BeginWith(rung.manner(&self.origin))
            }
            _ if self.by_experience => Lesson::Forget,
            _ => Lesson::Nothing,
        }
    }

    /// Whether the present rung is the first because it helped before.
    #[must_use]
    pub fn is_by_experience(&self) -> bool {
        self.by_experience && self.at == 0
    }

    fn leave(&mut self, reason: Reason, passed: &[Url]) -> Option<Rung> {
        let left = self.rungs.get(self.at)?.clone();
        self.at += 1;
        self.asked.push(left.url.clone());
        self.asked.extend_from_slice(passed);
        self.is_hosts_fault &= may_be_the_hosts_fault(reason);
        Some(left)
    }

    /// Goes on to the next rung that may say anything else than `left` did.
    fn pass_over(&mut self, left: &Rung, reason: Reason) {
        while let Some(next) = self.rungs.get(self.at) {
            let worth = match next.url == left.url {
                true => asks_for_another_referer(reason),
                false => !next.is_climb && !self.asked.contains(&next.url),
            };
            if worth {
                break;
            }
            self.at += 1;
        }
    }

    /// A capture that is an error page does not mean that all are; only that there is none ends it.
    fn step_to_other_captures(&mut self, left: &Rung, reason: Reason) {
        let has_list = self.rungs.iter().any(|rung| rung.is_list);
        if left.is_list {
            let ends = wayback::ends(&self.origin);
            self.insert(ends.to_vec());
        } else if !has_list && is_bad_capture(reason) {
            let list = Rung { is_list: true, ..Rung::new(Source::Wayback, wayback::list(&self.origin)) };
            self.rungs.insert(self.at, list);
        }
    }

    fn insert(&mut self, captures: Vec<Url>) {
        let new = captures.into_iter().filter(|url| !self.asked.contains(url));
        let new: Vec<Rung> = new.map(|url| Rung::new(Source::Wayback, url)).collect();
        self.rungs.splice(self.at..self.at, new);
    }
}

impl Rung {
    /// How it asks, apart from which image it asks for: the same words for each image of a host.
    #[must_use]
    pub fn manner(&self, origin: &Url) -> String {
        let root = origin.join("/").ok();
        match (self.source, &self.referer) {
            (Source::Proxy | Source::ConfiguredProxy, _) => format!("{} {}", self.source, self.host()),
            (source, None) => source.to_string(),
            (source, referer) if *referer == root => format!("{source} from its own site"),
            (source, Some(referer)) => format!("{source} from {}", referer.host_str().unwrap_or_default()),
        }
    }
}

/// Whether a failure with `reason` says that the same may be had with another `Referer`.
#[must_use]
pub fn asks_for_another_referer(reason: Reason) -> bool {
    matches!(reason, Reason::Http(401 | 403) | Reason::Placeholder)
}

/// Whether a failure with `reason` may be one of the whole host rather than of one image.
#[must_use]
pub fn may_be_the_hosts_fault(reason: Reason) -> bool {
    hosts::is_silence(reason) || asks_for_another_referer(reason)
}

fn is_bad_capture(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NotAnImage
            | Reason::Truncated
            | Reason::Damaged
            | Reason::Placeholder
            | Reason::Different
            | Reason::Bomb
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTP: &str = "http://a.test/i.png";

    fn ladder(experience: Option<&str>) -> Ladder {
        let hints =
            Hints { wrappers: vec![format!("https://p.test/?{HTTP}").parse().unwrap()], ..Hints::default() };
        Ladder::new(
            &HTTP.parse().unwrap(),
            &hints,
            &Options::default(),
            &fetch::Options::default(),
            experience,
        )
    }

    /// What is asked if every rung fails as `reason` says.
    fn asked(mut ladder: Ladder, reason: impl Fn(&Rung) -> Reason) -> Vec<String> {
        let mut asked = Vec::new();
        while let Some(rung) = ladder.rung() {
            asked.push(rung.manner(&HTTP.parse().unwrap()));
            let reason = reason(rung);
            ladder.failed(reason, &[]);
        }
        asked
    }

    #[test]
    fn other_referers_are_for_refusals() {
        let all = ["origin", "origin from its own site", "origin_https", "proxy p.test", "wayback"];
        assert_eq!(asked(ladder(None), |_| Reason::Http(403)), all);
        let few = ["origin", "origin_https", "proxy p.test", "wayback"];
        assert_eq!(asked(ladder(None), |_| Reason::Http(404)), few);
        assert_eq!(asked(ladder(None), |_| Reason::Connect), few);
    }

    #[test]
    fn a_bad_capture_leads_to_others() {
        let asked = asked(ladder(None), |rung| match rung.source {
            Source::Wayback => Reason::NotAnImage,
            _ => Reason::Http(404),
        });
        assert_eq!(asked[3..], ["wayback"; 4], "the nearest, the list, the first and the last");
        let mut ladder = ladder(None);
        for _ in 0..4 {
            let is_wayback = ladder.rung().unwrap().source == Source::Wayback;
            ladder.failed(if is_wayback { Reason::NotAnImage } else { Reason::Dns }, &[]);
        }
        assert!(ladder.rung().unwrap().is_list);
        ladder.listed(br#"[["t"],["20150101000000","http://a.test/i.png","image/png"]]"#);
        let next = "https://web.archive.org/web/20150101000000id_/http://a.test/i.png";
        assert_eq!(ladder.rung().unwrap().url.as_str(), next);
        ladder.failed(Reason::NotAnImage, &[]);
        assert_eq!(ladder.rung(), None);
    }

    #[test]
    fn where_a_redirect_led_is_not_asked_again() {
        let mut ladder = ladder(None);
        ladder.failed(Reason::Http(404), &["https://a.test/i.png".parse().unwrap()]);
        assert_eq!(ladder.rung().unwrap().source, Source::Proxy);
    }

    #[test]
    fn what_helped_before_comes_first_until_it_fails() {
        let own = "origin from its own site";
        let mut learned = ladder(None);
        assert_eq!(learned.lesson(), Lesson::Nothing);
        learned.failed(Reason::Http(403), &[]);
        assert_eq!(learned.lesson(), Lesson::BeginWith(own.to_owned()));
        let all = [own, "origin", "origin_https", "proxy p.test", "wayback"];
        assert_eq!(asked(ladder(Some(own)), |_| Reason::Http(403)), all);
        let mut learned = ladder(Some("proxy p.test"));
        assert_eq!((learned.lesson(), learned.is_by_experience()), (Lesson::Nothing, true));
        learned.failed(Reason::Http(404), &[]);
        assert!(!learned.is_by_experience());
        assert_eq!(learned.rung().unwrap().manner(&HTTP.parse().unwrap()), "origin");
        assert_eq!(learned.lesson(), Lesson::Forget);
    }

    #[test]
    fn one_missing_image_teaches_nothing() {
        let mut ladder = ladder(None);
        while ladder.rung().unwrap().source != Source::Proxy {
            ladder.failed(Reason::Http(404), &[]);
        }
        assert_eq!(ladder.lesson(), Lesson::Nothing);
    }
}
