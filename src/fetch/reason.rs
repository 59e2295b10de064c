//! Why an image was not had: a closed list of words, the same in reports, logs and the catalog.

use std::fmt;
use std::str::FromStr;

/// One word of the list. Fetching gives those up to [`Self::Encoding`]; the others are for whoever judges
/// the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// An address, or a name, that is not on the public internet.
    BlockedAddress,
    /// A scheme other than http and https.
    BlockedScheme,
    /// A port where no web server is expected.
    BlockedPort,
    /// A URL with credentials, one longer than 8 KiB, or a redirect to no URL at all.
    BlockedUrl,
    /// The name has no address.
    Dns,
    /// No connection, or one lost before the answer began.
    Connect,
    /// No TLS session: certificate, name or protocol.
    Tls,
    /// A limit of time passed: for connecting, between two bytes, or for the whole.
    Timeout,
    /// Bytes came, but fewer a second than the least allowed.
    TooSlow,
    /// An answer with this status where 200 was wanted.
    Http(u16),
    /// More redirects than are followed, or one that leads back.
    RedirectLimit,
    /// More bytes than are allowed.
    TooLarge,
    /// The body ended before its end.
    Truncated,
    /// The answer was no HTTP.
    Protocol,
    /// A content coding that nobody asked for and that cannot be undone.
    Encoding,
    /// The bytes are of no image format.
    NotAnImage,
    /// An image that would take too much memory to decode.
    Bomb,
    /// The bytes are of an image format, but damaged.
    Damaged,
    /// A picture that stands for the image, not the image.
    Placeholder,
    /// An image, and not the one that is to be had again: other bytes.
    Different,
    /// The configuration leaves nobody to ask.
    NoSource,
}

/// The text was not a word of the list.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not a reason")]
pub struct ParseError {
    text: String,
}

/// Every reason with its word, but for `http_<status>`.
const WORDS: [(Reason, &str); 20] = [
    (Reason::BlockedAddress, "blocked_address"),
    (Reason::BlockedScheme, "blocked_scheme"),
    (Reason::BlockedPort, "blocked_port"),
    (Reason::BlockedUrl, "blocked_url"),
    (Reason::Dns, "dns"),
    (Reason::Connect, "connect"),
    (Reason::Tls, "tls"),
    (Reason::Timeout, "timeout"),
    (Reason::TooSlow, "too_slow"),
    (Reason::RedirectLimit, "redirect_limit"),
    (Reason::TooLarge, "too_large"),
    (Reason::Truncated, "truncated"),
    (Reason::Protocol, "protocol"),
    (Reason::Encoding, "encoding"),
    (Reason::NotAnImage, "not_an_image"),
    (Reason::Bomb, "bomb"),
    (Reason::Damaged, "damaged"),
    (Reason::Placeholder, "placeholder"),
    (Reason::Different, "different"),
    (Reason::NoSource, "no_source"),
];

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Http(status) = self {
            return f.pad(&format!("http_{status}"));
        }
        let (_, word) =
            WORDS.iter().find(|(reason, _)| reason == self).expect("every other reason has its word");
        f.pad(word)
    }
}

impl FromStr for Reason {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let status = || {
            let digits = text.strip_prefix("http_").filter(|digits| digits.len() == 3)?;
            digits.parse().ok().filter(|status| (100..1000).contains(status))
        };
        let word = WORDS.iter().find(|(_, word)| *word == text).map(|(reason, _)| *reason);
        word.or_else(|| status().map(Self::Http)).ok_or_else(|| ParseError { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_read_back() {
        for reason in WORDS.map(|(reason, _)| reason).into_iter().chain([Reason::Http(404)]) {
            assert_eq!(reason.to_string().parse(), Ok(reason));
        }
        for text in ["", "http_", "http_7", "http_99999", "http_00725", "http_+72", "Dns", "other"] {
            assert!(text.parse::<Reason>().is_err(), "{text}");
        }
    }
}
