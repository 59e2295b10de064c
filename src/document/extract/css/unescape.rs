//! Backslash escapes in CSS (CSS Syntax Level 3, section 4.3.7).

use std::ops::Range;

use memchr::memchr;

use super::token::is_newline;
use crate::document::decoded::{Builder, Decoded};
use crate::document::span::Span;

/// `range` of `text` without its escapes.
pub(super) fn decode(text: &str, range: Range<usize>) -> Decoded<'_> {
    let escaped = &text[range.clone()];
    let Some(mut at) = memchr(b'\\', escaped.as_bytes()) else {
        return Decoded::verbatim(escaped, range.start);
    };
    let mut builder = Builder::default();
    let mut copied = 0;
    loop {
        builder.copy(&escaped[copied..at], range.start + copied);
        let len = len(&escaped[at..]);
        let char = char(&escaped[at + 1..at + len]);
        match char {
            Some(char) => builder.replace(char.encode_utf8(&mut [0; 4]), range.start + at),
            None => builder.replace("", range.start + at),
        }
        copied = at + len;
        match memchr(b'\\', &escaped.as_bytes()[copied..]) {
            Some(next) => at = copied + next,
            None => break,
        }
    }
    builder.copy(&escaped[copied..], range.start + copied);
    builder.finish(Span::from(range))
}

/// How long the escape is that `text` starts with.
pub(super) fn len(text: &str) -> usize {
    let digits = hex_digits(&text[1..]);
    let rest = &text[1 + digits..];
    let newline = if rest.starts_with("\r\n") { 2 } else { 1 };
    1 + digits
        + match rest.bytes().next() {
            Some(byte) if is_newline(byte) => newline,
            Some(b' ' | b'\t') => 1,
            Some(_) if digits == 0 => rest.chars().next().map_or(0, char::len_utf8),
            _ => 0,
        }
}

/// What stands for an escape whose text after the backslash this is. A line break that is escaped, or the
/// end of the text, is nothing.
fn char(escape: &str) -> Option<char> {
    let digits = hex_digits(escape);
    if digits == 0 {
        return escape.chars().next().filter(|char| !matches!(char, '\n' | '\r' | '\x0c'));
    }
    let code = u32::from_str_radix(&escape[..digits], 16).expect("at most six hex digits fit");
    Some(char::from_u32(code).filter(|char| *char != '\0').unwrap_or('\u{fffd}'))
}

fn hex_digits(text: &str) -> usize {
    text.bytes().take(6).take_while(u8::is_ascii_hexdigit).count()
}
