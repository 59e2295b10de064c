//! References in a Markdown document: its front matter, its images, and the raw HTML among them.
//!
//! What is code (spans, fences, indented blocks, `<pre>`, `<code>`) and what is in comments holds nothing.

use crate::document::extract::{Found, Rules, front_matter, html};
use crate::document::reference::Reference;
use crate::document::shadow::{self, Text};
use crate::document::span::Span;

use inline::Parts;

mod blocks;
mod code;
mod destination;
mod inline;

/// Appends the references of the whole document.
pub fn find(bytes: &[u8], rules: &Rules, found: &mut Found) {
    let start = front_matter::find(bytes, rules, found);
    let body = &bytes[start..];
    if memchr::memchr2(b'<', b'[', body).is_none() {
        return;
    }
    let parts = match blocks::html_pieces(body) {
        Some(html) => Parts { html, ..Parts::default() },
        None => parse(bytes, start),
    };
    collect(bytes, start, parts, rules, found);
}

fn parse(bytes: &[u8], start: usize) -> Parts {
    let shadow = shadow::utf8(bytes, Span::new(start, bytes.len()));
    inline::read(Text { seen: shadow.as_bytes(), raw: &bytes[start..] }, &shadow)
}

/// Adds what the raw HTML holds, leaves out what is code, and counts from the start of the document.
fn collect(bytes: &[u8], start: usize, parts: Parts, rules: &Rules, found: &mut Found) {
    let code = code::elements(&bytes[start..], &parts.html);
    let is_code = |reference: &Reference| {
        let at = reference.span.start();
        let next = code.partition_point(|element| element.end() + start <= at);
        code.get(next).is_some_and(|element| element.start() + start <= at)
    };
    let pieces: Vec<Span> = parts.html.iter().map(|piece| piece.shift(start)).collect();
    let mut in_html = Found::default();
    html::find_in(bytes, &pieces, rules, &mut in_html);
    let in_place = |mut reference: Reference| {
        reference.span = reference.span.shift(start);
        reference
    };
    let images = parts.images.into_iter().map(in_place).chain(in_html.references);
    let links = parts.links.into_iter().map(in_place).chain(in_html.links);
    found.references.extend(images.filter(|reference| !is_code(reference)));
    found.links.extend(links.filter(|reference| !is_code(reference)));
    if found.base.is_none() {
        found.base = in_html.base;
    }
    found.has_inner_base |= in_html.has_inner_base;
}
