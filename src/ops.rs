//! The use cases, one file each. Only here do the modules of the road meet.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use crate::blob::BlobName;
use crate::catalog::row::Counts;
use crate::catalog::{self, Catalog};
use crate::crawl::{self, Entry, Skip};
use crate::document::extract;
use crate::document::extract::prefilter::may_name_image;
use crate::ops::rules::Rulebook;
use crate::resolve::{Resolved, Resolver};
use crate::rewrite::link::{self, LinkStyle};
use crate::store::Store;

mod alias;
pub mod archive;
pub mod audit;
pub mod change;
pub mod explain;
pub mod gc;
pub mod history;
mod kept;
pub mod litter;
mod lossy;
mod parallel;
pub mod placeholders;
pub mod preview;
pub mod rebuild;
pub mod relink;
pub mod repair;
pub mod restore;
pub mod retry;
pub mod rot;
pub mod rules;
pub mod runs;
pub mod scan;
pub mod scrub;
pub mod status;
pub mod stdin;
pub mod stop;
pub mod verify;

/// Why a document is left alone whose links would not lead to the store.
const BASE_ELSEWHERE: &str = "its <base href> leads links of this style elsewhere: give --link a prefix with http:// \
     or https://, or, if the base is a folder of the same site, with a slash";

/// How documents are found and read; all that an op needs which changes nothing and asks nobody.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Which files are documents.
    pub crawl: crawl::Options,
    /// What counts as a reference, and which are wanted.
    pub rules: Rulebook,
    /// What a reference names.
    pub resolver: Resolver,
    /// How kept links are written: an absolute URL that starts like one is one of ours.
    pub link: LinkStyle,
}

/// A document's bytes and what they name.
#[derive(Debug)]
pub struct Document {
    /// As it was read.
    pub bytes: Vec<u8>,
    /// What its references name.
    pub resolved: Resolved,
}

impl Reader {
    /// Reads one document. `known` tells whether a blob is one of ours.
    ///
    /// # Errors
    /// Why it was left alone.
    pub fn read(&self, entry: &Entry, known: &dyn Fn(BlobName) -> bool) -> Result<Document, Skip> {
        let read = || {
            let bytes = crawl::read(entry, self.crawl.max_bytes)?;
            let resolved = self.resolve(entry, &bytes, known)?;
            Ok(Document { bytes, resolved })
        };
        read().map_err(|skip: Skip| if entry.named { skip.named() } else { skip })
    }

    /// What `bytes`, just read from `entry`, name.
    ///
    /// # Errors
    /// Why the document was left alone.
    pub fn resolve(
        &self,
        entry: &Entry,
        bytes: &[u8],
        known: &dyn Fn(BlobName) -> bool,
    ) -> Result<Resolved, Skip> {
        let kind = entry.kind_of(bytes)?;
        if !may_name_image(bytes) {
            return Ok(Resolved::default());
        }
        let rules = self.rules.of(entry);
        let found = extract::find(bytes, kind, &rules.found);
        let ours = |text: &str, blob| match &self.link {
            LinkStyle::Prefix(prefix) if text.starts_with(prefix.as_str()) => true,
            _ => known(blob),
        };
        Ok(self.resolver.resolve(found, &rules.wanted, &ours))
    }
}

/// How many references a document holds, by what is to become of them.
fn counts(resolved: &Resolved) -> Counts {
    Counts {
        found: (resolved.remote.len() + resolved.kept.len()) as u64,
        proxied: resolved.remote.iter().filter(|remote| !remote.wrappers.is_empty()).count() as u64,
        skipped: resolved.remote.iter().filter(|remote| !remote.wanted).count() as u64,
        ..Counts::default()
    }
}

/// The store and the catalog beside it.
#[derive(Debug)]
pub struct Archive {
    /// The blobs.
    pub store: Arc<Store>,
    /// What is known of them.
    pub catalog: Arc<Catalog>,
}

impl Archive {
    /// Opens both, and makes what is missing. What the catalog lacks of the store's journal it has afterwards.
    ///
    /// # Errors
    /// When either cannot be used.
    pub fn open(store: &Path, catalog: &str) -> anyhow::Result<Self> {
        let store =
            Store::open(store).with_context(|| format!("cannot open the store `{}`", store.display()))?;
        rebuild::open(&Arc::new(store), catalog)
    }

    /// Opens both to read them. Makes nothing and writes nothing, and needs no leave to; others may write meanwhile.
    ///
    /// # Errors
    /// When either cannot be read.
    pub fn open_read_only(store: &Path, catalog: &str) -> anyhow::Result<Self> {
        let store = Store::open_read_only(store)
            .with_context(|| format!("cannot open the store `{}`", store.display()))?;
        let catalog = Catalog::open_read_only(catalog, &store.root().join("journal"))
            .with_context(|| format!("cannot open the catalog `{catalog}`"))?;
        Ok(Self { store: Arc::new(store), catalog: Arc::new(catalog) })
    }

    /// What the catalog calls a document: its path from the store's folder, so that a tree moved as a whole
    /// is known again.
    #[must_use]
    pub fn name(&self, entry: &Entry) -> Vec<u8> {
        let mut name = self.folder_name(&entry.folder);
        name.extend_from_slice(entry.file_name().as_bytes());
        name
    }

    /// What the catalog calls the document at this absolute path, whether there is one or not.
    #[must_use]
    pub fn name_of(&self, path: &Path) -> Vec<u8> {
        let mut name = self.folder_name(path.parent().unwrap_or(Path::new("/")));
        name.extend_from_slice(path.file_name().unwrap_or_default().as_bytes());
        name
    }

    /// Where the document of that name is.
    #[must_use]
    pub fn path_of(&self, name: &[u8]) -> std::path::PathBuf {
        verify::document_path(self, name)
    }

    /// What the names of the documents in `folder` start with.
    fn folder_name(&self, folder: &Path) -> Vec<u8> {
        let mut name = link::relative(self.store.root(), folder).into_os_string().into_encoded_bytes();
        name.push(b'/');
        name
    }
}

/// An error with its causes, in one line for a person.
fn why(error: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

/// Whether something failed for want of room on a disk.
#[must_use]
pub fn is_disk_full(error: &anyhow::Error) -> bool {
    let is_full = |kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| is_full(error.kind()))
            || cause.downcast_ref::<catalog::Error>().is_some_and(catalog::Error::is_disk_full)
    })
}
