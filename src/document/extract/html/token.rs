//! Bytes → tags, as HTML's tokenizer has them (section 13.2.5), over memchr and without copying.

use memchr::{memchr, memmem};

use super::names::{Element, Key};
use crate::document::extract::Rules;
use crate::document::span::Span;

/// Reads the tags of a text, one after the other.
pub(super) struct Tokens<'a> {
    /// From the document's first byte to where this text ends, so that offsets are the document's.
    text: &'a [u8],
    rules: &'a Rules,
    at: usize,
    /// The last start tag.
    pub(super) tag: Tag,
}

/// What stands between two stretches of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// [`Tokens::tag`] has it.
    Start,
    /// The element, and its name as written.
    End(Element, Span),
    /// The text of a CDATA section.
    Cdata(Span),
    /// A comment, a doctype, or what is read as one.
    Comment,
}

/// A start tag, with those attributes that may matter.
pub(super) struct Tag {
    pub(super) element: Element,
    pub(super) name: Span,
    pub(super) is_self_closing: bool,
    pub(super) attributes: Vec<Attribute>,
    /// The attributes met so far, by their number in the table of names: of two with one name the
    /// first counts.
    seen: u128,
}

/// An attribute and its value as written, without quotes; empty if it has none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    pub(super) key: Key,
    pub(super) name: Span,
    pub(super) value: Span,
    /// Whether the user says that it holds an image.
    pub(super) is_users: bool,
}

impl Tag {
    fn new() -> Self {
        let name = Span::new(0, 0);
        Self { element: Element::Other, name, is_self_closing: false, attributes: Vec::new(), seen: 0 }
    }

    /// A tag that was read by the rules of XML, without its attributes.
    pub(super) fn of_xml(element: Element) -> Self {
        Self { element, ..Self::new() }
    }

    /// Whether it says that its content is HTML, as `annotation-xml` may.
    pub(super) fn says_html(&self, bytes: &[u8]) -> bool {
        self.attributes.iter().filter(|attribute| attribute.key == Key::Encoding).any(|attribute| {
            let encoding = &bytes[attribute.value.range()];
            ["text/html", "application/xhtml+xml"]
                .into_iter()
                .any(|html| encoding.eq_ignore_ascii_case(html.as_bytes()))
        })
    }
}

impl<'a> Tokens<'a> {
    pub(super) fn new(bytes: &'a [u8], piece: Span, rules: &'a Rules) -> Self {
        Self { text: &bytes[..piece.end()], rules, at: piece.start(), tag: Tag::new() }
    }

    /// The text, from the document's first byte on.
    pub(super) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Where the next token is looked for.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes on from `at`.
    pub(super) fn skip_to(&mut self, at: usize) {
        self.at = at;
    }

    /// The next token and where it begins. `is_foreign` is whether a CDATA section may stand here.
    ///
    /// A tag that the text ends in is none, just as browsers drop it.
    pub(super) fn next(&mut self, is_foreign: bool) -> Option<(usize, Token)> {
        loop {
            let open = self.at + memchr(b'<', &self.text[self.at..])?;
            let token = match self.text.get(open + 1)? {
                b'!' => self.declaration(open, is_foreign),
                b'?' => self.bogus_comment(open + 2),
                b'/' => match self.text.get(open + 2)? {
                    b'>' => self.bogus_comment(open + 2),
                    letter if letter.is_ascii_alphabetic() => {
                        let name = self.name(open + 2);
                        self.attributes(name.end(), false)?;
                        Token::End(Element::named(&self.text[name.range()]), name)
                    }
                    _ => self.bogus_comment(open + 2),
                },
                letter if letter.is_ascii_alphabetic() => {
                    self.tag.name = self.name(open + 1);
                    self.tag.element = Element::named(&self.text[self.tag.name.range()]);
                    self.tag.attributes.clear();
                    self.tag.seen = 0;
                    self.attributes(self.tag.name.end(), true)?;
                    Token::Start
                }
                _ => {
                    self.at = open + 1;
                    continue;
                }
            };
            return Some((open, token));
        }
    }

    fn name(&self, start: usize) -> Span {
        let len = self.text[start..].iter().position(|byte| ENDS[usize::from(*byte)] & NAME != 0);
        Span::new(start, len.map_or(self.text.len(), |len| start + len))
    }

    /// Reads attributes up to the end of the tag; `None` if the text ends first.
    fn attributes(&mut self, start: usize, is_kept: bool) -> Option<()> {
        let text = self.text;
        let mut at = start;
        loop {
            at += space(&text[at..]);
            match text.get(at)? {
                b'>' => {
                    self.tag.is_self_closing = false;
                    self.at = at + 1;
                    return Some(());
                }
                b'/' if text.get(at + 1) == Some(&b'>') => {
                    self.tag.is_self_closing = true;
                    self.at = at + 2;
                    return Some(());
                }
                b'/' => at += 1,
                _ => {
                    // a `=` that comes first is part of the name
                    let ends = |byte: &u8| ENDS[usize::from(*byte)] & ATTRIBUTE != 0;
                    let name = Span::new(at, at + 1 + text[at + 1..].iter().position(ends)?);
                    let value;
                    (value, at) = self.value(name.end())?;
                    if is_kept {
                        self.keep(name, value);
                    }
                }
            }
        }
    }

    /// The value of the attribute whose name ends at `at`, and where to go on; `None` if the text ends first.
    fn value(&self, at: usize) -> Option<(Span, usize)> {
        let equals = at + space(&self.text[at..]);
        if *self.text.get(equals)? != b'=' {
            return Some((Span::new(at, at), equals));
        }
        let start = equals + 1 + space(&self.text[equals + 1..]);
        match self.text.get(start)? {
            quote @ (b'"' | b'\'') => {
                let end = start + 1 + memchr(*quote, &self.text[start + 1..])?;
                Some((Span::new(start + 1, end), end + 1))
            }
            _ => {
                let ends = |byte: &u8| ENDS[usize::from(*byte)] & VALUE != 0;
                let end = start + self.text[start..].iter().position(ends)?;
                Some((Span::new(start, end), end))
            }
        }
    }

    fn keep(&mut self, name: Span, value: Span) {
        let bytes = &self.text[name.range()];
        let known = Key::named(bytes);
        let is_users = self.is_users(bytes);
        let (key, is_repeated) = match known {
            Some((number, key)) => (key, self.tag.seen >> number & 1 == 1),
            None if is_users => {
                (Key::User, self.tag.attributes.iter().any(|other| self.is_same(other, bytes)))
            }
            None => return,
        };
        if is_repeated {
            return;
        }
        if let Some((number, _)) = known {
            self.tag.seen |= 1 << number;
        }
        self.tag.attributes.push(Attribute { key, name, value, is_users });
    }

    /// Whether the user says that `attribute` of this tag holds an image.
    fn is_users(&self, attribute: &[u8]) -> bool {
        let Rules { attributes, elements, .. } = self.rules;
        let element = &self.text[self.tag.name.range()];
        attributes.iter().any(|users| attribute.eq_ignore_ascii_case(users.as_bytes()))
            || elements.iter().any(|users| {
                attribute.eq_ignore_ascii_case(users.attribute.as_bytes())
                    && element.eq_ignore_ascii_case(users.element.as_bytes())
            })
    }

    fn is_same(&self, other: &Attribute, name: &[u8]) -> bool {
        self.text[other.name.range()].eq_ignore_ascii_case(name)
    }

    fn declaration(&mut self, open: usize, is_foreign: bool) -> Token {
        let rest = &self.text[open + 2..];
        if rest.starts_with(b"--") {
            self.at = comment_end(self.text, open + 4);
            Token::Comment
        } else if is_foreign && rest.starts_with(b"[CDATA[") {
            let start = open + 9;
            let end = memmem::find(&self.text[start..], b"]]>").map(|len| start + len);
            self.at = end.map_or(self.text.len(), |end| end + 3);
            Token::Cdata(Span::new(start, end.unwrap_or(self.text.len())))
        } else {
            self.bogus_comment(open + 2)
        }
    }

    /// A doctype ends in the same way: a `>` ends it even within quotes.
    fn bogus_comment(&mut self, start: usize) -> Token {
        let end = memchr(b'>', &self.text[start..]);
        self.at = end.map_or(self.text.len(), |len| start + len + 1);
        Token::Comment
    }
}

/// Where the comment ends whose text starts at `start`: after `-->` or `--!>`, or after a `>` or `->`
/// that comes at once.
fn comment_end(text: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(len) = memchr(b'>', &text[at..]) {
        let end = at + len;
        at = end + 1;
        match &text[start..end] {
            b"" | b"-" | [.., b'-', b'-'] | [.., b'-', b'-', b'!'] => return at,
            _ => {}
        }
    }
    text.len()
}

fn space(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| is_space(**byte)).count()
}

const NAME: u8 = 1;
const ATTRIBUTE: u8 = 2;
const VALUE: u8 = 4;

/// By byte, what it ends: the name of a tag or of an attribute, a value without quotes.
static ENDS: [u8; 256] = {
    let mut ends = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        if is_space(byte as u8) || byte as u8 == b'>' {
            ends[byte] = NAME | ATTRIBUTE | VALUE;
        }
        byte += 1;
    }
    ends[b'/' as usize] = NAME | ATTRIBUTE;
    ends[b'=' as usize] = ATTRIBUTE;
    ends
};

/// HTML's ASCII white space.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

#[cfg(test)]
mod tests {
    use crate::document::extract::html::find;
    use crate::document::extract::{ElementAttribute, Found, Rules};

    #[test]
    fn attributes_of_one_element() {
        let pair = |element: &str, attribute: &str| ElementAttribute {
            element: element.to_owned(),
            attribute: attribute.to_owned(),
        };
        let elements = vec![pair("x-photo", "full"), pair("P", "Big-SrcSet"), pair("iframe", "src")];
        let rules = Rules { elements, ..Rules::default() };
        let check = |html: &str, expected: &[&str]| {
            let mut found = Found::default();
            find(html.as_bytes(), &rules, &mut found);
            let raw: Vec<_> = found.references.iter().map(|found| &html[found.span.range()]).collect();
            assert_eq!(raw, expected, "{html}");
        };
        check("<x-photo full='//h/a?b&amp;c'></x-photo>", &["//h/a?b&amp;c"]);
        check(
            "<X-Photo FULL=//h/a full=//h/b><p big-srcset='//h/c 1x, //h/d 2x'>",
            &["//h/a", "//h/c", "//h/d"],
        );
        check("<x-photo style='background:url(a)' full=\"url('//h/b')\">", &["a", "//h/b"]);
        check("<iframe src=//h/a.png></iframe><embed src=//h/b>", &["//h/a.png"]);
        check("<svg><x-photo full=//h/a /></svg>", &["//h/a"]);
        for html in [
            "<photo full=//h/a>",
            "<x-photos full=//h/a>",
            "<x-photo fuller=//h/a>",
            "<x-photo data-full=//h/a>",
            "<x-photo full=yes>",
            "<x-photo full>",
            "<div full=//h/a big-srcset='//h/b 1x'>",
            "</x-photo full=//h/a>",
            "<!-- <x-photo full=//h/a> -->",
            "<script><x-photo full=//h/a></script>",
        ] {
            check(html, &[]);
        }
    }
}
