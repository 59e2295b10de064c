//! What a text of nothing but marks costs.
//!
//! The parser keeps some fifty bytes for each mark that may begin or end something, and as many again while it pairs
//! them. Images are all that matters here, so where there are very many marks, those go that cannot be of an image.

use std::borrow::Cow;

/// With fewer marks than this the parser takes little enough.
const MANY: usize = 200_000;

/// `seen` with letters in the place of emphasis, and of brackets that are never closed; of the same length. A text of
/// a usual number of marks is left as it is.
pub(super) fn thin(seen: &str) -> Cow<'_, str> {
    let bytes = seen.as_bytes();
    if bytes.len() < MANY || memchr::memchr3_iter(b'[', b'*', b'_', bytes).count() < MANY {
        return Cow::Borrowed(seen);
    }
    let mut out = bytes.to_vec();
    // From the back: how many brackets are closed behind this place, up to the blank line that ends them all.
    let mut closed = 0_usize;
    for at in (0..bytes.len()).rev() {
        match bytes[at] {
            _ if at > 0 && bytes[at - 1] == b'\\' => {}
            b'\n' if is_blank(&bytes[at + 1..]) => closed = 0,
            b']' => closed += 1,
            b'[' if closed == 0 => out[at] = b'x',
            b'[' => closed -= 1,
            b'*' | b'_' if !may_be_more(bytes, at) => out[at] = b'x',
            _ => {}
        }
    }
    Cow::Owned(String::from_utf8(out).expect("ASCII took the place of ASCII"))
}

/// Whether a line that has nothing on it starts `text`.
fn is_blank(text: &[u8]) -> bool {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
    matches!(text.get(blanks), None | Some(b'\n'))
}

/// Whether an asterisk or underscore may be something else than emphasis: an item of a list or a rule, which start a
/// line.
fn may_be_more(bytes: &[u8], at: usize) -> bool {
    const DEEPEST: usize = 32;
    let before = &bytes[at.saturating_sub(DEEPEST)..at];
    match before.iter().rev().find(|byte| !matches!(byte, b' ' | b'\t' | b'>')) {
        None => before.len() < DEEPEST,
        Some(byte) => matches!(byte, b'\n' | b'\r'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let many = "*a_b ".repeat(MANY);
        let thinned = thin(&many).into_owned();
        assert!(!thinned.contains("a_"));
        let text = format!("{text}\n\n{many}");
        assert!(thin(&text).starts_with(expected), "{expected:?}");
        assert_eq!(thin(&text).len(), text.len());
    }

    #[test]
    fn what_may_be_an_image_stays() {
        check("![a*b*](/c.png) [[d] e_f", "![axbx](/c.png) x[d] exf");
        check("![a][b]\n\n[b]: /c.png", "![a][b]\n\n[b]: /c.png");
        check("* a\n> * b\n***", "* a\n> * b\n*xx");
        check("[a\n\nb]", "xa\n\nb]");
        check("![\\[a\\*](/b\\_c.png)", "![\\[a\\*](/b\\_c.png)");
    }

    #[test]
    fn a_usual_text_is_left_alone() {
        assert!(matches!(thin("*a* [b"), Cow::Borrowed(_)));
    }
}
