//! Where an offset stands, for people.

use crate::document::encoding::Encoding;

/// Counts the lines of a document; a line ends in a line feed.
#[derive(Debug)]
pub struct Lines<'a> {
    document: &'a [u8],
    encoding: Encoding,
    /// How far was counted.
    at: usize,
    line: usize,
    /// Where the line that holds `at` starts.
    start: usize,
}

impl<'a> Lines<'a> {
    /// From the first line of `document` on.
    #[must_use]
    pub fn new(document: &'a [u8]) -> Self {
        Self { document, encoding: Encoding::of(document), at: 0, line: 1, start: 0 }
    }

    /// Line and column of the byte at `offset`, both from 1; a column is a byte, in UTF-16 a unit of two. Offsets must
    /// not go down.
    #[must_use]
    pub fn place(&mut self, offset: usize) -> (usize, usize) {
        let (at, passed) = (self.at, self.document.get(self.at..offset).unwrap_or_default());
        for feed in memchr::memchr_iter(b'\n', passed).map(|feed| at + feed) {
            let end = match self.encoding {
                Encoding::Bytes => feed + 1,
                Encoding::Utf16Le if feed % 2 == 0 && self.document.get(feed + 1) == Some(&0) => feed + 2,
                Encoding::Utf16Be if feed % 2 == 1 && self.document[feed - 1] == 0 => feed + 1,
                Encoding::Utf16Le | Encoding::Utf16Be => continue,
            };
            self.line += 1;
            self.start = end;
        }
        self.at = offset.max(at);
        let width = match self.encoding {
            Encoding::Bytes => 1,
            Encoding::Utf16Le | Encoding::Utf16Be => 2,
        };
        (self.line, (offset - self.start) / width + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one() {
        let text = "\u{feff}ab\n\r\nc\u{a0a}\u{a00}\u{e0a}d";
        let places = |document: &[u8], offsets: &[usize]| {
            let mut lines = Lines::new(document);
            offsets.iter().map(|&offset| lines.place(offset)).collect::<Vec<_>>()
        };
        assert_eq!(
            places(text.as_bytes(), &[0, 5, 6, 8, 9, 18]),
            [(1, 1), (1, 6), (2, 1), (3, 1), (3, 2), (3, 11)]
        );
        for encoding in [Encoding::Utf16Le, Encoding::Utf16Be] {
            let document = encoding.write(text.to_owned());
            let expected = [(1, 1), (1, 4), (2, 1), (3, 1), (3, 2), (3, 5)];
            assert_eq!(places(&document, &[0, 6, 8, 12, 14, 20]), expected, "{encoding:?}");
        }
    }
}
