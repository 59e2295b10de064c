//! The smallest useful pattern for a host or one path segment.

/// Whether `pattern` covers all of `text`. `*` stands for any run of characters, even none, and `#` for
/// digits, one at least. Compares bytes: what is matched is ASCII or compared as it is.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    bytes(pattern.as_bytes(), text.as_bytes())
}

/// Whether `pattern` has anything but literal characters.
pub(super) fn is_pattern(pattern: &str) -> bool {
    pattern.contains(['*', '#'])
}

/// `text` without the shortest ending that `pattern` covers within its last path segment, if there is one.
pub(super) fn without_ending<'a>(pattern: &str, text: &'a str) -> Option<&'a str> {
    let segment = text.rfind('/').map_or(0, |slash| slash + 1);
    text[segment..]
        .char_indices()
        .rev()
        .map(|(index, _)| segment + index)
        .find(|start| matches(pattern, &text[*start..]))
        .map(|start| &text[..start])
}

fn bytes(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => {
            rest.is_empty() || (0..=text.len()).any(|skipped| bytes(rest, &text[skipped..]))
        }
        Some((b'#', rest)) => {
            let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (1..=digits).any(|taken| bytes(rest, &text[taken..]))
        }
        Some((literal, rest)) => text.first() == Some(literal) && bytes(rest, &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_digits() {
        for (pattern, text, expected) in [
            ("i#.wp.com", "i0.wp.com", true),
            ("i#.wp.com", "i.wp.com", false),
            ("*.workers.dev", "a.b.workers.dev", true),
            ("img*", "img", true),
            ("w#_h#*", "w140_h100_q80", true),
            ("w#_h#", "w140_hx", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn endings_are_cut_in_the_last_segment_only() {
        for (pattern, text, expected) in [
            ("@*", "https://x/a@b.jpg@webp", Some("https://x/a@b.jpg")),
            ("@*", "https://x/a@b/c.jpg", None),
            ("_#x#x#.*", "/a_1x2.jpeg_600x250x1.jpg", Some("/a_1x2.jpeg")),
            (".#x#.auto.*", "/a.jpg.100x70.auto.jpg", Some("/a.jpg")),
        ] {
            assert_eq!(without_ending(pattern, text), expected, "{pattern} {text}");
        }
    }
}
