//! YAML scalars on one line: where their text stands and what it says (YAML 1.2.2, chapter 7).

use saphyr_parser::ScalarStyle;

use crate::document::escape::Escape;
use crate::document::shadow::Text;
use crate::document::span::Span;

/// The text of a scalar without quotes, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scalar {
    pub(super) span: Span,
    pub(super) escape: Escape,
}

impl Scalar {
    /// The scalar in `span`, which may take in its anchor and tag, a block scalar's header and a comment.
    /// `None` if it runs over several lines.
    pub(super) fn find(text: Text<'_>, span: Span, style: ScalarStyle) -> Option<Self> {
        let start = span.start() + properties(&text.seen[span.range()]);
        let seen = &text.seen[start..span.end()];
        let scalar = match style {
            ScalarStyle::Plain => Self::plain(seen),
            ScalarStyle::SingleQuoted => Self::quoted(seen)?.0,
            ScalarStyle::DoubleQuoted => Self::quoted(seen)?.0,
            ScalarStyle::Literal | ScalarStyle::Folded => Self::block(seen)?,
        };
        let scalar = Self { span: scalar.span.shift(start), ..scalar };
        let one_line = !text.seen[scalar.span.range()].iter().any(|byte| matches!(byte, b'\n' | b'\r'));
        one_line.then_some(scalar)
    }

    /// A plain scalar up to a comment or the end of `seen`.
    pub(super) fn plain(seen: &[u8]) -> Self {
        let blank = |byte: u8| byte == b' ' || byte == b'\t';
        let comment = (1..seen.len()).find(|&at| seen[at] == b'#' && blank(seen[at - 1]));
        let len = seen[..comment.unwrap_or(seen.len())].trim_ascii_end().len();
        Self { span: Span::new(0, len), escape: Escape::YamlPlain }
    }

    /// The quoted scalar that `seen` starts with, and where it ends, the quote included.
    pub(super) fn quoted(seen: &[u8]) -> Option<(Self, usize)> {
        let (&quote, escape) = match seen.first()? {
            quote @ b'\'' => (quote, Escape::YamlSingle),
            quote @ b'"' => (quote, Escape::YamlDouble),
            _ => return None,
        };
        let mut at = 1;
        loop {
            match *seen.get(at)? {
                b'\\' if quote == b'"' => at += 2,
                b'\'' if quote == b'\'' && seen.get(at + 1) == Some(&b'\'') => at += 2,
                byte if byte == quote => return Some((Self { span: Span::new(1, at), escape }, at + 1)),
                _ => at += 1,
            }
        }
    }

    /// The one line of a block scalar. It has no escapes; a URL in it is written like a plain one.
    fn block(seen: &[u8]) -> Option<Self> {
        let header = match seen.first() {
            Some(b'|' | b'>') => seen.iter().position(|&byte| byte == b'\n')?,
            _ => 0,
        };
        let start = header + (seen.len() - header - seen[header..].trim_ascii_start().len());
        let end = start + seen[start..].trim_ascii_end().len();
        Some(Self { span: Span::new(start, end), escape: Escape::YamlPlain })
    }

    pub(super) fn decode(self, text: Text<'_>) -> String {
        let text = text.slice(self.span);
        match self.escape {
            Escape::YamlDouble => text.decode(b"\\", escaped),
            Escape::YamlSingle => {
                text.decode(b"'", |rest| rest.starts_with(b"''").then(|| (2, "'".to_owned())))
            }
            _ => text.decode(b"", |_| None),
        }
    }
}

/// How long the anchor and tag before a node are, with the white space behind them.
fn properties(seen: &[u8]) -> usize {
    let mut at = 0;
    while matches!(seen.get(at), Some(b'&' | b'!')) {
        let word = seen[at..].iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
        let gap = seen[at + word..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        at += word + gap;
    }
    at
}

/// An escape sequence of a double-quoted scalar (YAML 1.2.2, section 5.7).
fn escaped(rest: &[u8]) -> Option<(usize, String)> {
    let char = match rest.get(1)? {
        b'0' => '\0',
        b'a' => '\u{7}',
        b'b' => '\u{8}',
        b't' | b'\t' => '\t',
        b'n' => '\n',
        b'v' => '\u{b}',
        b'f' => '\u{c}',
        b'r' => '\r',
        b'e' => '\u{1b}',
        b'N' => '\u{85}',
        b'_' => '\u{a0}',
        b'L' => '\u{2028}',
        b'P' => '\u{2029}',
        b'x' => return code(rest, 2),
        b'u' => return code(rest, 4),
        b'U' => return code(rest, 8),
        &other @ (b' ' | b'"' | b'/' | b'\\') => char::from(other),
        _ => return None,
    };
    Some((2, char.into()))
}

/// A backslash, a letter and the hexadecimal digits of a character.
pub(super) fn code(rest: &[u8], digits: usize) -> Option<(usize, String)> {
    let digits = rest.get(2..2 + digits).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some((2 + digits.len(), char::from_u32(code)?.into()))
}
