//! Whom to ask for an image: the rungs of a ladder, to be climbed until one gives it.
//!
//! Pure: URLs in, URLs out.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use url::Url;

use super::guard::Guard;
use super::options::Options;

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
    /// A proxy as the document has it.
    Proxy,
    /// A proxy of the configuration.
    ConfiguredProxy,
    /// The Wayback Machine. [`ladder`] makes no such rung: it takes a date and a look-up.
    Wayback,
}

/// One request that may give the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Whose answer it would be.
    pub source: Source,
    /// What to ask for.
    pub url: Url,
}

/// The text names no source.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not a source")]
pub struct ParseError {
    text: String,
}

/// Put in place of `{url}`: the bytes that a query value keeps.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The rungs for `origin`, in the order to climb them. `layers` are the addresses that documents gave for
/// it, each still wrapped, outermost first.
///
/// An origin that the guard refuses, or would without the operator's exemptions, is nobody else's business:
/// no third party is told of it, not even one that the document names. Whether its name resolves to a
/// private address shows only when it is asked: once that failed with
/// [`is_private`](super::Error::is_private), the other rungs must not be climbed either.
#[must_use]
pub fn ladder(origin: &Url, layers: &[Url], options: &Options) -> Vec<Rung> {
    let strict =
        Guard { deny: options.deny_networks.clone(), ports: options.ports.clone(), ..Guard::default() };
    let public = strict.check_url(origin).is_ok();
    let mut rungs: Vec<Rung> = Vec::new();
    let mut add = |source, url: Url| {
        if !rungs.iter().any(|rung| rung.url == url) {
            rungs.push(Rung { source, url });
        }
    };
    for kind in &options.sources {
        match kind {
            Kind::Origin => {
                add(Source::Origin, origin.clone());
                if let Some(url) = over_https(origin) {
                    add(Source::OriginHttps, url);
                }
            }
            Kind::Proxy if public => {
                layers.iter().for_each(|layer| add(Source::Proxy, layer.clone()));
                let configured = options.proxies.iter().filter_map(|template| filled(template, origin));
                configured.for_each(|url| add(Source::ConfiguredProxy, url));
            }
            Kind::Proxy | Kind::Wayback => {}
        }
    }
    rungs
}

/// The same resource over https, if `url` is http on its default port: elsewhere the port speaks one of the
/// two.
fn over_https(url: &Url) -> Option<Url> {
    let mut secure = url.clone();
    (url.scheme() == "http" && url.port().is_none() && secure.set_scheme("https").is_ok()).then_some(secure)
}

/// Whether `template` makes a URL of any origin.
pub(super) fn is_template(template: &str) -> bool {
    let origin = Url::parse("http://origin.test/").expect("it is a URL");
    template.contains("{url}") && filled(template, &origin).is_some()
}

fn filled(template: &str, origin: &Url) -> Option<Url> {
    let value = utf8_percent_encode(origin.as_str(), VALUE).to_string();
    Url::parse(&template.replace("{url}", &value)).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// Every source with its word.
const WORDS: [(Source, &str); 5] = [
    (Source::Origin, "origin"),
    (Source::OriginHttps, "origin_https"),
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

    const ALL: [Kind; 3] = [Kind::Origin, Kind::Proxy, Kind::Wayback];

    fn check(origin: &str, layers: &[&str], sources: &[Kind], expected: &[(Source, &str)]) {
        let layers: Vec<Url> = layers.iter().map(|layer| layer.parse().unwrap()).collect();
        let proxies = vec!["https://weserv.test/?url={url}".to_owned()];
        let allow_networks = vec!["10.0.0.0/8".parse().unwrap()];
        let options = Options { sources: sources.to_vec(), proxies, allow_networks, ..Options::default() };
        let rungs = ladder(&origin.parse().unwrap(), &layers, &options);
        let got: Vec<_> = rungs.iter().map(|rung| (rung.source, rung.url.as_str())).collect();
        assert_eq!(got, expected, "{origin}");
    }

    #[test]
    fn the_ladder_of_a_wrapped_http_origin() {
        let layers =
            ["https://p.test/?http://q.test/?http://a.test/i.png", "http://q.test/?http://a.test/i.png"];
        let origin = [(Source::Origin, "http://a.test/i.png"), (Source::OriginHttps, "https://a.test/i.png")];
        let proxies = [
            (Source::Proxy, layers[0]),
            (Source::Proxy, layers[1]),
            (Source::ConfiguredProxy, "https://weserv.test/?url=http%3A%2F%2Fa.test%2Fi.png"),
        ];
        check("http://a.test/i.png", &layers, &ALL, &[&origin[..], &proxies[..]].concat());
        check(
            "http://a.test/i.png",
            &layers,
            &[Kind::Proxy, Kind::Origin],
            &[&proxies[..], &origin[..]].concat(),
        );
        check("http://a.test/i.png", &layers, &[Kind::Origin], &origin);
        check("http://a.test/i.png", &layers, &[], &[]);
    }

    #[test]
    fn nothing_is_asked_twice() {
        let origin = "https://a.test:8443/i.png?a=1&b";
        let filled = "https://weserv.test/?url=https%3A%2F%2Fa.test%3A8443%2Fi.png%3Fa%3D1%26b";
        let expected = [(Source::Origin, origin), (Source::ConfiguredProxy, filled)];
        check(origin, &[origin, filled], &[Kind::Origin], &expected[..1]);
        let expected = [(Source::Origin, origin), (Source::Proxy, filled)];
        check(origin, &[origin, filled], &ALL, &expected);
    }

    #[test]
    fn private_origins_are_told_to_nobody() {
        for origin in [
            "https://nas.local/i.png",
            "https://10.0.0.1/i.png",
            "https://u:p@a.test/i.png",
            "https://[::1]/",
        ] {
            let wrapped = format!("https://p.test/?{origin}");
            check(origin, &[&wrapped], &ALL, &[(Source::Origin, origin)]);
        }
    }

    #[test]
    fn templates() {
        for (template, usable) in [
            ("https://weserv.test/?url={url}", true),
            ("http://p.test/{url}/x", true),
            ("https://p.test/", false),
            ("{url}", false),
            ("ftp://p.test/{url}", false),
        ] {
            assert_eq!(is_template(template), usable, "{template}");
        }
    }

    #[test]
    fn each_word_is_read_back() {
        for (source, word) in WORDS {
            assert_eq!((source.to_string().as_str(), word.parse()), (word, Ok(source)));
        }
        assert!("origins".parse::<Source>().is_err());
    }
}
