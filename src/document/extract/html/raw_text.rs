//! Elements whose text is not read for tags: where it ends (HTML, section 13.2.5.2 and on).

use memchr::{memchr_iter, memchr2_iter};

use super::token::is_space;

/// Where the text that starts at `start` ends: at `</name`, or with the document.
pub(super) fn end(text: &[u8], start: usize, name: &[u8]) -> usize {
    memchr_iter(b'<', &text[start..])
        .map(|len| start + len)
        .find(|open| text[open + 1..].starts_with(b"/") && is_named(&text[open + 2..], name))
        .unwrap_or(text.len())
}

/// Where the script that starts at `start` ends.
///
/// Within `<!--` and `-->` a script may hold `<script>…</script>` as text.
pub(super) fn script_end(text: &[u8], start: usize) -> usize {
    #[derive(PartialEq)]
    enum Within {
        Script,
        Comment,
        CommentedScript,
    }
    let mut within = Within::Script;
    // the comment's text starts here: the dashes that open it may also close it
    let mut dashes = start;
    for at in memchr2_iter(b'<', b'>', &text[start..]).map(|len| start + len) {
        let rest = &text[at + 1..];
        if text[at] == b'>' {
            if text[dashes.min(at)..at].ends_with(b"--") {
                within = Within::Script;
            }
            continue;
        }
        match within {
            Within::Script | Within::Comment if rest.starts_with(b"/") && is_named(&rest[1..], b"script") => {
                return at;
            }
            Within::Script if rest.starts_with(b"!--") => {
                within = Within::Comment;
                dashes = at + 2;
            }
            Within::Comment if is_named(rest, b"script") => within = Within::CommentedScript,
            Within::CommentedScript if rest.starts_with(b"/") && is_named(&rest[1..], b"script") => {
                within = Within::Comment;
            }
            _ => {}
        }
    }
    text.len()
}

fn is_named(tag: &[u8], name: &[u8]) -> bool {
    tag.len() > name.len()
        && tag[..name.len()].eq_ignore_ascii_case(name)
        && (is_space(tag[name.len()]) || matches!(tag[name.len()], b'/' | b'>'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::extract::{Found, Rules, html};

    /// `expected`: what stands in each span.
    fn check(html: &str, expected: &[&str]) {
        let mut found = Found::default();
        html::find(html.as_bytes(), &Rules::default(), &mut found);
        let raw: Vec<_> = found.references.iter().map(|found| &html[found.span.range()]).collect();
        assert_eq!(raw, expected, "{html}");
    }

    #[test]
    fn text_ends_at_its_own_end_tag() {
        let check =
            |text: &str, expected: usize| assert_eq!(end(text.as_bytes(), 0, b"title"), expected, "{text}");
        check("a<b></b></title>", 8);
        check("</title", 7);
        check("</titles></TITLE >", 9);
        check("< /title></title/", 9);
        check("", 0);
    }

    #[test]
    fn scripts() {
        let check = |text: &str, rest: &str| {
            assert_eq!(&text[script_end(text.as_bytes(), 0)..], rest, "{text}");
        };
        check("a<b></script>x", "</script>x");
        check("<!-- </script>x", "</script>x");
        check("<!-- <script> </script> --></script>x", "</script>x");
        check("<!-- <script> </script> </script>x", "</script>x");
        check("<!-- <script> --></script>x", "</script>x");
        check("<!--><script></script>x", "</script>x");
        check("<!---><script></script>x", "</script>x");
        check("<!--<script>-></script>--></SCRIPT\n>x", "</SCRIPT\n>x");
        check("<!-- <scripts> </script>x", "</script>x");
        check("<!-- <script></scripts></script></script>x", "</script>x");
        check("<script></script>x", "</script>x");
        check("<!-- <script>", "");
        check("-- ></script>", "</script>");
    }

    #[test]
    fn text_without_tags() {
        for (before, after) in [
            ("<!--", "-->"),
            ("<!-- -- > --!x", "--!>"),
            ("<!--->-->", ""),
            ("<!----!", "-->"),
            ("<script>", "</script>"),
            ("<script>'<!-- <script>'</script>", "--></script>"),
            ("<STYLE>", "</Style\n>"),
            ("<textarea>", "</textarea/>"),
            ("<title>", "</title>"),
            ("<xmp>", "</xmp>"),
            ("<iframe>", "</iframe>"),
            ("<noembed>", "</noembed>"),
            ("<noframes>", "</noframes>"),
            ("<title></titles>", "</title>"),
            ("<svg><![CDATA[", "]]></svg>"),
            ("<math><![CDATA[ > ]]", "]]>"),
            ("<svg><desc><textarea>", "</textarea>"),
        ] {
            let within = if before == "<!--->-->" { "" } else { "<img src=a.png>" };
            check(&format!("{before}{within}{after}<img src=b.png>"), &["b.png"]);
        }
        check("<plaintext><img src=a.png></plaintext><img src=a.png>", &[]);
        check("<!--<img src=a.png>", &[]);
        check("<script><img src=a.png>", &[]);
    }

    #[test]
    fn text_with_tags() {
        for (before, after) in [
            ("<!-->", "-->"),
            ("<!--->", "-->"),
            ("<!doctype html '>", "'>"),
            ("<?php >", "?>"),
            ("<![CDATA[>", "]]>"),
            ("</ >", ""),
            ("<!>", ""),
            ("<svg><title>", "</title></svg>"),
            ("<svg><title/><title><svg></svg>", "</title></svg>"),
            ("<svg><script>", "</script></svg>"),
            ("<svg><foreignObject><p><![CDATA[>", "</p></foreignObject></svg>"),
            ("<svg><p><![CDATA[>", ""),
            ("<svg></p><![CDATA[>", ""),
            ("<svg></svg><![CDATA[>", ""),
            ("<svg/><![CDATA[>", ""),
            ("<math><mi><![CDATA[>", "</mi></math>"),
            ("<math><annotation-xml encoding='Text/HTML'><![CDATA[>", "</annotation-xml></math>"),
            ("<template>", "</template>"),
            ("<noscript>", "</noscript>"),
            ("<noscript><!--</noscript>", ""),
            ("<noscript><script></noscript>", ""),
            ("<noscript><svg></noscript><![CDATA[>", ""),
            ("<pre><code>", "</code></pre>"),
        ] {
            check(&format!("{before}<img src=a.png>{after}<img src=b.png>"), &["a.png", "b.png"]);
        }
        check("<math><annotation-xml><![CDATA[<img src=a.png>]]><img src=b.png>", &["b.png"]);
    }
}
