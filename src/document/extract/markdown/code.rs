//! `<pre>` and `<code>` elements among the raw HTML of a body: what they hold is shown, not meant. And what
//! is not shown at all: comments, scripts and the like.

use crate::document::span::Span;

const CODE: [&[u8]; 2] = [b"pre", b"code"];

/// Elements whose content is text.
const RAW_TEXT: [&[u8]; 4] = [b"script", b"style", b"textarea", b"title"];

/// Each element from its first tag to its last, outermost only; what is never closed is no element. A pair
/// of tags may stand in two pieces, as it does around inline Markdown.
pub(super) fn elements(body: &[u8], html: &[Span]) -> Vec<Span> {
    let mut elements = Vec::new();
    if !html.iter().any(|piece| may_hold_code(&body[piece.range()])) {
        return elements;
    }
    // The element that is open, where it starts, and how many of its name are open.
    let mut open: Option<(&[u8], usize, usize)> = None;
    for tag in html.iter().flat_map(|&piece| Tags::new(body, piece)) {
        match &mut open {
            None if !tag.is_end => {
                let name = CODE.into_iter().find(|name| name.eq_ignore_ascii_case(&body[tag.name.range()]));
                open = name.map(|name| (name, tag.span.start(), 1));
            }
            Some((name, start, depth)) if name.eq_ignore_ascii_case(&body[tag.name.range()]) => {
                *depth = if tag.is_end { *depth - 1 } else { *depth + 1 };
                if *depth == 0 {
                    elements.push(Span::new(*start, tag.span.end()));
                    open = None;
                }
            }
            _ => {}
        }
    }
    elements
}

/// Comments, and the content of elements whose content is text.
pub(super) fn no_markup(body: &[u8], html: &[Span]) -> Vec<Span> {
    let mut spans = Vec::new();
    for &piece in html {
        let mut tags = Tags::new(body, piece);
        while tags.next().is_some() {}
        spans.append(&mut tags.skipped);
    }
    spans
}

fn may_hold_code(html: &[u8]) -> bool {
    memchr::memchr_iter(b'<', html).any(|at| {
        let name = &html[at + 1..];
        CODE.iter().any(|code| name.get(..code.len()).is_some_and(|name| name.eq_ignore_ascii_case(code)))
    })
}

struct Tag {
    name: Span,
    is_end: bool,
    span: Span,
}

/// The tags of one piece of HTML, comments and raw text left out.
struct Tags<'a> {
    body: &'a [u8],
    at: usize,
    end: usize,
    /// What was left out.
    skipped: Vec<Span>,
}

impl Iterator for Tags<'_> {
    type Item = Tag;

    fn next(&mut self) -> Option<Tag> {
        loop {
            let start = self.at + memchr::memchr(b'<', self.rest(self.at))?;
            if self.rest(start).starts_with(b"<!--") {
                let len = memchr::memmem::find(self.rest(start + 2), b"-->");
                self.at = len.map_or(self.end, |len| start + 2 + len);
                self.skipped.push(Span::new(start, self.at));
                continue;
            }
            let is_end = self.rest(start).starts_with(b"</");
            let name_start = start + 1 + usize::from(is_end);
            let letters = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'-';
            let name =
                Span::new(name_start, name_start + self.rest(name_start).iter().take_while(letters).count());
            self.at = name.end();
            if name.is_empty() {
                continue;
            }
            self.at = self.tag_end(name.end())?;
            let tag = Tag { name, is_end, span: Span::new(start, self.at) };
            if !is_end && RAW_TEXT.iter().any(|raw| raw.eq_ignore_ascii_case(&self.body[name.range()])) {
                self.skip_text(name);
            }
            return Some(tag);
        }
    }
}

impl<'a> Tags<'a> {
    fn new(body: &'a [u8], piece: Span) -> Self {
        Self { body, at: piece.start(), end: piece.end(), skipped: Vec::new() }
    }

    fn rest(&self, at: usize) -> &[u8] {
        &self.body[at.min(self.end)..self.end]
    }

    /// Behind the `>` that is in no quotes.
    fn tag_end(&self, mut at: usize) -> Option<usize> {
        loop {
            at += memchr::memchr3(b'>', b'"', b'\'', self.rest(at))?;
            match self.body[at] {
                b'>' => return Some(at + 1),
                quote => at += 2 + memchr::memchr(quote, self.rest(at + 1))?,
            }
        }
    }

    /// To the end tag of the element that has just begun.
    fn skip_text(&mut self, name: Span) {
        let name = &self.body[name.range()];
        let is_end = |at: &usize| {
            let tag = &self.body[*at..self.end];
            tag.starts_with(b"</")
                && tag.get(2..2 + name.len()).is_some_and(|end| end.eq_ignore_ascii_case(name))
        };
        let start = self.at;
        let rest = self.rest(start);
        self.at = memchr::memchr_iter(b'<', rest).map(|at| start + at).find(is_end).unwrap_or(self.end);
        self.skipped.push(Span::new(start, self.at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(html: &str, expected: &[&str]) {
        let elements = elements(html.as_bytes(), &[Span::new(0, html.len())]);
        let texts: Vec<_> = elements.iter().map(|element| &html[element.range()]).collect();
        assert_eq!(texts, expected, "{html}");
    }

    #[test]
    fn where_code_stands() {
        check("<p><PRE a='>'>x</pre >y<code>z</code>", &["<PRE a='>'>x</pre >", "<code>z</code>"]);
        check("<pre><code>x</code></pre><b>", &["<pre><code>x</code></pre>"]);
        check("<pre><pre></pre>x</pre>", &["<pre><pre></pre>x</pre>"]);
        check("<!-- <pre> --> </pre>", &[]);
        check("<script>'<pre>'</script></pre>", &[]);
        check("<script><pre>", &[]);
        check("<img alt='<pre>'></pre>", &[]);
        check("<pre>x", &[]);
        check("<prefix></prefix><code-x></code-x>", &[]);
        check("<", &[]);
        check("<pre", &[]);
        check("<pre '", &[]);
        check("<!--", &[]);
    }

    #[test]
    fn tags_may_stand_in_two_pieces() {
        let body = b"a <code>![b](c)</code>";
        assert_eq!(elements(body, &[Span::new(2, 8), Span::new(15, 22)]), [Span::new(2, 22)]);
    }
}
