//! Clears away what a run that was killed left beside documents.

use std::path::{Path, PathBuf};

use crate::crawl::Entry;
use crate::digest::Digest;
use crate::files::litter::{self, Memory, Swept};
use crate::ops::Archive;

/// Removes temporary files whose bytes are kept elsewhere, gives displaced edits back to their documents, and
/// returns what only a person can judge.
pub fn sweep(archive: &Archive, found: &[PathBuf]) -> Vec<PathBuf> {
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
