//! What came from where, and what each document said before.
//!
//! SQLite in WAL mode with `synchronous=FULL`: what [`Catalog::record`] acknowledged survives a power cut.
//! Nothing outside this module knows of SQLite. The catalog has not heard of the store's folder or of
//! the network; it takes and gives values. Calls are short and block; callers that wait on many other
//! things make them from a blocking thread.

use std::cmp::Ordering;
use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::blob::BlobName;
use crate::catalog::connection::{connect, path_of};
use crate::catalog::journal::LineRef;
use crate::catalog::read_only::Opened;
use crate::catalog::record::Recorder;
use crate::catalog::row::Batch;
use crate::digest::Digest;
use crate::media::MediaType;

pub mod chores;
mod connection;
mod copies;
pub mod edits;
mod error;
pub mod gallery;
pub mod garbage;
pub mod journal;
mod key;
mod known;
pub mod memory;
mod migrate;
pub mod pages;
mod read_only;
pub mod rebuild;
mod record;
mod report;
pub mod row;
mod run;
mod shelf;
pub mod trust;
mod way_back;

pub use error::Error;
pub use key::OriginKey;
pub use known::KnownDocuments;
pub use run::Run;

/// `PRAGMA user_version` of the newest script in `catalog/schema`.
const VERSION: i64 = 6;
/// One database; two connections, so that a reader never waits for a writer.
#[derive(Debug)]
pub struct Catalog {
    path: PathBuf,
    /// Cannot write where the catalog is only read.
    writer: Mutex<Connection>,
    reader: Mutex<Reading>,
    journal: PathBuf,
    /// As long as it is had, nobody sets the catalog aside; `None` where it is only read.
    _lock: Option<File>,
}

/// The connection that reads.
#[derive(Debug)]
enum Reading {
    /// Beside one that writes.
    Beside(Connection),
    /// Of a catalog that only others write to.
    Alone(Opened),
}

impl Deref for Reading {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match self {
            Self::Beside(connection) | Self::Alone(Opened { connection, .. }) => connection,
        }
    }
}

impl Catalog {
    /// Opens the catalog at `url` (`sqlite:<path>`), and makes it if there is none. Its journal is in the
    /// folder `journal`.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::Version`], or what SQLite says.
    pub fn open(url: &str, journal: &Path) -> Result<Self, Error> {
        let path = path_of(url)?;
        let sqlite = |source| Error::of(&path, source);
        // Before it is opened; what is wrong with its folder, SQLite says better.
        let lock = trust::share(&path);
        let writer = connect(&path)?;
        let lock = lock?;
        let found: i64 = writer.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(sqlite)?;
        if found > VERSION {
            return Err(Error::Version { path, found });
        }
        let reader = connect(&path)?;
        let catalog = Self {
            path,
            writer: Mutex::new(writer),
            reader: Mutex::new(Reading::Beside(reader)),
            journal: journal.to_owned(),
            _lock: Some(lock),
        };
        if found < VERSION {
            catalog.create(found).map_err(|source| catalog.sqlite(source))?;
        }
        Ok(catalog)
    }

    /// Opens the catalog at `url` to read it. Makes nothing and writes nothing, and needs no leave to; others may write to it
    /// meanwhile.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::Version`], [`Error::Outdated`], or what SQLite says.
    pub fn open_read_only(url: &str, journal: &Path) -> Result<Self, Error> {
        let path = path_of(url)?;
        let sqlite = |source| Error::of(&path, source);
        let reader = Opened::new(&path).map_err(sqlite)?;
        let found =
            reader.connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(sqlite)?;
        match VERSION.cmp(&found) {
            Ordering::Less => return Err(Error::Version { path, found }),
            Ordering::Greater => return Err(Error::Outdated { path, found }),
            Ordering::Equal => {}
        }
        let writer = Opened::new(&path).map_err(sqlite)?.connection;
        let reader = Mutex::new(Reading::Alone(reader));
        Ok(Self { path, writer: Mutex::new(writer), reader, journal: journal.to_owned(), _lock: None })
    }

    fn create(&self, found: i64) -> rusqlite::Result<()> {
        let mut writer = self.writer();
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been first.
        migrate::migrate(&transaction)?;
        if (1..trust::SINCE).contains(&found) {
            // It is no new one. All of the journal is read once more, for nobody knows what it has of it.
            trust::note_place(&transaction, &self.path)?;
        }
        transaction.commit()
    }

    /// Records a batch of `run`, durably and as a whole: in the journal first, then in the catalog.
    ///
    /// # Errors
    /// What the disk or SQLite says; nothing of the batch is then in the catalog.
    pub fn record(&self, run: &Run, batch: &Batch) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut end = None;
        if batch.is_journaled() {
            let lines = batch.snapshots.iter().map(LineRef::Snapshot);
            let lines = lines.chain(batch.rewrites.iter().map(LineRef::Rewrite));
            let lines = lines.chain(batch.placeholders.iter().map(LineRef::Placeholder));
            let lines = lines.chain(batch.given_out.iter().map(LineRef::GivenOut));
            end = Some(run.journal(&self.journal, lines)?);
        }
        self.write(Some(run), batch, end).map_err(|source| self.sqlite(source))
    }

    /// `end` is how much of which file of the journal is recorded then. Without a run, it is read from there.
    fn write(&self, run: Option<&Run>, batch: &Batch, end: Option<(String, u64)>) -> rusqlite::Result<()> {
        let mut writer = self.writer();
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(run) = run.filter(|_| !batch.rewrites.is_empty()) {
            transaction
                .prepare_cached(
                    "INSERT INTO runs (name, command, started) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING",
                )?
                .execute(params![run.name, run.command, run.started])?;
        }
        match run {
            Some(_) => Recorder::new(&transaction).batch(batch)?,
            None => Recorder::of_journal(&transaction).batch(batch)?,
        }
        if let Some((name, length)) = end {
            trust::note(&transaction, &name, length)?;
        }
        transaction.commit()
    }

    /// The newest copy of an origin; none if the row is not as it was written.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn kept(&self, origin: OriginKey) -> Result<Option<BlobName>, Error> {
        let reader = self.reader();
        let mut query = reader
            .prepare_cached(
                "SELECT digest, extension, sum FROM snapshots JOIN blobs ON blobs.id = blob
                 WHERE origin = ?1 ORDER BY taken DESC LIMIT 1",
            )
            .map_err(|source| self.sqlite(source))?;
        let row = query
            .query_row([origin.0], |row| {
                Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<u32>>(2)?))
            })
            .optional()
            .map_err(|source| self.sqlite(source))?;
        let Some((digest, extension, sum)) = row else { return Ok(None) };
        if sum.is_some_and(|sum| sum != trust::sum([&origin.0[..], &digest])) {
            // It is asked again.
            tracing::warn!(catalog = %self.path.display(), "the catalog does not say for sure what an origin gave");
            return Ok(None);
        }
        self.blob_name(digest, &extension).map(Some)
    }

    /// Every copy that an origin gave, the newest first.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn snapshots_of(&self, origin: OriginKey) -> Result<Vec<Digest>, Error> {
        let reader = self.reader();
        let collect = || -> rusqlite::Result<Vec<Digest>> {
            let mut query = reader.prepare_cached(
                "SELECT digest FROM snapshots JOIN blobs ON blobs.id = blob WHERE origin = ?1 ORDER BY taken DESC",
            )?;
            query.query_map([origin.0], |row| row.get(0).map(Digest::from_bytes))?.collect()
        };
        collect().map_err(|source| self.sqlite(source))
    }

    /// Whether a blob of this digest is known, be it there or removed since: a link to it is one of ours.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn knows(&self, digest: Digest) -> Result<bool, Error> {
        let reader = self.reader();
        let mut query = reader
            .prepare_cached("SELECT 1 FROM blobs WHERE digest = ?1")
            .map_err(|source| self.sqlite(source))?;
        query.exists([digest.as_bytes()]).map_err(|source| self.sqlite(source))
    }

    /// Whether a blob of this digest is known and was not removed.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn has(&self, digest: Digest) -> Result<bool, Error> {
        let reader = self.reader();
        let mut query = reader
            .prepare_cached("SELECT 1 FROM blobs WHERE digest = ?1 AND removed IS NULL")
            .map_err(|source| self.sqlite(source))?;
        query.exists([digest.as_bytes()]).map_err(|source| self.sqlite(source))
    }

    /// Origins that gave this blob, the earliest first: what a link to it may be put back to when the
    /// document's own record does not say.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn origins_of(&self, digest: Digest) -> Result<Vec<String>, Error> {
        let reader = self.reader();
        let collect = || -> rusqlite::Result<Vec<(String, [u8; 16])>> {
            let mut query = reader.prepare_cached(
                "SELECT DISTINCT origins.url, key FROM blobs JOIN snapshots ON blob = blobs.id JOIN origins ON key = origin
                 WHERE digest = ?1 ORDER BY taken",
            )?;
            query.query_map([digest.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let found = collect().map_err(|source| self.sqlite(source))?;
        if let Some((url, _)) = found.iter().find(|(url, key)| OriginKey::of_text(url).0 != *key) {
            return Err(self.damaged(format!("the origin `{url}` is called by another's key")));
        }
        Ok(found.into_iter().map(|(url, _)| url).collect())
    }

    /// The identity of a document's file as it was last read or written, if it was.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn last_stat(&self, document: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let reader = self.reader();
        let mut query = reader
            .prepare_cached("SELECT stat FROM documents WHERE path = ?1")
            .map_err(|source| self.sqlite(source))?;
        query.query_row([document], |row| row.get(0)).optional().map_err(|source| self.sqlite(source))
    }

    /// Forgets that a document was seen, so that the next run reads it; its way back stays.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn forget(&self, documents: &[Vec<u8>]) -> Result<(), Error> {
        let mut writer = self.writer();
        let mut write = || -> rusqlite::Result<()> {
            let transaction = writer.transaction()?;
            for path in documents {
                transaction
                    .prepare_cached(
                        "UPDATE documents SET stat = x'', found = 0, proxied = 0, archived = 0, failed = 0, skipped = 0
                         WHERE path = ?1",
                    )?
                    .execute([path])?;
            }
            transaction.commit()
        };
        write().map_err(|source| self.sqlite(source))
    }

    fn blob_name(&self, digest: [u8; 32], extension: &str) -> Result<BlobName, Error> {
        let media_type = MediaType::from_extension(extension);
        let media_type =
            media_type.ok_or_else(|| self.damaged(format!("a blob has the extension `{extension}`")))?;
        Ok(BlobName { digest: Digest::from_bytes(digest), media_type })
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().expect("no holder of the connection panics")
    }

    fn reader(&self) -> MutexGuard<'_, Reading> {
        let mut reader = self.reader.lock().expect("no holder of the connection panics");
        if let Reading::Alone(opened) = &mut *reader
            && let Err(error) = opened.renew(&self.path)
        {
            // The query that follows fails as well, if there is cause.
            tracing::warn!(%error, catalog = %self.path.display(), "the catalog could not be opened again");
        }
        reader
    }

    fn sqlite(&self, source: rusqlite::Error) -> Error {
        Error::of(&self.path, source)
    }

    /// The error for what is not as it was written.
    pub(crate) fn damaged(&self, what: String) -> Error {
        Error::Damaged { path: self.path.clone(), what, is_beyond_use: false }
    }
}
