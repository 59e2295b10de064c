//! The arguments of a tag: where they stand, and their names.

use crate::document::escape::{Escape, is_listed};
use crate::document::span::Span;

pub(super) struct Argument {
    pub(super) key: Option<Span>,
    /// Without its quotes.
    pub(super) value: Span,
}

/// The arguments of a tag: `word`, `"text"`, `key=word`, `key="text"`, `key: word`; commas between them
/// do not count.
pub(super) struct Arguments<'a> {
    seen: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Arguments<'a> {
    /// Those that stand in `span` of `seen`.
    pub(super) fn new(seen: &'a [u8], span: Span) -> Self {
        Self { seen, at: span.start(), end: span.end() }
    }
}

impl Iterator for Arguments<'_> {
    type Item = Argument;

    fn next(&mut self) -> Option<Argument> {
        let between = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
        self.at += self.length(between);
        let start = self.at;
        let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let name = Span::new(start, start + self.length(part));
        let mut key = None;
        if let Some(value) = self.value_start(name) {
            key = Some(name);
            self.at = value;
        }
        let value = self.value()?;
        Some(Argument { key, value })
    }
}

impl Arguments<'_> {
    fn rest(&self) -> &[u8] {
        &self.seen[self.at..self.end]
    }

    fn length(&self, matches: impl Fn(&u8) -> bool) -> usize {
        self.rest().iter().take_while(|byte| matches(byte)).count()
    }

    /// Where the value starts if `name` is the name of one: behind `=` or `:`. `http://` is no name.
    fn value_start(&self, name: Span) -> Option<usize> {
        let behind = &self.seen[name.end()..self.end];
        let gap = blanks(behind);
        let mark = name.end() + gap;
        let is_mark = match &behind[gap..] {
            _ if name.is_empty() => false,
            [b'=', ..] => true,
            [b':', b'/', b'/', ..] => false,
            [b':', ..] => gap == 0,
            _ => false,
        };
        is_mark.then(|| mark + 1 + blanks(&self.seen[mark + 1..self.end]))
    }

    /// A text in quotes, which may be backquotes, or a word. `None` where a quote is not closed.
    fn value(&mut self) -> Option<Span> {
        let start = self.at;
        let Some(&quote @ (b'"' | b'\'' | b'`')) = self.rest().first() else {
            let word = Span::new(start, start + self.length(|byte| !byte.is_ascii_whitespace()));
            self.at = word.end();
            let text = &self.seen[word.range()];
            let commas = text.iter().rev().take_while(|&&byte| byte == b',').count();
            return (!word.is_empty()).then(|| Span::new(start, word.end() - commas));
        };
        let len = memchr::memchr(quote, &self.rest()[1..])?;
        self.at = start + 1 + len + 1;
        Some(Span::new(start + 1, start + 1 + len))
    }
}

/// The URLs of a list with commas, and how each is written. A comma that no URL follows is part of one.
pub(super) fn list(seen: &[u8], value: Span) -> impl Iterator<Item = (Span, Escape)> + '_ {
    let mut at = value.start();
    std::iter::from_fn(move || {
        if at > value.end() {
            return None;
        }
        let escape = if at > value.start() { Escape::TemplateList } else { Escape::TemplateTag };
        let start = at + blanks(&seen[at..value.end()]);
        let ends = |comma: &usize| {
            let behind = &seen[comma + 1..value.end()];
            is_listed(&behind[blanks(behind)..])
        };
        let mut commas = memchr::memchr_iter(b',', &seen[start..value.end()]).map(|len| start + len);
        let end = commas.find(ends);
        at = end.unwrap_or(value.end()) + 1;
        let end = end.unwrap_or(value.end());
        Some((Span::new(start, start + seen[start..end].trim_ascii_end().len()), escape))
    })
}

fn blanks(seen: &[u8]) -> usize {
    seen.len() - seen.trim_ascii_start().len()
}
