//! SVG: XML that is well-formed to its end and whose root element is `svg`, in any namespace.
//!
//! Nothing is resolved: no entity is replaced, no external file is asked for.

mod size;
mod text;

use std::collections::HashSet;
use std::io::{self, BufRead, Seek};

use quick_xml::Reader;
use quick_xml::errors::Error;
use quick_xml::events::{BytesStart, Event};

use crate::media::input::Input;
use crate::media::{Flaw, Inspected, sniff};
use size::Size;
use text::Text;

/// Elements inside each other. Drawing programs stay below 50; libxml2, which many browsers use, stops at 256.
const MAX_DEPTH: u64 = 1_000;

/// Attributes of one element. Editors write less than a hundred.
const MAX_ATTRIBUTES: u64 = 10_000;

/// Bytes that entities of the document's own may stand for, each taken to be as long as the longest of them.
const MAX_EXPANDED: u64 = 64 << 20;

/// `head` is the start of the input, by which what is no SVG is named.
pub(super) fn walk<R: BufRead + Seek>(input: &mut Input<R>, head: &[u8]) -> Result<Inspected, Flaw> {
    let mut document = Document::default();
    let mut reader = Reader::from_reader(Text::new(input, sniff::encoding(head)));
    reader.config_mut().check_comments = true;
    let mut buffer = Vec::new();
    let verdict = loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer).map_err(Fault::from);
        match event.and_then(|event| document.take(event)) {
            Ok(Progress::More) => {}
            Ok(Progress::Done) => break Ok(()),
            Err(fault) => break Err(fault),
        }
    };
    let (input, ended) = reader.into_inner().finish();
    let Some((width, height)) = document.root else {
        return Err(match verdict {
            Err(Fault::Reading(error)) => Flaw::Io(error),
            _ => Flaw::NotAnImage { looks_like: sniff::guess(head) },
        });
    };
    match verdict {
        Ok(()) if document.depth == 0 => {
            Ok(Inspected { width, height, frames: None, ..input.whole((0, 0), 1) })
        }
        Ok(()) => Err(input.ended()),
        Err(Fault::Reading(error)) => Err(Flaw::Io(error)),
        Err(Fault::TooMuch { asked, unit, limit }) => {
            Err(Flaw::Bomb { format: input.format, asked, unit, limit })
        }
        Err(Fault::Unreadable(_)) if ended => Err(input.ended()),
        Err(Fault::Unreadable(what) | Fault::Malformed(what)) => Err(input.damaged(what)),
    }
}

enum Progress {
    More,
    Done,
}

/// What keeps a document from being an SVG.
enum Fault {
    /// No XML, or only the start of it.
    Unreadable(&'static str),
    /// What cannot stand where it does.
    Malformed(&'static str),
    TooMuch {
        asked: u64,
        unit: &'static str,
        limit: u64,
    },
    Reading(io::Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                Self::Unreadable("text that is not in the encoding it is said to be in")
            }
            Error::Io(error) => Self::Reading(io::Error::new(error.kind(), error)),
            Error::IllFormed(_) => Self::Unreadable("a tag that does not match"),
            _ => Self::Unreadable("markup that is not XML"),
        }
    }
}

/// What is known of the document so far.
#[derive(Default)]
struct Document {
    /// Elements that are open.
    depth: u64,
    /// A document type was declared, so there may be entities of its own, of at most so many bytes.
    declared: Option<u64>,
    /// How much those that were met stand for at most.
    expanded: u64,
    /// An entity is made of other entities, which is how a few bytes become gigabytes.
    nested_entities: bool,
    /// The size that the root element states, once it was met.
    root: Option<(Option<u32>, Option<u32>)>,
}

impl Document {
    fn take(&mut self, event: Event<'_>) -> Result<Progress, Fault> {
        match event {
            Event::Eof => return Ok(Progress::Done),
            Event::Start(tag) => {
                self.element(&tag)?;
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(Fault::TooMuch {
                        asked: self.depth,
                        unit: "elements inside each other",
                        limit: MAX_DEPTH,
                    });
                }
            }
            Event::Empty(tag) => self.element(&tag)?,
            Event::End(_) => self.depth -= 1,
            Event::Text(text) if self.depth == 0 && !text.trim_ascii().is_empty() => {
                return Err(Fault::Malformed("text outside of the root element"));
            }
            Event::CData(_) | Event::GeneralRef(_) if self.depth == 0 => {
                return Err(Fault::Malformed("text outside of the root element"));
            }
            Event::GeneralRef(entity) => self.entity(&entity)?,
            Event::DocType(declaration) => {
                self.declared = Some(longest_literal(&declaration) as u64);
                self.nested_entities |= has_nested_entities(&declaration);
            }
            Event::Text(_) | Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
        Ok(Progress::More)
    }

    fn element(&mut self, tag: &BytesStart<'_>) -> Result<(), Fault> {
        let is_root = self.root.is_none();
        if is_root {
            if tag.local_name().as_ref() != "svg" {
                return Err(Fault::Malformed("another root element"));
            }
            self.root = Some((None, None));
            if self.nested_entities {
                return Err(Fault::TooMuch { asked: 1, unit: "entities made of entities", limit: 0 });
            }
        } else if self.depth == 0 {
            return Err(Fault::Malformed("a second root element"));
        }
        let mut names = HashSet::new();
        let mut size = Size::default();
        // the check for doubles that comes with the iterator takes the square of their number
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| Fault::Malformed("an attribute that is not XML"))?;
            let name = attribute.key.into_inner();
            if !names.insert(name) {
                return Err(Fault::Malformed("an attribute given twice"));
            }
            let asked = names.len() as u64;
            if asked > MAX_ATTRIBUTES {
                return Err(Fault::TooMuch {
                    asked,
                    unit: "attributes of an element",
                    limit: MAX_ATTRIBUTES,
                });
            }
            self.attribute_value(&attribute.value)?;
            if is_root {
                size.take(name, &attribute.value);
            }
        }
        if is_root {
            self.root = Some(size.in_pixels());
        }
        Ok(())
    }

    fn attribute_value(&mut self, value: &str) -> Result<(), Fault> {
        if value.contains('<') {
            return Err(Fault::Malformed("a tag inside an attribute"));
        }
        value.split('&').skip(1).try_for_each(|rest| match rest.split_once(';') {
            Some((entity, _)) => self.entity(entity),
            None => Err(Fault::Malformed("an entity without an end")),
        })
    }

    fn entity(&mut self, name: &str) -> Result<(), Fault> {
        let is_name = !name.is_empty() && !name.contains(|c: char| c.is_ascii_whitespace() || c == '=');
        if is_name && (matches!(name, "amp" | "lt" | "gt" | "quot" | "apos") || name.starts_with('#')) {
            return Ok(());
        }
        let Some(length) = self.declared.filter(|_| is_name) else {
            return Err(Fault::Malformed("an entity that nobody declared"));
        };
        self.expanded = self.expanded.saturating_add(length);
        if self.expanded > MAX_EXPANDED {
            let (asked, limit) = (self.expanded, MAX_EXPANDED);
            return Err(Fault::TooMuch { asked, unit: "bytes of entities", limit });
        }
        Ok(())
    }
}

/// Bytes of the longest literal in a document type: no entity is longer. One that does not end goes on to the last byte.
fn longest_literal(declaration: &str) -> usize {
    let (mut rest, mut longest) = (declaration, 0);
    while let Some(start) = rest.find(['"', '\'', '<']) {
        let (delimiter, literal) = rest[start..].split_at(1);
        let end = match delimiter {
            // A quotation mark is none there.
            "<" if literal.starts_with("!--") => literal[3..].find("-->").map(|end| end + 3),
            "<" if literal.starts_with('?') => literal.find("?>"),
            "<" => Some(0),
            _ => {
                let end = literal.find(delimiter);
                longest = longest.max(end.unwrap_or(literal.len()));
                end.map(|end| end + 1)
            }
        };
        rest = end.map_or("", |end| &literal[end..]);
    }
    longest
}

/// Whether a document type refers to an entity that is no single character, or is going to when its literals are read.
fn has_nested_entities(declaration: &str) -> bool {
    let has_parameters =
        declaration.split("<!ENTITY").skip(1).any(|rest| rest.trim_ascii_start().starts_with('%'));
    let nested = |rest: &str| {
        let Some((name, after)) = rest.split_once(';') else { return false };
        if let Some(number) = name.strip_prefix('#') {
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            // An ampersand begins a reference where the literal is used, unless it is that to a character.
            return code == Ok(38) && (has_parameters || !after.starts_with('#'));
        }
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "._-:".contains(c));
        is_name && !matches!(name, "amp" | "lt" | "gt" | "quot" | "apos")
    };
    declaration.split('&').skip(1).any(nested)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use crate::media::{Flaw, Limits, inspect};

    fn verdict(text: &[u8]) -> Result<(), &'static str> {
        inspect(Cursor::new(text), &Limits::default()).map(drop).map_err(|flaw| Flaw::reason(&flaw))
    }

    #[test]
    fn only_a_whole_document_is_an_svg() {
        let check = |text: &str, expected: Result<(), &str>| {
            assert_eq!(verdict(text.as_bytes()), expected, "{text}");
        };
        check("<svg/>", Ok(()));
        check(" \n<?xml version='1.0'?><!-- a --><!DOCTYPE svg><x:svg/>\n<!-- b -->", Ok(()));
        check("<svg><script>if (a &lt; b) alert(1)</script></svg>", Ok(()));
        check("<svg><![CDATA[ & < ]]>&#233;&quot;</svg>", Ok(()));
        check("<!DOCTYPE svg [<!ENTITY e 'x'>]><svg a='&e;'>&e;</svg>", Ok(()));
        check("<!DOCTYPE svg [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><svg>&e;</svg>", Ok(()));
        check("<!DOCTYPE svg [<!ENTITY e '&#60;'><!ENTITY f '&e;'>]><svg>&f;</svg>", Err("bomb"));
        let declared = format!("<!DOCTYPE svg [<!ENTITY e '{}'>]>", "x".repeat(1 << 20));
        check(&format!("{declared}<svg>{}</svg>", "&e;".repeat(64)), Ok(()));
        check(&format!("{declared}<svg>{}</svg>", "&e;".repeat(65)), Err("bomb"));
        let attributes: String = (0..10_000).map(|n| format!(" a{n}=''")).collect();
        check(&format!("<svg{attributes}/>"), Ok(()));
        check(&format!("<svg{attributes} a=''/>"), Err("bomb"));
        check("<svg>&nbsp;</svg>", Err("damaged"));
        check("<svg a='x?a=1&b=2'/>", Err("damaged"));
        check("<svg a='1' a='2'/>", Err("damaged"));
        check("<svg a=1/>", Err("damaged"));
        check("<svg a='<'/>", Err("damaged"));
        check("<svg><g></svg>", Err("damaged"));
        check("<svg/><svg/>", Err("damaged"));
        check("<svg/>more", Err("damaged"));
        check("<svg>\0</svg>", Err("damaged"));
        check("<svg>", Err("truncated"));
        check("<svg><g/></sv", Err("truncated"));
        check("<svg><g a='", Err("truncated"));
        check("<svg><!-- ", Err("truncated"));
        check("<svg>&am", Err("truncated"));
        check("<svg", Err("not_an_image"));
        check("<html><svg/></html>", Err("not_an_image"));
    }

    #[test]
    fn many_uses_of_many_short_entities_are_no_bomb() {
        // as Illustrator writes them
        let styles: String =
            (0..400).map(|n| format!("<!ENTITY st{n} \"fill:#{n:06};{}\">\n", " ".repeat(40))).collect();
        let uses: String = (0..2_800).map(|n| format!("<path style='&st{};'/>", n % 400)).collect();
        assert_eq!(verdict(format!("<!DOCTYPE svg [{styles}]><svg>{uses}</svg>").as_bytes()), Ok(()));
    }

    #[test]
    fn no_quotation_mark_hides_a_literal() {
        let long = "x".repeat(1000);
        for (declaration, length) in [
            (format!("svg [<!ENTITY e '{long}'>]"), 1000),
            (format!("svg [<!ENTITY a 'b'><!ENTITY e \"'{long}\"><!ENTITY c 'd'>]"), 1001),
            (format!("svg [<!-- ' --><!ENTITY e '{long}'>]"), 1000),
            (format!("svg [<!-- \" ><?a ' ?>--><?a \" ?><!ENTITY e '{long}'>]"), 1000),
            (format!("svg [<!ENTITY e '<!-- {long}'><!-- -->]"), 1005),
            (format!("svg [<!ENTITY e '{long}"), 1000),
            ("svg [<!-- ' ]".to_owned(), 0),
        ] {
            assert_eq!(super::longest_literal(&declaration), length, "{declaration}");
        }
    }

    #[test]
    fn entities_of_entities_are_found_however_they_are_written() {
        for (declaration, is_nested) in [
            ("<!ENTITY e '&f;'>", true),
            ("<!ENTITY e '&#38;f;'>", true),
            ("<!ENTITY e '&#x26;f;'>", true),
            ("<!ENTITY e '&#0038;f;'>", true),
            ("<!ENTITY % d \"<!ENTITY e '&#38;#38;f;'>\">%d;", true),
            ("<!ENTITY lt '&#38;#60;'><!ENTITY amp '&#38;#38;'>", false),
            ("<!ENTITY e '&#233;&lt;'>", false),
        ] {
            assert_eq!(super::has_nested_entities(declaration), is_nested, "{declaration}");
        }
    }

    #[test]
    fn bytes_must_be_text_in_their_encoding() {
        let latin = |declared: &str| {
            let prolog = format!("<?xml version='1.0' encoding='{declared}'?><svg>");
            verdict(&[prolog.as_bytes(), b"\xE9</svg>"].concat())
        };
        assert_eq!(latin("iso-8859-1"), Ok(()));
        assert_eq!(latin("utf-8"), Err("damaged"));
        // cut within a character
        assert_eq!(verdict(b"<svg>\xE9\x9D"), Err("truncated"));
    }
}
