//! JSON (RFC 8259) as a row of events with exact byte spans.
//!
//! It keeps no values and calls nothing recursively, so depth costs one byte a level. Two liberties are
//! taken, both found in hand-written JSON: raw control characters in strings, and a comma before a closing
//! bracket.

use std::ops::Range;

use thiserror::Error;

use crate::document::decoded::{Builder, Decoded};
use crate::document::shadow::Text;
use crate::document::span::Span;

/// One step through a JSON text. Spans of strings leave out the quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// `{`
    ObjectStart,
    /// `}`
    ObjectEnd,
    /// `[`
    ArrayStart,
    /// `]`
    ArrayEnd,
    /// The name of a member; its value comes next.
    Key(Span),
    /// A string that is a value.
    String(Span),
    /// A number, `true`, `false` or `null`.
    Other(Span),
}

/// Why reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The text ends inside a value.
    #[error("the JSON text ends too early")]
    End,
    /// A byte that cannot stand where it stands.
    #[error("unexpected byte `{byte:#04x}` at offset {offset} of the JSON text")]
    Unexpected {
        /// The byte itself.
        byte: u8,
        /// Where it stands, from the start of the text.
        offset: usize,
    },
}

/// Reads one value and stops behind it.
#[derive(Debug)]
pub struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// The closing bracket of each open object and array.
    open: Vec<u8>,
    next: Next,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Value,
    /// Behind `{` or a comma in an object.
    Member,
    /// Behind `[` or a comma in an array.
    Element,
    /// Behind a value.
    Comma,
    Nothing,
}

impl<'a> Reader<'a> {
    /// Reads the value that starts, perhaps after white space, at `offset`.
    #[must_use]
    pub fn new(text: &'a [u8], offset: usize) -> Self {
        Self { text, at: offset, open: Vec::new(), next: Next::Value }
    }

    /// Reads members as if a `{` stood before `offset`, until a `}` or the end of the text.
    #[must_use]
    pub fn members(text: &'a [u8], offset: usize) -> Self {
        Self { text, at: offset, open: vec![b'}'], next: Next::Member }
    }

    /// How far it has read; after the last event, the first byte behind the value.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    fn step(&mut self) -> Result<Event, Error> {
        loop {
            let byte = self.peek()?;
            match self.next {
                Next::Value => return self.value(byte),
                Next::Member | Next::Element if self.open.last() == Some(&byte) => {
                    return Ok(self.close(byte));
                }
                Next::Element => return self.value(byte),
                Next::Member => {
                    let key = self.string(byte)?;
                    match self.peek()? {
                        b':' => self.at += 1,
                        byte => return Err(self.unexpected(byte)),
                    }
                    self.next = Next::Value;
                    return Ok(Event::Key(key));
                }
                Next::Comma if byte == b',' => {
                    self.at += 1;
                    self.next = if self.open.last() == Some(&b'}') { Next::Member } else { Next::Element };
                }
                Next::Comma if self.open.last() == Some(&byte) => return Ok(self.close(byte)),
                Next::Comma | Next::Nothing => return Err(self.unexpected(byte)),
            }
        }
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Result<u8, Error> {
        let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| space(byte)).count();
        self.text.get(self.at).copied().ok_or(Error::End)
    }

    fn value(&mut self, byte: u8) -> Result<Event, Error> {
        let event = match byte {
            b'{' => {
                self.at += 1;
                self.open.push(b'}');
                self.next = Next::Member;
                return Ok(Event::ObjectStart);
            }
            b'[' => {
                self.at += 1;
                self.open.push(b']');
                self.next = Next::Element;
                return Ok(Event::ArrayStart);
            }
            b'"' => Event::String(self.string(byte)?),
            _ => Event::Other(self.word(byte)?),
        };
        self.settle();
        Ok(event)
    }

    fn close(&mut self, bracket: u8) -> Event {
        self.at += 1;
        self.open.pop();
        self.settle();
        if bracket == b'}' { Event::ObjectEnd } else { Event::ArrayEnd }
    }

    fn settle(&mut self) {
        self.next = if self.open.is_empty() { Next::Nothing } else { Next::Comma };
    }

    fn string(&mut self, byte: u8) -> Result<Span, Error> {
        if byte != b'"' {
            return Err(self.unexpected(byte));
        }
        let start = self.at + 1;
        let mut end = start;
        loop {
            let rest = self.text.get(end..).ok_or(Error::End)?;
            end += memchr::memchr2(b'"', b'\\', rest).ok_or(Error::End)?;
            if self.text[end] == b'"' {
                self.at = end + 1;
                return Ok(Span::new(start, end));
            }
            end += 2;
        }
    }

    fn word(&mut self, byte: u8) -> Result<Span, Error> {
        let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let len = self.text[self.at..].iter().take_while(|byte| part(byte)).count();
        let word = &self.text[self.at..self.at + len];
        let known = matches!(word, b"true" | b"false" | b"null");
        if !known && !matches!(word.first(), Some(b'0'..=b'9' | b'-')) {
            return Err(self.unexpected(byte));
        }
        self.at += len;
        Ok(Span::new(self.at - len, self.at))
    }

    fn unexpected(&self, byte: u8) -> Error {
        Error::Unexpected { byte, offset: self.at }
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == Next::Nothing {
            return None;
        }
        let event = self.step();
        if event.is_err() {
            self.next = Next::Nothing;
        }
        Some(event)
    }
}

/// What the text between the quotes of a string says (section 7). A lone surrogate becomes U+FFFD.
#[must_use]
pub fn decode(string: Text<'_>) -> String {
    string.decode(b"\\", escape)
}

/// The same for the string at `span` of `text`, with the way back to offsets of `text`.
#[must_use]
pub fn decoded(text: Text<'_>, span: Span) -> Decoded<'_> {
    let seen = &text.seen[span.range()];
    let Some(mut at) = memchr::memchr(b'\\', seen) else {
        return Decoded::plain(text, span);
    };
    let copy = |builder: &mut Builder, part: Range<usize>| {
        let part = Span::from(part).shift(span.start());
        builder.copy_text(text.slice(part), part.start());
    };
    let mut builder = Builder::default();
    let mut copied = 0;
    loop {
        let (len, meaning) = escape(&seen[at..]).map_or((1, None), |(len, char)| (len, Some(char)));
        if let Some(char) = meaning {
            copy(&mut builder, copied..at);
            builder.replace(&char, span.start() + at);
            copied = at + len;
        }
        at += len;
        match memchr::memchr(b'\\', &seen[at..]) {
            Some(next) => at += next,
            None => break,
        }
    }
    copy(&mut builder, copied..seen.len());
    builder.finish(span)
}

/// What the escape says that `rest` starts with, and its length.
fn escape(rest: &[u8]) -> Option<(usize, String)> {
    let char = match rest.get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(rest),
        &other @ (b'"' | b'\\' | b'/') => char::from(other),
        _ => return None,
    };
    Some((2, char.into()))
}

/// `\uXXXX`, or two of them that make one character.
fn unicode(rest: &[u8]) -> Option<(usize, String)> {
    let first = unit(rest)?;
    if let Some(second) = rest.get(6..).and_then(unit)
        && let Some(Ok(char)) = char::decode_utf16([first, second]).next()
        && char.len_utf16() == 2
    {
        return Some((12, char.into()));
    }
    Some((6, char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER).into()))
}

fn unit(rest: &[u8]) -> Option<u16> {
    let digits = rest.strip_prefix(b"\\u")?.get(..4)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The events in a short form, and what is left behind the value.
    fn read(text: &str) -> String {
        let mut reader = Reader::new(text.as_bytes(), 0);
        let mut out = String::new();
        for event in reader.by_ref() {
            out.push_str(&match event {
                Ok(Event::ObjectStart) => "{ ".to_owned(),
                Ok(Event::ObjectEnd) => "} ".to_owned(),
                Ok(Event::ArrayStart) => "[ ".to_owned(),
                Ok(Event::ArrayEnd) => "] ".to_owned(),
                Ok(Event::Key(span)) => format!("{}: ", &text[span.range()]),
                Ok(Event::String(span)) => format!("'{}' ", &text[span.range()]),
                Ok(Event::Other(span)) => format!("{} ", &text[span.range()]),
                Err(error) => return out + &error.to_string(),
            });
        }
        out + "/" + &text[reader.offset()..]
    }

    #[test]
    fn events_come_in_order() {
        let check = |text, expected: &str| assert_eq!(read(text), expected, "{text}");
        check(
            r#" {"a": [1, -2.5e3, true, null], "b": {"c": "d\"e"}} rest"#,
            r#"{ a: [ 1 -2.5e3 true null ] b: { c: 'd\"e' } } / rest"#,
        );
        check("[]x", "[ ] /x");
        check(r#"["a",]"#, "[ 'a' ] /");
        check(r#""a""#, "'a' /");
        check(r#"{"a" 1}"#, "{ unexpected byte `0x31` at offset 5 of the JSON text");
        check("{% if %}", "{ unexpected byte `0x25` at offset 1 of the JSON text");
        check("[1 2]", "[ 1 unexpected byte `0x32` at offset 3 of the JSON text");
        check("[1", "[ 1 the JSON text ends too early");
        check(r#"["a\"#, "[ the JSON text ends too early");
        check("", "the JSON text ends too early");
    }

    #[test]
    fn strings_say_what_they_say() {
        let check = |text: &str, expected: &str| {
            let text = Text::of(text.as_bytes());
            let whole = Span::new(0, text.raw.len());
            assert_eq!(decode(text), expected);
            let decoded = decoded(text, whole);
            assert_eq!((decoded.text(), decoded.span(0..expected.len())), (expected, Some(whole)));
        };
        check("plain", "plain");
        check(r"https:\/\/a.example\/b", "https://a.example/b");
        check(r#"\"\\\n\t"#, "\"\\\n\t");
        check(r"\u56fe\ud83d\ude00", "图😀");
        check(r"\ud83dx\ude00", "\u{fffd}x\u{fffd}");
        check(r"\u12 \x", r"\u12 \x");
    }

    #[test]
    fn a_decoded_string_knows_its_way_back() {
        let text = br#"["a\/b\u00e9\n\x\"c"]"#;
        let decoded = decoded(Text::of(text), Span::new(2, text.len() - 2));
        assert_eq!(decoded.text(), "a/b\u{e9}\n\\x\"c");
        let check = |range, raw: &str| {
            let span: Span = decoded.span(range).unwrap();
            assert_eq!(std::str::from_utf8(&text[span.range()]), Ok(raw));
        };
        check(0..3, r"a\/b");
        check(1..2, r"\/");
        check(3..5, r"\u00e9");
        check(5..9, r#"\n\x\""#);
        check(9..10, "c");
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = "[".repeat(1_000_000);
        assert_eq!(Reader::new(deep.as_bytes(), 0).filter(Result::is_ok).count(), 1_000_000);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(proptest::sample::select(
            b"{}[]\",:\\ux01ae \n\xff".as_slice()), 0..64)) {
            for event in Reader::new(&bytes, 0).flatten() {
                if let Event::Key(span) | Event::String(span) | Event::Other(span) = event {
                    let decoded = decoded(Text::of(&bytes), span);
                    prop_assert_eq!(decoded.span(0..decoded.text().len()), Some(span));
                    let _ = decode(Text::of(&bytes).slice(span));
                }
            }
        }
    }
}
