//! The kept links of a document and what stood there before each of them.

use crate::catalog::row::{KeptLink, Rewrite};
use crate::catalog::{self, Catalog};
use crate::digest::Digest;
use crate::document::span::Span;
use crate::resolve::Link;
use crate::rewrite::{Original, Recorded, Standing, align};

/// What is known of the kept links of one document.
#[derive(Debug)]
pub(super) struct Kept {
    /// The links, with their originals where known.
    pub(super) standing: Vec<Standing>,
    /// The record of exactly these bytes, if nobody edited the document since.
    pub(super) exact: Option<Rewrite>,
}

/// Looks for the originals of the kept links `found` in `bytes`: in the record of these very bytes; else, since
/// somebody edited the document, in the newest records of its path.
pub(super) fn kept(
    catalog: &Catalog,
    name: &[u8],
    bytes: &[u8],
    found: &[Link],
) -> Result<Kept, catalog::Error> {
    let digest = Digest::of(bytes);
    let records = catalog.rewrites(name)?;
    let exact = match records.iter().position(|record| record.after == digest) {
        Some(index) => Some(records[index].clone()),
        None if found.is_empty() => None,
        None => moved(name, catalog.rewrites_to(digest)?),
    };
    if let Some(record) = exact {
        let standing = record
            .links
            .iter()
            .map(|link| Standing {
                span: Span::new(link.start, link.start + link.len),
                blob: link.blob,
                original: Some(Original { bytes: link.original.clone(), run: link.run.clone() }),
            })
            .collect();
        let standing = with_strangers(standing, found);
        return Ok(Kept { standing, exact: Some(record) });
    }
    let mut standing: Vec<Standing> =
        found.iter().map(|link| Standing { span: link.span, blob: link.blob, original: None }).collect();
    for record in &records {
        let unknown: Vec<usize> =
            (0..standing.len()).filter(|&index| standing[index].original.is_none()).collect();
        if unknown.is_empty() {
            break;
        }
        let links: Vec<_> =
            unknown.iter().map(|&index| (standing[index].span, standing[index].blob)).collect();
        let recorded: Vec<Recorded> = record.links.iter().map(recorded).collect();
        for (index, aligned) in unknown.into_iter().zip(align(&links, &recorded)) {
            standing[index].original = aligned.original;
        }
    }
    Ok(Kept { standing, exact: None })
}

/// The record of a document that has another path now. Documents that became alike may have been different:
/// the one of the same file name is meant, or any if all were the same.
fn moved(name: &[u8], mut records: Vec<Rewrite>) -> Option<Rewrite> {
    fn file(path: &[u8]) -> &[u8] {
        path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
    }
    let same_file = records.iter().position(|record| file(&record.document) == file(name));
    let same_before = records.iter().all(|record| record.before == records[0].before);
    let index = same_file.or(same_before.then_some(0))?;
    (index < records.len()).then(|| records.swap_remove(index))
}

/// Kept links that stand in a document without being in its record: somebody wrote them by hand.
fn with_strangers(mut standing: Vec<Standing>, found: &[Link]) -> Vec<Standing> {
    let known = standing.len();
    for link in found {
        let apart =
            |other: &Standing| other.span.end() <= link.span.start() || link.span.end() <= other.span.start();
        let after = standing[..known].partition_point(|other| other.span.end() <= link.span.start());
        if standing[..known].get(after).is_none_or(apart) {
            standing.push(Standing { span: link.span, blob: link.blob, original: None });
        }
    }
    standing.sort_by_key(|link| link.span);
    standing
}

/// As the catalog keeps it.
pub(super) fn link(recorded: &Recorded) -> KeptLink {
    KeptLink {
        start: recorded.span.start(),
        len: recorded.span.len(),
        blob: recorded.blob,
        original: recorded.original.bytes.clone(),
        run: recorded.original.run.clone(),
    }
}

fn recorded(link: &KeptLink) -> Recorded {
    Recorded {
        span: Span::new(link.start, link.start + link.len),
        blob: link.blob,
        original: Original { bytes: link.original.clone(), run: link.run.clone() },
    }
}
