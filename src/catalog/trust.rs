//! Whether the catalog holds what the journal holds.
//!
//! The journal hears of everything first, and each transaction notes how much of each file the catalog has. So a
//! catalog that was deleted, or is older than the store, is found out when it is opened, and lacks nothing once the rest
//! of the journal is recorded. One that is another file than it was is a copy, perhaps made while somebody wrote:
//! then it is looked at closely, and all of the journal is recorded again.

use std::collections::{HashMap, HashSet};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::catalog::connection::path_of;
use crate::catalog::journal::{self, file::Spoiled};
use crate::catalog::{Catalog, Error};
use crate::digest::Digest;
use crate::files::folder::Folder;
use crate::files::{self, stat::Stat};

/// The version from which on a catalog knows how much of the journal it has.
pub(super) const SINCE: i64 = 6;
/// How often one tries to have a catalog alone, and how long one waits in between.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_millis(100);

/// What the catalog lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Nothing.
    Nothing,
    /// The rest of these files of the journal.
    Rest(HashSet<String>),
    /// All of the journal: it is new.
    All,
    /// Nobody knows: it is a copy.
    Unknown,
}

/// Which file a catalog is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    file: i64,
    system: i64,
}

impl Place {
    fn of(path: &Path) -> Result<Self, files::Error> {
        let file = Stat::of(path)?.ino.cast_signed();
        // The number of the device is another one after a restart of the system.
        let system = files::file_system(path)?.cast_signed();
        Ok(Self { file, system })
    }

    fn note(self, connection: &Connection) -> rusqlite::Result<()> {
        let Self { file, system } = self;
        let sql = "INSERT OR REPLACE INTO place (id, file, system) VALUES (1, ?1, ?2)";
        connection.execute(sql, params![file, system]).map(drop)
    }
}

/// Notes which file the catalog at `path` is, if that can be told.
pub(super) fn note_place(transaction: &Transaction<'_>, path: &Path) -> rusqlite::Result<()> {
    Place::of(path).map_or(Ok(()), |place| place.note(transaction))
}

impl Catalog {
    /// What it lacks of the journal.
    ///
    /// # Errors
    /// What SQLite or the disk says.
    pub fn lack(&self) -> Result<Lack, Error> {
        let here = Place::of(&self.path)?;
        let known = self.query("SELECT file, system FROM place", |row| {
            Ok(Place { file: row.get(0)?, system: row.get(1)? })
        })?;
        if known.first().is_some_and(|known| *known != here) {
            return Ok(Lack::Unknown);
        }
        let had = self.had()?;
        let mut rest = HashSet::new();
        for name in journal::names(&self.journal)? {
            let length = Stat::of(&self.journal.join(&name))?.size;
            if length > had.get(&name).copied().unwrap_or(0) {
                rest.insert(name);
            }
        }
        Ok(match (rest.is_empty(), known.is_empty()) {
            (true, false) => Lack::Nothing,
            (true, true) => {
                self.be_here()?;
                Lack::Nothing
            }
            (false, false) => Lack::Rest(rest),
            (false, true) => Lack::All,
        })
    }

    /// How much of each file of the journal it has.
    fn had(&self) -> Result<HashMap<String, u64>, Error> {
        let had = self.query("SELECT name, length FROM journals", |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(had.into_iter().collect())
    }

    /// Notes which of these parts of the journal it never had. The end of a file may be of a run that was killed: nobody was
    /// told that it is kept. That is no excuse for one that `is_new`, for it does not know.
    pub(super) fn note_lost(&self, spoiled: &[Spoiled], is_new: bool) -> Result<(), Error> {
        let had = self.had()?;
        let is_lost = |spoiled: &&Spoiled| {
            let had_of_file = had.get(&spoiled.file()).copied().unwrap_or(0);
            is_new || (spoiled.was_whole && !had.is_empty() && spoiled.offset >= had_of_file)
        };
        let sql = "INSERT OR IGNORE INTO lost (name, start, why) VALUES (?1, ?2, ?3)";
        let writer = self.writer();
        for lost in spoiled.iter().filter(is_lost) {
            writer
                .execute(sql, params![lost.file(), lost.offset, lost.why])
                .map_err(|source| self.sqlite(source))?;
        }
        Ok(())
    }

    /// The parts of the journal that could not be read when it was made of it.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn lost(&self) -> Result<Vec<Spoiled>, Error> {
        self.query("SELECT name, start, why FROM lost ORDER BY name, start", |row| {
            let path = self.journal.join(row.get::<_, String>(0)?);
            Ok(Spoiled { path, offset: row.get(1)?, why: row.get(2)?, was_whole: true })
        })
    }

    /// Notes which file it is.
    ///
    /// # Errors
    /// What SQLite or the disk says.
    pub fn be_here(&self) -> Result<(), Error> {
        Place::of(&self.path)?.note(&self.writer()).map_err(|source| self.sqlite(source))
    }

    /// Notes that it has so much of these files of the journal.
    pub(super) fn has_read(&self, lengths: &[(String, u64)]) -> Result<(), Error> {
        let mut writer = self.writer();
        let mut write = || -> rusqlite::Result<()> {
            let transaction = writer.transaction()?;
            lengths.iter().try_for_each(|(name, length)| note(&transaction, name, *length))?;
            transaction.commit()
        };
        write().map_err(|source| self.sqlite(source))
    }

    /// What SQLite finds wrong with it as a whole; `None` if all is well.
    ///
    /// # Errors
    /// When it cannot be read at all; [`Error::Damaged`] is as good as an answer.
    pub fn flaw(&self) -> Result<Option<String>, Error> {
        let reader = self.reader();
        let look = || -> rusqlite::Result<Option<String>> {
            let said: String = reader.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            if said != "ok" {
                return Ok(Some(said.replace('\n', " ")));
            }
            let astray =
                reader.prepare("PRAGMA foreign_key_check")?.query_row([], |row| row.get(0)).optional()?;
            Ok(astray.map(|table: String| format!("`{table}` names rows that are not there")))
        };
        look().map_err(|source| self.sqlite(source))
    }

    /// Takes the catalog at `url` out of the way, with the files beside it, and says where it is then: another one is made
    /// when it is opened again.
    ///
    /// # Errors
    /// [`Error::InUse`], or what the disk says.
    pub fn set_aside(url: &str) -> Result<PathBuf, Error> {
        let path = path_of(url)?;
        // Whoever has it open would go on writing to what is not read any more.
        let _alone = alone(&path)?;
        // The log first: it must not be taken for that of another catalog.
        let ends = ["-wal", "-shm", ""];
        let mut aside = with(&path, ".set-aside");
        let is_taken = |aside: &Path| ends.iter().any(|end| with(aside, end).symlink_metadata().is_ok());
        for number in 2_u32.. {
            if !is_taken(&aside) {
                break;
            }
            aside = with(&path, &format!(".set-aside-{number}"));
        }
        for end in ends {
            match files::rename(&with(&path, end), &with(&aside, end)) {
                Err(error) if error.is_not_found() => {}
                renamed => renamed?,
            }
        }
        Folder::of(&path)?.sync()?;
        Ok(aside)
    }
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// As long as the answer lives, nobody sets the catalog at `path` aside. Waits for one that does.
pub(super) fn share(path: &Path) -> Result<File, Error> {
    let path = with(path, "-lock");
    let file = files::open_to_lock(&path)?;
    file.lock_shared().map_err(files::Error::io(&path, "lock"))?;
    Ok(file)
}

/// As long as the answer lives, nobody opens the catalog at `path` to write. One that only looks what is wrong with it is
/// waited for.
fn alone(path: &Path) -> Result<File, Error> {
    let lock = with(path, "-lock");
    let file = files::open_to_lock(&lock)?;
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            Err(TryLockError::Error(error)) => return Err(files::Error::io(&lock, "lock")(error).into()),
        }
    }
    Err(Error::InUse { path: path.to_owned() })
}

/// Notes that the transaction holds what is in so much of a file of the journal.
pub(super) fn note(transaction: &Transaction<'_>, name: &str, length: u64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO journals (name, length) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET length = max(length, excluded.length)",
        )?
        .execute(params![name, length])?;
    Ok(())
}

/// 32 bits of a digest of `parts`.
pub(super) fn sum<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    let digest = Digest::of(&bytes);
    u32::from_le_bytes(digest.as_bytes()[..4].try_into().expect("a digest has 32 bytes"))
}
