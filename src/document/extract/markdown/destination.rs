//! Link destinations: where their text stands and what it says (CommonMark 0.31, sections 2.4, 2.5, 6.3).
//!
//! The parser says what a destination is, not where. What is found here counts only if it decodes to that.

use markup5ever::data::NAMED_ENTITIES;

use crate::document::shadow::Text;
use crate::document::span::Span;

/// The destination that says `expected`, at `at` behind white space: in a link, behind `](`; in a
/// definition, behind `]:`.
pub(super) fn find(text: Text<'_>, at: usize, expected: &str) -> Option<Span> {
    let start = at + gap(&text.seen[at..]);
    let seen = &text.seen[start..];
    let span = match seen.strip_prefix(b"<") {
        Some(inside) => Span::new(start + 1, start + 1 + angled(inside)?),
        None => Span::new(start, start + bare(seen)),
    };
    (decode(Text::of(text.slice(span).seen)) == expected).then_some(span)
}

/// Behind the label of the definition that starts at `at`: `[label]:`.
pub(super) fn behind_label(seen: &[u8], at: usize) -> Option<usize> {
    let mut end = at + 1;
    loop {
        match seen.get(end)? {
            b'\\' => end += 2,
            b']' => return (seen.get(end + 1) == Some(&b':')).then_some(end + 2),
            _ => end += 1,
        }
    }
}

/// What a destination says.
pub(super) fn decode(text: Text<'_>) -> String {
    text.decode(b"\\&", |rest| match rest {
        [b'\\', sign, ..] if sign.is_ascii_punctuation() => Some((2, char::from(*sign).into())),
        [b'&', b'#', ..] => number(rest),
        [b'&', ..] => name(rest),
        _ => None,
    })
}

/// White space, and behind a line end the marks of the block quotes that the link stands in.
fn gap(seen: &[u8]) -> usize {
    let mut line_start = false;
    let in_gap = |byte: &&u8| {
        line_start |= matches!(byte, b'\n' | b'\r');
        matches!(byte, b' ' | b'\t' | b'\n' | b'\r') || (line_start && **byte == b'>')
    };
    seen.iter().take_while(in_gap).count()
}

fn angled(seen: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match seen.get(at)? {
            b'>' => return Some(at),
            b'<' | b'\n' | b'\r' => return None,
            b'\\' if seen.get(at + 1).is_some_and(u8::is_ascii_punctuation) => at += 2,
            _ => at += 1,
        }
    }
}

fn bare(seen: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while let Some(&byte) = seen.get(at) {
        match byte {
            0..=b' ' => break,
            b'(' => depth += 1,
            b')' if depth == 0 => break,
            b')' => depth -= 1,
            b'\\' if seen.get(at + 1).is_some_and(u8::is_ascii_punctuation) => at += 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// `&#x1F600;` or `&#128512;`, of six and seven digits at most.
fn number(rest: &[u8]) -> Option<(usize, String)> {
    let (start, radix, most) = match rest.get(2)? {
        b'x' | b'X' => (3, 16, 6),
        _ => (2, 10, 7),
    };
    let digit = |byte: &&u8| char::from(**byte).is_digit(radix);
    let len = rest[start..].iter().take_while(digit).count();
    let end = start + len;
    if len == 0 || len > most || rest.get(end) != Some(&b';') {
        return None;
    }
    let code = u32::from_str_radix(std::str::from_utf8(&rest[start..end]).ok()?, radix).ok()?;
    let char = char::from_u32(code).filter(|&char| char != '\0').unwrap_or(char::REPLACEMENT_CHARACTER);
    Some((end + 1, char.into()))
}

/// `&amp;`: unlike in HTML, never without the semicolon.
fn name(rest: &[u8]) -> Option<(usize, String)> {
    let len = rest[1..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let name = std::str::from_utf8(rest.get(1..len + 2)?).ok().filter(|name| name.ends_with(';'))?;
    let &(first, second) = NAMED_ENTITIES.get(name)?;
    let chars = [first, second].into_iter().filter(|&code| code != 0).filter_map(char::from_u32);
    Some((len + 2, chars.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_destinations_end() {
        let check = |text: &str, expected: &str| {
            let text = Text::of(text.as_bytes());
            let said = decode(Text::of(expected.as_bytes()));
            let span =
                find(text, 0, &said).map(|span| String::from_utf8_lossy(text.slice(span).raw).into_owned());
            assert_eq!(span.as_deref(), Some(expected));
        };
        check("/a.png)", "/a.png");
        check(" \n  /a.png \"title\")", "/a.png");
        check("</a b.png> 'title')", "/a b.png");
        check("\n> > /a.png)", "/a.png");
        check("/a(1)(2(3)).png) )", "/a(1)(2(3)).png");
        check("/a\\).png)", "/a\\).png");
        check("<a\\>b>)", "a\\>b");
        check("/a?b&amp;c)", "/a?b&amp;c");
        check("<>)", "");
        assert_eq!(find(Text::of(b"/a.png)"), 0, "/b.png"), None);
    }

    #[test]
    fn what_destinations_say() {
        let check =
            |text: &str, expected: &str| assert_eq!(decode(Text::of(text.as_bytes())), expected, "{text}");
        check("/a\\(1\\)\\x.png", "/a(1)\\x.png");
        check("?a&amp;b&copy;&notit;&amp", "?a&b©&notit;&amp");
        check("&#35;&#x23;&#X1F600;&#0;&#x110000;", "##😀\u{fffd}\u{fffd}");
        check("&#12345678;&#x1234567;&#;&#x;&;", "&#12345678;&#x1234567;&#;&#x;&;");
        check("&NotEqualTilde;\\&amp;", "≂̸&amp;");
        check("图\\_片", "图_片");
    }
}
