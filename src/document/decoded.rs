//! Decoded text in which every place still knows where it stands in the text it was decoded from.
//!
//! URLs stand in layers: a URL in CSS in an attribute in a document. Each layer decodes the text of the
//! one around it and keeps a map back, so a span found in the innermost text becomes a span of the bytes.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr2_iter, memchr3, memchr3_iter};

use crate::document::escape::Escapes;
use crate::document::reference::{Reference, ReferenceKind};
use crate::document::shadow::{self, Text};
use crate::document::span::Span;

/// Text, and the way back from it. Offsets are bytes, in the text as in its source.
#[derive(Debug)]
pub struct Decoded<'a> {
    text: Cow<'a, str>,
    /// In order of both offsets; none if the text is its source from `source` on.
    pieces: Vec<Piece>,
    source: Span,
}

/// A stretch of decoded text that goes on until the next piece.
#[derive(Clone, Copy, Debug)]
struct Piece {
    at: usize,
    source: usize,
    /// Whether each byte of it is a byte of the source; if not, it stands for its source as a whole.
    verbatim: bool,
}

impl<'a> Decoded<'a> {
    /// `text` as it stands from `source` on, nothing to decode.
    #[must_use]
    pub fn verbatim(text: &'a str, source: usize) -> Self {
        let source = Span::new(source, source + text.len());
        Self { text: Cow::Borrowed(text), pieces: Vec::new(), source }
    }

    /// The bytes of `span`, with no grammar but that of [`Builder::copy_bytes`].
    #[must_use]
    pub fn bytes(bytes: &'a [u8], span: Span) -> Self {
        let bytes = &bytes[span.range()];
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Self::verbatim(text, span.start());
        }
        let mut builder = Builder::default();
        builder.copy_bytes(bytes, span.start());
        builder.finish(span)
    }

    /// The same for a part of a text of which it is known what is a character.
    #[must_use]
    pub fn plain(text: Text<'a>, span: Span) -> Self {
        match std::str::from_utf8(&text.raw[span.range()]) {
            Ok(plain) if text.hidden_signs(span.range()).next().is_none() => {
                Self::verbatim(plain, span.start())
            }
            _ => {
                let mut builder = Builder::default();
                builder.copy_text(text.slice(span), span.start());
                builder.finish(span)
            }
        }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What `range` of the text was decoded from; `None` if it begins or ends inside something that
    /// is written as a whole, such as one half of the two characters of `&fjlig;`.
    #[must_use]
    pub fn span(&self, range: Range<usize>) -> Option<Span> {
        let start = self.start_of(range.start)?;
        let end = if range.is_empty() { start } else { self.end_of(range.end)? };
        Some(Span::new(start, end))
    }

    /// The reference whose URL is `range` of the text, if that may be the URL of an image at all
    /// (see [`is_fetchable`]).
    ///
    /// White space and controls around a URL are no part of it, and tabs and line breaks within it do
    /// not count (WHATWG URL, section 4.4, "basic URL parser", steps 1 to 3).
    #[must_use]
    pub fn reference(&self, range: Range<usize>, kind: ReferenceKind, escapes: Escapes) -> Option<Reference> {
        let is_edge = |char: char| char <= ' ';
        let text = &self.text[range.clone()];
        let url = text.trim_start_matches(is_edge);
        let start = range.end - url.len();
        let url = url.trim_end_matches(is_edge);
        if !is_fetchable(url) {
            return None;
        }
        let span = self.span(start..start + url.len())?;
        let url = match memchr3(b'\t', b'\n', b'\r', url.as_bytes()) {
            // Without them it may be a template.
            Some(_) => Some(url.replace(['\t', '\n', '\r'], "")).filter(|url| is_fetchable(url))?,
            None => url.to_owned(),
        };
        Some(Reference { span, kind, escapes, url })
    }

    fn start_of(&self, offset: usize) -> Option<usize> {
        let Some(last) = self.pieces.partition_point(|piece| piece.at <= offset).checked_sub(1) else {
            return Some(self.source.start() + offset);
        };
        let piece = self.pieces[last];
        match piece.verbatim {
            true => Some(piece.source + offset - piece.at),
            false => (piece.at == offset).then_some(piece.source),
        }
    }

    fn end_of(&self, offset: usize) -> Option<usize> {
        let next = self.pieces.partition_point(|piece| piece.at < offset);
        let Some(last) = next.checked_sub(1) else {
            return Some(self.source.start() + offset);
        };
        let piece = self.pieces[last];
        if piece.verbatim {
            return Some(piece.source + offset - piece.at);
        }
        match self.pieces.get(next) {
            Some(next) => (next.at == offset).then_some(next.source),
            None => (self.text.len() == offset).then_some(self.source.end()),
        }
    }
}

/// Writes decoded text piece by piece, in the order of the source.
#[derive(Debug, Default)]
pub struct Builder {
    text: String,
    pieces: Vec<Piece>,
}

impl Builder {
    /// Adds text that stands at `source` just so.
    pub fn copy(&mut self, text: &str, source: usize) {
        self.push(text, source, true);
    }

    /// Adds `text` for what stands from `source` to the next piece; empty if that is only left out.
    pub fn replace(&mut self, text: &str, source: usize) {
        self.push(text, source, false);
    }

    /// Adds bytes that stand at `source`. What is UTF-8 is copied; any other byte is percent-encoded.
    ///
    /// A URL in a legacy encoding then names the bytes that stand in the document, which is what a
    /// server with file names in that encoding answers to. A backslash or brace that is the second byte of
    /// a character in GBK, Big5 or Shift_JIS is encoded too, or it would be a slash, an escape, a block.
    pub fn copy_bytes(&mut self, bytes: &[u8], source: usize) {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.copy(text, source),
            Err(_) => {
                let shadow = shadow::utf8(bytes, Span::new(0, bytes.len()));
                self.copy_text(Text { seen: shadow.as_bytes(), raw: bytes }, source);
            }
        }
    }

    /// The same, where it is known already what is a character.
    pub fn copy_text(&mut self, text: Text<'_>, source: usize) {
        let mut at = 0;
        for chunk in text.raw.utf8_chunks() {
            let (start, end) = (at, at + chunk.valid().len());
            for sign in text.hidden_signs(start..end) {
                self.copy(&chunk.valid()[at - start..sign - start], source + at);
                self.percent_encode(text.raw[sign], source + sign);
                at = sign + 1;
            }
            self.copy(&chunk.valid()[at - start..], source + at);
            for (index, byte) in chunk.invalid().iter().enumerate() {
                self.percent_encode(*byte, source + end + index);
            }
            at = end + chunk.invalid().len();
        }
    }

    fn percent_encode(&mut self, byte: u8, source: usize) {
        self.replace(&format!("%{byte:02X}"), source);
    }

    /// All of it; `source` is what it was decoded from.
    #[must_use]
    pub fn finish(self, source: Span) -> Decoded<'static> {
        Decoded { text: Cow::Owned(self.text), pieces: self.pieces, source }
    }

    fn push(&mut self, text: &str, source: usize, verbatim: bool) {
        self.pieces.push(Piece { at: self.text.len(), source, verbatim });
        self.text.push_str(text);
    }
}

/// Whether anything could be fetched from `url`, which is trimmed: not if it is empty, a fragment of
/// its own document, its own content (`data:`), a script, or a template that was never expanded.
#[must_use]
pub fn is_fetchable(url: &str) -> bool {
    const SCHEMES: [&str; 4] = ["data:", "blob:", "javascript:", "about:"];
    let starts_with = |scheme: &&str| {
        url.as_bytes().get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    !(url.is_empty() || url.starts_with('#') || SCHEMES.iter().any(starts_with) || is_template(url))
}

/// Whether the query of `url` is a formula in TeX, whose braces are no placeholders: `?\frac{a}{b}`,
/// `?tex=x^{ij}`, with a backslash or a caret that may be percent-encoded.
fn holds_formula(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query).as_bytes();
    memchr3_iter(b'\\', b'^', b'%', query).any(|at| match &query[at..] {
        [b'%', rest @ ..] => matches!(rest, [b'5', b'C' | b'c' | b'E' | b'e', ..]),
        _ => true,
    })
}

/// Whether a template engine should have replaced a part of `url`: `{{ x }}`, `{% x %}`, `<% x %>`,
/// `<?php`, `${x}` or `{width}`. A brace in itself is none: URLs hold `{GUID}`s, which have digits, and formulas.
fn is_template(url: &str) -> bool {
    let has_placeholder = memchr2_iter(b'{', b'<', url.as_bytes()).any(|open| {
        let (before, rest) = url.as_bytes().split_at(open);
        let is_word = || {
            let word =
                rest[1..].iter().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'_').count();
            word > 0 && rest.get(word + 1) == Some(&b'}')
        };
        match rest {
            [b'<', next, ..] => matches!(next, b'%' | b'?'),
            [b'{', b'{' | b'%', ..] => true,
            [b'{', ..] => before.last() == Some(&b'$') || is_word(),
            _ => false,
        }
    });
    has_placeholder && !holds_formula(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::escape::Escape;

    #[test]
    fn replaced_text_maps_back_as_a_whole() {
        // "a&amp;b\<newline>c" at 10, decoded to "a&bc"
        let mut builder = Builder::default();
        builder.copy("a", 10);
        builder.replace("&", 11);
        builder.copy("b", 16);
        builder.replace("", 17);
        builder.copy("c", 19);
        let decoded = builder.finish(Span::new(10, 20));
        assert_eq!(decoded.text(), "a&bc");
        for (range, expected) in
            [(0..4, 10..20), (1..2, 11..16), (2..3, 16..17), (3..4, 19..20), (0..3, 10..17)]
        {
            assert_eq!(decoded.span(range.clone()), Some(Span::from(expected)), "{range:?}");
        }
    }

    #[test]
    fn half_of_an_expansion_has_no_span() {
        let mut builder = Builder::default();
        builder.replace("fj", 0);
        let decoded = builder.finish(Span::new(0, 7));
        assert_eq!(decoded.span(0..2), Some(Span::new(0, 7)));
        assert_eq!(decoded.span(0..1), None);
        assert_eq!(decoded.span(1..2), None);
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_percent_encoded() {
        let check = |bytes: &[u8], expected: &str| {
            let decoded = Decoded::bytes(bytes, Span::new(0, bytes.len()));
            assert_eq!(decoded.text(), expected);
            assert_eq!(decoded.span(0..expected.len()), Some(Span::new(0, bytes.len())));
        };
        check("a/图.png".as_bytes(), "a/图.png");
        check(b"a/\xcd\xff.png", "a/%CD%FF.png");
        check(b"\xff\\a\\.png", "%FF%5Ca\\.png");
        check(b"a\xff", "a%FF");
        check(b"\xa4\xc5\xb3\x5c\xae\x7b\\.png", "%A4\u{173}%5C%AE%7B\\.png");
        check(b"\xb5\xc4\\20", "%B5%C4\\20");
    }

    #[test]
    fn a_reference_is_trimmed() {
        let text = " \n https://h.example/a\n b.png\t ";
        let reference = Decoded::verbatim(text, 100)
            .reference(0..text.len(), ReferenceKind::HtmlAttribute, Escapes::of(Escape::Html))
            .unwrap();
        assert_eq!(reference.url, "https://h.example/a b.png");
        assert_eq!(reference.span, Span::new(103, 100 + text.len() - 2));
    }

    #[test]
    fn some_texts_are_never_fetched() {
        let check = |url: &str, expected: bool| assert_eq!(is_fetchable(url), expected, "{url}");
        for url in ["", "#a", "DATA:image/png;base64,AA", "blob:x", "javascript:0", "about:blank"] {
            check(url, false);
        }
        for url in ["{{ x }}", "/a/{%x%}", "<%= x %>", "<?php x", "/${x}.png", "a_{width}x.png"] {
            check(url, false);
        }
        for url in [
            "//h/?\\frac{a}{b}",
            "//h/?tex=3^{ij}",
            "//h/?x=%5Csqrt{{a}}",
            "//h/?a=%5e{%5calpha}",
            "//h/?{a}\\b",
        ] {
            check(url, true);
        }
        for url in ["//h/^{a}.png", "//h/?a=%5d{b}", "//h/\\{a}?b", "//h/?{a}%", "//h/?{a}%5"] {
            check(url, false);
        }
        for url in ["a.png", "//h/a.png", "https://h/{3F2504E0-4F89}.png", "a{}.png", "a<b.png", "a{", "$"] {
            check(url, true);
        }
    }
}
