//! Where an image truly lives.
//!
//! Pure: text in, values out. An [`OriginUrl`] is the address of the image itself; [`proxy`] takes the
//! wrappers off a URL until one is reached. Nothing here asks a server anything, and an origin may well
//! be an address that must not be asked: that is for `fetch` to refuse.

use std::fmt;

use url::Url;

pub mod proxy;

/// The absolute http(s) address of an image, with nothing around it. Serialised the WHATWG way, so two
/// spellings of one address are equal; the fragment, if there is one, is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OriginUrl(Url);

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

impl OriginUrl {
    /// Parses an absolute http(s) URL. Wrappers are not looked for: that is [`proxy::Families::unwrap`].
    ///
    /// # Errors
    /// `Relative`, `Scheme` or `Url`, as the text deserves.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match Url::parse(text) {
            Ok(url) => Self::new(url),
            Err(url::ParseError::RelativeUrlWithoutBase) => Err(Error::Relative { text: shorten(text) }),
            Err(source) => Err(Error::Url { text: shorten(text), source }),
        }
    }

    fn new(url: Url) -> Result<Self, Error> {
        match url.scheme() {
            "http" | "https" => Ok(Self(url)),
            scheme => Err(Error::Scheme { scheme: scheme.to_owned() }),
        }
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The parsed form.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Lower case, without port; an IPv6 address keeps its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().expect("an http(s) URL has a host (WHATWG URL, section 4.4)")
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
}
