//! A unified diff, line by line, with what differs within a line.

use crate::web::gallery::words::spelled;

/// Lines that are shown; who wants all asks `imgkeep archive --diff`.
const LINES: usize = 2000;
/// Of a longer line this many bytes are shown.
const BYTES: usize = 4000;

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::web::gallery) struct Line {
    /// `same`, `old`, `new`, `place` or `note`.
    pub(in crate::web::gallery) kind: &'static str,
    /// What precedes it: a sign, or nothing.
    pub(in crate::web::gallery) sign: &'static str,
    /// What is the same in the other version of the line, and in front of what is not.
    pub(in crate::web::gallery) head: String,
    /// What is not.
    pub(in crate::web::gallery) changed: String,
    /// What is the same again.
    pub(in crate::web::gallery) tail: String,
}

/// The lines of a diff, and whether there are more of them.
pub(super) fn of(diff: &[u8]) -> (Vec<Line>, bool) {
    // The header names the document, as the page does.
    let all: Vec<&[u8]> = diff.split_inclusive(|byte| *byte == b'\n').skip(2).collect();
    let mut lines = Vec::new();
    let mut at = 0;
    while at < all.len() && lines.len() < LINES {
        let run =
            |from: usize, sign: u8| all[from..].iter().take_while(|line| line.first() == Some(&sign)).count();
        let (old, new) = (run(at, b'-'), run(at + run(at, b'-'), b'+'));
        if old > 0 && old == new {
            let (before, after) = (&all[at..at + old], &all[at + old..at + old + new]);
            let pairs: Vec<(Line, Line)> =
                before.iter().zip(after).map(|(old, new)| pair(old, new)).collect();
            let (old_lines, new_lines): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            lines.extend(old_lines);
            lines.extend(new_lines);
            at += old + new;
        } else {
            lines.push(single(all[at]));
            at += 1;
        }
    }
    (lines, at < all.len())
}

fn single(line: &[u8]) -> Line {
    let (kind, sign) = match line.first() {
        Some(b'-') => ("old", "−"),
        Some(b'+') => ("new", "+"),
        Some(b'@') => ("place", ""),
        Some(b'\\') => ("note", ""),
        _ => ("same", ""),
    };
    let text = if kind == "place" { line } else { line.get(1..).unwrap_or_default() };
    Line { kind, sign, head: shown(text, true), ..Line::default() }
}

/// Two versions of a line.
fn pair(old: &[u8], new: &[u8]) -> (Line, Line) {
    let (old, new) = (&old[1..], &new[1..]);
    let is_inside = |text: &[u8], at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    while head > 0 && (is_inside(old, head) || is_inside(new, head)) {
        head -= 1;
    }
    let mut tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    while tail > 0 && is_inside(old, old.len() - tail) {
        tail -= 1;
    }
    let line = |text: &[u8], kind, sign| Line {
        kind,
        sign,
        head: shown(&text[..head], false),
        changed: shown(&text[head..text.len() - tail], true),
        tail: shown(&text[text.len() - tail..], true),
    };
    (line(old, "old", "−"), line(new, "new", "+"))
}

/// Text as it is shown: of what is too long the start, or the end.
fn shown(text: &[u8], from_start: bool) -> String {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let cut = |text: &[u8]| -> String {
        let parts = text.split(|byte| *byte == b'\t').map(spelled);
        parts.collect::<Vec<_>>().join("\t")
    };
    match text.len() {
        0..=BYTES => cut(text),
        _ if from_start => format!("{}…", cut(&text[..BYTES])),
        length => format!("…{}", cut(&text[length - BYTES..])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(diff: &str) -> Vec<String> {
        let diff = format!("--- a/x\n+++ b/x\n{diff}");
        let (lines, _) = of(diff.as_bytes());
        lines
            .iter()
            .map(|line| format!("{}{}[{}]{}", line.sign, line.head, line.changed, line.tail))
            .collect()
    }

    #[test]
    fn what_differs_within_a_line_is_set_apart() {
        assert_eq!(
            said("@@ -1,2 +1,2 @@\n a\n-图(http://图)\n-x\n+图(kept)\n+y\n"),
            ["@@ -1,2 +1,2 @@[]", "a[]", "−图([http://图])", "−[x]", "+图([kept])", "+[y]"]
        );
        // 图 and 圖 share their first byte.
        assert_eq!(said("-图\n+圖\n"), ["−[图]", "+[圖]"]);
        assert_eq!(said("-aa\n+a\n"), ["−a[a]", "+a[]"]);
        assert_eq!(said("-a\r\n+b\r\n\\ No newline\n"), ["−[a]", "+[b]", " No newline[]"]);
        assert_eq!(said("-a\n+b\n+c\n"), ["−a[]", "+b[]", "+c[]"]);
    }

    #[test]
    fn a_long_diff_is_cut() {
        let diff = format!("--- a\n+++ b\n{}", "+x\n".repeat(LINES + 1));
        let (lines, is_cut) = of(diff.as_bytes());
        assert_eq!((lines.len(), is_cut), (LINES, true));
        assert_eq!(of(b""), (Vec::new(), false));
    }
}
