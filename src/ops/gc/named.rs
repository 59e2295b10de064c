//! What the documents themselves say: links that somebody wrote, and addresses whose image is kept.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::blob::BlobName;
use crate::catalog::OriginKey;
use crate::catalog::garbage::Unreferenced;
use crate::crawl::{Entry, Skip};
use crate::digest::Digest;
use crate::files::stat::Stat;
use crate::ops::{Archive, Reader, parallel};

/// How a file was when it was read; `None` if there was none.
type State = Option<[u8; 32]>;

/// What was found in documents, and how they were then.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Blobs that a document links to, or whose origin it names.
    pub(super) blobs: HashSet<Digest>,
    /// Documents that are there and cannot be read: nobody knows what they name.
    pub(super) unreadable: Vec<PathBuf>,
    states: HashMap<PathBuf, State>,
}

enum Looked {
    Same,
    Read(State, Vec<Digest>),
    Unreadable,
}

/// Looks in documents.
pub(super) struct Looking<'a> {
    reader: &'a Reader,
    archive: &'a Archive,
    /// Documents that the catalog need not know.
    search: &'a [PathBuf],
    stop: &'a (dyn Fn() -> bool + Sync),
    digests: HashSet<Digest>,
    origins: HashMap<OriginKey, Vec<Digest>>,
}

impl<'a> Looking<'a> {
    /// Looks for `blobs`.
    pub(super) fn new(
        reader: &'a Reader,
        archive: &'a Archive,
        search: &'a [PathBuf],
        stop: &'a (dyn Fn() -> bool + Sync),
        blobs: &[Unreferenced],
    ) -> Result<Self> {
        let digests = blobs.iter().map(|found| found.blob.digest).collect();
        let origins = archive.catalog.origins_of_blobs(blobs)?;
        Ok(Self { reader, archive, search, stop, digests, origins })
    }

    /// Reads every document that is not as it was when `named` heard of it. Ends early if it is to stop.
    pub(super) fn look(&self, named: &mut Named) -> Result<()> {
        let documents = self.archive.catalog.all_documents()?;
        let mut paths: Vec<PathBuf> =
            documents.iter().map(|document| self.archive.path_of(&document.name)).collect();
        paths.extend(self.search.iter().cloned());
        let states = std::mem::take(&mut named.states);
        let mut looked = Vec::new();
        parallel::in_order(
            &paths,
            |path| self.read(path, states.get(path)),
            |outcome| {
                looked.push(outcome);
                if (self.stop)() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        named.states = states;
        for (path, looked) in paths.into_iter().zip(looked) {
            match looked {
                Looked::Same => {}
                Looked::Read(state, blobs) => {
                    named.blobs.extend(blobs);
                    named.states.insert(path, state);
                }
                Looked::Unreadable => named.unreadable.push(path),
            }
        }
        Ok(())
    }

    fn read(&self, path: &Path, before: Option<&State>) -> Looked {
        let state = match Stat::find(path) {
            Ok(stat) => stat.map(|stat| stat.identity()),
            Err(_) => return Looked::Unreadable,
        };
        if before == Some(&state) {
            return Looked::Same;
        }
        if state.is_none() {
            return Looked::Read(None, Vec::new());
        }
        let Ok(entry) = Entry::at(path) else { return Looked::Unreadable };
        let known = |blob: BlobName| self.digests.contains(&blob.digest);
        let document = match self.reader.read(&entry, &known) {
            Ok(document) => document,
            // It is no document any more.
            Err(Skip::Named(_)) => return Looked::Read(state, Vec::new()),
            Err(_) => return Looked::Unreadable,
        };
        let links = document.resolved.kept.iter().map(|link| link.blob.digest);
        let remote = document.resolved.remote.iter().map(|remote| OriginKey::of(&remote.origin));
        let copies = remote.filter_map(|key| self.origins.get(&key)).flatten().copied();
        Looked::Read(state, links.filter(|digest| self.digests.contains(digest)).chain(copies).collect())
    }
}
