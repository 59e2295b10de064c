//! What came from where, and what each document said before.
//!
//! SQLite in WAL mode with `synchronous=FULL`: what [`Catalog::record`] acknowledged survives a power cut.
//! Nothing outside this module knows of SQLite. The catalog has not heard of the store's folder or of
//! the network; it takes and gives values. Calls are short and block; callers that wait on many other
//! things make them from a blocking thread.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, params};
use rustix::fs::{Access, access};

use crate::blob::BlobName;
use crate::catalog::journal::{Journal, LineRef};
use crate::catalog::read_only::Opened;
use crate::catalog::record::Recorder;
use crate::catalog::row::{Batch, Counts, KeptLink, Rewrite, RunRow, Seen};
use crate::digest::Digest;
use crate::files;
use crate::media::MediaType;
use crate::origin::OriginUrl;

pub mod chores;
mod copies;
pub mod edits;
pub mod gallery;
pub mod garbage;
pub mod journal;
pub mod memory;
mod migrate;
pub mod pages;
mod read_only;
pub mod rebuild;
mod record;
mod report;
pub mod row;
mod shelf;
pub mod trust;

/// `PRAGMA user_version` of the newest script in `catalog/schema`.
const VERSION: i64 = 6;
/// `PRAGMA application_id`, from version 6 on.
const APPLICATION: i64 = 0x696d_676b;
/// By most of these tables a catalog is known that is older than that.
const TABLES: [&str; 6] = ["runs", "blobs", "origins", "snapshots", "documents", "rewrites"];
/// How long a writer waits for another process's transaction.
const BUSY: Duration = Duration::from_secs(60);
/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 32;

/// What can go wrong with the catalog.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL of the configuration names no SQLite file.
    #[error("`{url}` is no catalog: `sqlite:` and a path are needed")]
    Url {
        /// As configured.
        url: String,
    },
    /// Written by a later program.
    #[error(
        "the catalog `{path}` is of version {found}, and this program knows {VERSION} only: use a newer imgkeep, or, if it is \
         damaged, let `imgkeep verify --rebuild` make it again from the journal"
    )]
    Version {
        /// The database file.
        path: PathBuf,
        /// Its `user_version`.
        found: i64,
    },
    /// Written by an earlier program, and not to be changed.
    #[error(
        "the catalog `{path}` is of version {found}, and can only be read at version {VERSION}: `imgkeep status` brings it there"
    )]
    Outdated {
        /// The database file.
        path: PathBuf,
        /// Its `user_version`.
        found: i64,
    },
    /// Another program's database.
    #[error("`{path}` is no catalog but another program's database: `catalog.url` should name another file")]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// It cannot be taken out of the way.
    #[error(
        "the catalog `{path}` cannot be set aside while another process has it open: stop the daemon or the run that is at \
         work first"
    )]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// SQLite said no.
    #[error("the catalog `{path}` could not be used")]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The journal could not be written.
    #[error(transparent)]
    Files(#[from] files::Error),
    /// It does not hold what this program wrote.
    #[error(
        "the catalog `{path}` is damaged: {what}: `imgkeep verify --repair` makes it again from the journal"
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// Which row, and how.
        what: String,
        /// Whether SQLite says so of the whole file.
        is_beyond_use: bool,
    },
}

impl Error {
    /// What SQLite said of the database at `path`.
    fn of(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match is_damage(&source) {
            true => Self::Damaged {
                path,
                what: source.to_string(),
                is_beyond_use: matches!(
                    source.sqlite_error_code(),
                    Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
                ),
            },
            false => Self::Sqlite { path, source },
        }
    }

    /// Whether it failed for want of room on the disk.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } => source.sqlite_error_code() == Some(ErrorCode::DiskFull),
            Self::Url { .. }
            | Self::Version { .. }
            | Self::Outdated { .. }
            | Self::Foreign { .. }
            | Self::InUse { .. }
            | Self::Files(_)
            | Self::Damaged { .. } => false,
        }
    }

    /// Whether it is one record that is not as it was written: others may well be.
    #[must_use]
    pub fn is_of_a_record(&self) -> bool {
        matches!(self, Self::Damaged { is_beyond_use: false, .. })
    }
}

/// Whether SQLite found something else than what this program wrote.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::InvalidColumnIndex(_)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::QueryReturnedNoRows => true,
        // Its statements are right: what they name is not there.
        rusqlite::Error::SqlInputError { .. } => true,
        other => matches!(
            other.sqlite_error_code(),
            Some(
                ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::ConstraintViolation
                    | ErrorCode::TypeMismatch
                    | ErrorCode::Unknown
            )
        ),
    }
}

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

/// What is known of documents, by a hash of the path. Two paths of one hash do no harm: a document is only known
/// if its file's state is the same too.
#[derive(Debug, Default)]
pub struct KnownDocuments(HashMap<u64, Seen>);

/// What [`KnownDocuments::add`] reads.
const SIGHT: &str = "path, stat, plan, found, proxied, archived, failed, skipped";

impl KnownDocuments {
    fn add(&mut self, row: &rusqlite::Row<'_>) -> rusqlite::Result<()> {
        // A document whose rewrite is not confirmed has no state: it must be read.
        let Ok(stat) = row.get_ref(1)?.as_blob()?.try_into() else { return Ok(()) };
        let seen = Seen {
            stat,
            plan: row.get(2)?,
            counts: Counts {
                found: row.get(3)?,
                proxied: row.get(4)?,
                archived: row.get(5)?,
                failed: row.get(6)?,
                skipped: row.get(7)?,
            },
        };
        self.0.insert(path_hash(row.get_ref(0)?.as_blob()?), seen);
        Ok(())
    }

    /// The document at `path`, if it is as it was when it was last seen.
    #[must_use]
    pub fn unchanged(&self, path: &[u8], stat: [u8; 32]) -> Option<&Seen> {
        self.0.get(&path_hash(path)).filter(|seen| seen.stat == stat)
    }
}

fn path_hash(path: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(path);
    hasher.finish()
}

/// The first 16 bytes of the SHA-256 of an origin URL: what the catalog finds it by. http and https are one
/// where neither names a port: one server has one image at one path, however it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OriginKey([u8; 16]);

impl Run {
    /// Starts a run of `command`. The catalog hears of it with the first batch that has something to remember.
    #[must_use]
    pub fn start(command: &'static str) -> Self {
        let now = jiff::Timestamp::now();
        let name = format!("{}-{:04x}", now.strftime("%Y%m%dT%H%M%SZ"), fastrand::u16(..));
        Self {
            name,
            command,
            started: now.as_millisecond(),
            journal: Mutex::new(None),
            parts: AtomicU32::new(0),
        }
    }

    /// Adds lines to its journal in `folder`. Returns the name of the file and how long it is by then.
    fn journal<'a>(
        &self,
        folder: &Path,
        lines: impl IntoIterator<Item = LineRef<'a>>,
    ) -> Result<(String, u64), files::Error> {
        let mut open = self.journal.lock().expect("no holder of the journal panics");
        let itself =
            RunRow { name: self.name.clone(), command: self.command.to_owned(), started: self.started };
        let mut journal = match open.take() {
            Some(journal) => journal,
            None => Journal::create(folder, &self.name, self.parts.fetch_add(1, Relaxed) + 1)?,
        };
        let first = (journal.length() == 0).then_some(LineRef::Run(&itself));
        // After an error it stays closed, and what comes later goes into another file.
        journal.append(first.into_iter().chain(lines.into_iter().map(shortened)))?;
        let end = (journal.name().to_owned(), journal.length());
        *open = Some(journal);
        Ok(end)
    }
}

/// The same line, borrowed for as long as another one.
fn shortened<'short, 'long: 'short>(line: LineRef<'long>) -> LineRef<'short> {
    line
}

/// `//host/path` of a URL on its scheme's usual port; any other as it is.
fn without_scheme(url: &str) -> &str {
    let Some(rest) = url.strip_prefix("http:").or(url.strip_prefix("https:")) else { return url };
    let Some(behind) = rest.strip_prefix("//") else { return url };
    let authority = behind.split(['/', '?', '#']).next().unwrap_or(behind);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let port = host.rsplit(']').next().unwrap_or(host);
    if port.contains(':') { url } else { rest }
}

impl OriginKey {
    /// The key of `origin`.
    #[must_use]
    pub fn of(origin: &OriginUrl) -> Self {
        Self::of_text(origin.as_str())
    }

    /// The key of an origin as the catalog has it.
    #[must_use]
    pub fn of_url(origin: &str) -> Self {
        Self::of_text(origin)
    }

    /// It as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    fn of_text(url: &str) -> Self {
        let digest = Digest::of(without_scheme(url).as_bytes());
        Self(digest.as_bytes()[..16].try_into().expect("a digest has 32 bytes"))
    }
}

/// A run of a command that changes something; `restore --run` names it.
#[derive(Debug)]
pub struct Run {
    /// Its public name: the time it started and four random hex digits.
    pub name: String,
    command: &'static str,
    /// Milliseconds since 1970.
    started: i64,
    /// Made with the first batch that has something to remember.
    journal: Mutex<Option<Journal>>,
    /// How many files of the journal it has begun.
    parts: AtomicU32,
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

    /// Every document's last sight.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn documents(&self) -> Result<KnownDocuments, Error> {
        let reader = self.reader();
        let collect = || -> rusqlite::Result<KnownDocuments> {
            let count: i64 = reader.query_row("SELECT count(*) FROM documents", [], |row| row.get(0))?;
            let mut documents = KnownDocuments::default();
            documents.0.reserve(usize::try_from(count).unwrap_or(0));
            let mut query = reader.prepare(&format!("SELECT {SIGHT} FROM documents"))?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                documents.add(row)?;
            }
            Ok(documents)
        };
        collect().map_err(|source| self.sqlite(source))
    }

    /// The last sight of these documents.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn documents_at(&self, paths: &[Vec<u8>]) -> Result<KnownDocuments, Error> {
        let reader = self.reader();
        let collect = || -> rusqlite::Result<KnownDocuments> {
            let mut documents = KnownDocuments::default();
            let mut query =
                reader.prepare_cached(&format!("SELECT {SIGHT} FROM documents WHERE path = ?1"))?;
            for path in paths {
                let mut rows = query.query([path])?;
                while let Some(row) = rows.next()? {
                    documents.add(row)?;
                }
            }
            Ok(documents)
        };
        collect().map_err(|source| self.sqlite(source))
    }

    /// The rewrites of a document, the newest first.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn rewrites(&self, document: &[u8]) -> Result<Vec<Rewrite>, Error> {
        self.rewrites_where("path = ?1", document)
    }

    /// Rewrites that ended in these very bytes, wherever the document was then: it may have been moved since.
    ///
    /// # Errors
    /// As [`Self::rewrites`].
    pub fn rewrites_to(&self, after: Digest) -> Result<Vec<Rewrite>, Error> {
        self.rewrites_where("after = ?1", after.as_bytes())
    }

    fn rewrites_where(&self, condition: &str, value: &[u8]) -> Result<Vec<Rewrite>, Error> {
        let reader = self.reader();
        let select = || -> rusqlite::Result<Vec<Packed>> {
            let mut query = reader.prepare_cached(&format!(
                "SELECT path, after, before, mtime, edits, sum
                 FROM rewrites JOIN documents ON documents.id = document WHERE {condition}
                 ORDER BY rewrites.id DESC",
            ))?;
            query.query_map([value], Packed::of)?.collect()
        };
        let packed = select().map_err(|source| self.sqlite(source))?;
        packed.iter().map(|row| self.unpack(&reader, row)).collect()
    }

    fn unpack(&self, reader: &Connection, packed: &Packed) -> Result<Rewrite, Error> {
        let damaged =
            || self.damaged(format!("the record of `{}`", String::from_utf8_lossy(&packed.document)));
        let rows = edits::unpack(&packed.edits).map_err(|_| damaged())?;
        let look_up = |row: edits::Row| -> Result<KeptLink, Error> {
            let (digest, extension) = reader
                .prepare_cached("SELECT digest, extension FROM blobs WHERE id = ?1")
                .and_then(|mut query| {
                    query.query_row([row.blob], |row| {
                        Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, String>(1)?))
                    })
                })
                .map_err(|source| self.sqlite(source))?;
            let run = reader
                .prepare_cached("SELECT name FROM runs WHERE id = ?1")
                .and_then(|mut query| query.query_row([row.run], |row| row.get(0)))
                .map_err(|source| self.sqlite(source))?;
            let blob = self.blob_name(digest, &extension)?;
            Ok(KeptLink { start: row.start, len: row.len, blob, original: row.original, run })
        };
        let rewrite = Rewrite {
            before: Digest::from_bytes(packed.before),
            after: Digest::from_bytes(packed.after),
            mtime: packed.mtime,
            links: rows.into_iter().map(look_up).collect::<Result<_, _>>()?,
            document: packed.document.clone(),
        };
        if packed.sum.is_some_and(|sum| sum != rewrite.sum()) {
            return Err(damaged());
        }
        Ok(rewrite)
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

/// A row of `rewrites`, as it is kept.
struct Packed {
    document: Vec<u8>,
    after: [u8; 32],
    before: [u8; 32],
    mtime: i64,
    edits: Vec<u8>,
    sum: Option<u32>,
}

impl Packed {
    /// Of a row of `path, after, before, mtime, edits, sum`.
    fn of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            document: row.get(0)?,
            after: row.get(1)?,
            before: row.get(2)?,
            mtime: row.get(3)?,
            edits: row.get(4)?,
            sum: row.get(5)?,
        })
    }
}

fn path_of(url: &str) -> Result<PathBuf, Error> {
    let path = url.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
    let path = path.filter(|path| !path.is_empty()).map(PathBuf::from);
    path.ok_or_else(|| Error::Url { url: url.to_owned() })
}

/// SQLite makes the files beside a database like the database: one that could not be written for a while leaves such that
/// cannot be written for ever.
fn make_writable(path: &Path) {
    let may_write = |path: &Path| access(path, Access::WRITE_OK).is_ok();
    for end in ["-wal", "-shm"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(end);
        let beside = PathBuf::from(beside);
        if beside.is_file() && !may_write(&beside) && may_write(path) {
            let made = path.metadata().and_then(|found| fs::set_permissions(&beside, found.permissions()));
            if let Err(error) = made {
                tracing::debug!(%error, file = %beside.display(), "it stays as it is");
            }
        }
    }
}

/// # Errors
/// [`Error::Foreign`], which nothing is done to, or what SQLite says.
fn connect(path: &Path) -> Result<Connection, Error> {
    make_writable(path);
    let open = || {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        let is_ours = is_ours(&connection)?;
        Ok((connection, is_ours))
    };
    match open() {
        Ok((connection, true)) => set_up(connection).map_err(|source| Error::of(path, source)),
        Ok((_, false)) => Err(Error::Foreign { path: path.to_owned() }),
        Err(source) => Err(Error::of(path, source)),
    }
}

/// Whether it is a catalog, or nothing yet.
fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    let application: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let known = TABLES.iter().filter(|known| tables.iter().any(|table| table == *known)).count();
    Ok(application == APPLICATION || tables.is_empty() || known * 2 > TABLES.len())
}

fn set_up(connection: Connection) -> rusqlite::Result<Connection> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    // Without it SQLite plans a cached statement anew for every key it is asked for.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}
