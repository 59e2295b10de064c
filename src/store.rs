//! Kept images by digest: begin, write, finish, commit, open, list, remove.
//!
//! ```text
//! <root>/VERSION                       the layout's name
//! <root>/images/<ab>/<digest>.<ext>    blobs, the bytes as they came
//! <root>/thumbnails/<ab>/<digest>-<n>  small pictures of blobs; can be made again, and may be removed at any time
//! <root>/incoming/<process>/           drafts, by process; swept when their process is gone
//! <root>/trash/<date>/                 what was removed on that day
//! <root>/collect.lock                  had by the one process that collects garbage
//! <root>/gc.lock                       shared by who links to blobs, had alone by who removes some
//! ```
//!
//! A blob is whole or absent: its bytes are on disk before it gets its name, and its name is on disk
//! before [`Store::commit`] returns. The store has not heard of documents, origins or the catalog.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::blob::BlobName;
use crate::digest::{Digest, Hasher};
use crate::files::folder::{self, Folder};
use crate::files::stat::Stat;
use crate::files::{self, litter};
use crate::media::MediaType;
use crate::store::draft::Incoming;

mod draft;
mod hold;
mod stray;
mod trash;

pub use draft::{Draft, Finished};
pub use hold::Hold;
pub use trash::Discarded;

const VERSION: &str = "imgkeep store 1\n";
/// The longest `VERSION` that is read.
const VERSION_BYTES: u64 = 4096;

/// What can go wrong with the store itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system said no.
    #[error(transparent)]
    Files(#[from] files::Error),
    /// Another layout, most likely a later program's.
    #[error("`{path}` says `{found}`, and this program knows `imgkeep store 1` only: use a newer imgkeep")]
    Version {
        /// The `VERSION` file.
        path: PathBuf,
        /// Its first line.
        found: String,
    },
    /// A blob's file has other bytes than its name says.
    #[error("`{}` is damaged: `imgkeep verify --repair` looks for it again", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
    },
    /// Something was to be kept in a store that was opened to be read.
    #[error("the store `{root}` is only read")]
    ReadOnly {
        /// Its folder.
        root: PathBuf,
    },
}

/// A folder of blobs.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// Open as long as drafts are written below it: a failed write is then reported when they are synced.
    folder: Folder,
    /// `None` where nothing is written.
    incoming: Option<Incoming>,
}

impl Store {
    /// Opens the store at `root`, and makes it if there is none.
    ///
    /// # Errors
    /// [`Error::Version`] for a layout this program does not know; otherwise what the disk says.
    pub fn open(root: &Path) -> Result<Self, Error> {
        folder::create_all(&root.join("images"))?;
        let root = files::canonicalize(root)?;
        // One process at a time opens a store, so that none takes another's beginnings for litter.
        let incoming = root.join("incoming");
        folder::create_all(&incoming)?;
        let gate = files::open_to_lock(&incoming.join("lock"))?;
        gate.lock().map_err(files::Error::io(&incoming, "lock"))?;
        for left in litter::find(&root)? {
            files::remove(&left)?;
        }
        match check_version(&root) {
            Err(Error::Files(error)) if error.is_not_found() => {
                files::write(&root.join("VERSION"), VERSION.as_bytes())?;
            }
            checked => checked?,
        }
        let folder = Folder::open(&root)?;
        let incoming = Some(Incoming::open(&incoming)?);
        Ok(Self { root, folder, incoming })
    }

    /// Opens the store at `root` to read it. Makes nothing and writes nothing, and needs no leave to.
    ///
    /// # Errors
    /// [`Error::Version`] for a layout this program does not know; otherwise what the disk says.
    pub fn open_read_only(root: &Path) -> Result<Self, Error> {
        let root = files::canonicalize(root)?;
        check_version(&root)?;
        let folder = Folder::open(&root)?;
        Ok(Self { root, folder, incoming: None })
    }

    /// The store's folder, absolute and without symlinks.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder that holds the blobs.
    #[must_use]
    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Where `blob` is, or would be.
    #[must_use]
    pub fn path(&self, blob: BlobName) -> PathBuf {
        self.root.join("images").join(blob.to_string())
    }

    /// Where a small picture of a blob is, or would be.
    #[must_use]
    pub fn thumbnail(&self, digest: Digest, size: u16) -> PathBuf {
        let name = digest.to_string();
        self.root.join("thumbnails").join(&name[..2]).join(format!("{name}-{size}"))
    }

    /// Whether a file of that name is there; [`Self::check`] reads it too. A symlink is none: it may lead to anything.
    #[must_use]
    pub fn contains(&self, blob: BlobName) -> bool {
        self.path(blob).symlink_metadata().is_ok_and(|found| found.is_file())
    }

    /// Opens a blob; `None` if there is none.
    ///
    /// # Errors
    /// When the file is there and cannot be opened.
    pub fn open_blob(&self, blob: BlobName) -> Result<Option<(File, Stat)>, Error> {
        match files::open_itself(&self.path(blob)) {
            Ok(opened) => Ok(Some(opened)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the folder of the blobs can be looked into.
    ///
    /// # Errors
    /// What the disk says.
    pub fn check_folder(&self) -> Result<(), Error> {
        Ok(files::names(&self.images()).map(drop)?)
    }

    /// Starts a blob whose digest is not known yet.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], or when the draft's file cannot be made.
    pub fn begin(&self) -> Result<Draft, Error> {
        let incoming = self.incoming.as_ref().ok_or_else(|| Error::ReadOnly { root: self.root.clone() })?;
        let path = incoming.next();
        let file = files::create_new(&path)?;
        Ok(Draft { path, file, hasher: Hasher::default(), bytes: 0 })
    }

    /// Gives the drafts their names, durably: when this returns, a power cut leaves every one of them whole.
    ///
    /// # Errors
    /// When the disk refuses; no draft is then known to be kept.
    pub fn commit(&self, drafts: Vec<(Finished, MediaType)>) -> Result<(), Error> {
        if drafts.is_empty() {
            return Ok(());
        }
        let paths: Vec<PathBuf> = drafts.iter().map(|(draft, _)| draft.path.clone()).collect();
        self.folder.sync_files(&paths)?;
        let mut shards = Vec::new();
        for (mut draft, media_type) in drafts {
            let path = self.path(BlobName { digest: draft.digest, media_type });
            let shard = path.parent().expect("a blob's path has its shard before it").to_owned();
            if !shards.contains(&shard) {
                folder::create_all(&shard)?;
                shards.push(shard);
            }
            files::rename(&draft.path, &path)?;
            draft.path.clear();
        }
        Ok(self.folder.sync_files(&shards)?)
    }

    /// Re-reads a blob: `Ok(None)` if there is none, else whether its bytes still have its digest.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn check(&self, blob: BlobName) -> Result<Option<bool>, Error> {
        let Some((mut file, _)) = self.open_blob(blob)? else { return Ok(None) };
        Ok(Some(files::digest_of(&mut file, &self.path(blob))? == blob.digest))
    }

    /// Every file below `images`, sorted: the name of a blob, or `Err` with the path of what is none.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub fn list(&self) -> Result<Vec<Result<BlobName, PathBuf>>, Error> {
        let mut found = Vec::new();
        let list = |folder: &Path| -> Result<Vec<PathBuf>, Error> {
            Ok(files::names(folder)?.into_iter().map(|name| folder.join(name)).collect())
        };
        for shard in list(&self.images())? {
            if !shard.is_dir() {
                found.push(Err(shard));
                continue;
            }
            for file in list(&shard)? {
                let name = file.strip_prefix(self.images()).ok().and_then(Path::to_str);
                let blob = name.and_then(BlobName::from_link);
                found.push(blob.filter(|blob| self.path(*blob) == file).ok_or(file));
            }
        }
        Ok(found)
    }
}

fn check_version(root: &Path) -> Result<(), Error> {
    let path = root.join("VERSION");
    let found = files::read_to_string(&path, VERSION_BYTES)?;
    if found == VERSION {
        return Ok(());
    }
    let found = found.lines().next().unwrap_or_default().to_owned();
    Err(Error::Version { path, found })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(store: &Store, bytes: &[u8]) -> BlobName {
        let mut draft = store.begin().unwrap();
        draft.write(bytes).unwrap();
        let draft = draft.finish();
        let name = BlobName { digest: draft.digest(), media_type: MediaType::Png };
        store.commit(vec![(draft, MediaType::Png)]).unwrap();
        name
    }

    #[test]
    fn a_blob_is_found_by_its_digest_and_audited_by_sha256() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let blob = keep(&store, b"bytes");
        assert_eq!(blob.digest, Digest::of(b"bytes"));
        assert_eq!(store.check(blob).unwrap(), Some(true));
        assert_eq!(store.list().unwrap(), [Ok(blob)]);

        std::fs::write(store.path(blob), b"bytez").unwrap();
        assert_eq!(store.check(blob).unwrap(), Some(false));
        std::fs::remove_file(store.path(blob)).unwrap();
        assert_eq!(store.check(blob).unwrap(), None);
    }

    #[test]
    fn a_batch_is_kept_whole_and_leaves_no_draft() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let drafts: Vec<_> = (0..20_u8)
            .map(|n| {
                let mut draft = store.begin().unwrap();
                draft.write(&[n; 100]).unwrap();
                (draft.finish(), MediaType::Gif)
            })
            .collect();
        store.commit(drafts).unwrap();
        assert_eq!(store.list().unwrap().len(), 20);
        drop(store);
        let left = std::fs::read_dir(folder.path().join("incoming")).unwrap();
        assert_eq!(left.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>(), ["lock"]);
    }

    #[test]
    fn drafts_of_a_process_that_is_gone_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let [dead, unlocked] =
            ["incoming/1-dead", "incoming/2-unlocked"].map(|name| folder.path().join(name));
        for folder in [&dead, &unlocked] {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join("0.draft"), b"half").unwrap();
        }
        std::fs::write(dead.join("lock"), b"").unwrap();
        let living = Store::open(folder.path()).unwrap();
        let draft = living.begin().unwrap();
        let _second = Store::open(folder.path()).unwrap();
        assert!(!dead.exists() && !unlocked.exists());
        assert!(draft.path.exists(), "a living process keeps its drafts");
    }

    #[test]
    fn a_web_server_of_another_user_may_read_what_the_umask_lets_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        std::fs::write(folder.path().join("as-the-umask-has-it"), b"").unwrap();
        let mode = |path: &Path| Stat::of(path).unwrap().permissions();
        let expected = mode(&folder.path().join("as-the-umask-has-it"));
        let mut draft = store.begin().unwrap();
        draft.write(b"x").unwrap();
        let draft = draft.finish();
        let blob = BlobName { digest: draft.digest(), media_type: MediaType::Gif };
        store.commit(vec![(draft, MediaType::Gif)]).unwrap();
        assert_eq!(mode(&store.path(blob)), expected);
        assert_eq!(mode(&folder.path().join("VERSION")), expected);
    }

    #[test]
    fn a_later_layout_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("VERSION"), "imgkeep store 2\n").unwrap();
        assert!(matches!(Store::open(folder.path()), Err(Error::Version { .. })));
    }
}
