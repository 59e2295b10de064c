//! The fast way through a body: posts that are raw HTML need no Markdown parser.
//!
//! It knows blank lines, HTML blocks of the kinds 2 and 6 (CommonMark 0.31, section 4.6), and lines of
//! plain text; at anything else it gives up. What it answers is what the parser would.

use crate::document::span::Span;

/// What starts an HTML block that ends at a blank line.
const BLOCK_TAGS: [&str; 62] = [
    "address",
    "article",
    "aside",
    "base",
    "basefont",
    "blockquote",
    "body",
    "caption",
    "center",
    "col",
    "colgroup",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "frame",
    "frameset",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "iframe",
    "legend",
    "li",
    "link",
    "main",
    "menu",
    "menuitem",
    "nav",
    "noframes",
    "ol",
    "optgroup",
    "option",
    "p",
    "param",
    "search",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "track",
    "ul",
];

/// The pieces of raw HTML of a body that holds no other construct that matters; `None` where it takes a
/// parser to tell.
pub(super) fn html_pieces(body: &[u8]) -> Option<Vec<Span>> {
    // The parser takes these for blanks, the specification does not.
    if memchr::memchr2(b'\x0B', b'\x0C', body).is_some() {
        return None;
    }
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let end = line_end(body, at);
        let line = &body[at..end];
        let indent = line.iter().take_while(|&&byte| byte == b' ').count();
        match line[indent..].trim_ascii_end() {
            [] => at = end,
            [b'<', b'!', b'-', b'-', ..] if indent < 4 => {
                let end = comment_end(body, at + indent);
                pieces.push(Span::new(at, end));
                at = end;
            }
            [b'<', tag @ ..] if indent < 4 && starts_block(tag) => {
                let end = blank_line(body, end);
                pieces.push(Span::new(at, end));
                at = end;
            }
            text if is_plain(text) => at = end,
            _ => return None,
        }
    }
    Some(pieces)
}

/// Behind the line end: LF, CRLF or a lone CR.
fn line_end(body: &[u8], at: usize) -> usize {
    match memchr::memchr2(b'\n', b'\r', &body[at..]) {
        Some(len) if body[at + len..].starts_with(b"\r\n") => at + len + 2,
        Some(len) => at + len + 1,
        None => body.len(),
    }
}

/// Behind the line in which the comment ends that starts at `at`.
fn comment_end(body: &[u8], at: usize) -> usize {
    memchr::memmem::find(&body[at + 2..], b"-->").map_or(body.len(), |len| line_end(body, at + 2 + len))
}

/// The start of the next blank line from `at`, which starts a line.
fn blank_line(body: &[u8], mut at: usize) -> usize {
    while at < body.len() {
        let end = line_end(body, at);
        if body[at..end].trim_ascii().is_empty() {
            return at;
        }
        at = end;
    }
    at
}

fn starts_block(tag: &[u8]) -> bool {
    let tag = tag.strip_prefix(b"/").unwrap_or(tag);
    let len = tag.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let (name, behind) = tag.split_at(len);
    matches!(behind, [] | [b' ' | b'\t' | b'>', ..] | [b'/', b'>', ..])
        && BLOCK_TAGS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

/// Whether a line has no part in anything but a paragraph, a heading or a code block of its own: it starts
/// no list, quote or fence, which reach over blank lines, and holds no link, code or tag.
fn is_plain(text: &[u8]) -> bool {
    let starts_more = match text {
        [b'>' | b'~' | b'\t', ..] | [b'-' | b'+' | b'*'] | [b'-' | b'+' | b'*', b' ' | b'\t', ..] => true,
        [b'0'..=b'9', ..] => {
            let number = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            matches!(text.get(number), Some(b'.' | b')'))
        }
        _ => false,
    };
    !starts_more && memchr::memchr3(b'<', b'[', b'`', text).is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::inline;
    use super::*;
    use crate::document::shadow::{self, Text};

    fn check(body: &str, expected: Option<&[&str]>) {
        let pieces = html_pieces(body.as_bytes());
        let texts = pieces.map(|pieces| pieces.iter().map(|piece| &body[piece.range()]).collect::<Vec<_>>());
        assert_eq!(texts.as_deref(), expected, "{body:?}");
    }

    #[test]
    fn bodies_of_html() {
        check("", Some(&[]));
        check("\nplain\n\n# text | 1.5\n", Some(&[]));
        check("<div>\n<b>x\n\ntext\n  </DIV>\n", Some(&["<div>\n<b>x\n", "  </DIV>\n"]));
        check("text\n<p>\r\n<img>\r\n \r\n<hr/>", Some(&["<p>\r\n<img>\r\n", "<hr/>"]));
        check("<!-- a\n\n b --> c\ntext", Some(&["<!-- a\n\n b --> c\n"]));
        check("<!-- a", Some(&["<!-- a"]));
        check("<b>x</b>", None);
        check("<prefix>", None);
        check("    <div>", None);
        check("a <div>", None);
        check("- a", None);
        check("1. a", None);
        check("> a", None);
        check("```\n<div>", None);
        check("~~~\n<div>", None);
        check("[a]", None);
    }

    proptest! {
        #[test]
        fn the_parser_answers_the_same(parts in proptest::collection::vec(proptest::sample::select(vec![
            "\n", "\n", "\n\n", "\r\n", "\r", " ", "   ", "    ", "\t", "<div>", "</div>", "<p class='a'", ">", "<img src='a'>",
            "<hr/>", "<!--", "-->", "<!-- a -->", "text", "# text", "a | b", "|-|-", "---", "===", "***", "-", "- ", "+ a", "1.", "1) ",
            "12 a", "> ", "<", "</", "<pre>", "</pre>", "<script>", "<b>", "<ul", "<LI\t", "図", "\u{a0}", "\u{c}", "\0", "\\", "&lt;", "!",
            "$$", ":::", "{% a %}", "*", "_a_", "~", "\u{b}",
        ]), 0..20)) {
            let body = parts.concat();
            if let Some(pieces) = html_pieces(body.as_bytes()) {
                let shadow = shadow::utf8(body.as_bytes(), Span::new(0, body.len()));
                let parts = inline::read(Text::of(shadow.as_bytes()), &shadow);
                let trim = |pieces: &[Span]| -> Vec<String> {
                    pieces.iter().map(|piece| body[piece.range()].trim().to_owned()).collect()
                };
                prop_assert_eq!(trim(&pieces), trim(&parts.html), "{:?}", body);
                prop_assert!(parts.images.is_empty() && parts.links.is_empty());
            }
        }
    }
}
