//! What is remembered of those who gave nothing: origins, hosts, and bytes that were no image.

use std::collections::HashMap;

use rusqlite::OptionalExtension;

use crate::catalog::row::{Attempt, Failure, Placeholder};
use crate::catalog::{Catalog, Error, OriginKey};
use crate::digest::Digest;
use crate::ladder::hosts::Host;

/// Where a blob came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The image's own URL.
    pub origin: String,
    /// The rung of the ladder.
    pub source: String,
    /// Where the bytes came from, if not from the origin's own URL.
    pub url: Option<String>,
    /// When, in milliseconds since 1970.
    pub taken: i64,
}

impl Catalog {
    /// Why an origin has no copy, as far as anybody was asked.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn failure(&self, origin: OriginKey) -> Result<Option<Failure>, Error> {
        let row = {
            let reader = self.reader();
            let mut query = reader
                .prepare_cached(
                    "SELECT url, at, reason, detail, attempts FROM failures JOIN origins ON key = origin WHERE key = ?1",
                )
                .map_err(|source| self.sqlite(source))?;
            query
                .query_row([origin.0], |row| {
                    let failure = Failure {
                        origin: row.get(0)?,
                        at: row.get(1)?,
                        reason: row.get(2)?,
                        detail: row.get(3)?,
                        attempts: Vec::new(),
                    };
                    Ok((failure, row.get::<_, String>(4)?))
                })
                .optional()
                .map_err(|source| self.sqlite(source))?
        };
        let Some((failure, attempts)) = row else { return Ok(None) };
        Ok(Some(Failure { attempts: self.attempts(&failure.origin, &attempts)?, ..failure }))
    }

    /// Attempts for `origin` as they are kept.
    pub(super) fn attempts(&self, origin: &str, json: &str) -> Result<Vec<Attempt>, Error> {
        serde_json::from_str(json)
            .map_err(|error| self.damaged(format!("the attempts for `{origin}`: {error}")))
    }

    /// Every host of which anything is known, by name.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn known_hosts(&self) -> Result<HashMap<String, Host>, Error> {
        let rows =
            self.query("SELECT name, failures, closings, reason, until, manner FROM hosts", |row| {
                let reason: Option<String> = row.get(3)?;
                let until: Option<i64> = row.get(4)?;
                let closed = reason.and_then(|reason| reason.parse().ok()).zip(until);
                let host = Host { failures: row.get(1)?, closings: row.get(2)?, closed, manner: row.get(5)? };
                Ok((row.get(0)?, host))
            })?;
        Ok(rows.into_iter().collect())
    }

    /// The bytes that were found to be placeholders, the newest first; `origins` is empty.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn placeholders(&self) -> Result<Vec<Placeholder>, Error> {
        self.query("SELECT digest, host, at FROM placeholders ORDER BY at DESC, host", |row| {
            let digest = Digest::from_bytes(row.get(0)?);
            Ok(Placeholder { digest, host: row.get(1)?, at: row.get(2)?, origins: Vec::new() })
        })
    }

    /// Whether the bytes of `digest` were found to be a placeholder of `host`.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn is_placeholder(&self, digest: Digest, host: &str) -> Result<bool, Error> {
        let reader = self.reader();
        let mut query = reader
            .prepare_cached("SELECT 1 FROM placeholders WHERE digest = ?1 AND host = ?2")
            .map_err(|source| self.sqlite(source))?;
        query.exists(rusqlite::params![digest.as_bytes(), host]).map_err(|source| self.sqlite(source))
    }

    /// Whether any document is known to hold references without a copy.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn has_wanted(&self) -> Result<bool, Error> {
        self.query("SELECT EXISTS (SELECT 1 FROM wanted)", |row| row.get::<_, bool>(0))
            .map(|rows| rows == [true])
    }

    /// The documents that hold references to each origin without a copy, as their paths are kept, in order.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn wanted(&self) -> Result<HashMap<OriginKey, Vec<Vec<u8>>>, Error> {
        let rows: Vec<([u8; 16], Vec<u8>)> = self.query(
            "SELECT origin, path FROM wanted JOIN documents ON documents.id = document ORDER BY path",
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let mut wanted: HashMap<OriginKey, Vec<Vec<u8>>> = HashMap::new();
        for (origin, path) in rows {
            wanted.entry(OriginKey(origin)).or_default().push(path);
        }
        Ok(wanted)
    }

    /// Everybody who gave the blob of this digest, the earliest first.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn given(&self, digest: Digest) -> Result<Vec<Given>, Error> {
        let reader = self.reader();
        let collect = || -> rusqlite::Result<Vec<Given>> {
            let mut query = reader.prepare_cached(
                "SELECT origins.url, source, snapshots.url, taken
                 FROM blobs JOIN snapshots ON blob = blobs.id JOIN origins ON key = origin WHERE digest = ?1
                 ORDER BY taken",
            )?;
            let row = |row: &rusqlite::Row<'_>| {
                Ok(Given { origin: row.get(0)?, source: row.get(1)?, url: row.get(2)?, taken: row.get(3)? })
            };
            query.query_map([digest.as_bytes()], row)?.collect()
        };
        collect().map_err(|source| self.sqlite(source))
    }

    /// The documents that hold references to an origin without a copy, as their paths are kept.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn wanted_by(&self, origin: OriginKey) -> Result<Vec<Vec<u8>>, Error> {
        let reader = self.reader();
        let collect = || -> rusqlite::Result<Vec<Vec<u8>>> {
            let mut query = reader.prepare_cached(
                "SELECT path FROM wanted JOIN documents ON documents.id = document WHERE origin = ?1 ORDER BY path",
            )?;
            query.query_map([origin.0], |row| row.get(0))?.collect()
        };
        collect().map_err(|source| self.sqlite(source))
    }
}
