//! References in front matter: the YAML, TOML or JSON that a post starts with.
//!
//! It may follow a byte order mark and blank lines, and counts only if it is closed; Hexo's may lack its first
//! line. Whether a scalar is a
//! reference is told by its key (`keys`); how it is written, by its grammar.

use crate::document::extract::{Found, Rules};
use crate::document::shadow::{self, Text};
use crate::document::span::Span;

use keys::{UserKeys, Walk};

mod json;
mod keys;
mod lines;
mod scalar;
mod toml;
mod yaml;

/// Appends the references of the front matter and returns where the body starts: without front matter, behind the
/// byte order mark if there is one.
pub fn find(bytes: &[u8], rules: &Rules, found: &mut Found) -> usize {
    let Some(block) = Block::at_start(bytes) else { return mark(bytes) };
    let shadow = shadow::ascii(bytes, block.text);
    let text = Text { seen: shadow.as_bytes(), raw: &bytes[block.text.range()] };
    let keys = UserKeys::new(&rules.front_matter_keys);
    let mut walk = Walk::new(&keys);
    match block.syntax {
        Syntax::Yaml => yaml::find(text, &shadow, &mut walk),
        Syntax::Toml => toml::find(text, &shadow, &mut walk),
        Syntax::Json => json::find(text, &mut walk),
    }
    found.references.extend(walk.finish(block.text.start()));
    block.body
}

/// What stands between the delimiters of the front matter, if there is any.
#[must_use]
pub fn text(bytes: &[u8]) -> Option<Span> {
    Block::at_start(bytes).map(|block| block.text)
}

/// The length of the byte order mark.
fn mark(bytes: &[u8]) -> usize {
    const MARK: &[u8] = b"\xEF\xBB\xBF";
    if bytes.starts_with(MARK) { MARK.len() } else { 0 }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    Yaml,
    Toml,
    Json,
}

/// Where the front matter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    syntax: Syntax,
    /// What stands between the delimiters; of a bare JSON object, all of it.
    text: Span,
    body: usize,
}

impl Block {
    fn at_start(bytes: &[u8]) -> Option<Self> {
        let mut at = mark(bytes);
        loop {
            let line = Line::at(bytes, at)?;
            if !line.text.trim_ascii().is_empty() {
                break;
            }
            at = line.next;
        }
        match bytes[at] {
            b'-' => {
                Self::fenced(bytes, at, Syntax::Yaml).filter(|block| starts_with_a_key(bytes, block.text))
            }
            b'+' => Self::fenced(bytes, at, Syntax::Toml),
            b';' => Self::fenced(bytes, at, Syntax::Json),
            b'{' | b' ' | b'\t' => Self::bare_json(bytes, at),
            _ => Self::unopened(bytes, at),
        }
    }

    /// Up to a line of three or more dashes (YAML) or semicolons (JSON), nothing before it: Hexo takes that
    /// too. In other Markdown the last line and the dashes are a heading, so each line has to look like YAML
    /// and like nothing else, and one key must be of those that nearly every post has.
    fn unopened(bytes: &[u8], at: usize) -> Option<Self> {
        let (syntax, sign) = match bytes[at] {
            b'"' => (Syntax::Json, b';'),
            byte if byte.is_ascii_alphabetic() => (Syntax::Yaml, b'-'),
            _ => return None,
        };
        let mut is_post = false;
        let mut line = Line::at(bytes, at)?;
        loop {
            let text = line.text.trim_ascii_end();
            if text.len() >= 3 && text.iter().all(|&byte| byte == sign) {
                break;
            }
            if syntax == Syntax::Yaml {
                is_post |= yaml_line(text)?.is_some_and(|key| {
                    ["title", "date", "layout", "tags", "categories"]
                        .iter()
                        .any(|known| known.as_bytes() == key)
                });
            }
            line = Line::at(bytes, line.next)?;
        }
        let text = Span::new(at, line.start);
        let is_whole = match syntax {
            Syntax::Yaml => is_post,
            Syntax::Toml | Syntax::Json => json::are_members(&bytes[text.range()]),
        };
        is_whole.then_some(Self { syntax, text, body: line.next })
    }

    /// Between two lines of three or more of one sign, as many of it at the end as at the start. YAML may
    /// also end with `...`.
    fn fenced(bytes: &[u8], at: usize, syntax: Syntax) -> Option<Self> {
        let opening = Line::at(bytes, at)?;
        let fence = opening.text.trim_ascii_end();
        if fence.len() < 3 || fence.iter().any(|&byte| byte != bytes[at]) {
            return None;
        }
        let mut line = Line::at(bytes, opening.next)?;
        loop {
            let text = line.text.trim_ascii_end();
            if text == fence || (syntax == Syntax::Yaml && text == b"...") {
                return Some(Self { syntax, text: Span::new(opening.next, line.start), body: line.next });
            }
            line = Line::at(bytes, line.next)?;
        }
    }

    /// An object and nothing else on its last line.
    fn bare_json(bytes: &[u8], at: usize) -> Option<Self> {
        let inside = bytes[at..].trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start();
        if !matches!(inside.first(), Some(b'"' | b'}')) {
            return None;
        }
        let shadow = shadow::utf8(bytes, Span::new(at, bytes.len()));
        let end = at + json::object_end(shadow.as_bytes())?;
        let Some(rest) = Line::at(bytes, end) else {
            return Some(Self { syntax: Syntax::Json, text: Span::new(at, end), body: end });
        };
        rest.text.trim_ascii().is_empty().then_some(Self {
            syntax: Syntax::Json,
            text: Span::new(at, end),
            body: rest.next,
        })
    }
}

/// Whether the first line that says anything may be one of a YAML mapping: a thematic break above prose
/// looks like the start of front matter too.
fn starts_with_a_key(bytes: &[u8], text: Span) -> bool {
    let text = &bytes[text.range()];
    let mut at = 0;
    while let Some(line) = Line::at(text, at) {
        at = line.next;
        match line.text.trim_ascii() {
            [] | [b'#', ..] => {}
            [b'{' | b'?', ..] => return true,
            line => {
                let key = line.split(|&byte| byte == b':').next().unwrap_or(line);
                return key.len() < line.len() && !key.iter().any(|byte| b"<>()[]`*".contains(byte));
            }
        }
    }
    true
}

/// The key that a line starts with, if it starts with one, of YAML that cannot be Markdown: an item of a list
/// and what is indented have none. `None` for any other line.
fn yaml_line(line: &[u8]) -> Option<Option<&[u8]>> {
    let is_markup = |byte: &u8| b"<[`*".contains(byte);
    let name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'_' | b'-' | b'.');
    let len = line.iter().take_while(name).count();
    match (&line[..len], &line[len..]) {
        ([] | [b'-'], [b' ', rest @ ..]) => {
            (!rest.contains(&b'<') && !rest.windows(2).any(|pair| pair == b"](")).then_some(None)
        }
        ([_, ..], [b':']) => Some(Some(&line[..len])),
        (key @ [_, ..], [b':', b' ', rest @ ..]) => {
            let is_list = rest.first() == Some(&b'[') && rest.last() == Some(&b']');
            (is_list || !rest.iter().any(is_markup)).then_some(Some(key))
        }
        _ => None,
    }
}

/// A line without its end: LF, CRLF or a lone CR.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    text: &'a [u8],
    start: usize,
    next: usize,
}

impl<'a> Line<'a> {
    /// The line that starts at `start`; `None` at the end of the text.
    fn at(bytes: &'a [u8], start: usize) -> Option<Self> {
        let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let len = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let ending = match &rest[len..] {
            [b'\r', b'\n', ..] => 2,
            [] => 0,
            _ => 1,
        };
        Some(Self { text: &rest[..len], start, next: start + len + ending })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Spans are checked for standing where the URL stands.
    fn urls(bytes: &[u8], user_keys: &[&str]) -> Vec<String> {
        let rules = Rules {
            front_matter_keys: user_keys.iter().map(ToString::to_string).collect(),
            ..Rules::default()
        };
        let mut found = Found::default();
        find(bytes, &rules, &mut found);
        found.references.into_iter().map(|reference| reference.url).collect()
    }

    #[test]
    fn where_it_starts_and_ends() {
        let check = |text: &str, expected: Option<(Syntax, &str, &str)>| {
            let block = Block::at_start(text.as_bytes());
            let block = block.map(|block| (block.syntax, &text[block.text.range()], &text[block.body..]));
            assert_eq!(block, expected, "{text:?}");
        };
        check("---\na: 1\n---\nbody", Some((Syntax::Yaml, "a: 1\n", "body")));
        check("\u{feff}\n \r\n---\r\na: 1\r\n---  \r\nbody", Some((Syntax::Yaml, "a: 1\r\n", "body")));
        check("---\ra: 1\r---\rbody", Some((Syntax::Yaml, "a: 1\r", "body")));
        check("---\na: 1\n...\nbody", Some((Syntax::Yaml, "a: 1\n", "body")));
        check("-----\na: 1\n---\n-----", Some((Syntax::Yaml, "a: 1\n---\n", "")));
        check("---\n---\n", Some((Syntax::Yaml, "", "")));
        check("---\na: 1\n", None);
        check("---\n![a](b.png)\n---\n", None);
        check("---\nsome prose\n---\n", None);
        check("--\na: 1\n--\n", None);
        check(" ---\na: 1\n---\n", None);
        check("--- x\na: 1\n---\n", None);
        check("+++\na = 1\n+++\nbody", Some((Syntax::Toml, "a = 1\n", "body")));
        check(";;;\n\"a\": 1\n;;;\nbody", Some((Syntax::Json, "\"a\": 1\n", "body")));
        check("{\"a\": {}}\nbody", Some((Syntax::Json, "{\"a\": {}}", "body")));
        check("\n {}", Some((Syntax::Json, " {}", "")));
        check("{\"a\": {}} body", None);
        check("{\"a\": {}", None);
        check("{% if a %}", None);
        check(
            "title: x\ntags:\n- a\n  - b: c\n---\nbody",
            Some((Syntax::Yaml, "title: x\ntags:\n- a\n  - b: c\n", "body")),
        );
        check(
            "\nlayout: a\r\ntags: [a, b]\r\n-----\r\n",
            Some((Syntax::Yaml, "layout: a\r\ntags: [a, b]\r\n", "")),
        );
        check(
            "\"a\": [1],\n\"b\": \"c\"\n;;;\nbody",
            Some((Syntax::Json, "\"a\": [1],\n\"b\": \"c\"\n", "body")),
        );
        for prose in [
            "Note: a heading\n---\n",
            "title: x\n\ntext\n---\n",
            "title: x\n# Heading\n---\n",
            "title: ![a](b.png)\n---\n",
            "title: x\n- ![a](b.png)\n---\n",
            "title: x\n  <img src='b.png'>\n---\n",
            "title: x\nprose\n---\n",
            "title: x\n",
            "title:x\n---\n",
            "\"a\" he said\n;;;\n",
            "\"a\": b\n;;;\n",
        ] {
            check(prose, None);
        }
        check("", None);
        check("\n\n", None);
    }

    #[test]
    fn encodings_pass_through() {
        let check = |bytes: &[u8], expected: &[&str]| {
            assert_eq!(urls(bytes, &["封面"]), expected, "{}", bytes.escape_ascii());
        };
        check(
            "---\n标题: 图: 片\n封面: https://a.example/图.png\n---\n".as_bytes(),
            &["https://a.example/图.png"],
        );
        check(b"---\ntitle: \"\x95\x5c\"\ncover: \"/\x95\x5c.png\"\n---\n", &["/%95%5C.png"]);
        check(b"---\ntitle: '\xcd\xbc\xc6\xac\xb2\xe2'\nimg: /\xb2\xe2.png\n---\n", &["/%B2%E2.png"]);
        check(b"---\ntitle: caf\xe9\ncover: /caf\xe9.png\n---\n", &["/caf%E9.png"]);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(bytes: Vec<u8>, fence in 0..4usize) {
            let (open, close) = [("---\na: b\n", "\n---\n"), ("+++\n", "\n+++\n"), (";;;\n", "\n;;;\n"), ("{", "}")][fence];
            let text = [open.as_bytes(), &bytes, close.as_bytes()].concat();
            urls(&text, &["a"]);
        }

        #[test]
        fn any_yaml_like_text_can_be_read(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                "cover", ": ", ":", "\n", "\n  ", "- ", "'", "\"", "[", "]", "{", "}", ",", "&a ", "*a", "!t ", "|\n  ",
                ">-\n", "# ", "https://a.example/b.png", "\\x41", "图", "\t", "? ", "\r\n", "''",
            ]), 0..24),
        ) {
            let text = format!("---\ncover: /a.png\n{}\n---\nbody", parts.concat());
            let rules = Rules::default();
            let mut found = Found::default();
            find(text.as_bytes(), &rules, &mut found);
            for reference in &found.references {
                prop_assert!(text.is_char_boundary(reference.span.start()));
                prop_assert!(text.is_char_boundary(reference.span.end()));
            }
            for pair in found.references.windows(2) {
                prop_assert!(pair[0].span.end() <= pair[1].span.start());
            }
        }
    }
}
