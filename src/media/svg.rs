//! SVG: XML that is well-formed to its end and whose root element is `svg`, in any namespace.
//!
//! Nothing is resolved: no entity is replaced, no external file is asked for.

use std::collections::HashSet;
use std::io::{self, BufRead, Read, Seek};
use std::ops::Range;

use encoding_rs::{Decoder, DecoderResult, Encoding};
use quick_xml::Reader;
use quick_xml::errors::Error;
use quick_xml::events::{BytesStart, Event};

use crate::media::input::Input;
use crate::media::{Flaw, Inspected, sniff};

/// Elements inside each other. Drawing programs stay below 50; libxml2, which many browsers use, stops at 256.
const MAX_DEPTH: u64 = 1_000;

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
    let Text { input, ended, .. } = reader.into_inner();
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
        Err(Fault::Malformed(_)) if ended => Err(input.ended()),
        Err(Fault::Malformed(what)) => Err(input.damaged(what)),
    }
}

enum Progress {
    More,
    Done,
}

/// What keeps a document from being an SVG.
enum Fault {
    /// It is XML, but not about an SVG, if no root was met before; not well-formed otherwise.
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
                Self::Malformed("text that is not in the encoding it is said to be in")
            }
            Error::Io(error) => Self::Reading(io::Error::new(error.kind(), error)),
            Error::IllFormed(_) => Self::Malformed("a tag that does not match"),
            _ => Self::Malformed("markup that is not XML"),
        }
    }
}

/// What is known of the document so far.
#[derive(Default)]
struct Document {
    /// Elements that are open.
    depth: u64,
    /// A document type was declared, so there may be entities of its own.
    declared: bool,
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
                self.declared = true;
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

    fn attribute_value(&self, value: &str) -> Result<(), Fault> {
        if value.contains('<') {
            return Err(Fault::Malformed("a tag inside an attribute"));
        }
        value.split('&').skip(1).try_for_each(|rest| match rest.split_once(';') {
            Some((entity, _)) => self.entity(entity),
            None => Err(Fault::Malformed("an entity without an end")),
        })
    }

    fn entity(&self, name: &str) -> Result<(), Fault> {
        let is_name = !name.is_empty() && !name.contains(|c: char| c.is_ascii_whitespace() || c == '=');
        let predefined = matches!(name, "amp" | "lt" | "gt" | "quot" | "apos") || name.starts_with('#');
        if is_name && (predefined || self.declared) {
            Ok(())
        } else {
            Err(Fault::Malformed("an entity that nobody declared"))
        }
    }
}

/// Whether a document type refers to an entity that is no single character.
fn has_nested_entities(declaration: &str) -> bool {
    let names = declaration.split('&').skip(1).filter_map(|rest| Some(rest.split_once(';')?.0));
    let nested = |name: &str| {
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "._-:".contains(c));
        is_name && !matches!(name, "amp" | "lt" | "gt" | "quot" | "apos")
    };
    names.into_iter().any(nested)
}

/// The attributes of the root element that say how large it is to be.
#[derive(Default)]
struct Size {
    width: Option<f64>,
    height: Option<f64>,
    view_box: Option<(f64, f64)>,
}

impl Size {
    fn take(&mut self, attribute: &str, value: &str) {
        match attribute {
            "width" => self.width = length(value),
            "height" => self.height = length(value),
            "viewBox" => {
                let is_separator = |c: char| c.is_ascii_whitespace() || c == ',';
                let mut numbers = value.split(is_separator).filter(|number| !number.is_empty()).skip(2);
                let mut side = || numbers.next()?.parse().ok().filter(|side| *side > 0.0);
                self.view_box = side().zip(side());
            }
            _ => {}
        }
    }

    /// A side that is not given follows from the other by the proportions of the view box.
    fn in_pixels(&self) -> (Option<u32>, Option<u32>) {
        let (width, height) = match (self.width, self.height, self.view_box) {
            (None, None, Some((width, height))) => (Some(width), Some(height)),
            (Some(width), None, Some((across, down))) => (Some(width), Some(width * down / across)),
            (None, Some(height), Some((across, down))) => (Some(height * across / down), Some(height)),
            (width, height, _) => (width, height),
        };
        let whole = |side: f64| {
            let side = side.round();
            // the cast cannot lose anything within these bounds
            (1.0..=f64::from(u32::MAX)).contains(&side).then_some(side as u32)
        };
        (width.and_then(whole), height.and_then(whole))
    }
}

/// A length in CSS pixels (CSS Values, 6.2), unless it depends on something outside.
fn length(text: &str) -> Option<f64> {
    let text = text.trim();
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic() || c == '%').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let pixels = match unit {
        "" | "px" => 1.0,
        "pt" => 4.0 / 3.0,
        "pc" => 16.0,
        "in" => 96.0,
        "cm" => 96.0 / 2.54,
        "mm" => 9.6 / 2.54,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * pixels)
}

/// The input as UTF-8, whatever it was written in.
struct Text<'a, R> {
    input: &'a mut Input<R>,
    decoder: Decoder,
    buffer: Vec<u8>,
    /// What of `buffer` is still to be shown.
    ready: Range<usize>,
    /// The input has no more, nor has the decoder.
    ended: bool,
}

impl<'a, R: BufRead + Seek> Text<'a, R> {
    fn new(input: &'a mut Input<R>, encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder();
        Self { input, decoder, buffer: vec![0; 8 * 1024], ready: 0..0, ended: false }
    }

    fn decode_more(&mut self) -> io::Result<()> {
        while self.ready.is_empty() && !self.ended {
            let ahead = self.input.peek().map_err(reading)?;
            let last = ahead.is_empty();
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(ahead, &mut self.buffer, last);
            self.input.consume(read).map_err(reading)?;
            self.ready = 0..written;
            self.ended = last && !matches!(result, DecoderResult::OutputFull);
            let malformed = matches!(result, DecoderResult::Malformed(_, _));
            // XML 1.0 has no way to write U+0000; it is what a hole in a file reads as
            if malformed || memchr::memchr(0, &self.buffer[..written]).is_some() {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(())
    }
}

impl<R: BufRead + Seek> BufRead for Text<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.decode_more()?;
        Ok(&self.buffer[self.ready.clone()])
    }

    fn consume(&mut self, bytes: usize) {
        self.ready.start += bytes;
    }
}

impl<R: BufRead + Seek> Read for Text<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?.read(into)?;
        self.consume(bytes);
        Ok(bytes)
    }
}

fn reading(flaw: Flaw) -> io::Error {
    match flaw {
        Flaw::Io(error) => error,
        flaw => io::Error::other(flaw),
    }
}
