//! A body read by a CommonMark parser: images, links and raw HTML.
//!
//! GFM tables and footnotes are on, since without them `[^1]: ![a](b.png)` would be a definition.

use std::collections::BTreeMap;
use std::ops::Range;

use pulldown_cmark::{Event, LinkType, OffsetIter, Options, Parser, Tag, TagEnd};

use crate::document::decoded::is_fetchable;
use crate::document::escape::{Escape, Escapes};
use crate::document::extract::candidate;
use crate::document::reference::{Reference, ReferenceKind};
use crate::document::shadow::Text;
use crate::document::span::Span;

use super::destination;
use super::thin::thin;

/// What a body holds. Spans count from the start of the body.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) images: Vec<Reference>,
    /// Links that may lead to an image.
    pub(super) links: Vec<Reference>,
    /// Raw HTML, each piece as far as it goes without a break.
    pub(super) html: Vec<Span>,
    /// Code: spans, fences and indented blocks, with their marks.
    pub(super) code: Vec<Span>,
}

/// `shadow` is what is seen of `text`.
pub(super) fn read(text: Text<'_>, shadow: &str) -> Parts {
    let shadow = thin(shadow);
    let text = Text { seen: shadow.as_bytes(), raw: text.raw };
    let mut events =
        Parser::new_ext(&shadow, Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES).into_offset_iter();
    let mut reader = Reader {
        text,
        parts: Parts::default(),
        open: Vec::new(),
        images: 0,
        used: BTreeMap::new(),
        in_block: false,
    };
    while let Some((event, place)) = events.next() {
        reader.event(event, place, &events);
    }
    reader.finish()
}

struct Reader<'t> {
    text: Text<'t>,
    parts: Parts,
    open: Vec<Open>,
    /// How many of `open` are images.
    images: usize,
    /// Destinations of the definitions in use, and whether an image uses them.
    used: BTreeMap<Span, bool>,
    /// Whether a piece of HTML may go on where the last one ended.
    in_block: bool,
}

/// A link or image that has begun.
struct Open {
    /// What its destination says.
    url: String,
    place: Place,
    /// Where its text ends, as far as is known.
    text_end: usize,
}

/// Where the destination of a link stands.
enum Place {
    /// Behind its text.
    Inline,
    /// In a definition.
    Definition(Span),
    /// It is an autolink, or stands in an image's text, which is shown as plain text.
    Nowhere,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, range: Range<usize>, events: &OffsetIter<'_>) {
        let is_own_end = matches!(event, Event::End(TagEnd::Image | TagEnd::Link));
        if let Some(open) = self.open.last_mut().filter(|_| !is_own_end) {
            open.text_end = open.text_end.max(range.end);
        }
        match event {
            Event::Start(Tag::Image { link_type, dest_url, id, .. }) => {
                self.start(dest_url.into_string(), self.place(link_type, &id, events), range.start + 2);
                self.images += 1;
            }
            Event::Start(Tag::Link { link_type, dest_url, id, .. }) => {
                self.start(dest_url.into_string(), self.place(link_type, &id, events), range.start + 1);
            }
            Event::End(TagEnd::Image) => {
                self.images -= 1;
                self.end(true);
            }
            Event::End(TagEnd::Link) => self.end(false),
            Event::Code(_) | Event::Start(Tag::CodeBlock(_)) => self.parts.code.push(range.into()),
            Event::Start(Tag::HtmlBlock) => self.in_block = false,
            Event::Html(_) => {
                self.html(range.into());
                self.in_block = true;
            }
            Event::InlineHtml(_) if self.images == 0 => {
                self.in_block = false;
                self.html(range.into());
            }
            _ => {}
        }
    }

    fn place(&self, link_type: LinkType, label: &str, events: &OffsetIter<'_>) -> Place {
        if self.images > 0 {
            return Place::Nowhere;
        }
        match link_type {
            LinkType::Inline => Place::Inline,
            LinkType::Reference | LinkType::Collapsed | LinkType::Shortcut => {
                self.definition(label, events).map_or(Place::Nowhere, Place::Definition)
            }
            LinkType::ReferenceUnknown
            | LinkType::CollapsedUnknown
            | LinkType::ShortcutUnknown
            | LinkType::Autolink
            | LinkType::Email
            | LinkType::WikiLink { .. } => Place::Nowhere,
        }
    }

    /// The destination of the definition with this label.
    fn definition(&self, label: &str, events: &OffsetIter<'_>) -> Option<Span> {
        let definition = events.reference_definitions().get(label)?;
        let start = definition.span.start;
        let bracket = start + memchr::memchr(b'[', self.text.seen.get(start..)?)?;
        let behind = destination::behind_label(self.text.seen, bracket)?;
        destination::find(self.text, behind, &definition.dest)
    }

    fn start(&mut self, url: String, place: Place, text_start: usize) {
        self.open.push(Open { url, place, text_end: text_start });
    }

    fn end(&mut self, is_image: bool) {
        let Some(open) = self.open.pop() else { return };
        match open.place {
            Place::Inline => {
                let Some(rest) = self.text.seen.get(open.text_end..) else { return };
                let Some(bracket) = memchr::memmem::find(rest, b"](") else { return };
                let Some(span) = destination::find(self.text, open.text_end + bracket + 2, &open.url) else {
                    return;
                };
                self.keep(span, ReferenceKind::MarkdownImage, is_image);
            }
            Place::Definition(span) => *self.used.entry(span).or_default() |= is_image,
            Place::Nowhere => {}
        }
    }

    fn keep(&mut self, span: Span, kind: ReferenceKind, is_image: bool) {
        let mut url = destination::decode(self.text.slice(span));
        // They do not count (WHATWG URL, section 4.4, step 3 of the basic URL parser).
        url.retain(|char| !matches!(char, '\t' | '\n' | '\r'));
        if !is_fetchable(&url) || !(is_image || candidate::may_lead_to_image(&url)) {
            return;
        }
        let list = if is_image { &mut self.parts.images } else { &mut self.parts.links };
        list.push(Reference { span, kind, escapes: Escapes::of(Escape::Markdown), url });
    }

    /// Lines of a block in a list or quote stand apart. What is between them is no HTML, but white space
    /// may pass for it, and then a tag that runs over lines stays whole.
    fn html(&mut self, piece: Span) {
        if self.in_block
            && let Some(last) = self.parts.html.last_mut()
            && last.end() <= piece.start()
            && self.text.seen[last.end()..piece.start()].trim_ascii().is_empty()
        {
            *last = Span::new(last.start(), piece.end());
        } else {
            self.parts.html.push(piece);
        }
    }

    fn finish(mut self) -> Parts {
        for (span, is_image) in std::mem::take(&mut self.used) {
            self.keep(span, ReferenceKind::MarkdownDefinition, is_image);
        }
        self.parts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn html(text: &str) -> Vec<&str> {
        let parts = read(Text::of(text.as_bytes()), text);
        parts.html.iter().map(|piece| &text[piece.range()]).collect()
    }

    #[test]
    fn raw_html_in_pieces() {
        let check = |text, expected: &[&str]| assert_eq!(html(text), expected, "{text:?}");
        check("a <b> c <img\nsrc='x'> `<i>` \\<u>", &["<b>", "<img\nsrc='x'>"]);
        check("<div>\n<img>\n\n<p>", &["<div>\n<img>\n", "<p>"]);
        check("- <div>\n  <img\n  src='x'>\n", &["<div>\n  <img\n  src='x'>\n"]);
        check("> <div>\n> <img>\n", &["<div>\n", "<img>\n"]);
        check("![a <img>](b) <https://a.example/b.png> <a b", &[]);
    }

    proptest! {
        /// No image is lost because its destination could not be found again.
        #[test]
        fn each_destination_is_found(parts in proptest::collection::vec(proptest::sample::select(vec![
            "![", "![a](/d.png)", "[", "]", "](", ")", "(", "<", ">", "/a.png", "/b c.png", "\\", "&amp;", "&#x41;", "`", "\n",
            "\n> ", "> ", "- ", "    ", "[x]", "[x]: ", "![x]", "*", "|", "\n|-|-|\n", "图", " 't'", " \"]\"", "<b c='](x)'>", "\r\n", "\r",
            "\t", "[^1]", "[^1]: ", "&", "\\)", "\\]", "![*a*", "  \n",
        ]), 0..24)) {
            let text = parts.concat();
            let mut expected = Vec::new();
            let mut depth = 0;
            for event in Parser::new_ext(&text, Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES) {
                match event {
                    Event::Start(Tag::Image { link_type, dest_url, .. }) => {
                        if depth == 0 && link_type == LinkType::Inline && is_fetchable(&dest_url) {
                            expected.push(dest_url.into_string());
                        }
                        depth += 1;
                    }
                    Event::End(TagEnd::Image) => depth -= 1,
                    _ => {}
                }
            }
            let inline = |image: &Reference| image.kind == ReferenceKind::MarkdownImage;
            let found = read(Text::of(text.as_bytes()), &text).images;
            let found: Vec<_> = found.into_iter().filter(inline).map(|image| image.url).collect();
            prop_assert_eq!(found, expected, "{:?}", text);
        }
    }
}
