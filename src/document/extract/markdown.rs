//! References in a Markdown document: its front matter, its images, the raw HTML among them, and the tags of
//! site generators.
//!
//! What is code (spans, fences, indented blocks, `<pre>`, `<code>`, `{% highlight %}`) and what is in
//! comments holds nothing.

use crate::document::extract::{Found, Rules, front_matter, html};
use crate::document::reference::Reference;
use crate::document::shadow::{self, Text};
use crate::document::span::Span;

use inline::Parts;
use tags::{Role, Tag};

mod blocks;
mod code;
mod destination;
mod inline;
mod tags;
mod thin;

/// Appends the references of the whole document.
pub fn find(bytes: &[u8], rules: &Rules, found: &mut Found) {
    let start = front_matter::find(bytes, rules, found);
    let body = &bytes[start..];
    if tags::may_hold(body) && find_with_tags(bytes, start, rules, found) {
        return;
    }
    if memchr::memchr2(b'<', b'[', body).is_none() {
        return;
    }
    let parts = match blocks::html_pieces(body) {
        Some(html) => Parts { html, ..Parts::default() },
        None => {
            let shadow = shadow::utf8(bytes, Span::new(start, bytes.len()));
            inline::read(Text { seen: shadow.as_bytes(), raw: body }, &shadow)
        }
    };
    let code = Places::new(code::elements(body, &parts.html));
    collect(bytes, start, parts, &code, rules, found);
}

/// The same for a body with tags that matter; `false` if it has none. To Markdown, what a tag shows is one
/// word, and what a block of code holds is too.
fn find_with_tags(bytes: &[u8], start: usize, rules: &Rules, found: &mut Found) -> bool {
    let body = &bytes[start..];
    let shadow = shadow::utf8(bytes, Span::new(start, bytes.len()));
    let tags = tags::read(Text { seen: shadow.as_bytes(), raw: body });
    if tags.is_empty() {
        return false;
    }
    let images = tags.iter().filter(|tag| matches!(tag.role, Role::Image { .. })).map(|tag| tag.span);
    let mut seen = without(&shadow, images);
    let mut parts = inline::read(Text { seen: seen.as_bytes(), raw: body }, &seen);
    let in_code = Places::new(parts.code.clone());
    let blocks = tags::blocks(&tags, |at| in_code.hold(at));
    let code_blocks = || blocks.iter().filter(|block| block.is_code).map(|block| block.span);
    if code_blocks().next().is_some() {
        seen = without(&seen, code_blocks());
        parts = inline::read(Text { seen: seen.as_bytes(), raw: body }, &seen);
    }
    let elements = code::elements(body, &parts.html);
    let mut no_tags = code::no_markup(body, &parts.html);
    no_tags.append(&mut parts.code);
    no_tags.extend(blocks.iter().map(|block| block.span));
    let no_tags = Places::new(no_tags);
    for Tag { span, role } in tags {
        if let Role::Image { images, links } = role
            && !no_tags.hold(span.start())
        {
            parts.images.extend(images);
            parts.links.extend(links);
        }
    }
    let code = Places::new(elements.into_iter().chain(code_blocks()).collect());
    collect(bytes, start, parts, &code, rules, found);
    true
}

/// Letters in the place of each of `spans`, which are in order.
fn without(text: &str, spans: impl Iterator<Item = Span>) -> String {
    let mut out = String::with_capacity(text.len());
    for span in spans {
        out.push_str(&text[out.len()..span.start()]);
        out.extend(std::iter::repeat_n('x', span.len()));
    }
    out.push_str(&text[out.len()..]);
    out
}

/// Adds what the raw HTML holds, leaves out what is code, and counts from the start of the document.
fn collect(bytes: &[u8], start: usize, parts: Parts, code: &Places, rules: &Rules, found: &mut Found) {
    let pieces: Vec<Span> = parts.html.iter().map(|piece| piece.shift(start)).collect();
    let mut in_html = Found::default();
    html::find_in(bytes, &pieces, rules, &mut in_html);
    let in_place = |mut reference: Reference| {
        reference.span = reference.span.shift(start);
        reference
    };
    let is_meant = |reference: &Reference| !code.hold(reference.span.start() - start);
    let images = parts.images.into_iter().map(in_place).chain(in_html.references);
    let links = parts.links.into_iter().map(in_place).chain(in_html.links);
    found.references.extend(images.filter(is_meant));
    found.links.extend(links.filter(is_meant));
    if found.base.is_none() {
        found.base = in_html.base;
    }
    found.has_inner_base |= in_html.has_inner_base;
}

/// Stretches of a text that may be asked for any place in it.
struct Places(Vec<Span>);

impl Places {
    fn new(mut spans: Vec<Span>) -> Self {
        spans.sort();
        let mut end = 0;
        // what lies in another one is not needed, and in order of both ends they can be searched
        spans.retain(|span| {
            let is_more = span.end() > end;
            end = end.max(span.end());
            is_more
        });
        Self(spans)
    }

    fn hold(&self, at: usize) -> bool {
        let next = self.0.partition_point(|span| span.end() <= at);
        self.0.get(next).is_some_and(|span| span.start() <= at)
    }
}
