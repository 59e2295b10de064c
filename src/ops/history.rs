//! What one document said before its links were kept, and what it says now.
//!
//! Reads only, and only documents of which the catalog has a record.

use anyhow::Result;

use crate::blob::BlobName;
use crate::catalog::row::Rewrite;
use crate::digest::Digest;
use crate::document::diff;
use crate::document::encoding::Encoding;
use crate::document::span::Span;
use crate::files;
use crate::ops::Archive;
use crate::rewrite::{self, Original, Standing};

/// A document and its kept links.
#[derive(Debug)]
pub struct History {
    /// How the document is, compared with the record.
    pub state: State,
    /// In order of the newest record that fits.
    pub links: Vec<Was>,
    /// Unified, from before to now; empty if the record does not fit.
    pub diff: Vec<u8>,
}

/// How a document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It holds the kept links and nobody edited it since.
    Kept,
    /// It holds what it held before.
    Restored,
    /// Somebody edited it since.
    Edited,
    /// None of its links was ever kept.
    Untouched,
    /// It cannot be read, for this reason.
    Unreadable(String),
}

/// One kept link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Was {
    /// What stood there: the bytes.
    pub original: Vec<u8>,
    /// What stands there now, if that is known.
    pub link: Option<Vec<u8>>,
    /// What it points at.
    pub blob: BlobName,
    /// The run that wrote it.
    pub run: String,
    /// Whether the document still points there.
    pub is_there: bool,
}

/// Looks at the document that the catalog calls `name`, unless it has more than `most` bytes.
///
/// # Errors
/// When the catalog fails.
pub fn history(archive: &Archive, name: &[u8], most: u64) -> Result<History> {
    let records = archive.catalog.rewrites(name)?;
    let path = archive.path_of(name);
    let bytes = match files::read(&path, most) {
        Ok((bytes, _)) => bytes,
        Err(error) => {
            let links = records.first().map(|record| was(record, |_| false)).unwrap_or_default();
            let why = format!("{:#}", anyhow::Error::from(error));
            return Ok(History { state: State::Unreadable(why), links, diff: Vec::new() });
        }
    };
    let digest = Digest::of(&bytes);
    if let Some(record) = records.iter().find(|record| record.after == digest) {
        return Ok(kept(&path.to_string_lossy(), &bytes, record));
    }
    let state = match records.first() {
        None => State::Untouched,
        Some(_) if records.iter().any(|record| record.before == digest) => State::Restored,
        Some(_) => State::Edited,
    };
    let text = Encoding::of(&bytes).read(&bytes);
    let is_there = |blob: BlobName| state == State::Edited && text.contains(&blob.to_string());
    let links = records.first().map(|record| was(record, is_there)).unwrap_or_default();
    Ok(History { state, links, diff: Vec::new() })
}

fn was(record: &Rewrite, is_there: impl Fn(BlobName) -> bool) -> Vec<Was> {
    let was = |link: &crate::catalog::row::KeptLink| Was {
        original: link.original.clone(),
        link: None,
        blob: link.blob,
        run: link.run.clone(),
        is_there: is_there(link.blob),
    };
    record.links.iter().map(was).collect()
}

/// The document as the record has it.
fn kept(path: &str, bytes: &[u8], record: &Rewrite) -> History {
    let spans = record.links.iter().map(|link| Span::new(link.start, link.start + link.len));
    let standing: Vec<Standing> = spans
        .zip(&record.links)
        .filter(|(span, _)| span.end() <= bytes.len())
        .map(|(span, link)| Standing {
            span,
            blob: link.blob,
            original: Some(Original { bytes: link.original.clone(), run: link.run.clone() }),
        })
        .collect();
    let mut links = was(record, |_| true);
    for (link, standing) in links.iter_mut().zip(&standing) {
        link.link = Some(bytes[standing.span.range()].to_vec());
    }
    let undo = rewrite::undo(bytes, &standing);
    let before = undo.apply(bytes);
    let diff = diff::unified(path, &before, &undo.inverse(bytes, &before));
    History { state: State::Kept, links, diff }
}
