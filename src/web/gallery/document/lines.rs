//! A unified diff, line by line, with what differs within a line.

use crate::web::gallery::words::spelled;

/// Lines that are shown; who wants all asks `imgkeep archive --diff`.
const LINES: usize = 2000;
/// Of a longer text without a change this many characters are shown.
const CHARS: usize = 2000;
/// Comparisons of a word with a word, for all lines of a page.
const COMPARISONS: usize = 2_000_000;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::web::gallery) struct Line {
    /// `same`, `old`, `new`, `place` or `note`.
    pub(in crate::web::gallery) kind: &'static str,
    /// What precedes it: a sign, or nothing.
    pub(in crate::web::gallery) sign: &'static str,
    /// The text, and which parts of it the other version of the line does not have.
    pub(in crate::web::gallery) parts: Vec<(bool, String)>,
}

/// The lines of a diff, and whether there are more of them.
pub(super) fn of(diff: &[u8]) -> (Vec<Line>, bool) {
    // The header names the document, as the page does.
    let all: Vec<&[u8]> = diff.split_inclusive(|byte| *byte == b'\n').skip(2).collect();
    let mut lines = Vec::new();
    let mut left = COMPARISONS;
    let mut at = 0;
    while at < all.len() && lines.len() < LINES {
        let run =
            |from: usize, sign: u8| all[from..].iter().take_while(|line| line.first() == Some(&sign)).count();
        let (old, new) = (run(at, b'-'), run(at + run(at, b'-'), b'+'));
        if old > 0 && old == new {
            let (before, after) = (&all[at..at + old], &all[at + old..at + old + new]);
            let room = (LINES - lines.len()).div_ceil(2);
            let pairs: Vec<(Line, Line)> =
                before.iter().zip(after).take(room).map(|(old, new)| pair(old, new, &mut left)).collect();
            let (old_lines, new_lines): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            lines.extend(old_lines);
            lines.extend(new_lines);
            if old > room {
                break;
            }
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
    Line { kind, sign, parts: vec![(false, cut(&shown(text), false))] }
}

/// Two versions of a line; `left` is how many words may still be compared.
fn pair(old: &[u8], new: &[u8], left: &mut usize) -> (Line, Line) {
    let (old, new) = (shown(&old[1..]), shown(&new[1..]));
    let (old_words, new_words) = (words(&old), words(&new));
    let (is_old, is_new) = differing(&old_words, &new_words, left);
    (
        Line { kind: "old", sign: "−", parts: parts(&old_words, &is_old) },
        Line { kind: "new", sign: "+", parts: parts(&new_words, &is_new) },
    )
}

/// Words and what stands between them, each by itself; an address without brackets and quotes is one word.
fn words(text: &str) -> Vec<&str> {
    let is_between = |char: char| char.is_whitespace() || "\"'<>()[]{}".contains(char);
    text.split_inclusive(is_between)
        .flat_map(|word| {
            let end = word.char_indices().next_back().filter(|(_, char)| is_between(*char));
            let (word, between) = word.split_at(end.map_or(word.len(), |(at, _)| at));
            [word, between]
        })
        .filter(|word| !word.is_empty())
        .collect()
}

/// For each word whether it is none of a longest common subsequence; of what is too long all between the common ends.
fn differing(old: &[&str], new: &[&str], left: &mut usize) -> (Vec<bool>, Vec<bool>) {
    let (mut is_old, mut is_new) = (vec![false; old.len()], vec![false; new.len()]);
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    let (a, b) = (&old[head..old_end], &new[head..new_end]);
    is_old[head..old_end].fill(true);
    is_new[head..new_end].fill(true);
    let Some(rest) = left.checked_sub(a.len().saturating_mul(b.len())) else { return (is_old, is_new) };
    *left = rest;
    let width = b.len() + 1;
    let mut lengths = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            lengths[i * width + j] = if a[i] == b[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            (is_old[head + i], is_new[head + j]) = (false, false);
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    (is_old, is_new)
}

/// Neighbours of one kind together. What is the same and long is shown by its ends.
fn parts(words: &[&str], is_changed: &[bool]) -> Vec<(bool, String)> {
    let pairs: Vec<(bool, &str)> = is_changed.iter().copied().zip(words.iter().copied()).collect();
    let runs = pairs.chunk_by(|a, b| a.0 == b.0);
    runs.map(|run| {
        let text: String = run.iter().map(|(_, word)| *word).collect();
        (run[0].0, cut(&text, !run[0].0))
    })
    .collect()
}

/// Text of at most so many characters: of a longer one the start, and the end too with `both`.
fn cut(text: &str, both: bool) -> String {
    let count = text.chars().count();
    if count <= CHARS {
        return text.to_owned();
    }
    if !both {
        return text.chars().take(CHARS).chain(['…']).collect();
    }
    let half = CHARS / 2;
    text.chars().take(half).chain([' ', '…', ' ']).chain(text.chars().skip(count - half)).collect()
}

/// A line's text without its end.
fn shown(text: &[u8]) -> String {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let parts = text.split(|byte| *byte == b'\t').map(spelled);
    parts.collect::<Vec<_>>().join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(diff: &str) -> Vec<String> {
        let diff = format!("--- a/x\n+++ b/x\n{diff}");
        let (lines, _) = of(diff.as_bytes());
        let part = |(is_changed, text): &(bool, String)| match is_changed {
            true => format!("[{text}]"),
            false => text.clone(),
        };
        lines
            .iter()
            .map(|line| line.parts.iter().fold(line.sign.to_owned(), |all, next| all + &part(next)))
            .collect()
    }

    #[test]
    fn what_differs_within_a_line_is_set_apart() {
        assert_eq!(
            said("@@ -1,2 +1,2 @@\n a\n-图(http://图) b (x)\n-x\n+图(kept) b (y)\n+y\n"),
            ["@@ -1,2 +1,2 @@", "a", "−图([http://图]) b ([x])", "−[x]", "+图([kept]) b ([y])", "+[y]"]
        );
        assert_eq!(said("-a\r\n+b\r\n\\ No newline\n"), ["−[a]", "+[b]", " No newline"]);
        assert_eq!(said("-a\n+b\n+c\n"), ["−a", "+b", "+c"]);
        assert_eq!(said("-a\n"), ["−a"]);
    }

    #[test]
    fn a_page_takes_only_so_many_comparisons() {
        // Two such pairs of lines are within the limit, and the third is not.
        let line = |sign: &str, letter: &str| {
            let words: String = (0..500).map(|word| format!("{letter}{word} ")).collect();
            format!("{sign}{words}\n")
        };
        let diff = format!("--- a\n+++ b\n{}{}", line("-", "a").repeat(3), line("+", "b").repeat(3));
        let (lines, _) = of(diff.as_bytes());
        let parts: Vec<bool> = lines.iter().map(|line| line.parts.len() > 2).collect();
        assert_eq!(parts, [true, true, false, true, true, false]);
        let (is_old, _) = differing(&["a", "b", "c"], &["x", "b", "y"], &mut 8);
        assert_eq!(is_old, [true; 3], "nothing is left to compare them by");
        let mut left = 9;
        let (is_old, _) = differing(&["a", "b", "c"], &["x", "b", "y"], &mut left);
        assert_eq!((is_old.as_slice(), left), ([true, false, true].as_slice(), 0));
    }

    #[test]
    fn a_long_hunk_is_cut_before_it_is_compared() {
        let pairs = 20 * LINES;
        let diff = format!("--- a\n+++ b\n{}{}", "-x\n".repeat(pairs), "+y\n".repeat(pairs));
        let (lines, is_cut) = of(diff.as_bytes());
        assert_eq!((lines.len(), is_cut), (LINES, true));
        assert_eq!((lines[0].kind, lines[LINES - 1].kind), ("old", "new"));
    }

    #[test]
    fn a_long_diff_is_cut() {
        let diff = format!("--- a\n+++ b\n{}", "+x\n".repeat(LINES + 1));
        let (lines, is_cut) = of(diff.as_bytes());
        assert_eq!((lines.len(), is_cut), (LINES, true));
        assert_eq!(of(b""), (Vec::new(), false));
    }
}
