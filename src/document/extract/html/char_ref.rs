//! Character references in an attribute value (HTML, section 13.2.5.72 and on).

use markup5ever::data::{C1_REPLACEMENTS, NAMED_ENTITIES};
use memchr::memchr2;

use crate::document::decoded::{Builder, Decoded};
use crate::document::span::Span;

/// The value that stands at `span`, with character references replaced by what they stand for.
///
/// The text of `style` in SVG is decoded by this too: what differs there, a reference without its
/// semicolon before a letter, nobody writes.
pub(super) fn decode(bytes: &[u8], span: Span) -> Decoded<'_> {
    let value = &bytes[span.range()];
    if memchr2(b'&', 0, value).is_none() {
        return Decoded::bytes(bytes, span);
    }
    let mut builder = Builder::default();
    let mut copied = 0;
    let mut at = 0;
    while let Some(offset) = memchr2(b'&', 0, &value[at..]) {
        at += offset;
        let Some(reference) = (match value[at] {
            0 => Some(Reference { text: [Some('\u{fffd}'), None], len: 1 }),
            _ => reference(&value[at..]),
        }) else {
            at += 1;
            continue;
        };
        builder.copy_bytes(&value[copied..at], span.start() + copied);
        builder.replace(&reference.text.into_iter().flatten().collect::<String>(), span.start() + at);
        at += reference.len;
        copied = at;
    }
    builder.copy_bytes(&value[copied..], span.start() + copied);
    builder.finish(span)
}

struct Reference {
    text: [Option<char>; 2],
    /// In bytes, the ampersand included.
    len: usize,
}

/// The reference that `value` starts with, if its ampersand is not just an ampersand.
fn reference(value: &[u8]) -> Option<Reference> {
    match value {
        [b'&', b'#', b'x' | b'X', ..] => numeric(value, 3, 16),
        [b'&', b'#', ..] => numeric(value, 2, 10),
        _ => named(value),
    }
}

fn numeric(value: &[u8], digits: usize, base: u32) -> Option<Reference> {
    let mut code = 0_u32;
    let mut len = digits;
    while let Some(digit) = value.get(len).and_then(|byte| char::from(*byte).to_digit(base)) {
        code = code.saturating_mul(base).saturating_add(digit);
        len += 1;
    }
    if len == digits {
        return None;
    }
    let char = match code {
        0 => None,
        0x80..=0x9f => C1_REPLACEMENTS[code as usize - 0x80].or(char::from_u32(code)),
        _ => char::from_u32(code),
    };
    len += usize::from(value.get(len) == Some(&b';'));
    Some(Reference { text: [char.or(Some('\u{fffd}')), None], len })
}

/// The longest name counts. In an attribute `&copy=1` and `&copycat` stay what they are.
fn named(value: &[u8]) -> Option<Reference> {
    let name = &value[1..];
    let is_in_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b';';
    let run = name.iter().take(LONGEST_NAME).take_while(|byte| is_in_name(byte)).count();
    let run = std::str::from_utf8(&name[..run]).expect("letters, digits and semicolons are ASCII");
    let known = |len: usize| NAMED_ENTITIES.get(&run[..len]).map(|chars| (len, *chars));
    let is_whole = |(_, (first, _)): &(usize, (u32, u32))| *first != 0;
    // no name has a semicolon but at its end; without one, every start of a name is in the table, as nothing
    let (len, (first, second)) = run
        .find(';')
        .and_then(|semicolon| known(semicolon + 1))
        .or_else(|| (1..=run.len()).map_while(known).filter(is_whole).last())?;
    let is_ambiguous = !run[..len].ends_with(';')
        && name.get(len).is_some_and(|next| *next == b'=' || next.is_ascii_alphanumeric());
    if is_ambiguous {
        return None;
    }
    let second = char::from_u32(second).filter(|char| *char != '\0');
    Some(Reference { text: [char::from_u32(first), second], len: len + 1 })
}

/// `CounterClockwiseContourIntegral;`
const LONGEST_NAME: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let check = |value: &str, expected: &str| {
            let decoded = decode(value.as_bytes(), Span::new(0, value.len()));
            assert_eq!(decoded.text(), expected, "{value}");
            assert_eq!(decoded.span(0..expected.len()), Some(Span::new(0, value.len())), "{value}");
        };
        check("a.png", "a.png");
        check("?a=1&amp;b=2", "?a=1&b=2");
        check("?a=1&b=2", "?a=1&b=2");
        check("&#38;&#x26;&#X26;&#38&#x26", "&&&&&");
        check("&#;&#x;&#xg&", "&#;&#x;&#xg&");
        check("&#0;&#xd800;&#x110000;&#99999999999999999999;\0", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
        check("&#128;&#x81;", "€\u{81}");
        check("&copy=1&copy1&copyx&copy;&copy", "&copy=1&copy1&copyx©©");
        check("&copy/&AMP!", "©/&!");
        check("&notit;&notin;&nope;&;", "&notit;∉&nope;&;");
        check("&fjlig;&CounterClockwiseContourIntegral;", "fj∳");
        check("&&amp;&amp&ampamp;", "&&&&ampamp;");
        check("图&lt;", "图<");
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_kept_between_references() {
        let value = b"\xff&amp;\xfe";
        assert_eq!(decode(value, Span::new(0, value.len())).text(), "%FF&%FE");
    }
}
