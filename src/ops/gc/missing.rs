//! Documents that are not where they were.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::catalog::garbage::DocumentId;
use crate::files::stat::Stat;
use crate::ops::Archive;

/// What is not there.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// Documents that were taken away.
    pub(super) gone: Vec<DocumentId>,
    /// Documents that may be on a disk that is not there now.
    pub(super) unsure: Vec<DocumentId>,
}

impl Missing {
    /// Looks for every document. Of what is in the folders `absent`, nobody knows.
    pub(super) fn look(archive: &Archive, absent: &[PathBuf]) -> Result<Self> {
        let mut missing = Self::default();
        let mut lost = Vec::new();
        // Folders in which there is a document that is known.
        let mut lived_in: HashSet<PathBuf> = HashSet::new();
        for document in archive.catalog.all_documents()? {
            let path = archive.path_of(&document.name);
            match Stat::find(&path) {
                Ok(Some(_)) => lived_in.extend(path.parent().map(Path::to_owned)),
                Ok(None) => lost.push((path, document)),
                // What the system does not let us see may be there.
                Err(_) => missing.unsure.push(document),
            }
        }
        for (path, document) in lost {
            let is_absent = absent.iter().any(|folder| path.starts_with(folder));
            let nearest = path.ancestors().skip(1).find(|folder| !matches!(Stat::find(folder), Ok(None)));
            match nearest.filter(|folder| !is_absent && lived_in.contains(*folder)) {
                Some(_) => missing.gone.push(document),
                None => missing.unsure.push(document),
            }
        }
        Ok(missing)
    }
}

/// Whether the document is still not there.
pub(super) fn is_gone(archive: &Archive, document: &DocumentId) -> bool {
    matches!(Stat::find(&archive.path_of(&document.name)), Ok(None))
}
