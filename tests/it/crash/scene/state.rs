//! What documents and images hold at a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Test;

type Files = BTreeMap<PathBuf, Vec<u8>>;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Below `posts`.
    documents: Files,
    /// Below `cache/images`.
    images: Files,
}

impl State {
    pub(super) fn of(test: &Test) -> Self {
        let mut documents = files(&test.path("posts"));
        documents.retain(|path, _| !is_litter(path));
        Self { documents, images: files(&test.path("cache/images")) }
    }

    /// Each file is as in one of the two; what is in both is there; and every link has its image.
    pub(super) fn assert_between(&self, before: &Self, after: &Self, when: &str) {
        between(&self.documents, &before.documents, &after.documents, when);
        between(&self.images, &before.images, &after.images, when);
        for (path, bytes) in &self.documents {
            for blob in links(bytes) {
                // Where an image is missing before, it is what is to be mended.
                let was_missing = before.documents == after.documents && !before.images.contains_key(&blob);
                let is_there = self.images.contains_key(&blob);
                assert!(is_there || was_missing, "{when}: {} has no {}", path.display(), blob.display());
            }
        }
    }

    pub(super) fn assert_is(&self, other: &Self, when: &str) {
        for (now, then) in [(&self.documents, &other.documents), (&self.images, &other.images)] {
            between(now, then, then, when);
        }
    }

    /// How many files are not as in `other`.
    pub(super) fn differences(&self, other: &Self) -> usize {
        let count = |one: &Files, other: &Files| {
            let changed = one.iter().filter(|(path, bytes)| other.get(*path) != Some(bytes)).count();
            changed + other.keys().filter(|path| !one.contains_key(*path)).count()
        };
        count(&self.documents, &other.documents) + count(&self.images, &other.images)
    }

    pub(super) fn changed_documents(&self, before: &Self) -> BTreeSet<PathBuf> {
        let changed =
            self.documents.iter().filter(|(path, bytes)| before.documents.get(*path) != Some(bytes));
        changed.map(|(path, _)| path.clone()).collect()
    }

    pub(super) fn images_not_in(&self, other: &Self) -> impl Iterator<Item = (&PathBuf, &Vec<u8>)> {
        self.images.iter().filter(|(path, _)| !other.images.contains_key(*path))
    }
}

fn between(now: &Files, before: &Files, after: &Files, when: &str) {
    for (path, bytes) in now {
        let is_known = [before, after].iter().any(|files| files.get(path) == Some(bytes));
        assert!(
            is_known,
            "{when}: {} is neither its old nor its new self: {}",
            path.display(),
            bytes.escape_ascii()
        );
    }
    for path in before.keys().filter(|path| after.contains_key(*path)) {
        assert!(now.contains_key(path), "{when}: {} is gone", path.display());
    }
}

/// `<ab>/<digest>.jpg` wherever it stands.
fn links(bytes: &[u8]) -> Vec<PathBuf> {
    let text = String::from_utf8_lossy(bytes);
    let end = ".jpg";
    let name = |at: usize| text.get(at.checked_sub(67)?..at + end.len());
    let is_blob = |name: &&str| name.as_bytes()[2] == b'/' && !name.contains([':', '.', ' ']);
    text.match_indices(end)
        .filter_map(|(at, _)| name(at))
        .filter(|name| is_blob(&name.trim_end_matches(end)))
        .map(PathBuf::from)
        .collect()
}

/// Every file below `folder`, and what it holds; none if there is no such folder.
pub(super) fn files(folder: &Path) -> Files {
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.strip_prefix(folder).unwrap().to_owned(), bytes)
    };
    paths(folder).into_iter().map(read).collect()
}

/// Every file below `folder`; it may come and go meanwhile.
fn paths(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

fn is_litter(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".imgkeep-"))
}

/// Whether there is a temporary file in a folder.
pub(super) fn has_litter(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| is_litter(&entry.path()))
}

/// What no run that came to its end leaves behind: temporary files, and drafts.
pub(super) fn litter(test: &Test) -> Vec<PathBuf> {
    let all = [test.path("posts"), test.path("cache/images"), test.path("cache/journal")];
    let mut litter: Vec<_> = all.iter().flat_map(|folder| paths(folder)).collect();
    litter.retain(|path| is_litter(path));
    let entries = |folder: &str| fs::read_dir(test.path(folder)).into_iter().flatten();
    litter.extend(entries("cache").map(|entry| entry.unwrap().path()).filter(|path| is_litter(path)));
    for process in entries("cache/incoming").map(|entry| entry.unwrap().path()) {
        litter.extend(paths(&process));
        litter.extend(process.is_dir().then_some(process));
    }
    litter
}

#[test]
fn links_are_found_in_every_style() {
    let name = format!("ab/{}.jpg", "ab".repeat(32));
    let text =
        format!("a: '../../cache/images/{name}'\n![](/images/{name}) http://cdn0.example/12.jpg {name}");
    assert_eq!(links(text.as_bytes()), vec![PathBuf::from(&name); 3]);
}
