//! Bytes → tags, as XML has them (XML 1.0, sections 2 and 3), and on past what no XML parser reads.
//!
//! Works on bytes of any ASCII-compatible encoding: what the grammar is made of is never half of a
//! character in GBK, Big5 or Shift_JIS. A `<` starts markup wherever it stands, even within a tag
//! (section 3.1, "No < in Attribute Values"), so a tag that never ends takes nothing but itself along.

use memchr::{memchr_iter, memchr2, memmem};

use crate::document::span::Span;

/// Reads the markup of a document, one piece after the other.
pub(super) struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether a document type declaration may still come.
    is_prolog: bool,
    /// Whether somewhere behind `at` a processing instruction ends.
    has_instruction_end: bool,
    /// Whether the document declares entities of its own.
    pub(super) has_entities: bool,
    /// The last start tag.
    pub(super) tag: Tag,
}

/// What stands between two stretches of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// [`Tokens::tag`] has it.
    Start,
    /// The name, as written.
    End(Span),
    /// The text of a CDATA section.
    Cdata(Span),
    /// A comment, a processing instruction, the document type declaration, or markup that is broken.
    Nothing,
}

/// A start tag, or the tag of an empty element.
pub(super) struct Tag {
    pub(super) name: Span,
    pub(super) is_empty: bool,
    pub(super) attributes: Vec<Attribute>,
}

/// An attribute's name and value as written, without quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    pub(super) name: Span,
    pub(super) value: Span,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let tag = Tag { name: Span::new(0, 0), is_empty: false, attributes: Vec::new() };
        Self { bytes, at: 0, is_prolog: true, has_instruction_end: true, has_entities: false, tag }
    }

    /// Where the next token is looked for.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next token and where it begins. A `<` that begins none is text.
    pub(super) fn next(&mut self) -> Option<(usize, Token)> {
        let (bytes, at) = (self.bytes, self.at);
        for open in memchr_iter(b'<', &bytes[at..]).map(|len| at + len) {
            let token = match bytes.get(open + 1) {
                Some(b'!') => self.declaration(open),
                Some(b'?') => self.instruction(open),
                Some(b'/') => self.end_tag(open),
                Some(byte) if is_name_start(*byte) => self.start_tag(open),
                _ => continue,
            };
            return Some((open, token));
        }
        None
    }

    fn start_tag(&mut self, open: usize) -> Token {
        self.is_prolog = false;
        self.tag.name = self.name(open + 1);
        self.tag.attributes.clear();
        let mut at = self.tag.name.end();
        loop {
            at += self.space(at);
            match self.bytes.get(at) {
                Some(b'>') => {
                    self.at = at + 1;
                    self.tag.is_empty = false;
                    return Token::Start;
                }
                Some(b'/') if self.bytes.get(at + 1) == Some(&b'>') => {
                    self.at = at + 2;
                    self.tag.is_empty = true;
                    return Token::Start;
                }
                None | Some(b'<') => {
                    self.at = at;
                    return Token::Nothing;
                }
                Some(byte) if is_name_end(*byte) => at += 1,
                Some(_) => match self.attribute(at) {
                    Ok(end) => at = end,
                    Err(broken) => {
                        self.at = broken;
                        return Token::Nothing;
                    }
                },
            }
        }
    }

    /// Reads the attribute that starts at `start`; returns where it ends, or where the tag breaks off.
    fn attribute(&mut self, start: usize) -> Result<usize, usize> {
        let bytes = self.bytes;
        let name = self.name(start);
        let equals = name.end() + self.space(name.end());
        if bytes.get(equals) != Some(&b'=') {
            return Ok(equals);
        }
        let start = equals + 1 + self.space(equals + 1);
        let (value, end) = match bytes.get(start) {
            Some(quote @ (b'"' | b'\'')) => {
                let rest = &bytes[start + 1..];
                let end = memchr2(*quote, b'<', rest).map_or(bytes.len(), |len| start + 1 + len);
                if bytes.get(end) != Some(quote) {
                    return Err(end);
                }
                (Span::new(start + 1, end), end + 1)
            }
            _ => {
                let len = (bytes[start..].iter().enumerate()).position(|(at, byte)| {
                    is_space(*byte)
                        || matches!(byte, b'>' | b'<')
                        || (*byte == b'/' && bytes.get(start + at + 1) == Some(&b'>'))
                });
                let end = len.map_or(bytes.len(), |len| start + len);
                (Span::new(start, end), end)
            }
        };
        self.tag.attributes.push(Attribute { name, value });
        Ok(end)
    }

    /// What follows the name means nothing; without a `>` the tag ends before the next one.
    fn end_tag(&mut self, open: usize) -> Token {
        let name = self.name(open + 2);
        let bytes = self.bytes;
        let end = memchr2(b'<', b'>', &bytes[name.end()..]).map_or(bytes.len(), |len| name.end() + len);
        self.at = if bytes.get(end) == Some(&b'>') { end + 1 } else { end };
        Token::End(name)
    }

    /// The declaration of XML itself often lacks its second question mark. Any other instruction that has
    /// no end is none.
    fn instruction(&mut self, open: usize) -> Token {
        let rest = &self.bytes[open + 2..];
        let is_xml = rest.starts_with(b"xml") && rest.get(3).copied().is_some_and(is_space);
        let end = if is_xml {
            memchr2(b'<', b'>', rest).map(|len| len + usize::from(rest[len] == b'>'))
        } else if self.has_instruction_end {
            memmem::find(rest, b"?>").map(|len| len + 2)
        } else {
            None
        };
        self.has_instruction_end &= is_xml || end.is_some();
        self.at = open + 2 + end.unwrap_or(0);
        Token::Nothing
    }

    fn declaration(&mut self, open: usize) -> Token {
        let bytes = self.bytes;
        let rest = &bytes[open..];
        let ends = |start: usize, mark: &[u8]| memmem::find(&bytes[start..], mark).map(|len| start + len);
        if rest.starts_with(b"<!--") {
            self.at = ends(open + 4, b"-->").map_or(bytes.len(), |end| end + 3);
        } else if rest.starts_with(b"<![CDATA[") {
            let start = open + 9;
            let end = ends(start, b"]]>");
            self.at = end.map_or(bytes.len(), |end| end + 3);
            return Token::Cdata(Span::new(start, end.unwrap_or(bytes.len())));
        } else {
            let is_type = self.is_prolog && rest[2..].starts_with(b"DOCTYPE");
            let end = is_type.then(|| doctype_end(bytes, open + 9)).flatten();
            self.is_prolog &= !is_type;
            self.has_entities |=
                end.is_some_and(|end| memmem::find(&bytes[open..end], b"<!ENTITY").is_some());
            let bogus = || match memchr2(b'<', b'>', &rest[2..]) {
                Some(len) => open + 2 + len + usize::from(rest[2 + len] == b'>'),
                None => bytes.len(),
            };
            self.at = end.unwrap_or_else(bogus);
        }
        Token::Nothing
    }

    fn name(&self, start: usize) -> Span {
        let len = self.bytes[start..].iter().position(|byte| is_name_end(*byte));
        Span::new(start, len.map_or(self.bytes.len(), |len| start + len))
    }

    fn space(&self, at: usize) -> usize {
        self.bytes[at..].iter().take_while(|byte| is_space(**byte)).count()
    }
}

/// Where the document type declaration ends that goes on at `at` (section 2.8). `None` if it does not end before an
/// element begins: then it is none, whatever quotes there are in the text of the document.
fn doctype_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    /// Which brackets are open.
    enum Within {
        Type,
        Subset,
        /// A declaration of the internal subset, whose values may hold markup.
        Declaration,
    }
    let find = |start: usize, mark: &[u8]| memmem::find(bytes.get(start..)?, mark).map(|len| start + len);
    let mut within = Within::Type;
    loop {
        match (bytes.get(at)?, &within) {
            (quote @ (b'"' | b'\''), Within::Declaration) => at = find(at + 1, &[*quote])?,
            (quote @ (b'"' | b'\''), _) => {
                at += 1 + memchr2(*quote, b'<', &bytes[at + 1..])?;
                if bytes[at] == b'<' {
                    return None;
                }
            }
            (b'[', Within::Type) => within = Within::Subset,
            (b']', Within::Subset) => within = Within::Type,
            (b'>', Within::Type) => return Some(at + 1),
            (b'>', Within::Declaration) => within = Within::Subset,
            (b'<', Within::Subset) if bytes[at..].starts_with(b"<!--") => at = find(at + 4, b"-->")? + 2,
            (b'<', Within::Subset) if bytes[at..].starts_with(b"<?") => at = find(at + 2, b"?>")? + 1,
            (b'<', Within::Subset) if bytes[at..].starts_with(b"<!") => within = Within::Declaration,
            (b'<', _) => return None,
            _ => {}
        }
        at += 1;
    }
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':' | 0x80..)
}

fn is_name_end(byte: u8) -> bool {
    is_space(byte) || matches!(byte, b'/' | b'>' | b'<' | b'=' | b'"' | b'\'')
}

/// XML's white space (section 2.3).
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a document is made of: start tags with their attributes, end tags, text in CDATA sections.
    fn check(xml: &str, expected: &str) {
        let mut tokens = Tokens::new(xml.as_bytes());
        let mut seen = String::new();
        while let Some((_, token)) = tokens.next() {
            match token {
                Token::Start => {
                    seen.push_str(&xml[tokens.tag.name.range()]);
                    for Attribute { name, value } in &tokens.tag.attributes {
                        seen.push_str(&format!(" {}={}", &xml[name.range()], &xml[value.range()]));
                    }
                    seen.push(if tokens.tag.is_empty { '/' } else { ';' });
                }
                Token::End(name) => seen.push_str(&format!("!{};", &xml[name.range()])),
                Token::Cdata(span) => seen.push_str(&format!("[{}]", &xml[span.range()])),
                Token::Nothing => {}
            }
        }
        assert_eq!(seen, expected, "{xml}");
    }

    #[test]
    fn what_is_well_formed() {
        check("<a b='c' d = \"e>'\"\n/><f:g></f:g >", "a b=c d=e>'/f:g;!f:g;");
        check("<a/><图 b=''></图>", "a/图 b=;!图;");
        check("<!-- <a> -- > --><b/><![CDATA[<c>]] >]]><d/>", "b/[<c>]] >]d/");
        check("<?xml version='1.0'?><?php <a> ?><b/>", "b/");
        check("<!DOCTYPE a SYSTEM 'x>' [<!ENTITY b '<c>]>'> <!-- ' --> <?d ]> ?> ]><e/>", "e/");
        check("<!DOCTYPE html><html>", "html;");
    }

    #[test]
    fn what_is_broken_takes_nothing_else_along() {
        check("<a b='c><d e='f'/>", "d e='f'/".replace('\'', "").as_str());
        check("<a <b>", "b;");
        check("<a b='1' c><d e/><f g=h/><i j=k l>", "a b=1;d/f g=h/i j=k;");
        check("< a><b", "");
        check("</a<b/></><c/>", "!a;b/!;c/");
        check("<?xml version='1.0'><a/>", "a/");
        check("<?php <a/>", "a/");
        check("<a ='b' c='d'/>", "a c=d/");
        check("<!ELEMENT a><b/><!DOCTYPE c [><d/>", "b/d/");
        check("<!DOCTYPE a [><b/>", "b/");
        check("<!DOCTYPE a <b/>", "b/");
        check("<!DOCTYPE a \"><b>\"</b>", "b;!b;");
        check("<!DOCTYPE a <!-- ><b>--></b>", "!b;");
        check("<!DOCTYPE a [ '><b>']></b>", "b;!b;");
        check("<!DOCTYPE a [<!ENTITY b <c/>]><d/>", "c/d/");
        check("<a/><![CDATA[x", "a/[x]");
        check("<a/><!-- <b/>", "a/");
        check("<", "");
        check("<!", "");
        check("<a b=", "");
    }
}
