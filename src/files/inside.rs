//! The files of an open folder, by their names: whatever becomes of the path that led to it, and whoever puts a symlink
//! in its place, these are the files that are meant. A symlink among them is never followed.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    Access, AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags, accessat, linkat, openat, openat2,
    renameat_with, unlinkat,
};
use rustix::io::Errno;

use crate::digest::Digest;
use crate::files::folder::{Folder, parent};
use crate::files::stat::Stat;
use crate::files::{self, Error, digest_of};

impl Folder {
    /// Opens the folder at `path`, no part of which may be a symlink.
    pub(super) fn open_real(path: &Path) -> Result<Self, Error> {
        let opened = open_real(path, OFlags::RDONLY | OFlags::DIRECTORY);
        let file = opened.map_err(refused(path, "open the folder"))?;
        Ok(Self::new(path, File::from(file)))
    }

    fn path_of(&self, name: &OsStr) -> PathBuf {
        self.path().join(name)
    }

    fn failed(&self, name: &OsStr, doing: &'static str) -> impl FnOnce(Errno) -> Error {
        let path = self.path_of(name);
        move |error| Error::Io { path, doing, source: error.into() }
    }

    pub(super) fn stat(&self, name: &OsStr) -> Result<Stat, Error> {
        let file = self.open_with(name, OFlags::PATH, Mode::empty(), "find")?;
        Stat::of_file(&file).map_err(Error::io(&self.path_of(name), "find"))
    }

    /// Whether we may write to a file.
    pub(super) fn is_writable(&self, name: &OsStr) -> bool {
        accessat(self.file(), name, Access::WRITE_OK, AtFlags::empty()).is_ok()
    }

    /// As [`files::open`].
    pub(super) fn open_file(&self, name: &OsStr) -> Result<(File, Stat), Error> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = self.open_with(name, flags, Mode::empty(), "open")?;
        let stat = Stat::of_file(&file).map_err(Error::io(&self.path_of(name), "open"))?;
        if stat.is_file() { Ok((file, stat)) } else { Err(Error::NotAFile { path: self.path_of(name) }) }
    }

    /// For reading and writing.
    pub(super) fn open_to_write(&self, name: &OsStr) -> Result<File, Error> {
        self.open_with(name, OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty(), "open")
    }

    /// As [`files::create_private`].
    pub(super) fn create_private(&self, name: &OsStr) -> Result<File, Error> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        self.open_with(name, flags, Mode::RUSR | Mode::WUSR, "create")
    }

    fn open_with(&self, name: &OsStr, flags: OFlags, mode: Mode, doing: &'static str) -> Result<File, Error> {
        let opened = openat(self.file(), name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, mode);
        opened.map(File::from).map_err(self.failed(name, doing))
    }

    /// As [`files::write_new`].
    pub(super) fn write_new(&self, name: &OsStr, bytes: &[u8]) -> Result<(), Error> {
        let filled = files::fill(&self.path_of(name), self.create_private(name)?, bytes);
        filled.inspect_err(|_| self.discard(name))
    }

    /// As [`files::read`], without a limit.
    pub(super) fn read(&self, name: &OsStr) -> Result<Vec<u8>, Error> {
        let (file, stat) = self.open_file(name)?;
        files::read_from(file, stat.size, u64::MAX).map_err(Error::io(&self.path_of(name), "read"))
    }

    /// As [`files::digest`].
    pub(super) fn digest(&self, name: &OsStr) -> Result<(Digest, Stat), Error> {
        let (mut file, stat) = self.open_file(name)?;
        Ok((digest_of(&mut file, &self.path_of(name))?, stat))
    }

    /// Makes the bytes and attributes of a file durable.
    pub(super) fn sync_file(&self, name: &OsStr) -> Result<(), Error> {
        self.open_file(name)?.0.sync_all().map_err(Error::io(&self.path_of(name), "sync"))
    }

    /// Renames over whatever stands at `to`.
    pub(super) fn rename(&self, from: &OsStr, to: &OsStr, doing: &'static str) -> Result<(), Error> {
        let renamed = renameat_with(self.file(), from, self.file(), to, RenameFlags::empty());
        let renamed = match renamed {
            // File systems that know no flags, not even none.
            Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(self.file(), from, self.file(), to),
            renamed => renamed,
        };
        renamed.map_err(self.failed(to, doing))
    }

    /// Two files change places in one step.
    pub(super) fn exchange(&self, one: &OsStr, other: &OsStr) -> Result<(), Errno> {
        renameat_with(self.file(), one, self.file(), other, RenameFlags::EXCHANGE)
    }

    /// Gives a file a second name.
    pub(super) fn link(&self, from: &OsStr, to: &OsStr) -> Result<(), Error> {
        let linked = linkat(self.file(), from, self.file(), to, AtFlags::empty());
        linked.map_err(self.failed(to, "link"))
    }

    pub(super) fn remove(&self, name: &OsStr) -> Result<(), Error> {
        unlinkat(self.file(), name, AtFlags::empty()).map_err(self.failed(name, "remove"))
    }

    /// The same when something else has failed, which is the error to tell: what stays is litter that a sweep knows by
    /// its name.
    pub(super) fn discard(&self, name: &OsStr) {
        let _ = self.remove(name);
    }
}

fn refused(path: &Path, doing: &'static str) -> impl FnOnce(Errno) -> Error {
    let path = path.to_owned();
    move |error| Error::Io { path, doing, source: error.into() }
}

/// As [`files::open`], for a path no part of which may be a symlink.
pub(super) fn open_file(path: &Path) -> Result<(File, Stat), Error> {
    let opened = open_real(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY);
    let file = File::from(opened.map_err(refused(path, "open"))?);
    let stat = Stat::of_file(&file).map_err(Error::io(path, "open"))?;
    if stat.is_file() { Ok((file, stat)) } else { Err(Error::NotAFile { path: path.to_owned() }) }
}

fn open_real(path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC;
    match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        // Older kernels, and services that may not make files with set-id bits: systemd then rules the call out.
        Err(Errno::NOSYS | Errno::PERM) => step_by_step(path, flags),
        opened => opened,
    }
}

/// The same, one folder after the other.
fn step_by_step(path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let start = if path.is_absolute() { "/" } else { "." };
    let mut at = openat(CWD, start, folder, Mode::empty())?;
    for component in parent(path).components() {
        let name = match component {
            Component::Normal(name) => name,
            Component::ParentDir => OsStr::new(".."),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => continue,
        };
        at = openat(&at, name, folder | OFlags::NOFOLLOW, Mode::empty())?;
    }
    let name = path.file_name().unwrap_or(OsStr::new("."));
    openat(&at, name, flags | OFlags::NOFOLLOW, Mode::empty())
}

/// As [`files::read`], for a path no part of which may be a symlink.
///
/// # Errors
/// As there.
pub fn read(path: &Path, limit: u64) -> Result<(Vec<u8>, Stat), Error> {
    files::read_all(open_file(path)?, path, limit)
}

/// The state of the file at such a path.
///
/// # Errors
/// When nothing is there, or a symlink.
pub fn stat(path: &Path) -> Result<Stat, Error> {
    let opened = open_real(path, OFlags::PATH).map(File::from);
    let file = opened.map_err(refused(path, "find"))?;
    Stat::of_file(&file).map_err(Error::io(path, "find"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_symlink_is_followed_with_the_call_and_without() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/c.md"), "text").unwrap();
        symlink("a", root.join("link")).unwrap();
        symlink("c.md", root.join("a/b/link.md")).unwrap();
        for (path, is_real) in [
            ("a/b/c.md", true),
            ("a/../a/b/c.md", true),
            ("link/b/c.md", false),
            ("link/../a/b/c.md", false),
            ("a/b/link.md", false),
            ("a/b/none.md", false),
        ] {
            let path = root.join(path);
            assert_eq!(read(&path, 9).is_ok(), is_real, "{}", path.display());
            assert_eq!(stat(&path).is_ok_and(|stat| stat.is_file()), is_real, "{}", path.display());
            assert_eq!(step_by_step(&path, OFlags::RDONLY).is_ok(), is_real, "{}", path.display());
        }
        for (path, is_real) in [("a/b", true), ("link/b", false), ("link", false), ("a/b/c.md", false)] {
            let path = root.join(path);
            assert_eq!(Folder::open_real(&path).is_ok(), is_real, "{}", path.display());
            let opened = step_by_step(&path, OFlags::RDONLY | OFlags::DIRECTORY);
            assert_eq!(opened.is_ok(), is_real, "{}", path.display());
        }
        assert!(step_by_step(Path::new("/"), OFlags::RDONLY | OFlags::DIRECTORY).is_ok());
    }

    #[test]
    fn an_open_folder_is_that_folder_wherever_it_goes() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["in", "out"] {
            fs::create_dir(root.join(name)).unwrap();
            fs::write(root.join(name).join("a.md"), name).unwrap();
        }
        let inside = Folder::open_real(&root.join("in")).unwrap();
        fs::rename(root.join("in"), root.join("moved")).unwrap();
        symlink("out", root.join("in")).unwrap();
        let [a, b] = ["a.md", "b.md"].map(OsStr::new);
        inside.write_new(b, b"new").unwrap();
        inside.exchange(a, b).unwrap();
        assert_eq!(inside.read(a).unwrap(), b"new");
        inside.rename(b, a, "rename").unwrap();
        assert_eq!(fs::read(root.join("moved/a.md")).unwrap(), b"in");
        assert_eq!(fs::read(root.join("out/a.md")).unwrap(), b"out");
        assert_eq!(files::names(&root.join("out")).unwrap(), ["a.md"]);
    }
}
