//! TOML front matter.
//!
//! The parser reads on behind a line that is not TOML, and caps depth itself (80).

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use crate::document::escape::Escape;
use crate::document::reference::ReferenceKind;
use crate::document::shadow::Text;
use crate::document::span::Span;

use super::keys::Walk;
use super::scalar::code;

/// The parser takes seventy bytes for each byte at worst, and nobody writes so much before a post.
const LONGEST: usize = 512 * 1024;

/// `shadow` is what is seen of `text`.
pub(super) fn find(text: Text<'_>, shadow: &str, walk: &mut Walk<'_>) {
    if shadow.len() > LONGEST {
        return;
    }
    let (table, _errors) = DeTable::parse_recoverable(shadow);
    read_table(text, table.get_ref(), walk);
}

fn read_table(text: Text<'_>, table: &DeTable<'_>, walk: &mut Walk<'_>) {
    for (key, value) in table {
        let raw = text.slice(key.span().into()).raw;
        walk.enter(String::from_utf8_lossy(raw).trim_matches(['"', '\'']));
        read_value(text, value, walk);
        walk.leave();
    }
}

fn read_value(text: Text<'_>, value: &Spanned<DeValue<'_>>, walk: &mut Walk<'_>) {
    match value.get_ref() {
        DeValue::String(seen) if walk.holds_image() => read_string(text, value.span().into(), seen, walk),
        DeValue::Array(array) => array.iter().for_each(|value| read_value(text, value, walk)),
        DeValue::Table(table) => read_table(text, table, walk),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
}

/// `span` takes in the quotes, `seen` is what the parser makes of the shadow.
fn read_string(text: Text<'_>, span: Span, seen: &str, walk: &mut Walk<'_>) {
    let quoted = &text.seen[span.range()];
    let Some(&quote @ (b'"' | b'\'')) = quoted.first() else { return };
    let width = if quoted.len() >= 6 && quoted[1] == quote && quoted[2] == quote { 3 } else { 1 };
    if quoted.len() < 2 * width || quoted.contains(&b'\n') {
        return;
    }
    let span = Span::new(span.start() + width, span.end() - width);
    let (escape, decode): (_, fn(Text<'_>) -> String) = match quote {
        b'"' => (Escape::TomlBasic, decode_basic),
        _ => (Escape::TomlLiteral, |literal| literal.decode(b"", |_| None)),
    };
    let inner = text.slice(span);
    if decode(Text::of(inner.seen)) == seen {
        walk.push(span, ReferenceKind::TomlString, escape, decode(inner));
    }
}

/// What a basic string says (TOML 1.1, "String").
fn decode_basic(string: Text<'_>) -> String {
    string.decode(b"\\", |rest| {
        let char = match rest.get(1)? {
            b'b' => '\u{8}',
            b't' => '\t',
            b'n' => '\n',
            b'f' => '\u{c}',
            b'r' => '\r',
            b'e' => '\u{1b}',
            b'x' => return code(rest, 2),
            b'u' => return code(rest, 4),
            b'U' => return code(rest, 8),
            &other @ (b'"' | b'\\') => char::from(other),
            _ => return None,
        };
        Some((2, char.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::keys::UserKeys;
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let keys = UserKeys::new(&[]);
        let mut walk = Walk::new(&keys);
        find(Text::of(text.as_bytes()), text, &mut walk);
        let found = walk.finish(0);
        let found: Vec<_> = found.iter().map(|one| (&text[one.span.range()], one.url.as_str())).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn strings_under_keys_of_images() {
        check(
            "cover = \"/a.png\"\nlink = '/b.png'\nimg = '/c.png'",
            &[("/a.png", "/a.png"), ("/c.png", "/c.png")],
        );
        check(
            "images = ['/a.png',\n  \"/b\\u002Epng\"]",
            &[("/a.png", "/a.png"), ("/b\\u002Epng", "/b.png")],
        );
        check("cover.src = '''/a.png'''", &[("/a.png", "/a.png")]);
        check("[params.cover]\nimage = '/a.png'\nalt = '/x.png'", &[("/a.png", "/a.png")]);
        check(
            "[[gallery]]\nsrc = '/a.png'\n[[gallery]]\nsrc = '/b.png'",
            &[("/a.png", "/a.png"), ("/b.png", "/b.png")],
        );
        check("x = {\"og-image\" = \"\"\"/a.png\"\"\"}", &[("/a.png", "/a.png")]);
        check("cover = \"\"\"\n/a.png\"\"\"", &[]);
        check("cover = ''", &[]);
    }

    #[test]
    fn a_bad_line_hides_no_other() {
        check("cover = '/a.png'\nbad = = 3\nimg = '/b.png'", &[("/a.png", "/a.png"), ("/b.png", "/b.png")]);
    }
}
