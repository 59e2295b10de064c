//! Text as an XML document writes it: stretches of text and CDATA sections, with references in them.

use markup5ever::data::NAMED_ENTITIES;
use memchr::memchr;

use crate::document::decoded::{Builder, Decoded};
use crate::document::escape::{Escape, Escapes};
use crate::document::span::Span;

/// A part of an element's text that is written in one piece, or the value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) span: Span,
    pub(super) is_cdata: bool,
}

/// Which named entities are known. None is ever read from a document, whatever it declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entities {
    /// Those of HTML, which feeds use without declaring them.
    Html,
    /// The five of XML (section 4.6): the document has its own, and any other name may be one of them.
    Xml,
}

/// What several stretches say together, and where in them a URL may stand.
#[derive(Debug)]
pub(super) struct Text<'a> {
    decoded: Decoded<'a>,
    /// In order. Nothing that reaches from one into the next can be replaced.
    stretches: Vec<Stretch>,
}

impl<'a> Text<'a> {
    pub(super) fn of(bytes: &'a [u8], stretches: &[Stretch], entities: Entities) -> Self {
        if let [stretch] = stretches
            && (stretch.is_cdata || memchr(b'&', &bytes[stretch.span.range()]).is_none())
        {
            return Self { decoded: Decoded::bytes(bytes, stretch.span), stretches: vec![*stretch] };
        }
        let mut text = Writer { bytes, entities, builder: Builder::default(), stretches: Vec::new() };
        for stretch in stretches {
            text.add(*stretch);
        }
        let source = stretches.first().zip(stretches.last());
        let source = source.map_or(Span::new(0, 0), |(a, b)| Span::new(a.span.start(), b.span.end()));
        Self { decoded: text.builder.finish(source), stretches: text.stretches }
    }

    pub(super) fn attribute(bytes: &'a [u8], value: Span, entities: Entities) -> Self {
        Self::of(bytes, &[Stretch { span: value, is_cdata: false }], entities)
    }

    pub(super) fn decoded(&self) -> &Decoded<'a> {
        &self.decoded
    }

    /// Whether a part of it is not known, or not written in one piece.
    pub(super) fn has_unknown(&self) -> bool {
        self.stretches.len() > 1
    }

    /// How text at `span` is written in the text of an element; `None` if it is not written in one piece.
    pub(super) fn escapes(&self, span: Span) -> Option<Escapes> {
        let before = self.stretches.partition_point(|stretch| stretch.span.start() <= span.start());
        let stretch = self.stretches.get(before.checked_sub(1)?)?;
        let escape = if stretch.is_cdata { Escape::Cdata } else { Escape::Html };
        (span.end() <= stretch.span.end()).then(|| Escapes::of(escape))
    }
}

struct Writer<'a> {
    bytes: &'a [u8],
    entities: Entities,
    builder: Builder,
    stretches: Vec<Stretch>,
}

impl Writer<'_> {
    fn add(&mut self, stretch: Stretch) {
        let Stretch { span, is_cdata } = stretch;
        let mut start = span.start();
        if !is_cdata {
            let mut at = start;
            let mut copied = start;
            while let Some(len) = memchr(b'&', &self.bytes[at..span.end()]) {
                at += len;
                let Some((len, entity)) = reference(&self.bytes[at..span.end()], self.entities) else {
                    at += 1;
                    continue;
                };
                self.copy(copied, at);
                copied = at + len;
                match entity {
                    Some(text) => self.builder.replace(&text, at),
                    // what it stands for is not known, so no URL reaches over it
                    None => {
                        self.end(start, at, is_cdata);
                        self.copy(at, copied);
                        start = copied;
                    }
                }
                at = copied;
            }
            self.copy(copied, span.end());
        } else {
            self.copy(start, span.end());
        }
        self.end(start, span.end(), is_cdata);
    }

    fn copy(&mut self, start: usize, end: usize) {
        self.builder.copy_bytes(&self.bytes[start..end], start);
    }

    fn end(&mut self, start: usize, end: usize, is_cdata: bool) {
        // so that what is written last ends here and not where the next stretch starts
        self.builder.replace("", end);
        self.stretches.push(Stretch { span: Span::new(start, end), is_cdata });
    }
}

/// The reference that `text` starts with (XML 1.0, section 4.1): its length, and what it stands for if that
/// is known. `None` if its ampersand is just an ampersand, which no XML has but many feeds do.
fn reference(text: &[u8], entities: Entities) -> Option<(usize, Option<String>)> {
    let is_in_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':' | b'#');
    let len = text[1..].iter().position(|byte| !is_in_name(byte))?;
    let name = std::str::from_utf8(&text[1..=len]).ok()?;
    if name.is_empty() || text[len + 1] != b';' {
        return None;
    }
    let known = match name.strip_prefix('#') {
        Some(number) => numeric(number).map(String::from),
        None => named(name, entities),
    };
    Some((len + 2, known))
}

fn numeric(number: &str) -> Option<char> {
    let (digits, base) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
    let is_number = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let code = u32::from_str_radix(digits, base).ok().filter(|code| is_number && *code > 0)?;
    char::from_u32(code)
}

fn named(name: &str, entities: Entities) -> Option<String> {
    let of_xml = [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\'')];
    if let Some((_, char)) = of_xml.into_iter().find(|(known, _)| *known == name) {
        return Some(char.to_string());
    }
    if entities == Entities::Xml || name.len() > LONGEST_NAME {
        return None;
    }
    let (first, second) = NAMED_ENTITIES.get(format!("{name};").as_str())?;
    Some([*first, *second].into_iter().filter(|code| *code > 0).filter_map(char::from_u32).collect())
}

/// `CounterClockwiseContourIntegral`
const LONGEST_NAME: usize = 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_decoded_and_unknown_ones_kept() {
        let check = |xml: &str, expected: &str| {
            let text = Text::attribute(xml.as_bytes(), Span::new(0, xml.len()), Entities::Html);
            assert_eq!(text.decoded().text(), expected, "{xml}");
            let whole = text.decoded().span(0..expected.len()).unwrap();
            assert_eq!(whole, Span::new(0, xml.len()), "{xml}");
        };
        check("a.png", "a.png");
        check("?a=1&amp;b=2&#38;c&#x26;", "?a=1&b=2&c&");
        check("?a=1&b=2&copy=3&amp", "?a=1&b=2&copy=3&amp");
        check("&lt;&gt;&quot;&apos;", "<>\"'");
        check("&eacute;&nbsp;&fjlig;", "é\u{a0}fj");
        check("&own;&#0;&#xd800;&#x110000;&#+5;&#;&;", "&own;&#0;&#xd800;&#x110000;&#+5;&#;&;");
        check("&amp;amp;", "&amp;");
        check("图&amp;", "图&");
    }

    #[test]
    fn what_is_written_in_one_piece_has_escapes() {
        // "a&amp;" "b" in CDATA, "c&own;d"
        let xml = b"a&amp;<![CDATA[b]]>c&own;d";
        let stretches = [(0, 6, false), (15, 16, true), (19, 26, false)]
            .map(|(start, end, is_cdata)| Stretch { span: Span::new(start, end), is_cdata });
        let text = Text::of(xml, &stretches, Entities::Html);
        assert_eq!(text.decoded().text(), "a&bc&own;d");
        let check = |range: std::ops::Range<usize>, span: Span, escape: Option<Escape>| {
            assert_eq!(text.decoded().span(range.clone()), Some(span), "{range:?}");
            assert_eq!(text.escapes(span), escape.map(Escapes::of), "{range:?}");
        };
        check(0..2, Span::new(0, 6), Some(Escape::Html));
        check(2..3, Span::new(15, 16), Some(Escape::Cdata));
        check(1..3, Span::new(1, 16), None);
        check(3..4, Span::new(19, 20), Some(Escape::Html));
        check(3..10, Span::new(19, 26), None);
        check(9..10, Span::new(25, 26), Some(Escape::Html));
    }

    #[test]
    fn a_document_with_entities_of_its_own_has_only_those_of_xml() {
        let xml = b"&eacute;&amp;";
        let text = Text::attribute(xml, Span::new(0, xml.len()), Entities::Xml);
        assert_eq!(text.decoded().text(), "&eacute;&");
    }
}
