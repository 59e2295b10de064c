//! Which code units a document's text is written in: bytes, or those of UTF-16.
//!
//! Among bytes it makes no difference here which encoding it is, as long as ASCII is written as ASCII.

use std::borrow::Cow;

use memchr::memchr;

use crate::document::span::Span;

/// How text becomes bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// UTF-8, or a legacy encoding that writes ASCII as ASCII.
    #[default]
    Bytes,
    /// UTF-16, the low byte of each unit first.
    Utf16Le,
    /// UTF-16, the high byte of each unit first.
    Utf16Be,
}

/// How much of a document without a byte order mark is looked at. In bytes, and even.
const SAMPLE: usize = 4096;

impl Encoding {
    /// That of a whole document: by its byte order mark, else by where its NUL bytes stand.
    #[must_use]
    pub fn of(document: &[u8]) -> Self {
        match document {
            [0xff, 0xfe, ..] => Self::Utf16Le,
            [0xfe, 0xff, ..] => Self::Utf16Be,
            _ => match &document[..document.len().min(SAMPLE)] {
                sample if memchr(0, sample).is_none() => Self::Bytes,
                sample if Self::Utf16Le.is_likely(sample) => Self::Utf16Le,
                sample if Self::Utf16Be.is_likely(sample) => Self::Utf16Be,
                _ => Self::Bytes,
            },
        }
    }

    /// Whether UTF-16 is what `sample` looks like. ASCII, which all markup is, has a NUL in each of its units; in a
    /// text of bytes a NUL is rare, and stands now in one half of a pair of bytes and now in the other.
    fn is_likely(self, sample: &[u8]) -> bool {
        let is_ascii = |unit: u16| matches!(unit, 0x20..=0x7e | 0x09..=0x0d);
        let (mut units, mut ascii, mut against) = (0_usize, 0_usize, 0_usize);
        for unit in self.units(sample) {
            units += 1;
            ascii += usize::from(is_ascii(unit));
            against += usize::from(unit.trailing_zeros() >= 8);
        }
        let mut first = self.units(sample).take(2);
        let starts_so = units >= 2 && first.all(is_ascii);
        ascii > 2 * against && (starts_so || ascii >= 4 && 4 * ascii >= units)
    }

    fn units(self, bytes: &[u8]) -> impl Iterator<Item = u16> {
        let read = match self {
            Self::Utf16Be => u16::from_be_bytes,
            Self::Bytes | Self::Utf16Le => u16::from_le_bytes,
        };
        bytes.as_chunks().0.iter().map(move |unit| read(*unit))
    }

    /// The text of a document or a part of it, a byte order mark included. What is malformed becomes U+FFFD; half a
    /// unit at the end is left out.
    #[must_use]
    pub fn read(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Bytes => String::from_utf8_lossy(bytes),
            Self::Utf16Le | Self::Utf16Be => {
                let chars = char::decode_utf16(self.units(bytes));
                Cow::Owned(chars.map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
            }
        }
    }

    /// `text` as bytes of a document.
    #[must_use]
    pub fn write(self, text: String) -> Vec<u8> {
        match self {
            Self::Bytes => text.into_bytes(),
            Self::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        }
    }
}

/// From offsets of the text that UTF-16 says to offsets of its bytes. One walk for all spans of a sorted list.
#[derive(Debug)]
pub struct Utf16Offsets<'a> {
    text: &'a [u8],
    at: usize,
    bytes: usize,
}

impl<'a> Utf16Offsets<'a> {
    /// `text` is what [`Encoding::read`] made of the whole document.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0, bytes: 0 }
    }

    /// Where the text of `span` stands in the document; spans come sorted and do not overlap.
    #[must_use]
    pub fn span(&mut self, span: Span) -> Span {
        let start = self.offset(span.start());
        Span::new(start, self.offset(span.end()))
    }

    fn offset(&mut self, offset: usize) -> usize {
        // a character is two bytes there, or four if it is four here
        let bytes = |byte: &u8| match byte {
            0x80..=0xbf => 0,
            0xf0.. => 4,
            _ => 2,
        };
        let passed = self.text.get(self.at..offset).unwrap_or_default();
        self.bytes += passed.iter().map(bytes).sum::<usize>();
        self.at = offset.max(self.at);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UTF_16: [Encoding; 2] = [Encoding::Utf16Le, Encoding::Utf16Be];

    /// ASCII, others, and halves of a character.
    const UNITS: &[u16] = &[0x61, 0x3c, 0xe9, 0x56fe, 0xd83d, 0xde00];

    #[test]
    fn text_in_units_of_two_bytes_is_recognised() {
        for text in [
            "<p>",
            "# 标题\n\n![](//h/a.png)",
            "\u{feff}图",
            "---\ncover: 图\n",
            "<p>图一<p>",
            "图图<p>x</p>图图",
            "\u{feff}",
            "\r\n\t<html>",
            "{}",
        ] {
            for encoding in UTF_16 {
                assert_eq!(Encoding::of(&encoding.write(text.to_owned())), encoding, "{text:?}");
            }
            assert_eq!(Encoding::of(text.as_bytes()), Encoding::Bytes, "{text:?}");
        }
    }

    #[test]
    fn a_nul_makes_no_utf_16() {
        for text in [
            "",
            "\0",
            "a\0",
            "\0a",
            "<p\0>",
            "<img alt=\0 src=a.png>",
            "\0<img src=a.png>",
            "a\0\0b",
            "\0\0\0\0",
            "a\0\0\0b\0\0\0c\0\0\0",
            "a\0b",
        ] {
            assert_eq!(Encoding::of(text.as_bytes()), Encoding::Bytes, "{text:?}");
        }
        for text in ["<p> </p>", "![](//h/a.png)", "some text that is a little longer than the others"] {
            for (one, other) in (0..text.len()).flat_map(|one| (0..text.len()).map(move |other| (one, other)))
            {
                let mut text = text.as_bytes().to_vec();
                (text[one], text[other]) = (0, 0);
                let is_both = |at: usize| text[..4][at] == 0 && text[..4][at + 2] == 0;
                let expected = is_both(0) || is_both(1);
                assert_eq!(Encoding::of(&text) != Encoding::Bytes, expected, "{}", text.escape_ascii());
            }
        }
    }

    #[test]
    fn what_is_malformed_is_read_all_the_same() {
        let lone = [0x61, 0xd83d, 0x62, 0xde00, 0xd83d, 0xde00_u16];
        let bytes: Vec<u8> = lone.into_iter().flat_map(u16::to_le_bytes).chain([0x63]).collect();
        assert_eq!(Encoding::Utf16Le.read(&bytes), "a\u{fffd}b\u{fffd}😀");
    }

    proptest! {
        #[test]
        fn offsets_lead_back(
            units in prop::collection::vec(prop::sample::select(UNITS), 0..30),
            mut cuts in prop::collection::vec(0..31_usize, 4),
        ) {
            for (encoding, to_bytes) in UTF_16.into_iter().zip([u16::to_le_bytes, u16::to_be_bytes]) {
                let bytes: Vec<u8> = units.iter().copied().flat_map(to_bytes).collect();
                let text = encoding.read(&bytes).into_owned();
                cuts.sort_unstable();
                let at = |cut: usize| text.char_indices().nth(cuts[cut]).map_or(text.len(), |(at, _)| at);
                let mut offsets = Utf16Offsets::new(&text);
                for cut in [at(0)..at(1), at(2)..at(3)] {
                    let span = offsets.span(cut.clone().into());
                    prop_assert_eq!(&text[cut], encoding.read(&bytes[span.range()]));
                }
            }
        }

        #[test]
        fn what_is_written_reads_back(text: String) {
            for encoding in [Encoding::Bytes, Encoding::Utf16Le, Encoding::Utf16Be] {
                let bytes = encoding.write(text.clone());
                prop_assert_eq!(encoding.read(&bytes), text.as_str());
            }
        }
    }
}
