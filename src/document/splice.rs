//! Edits to a document's bytes: copied, with the few bytes that are meant changed.

use crate::digest::Digest;
use crate::document::escape::Escapes;
use crate::document::span::Span;

/// One replacement: what stands in `span` becomes `text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Where the replaced bytes stand; empty for an insertion.
    pub span: Span,
    /// The new bytes, already written as the place's grammar wants them.
    pub text: Vec<u8>,
}

/// Edits for one document, valid only against the bytes they were planned for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    planned_for: Digest,
    /// Sorted; no two spans overlap.
    edits: Vec<Edit>,
}

/// The edits cannot be made in one pass.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the edit at {} to {} comes after one that ends at {previous_end}", span.start(), span.end())]
pub struct Disorder {
    /// The edit that overlaps the one before it, or should have stood before it.
    pub span: Span,
    /// Where the one before it ends.
    pub previous_end: usize,
}

impl Edit {
    /// Writes `url` where `span` of `document` is, in a place of these `escapes`: it is read back so.
    #[must_use]
    pub fn of_url(document: &[u8], span: Span, escapes: Escapes, url: &str) -> Self {
        Self { span, text: escapes.encode_behind(&document[..span.start()], url) }
    }
}

impl Patch {
    /// Takes edits sorted by where they start. Two may touch; of two insertions at one place the
    /// first given comes first.
    ///
    /// # Errors
    /// If an edit starts before the end of the one given before it.
    pub fn new(planned_for: Digest, edits: Vec<Edit>) -> Result<Self, Disorder> {
        let mut previous_end = 0;
        for Edit { span, .. } in &edits {
            if span.start() < previous_end {
                return Err(Disorder { span: *span, previous_end });
            }
            previous_end = span.end();
        }
        Ok(Self { planned_for, edits })
    }

    /// The digest of the only bytes that [`Self::apply`] may be given.
    #[must_use]
    pub fn planned_for(&self) -> Digest {
        self.planned_for
    }

    /// In the order they stand in the document.
    #[must_use]
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Returns `source` with every edit made and every other byte as it was.
    ///
    /// # Panics
    /// If an edit lies outside `source`, which then is not what was planned for.
    #[must_use]
    pub fn apply(&self, source: &[u8]) -> Vec<u8> {
        let added: usize = self.edits.iter().map(|edit| edit.text.len()).sum();
        let mut out = Vec::with_capacity(source.len() + added);
        let mut copied = 0;
        for Edit { span, text } in &self.edits {
            out.extend_from_slice(&source[copied..span.start()]);
            out.extend_from_slice(text);
            copied = span.end();
        }
        out.extend_from_slice(&source[copied..]);
        out
    }

    /// Where each edit's text stands in what [`Self::apply`] returns, in the order of the edits.
    pub fn landings(&self) -> impl Iterator<Item = Span> {
        let (mut removed, mut added) = (0, 0);
        self.edits.iter().map(move |Edit { span, text }| {
            let start = span.start() - removed + added;
            removed += span.len();
            added += text.len();
            Span::new(start, start + text.len())
        })
    }

    /// The patch that makes `source` of `result` again, given that `self` made `result` of `source`.
    #[must_use]
    pub fn inverse(&self, source: &[u8], result: &[u8]) -> Self {
        let edits = self.landings().zip(&self.edits);
        let edits = edits.map(|(span, edit)| Edit { span, text: source[edit.span.range()].to_vec() });
        Self { planned_for: Digest::of(result), edits: edits.collect() }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::document::reference::Reference;

    /// `source`, which is UTF-8, with `url` written in place of every one of `references`.
    pub(crate) fn replaced(source: &[u8], references: &[Reference], url: &str) -> String {
        let edits = references
            .iter()
            .map(|reference| Edit { span: reference.span, text: reference.escapes.encode(url) });
        let patch = Patch::new(Digest::of(source), edits.collect()).unwrap();
        String::from_utf8(patch.apply(source)).unwrap()
    }

    /// A document and a patch for it: lines and links, so that edits meet line ends and each other.
    pub(crate) fn patched_document() -> impl Strategy<Value = (Vec<u8>, Patch)> {
        let source = prop::collection::vec(prop::sample::select(b"ab\n\r\n\xff".to_vec()), 0..60);
        let text = || prop::collection::vec(prop::sample::select(b"bcd\n".to_vec()), 0..5);
        source.prop_flat_map(move |source| {
            let cuts = prop::collection::vec((0..=source.len(), 0..=source.len(), text()), 0..6);
            (Just(source), cuts).prop_map(|(source, mut cuts)| {
                cuts.sort();
                let mut edits = Vec::new();
                let mut end = 0;
                for (a, b, text) in cuts {
                    let span = Span::new(a.min(b), a.max(b));
                    if span.start() >= end {
                        end = span.end();
                        edits.push(Edit { span, text });
                    }
                }
                let patch = Patch::new(Digest::of(&source), edits).unwrap();
                (source, patch)
            })
        })
    }

    fn patch(edits: &[(usize, usize, &str)]) -> Result<Patch, Disorder> {
        let edit = |&(start, end, text): &(usize, usize, &str)| Edit {
            span: Span::new(start, end),
            text: text.as_bytes().to_vec(),
        };
        Patch::new(Digest::of(b""), edits.iter().map(edit).collect())
    }

    #[test]
    fn edits_are_made_and_the_rest_is_copied() {
        let check = |source: &str, edits: &[(usize, usize, &str)], expected: &str| {
            let result = patch(edits).unwrap().apply(source.as_bytes());
            assert_eq!(String::from_utf8(result).unwrap(), expected);
        };
        check("", &[], "");
        check("abc", &[], "abc");
        check("abc", &[(0, 3, "")], "");
        check("abc", &[(1, 2, "XY")], "aXYc");
        check("abc", &[(0, 1, "X"), (1, 2, "Y")], "XYc");
        check("abc", &[(3, 3, "!")], "abc!");
        check("abc", &[(1, 1, "1"), (1, 1, "2"), (1, 2, "3")], "a123c");
    }

    #[test]
    fn disorder_is_refused() {
        let check = |edits: &[(usize, usize, &str)], at: (usize, usize), previous_end| {
            let expected = Disorder { span: Span::new(at.0, at.1), previous_end };
            assert_eq!(patch(edits), Err(expected));
        };
        check(&[(0, 3, ""), (2, 4, "")], (2, 4), 3);
        check(&[(5, 6, ""), (0, 1, "")], (0, 1), 6);
        check(&[(0, 4, ""), (1, 1, "")], (1, 1), 4);
    }

    proptest! {
        #[test]
        fn an_empty_patch_is_the_identity(source: Vec<u8>) {
            prop_assert_eq!(Patch::new(Digest::of(&source), Vec::new()).unwrap().apply(&source), source);
        }

        #[test]
        fn outside_the_spans_nothing_changes((source, patch) in patched_document()) {
            let result = patch.apply(&source);
            let (mut kept, mut copied) = (Vec::new(), Vec::new());
            let (mut from_source, mut from_result) = (0, 0);
            for (edit, landing) in patch.edits().iter().zip(patch.landings()) {
                prop_assert_eq!(&result[landing.range()], edit.text.as_slice());
                kept.extend_from_slice(&source[from_source..edit.span.start()]);
                copied.extend_from_slice(&result[from_result..landing.start()]);
                from_source = edit.span.end();
                from_result = landing.end();
            }
            prop_assert_eq!(&kept, &copied);
            prop_assert_eq!(&source[from_source..], &result[from_result..]);
        }

        #[test]
        fn the_inverse_takes_it_back((source, patch) in patched_document()) {
            let result = patch.apply(&source);
            let inverse = patch.inverse(&source, &result);
            prop_assert_eq!(inverse.planned_for(), Digest::of(&result));
            prop_assert_eq!(inverse.apply(&result), source);
        }
    }
}
