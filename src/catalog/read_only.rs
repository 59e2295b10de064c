//! A catalog that is only read, perhaps while another process writes to it, perhaps where nothing may be written.
//!
//! SQLite reads a database in WAL mode together with two files beside it, which whoever has it open for writing makes, and
//! would make them itself where they are missing. So they are looked for first: where they are, SQLite is
//! left to it; where they are not, nobody writes, and the database file alone is all there is to read (`immutable`).
//! Before each use it is seen whether that is still so (<https://www.sqlite.org/wal.html#read_only_databases>).

use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::catalog::connection::{BUSY, STATEMENTS};
use crate::files::stat::Stat;

/// What a path must not have as it is in a `file:` URI.
const RESERVED: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#').add(b' ');

/// A connection, and the files that it was opened on.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    files: Files,
}

/// What stands at the paths of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Files {
    /// Somebody writes, or did so until killed. By the numbers of the database and the files beside it.
    Live([(u64, u64); 3]),
    /// Nobody writes: the state of the database.
    Alone(Stat),
    /// There is none.
    Missing,
}

impl Files {
    fn at(path: &Path) -> Self {
        let beside = |end: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            Stat::of(&PathBuf::from(name)).ok()
        };
        let Ok(database) = Stat::of(path) else { return Self::Missing };
        match (beside("-wal"), beside("-shm")) {
            (Some(wal), Some(shm)) => Self::Live([database.id(), wal.id(), shm.id()]),
            _ => Self::Alone(database),
        }
    }
}

impl Opened {
    pub(super) fn new(path: &Path) -> rusqlite::Result<Self> {
        let files = Files::at(path);
        let is_alone = !matches!(files, Files::Live(_));
        let connection = connect(path, is_alone)?;
        match probe(&connection) {
            // Where the files beside it cannot be written, a reader sometimes cannot say which part of them it reads. The
            // database without them is a little older, and whole. It is tried again before the next use.
            Err(error) if !is_alone && error.sqlite_error_code() == Some(ErrorCode::ReadOnly) => {
                let connection = connect(path, true)?;
                probe(&connection)?;
                Ok(Self { connection, files: Files::Missing })
            }
            probed => probed.map(|()| Self { connection, files }),
        }
    }

    /// Opens the database anew if its files are others, or it cannot be read as it is open.
    pub(super) fn renew(&mut self, path: &Path) -> rusqlite::Result<()> {
        if self.files != Files::at(path) || probe(&self.connection).is_err() {
            *self = Self::new(path)?;
        }
        Ok(())
    }
}

fn connect(path: &Path, is_alone: bool) -> rusqlite::Result<Connection> {
    let path = path.to_string_lossy();
    let path = utf8_percent_encode(&path, RESERVED);
    let uri = format!("file:{path}{}", if is_alone { "?immutable=1" } else { "" });
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Reads something.
fn probe(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("SELECT count(*) FROM sqlite_schema")?.query_row([], |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::catalog::{Catalog, Error};
    use crate::digest::Digest;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn insert(catalog: &Catalog, text: &str) -> Digest {
        let digest = Digest::of(text.as_bytes());
        catalog
            .writer()
            .execute(
                "INSERT INTO blobs (digest, extension, bytes) VALUES (?1, 'png', 1)",
                [digest.as_bytes()],
            )
            .unwrap();
        digest
    }

    #[test]
    fn what_is_written_meanwhile_is_read_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        // a name that means something else in a URI
        let path = folder.path().join("a %41?#b.db");
        let url = format!("sqlite:{}", path.display());
        let journal = folder.path().join("journal");
        let writer = Catalog::open(&url, &journal).unwrap();
        let first = insert(&writer, "first");
        drop(writer);
        let alone = names(folder.path());

        let reader = Catalog::open_read_only(&url, &journal).unwrap();
        assert!(reader.knows(first).unwrap());
        assert!(!reader.knows(Digest::of(b"second")).unwrap());
        assert_eq!(names(folder.path()), alone, "something was made");
        for round in 0..3 {
            let writer = Catalog::open(&url, &journal).unwrap();
            let digest = insert(&writer, &format!("live {round}"));
            assert!(reader.knows(digest).unwrap(), "while it is written");
            let later = insert(&writer, &format!("later {round}"));
            assert!(reader.knows(later).unwrap(), "by one that is open");
            drop(writer);
            assert!(
                reader.knows(digest).unwrap() && reader.knows(later).unwrap(),
                "when nobody writes any more"
            );
        }
        fs::rename(&path, folder.path().join("away")).unwrap();
        let _ = reader.knows(first);
        let writer = Catalog::open(&url, &journal).unwrap();
        let other = insert(&writer, "another database");
        assert!(reader.knows(other).unwrap());
    }

    #[test]
    fn what_is_only_read_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("catalog.db").display());
        let journal = folder.path().join("journal");
        drop(Catalog::open(&url, &journal).unwrap());
        let reader = Catalog::open_read_only(&url, &journal).unwrap();
        assert!(matches!(reader.forget(&[b"a".to_vec()]), Err(Error::Sqlite { .. })));
    }

    #[test]
    fn another_version_and_none_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.db");
        let url = format!("sqlite:{}", path.display());
        let journal = folder.path().join("journal");
        assert!(matches!(Catalog::open_read_only(&url, &journal), Err(Error::Sqlite { .. })));
        assert_eq!(names(folder.path()), [""; 0], "something was made");
        let writer = Catalog::open(&url, &journal).unwrap();
        for found in [1, 99] {
            writer.writer().pragma_update(None, "user_version", found).unwrap();
            let error = Catalog::open_read_only(&url, &journal).unwrap_err().to_string();
            assert!(error.contains(&format!("is of version {found}")), "{error}");
        }
    }
}
