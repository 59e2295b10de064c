//! What a daemon did by itself, and how far it came.

use rusqlite::{OptionalExtension, params};

use crate::blob::BlobName;
use crate::catalog::row::Failure;
use crate::catalog::{Catalog, Error, OriginKey};
use crate::digest::Digest;

/// Something that is done now and then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chore {
    /// When it was last done, in milliseconds since 1970.
    pub done: i64,
    /// The last blob that it came to, for one that is done in parts.
    pub cursor: Option<Digest>,
}

impl Catalog {
    /// What is known of a chore.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn chore(&self, name: &str) -> Result<Option<Chore>, Error> {
        let reader = self.reader();
        let look_up = || {
            let mut query = reader.prepare_cached("SELECT done, cursor FROM chores WHERE name = ?1")?;
            let row = |row: &rusqlite::Row<'_>| {
                let cursor: Option<[u8; 32]> = row.get(1)?;
                Ok(Chore { done: row.get(0)?, cursor: cursor.map(Digest::from_bytes) })
            };
            query.query_row([name], row).optional()
        };
        look_up().map_err(|source| self.sqlite(source))
    }

    /// Remembers that a chore was done.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn chore_done(&self, name: &str, chore: Chore) -> Result<(), Error> {
        let writer = self.writer();
        let cursor = chore.cursor.map(|cursor| *cursor.as_bytes());
        let write = || {
            let sql = "INSERT OR REPLACE INTO chores (name, done, cursor) VALUES (?1, ?2, ?3)";
            writer.prepare_cached(sql)?.execute(params![name, chore.done, cursor])
        };
        write().map(drop).map_err(|source| self.sqlite(source))
    }

    /// The blobs behind `after` in order of digest, so many at most.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn blobs_after(&self, after: Option<Digest>, most: u64) -> Result<Vec<BlobName>, Error> {
        let rows: Vec<([u8; 32], String)> = {
            let reader = self.reader();
            let after = after.map_or(Vec::new(), |after| after.as_bytes().to_vec());
            let collect = || -> rusqlite::Result<Vec<_>> {
                let sql = "SELECT digest, extension FROM blobs
                           WHERE digest > ?1 AND removed IS NULL ORDER BY digest LIMIT ?2";
                let mut query = reader.prepare_cached(sql)?;
                let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
                query.query_map(params![after, most], row)?.collect()
            };
            collect().map_err(|source| self.sqlite(source))?
        };
        rows.into_iter().map(|(digest, extension)| self.blob_name(digest, &extension)).collect()
    }

    /// How many blobs there are.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn count_blobs(&self) -> Result<u64, Error> {
        let counts = self.query("SELECT count(*) FROM blobs WHERE removed IS NULL", |row| row.get(0))?;
        Ok(counts.into_iter().next().unwrap_or(0))
    }

    /// Why origins have no copy that documents want, behind `after` in order of key, so many at most: a few at a time,
    /// for there may be many.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn failures_after(&self, after: Option<OriginKey>, most: usize) -> Result<Vec<Failure>, Error> {
        let rows: Vec<(Failure, String)> = {
            let reader = self.reader();
            let after = after.map_or(Vec::new(), |after| after.0.to_vec());
            let collect = || -> rusqlite::Result<Vec<_>> {
                let mut query = reader.prepare_cached(
                    "SELECT url, at, reason, detail, attempts FROM failures JOIN origins ON key = origin
                     WHERE origin > ?1 AND origin IN (SELECT origin FROM wanted) ORDER BY origin LIMIT ?2",
                )?;
                let row = |row: &rusqlite::Row<'_>| {
                    let failure = Failure {
                        origin: row.get(0)?,
                        at: row.get(1)?,
                        reason: row.get(2)?,
                        detail: row.get(3)?,
                        attempts: Vec::new(),
                    };
                    Ok((failure, row.get(4)?))
                };
                query.query_map(params![after, most], row)?.collect()
            };
            collect().map_err(|source| self.sqlite(source))?
        };
        rows.into_iter()
            .map(|(failure, attempts)| {
                let attempts = self.attempts(&failure.origin, &attempts)?;
                Ok(Failure { attempts, ..failure })
            })
            .collect()
    }
}
