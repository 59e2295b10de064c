//! Taking one layer of writing off a source.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;

/// How a source is written inside its wrapper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Codec {
    /// Percent escapes, decoded once.
    #[default]
    Percent,
    /// Base64 of either alphabet, with any padding or none.
    Base64,
    /// The same, back to front.
    ReversedBase64,
    /// Pairs of hex digits.
    Hex,
    /// `-2F` for `%2F`.
    Dash,
    /// `-2F` for `%2F` and `_` for `/` (Proofpoint URL Defense, version 2).
    Proofpoint,
}

impl Codec {
    /// The text that was encoded, if `text` is such an encoding of printable text.
    pub(super) fn decode(self, text: &str) -> Option<Cow<'_, str>> {
        match self {
            Self::Percent => Some(percent(text)),
            Self::Base64 => base64(text).map(Cow::Owned),
            Self::ReversedBase64 => base64(&text.chars().rev().collect::<String>()).map(Cow::Owned),
            Self::Hex => hex(text).map(Cow::Owned),
            Self::Dash => Some(Cow::Owned(percent(&text.replace('-', "%")).into_owned())),
            Self::Proofpoint => {
                Some(Cow::Owned(percent(&text.replace('-', "%").replace('_', "/")).into_owned()))
            }
        }
    }
}

/// Decodes percent escapes exactly once, byte by byte (PROXIES section 0, rule 3).
///
/// Only what a URL may hold raw comes out raw. White space, controls and bytes above ASCII stay escaped,
/// as the parser would escape them again or, worse, drop them; what is not UTF-8 keeps its very escapes;
/// a backslash in the path stays escaped, or it would become a slash.
pub(super) fn percent(text: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'%', text.as_bytes()) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..first]);
    let mut in_path = !out.contains('?');
    let mut rest = &text[first..];
    while let Some(next) = rest.chars().next() {
        match escape(rest) {
            Some(byte @ 0x80..) => rest = high_bytes(byte, rest, &mut out),
            Some(byte) => {
                if matches!(byte, b'!'..=b'~') && !(byte == b'\\' && in_path) {
                    in_path &= byte != b'?';
                    out.push(char::from(byte));
                } else {
                    push_escape(byte, &mut out);
                }
                rest = &rest[3..];
            }
            None => {
                in_path &= next != '?';
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    Cow::Owned(out)
}

/// A run of escapes above ASCII: UTF-8 in the usual upper case, anything else untouched.
fn high_bytes<'a>(first: u8, text: &'a str, out: &mut String) -> &'a str {
    let mut run = vec![first];
    while let Some(byte @ 0x80..) = escape(&text[run.len() * 3..]) {
        run.push(byte);
    }
    let mut done = 0;
    for chunk in run.utf8_chunks() {
        for byte in chunk.valid().bytes() {
            push_escape(byte, out);
        }
        done += chunk.valid().len();
        let broken = chunk.invalid().len();
        out.push_str(&text[done * 3..(done + broken) * 3]);
        done += broken;
    }
    &text[run.len() * 3..]
}

fn push_escape(byte: u8, out: &mut String) {
    out.push_str(percent_encoding::percent_encode_byte(byte));
}

/// The byte of the escape that `text` begins with.
fn escape(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [b'%', high, low, ..] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|value| u8::try_from(value).expect("a hex digit is below 16"))
}

fn hex(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for pair in text.as_bytes().chunks(2) {
        let [high, low] = *pair else { return None };
        bytes.push(digit(high)? << 4 | digit(low)?);
    }
    printable(bytes)
}

/// Padding of `=` (perhaps escaped), `~` or `.` may follow; bits left over are forgiven.
pub(super) fn base64(text: &str) -> Option<String> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireNone),
    );
    let text = percent(text);
    let text = text.trim_end_matches(['=', '~', '.']);
    let bytes = if text.contains(['+', '/']) {
        LENIENT.decode(text.replace('+', "-").replace('/', "_"))
    } else {
        LENIENT.decode(text)
    };
    printable(bytes.ok()?)
}

/// A source is text: bytes that hold a control character were no source.
fn printable(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty() && !text.chars().any(char::is_control))
}

/// `&` where an undecoded HTML entity for it stands (PROXIES section 0, rule 8).
pub(super) fn entities(text: &str) -> Cow<'_, str> {
    const AMPERSANDS: [&str; 5] = ["&amp;", "&#38;", "&#038;", "&#x26;", "&#X26;"];
    let begins = |at: usize| AMPERSANDS.iter().any(|entity| text[at..].starts_with(entity));
    if !memchr::memchr_iter(b'&', text.as_bytes()).any(begins) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(index) = rest.find('&') {
        out.push_str(&rest[..=index]);
        rest = &rest[index..];
        let entity = AMPERSANDS.iter().find(|entity| rest.starts_with(**entity));
        rest = &rest[entity.map_or(1, |entity| entity.len())..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_escapes_are_decoded_once() {
        for (text, expected) in [
            ("https%3A%2F%2Fa%2fb", "https://a/b"),
            ("a%252Fb", "a%2Fb"),
            ("a%20b%0Ac", "a%20b%0Ac"),
            ("%e5%9b%be%A3%df", "%E5%9B%BE%A3%df"),
            ("%ZZ%4", "%ZZ%4"),
            ("图%2F", "图/"),
            ("a%5Cb%3Fc=%5Cd", "a%5Cb?c=\\d"),
            ("a+b", "a+b"),
        ] {
            assert_eq!(percent(text), expected, "{text}");
        }
    }

    #[test]
    fn base64_of_every_spelling() {
        for text in ["aHR0cDovL2EvP34_", "aHR0cDovL2EvP34/", "aHR0cDovL2EvP34_~~", "aHR0cDovL2EvP34_%3D"] {
            assert_eq!(base64(text).as_deref(), Some("http://a/?~?"), "{text}");
        }
        assert_eq!(base64("aHR0\u{e9}"), None);
        assert_eq!(base64(""), None);
    }

    #[test]
    fn entities_of_the_ampersand() {
        for (text, expected) in [
            ("?a&amp;b&#38;c&#x26;d", "?a&b&c&d"),
            ("?a&b=&#39;&", "?a&b=&#39;&"),
            ("?a&amp;amp;b", "?a&amp;b"),
        ] {
            assert_eq!(entities(text), expected);
        }
    }
}
