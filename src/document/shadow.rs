//! Text of the same length for grammars that need text.
//!
//! A document is bytes in some ASCII-compatible encoding, and parsers want UTF-8. A *shadow* is UTF-8 in
//! which each byte stands where it stood, so that offsets hold, and in which no byte of a character acts as
//! markup: in GBK, Big5 and Shift_JIS the second byte of a character may be `\`, `[`, `` ` `` or `|`.
//!
//! What stands in for a character is a letter. A two-byte character becomes a two-byte letter picked by
//! its bytes, so that two labels seldom look alike; a lone byte becomes an ASCII letter.

use std::borrow::Cow;
use std::ops::Range;

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
                    self.copy(copied..at, &mut out);
                    out.extend_from_slice(text.as_bytes());
                    at += len;
                    copied = at;
                }
                None => at += 1,
            }
        }
        self.copy(copied..self.raw.len(), &mut out);
        url_text(out)
    }

    /// Adds what stands in `range`, hidden signs percent-encoded.
    fn copy(self, range: Range<usize>, out: &mut Vec<u8>) {
        let mut at = range.start;
        for sign in self.hidden_signs(range.clone()) {
            out.extend_from_slice(&self.raw[at..sign]);
            out.extend_from_slice(format!("%{:02X}", self.raw[sign]).as_bytes());
            at = sign + 1;
        }
        out.extend_from_slice(&self.raw[at..range.end]);
    }

    /// Where in `range` a sign that means something to URLs or grammars is but the second byte of a character.
    pub fn hidden_signs(self, range: Range<usize>) -> impl Iterator<Item = usize> + 'a {
        let signs = memchr::memchr3_iter(b'\\', b'{', b'}', &self.raw[range.clone()]);
        signs.map(move |at| range.start + at).filter(move |&at| self.seen[at] != self.raw[at])
    }
}

/// UTF-8 as it is, and each other byte percent-encoded: what a URL parser makes of it either way, and
/// what a server that stores names in the document's own encoding expects.
fn url_text(raw: Vec<u8>) -> String {
    let raw = match String::from_utf8(raw) {
        Ok(text) => return text,
        Err(error) => error.into_bytes(),
    };
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
        Err(_) => Cow::Owned(match Legacy::guess(document) {
            Legacy::DamagedUtf8 => of_damaged(bytes),
            Legacy::OneByte => bytes.iter().map(|&byte| letter(byte)).collect(),
            Legacy::TwoBytes => of_pairs(bytes, |byte| !byte.is_ascii()),
            Legacy::ShiftJis => of_pairs(bytes, is_shift_jis_lead),
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
enum Legacy {
    /// UTF-8 cut or pasted in the middle of characters.
    DamagedUtf8,
    /// Latin-1, windows-125x, KOI8: each byte a character.
    OneByte,
    /// GBK, GB18030, Big5, EUC: a byte from 0x81 takes the next one with it.
    TwoBytes,
    /// The same, but 0xA1 to 0xDF are characters of one byte.
    ShiftJis,
}

impl Legacy {
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
        match two > one {
            true if is_shift_jis(bytes) => Self::ShiftJis,
            true => Self::TwoBytes,
            false => Self::OneByte,
        }
    }
}

/// Whether three in four characters start with 0x81 to 0x9F: kana and the commoner half of the kanji in
/// Shift_JIS, and next to nothing in the others.
fn is_shift_jis(bytes: &[u8]) -> bool {
    let (mut low, mut all) = (0_usize, 0_usize);
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| !byte.is_ascii()) {
        low += usize::from(rest[at] <= 0x9f);
        all += 1;
        let len = if is_shift_jis_lead(rest[at]) { 2 } else { 1 };
        rest = rest.get(at + len..).unwrap_or_default();
    }
    4 * low > 3 * all
}

fn is_shift_jis_lead(byte: u8) -> bool {
    matches!(byte, 0x81..=0x9f | 0xe0..=0xfc)
}

fn of_damaged(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|&byte| letter(byte)));
    }
    out
}

fn of_pairs(bytes: &[u8], is_lead: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&lead) = bytes.get(at) {
        match bytes.get(at + 1) {
            Some(&second @ (0x40..=0x7E | 0x80..=0xFE)) if is_lead(lead) => {
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
            assert_eq!(Legacy::guess(bytes), expected, "{}", bytes.escape_ascii());
        };
        check("图片\u{fffd}".as_bytes().split_last().unwrap().1, Legacy::DamagedUtf8);
        check(b"![caf\xe9](x.png)", Legacy::OneByte);
        check(b"\xe9t\xe9 \xe0 la mer, d\xe9j\xe0 vu", Legacy::OneByte);
        check(b"![\xd1\xeb\xee\xe2\xee](x.png) \xd1\xeb\xee\xe2\xee, \xd1\xeb\xee\xe2\xee", Legacy::OneByte);
        check(b"![\x95\x5c](x.png)", Legacy::ShiftJis);
        check(b"\xc3\x83\x5c\x83\x67 \x93\xfa\x96\x7b\x8c\xea", Legacy::ShiftJis);
        check(b"\xb1\xd7\xb8\xb2 \xc0\xcc\xb9\xcc\xc1\xf6", Legacy::TwoBytes);
        check(b"\xb3\x5c\xa5\x5c\xbb\x5b \xa4\xa4\xa4\xe5", Legacy::TwoBytes);
        check(b"\xcd\xbc\xc6\xac\xb2\xe2\xca\xd4\x81\x5b", Legacy::TwoBytes);
    }

    fn whole(bytes: &[u8]) -> Span {
        Span::new(0, bytes.len())
    }

    #[test]
    fn second_bytes_are_not_markup() {
        let seen = |bytes| utf8(bytes, whole(bytes)).into_owned();
        let plain = |bytes| ascii(bytes, whole(bytes)).into_owned();
        assert!(!seen(b"\x95\x5c\x83\x5b\x83\x60 [x]").contains(['\\', '`']));
        assert_eq!(
            seen(b"\xc3\x83\x5c\x93\xfa\x96\x7b\x8c\xea\\").matches('\\').count(),
            1,
            "half-width kana come alone"
        );
        assert_eq!(seen(b"\x95\x5c [x]").matches('[').count(), 1);
        assert_eq!(plain("a图\0\rb\r\n".as_bytes()), "axxxx\nb\r\n");
    }

    #[test]
    fn a_second_byte_is_no_sign_of_a_url() {
        let check = |bytes: &[u8], expected: &str| {
            let shadow = utf8(bytes, whole(bytes));
            let text = Text { seen: shadow.as_bytes(), raw: bytes };
            assert_eq!(text.decode(b"\\", |_| Some((1, "!".to_owned()))), expected);
        };
        check(b"/\x95\x5c\x83\x7b\\x", "/%95%5C%83%7B!x");
        check(b"/\xa4\xc5\xb3\x5c\xa5\xa4\\x", "/%A4\u{173}%5C%A5%A4!x");
        check("/图\\{}".as_bytes(), "/图!{}");
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
