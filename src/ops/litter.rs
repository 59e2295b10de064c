//! Clears away what a run that was killed left beside documents.

use std::path::{Path, PathBuf};

use crate::crawl::{self, Entry, Found, Part};
use crate::digest::Digest;
use crate::files::litter::{self, Memory, Swept};
use crate::files::replace::Refused;
use crate::ops::Archive;

/// Finds the documents in a part of `paths`, once what killed runs left among them is cleared away.
///
/// # Errors
/// As [`crawl::walk`].
pub fn swept(
    archive: &Archive,
    paths: &[PathBuf],
    part: &Part,
    options: &crawl::Options,
) -> Result<Found, crawl::Error> {
    let found = crawl::walk_part(paths, part, options)?;
    if found.litter.is_empty() {
        return Ok(found);
    }
    for file in sweep(archive, &found.litter) {
        tracing::warn!(file = %file.display(), "an edit that a killed run displaced: compare it with its document");
    }
    crawl::walk_part(paths, part, options)
}

/// Of two edits that fell into one swap, the earlier stays beside its document: its owner is to know.
pub(super) fn tell_kept(refused: &Refused) {
    if let Some(file) = refused.kept() {
        tracing::warn!(file = %file.display(), "one more edit of its document was made meanwhile: compare it with that");
    }
}

/// Removes temporary files whose bytes are kept elsewhere, gives displaced edits back to their documents, and
/// returns what only a person can judge.
fn sweep(archive: &Archive, found: &[PathBuf]) -> Vec<PathBuf> {
    let remember = |document: &Path, digest: Digest| remember(archive, document, digest);
    let mut left = Vec::new();
    for (path, swept) in litter::sweep(found, &remember) {
        let file = path.display();
        match swept {
            Ok(Swept::Removed) => tracing::info!(%file, "removed what a killed run left"),
            Ok(Swept::GivenBack(document) | Swept::RolledBack(document)) => {
                tracing::warn!(%file, document = %document.display(), "a killed run had displaced it: given back");
            }
            Ok(Swept::InUse) => tracing::debug!(%file, "another imgkeep is at work here"),
            Ok(Swept::Kept) => left.push(path),
            Err(error) => {
                tracing::warn!(%file, %error, "it stays");
                left.push(path);
            }
        }
    }
    left
}

fn remember(archive: &Archive, document: &Path, digest: Digest) -> Memory {
    let records =
        Entry::at(document).ok().and_then(|entry| archive.catalog.rewrites(&archive.name(&entry)).ok());
    match records.into_iter().flatten().find(|record| record.after == digest || record.before == digest) {
        Some(record) if record.after == digest => Memory::After,
        Some(_) => Memory::Before,
        None => Memory::Unknown,
    }
}
