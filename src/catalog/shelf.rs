//! What the gallery's questions are answered from, kept up with every batch: which host gave which blob, and
//! which document shows it.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{OptionalExtension, Transaction, params};
use url::Url;

use crate::catalog::edits::{self, Row};

/// `shelf.host` of the rows that stand for all hosts.
pub(super) const ALL: i64 = 0;

/// One transaction; looks each host up once.
pub(super) struct Shelf<'a> {
    transaction: &'a Transaction<'a>,
    hosts: HashMap<String, i64>,
}

impl<'a> Shelf<'a> {
    pub(super) fn new(transaction: &'a Transaction<'a>) -> Self {
        Self { transaction, hosts: HashMap::new() }
    }

    /// `origin_hosts.id` of a URL's host, which is made if it is new.
    pub(super) fn host(&mut self, url: &str) -> rusqlite::Result<i64> {
        let parsed = Url::parse(url).ok();
        let name = parsed.as_ref().and_then(Url::host_str).unwrap_or_default();
        if let Some(id) = self.hosts.get(name) {
            return Ok(*id);
        }
        self.transaction
            .prepare_cached("INSERT INTO origin_hosts (name) VALUES (?1) ON CONFLICT (name) DO NOTHING")?
            .execute([name])?;
        let id = self
            .transaction
            .prepare_cached("SELECT id FROM origin_hosts WHERE name = ?1")?
            .query_row([name], |row| row.get(0))?;
        self.hosts.insert(name.to_owned(), id);
        Ok(id)
    }

    /// `origin` gave the blob of this row id.
    pub(super) fn put(&mut self, blob: i64, origin: &str) -> rusqlite::Result<()> {
        for host in [ALL, self.host(origin)?] {
            self.transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO shelf (host, type, kept, blob)
                     SELECT ?1, extension, kept, id FROM blobs WHERE id = ?2",
                )?
                .execute(params![host, blob])?;
        }
        Ok(())
    }

    /// The newest record of `document` is about to be one of these `links`.
    pub(super) fn show(&self, document: i64, links: &[Row]) -> rusqlite::Result<()> {
        let before: Option<Vec<u8>> = self
            .transaction
            .prepare_cached("SELECT edits FROM rewrites WHERE document = ?1 ORDER BY id DESC LIMIT 1")?
            .query_row([document], |row| row.get(0))
            .optional()?;
        // A damaged record is told of by those who need it.
        let before = before.and_then(|packed| edits::unpack(&packed).ok()).unwrap_or_default();
        let blobs = |rows: &[Row]| rows.iter().map(|row| row.blob).collect::<BTreeSet<i64>>();
        let (before, after) = (blobs(&before), blobs(links));
        for blob in before.difference(&after) {
            self.transaction
                .prepare_cached("DELETE FROM shown WHERE blob = ?1 AND document = ?2")?
                .execute(params![blob, document])?;
        }
        for blob in after.difference(&before) {
            self.transaction
                .prepare_cached("INSERT OR IGNORE INTO shown (blob, document) VALUES (?1, ?2)")?
                .execute(params![blob, document])?;
        }
        Ok(())
    }
}

/// Fills the tables of a catalog that had none of them.
pub(super) fn fill(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut shelf = Shelf::new(transaction);
    let origins: Vec<([u8; 16], String)> = transaction
        .prepare("SELECT key, url FROM origins")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (key, url) in origins {
        let host = shelf.host(&url)?;
        transaction
            .prepare_cached("UPDATE origins SET host = ?1 WHERE key = ?2")?
            .execute(params![host, key])?;
    }
    transaction.execute_batch(
        "UPDATE blobs SET kept = coalesce((SELECT min(taken) FROM snapshots WHERE blob = blobs.id), 0);
         INSERT OR IGNORE INTO shelf (host, type, kept, blob)
             SELECT origins.host, extension, kept, blobs.id
             FROM snapshots JOIN blobs ON blobs.id = blob JOIN origins ON key = origin;
         INSERT OR IGNORE INTO shelf (host, type, kept, blob)
             SELECT 0, extension, kept, id FROM blobs WHERE id IN (SELECT blob FROM snapshots);",
    )?;
    let mut newest = transaction.prepare(
        "SELECT document, edits FROM rewrites
         WHERE id IN (SELECT max(id) FROM rewrites GROUP BY document)",
    )?;
    let mut rows = newest.query([])?;
    while let Some(row) = rows.next()? {
        let (document, packed): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        for link in edits::unpack(&packed).unwrap_or_default() {
            transaction
                .prepare_cached("INSERT OR IGNORE INTO shown (blob, document) VALUES (?1, ?2)")?
                .execute(params![link.blob, document])?;
        }
    }
    Ok(())
}
