//! What the file system says of a file without opening it.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::files::Error;

/// The state of one file. Two equal states of one path: nobody touched the file in between, as far as
/// the clock of its file system can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stat {
    /// The device, which with `ino` names the file.
    pub dev: u64,
    /// The inode number.
    pub ino: u64,
    /// In bytes.
    pub size: u64,
    /// When the bytes last changed: nanoseconds since 1970, before it if negative.
    pub mtime_ns: i64,
    /// When anything last changed, a rename too: nanoseconds since 1970.
    pub ctime_ns: i64,
    /// How many names it has.
    pub nlink: u32,
    /// Who owns it.
    pub uid: u32,
    /// The group that owns it.
    pub gid: u32,
    /// Type and permission bits, as in `st_mode`.
    pub mode: u32,
}

impl Stat {
    /// Of what `path` leads to; symlinks are followed.
    pub fn of(path: &Path) -> Result<Self, Error> {
        fs::metadata(path).map(|metadata| Self::from(&metadata)).map_err(Error::io(path, "find"))
    }

    /// Of `path` itself, even if it is a symlink.
    pub fn of_link(path: &Path) -> Result<Self, Error> {
        fs::symlink_metadata(path).map(|metadata| Self::from(&metadata)).map_err(Error::io(path, "find"))
    }

    /// Of what `path` leads to, or `None` if nothing is there.
    pub fn find(path: &Path) -> Result<Option<Self>, Error> {
        match Self::of(path) {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Of an open file.
    pub fn of_file(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::from(&metadata))
    }

    /// The pair that names a file, whatever paths lead to it.
    #[must_use]
    pub fn id(&self) -> (u64, u64) {
        (self.dev, self.ino)
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    /// Whether it is a folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }

    /// What tells this state from a later one of the same path, in 32 bytes for a catalog. Device numbers are
    /// left out: they change when the machine starts again.
    #[must_use]
    pub fn identity(&self) -> [u8; 32] {
        let mut identity = [0; 32];
        let parts = [self.ino, self.size, self.mtime_ns.cast_unsigned(), self.ctime_ns.cast_unsigned()];
        for (place, part) in identity.chunks_exact_mut(8).zip(parts) {
            place.copy_from_slice(&part.to_le_bytes());
        }
        identity
    }

    /// Permission, set-id and sticky bits.
    #[must_use]
    pub fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    /// `mtime_ns` as a time.
    #[must_use]
    pub fn mtime(&self) -> SystemTime {
        time(self.mtime_ns)
    }

    /// Whether the file is as it was but for its names: a rename changes only the ctime.
    #[must_use]
    pub fn is_unchanged_since(&self, earlier: &Self) -> bool {
        Self { ctime_ns: earlier.ctime_ns, nlink: earlier.nlink, ..*self } == *earlier
    }
}

/// The time that stands `nanoseconds` after 1970, or before it.
#[must_use]
pub fn time(nanoseconds: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanoseconds.unsigned_abs());
    if nanoseconds < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
}

impl From<&Metadata> for Stat {
    fn from(metadata: &Metadata) -> Self {
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            nlink: u32::try_from(metadata.nlink()).unwrap_or(u32::MAX),
            uid: metadata.uid(),
            gid: metadata.gid(),
            mode: metadata.mode(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_tells_a_touched_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "1").unwrap();
        let first = Stat::of(&path).unwrap();
        assert!(first.is_file() && !first.is_folder());
        assert!(Stat::of(folder.path()).unwrap().is_folder());
        fs::rename(&path, folder.path().join("b")).unwrap();
        assert_eq!(Stat::find(&path).unwrap(), None);
        let path = folder.path().join("b");
        assert!(Stat::of(&path).unwrap().is_unchanged_since(&first));
        fs::write(&path, "22").unwrap();
        assert!(!Stat::of(&path).unwrap().is_unchanged_since(&first));
    }

    #[test]
    fn times_before_1970_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for nanoseconds in [-1_500_000_000, 0, 1_234_567_890_123_456_789] {
            let file = File::create(&path).unwrap();
            file.set_modified(time(nanoseconds)).unwrap();
            assert_eq!(Stat::of(&path).unwrap().mtime_ns, nanoseconds);
            assert_eq!(Stat::of(&path).unwrap().mtime(), time(nanoseconds));
        }
    }
}
