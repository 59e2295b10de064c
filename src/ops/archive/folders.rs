//! Under which names the user has the folders of a run's documents: reports speak of documents as they were named.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::crawl::Entry;

/// The folders in which documents of a run lie, each with one of its names.
#[derive(Debug, Default)]
pub(super) struct Folders(HashMap<Arc<Path>, PathBuf>);

impl Folders {
    /// Those of `entries`. Symlinks tell nothing of the folder of the file itself.
    pub(super) fn of(entries: &[Entry]) -> Self {
        let mut folders: HashMap<Arc<Path>, PathBuf> = HashMap::new();
        let own = entries.iter().filter(|entry| entry.path.file_name() == Some(entry.file_name()));
        for entry in own {
            if !folders.contains_key(&entry.folder) {
                let named = entry.path.parent().unwrap_or(Path::new("")).to_owned();
                folders.insert(Arc::clone(&entry.folder), named);
            }
        }
        Self(folders)
    }

    /// The document at `path`, an absolute one, under the name that the user would give it; `None` if there is none
    /// any more.
    pub(super) fn entry(&self, path: &Path) -> Option<Entry> {
        let named = self.named(path);
        Entry::at(named.as_deref().unwrap_or(path)).ok().filter(|entry| entry.real() == path)
    }

    /// Whether documents of the run lie beside the one at `path`.
    pub(super) fn hold(&self, path: &Path) -> bool {
        self.named(path).is_some()
    }

    fn named(&self, path: &Path) -> Option<PathBuf> {
        Some(self.0.get(path.parent()?)?.join(path.file_name()?))
    }
}
