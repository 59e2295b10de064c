//! YAML line by line: exact where the text is simple, and a best effort where it is not YAML at all.

use crate::document::escape::Escape;
use crate::document::reference::ReferenceKind;
use crate::document::shadow::Text;
use crate::document::span::Span;

use super::Line;
use super::keys::Walk;
use super::scalar::Scalar;

/// Walks over `key: value` and `- value` lines, and answers whether there was nothing else: then what it
/// found is what a YAML parser would find. Indentation nests, but only a flat list under a key is simple.
pub(super) fn find(text: Text<'_>, walk: &mut Walk<'_>) -> bool {
    let mut lines = Lines { text, walk, indents: Vec::new(), last: Last::Value, simple: true };
    let mut at = 0;
    while let Some(line) = Line::at(text.seen, at) {
        lines.read(Span::new(line.start, line.start + line.text.len()));
        at = line.next;
    }
    lines.simple
}

/// What the line before was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    EmptyKey,
    /// An item of a list that is indented so far.
    Item(usize),
    Value,
}

struct Lines<'t, 'w, 'k> {
    text: Text<'t>,
    walk: &'w mut Walk<'k>,
    /// How far each key on the path is indented.
    indents: Vec<usize>,
    last: Last,
    simple: bool,
}

impl Lines<'_, '_, '_> {
    fn read(&mut self, line: Span) {
        let seen = &self.text.seen[line.range()];
        if seen.contains(&b'\t') {
            self.simple = false;
        }
        let mut indent = seen.len() - seen.trim_ascii_start().len();
        let mut content = Span::new(line.start() + indent, line.end());
        if matches!(self.text.seen[content.range()].first(), None | Some(b'#')) {
            return;
        }
        let list = indent;
        while let [b'-', b' ', rest @ ..] = &self.text.seen[content.range()] {
            let gap = 2 + rest.len() - rest.trim_ascii_start().len();
            indent += gap;
            content = Span::new(content.start() + gap, content.end());
        }
        match self.key(content) {
            Some((key, value)) => self.member(indent, key, value, indent > list),
            None if indent > list => self.item(list, content, indent - list == 2),
            None => self.simple = false,
        }
    }

    /// A key and where its value starts: up to a colon before a space or the end, else up to the first one.
    fn key(&self, content: Span) -> Option<(Span, Span)> {
        let seen = &self.text.seen[content.range()];
        if matches!(seen, [b'\'' | b'"', ..]) {
            let (key, len) = Scalar::quoted(seen)?;
            let gap = seen[len..].len() - seen[len..].trim_ascii_start().len();
            return (seen.get(len + gap) == Some(&b':')).then(|| {
                let start = content.start();
                (key.span.shift(start), Span::new(start + len + gap + 1, content.end()))
            });
        }
        let first = seen.iter().position(|&byte| byte == b':')?;
        let colon = (first..seen.len())
            .find(|&at| seen[at] == b':' && matches!(seen.get(at + 1), None | Some(b' ')))
            .or_else(|| (!seen[first..].starts_with(b"://")).then_some(first))?;
        let start = content.start();
        Some((Span::new(start, start + colon), Span::new(start + colon + 1, content.end())))
    }

    fn member(&mut self, indent: usize, key: Span, value: Span, in_list: bool) {
        self.leave_to(indent);
        let name = &self.text.seen[key.range()];
        let plain = name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        let value_seen = &self.text.seen[value.range()];
        let apart = matches!(value_seen.first(), None | Some(b' '));
        self.simple &=
            indent == 0 && !in_list && plain && apart && (1..1000).contains(&name.len()) && name[0] != b'-';
        self.walk.enter(&String::from_utf8_lossy(self.text.slice(key).raw));
        self.indents.push(indent);
        self.last = if value_seen.trim_ascii().is_empty() { Last::EmptyKey } else { Last::Value };
        if self.last == Last::Value {
            self.value(value);
        }
    }

    /// `one_space` is all that a simple item has behind its dash.
    fn item(&mut self, indent: usize, value: Span, one_space: bool) {
        self.leave_to(indent + 1);
        self.simple &= one_space && (self.last == Last::EmptyKey || self.last == Last::Item(indent));
        self.last = Last::Item(indent);
        self.value(value);
    }

    /// Leaves every key that stands at `indent` or further right.
    fn leave_to(&mut self, indent: usize) {
        while self.indents.last().is_some_and(|&last| last >= indent) {
            self.indents.pop();
            self.walk.leave();
        }
    }

    fn value(&mut self, value: Span) {
        let value = self.trim(value);
        let seen = &self.text.seen[value.range()];
        let quoted = Scalar::quoted(seen);
        self.simple &= match quoted {
            Some((scalar, len)) => len == seen.len() && !seen[scalar.span.range()].contains(&b'\\'),
            None => is_simple_plain(seen),
        };
        if !self.walk.holds_image() {
            return;
        }
        match seen {
            [b'[', ..] => self.flow(value),
            _ => self.scalar(value.start(), quoted.map_or_else(|| Scalar::plain(seen), |(scalar, _)| scalar)),
        }
    }

    /// The items of a list on one line, `[a, 'b']`, as far as they are scalars.
    fn flow(&mut self, list: Span) {
        let mut at = list.start() + 1;
        loop {
            let rest = self.trim(Span::new(at, list.end()));
            let seen = &self.text.seen[rest.range()];
            let end = memchr::memchr2(b',', b']', seen).unwrap_or(seen.len());
            let (scalar, len) = Scalar::quoted(seen).unwrap_or_else(|| (Scalar::plain(&seen[..end]), end));
            self.scalar(rest.start(), scalar);
            at = rest.start() + len;
            match memchr::memchr(b',', &self.text.seen[at..list.end()]) {
                Some(comma) => at += comma + 1,
                None => return,
            }
        }
    }

    /// A scalar whose span counts from `start`. What starts with an indicator is something else.
    fn scalar(&mut self, start: usize, scalar: Scalar) {
        let scalar = Scalar { span: scalar.span.shift(start), ..scalar };
        let first = self.text.seen[scalar.span.range()].first();
        if scalar.escape != Escape::YamlPlain || first.is_some_and(|&byte| starts_plain(byte)) {
            let url = scalar.decode(self.text);
            self.walk.push(scalar.span, ReferenceKind::YamlScalar, scalar.escape, url);
        }
    }

    fn trim(&self, span: Span) -> Span {
        let seen = &self.text.seen[span.range()];
        let start = span.start() + seen.len() - seen.trim_ascii_start().len();
        Span::new(start, start + seen.trim_ascii().len())
    }
}

/// Whether a scalar without quotes is one by the strictest reading: no indicator in front, nothing that
/// might be a key or a comment.
fn is_simple_plain(seen: &[u8]) -> bool {
    seen.first().is_some_and(|&byte| starts_plain(byte))
        && seen.last() != Some(&b':')
        && !seen.windows(2).any(|pair| pair == b": " || pair == b" #")
        && seen.iter().all(|byte| !byte.is_ascii_control())
}

fn starts_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'(' | b'+')
}
