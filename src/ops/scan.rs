//! What do these documents name? No network, no change.

use std::io;
use std::ops::ControlFlow;

use crate::blob::BlobName;
use crate::crawl::{Entry, Skip};
use crate::ops::{Document, Reader, parallel};

pub mod summary;

/// Reads every entry and calls `look` for each document, on every core, then `take` with what came of it, in
/// the order of the entries. Documents that were left alone go to `skipped`.
///
/// `known` tells whether a blob is one of ours: links to those are no references.
///
/// # Errors
/// What `take` says.
pub fn scan<T: Send>(
    reader: &Reader,
    entries: &[Entry],
    known: &(dyn Fn(BlobName) -> bool + Sync),
    look: impl Fn(&Entry, &Document) -> T + Sync,
    mut take: impl FnMut(T) -> io::Result<()>,
    mut skipped: impl FnMut(&Entry, Skip),
) -> io::Result<()> {
    let mut outcome = Ok(());
    let read = |entry: &Entry| match reader.read(entry, known) {
        Ok(document) => Ok(look(entry, &document)),
        Err(skip) => Err(Box::new((entry.clone(), skip))),
    };
    parallel::in_order(entries, read, |result| {
        match result {
            Ok(looked) => outcome = take(looked),
            Err(left) => skipped(&left.0, left.1),
        }
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    outcome
}
