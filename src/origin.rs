//! Where an image truly lives.
//!
//! Pure: text in, values out. An [`OriginUrl`] is the address of the image itself; [`proxy`] takes the
//! wrappers off a URL until one is reached. Nothing here asks a server anything, and an origin may well
//! be an address that must not be asked: that is for `fetch` to refuse.

use std::fmt;

use memchr::{memchr, memchr2, memrchr};
use url::Url;

mod canonical;
pub mod proxy;

/// The absolute http(s) address of an image, with nothing around it. Serialised the WHATWG way, so two
/// spellings of one address are equal; the fragment, if there is one, is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OriginUrl(String);

/// Why a text names no origin, or why a table of families cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not a URL by the WHATWG rules.
    #[error("`{text}` is not a URL")]
    Url {
        /// As given, perhaps shortened.
        text: String,
        /// What the parser had against it.
        source: url::ParseError,
    },
    /// The text is relative, and nothing says to what.
    #[error("`{text}` is relative and names no image by itself")]
    Relative {
        /// As given, perhaps shortened.
        text: String,
    },
    /// The text is a URL of another scheme, such as `data:`.
    #[error("`{scheme}:` is not a scheme images are fetched by")]
    Scheme {
        /// Without the colon.
        scheme: String,
    },
    /// The table of proxy families is not TOML of the described form, or has a key that means nothing.
    #[error("the table of proxy families cannot be read")]
    Table {
        /// Says where and what.
        source: Box<toml::de::Error>,
    },
    /// One entry of the table contradicts itself.
    #[error("proxy family `{family}`: {problem}")]
    Family {
        /// The entry's `name`.
        family: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Whether `text` names a host but no scheme. A browser takes a backslash for a slash (URL Standard, section
/// 4.4, relative slash state).
#[must_use]
pub fn is_protocol_relative(text: &str) -> bool {
    matches!(text.as_bytes(), [b'/' | b'\\', b'/' | b'\\', ..])
}

impl OriginUrl {
    /// Parses an absolute http(s) URL. Wrappers are not looked for: that is [`proxy::Families::unwrap`].
    ///
    /// # Errors
    /// `Relative`, `Scheme` or `Url`, as the text deserves.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if canonical::is_canonical(text) {
            return Ok(Self(text.to_owned()));
        }
        match Url::parse(text) {
            Ok(url) => Self::new(url),
            Err(url::ParseError::RelativeUrlWithoutBase) => Err(Error::Relative { text: shorten(text) }),
            Err(source) => Err(Error::Url { text: shorten(text), source }),
        }
    }

    fn new(url: Url) -> Result<Self, Error> {
        match url.scheme() {
            "http" | "https" => Ok(Self(url.into())),
            scheme => Err(Error::Scheme { scheme: scheme.to_owned() }),
        }
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parsed form. Parsed here and now: most origins are only compared and written.
    #[must_use]
    pub fn url(&self) -> Url {
        Url::parse(&self.0).expect("a serialised URL is parsed to itself (WHATWG URL, section 4.5)")
    }

    /// Lower case, without port; an IPv6 address keeps its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let (authority, _) = self.split();
        let host = &authority[memrchr(b'@', authority.as_bytes()).map_or(0, |at| at + 1)..];
        let end = if host.starts_with('[') {
            memchr(b']', host.as_bytes()).map(|bracket| bracket + 1)
        } else {
            memchr(b':', host.as_bytes())
        };
        &host[..end.unwrap_or(host.len())]
    }

    /// From the first slash to the query or fragment, escaped as it is in the address.
    #[must_use]
    pub fn path(&self) -> &str {
        let (_, rest) = self.split();
        &rest[..memchr2(b'?', b'#', rest.as_bytes()).unwrap_or(rest.len())]
    }

    /// What stands between the scheme and the path, and all from there on. A serialised http(s) URL has
    /// a slash there (WHATWG URL, section 4.5).
    fn split(&self) -> (&str, &str) {
        let start = if self.0.starts_with("https") { "https://".len() } else { "http://".len() };
        let rest = &self.0[start..];
        rest.split_at(memchr(b'/', rest.as_bytes()).unwrap_or(rest.len()))
    }
}

impl fmt::Display for OriginUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// URLs are quoted in messages, and some are kilobytes of base64.
fn shorten(text: &str) -> String {
    const MOST: usize = 200;
    if text.chars().nth(MOST).is_none() {
        return text.to_owned();
    }
    text.chars().take(MOST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_http_is_an_origin() {
        let parsed = OriginUrl::parse("HTTPS://Example.ORG:443/a b.png?#x").unwrap();
        assert_eq!(parsed.to_string(), "https://example.org/a%20b.png?#x");
        assert_eq!(parsed.host(), "example.org");
        assert!(matches!(OriginUrl::parse("/a.png"), Err(Error::Relative { .. })));
        assert!(matches!(OriginUrl::parse("data:image/png,"), Err(Error::Scheme { .. })));
        assert!(matches!(OriginUrl::parse("http://"), Err(Error::Url { .. })));
    }

    #[test]
    fn host_and_path_are_what_the_parser_says() {
        for text in [
            "https://example.org/a.png",
            "http://u:p@example.org:8080/a/b?c/d@e:f#g",
            "http://[::1]:80/[x]",
            "http://127.1?x",
            "https://图.example/图",
            "https://example.org",
        ] {
            let origin = OriginUrl::parse(text).unwrap();
            let url = Url::parse(text).unwrap();
            assert_eq!(origin.url(), url);
            assert_eq!((origin.as_str(), Some(origin.host())), (url.as_str(), url.host_str()));
            assert_eq!(origin.path(), url.path());
        }
    }
}
