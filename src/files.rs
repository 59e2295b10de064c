//! Every call to the file system, with the path in the error.
//!
//! What is written here is durable when the function says so: synced, and its folder synced. Documents
//! are replaced by [`replace`], which never writes over an edit; what a crash leaves behind is
//! cleared by [`litter`].

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::digest::{Digest, Hasher};
use crate::files::folder::Folder;
use crate::files::litter::Stage;
use crate::files::stat::Stat;

mod attributes;
pub mod folder;
mod in_place;
pub mod inside;
pub mod litter;
mod quiet;
pub mod replace;
pub mod stat;
mod swap;

/// Why the file system did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system said no.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// What it was asked about.
        path: PathBuf,
        /// A verb, as it reads after "cannot".
        doing: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// A folder, a pipe, a device: nothing to read to the end.
    #[error("`{}` is not a regular file", path.display())]
    NotAFile {
        /// What is no file.
        path: PathBuf,
    },
    /// More bytes than the caller would take.
    #[error("`{}` has {bytes} bytes, and the limit is {limit}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size, or how much of it was there when reading ended.
        bytes: u64,
        /// The most that would have been taken.
        limit: u64,
    },
}

impl Error {
    pub(crate) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), doing, source }
    }

    /// What kind of refusal it was, if it came from the system.
    #[must_use]
    pub fn kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Io { source, .. } => Some(source.kind()),
            Self::NotAFile { .. } | Self::TooLarge { .. } => None,
        }
    }

    /// Whether nothing stands at the path.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind() == Some(io::ErrorKind::NotFound)
    }

    /// The same error once more, for each of several files that one failure concerns.
    fn again(&self) -> Self {
        match self {
            Self::Io { path, doing, source } => {
                let source = match source.raw_os_error() {
                    Some(code) => io::Error::from_raw_os_error(code),
                    None => io::Error::new(source.kind(), source.to_string()),
                };
                Self::Io { path: path.clone(), doing, source }
            }
            Self::NotAFile { path } => Self::NotAFile { path: path.clone() },
            Self::TooLarge { path, bytes, limit } => {
                Self::TooLarge { path: path.clone(), bytes: *bytes, limit: *limit }
            }
        }
    }
}

/// Opens a regular file for reading and says what it is. Never waits: a pipe without a writer is
/// opened, seen to be no file, and closed.
pub fn open(path: &Path) -> Result<(File, Stat), Error> {
    open_by(path, OFlags::empty())
}

/// The same, of a file that must itself be at `path`: where a symlink is, nothing is found.
pub fn open_itself(path: &Path) -> Result<(File, Stat), Error> {
    open_by(path, OFlags::NOFOLLOW).map_err(|error| match error {
        Error::Io { path, doing, source } if source.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            Error::Io { path, doing, source: io::ErrorKind::NotFound.into() }
        }
        error => error,
    })
}

fn open_by(path: &Path, more: OFlags) -> Result<(File, Stat), Error> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY | more).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = file.map_err(Error::io(path, "open"))?;
    let stat = Stat::of_file(&file).map_err(Error::io(path, "open"))?;
    if stat.is_file() { Ok((file, stat)) } else { Err(Error::NotAFile { path: path.to_owned() }) }
}

/// Reads a whole file of at most `limit` bytes, and says what it was when reading began.
///
/// # Errors
/// [`Error::TooLarge`] before anything is read if the file is known to be larger.
pub fn read(path: &Path, limit: u64) -> Result<(Vec<u8>, Stat), Error> {
    read_all(open(path)?, path, limit)
}

fn read_all((file, stat): (File, Stat), path: &Path, limit: u64) -> Result<(Vec<u8>, Stat), Error> {
    let too_large = |bytes| Error::TooLarge { path: path.to_owned(), bytes, limit };
    if stat.size > limit {
        return Err(too_large(stat.size));
    }
    let bytes = read_from(file, stat.size, limit.saturating_add(1)).map_err(Error::io(path, "read"))?;
    let length = bytes.len() as u64;
    if length > limit { Err(too_large(length)) } else { Ok((bytes, stat)) }
}

/// Reads a file from its start, `size` bytes or more if it has grown since, but `most` at most. The first
/// call asks for one byte more than there should be: when the answer is `size` bytes, that was the end of it.
fn read_from(mut file: File, size: u64, most: u64) -> io::Result<Vec<u8>> {
    let size = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut bytes = vec![0; size + 1];
    let read = loop {
        match file.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    bytes.truncate(read);
    if read != size {
        file.take(most.saturating_sub(read as u64)).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Hashes a file without holding it, and says what it was when reading began.
pub fn digest(path: &Path) -> Result<(Digest, Stat), Error> {
    let (mut file, stat) = open(path)?;
    Ok((digest_of(&mut file, path)?, stat))
}

pub(crate) fn digest_of(file: &mut File, path: &Path) -> Result<Digest, Error> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(length) => hasher.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io(path, "read")(error)),
        }
    }
}

/// Makes a file that was not there, for whomever the umask lets read it: a web server of another user may serve the
/// store. Not durable until it and its folder are synced.
pub fn create_new(path: &Path) -> Result<File, Error> {
    create_with(path, 0o666)
}

/// The same for its owner alone, whatever the umask is.
pub fn create_private(path: &Path) -> Result<File, Error> {
    create_with(path, 0o600)
}

fn create_with(path: &Path, mode: u32) -> Result<File, Error> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path);
    file.map_err(Error::io(path, "create"))
}

/// Makes a file that was not there, for its owner alone, with these bytes, and syncs it; its folder is the caller's to
/// sync. Leaves nothing behind if it fails.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fill(path, create_private(path)?, bytes)
}

fn fill(path: &Path, mut file: File, bytes: &[u8]) -> Result<(), Error> {
    let written = file.write_all(bytes).map_err(Error::io(path, "write"));
    let synced = written.and_then(|()| file.sync_all().map_err(Error::io(path, "sync")));
    if synced.is_err() {
        // The first error is the one to tell; the file is litter that a sweep knows by its name.
        let _ = fs::remove_file(path);
    }
    synced
}

/// Puts `bytes` at `path` in one step, durably, over whatever stood there. Not for documents, which
/// other hands edit: see [`replace`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_by(create_new, path, bytes)
}

/// The same for its owner alone.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_by(create_private, path, bytes)
}

fn write_by(create: fn(&Path) -> Result<File, Error>, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = Folder::of(path)?;
    let new = folder.path().join(Stage::New.name(path.file_name().unwrap_or_default()));
    fill(&new, create(&new)?, bytes)?;
    rename(&new, path).inspect_err(|_| {
        let _ = fs::remove_file(&new);
    })?;
    folder.sync()
}

/// As [`write()`], for what can be made again: nothing is synced, and after a power cut the file may hold anything.
pub fn write_lightly(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let new = path.with_file_name(Stage::New.name(path.file_name().unwrap_or_default()));
    let mut file = create_new(&new)?;
    let written = file.write_all(bytes).map_err(Error::io(&new, "write"));
    written.and_then(|()| rename(&new, path)).inspect_err(|_| {
        let _ = fs::remove_file(&new);
    })
}

/// Renames over whatever stands at `to`. Durable when both folders are synced.
pub fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(Error::io(to, "rename a file to"))
}

/// Removes a file. Durable when its folder is synced.
pub fn remove(path: &Path) -> Result<(), Error> {
    fs::remove_file(path).map_err(Error::io(path, "remove"))
}

/// Makes a folder that need not survive a power cut.
pub fn create_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir(path).map_err(Error::io(path, "create the folder"))
}

/// Removes a folder and all that is in it. For folders of our own; nothing there is an answer as good as any.
pub fn remove_tree(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(path, "remove the folder")(error))
        }
        _ => Ok(()),
    }
}

/// Opens a file to lock it, and makes it if it is not there.
pub fn open_to_lock(path: &Path) -> Result<File, Error> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    file.map_err(Error::io(path, "open"))
}

/// Reads a whole text file.
pub fn read_to_string(path: &Path, limit: u64) -> Result<String, Error> {
    let (bytes, _) = read(path, limit)?;
    String::from_utf8(bytes).map_err(|error| Error::io(path, "read")(io::Error::other(error)))
}

/// The absolute path with every symlink followed.
pub fn canonicalize(path: &Path) -> Result<PathBuf, Error> {
    fs::canonicalize(path).map_err(Error::io(path, "find"))
}

/// What tells the file system of `path` from others, as far as it says.
pub fn file_system(path: &Path) -> Result<u64, Error> {
    let found = rustix::fs::statvfs(path).map_err(|error| Error::io(path, "find")(error.into()))?;
    Ok(found.f_fsid)
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Result<Vec<OsString>, Error> {
    let list = || fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>();
    let mut names = list().map_err(Error::io(folder, "list"))?;
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn reading_has_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"12345").unwrap();
        let check = |limit, expected: Option<&[u8]>| {
            assert_eq!(read(&path, limit).ok().map(|(bytes, _)| bytes).as_deref(), expected);
        };
        check(5, Some(b"12345"));
        check(u64::MAX, Some(b"12345"));
        check(4, None);
        assert_eq!(digest(&path).unwrap().0, Digest::of(b"12345"));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.md");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [pipe.as_path(), folder.path(), Path::new("/dev/null")] {
            assert!(matches!(read(path, 10), Err(Error::NotAFile { .. })), "{}", path.display());
        }
    }

    #[test]
    fn writing_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"1").unwrap();
        write(&path, b"2").unwrap();
        assert_eq!(read(&path, 9).unwrap().0, b"2");
        assert!(write(&folder.path().join("no/folder"), b"").unwrap_err().is_not_found());
        assert_eq!(names(folder.path()).unwrap(), ["a"]);
    }

    #[test]
    fn errors_name_the_path() {
        let error = read(Path::new("/no/such"), 9).unwrap_err();
        assert_eq!(error.to_string(), "cannot open `/no/such`");
        assert_eq!(error.again().to_string(), error.to_string());
        assert!(error.again().is_not_found());
    }
}
