//! The rungs of one origin's ladder, in the order to climb them.
//!
//! Pure: URLs in, URLs out.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use url::Url;

use super::{Hints, Options, hosts, wayback};
use crate::fetch;
use crate::fetch::guard::Guard;

/// One word of `fetch.sources`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The server that the image is from.
    Origin,
    /// The proxies that documents asked, then the configured ones.
    Proxy,
    /// The Wayback Machine.
    Wayback,
}

/// Which rung gave the bytes, as the catalog remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The origin as the document has it.
    Origin,
    /// The origin over https, where the document says http.
    OriginHttps,
    /// The origin over http, where the document says https.
    OriginHttp,
    /// A proxy as the document has it.
    Proxy,
    /// A proxy of the configuration.
    ConfiguredProxy,
    /// The Wayback Machine.
    Wayback,
}

impl Source {
    /// The word of `fetch.sources` that stands for it.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Origin | Self::OriginHttps | Self::OriginHttp => Kind::Origin,
            Self::Proxy | Self::ConfiguredProxy => Kind::Proxy,
            Self::Wayback => Kind::Wayback,
        }
    }
}

/// One request that may give the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Whose answer it would be.
    pub source: Source,
    /// What to ask for.
    pub url: Url,
    /// What to send as `Referer`.
    pub referer: Option<Url>,
    /// Whether it differs from the rung before only in its `Referer`: it is worth a request only if that
    /// one was refused.
    pub is_climb: bool,
    /// Whether the answer is a list of captures rather than the image.
    pub is_list: bool,
}

impl Rung {
    pub(super) fn new(source: Source, url: Url) -> Self {
        Self { source, url, referer: None, is_climb: false, is_list: false }
    }

    /// Whom it asks.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The host with its port: it may answer at one and not at the other.
    #[must_use]
    pub fn place(&self) -> String {
        hosts::place(&self.url)
    }
}

/// The text names no source.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not a source")]
pub struct ParseError {
    text: String,
}

/// Put in place of `{url}`: the bytes that a query value keeps.
pub(super) const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The rungs for `origin`, each once; and whether it is public.
///
/// An origin that the guard refuses, or would without the operator's exemptions, is nobody else's business:
/// no third party is told of it, not even one that the document names. Whether its name resolves to a
/// private address shows only when it is asked: once that failed with
/// [`is_private`](crate::fetch::Error::is_private), the other rungs must not be climbed either.
pub(super) fn rungs(
    origin: &Url,
    hints: &Hints,
    options: &Options,
    guard: &fetch::Options,
) -> (Vec<Rung>, bool) {
    let strict = Guard { deny: guard.deny_networks.clone(), ports: guard.ports.clone(), ..Guard::default() };
    let public = strict.check_url(origin).is_ok();
    let mut rungs: Vec<Rung> = Vec::new();
    let mut add = |rung: Rung| {
        if !rungs
            .iter()
            .any(|known| known.url == rung.url && (known.referer == rung.referer || !rung.is_climb))
        {
            rungs.push(rung);
        }
    };
    for kind in &options.sources {
        // A third party that gave the image once is asked at the same place before others.
        let known = hints.known.iter().filter(|(source, _)| source.kind() == *kind);
        let known = known.map(|(source, url)| Rung::new(*source, url.clone()));
        match kind {
            Kind::Origin => {
                for (index, referer) in referers(origin, hints, options.site.as_ref()).into_iter().enumerate()
                {
                    let rung = Rung::new(Source::Origin, origin.clone());
                    add(Rung { referer, is_climb: index > 0, ..rung });
                }
                other_scheme(origin).into_iter().chain(known).for_each(&mut add);
            }
            Kind::Proxy if public => {
                known.for_each(&mut add);
                let written = hints.wrappers.iter().cloned().map(|url| Rung::new(Source::Proxy, url));
                written.for_each(&mut add);
                let configured = options.proxies.iter().filter_map(|template| filled(template, origin));
                configured.map(|url| Rung::new(Source::ConfiguredProxy, url)).for_each(&mut add);
            }
            Kind::Wayback if public => {
                known.for_each(&mut add);
                add(Rung::new(Source::Wayback, wayback::capture_near(hints.date, origin)));
            }
            Kind::Proxy | Kind::Wayback => {}
        }
    }
    (rungs, public)
}

/// What to send as `Referer`, each once and the likeliest first: what the element asks for, nothing, the
/// origin's own site, the document's page.
fn referers(origin: &Url, hints: &Hints, site: Option<&Url>) -> Vec<Option<Url>> {
    let mut referers = Vec::with_capacity(4);
    let page = hints.page.as_ref().or(site);
    if let Some(policy) = hints.policy {
        referers.push(page.and_then(|page| policy.referer(page, origin)));
    }
    referers.extend([None, origin.join("/").ok(), page.cloned()]);
    let mut seen = Vec::new();
    referers.retain(|referer| {
        let is_new = !seen.contains(referer);
        seen.push(referer.clone());
        is_new
    });
    referers
}

/// The same resource over https for http and the other way round, if `url` is on its default port: elsewhere
/// the port speaks one of the two.
fn other_scheme(url: &Url) -> Option<Rung> {
    let (scheme, source) = match url.scheme() {
        "http" => ("https", Source::OriginHttps),
        _ => ("http", Source::OriginHttp),
    };
    let mut other = url.clone();
    (url.port().is_none() && other.set_scheme(scheme).is_ok()).then(|| Rung::new(source, other))
}

fn filled(template: &str, origin: &Url) -> Option<Url> {
    let value = utf8_percent_encode(origin.as_str(), VALUE).to_string();
    Url::parse(&template.replace("{url}", &value)).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// Every source with its word.
const WORDS: [(Source, &str); 6] = [
    (Source::Origin, "origin"),
    (Source::OriginHttps, "origin_https"),
    (Source::OriginHttp, "origin_http"),
    (Source::Proxy, "proxy"),
    (Source::ConfiguredProxy, "configured_proxy"),
    (Source::Wayback, "wayback"),
];

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, word) = WORDS.iter().find(|(source, _)| source == self).expect("every source has its word");
        f.pad(word)
    }
}

impl FromStr for Source {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = WORDS.iter().find(|(_, word)| *word == text).map(|(source, _)| *source);
        found.ok_or_else(|| ParseError { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::referrer::Policy;

    const ALL: [Kind; 3] = [Kind::Origin, Kind::Proxy, Kind::Wayback];

    fn shown(rungs: &[Rung]) -> Vec<String> {
        let shown = |rung: &Rung| {
            let referer = rung.referer.as_ref().map(|referer| format!(" from {referer}")).unwrap_or_default();
            format!("{} {}{referer}", rung.source, rung.url)
        };
        rungs.iter().map(shown).collect()
    }

    fn check(origin: &str, layers: &[&str], sources: &[Kind], expected: &[&str]) {
        let hints = Hints {
            wrappers: layers.iter().map(|layer| layer.parse().unwrap()).collect(),
            date: "2016-05-04T03:02:01Z".parse().unwrap(),
            ..Hints::default()
        };
        let proxies = vec!["https://weserv.test/?url={url}".to_owned()];
        let allow_networks = vec!["10.0.0.0/8".parse().unwrap()];
        let options = Options { sources: sources.to_vec(), proxies, ..Options::default() };
        let guard = fetch::Options { allow_networks, ..fetch::Options::default() };
        let (rungs, _) = rungs(&origin.parse().unwrap(), &hints, &options, &guard);
        assert_eq!(shown(&rungs), expected, "{origin}");
    }

    #[test]
    fn the_ladder_of_a_wrapped_http_origin() {
        let layers =
            ["https://p.test/?http://q.test/?http://a.test/i.png", "http://q.test/?http://a.test/i.png"];
        let origin = [
            "origin http://a.test/i.png",
            "origin http://a.test/i.png from http://a.test/",
            "origin_https https://a.test/i.png",
        ];
        let proxies = [
            "proxy https://p.test/?http://q.test/?http://a.test/i.png",
            "proxy http://q.test/?http://a.test/i.png",
            "configured_proxy https://weserv.test/?url=http%3A%2F%2Fa.test%2Fi.png",
        ];
        let wayback = ["wayback https://web.archive.org/web/20160504030201id_/http://a.test/i.png"];
        check("http://a.test/i.png", &layers, &ALL, &[&origin[..], &proxies, &wayback].concat());
        check(
            "http://a.test/i.png",
            &layers,
            &[Kind::Proxy, Kind::Origin],
            &[&proxies[..], &origin].concat(),
        );
        check("http://a.test/i.png", &layers, &[Kind::Origin], &origin);
        check("http://a.test/i.png", &layers, &[], &[]);
    }

    #[test]
    fn nothing_is_asked_twice() {
        let origin = "https://a.test:8443/i.png?a=1&b";
        let filled = "https://weserv.test/?url=https%3A%2F%2Fa.test%3A8443%2Fi.png%3Fa%3D1%26b";
        let own = [
            "origin https://a.test:8443/i.png?a=1&b",
            "origin https://a.test:8443/i.png?a=1&b from https://a.test:8443/",
        ];
        check(origin, &[origin, filled], &[Kind::Origin], &own);
        let proxy = format!("proxy {filled}");
        check(origin, &[origin, filled], &[Kind::Origin, Kind::Proxy], &[&own[..], &[&proxy]].concat());
    }

    #[test]
    fn who_gave_it_before_is_asked_at_the_same_place_before_other_third_parties() {
        let origin: Url = "http://a.test:8443/i.png".parse().unwrap();
        let capture: Url = "https://web.archive.org/web/2015id_/http://a.test:8443/i.png".parse().unwrap();
        let proxy: Url = "https://p.test/?http://a.test:8443/i.png".parse().unwrap();
        let known = vec![(Source::Wayback, capture.clone()), (Source::ConfiguredProxy, proxy.clone())];
        let wrappers = vec!["https://q.test/?http://a.test:8443/i.png".parse().unwrap(), proxy.clone()];
        let hints = Hints { known, wrappers, ..Hints::default() };
        let rungs = |sources: &[Kind]| {
            let options = Options { sources: sources.to_vec(), ..Options::default() };
            rungs(&origin, &hints, &options, &fetch::Options::default()).0
        };
        let third: Vec<_> =
            rungs(&ALL).into_iter().filter(|rung| rung.source.kind() != Kind::Origin).collect();
        assert_eq!((third[0].source, &third[0].url), (Source::ConfiguredProxy, &proxy));
        assert_eq!((third[2].source, &third[2].url), (Source::Wayback, &capture));
        assert_eq!(third.len(), 4, "none twice");
        // who must not be asked at all is not asked there either
        assert!(rungs(&[Kind::Origin]).iter().all(|rung| rung.source == Source::Origin));
    }

    #[test]
    fn private_origins_are_told_to_nobody() {
        for origin in ["https://nas.local:81/i.png", "https://10.0.0.1:81/i.png", "https://[::1]:81/"] {
            let wrapped = format!("https://p.test/?{origin}");
            let root = origin.replace("i.png", "");
            let own = [format!("origin {origin}"), format!("origin {origin} from {root}")];
            check(origin, &[&wrapped], &ALL, &[own[0].as_str(), &own[1]]);
        }
    }

    #[test]
    fn the_referer_that_the_element_asks_for_comes_first() {
        let origin = "http://a.test:81/i.png".parse().unwrap();
        let page: Url = "http://blog.test/2016/post/".parse().unwrap();
        let options = Options { sources: vec![Kind::Origin], ..Options::default() };
        let check = |policy: Option<Policy>, expected: &[&str]| {
            let hints = Hints { policy, page: Some(page.clone()), ..Hints::default() };
            let (rungs, _) = rungs(&origin, &hints, &options, &fetch::Options::default());
            let referers: Vec<_> = rungs
                .iter()
                .map(|rung| rung.referer.as_ref().map_or_else(String::new, Url::to_string))
                .collect();
            assert_eq!(referers, expected);
        };
        let (own, page) = ("http://a.test:81/", "http://blog.test/2016/post/");
        check(None, &["", own, page]);
        check(Some(Policy::NoReferrer), &["", own, page]);
        check(Some(Policy::Origin), &["http://blog.test/", "", own, page]);
        check(Some(Policy::UnsafeUrl), &[page, "", own]);
        check(Some(Policy::SameOrigin), &["", own, page]);
    }

    #[test]
    fn each_word_is_read_back() {
        for (source, word) in WORDS {
            assert_eq!((source.to_string().as_str(), word.parse()), (word, Ok(source)));
        }
        assert!("origins".parse::<Source>().is_err());
    }
}
