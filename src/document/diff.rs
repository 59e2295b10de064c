//! A patch as a unified diff (GNU diffutils manual, "Detailed Description of Unified Format").
//!
//! The edited lines are known from the spans, so nothing is searched for and the time is linear. The
//! diff is bytes like the document: `patch -p1` applies it whatever the encoding. Of UTF-16 it shows the text,
//! for people to read: lines of bytes would be none there.

use std::ops::Range;

use crate::digest::Digest;
use crate::document::encoding::Encoding;
use crate::document::span::Span;
use crate::document::splice::{Edit, Patch};

/// Unchanged lines shown on either side of a change.
const CONTEXT: usize = 3;

/// The diff from `source` to `patch.apply(source)`; empty if they are the same. `name` is the document's
/// path, for the two header lines.
///
/// # Panics
/// If an edit lies outside `source`, which then is not what was planned for.
#[must_use]
pub fn unified(name: &str, source: &[u8], patch: &Patch) -> Vec<u8> {
    match Encoding::of(source) {
        Encoding::Bytes => unified_bytes(name, source, patch),
        encoding @ (Encoding::Utf16Le | Encoding::Utf16Be) => {
            let (source, patch) = as_text(encoding, source, patch);
            unified_bytes(name, source.as_bytes(), &patch)
        }
    }
}

/// A document and a patch for it, both in UTF-8.
fn as_text(encoding: Encoding, source: &[u8], patch: &Patch) -> (String, Patch) {
    let (mut text, mut copied) = (String::new(), 0);
    let mut edits = Vec::with_capacity(patch.edits().len());
    for Edit { span, text: new } in patch.edits() {
        text.push_str(&encoding.read(&source[copied..span.start()]));
        let start = text.len();
        text.push_str(&encoding.read(&source[span.range()]));
        let new = encoding.read(new).into_owned().into_bytes();
        edits.push(Edit { span: Span::new(start, text.len()), text: new });
        copied = span.end();
    }
    text.push_str(&encoding.read(&source[copied..]));
    let patch = Patch::new(Digest::of(text.as_bytes()), edits).expect("they are in the order of the patch");
    (text, patch)
}

fn unified_bytes(name: &str, source: &[u8], patch: &Patch) -> Vec<u8> {
    let mut out = Vec::new();
    let changes = changes(source, patch);
    let mut lines = Lines { source, at: 0, number: 0 };
    // How many lines longer the result is than the source, up to here.
    let mut shift = 0;
    for hunk in changes.chunk_by(|earlier, later| close(source, earlier, later)) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { continue };
        if out.is_empty() {
            out.extend_from_slice(header(name).as_bytes());
        }
        let start = back(source, first.old.start, CONTEXT);
        let end = forward(source, last.old.end, CONTEXT);
        let mut body = Vec::new();
        let mut at = start;
        for change in hunk {
            push(&mut body, b' ', &source[at..change.old.start]);
            push(&mut body, b'-', &source[change.old.clone()]);
            push(&mut body, b'+', &change.new);
            at = change.old.end;
        }
        push(&mut body, b' ', &source[at..end]);

        let old_lines = count(&source[start..end]);
        let grown: isize = hunk
            .iter()
            .map(|change| signed(count(&change.new)) - signed(count(&source[change.old.clone()])))
            .sum();
        let new_lines = signed(old_lines) + grown;
        let before = lines.before(start);
        out.extend_from_slice(b"@@ -");
        out.extend_from_slice(range(signed(before), signed(old_lines)).as_bytes());
        out.extend_from_slice(b" +");
        out.extend_from_slice(range(signed(before) + shift, new_lines).as_bytes());
        out.extend_from_slice(b" @@\n");
        out.append(&mut body);
        shift += grown;
    }
    out
}

/// Whole lines that give way to whole lines.
struct Change {
    old: Range<usize>,
    new: Vec<u8>,
}

/// Widens the edits to whole lines, joins those that meet, and drops what stays the same.
fn changes(source: &[u8], patch: &Patch) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let mut edits = patch.edits().iter().peekable();
    while let Some(first) = edits.next() {
        let start = line_start(source, first.span.start());
        let mut new = source[start..first.span.start()].to_vec();
        new.extend_from_slice(&first.text);
        let mut copied = first.span.end();
        let mut end = line_end(source, copied);
        while let Some(next) = edits.next_if(|next| {
            next.span.start() < end || next.span.start() == source.len() && end == source.len()
        }) {
            new.extend_from_slice(&source[copied..next.span.start()]);
            new.extend_from_slice(&next.text);
            copied = next.span.end();
            end = end.max(line_end(source, copied));
        }
        new.extend_from_slice(&source[copied..end]);
        let change = trim(source, Change { old: start..end, new });
        match changes.last_mut() {
            _ if change.old.is_empty() && change.new.is_empty() => {}
            Some(last) if last.old.end == change.old.start => {
                last.old.end = change.old.end;
                last.new.extend_from_slice(&change.new);
            }
            _ => changes.push(change),
        }
    }
    changes
}

/// Takes off the lines that are the same at the start and at the end.
fn trim(source: &[u8], change: Change) -> Change {
    let Change { mut old, mut new } = change;
    let same = |(a, b): &(&[u8], &[u8])| a == b;
    let start: usize =
        split(&source[old.clone()]).zip(split(&new)).take_while(same).map(|(line, _)| line.len()).sum();
    old.start += start;
    new.drain(..start);
    let mut end = 0;
    let (mut left, mut right) = (&source[old.clone()], new.as_slice());
    while let (Some(a), Some(b)) = (last_line(left), last_line(right)) {
        if a != b {
            break;
        }
        end += a.len();
        left = &left[..left.len() - a.len()];
        right = &right[..right.len() - b.len()];
    }
    old.end -= end;
    new.truncate(new.len() - end);
    Change { old, new }
}

/// Whether so little stands between two changes that one hunk shows both.
fn close(source: &[u8], earlier: &Change, later: &Change) -> bool {
    forward(source, earlier.old.end, 2 * CONTEXT) >= later.old.start
}

/// Counts the lines before an offset; offsets must not go down.
struct Lines<'a> {
    source: &'a [u8],
    at: usize,
    number: usize,
}

impl Lines<'_> {
    fn before(&mut self, offset: usize) -> usize {
        self.number += memchr::memchr_iter(b'\n', &self.source[self.at..offset]).count();
        self.at = offset;
        self.number
    }
}

fn line_start(source: &[u8], offset: usize) -> usize {
    memchr::memrchr(b'\n', &source[..offset]).map_or(0, |newline| newline + 1)
}

fn line_end(source: &[u8], offset: usize) -> usize {
    memchr::memchr(b'\n', &source[offset..]).map_or(source.len(), |newline| offset + newline + 1)
}

/// The start of the line `lines` before the one that starts at `offset`.
fn back(source: &[u8], offset: usize, lines: usize) -> usize {
    (0..lines).fold(offset, |at, _| if at == 0 { 0 } else { line_start(source, at - 1) })
}

fn forward(source: &[u8], offset: usize, lines: usize) -> usize {
    (0..lines).fold(offset, |at, _| line_end(source, at))
}

/// Lines with their line ends; the last may have none.
fn split(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n')
}

fn last_line(text: &[u8]) -> Option<&[u8]> {
    let before = text.len().checked_sub(1)?;
    Some(&text[line_start(text, before)..])
}

fn count(text: &[u8]) -> usize {
    let newlines = memchr::memchr_iter(b'\n', text).count();
    newlines + usize::from(!text.is_empty() && !text.ends_with(b"\n"))
}

fn signed(count: usize) -> isize {
    isize::try_from(count).expect("no slice is longer than isize::MAX")
}

fn push(out: &mut Vec<u8>, mark: u8, text: &[u8]) {
    for line in split(text) {
        out.push(mark);
        out.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            out.extend_from_slice(b"\n\\ No newline at end of file\n");
        }
    }
}

/// `first,count` of a hunk: lines are numbered from 1, and no lines stand after the line before them.
fn range(before: isize, lines: isize) -> String {
    match lines {
        0 => format!("{before},0"),
        1 => format!("{}", before + 1),
        _ => format!("{},{lines}", before + 1),
    }
}

/// The two lines that name the document; a name with white space ends in a tab, as GNU diff has it.
fn header(name: &str) -> String {
    let name = name.strip_prefix("./").unwrap_or(name).trim_start_matches('/');
    let name: String = name.chars().map(|char| if char.is_control() { '?' } else { char }).collect();
    let end = if name.contains(char::is_whitespace) { "\t" } else { "" };
    format!("--- a/{name}{end}\n+++ b/{name}{end}\n")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;
    use crate::document::splice::tests::patched_document;

    fn check(source: &str, edits: &[(usize, usize, &str)], expected: &str) {
        let edits = edits
            .iter()
            .map(|&(start, end, text)| Edit { span: Span::new(start, end), text: text.as_bytes().to_vec() });
        let patch = Patch::new(Digest::of(source.as_bytes()), edits.collect()).unwrap();
        let diff = unified("a.md", source.as_bytes(), &patch);
        assert_eq!(String::from_utf8(diff).unwrap(), expected, "{source:?}");
    }

    #[test]
    fn a_hunk_shows_three_lines_on_either_side() {
        check(
            "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
            &[(8, 9, "five")],
            "--- a/a.md\n+++ b/a.md\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n",
        );
    }

    #[test]
    fn far_changes_stand_in_hunks_of_their_own() {
        let source = "a\n".repeat(20);
        check(
            &source,
            &[(0, 1, "b"), (38, 39, "c\nd")],
            concat!(
                "--- a/a.md\n+++ b/a.md\n@@ -1,4 +1,4 @@\n-a\n+b\n a\n a\n a\n",
                "@@ -17,4 +17,5 @@\n a\n a\n a\n-a\n+c\n+d\n",
            ),
        );
    }

    #[test]
    fn line_ends_come_and_go() {
        let head = "--- a/a.md\n+++ b/a.md\n";
        let none = "\\ No newline at end of file\n";
        check("x", &[], "");
        check("x\n", &[(0, 1, "x")], "");
        check("", &[(0, 0, "x\n")], &format!("{head}@@ -0,0 +1 @@\n+x\n"));
        check("x\n", &[(0, 2, "")], &format!("{head}@@ -1 +0,0 @@\n-x\n"));
        check("x", &[(0, 1, "y")], &format!("{head}@@ -1 +1 @@\n-x\n{none}+y\n{none}"));
        check("x", &[(1, 1, "\n")], &format!("{head}@@ -1 +1 @@\n-x\n{none}+x\n"));
        check("x\ny\n", &[(1, 2, "")], &format!("{head}@@ -1,2 +1 @@\n-x\n-y\n+xy\n"));
        check("x\ny\n", &[(0, 2, "")], &format!("{head}@@ -1,2 +1 @@\n-x\n y\n"));
        check("x\ny\n", &[(0, 1, "a"), (2, 3, "b")], &format!("{head}@@ -1,2 +1,2 @@\n-x\n-y\n+a\n+b\n"));
    }

    #[test]
    fn the_diff_of_utf_16_is_text() {
        for encoding in [Encoding::Utf16Le, Encoding::Utf16Be] {
            let source = encoding.write("\u{feff}a\n图b\n\u{a0a}\n".to_owned());
            let edit = Edit { span: Span::new(8, 10), text: encoding.write("cc".to_owned()) };
            let patch = Patch::new(Digest::of(&source), vec![edit]).unwrap();
            let diff = String::from_utf8(unified("a.md", &source, &patch)).unwrap();
            let expected = "--- a/a.md\n+++ b/a.md\n@@ -1,3 +1,3 @@\n \u{feff}a\n-图b\n+图cc\n \u{a0a}\n";
            assert_eq!(diff, expected);
        }
    }

    #[test]
    fn names_are_made_fit_for_a_header() {
        let check = |name, expected: &str| assert_eq!(header(name).lines().next(), Some(expected));
        check("./posts/a.md", "--- a/posts/a.md");
        check("/srv/a.md", "--- a/srv/a.md");
        check("a b.md", "--- a/a b.md\t");
    }

    /// Applies a diff the way `patch` does, by its line numbers alone.
    fn reapply(source: &[u8], diff: &[u8]) -> Vec<u8> {
        let old: Vec<&[u8]> = split(source).collect();
        let mut out: Vec<u8> = Vec::new();
        let mut at = 0;
        let mut mark = 0;
        for line in split(diff).skip(2) {
            let text = &line[1..];
            match line[0] {
                b'@' => {
                    let header = std::str::from_utf8(line).unwrap();
                    let numbers = header.split([' ', '-']).nth(2).unwrap();
                    let (first, lines) = numbers.split_once(',').unwrap_or((numbers, "1"));
                    let first: usize = first.parse().unwrap();
                    let start = if lines == "0" { first } else { first - 1 };
                    out.extend(old[at..start].concat());
                    at = start;
                }
                b'\\' if mark == b'-' => {}
                b'\\' => assert_eq!(out.pop(), Some(b'\n')),
                b'+' => out.extend_from_slice(text),
                b'-' => at += 1,
                _ => {
                    out.extend_from_slice(text);
                    at += 1;
                }
            }
            mark = line[0];
        }
        out.extend(old[at..].concat());
        out
    }

    proptest! {
        #[test]
        fn the_diff_makes_the_result_of_the_source((source, patch) in patched_document()) {
            let result = patch.apply(&source);
            let diff = unified("a.md", &source, &patch);
            prop_assert_eq!(diff.is_empty(), result == source);
            prop_assert_eq!(reapply(&source, &diff), result);
        }
    }

    #[test]
    fn the_patch_program_agrees() {
        if Command::new("patch").arg("--version").stdout(Stdio::null()).status().is_err() {
            println!("skipped: no `patch` program here");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a b.md");
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        for _ in 0..40 {
            let tree = patched_document().new_tree(&mut runner).unwrap();
            let (source, patch) = proptest::strategy::ValueTree::current(&tree);
            let result = patch.apply(&source);
            // An empty result makes `patch` remove the file, and an empty diff is no patch.
            if result.is_empty() || source.is_empty() || result == source {
                continue;
            }
            fs::write(&file, &source).unwrap();
            fs::write(folder.path().join("diff"), unified("a b.md", &source, &patch)).unwrap();
            let mut command = Command::new("patch");
            command.current_dir(&folder).args(["-p1", "--binary", "--fuzz=0", "-s", "-i", "diff"]);
            assert!(command.status().unwrap().success());
            assert_eq!(fs::read(&file).unwrap(), result);
        }
    }
}
