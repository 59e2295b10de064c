//! Documents of known content: made of pieces, each of which says what it shows and where. Exactly that must be
//! found, and nothing of what only looks like it.

use std::ops::Range;

use imgkeep::document::DocumentKind;
use imgkeep::document::extract::{self, Rules};

use super::dice::Dice;

mod address;
mod css;
mod front_matter;
mod html;
mod json;
mod markdown;
mod write;
mod xml;

/// A text and the references in it, in order.
#[derive(Debug, Default)]
struct Page {
    text: String,
    references: Vec<(Range<usize>, String)>,
}

impl Page {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds a URL that is written as `written`.
    fn show(&mut self, written: &str, url: &str) {
        let start = self.text.len();
        self.text.push_str(written);
        self.references.push((start..self.text.len(), url.to_owned()));
    }

    /// Adds a page that stands in this one as text; `write` says how each of its characters is written.
    fn nest(&mut self, inner: &Self, mut write: impl FnMut(char) -> String) {
        let mut offsets = Vec::with_capacity(inner.text.len() + 1);
        for char in inner.text.chars() {
            offsets.resize(offsets.len() + char.len_utf8(), self.text.len());
            self.text.push_str(&write(char));
        }
        offsets.push(self.text.len());
        let shifted =
            |(span, url): &(Range<usize>, String)| (offsets[span.start]..offsets[span.end], url.clone());
        self.references.extend(inner.references.iter().map(shifted));
    }
}

/// The bytes decide what the document is made of, and the first how it is encoded.
pub fn holds(bytes: &[u8]) {
    let mut dice = Dice::new(bytes);
    let encoding = dice.byte();
    let (page, kind) = match dice.below(6) {
        0 => (html::page(&mut dice), DocumentKind::Html),
        1 => (css::sheet(&mut dice), DocumentKind::Css),
        2 => (xml::feed(&mut dice), DocumentKind::Xml),
        3 => (json::feed(&mut dice), DocumentKind::Json),
        4 => (front_matter::post(&mut dice), DocumentKind::Markdown),
        _ => (markdown::post(&mut dice), DocumentKind::Markdown),
    };
    let plain = |text: &str| text.as_bytes().to_vec();
    is_found(&page, kind, plain, 0);
    let units = |unit: fn(u16) -> [u8; 2]| move |text: &str| text.encode_utf16().flat_map(unit).collect();
    match encoding % 4 {
        1 => is_found(&page, kind, units(u16::to_le_bytes), 0xfeff),
        2 => is_found(&page, kind, units(u16::to_be_bytes), 0xfeff),
        3 => is_found(&page, kind, plain, 0xfeff),
        _ => {}
    }
}

/// Holds what is found to what was written. `encode` is taken part by part; `mark` stands first if it is no NUL.
fn is_found(page: &Page, kind: DocumentKind, encode: impl Fn(&str) -> Vec<u8>, mark: u32) {
    let mark = char::from_u32(mark).filter(|mark| *mark != '\0').map(String::from).unwrap_or_default();
    let mut bytes = encode(&mark);
    let mut expected = Vec::new();
    let mut copied = 0;
    for (span, url) in &page.references {
        bytes.extend(encode(&page.text[copied..span.start]));
        let start = bytes.len();
        bytes.extend(encode(&page.text[span.clone()]));
        expected.push((start..bytes.len(), url.clone()));
        copied = span.end;
    }
    bytes.extend(encode(&page.text[copied..]));
    let found = extract::find(&bytes, kind, &Rules::default());
    let found: Vec<_> = found.references.into_iter().map(|one| (one.span.range(), one.url)).collect();
    assert_eq!(found, expected, "{}", page.text);
}
