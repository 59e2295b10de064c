//! References and answers → the bytes of the new document, and the record that leads back.
//!
//! Pure. Takes the links that a document holds and the copies that are kept; has not heard of the catalog.

use std::collections::HashMap;

use crate::blob::BlobName;
use crate::digest::Digest;
use crate::document::reference::Reference;
use crate::document::span::Span;
use crate::document::splice::{Edit, Patch};

pub mod link;

/// A kept link as it stands in a document, and the bytes that stood there before, if anybody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The link's text in the document as it is now.
    pub span: Span,
    /// What it points at.
    pub blob: BlobName,
    /// What stood there before.
    pub original: Option<Original>,
}

/// What stood in a place before a run wrote a kept link there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// The bytes, written for that place.
    pub bytes: Vec<u8>,
    /// The run that replaced them.
    pub run: String,
}

/// A kept link as some record knows it, in the order of the recorded document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Where it stood in the recorded document.
    pub span: Span,
    /// What it points at.
    pub blob: BlobName,
    /// What stood there before.
    pub original: Original,
}

/// A document's next bytes, and every kept link in them with its way back.
#[derive(Debug)]
pub struct Planned {
    /// What is to be changed.
    pub patch: Patch,
    /// The bytes after the change.
    pub after: Vec<u8>,
    /// Every kept link in `after` whose original is known, sorted.
    pub links: Vec<Recorded>,
}

/// Points `answers` (reference, blob and link text) at their copies in `bytes`, writes the kept links of `moved`
/// anew, and carries the kept links that stand there already over into the new record.
#[must_use]
pub fn plan(
    bytes: &[u8],
    standing: &[Standing],
    moved: Vec<Edit>,
    answers: Vec<(Reference, BlobName, String)>,
    run: &str,
) -> Planned {
    let mut edits = moved;
    let mut blobs = HashMap::with_capacity(answers.len());
    for (reference, blob, link) in answers {
        blobs.insert(reference.span, blob);
        edits.push(Edit::of_url(bytes, reference.span, reference.escapes, &link));
    }
    edits.sort_by_key(|edit| edit.span);
    let patch = Patch::new(Digest::of(bytes), edits).expect("references of one document are disjoint");
    let after = patch.apply(bytes);
    let mut links = carried(&patch, standing);
    links.extend(patch.edits().iter().zip(patch.landings()).filter_map(|(edit, span)| {
        let blob = *blobs.get(&edit.span)?;
        let original = Original { bytes: bytes[edit.span.range()].to_vec(), run: run.to_owned() };
        Some(Recorded { span, blob, original })
    }));
    links.sort_by_key(|link| link.span);
    Planned { patch, after, links }
}

/// Where the `standing` links whose originals are known stand after `patch`, which may rewrite them in place.
#[must_use]
pub fn carried(patch: &Patch, standing: &[Standing]) -> Vec<Recorded> {
    let mut edits = patch.edits().iter().zip(patch.landings()).peekable();
    // Where what stands after the last edit passed moves to.
    let (mut end, mut end_after) = (0, 0);
    let mut carried = Vec::with_capacity(standing.len());
    for link in standing {
        while let Some((edit, landing)) = edits.next_if(|(edit, _)| edit.span.end() <= link.span.start()) {
            (end, end_after) = (edit.span.end(), landing.end());
        }
        let span = match edits.peek() {
            Some((edit, landing)) if edit.span == link.span => *landing,
            _ => Span::new(link.span.start() - end + end_after, link.span.end() - end + end_after),
        };
        carried.extend(link.original.clone().map(|original| Recorded { span, blob: link.blob, original }));
    }
    carried
}

/// The digest of `after` with every one of `links` put back.
#[must_use]
pub fn before(after: &[u8], links: &[Recorded]) -> Digest {
    let standing = links.iter().map(|link| Standing {
        span: link.span,
        blob: link.blob,
        original: Some(link.original.clone()),
    });
    Digest::of(&undo(after, &standing.collect::<Vec<_>>()).apply(after))
}

/// The patch that gives `standing` links their originals back; those whose original nobody knows stay.
#[must_use]
pub fn undo(bytes: &[u8], standing: &[Standing]) -> Patch {
    let edits = standing.iter().filter_map(|link| {
        let text = link.original.as_ref()?.bytes.clone();
        Some(Edit { span: link.span, text })
    });
    Patch::new(Digest::of(bytes), edits.collect()).expect("kept links of one document are disjoint")
}

/// Gives the kept links of an edited document the originals that `recorded` knows: links of the same
/// image are taken in order, and where some were removed or moved the longest common run of links decides.
#[must_use]
pub fn align(found: &[(Span, BlobName)], recorded: &[Recorded]) -> Vec<Standing> {
    let pairs = common(
        &found.iter().map(|(_, blob)| *blob).collect::<Vec<_>>(),
        &recorded.iter().map(|link| link.blob).collect::<Vec<_>>(),
    );
    let mut taken = vec![false; recorded.len()];
    for &other in pairs.iter().flatten() {
        taken[other] = true;
    }
    let mut spare: HashMap<BlobName, Vec<usize>> = HashMap::new();
    for (index, link) in recorded.iter().enumerate().rev() {
        if !taken[index] {
            spare.entry(link.blob).or_default().push(index);
        }
    }
    let any: HashMap<BlobName, usize> =
        recorded.iter().enumerate().rev().map(|(index, link)| (link.blob, index)).collect();
    found
        .iter()
        .zip(pairs)
        .map(|(&(span, blob), pair)| {
            let index =
                pair.or_else(|| spare.get_mut(&blob).and_then(Vec::pop)).or_else(|| any.get(&blob).copied());
            let original = index.map(|index| recorded[index].original.clone());
            Standing { span, blob, original }
        })
        .collect()
}

/// For each of `left`, the index in `right` that a longest common subsequence pairs it with. Common ends are
/// paired first; what is left in the middle is compared in full only while that stays cheap.
fn common(left: &[BlobName], right: &[BlobName]) -> Vec<Option<usize>> {
    const CHEAP: usize = 4_000_000;
    let mut pairs = vec![None; left.len()];
    let head = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let tail = left[head..].iter().rev().zip(right[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    for (index, pair) in pairs.iter_mut().enumerate().take(head) {
        *pair = Some(index);
    }
    for index in 1..=tail {
        pairs[left.len() - index] = Some(right.len() - index);
    }
    let (a, b) = (&left[head..left.len() - tail], &right[head..right.len() - tail]);
    if a.len().saturating_mul(b.len()) > CHEAP {
        return pairs;
    }
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
            pairs[head + i] = Some(head + j);
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::MediaType;

    fn blob(n: u8) -> BlobName {
        BlobName { digest: Digest::of(&[n]), media_type: MediaType::Png }
    }

    fn recorded(images: &[u8]) -> Vec<Recorded> {
        images
            .iter()
            .enumerate()
            .map(|(index, &image)| Recorded {
                span: Span::new(index * 10, index * 10 + 5),
                blob: blob(image),
                original: Original { bytes: vec![image, index as u8], run: "run".into() },
            })
            .collect()
    }

    fn aligned(now: &[u8], then: &[u8]) -> Vec<Option<u8>> {
        let found: Vec<_> = now
            .iter()
            .enumerate()
            .map(|(index, &image)| (Span::new(index, index + 1), blob(image)))
            .collect();
        align(&found, &recorded(then))
            .into_iter()
            .map(|standing| standing.original.map(|original| original.bytes[1]))
            .collect()
    }

    #[test]
    fn links_find_their_originals_after_a_persons_edits() {
        // the images now, the images then, and the place each link had then
        fn check(now: &[u8], then: &[u8], expected: &[Option<u8>]) {
            assert_eq!(aligned(now, then), expected, "{then:?} became {now:?}");
        }
        check(&[1, 2, 3], &[1, 2, 3], &[Some(0), Some(1), Some(2)]);
        check(&[1, 3], &[1, 2, 3], &[Some(0), Some(2)]);
        check(&[1, 1], &[1, 2, 1], &[Some(0), Some(2)]);
        check(&[2, 1], &[1, 2, 1], &[Some(1), Some(2)]);
        check(&[3, 1, 2], &[1, 2, 3], &[Some(2), Some(0), Some(1)]);
        check(&[1, 9], &[1], &[Some(0), None]);
        check(&[1, 1, 1], &[1], &[Some(0), Some(0), Some(0)]);
        check(&[], &[1], &[]);
    }
}
