//! Text of the same length for grammars that need text.
//!
//! A document is bytes in some ASCII-compatible encoding, and parsers want UTF-8. A *shadow* is UTF-8 in
//! which each byte stands where it stood, so that offsets hold, and in which no byte of a character acts as
//! markup: in GBK, Big5 and Shift_JIS the second byte of a character may be `\`, `[`, `` ` `` or `|`.
//!
//! What stands in for a character is a letter. A two-byte character becomes a two-byte letter picked by
//! its bytes, so that two labels seldom look alike; a lone byte becomes an ASCII letter.

use std::borrow::Cow;

use crate::document::span::Span;

/// A piece of a document twice: as a grammar may see it, and as it is. Both have one length.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// Decides what is markup.
    pub seen: &'a [u8],
    /// Decides what it says.
    pub raw: &'a [u8],
}

impl<'a> Text<'a> {
    /// Text that is its own shadow.
    #[must_use]
    pub fn of(raw: &'a [u8]) -> Self {
        Self { seen: raw, raw }
    }

    /// The part that `span` covers.
    #[must_use]
    pub fn slice(self, span: Span) -> Self {
        Self { seen: &self.seen[span.range()], raw: &self.raw[span.range()] }
    }

    /// What the text says, runs of it replaced: `replace` looks at what is left of `seen` and answers how
    /// many bytes of it mean something else, and what; or `None` where a byte means itself.
    #[must_use]
    pub fn decode(self, marks: &[u8], replace: impl Fn(&[u8]) -> Option<(usize, String)>) -> String {
        let (mut out, mut copied, mut at) = (Vec::new(), 0, 0);
        let next_mark = |seen: &[u8]| match marks {
            [] => None,
            [mark] => memchr::memchr(*mark, seen),
            _ => seen.iter().position(|byte| marks.contains(byte)),
        };
        while let Some(next) = next_mark(&self.seen[at..]) {
            at += next;
            match replace(&self.seen[at..]) {
                Some((len, text)) => {
                    out.extend_from_slice(&self.raw[copied..at]);
                    out.extend_from_slice(text.as_bytes());
                    at += len;
                    copied = at;
                }
                None => at += 1,
            }
        }
        if copied == 0 {
            return url_text(self.raw);
        }
        out.extend_from_slice(&self.raw[copied..]);
        url_text(&out)
    }
}

/// UTF-8 as it is, and each other byte percent-encoded: what a URL parser makes of it either way, and
/// what a server that stores names in the document's own encoding expects.
#[must_use]
pub fn url_text(raw: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(raw) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(raw.len());
    for chunk in raw.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The shadow of a part of `document`; UTF-8 is its own. The whole document tells the encoding. A lone CR is
/// a line feed, since parsers differ on it.
#[must_use]
pub fn utf8(document: &[u8], part: Span) -> Cow<'_, str> {
    let bytes = &document[part.range()];
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(match Encoding::guess(document) {
            Encoding::DamagedUtf8 => of_damaged(bytes),
            Encoding::OneByte => bytes.iter().map(|&byte| letter(byte)).collect(),
            Encoding::TwoBytes => of_pairs(bytes),
        }),
    };
    let is_lone = |at| bytes.get(at + 1) != Some(&b'\n');
    if memchr::memchr_iter(b'\r', bytes).any(is_lone) { Cow::Owned(with_line_feeds(&text)) } else { text }
}

/// A shadow in ASCII, for parsers that count characters: one character a byte. NUL, which ends the text for
/// some of them, is a letter too.
#[must_use]
pub fn ascii(document: &[u8], part: Span) -> Cow<'_, str> {
    let text = utf8(document, part);
    let plain = |byte: u8| byte.is_ascii() && byte != 0;
    if text.bytes().all(plain) {
        return text;
    }
    let bytes = text.bytes().map(|byte| if plain(byte) { byte } else { b'x' }).collect();
    Cow::Owned(String::from_utf8(bytes).expect("each byte is ASCII"))
}

/// What bytes that are not UTF-8 may be. Which encoding exactly makes no difference here.
#[derive(Debug, PartialEq, Eq)]
enum Encoding {
    /// UTF-8 cut or pasted in the middle of characters.
    DamagedUtf8,
    /// Latin-1, windows-125x, KOI8: each byte a character.
    OneByte,
    /// GBK, GB18030, Big5, Shift_JIS, EUC: a byte from 0x81 takes the next one with it.
    TwoBytes,
}

impl Encoding {
    fn guess(bytes: &[u8]) -> Self {
        let (mut good, mut stray) = (0, 0);
        for chunk in bytes.utf8_chunks() {
            good += chunk.valid().bytes().filter(|byte| !byte.is_ascii()).count();
            stray += chunk.invalid().len();
        }
        if good > 2 * stray {
            return Self::DamagedUtf8;
        }
        // In two-byte text a lead byte never stands before a space or an ASCII sign, and second bytes are
        // spread over all their range. In one-byte text an accented letter stands before small letters,
        // spaces and signs, and before markup at the end of a word.
        let (mut one, mut two) = (0, 0);
        let mut rest = bytes;
        while let Some(lead) = rest.iter().position(|byte| !byte.is_ascii()) {
            match rest.get(lead + 1) {
                None | Some(0..0x30 | 0x3A..0x40 | 0x7F) => one += 16,
                Some(b'a'..=b'z' | b'[' | b']') => one += 1,
                Some(_) => two += 1,
            }
            rest = rest.get(lead + 2..).unwrap_or_default();
        }
        if two > one { Self::TwoBytes } else { Self::OneByte }
    }
}

fn of_damaged(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|&byte| letter(byte)));
    }
    out
}

fn of_pairs(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&lead) = bytes.get(at) {
        match bytes.get(at + 1) {
            Some(&second @ (0x40..=0x7E | 0x80..)) if !lead.is_ascii() => {
                out.push(pair(lead, second));
                at += 2;
            }
            _ => {
                out.push(letter(lead));
                at += 1;
            }
        }
    }
    out
}

fn with_line_feeds(text: &str) -> String {
    let mut chars = text.chars().peekable();
    let mut out = String::with_capacity(text.len());
    while let Some(char) = chars.next() {
        let is_lone = char == '\r' && chars.peek() != Some(&'\n');
        out.push(if is_lone { '\n' } else { char });
    }
    out
}

fn letter(byte: u8) -> char {
    if byte.is_ascii() { char::from(byte) } else { char::from(b'a' + byte % 26) }
}

/// One of the letters U+074D to U+07A5: two bytes of UTF-8 each, and none has another case.
fn pair(lead: u8, second: u8) -> char {
    let pick = (u32::from(lead) * 31 + u32::from(second)) % (0x7A6 - 0x74D);
    char::from_u32(0x74D + pick).expect("the range holds no surrogate")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn encodings_are_told_apart() {
        let check = |bytes: &[u8], expected| {
            assert_eq!(Encoding::guess(bytes), expected, "{}", bytes.escape_ascii());
        };
        check("图片\u{fffd}".as_bytes().split_last().unwrap().1, Encoding::DamagedUtf8);
        check(b"![caf\xe9](x.png)", Encoding::OneByte);
        check(b"\xe9t\xe9 \xe0 la mer, d\xe9j\xe0 vu", Encoding::OneByte);
        check(
            b"![\xd1\xeb\xee\xe2\xee](x.png) \xd1\xeb\xee\xe2\xee, \xd1\xeb\xee\xe2\xee",
            Encoding::OneByte,
        );
        check(b"![\x95\x5c](x.png)", Encoding::TwoBytes);
        check(b"\xb3\x5c\xa5\x5c\xbb\x5b \xa4\xa4\xa4\xe5", Encoding::TwoBytes);
        check(b"\xcd\xbc\xc6\xac\xb2\xe2\xca\xd4\x81\x5b", Encoding::TwoBytes);
    }

    fn whole(bytes: &[u8]) -> Span {
        Span::new(0, bytes.len())
    }

    #[test]
    fn second_bytes_are_not_markup() {
        let seen = |bytes| utf8(bytes, whole(bytes)).into_owned();
        let plain = |bytes| ascii(bytes, whole(bytes)).into_owned();
        assert!(!seen(b"\x95\x5c\x83\x5b\x83\x60 [x]").contains(['\\', '`']));
        assert_eq!(seen(b"\x95\x5c [x]").matches('[').count(), 1);
        assert_eq!(plain("a图\0\rb\r\n".as_bytes()), "axxxx\nb\r\n");
    }

    proptest! {
        #[test]
        fn every_byte_stands_where_it_stood(bytes: Vec<u8>) {
            prop_assert_eq!(utf8(&bytes, whole(&bytes)).len(), bytes.len());
            let ascii = ascii(&bytes, whole(&bytes));
            prop_assert_eq!(ascii.len(), bytes.len());
            prop_assert!(ascii.is_ascii());
        }
    }
}
