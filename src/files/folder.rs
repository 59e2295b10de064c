//! Folders: made, locked and synced.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, fstatfs, syncfs};

use crate::files::Error;
use crate::files::stat::Stat;

/// From this many files on, their whole file system is synced at once: 1,000 files of 4 kB take 20 ms
/// that way and 270 ms one by one (measured on ext4). Fewer are not worth waiting for other programs' writes.
const MANY: usize = 32;

/// Where `syncfs` is known to leave the bytes on the disk: ext4, XFS, Btrfs, F2FS, ZFS, tmpfs
/// (statfs(2)). FUSE and network file systems are synced file by file.
const SYNCED_WHOLE: [i64; 6] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x2fc1_2fc1, 0x0102_1994];

/// An open folder. Opened before files are written in it: only then does a later sync of its file
/// system report their failures (syncfs(2)).
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    file: File,
}

impl Folder {
    /// Opens a folder.
    pub fn open(path: &Path) -> Result<Self, Error> {
        File::open(path).map(|file| Self::new(path, file)).map_err(Error::io(path, "open the folder"))
    }

    pub(super) fn new(path: &Path, file: File) -> Self {
        Self { path: path.to_owned(), file }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Opens the folder that holds `path`.
    pub fn of(path: &Path) -> Result<Self, Error> {
        Self::open(parent(path))
    }

    /// As it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes durable what was created, renamed and removed in it.
    pub fn sync(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(Error::io(&self.path, "sync the folder"))
    }

    /// Makes the bytes and attributes of `files` durable, which lie in this folder's file system.
    pub fn sync_files(&self, files: &[PathBuf]) -> Result<(), Error> {
        if self.sync_whole(files.len())? {
            return Ok(());
        }
        for path in files {
            let synced = File::open(path).and_then(|file| file.sync_all());
            synced.map_err(Error::io(path, "sync"))?;
        }
        Ok(())
    }

    /// Makes the bytes and attributes of so many files durable, which lie in this folder's file system, if that is best
    /// done for all of it at once; whether it was.
    pub(super) fn sync_whole(&self, files: usize) -> Result<bool, Error> {
        let whole =
            files >= MANY && fstatfs(&self.file).is_ok_and(|found| SYNCED_WHOLE.contains(&found.f_type));
        if whole {
            syncfs(&self.file)
                .map_err(|error| Error::io(&self.path, "sync the file system of")(error.into()))?;
        }
        Ok(whole)
    }

    /// Names the file system: one `sync_files` serves all folders of the same.
    pub fn device(&self) -> Result<u64, Error> {
        Ok(Stat::of_file(&self.file).map_err(Error::io(&self.path, "find"))?.dev)
    }

    /// Says, until `self` is dropped, that temporary files in it are in use. Waits for a sweep to end. A file
    /// system without locks is worked on without.
    pub(super) fn share(&self) {
        let _ = flock(&self.file, FlockOperation::LockShared);
    }

    /// Whether nobody else, in any process, is at work in it; nobody will be until `self` is dropped.
    pub(super) fn is_mine_alone(&self) -> bool {
        flock(&self.file, FlockOperation::NonBlockingLockExclusive).is_ok()
    }
}

/// The folder of a path; the working directory for a bare name.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// Makes a folder and every folder above it that is missing, all durable.
pub fn create_all(path: &Path) -> Result<(), Error> {
    match fs::create_dir(path) {
        Ok(()) => Folder::of(path)?.sync(),
        Err(_) if path.is_dir() => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && parent(path) != path => {
            create_all(parent(path))?;
            match fs::create_dir(path) {
                Err(_) if path.is_dir() => Ok(()),
                made => {
                    made.map_err(Error::io(path, "create the folder"))?;
                    Folder::of(path)?.sync()
                }
            }
        }
        Err(error) => Err(Error::io(path, "create the folder")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_with_those_above() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b/c");
        create_all(&deep).unwrap();
        create_all(&deep).unwrap();
        assert!(deep.is_dir());
        fs::write(root.path().join("file"), "").unwrap();
        let error = create_all(&root.path().join("file/below")).unwrap_err();
        assert!(error.to_string().starts_with("cannot create the folder"), "{error}");
        assert_eq!(parent(Path::new("a")), Path::new("."));
    }

    #[test]
    fn files_are_synced_one_by_one_or_all_at_once() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        for count in [1, MANY] {
            let files: Vec<_> = (0..count).map(|number| root.path().join(number.to_string())).collect();
            files.iter().for_each(|file| fs::write(file, "x").unwrap());
            folder.sync_files(&files).unwrap();
        }
        folder.sync().unwrap();
        assert!(folder.sync_files(&[root.path().join("missing")]).unwrap_err().is_not_found());
    }

    #[test]
    fn a_shared_folder_is_nobodys_alone() {
        let root = tempfile::tempdir().unwrap();
        let (one, two) = (Folder::open(root.path()).unwrap(), Folder::open(root.path()).unwrap());
        one.share();
        assert!(!two.is_mine_alone());
        drop(one);
        assert!(two.is_mine_alone());
    }
}
