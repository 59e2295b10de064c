//! What do these documents name? No network, no change.

use std::io;
use std::ops::ControlFlow;

use crate::blob::BlobName;
use crate::crawl::{Entry, Skip};
use crate::ops::{Document, Reader, parallel};

/// Reads every entry and calls `render` for each document, on every core, then `write` with what was
/// rendered, in the order of the entries. Documents that were left alone go to `skipped`.
///
/// `known` tells whether a blob is one of ours: links to those are no references.
///
/// # Errors
/// What `write` says.
pub fn scan(
    reader: &Reader,
    entries: &[Entry],
    known: &(dyn Fn(BlobName) -> bool + Sync),
    render: impl Fn(&Entry, &Document, &mut Vec<u8>) + Sync,
    mut write: impl FnMut(&[u8]) -> io::Result<()>,
    mut skipped: impl FnMut(&Entry, Skip),
) -> io::Result<()> {
    let mut outcome = Ok(());
    let read = |entry: &Entry| match reader.read(entry, known) {
        Ok(document) => {
            let mut rendered = Vec::new();
            render(entry, &document, &mut rendered);
            Ok(rendered)
        }
        Err(skip) => Err(Box::new((entry.clone(), skip))),
    };
    parallel::in_order(entries, read, |result| {
        match result {
            Ok(rendered) => outcome = write(&rendered),
            Err(left) => skipped(&left.0, left.1),
        }
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    outcome
}
