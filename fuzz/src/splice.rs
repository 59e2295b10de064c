//! Edits change what they mean to change and nothing else, and can be taken back.

use imgkeep::blob::BlobName;
use imgkeep::digest::Digest;
use imgkeep::document::diff;
use imgkeep::document::span::Span;
use imgkeep::document::splice::{Edit, Patch};
use imgkeep::media::MediaType;
use imgkeep::rewrite::{self, Original, Recorded, Standing, align};

use super::dice::Dice;

/// Edits first, in any order and place, then the document.
pub fn holds(bytes: &[u8]) {
    let mut dice = Dice::new(bytes);
    let edits: Vec<(usize, usize, &[u8])> =
        (0..dice.below(12)).map(|_| (dice.below(600), dice.below(20), dice.bytes(12))).collect();
    let links: Vec<u8> = dice.bytes(12).to_vec();
    let document = dice.rest();
    let edits: Vec<Edit> = edits
        .into_iter()
        .map(|(start, length, text)| {
            let start = start.min(document.len());
            let end = (start + length).min(document.len());
            Edit { span: Span::new(start, end), text: text.to_vec() }
        })
        .collect();
    let is_in_order = edits.windows(2).all(|pair| pair[0].span.end() <= pair[1].span.start());
    match Patch::new(Digest::of(document), edits.clone()) {
        Err(disorder) => assert!(!is_in_order, "{disorder}"),
        Ok(patch) => {
            assert!(is_in_order);
            is_applied(document, &patch);
        }
    }
    links_find_their_originals(&links, document);
}

fn is_applied(document: &[u8], patch: &Patch) {
    let result = patch.apply(document);
    // the plain way: from the back, so that the earlier spans stay where they are
    let mut expected = document.to_vec();
    for Edit { span, text } in patch.edits().iter().rev() {
        expected.splice(span.range(), text.iter().copied());
    }
    assert_eq!(result, expected);
    let mut outside = (0, 0);
    for (edit, landing) in patch.edits().iter().zip(patch.landings()) {
        assert_eq!(document[outside.0..edit.span.start()], result[outside.1..landing.start()]);
        assert_eq!(edit.text, result[landing.range()]);
        outside = (edit.span.end(), landing.end());
    }
    assert_eq!(document[outside.0..], result[outside.1..]);
    let inverse = patch.inverse(document, &result);
    assert_eq!(inverse.planned_for(), Digest::of(&result));
    assert_eq!(inverse.apply(&result), document);
    let shown = diff::unified("a.md", document, patch);
    assert!(result != document || shown.is_empty());
    carries(document, patch, &result);
}

/// Kept links between the edits are found where they went.
fn carries(document: &[u8], patch: &Patch, result: &[u8]) {
    let mut gaps = Vec::new();
    let mut start = 0;
    for edit in patch.edits() {
        gaps.push(Span::new(start, edit.span.start()));
        start = edit.span.end();
    }
    gaps.push(Span::new(start, document.len()));
    let standing: Vec<Standing> = gaps
        .into_iter()
        .filter(|gap| gap.len() > 1)
        .map(|gap| Standing { span: gap, blob: blob(1), original: Some(original(b"before")) })
        .collect();
    let carried = rewrite::carried(patch, &standing);
    assert_eq!(carried.len(), standing.len());
    for (before, after) in standing.iter().zip(&carried) {
        assert_eq!(document[before.span.range()], result[after.span.range()]);
    }
}

/// However links were moved, removed or copied, each gets the original of a link to the same image.
fn links_find_their_originals(links: &[u8], document: &[u8]) {
    let then: Vec<Recorded> = links
        .iter()
        .enumerate()
        .map(|(index, image)| Recorded {
            span: Span::new(index * 2, index * 2 + 1),
            blob: blob(image % 4),
            original: original(&[image % 4, u8::try_from(index).expect("there are a dozen")]),
        })
        .collect();
    let now: Vec<(Span, BlobName)> = document
        .iter()
        .take(16)
        .enumerate()
        .map(|(index, image)| (Span::new(index * 2, index * 2 + 1), blob(image % 5)))
        .collect();
    for (standing, (span, blob_then)) in align(&now, &then).into_iter().zip(&now) {
        assert_eq!((standing.span, standing.blob), (*span, *blob_then));
        let is_known = then.iter().any(|link| link.blob == *blob_then);
        assert_eq!(standing.original.is_some(), is_known);
        if let Some(original) = standing.original {
            assert_eq!(blob(original.bytes[0]), *blob_then);
        }
    }
    let same: Vec<(Span, BlobName)> = then.iter().map(|link| (link.span, link.blob)).collect();
    let originals: Vec<_> = align(&same, &then).into_iter().filter_map(|link| link.original).collect();
    assert!(originals.iter().eq(then.iter().map(|link| &link.original)), "nothing was edited");
}

fn blob(image: u8) -> BlobName {
    BlobName { digest: Digest::of(&[image]), media_type: MediaType::Png }
}

fn original(bytes: &[u8]) -> Original {
    Original { bytes: bytes.to_vec(), run: "run".to_owned() }
}
