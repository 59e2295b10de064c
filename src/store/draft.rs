//! Blobs on their way in.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::digest::{Digest, Hasher};
use crate::files;
use crate::store::Error;

/// A blob being written. Dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct Draft {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) hasher: Hasher,
    pub(super) bytes: u64,
}

impl Draft {
    /// Adds bytes and hashes them on the way.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(files::Error::io(&self.path, "write"))?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// How many bytes were written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Opens what was written so far, for a look before it is finished.
    ///
    /// # Errors
    /// What the disk says.
    pub fn reader(&self) -> Result<BufReader<File>, Error> {
        Ok(BufReader::with_capacity(64 * 1024, files::open(&self.path)?.0))
    }

    /// No more bytes: the digest is known. Not durable before [`Store::commit`](crate::store::Store::commit).
    #[must_use]
    pub fn finish(mut self) -> Finished {
        let hasher = std::mem::take(&mut self.hasher);
        let path = std::mem::take(&mut self.path);
        Finished { path, digest: hasher.finish(), bytes: self.bytes }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // A draft that stays is swept with its process's folder.
            let _ = files::remove(&self.path);
        }
    }
}

/// A whole draft, waiting for [`Store::commit`](crate::store::Store::commit). Dropped uncommitted, its file goes.
#[derive(Debug)]
pub struct Finished {
    pub(super) path: PathBuf,
    pub(super) digest: Digest,
    bytes: u64,
}

impl Finished {
    /// The digest of what was written.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its length.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Finished {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // A draft that stays is swept with its process's folder.
            let _ = files::remove(&self.path);
        }
    }
}

/// This process's folder of drafts, locked as long as it lives.
#[derive(Debug)]
pub(super) struct Incoming {
    folder: PathBuf,
    count: AtomicU64,
    _lock: File,
}

impl Incoming {
    /// Sweeps, and makes a folder of its own; the caller sees to it that nobody else does so meanwhile.
    pub(super) fn open(parent: &Path) -> Result<Self, Error> {
        for name in files::names(parent)? {
            sweep(&parent.join(name));
        }
        let folder = parent.join(format!("{}-{:016x}", std::process::id(), fastrand::u64(..)));
        files::create_folder(&folder)?;
        let lock = files::create_new(&folder.join("lock"))?;
        lock.lock().map_err(files::Error::io(&folder, "lock"))?;
        Ok(Self { folder, count: AtomicU64::new(0), _lock: lock })
    }

    pub(super) fn next(&self) -> PathBuf {
        self.folder.join(format!("{}.draft", self.count.fetch_add(1, Ordering::Relaxed)))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // What stays is swept by the next process.
        let _ = files::remove_tree(&self.folder);
    }
}

/// Removes the drafts of a process that is gone: its lock is free, or not there, for it was killed as it made or
/// removed its folder.
fn sweep(folder: &Path) {
    let gone = match File::open(folder.join("lock")) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if folder.is_dir() && gone {
        tracing::debug!(folder = %folder.display(), "swept the drafts of a process that is gone");
        if let Err(error) = files::remove_tree(folder) {
            tracing::warn!(%error, "drafts stay behind");
        }
    }
}
