//! Questions of those who look at the archive as a whole.

use std::collections::HashMap;

use rusqlite::Row;
use url::Url;

use crate::blob::BlobName;
use crate::catalog::gallery::document;
use crate::catalog::row::{DocumentRow, Failure, HostRow, RunRow, Totals};
use crate::catalog::{Catalog, Error};

impl Catalog {
    /// Every run, the newest first.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn runs(&self) -> Result<Vec<RunRow>, Error> {
        self.query("SELECT name, command, started FROM runs ORDER BY id DESC", |row| {
            Ok(RunRow { name: row.get(0)?, command: row.get(1)?, started: row.get(2)? })
        })
    }

    /// Everything in sums.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn totals(&self) -> Result<Totals, Error> {
        self.query(
            "SELECT (SELECT count(*) FROM blobs WHERE removed IS NULL),
                    (SELECT coalesce(sum(bytes), 0) FROM blobs WHERE removed IS NULL),
                    (SELECT count(DISTINCT origin) FROM snapshots),
                    (SELECT count(*) FROM failures WHERE origin IN (SELECT origin FROM wanted)),
                    count(*), coalesce(sum(archived), 0), coalesce(sum(failed), 0) FROM documents",
            |row| {
                Ok(Totals {
                    images: row.get(0)?,
                    bytes: row.get(1)?,
                    origins: row.get(2)?,
                    failures: row.get(3)?,
                    documents: row.get(4)?,
                    archived: row.get(5)?,
                    failed: row.get(6)?,
                })
            },
        )
        .map(|rows| rows.into_iter().next().unwrap_or_default())
    }

    /// Documents that hold references, in order of path.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn document_rows(&self) -> Result<Vec<DocumentRow>, Error> {
        self.query(
            "SELECT path, found, proxied, archived, failed, skipped FROM documents WHERE found > 0 ORDER BY path",
            document,
        )
    }

    /// By host, the one with the most origins first.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn hosts(&self) -> Result<Vec<HostRow>, Error> {
        let rows: Vec<(String, Option<u64>, bool)> = self.query(
            "SELECT url, (SELECT bytes FROM snapshots JOIN blobs ON blobs.id = blob WHERE origin = key
                          ORDER BY taken DESC LIMIT 1),
                    key IN (SELECT origin FROM failures WHERE origin IN (SELECT origin FROM wanted))
             FROM origins",
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let mut hosts: HashMap<String, HostRow> = HashMap::new();
        // What neither is kept nor wanted by any document is remembered only so as not to be asked again.
        for (url, bytes, fails) in rows.into_iter().filter(|(_, bytes, fails)| bytes.is_some() || *fails) {
            let host =
                Url::parse(&url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
            let row = hosts.entry(host).or_insert_with_key(|host| HostRow {
                host: host.clone(),
                kept: 0,
                failing: 0,
                bytes: 0,
            });
            row.kept += u64::from(bytes.is_some());
            row.failing += u64::from(fails);
            row.bytes += bytes.unwrap_or(0);
        }
        let mut hosts: Vec<HostRow> = hosts.into_values().collect();
        hosts.sort_by(|a, b| {
            (b.kept + b.failing).cmp(&(a.kept + a.failing)).then_with(|| a.host.cmp(&b.host))
        });
        Ok(hosts)
    }

    /// Origins without a copy that documents want, the newest failure first.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn failures(&self) -> Result<Vec<Failure>, Error> {
        let rows = self.query(
            "SELECT url, at, reason, detail, attempts FROM failures JOIN origins ON key = origin
             WHERE key IN (SELECT origin FROM wanted) ORDER BY at DESC, url",
            |row| {
                let attempts: String = row.get(4)?;
                let failure = Failure {
                    origin: row.get(0)?,
                    at: row.get(1)?,
                    reason: row.get(2)?,
                    detail: row.get(3)?,
                    attempts: Vec::new(),
                };
                Ok((failure, attempts))
            },
        )?;
        rows.into_iter()
            .map(|(failure, attempts)| {
                let attempts = self.attempts(&failure.origin, &attempts)?;
                Ok(Failure { attempts, ..failure })
            })
            .collect()
    }

    /// Every blob that was not removed, in order of digest.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn blobs(&self) -> Result<Vec<BlobName>, Error> {
        let rows: Vec<([u8; 32], String)> = self
            .query("SELECT digest, extension FROM blobs WHERE removed IS NULL ORDER BY digest", |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        rows.into_iter().map(|(digest, extension)| self.blob_name(digest, &extension)).collect()
    }

    /// Documents that hold kept links, or did, in order of path.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn archived_documents(&self) -> Result<Vec<Vec<u8>>, Error> {
        self.query(
            "SELECT path FROM documents WHERE archived > 0 OR id IN (SELECT document FROM rewrites) ORDER BY path",
            |row| row.get(0),
        )
    }

    pub(super) fn query<T>(
        &self,
        sql: &str,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let reader = self.reader();
        let mut query = reader.prepare_cached(sql).map_err(|source| self.sqlite(source))?;
        let rows = query.query_map([], row).and_then(Iterator::collect);
        rows.map_err(|source| self.sqlite(source))
    }
}
