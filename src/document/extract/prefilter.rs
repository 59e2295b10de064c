//! A look at a document's bytes that tells, without reading it as what it is, that it names nothing.

use memchr::{memchr3_iter, memmem};

/// Whether `document` may name an image on a server or a kept one. `false` is certain, whatever its kind: the
/// URL of either has a slash or a question mark, a scheme, or base64 of one; or the document has a way to
/// write these without showing them. `true` says nothing.
///
/// Costs about as much as a scan of the memory.
#[must_use]
pub fn may_name_image(document: &[u8]) -> bool {
    document.starts_with(b"\xFF\xFE")
        || document.starts_with(b"\xFE\xFF")
        || memchr3_iter(b'/', b'?', b':', document).any(|at| may_be_of_url(document, at))
        // other ways to write them: a backslash in CSS, JSON or YAML, a character reference, UTF-16
        || memchr3_iter(b'\\', b'&', 0, document).any(|at| document[at] != b'&' || may_hide(&document[at + 1..]))
        // base64 of `http`
        || memmem::find(document, b"aHR0c").is_some()
}

/// Whether the slash, question mark or colon at `at` may be part of such a URL. Tabs and line breaks within a
/// URL do not count (WHATWG URL, section 4.4).
fn may_be_of_url(document: &[u8], at: usize) -> bool {
    let (before, behind) = (&document[..at], &document[at + 1..]);
    let next = behind.iter().find(|byte| !is_dropped(byte));
    match document[at] {
        // the end of a tag, or a slash that ends or parts words
        b'/' => before.last() != Some(&b'<') && !matches!(next, None | Some(b' ' | b'>')),
        b'?' => !matches!(next, None | Some(b' ' | b'<' | b'>' | b'"' | b'\'' | b')')),
        _ => ends_with_scheme(before),
    }
}

/// Whether `before` ends with `http` or `https`.
fn ends_with_scheme(before: &[u8]) -> bool {
    let mut letters =
        before.iter().rev().filter(|byte| !is_dropped(byte)).map(u8::to_ascii_lowercase).peekable();
    letters.next_if_eq(&b's');
    b"ptth".iter().all(|&letter| letters.next() == Some(letter))
}

fn is_dropped(byte: &&u8) -> bool {
    matches!(**byte, b'\t' | b'\n' | b'\r')
}

/// Whether the character reference behind an ampersand may stand for what a URL is made of. An ampersand
/// itself does if a second decoding makes another reference of it.
fn may_hide(behind: &[u8]) -> bool {
    if let Some(behind) = behind.strip_prefix(b"amp;") {
        return behind.first().is_some_and(|&byte| byte == b'#' || byte.is_ascii_alphanumeric());
    }
    let starts = behind.first().is_some_and(|&byte| byte == b'#' || byte.is_ascii_alphabetic());
    starts
        && ![&b"lt;"[..], b"gt;", b"quot;", b"apos;", b"nbsp;"].iter().any(|plain| behind.starts_with(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_nothing_for_sure() {
        for text in [
            "",
            "Words: and more. Why? <p class=\"x\">Because</p><br/> a &lt;b&gt; &amp; c <hr /> 1 / 2",
            "---\ntitle: x\nimg: a.png\n---\n![a](b.png) <img src=a.png>",
            "中文？：文字",
            "http, https; ftp:x",
        ] {
            assert!(!may_name_image(text.as_bytes()), "{text}");
        }
        for text in [
            "http://h",
            "HTTPS:h",
            "h\nt\ttp\r\ns:h",
            "//h/a",
            "/300x200/h.example/a.png",
            "thumb.php?\nsrc=h.example",
            "thumb.php?src=h.example",
            "ab/cd.png",
            "aHR0cHM6Ly9o",
            "&#47;",
            "&sol;",
            "&amp;#47;",
            "&amp;sol;",
            "\\2f",
            "/\nh",
        ] {
            assert!(may_name_image(text.as_bytes()), "{text}");
        }
        assert!(may_name_image(b"h\0t\0"));
        assert!(may_name_image(b"\xff\xfe\x2d\x4e"));
    }
}
