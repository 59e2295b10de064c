//! Writes a batch inside one transaction.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Transaction, params};

use crate::catalog::OriginKey;
use crate::catalog::row::{Attempt, Batch, Counts, Failure, Placeholder, Rewrite, RunRow, Seen, Snapshot};
use crate::catalog::shelf::Shelf;
use crate::catalog::{edits, trust};
use crate::digest::Digest;
use crate::ladder::hosts::Host;

/// One transaction; looks each row id up once.
pub(super) struct Recorder<'a> {
    transaction: &'a Transaction<'a>,
    blobs: HashMap<Digest, i64>,
    runs: HashMap<String, i64>,
    shelf: Shelf<'a>,
    /// Whether what it is told may be known already, and is no news.
    is_replay: bool,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(transaction: &'a Transaction<'a>) -> Self {
        let shelf = Shelf::new(transaction);
        Self { transaction, blobs: HashMap::new(), runs: HashMap::new(), shelf, is_replay: false }
    }

    /// One for what is read from the journal.
    pub(super) fn of_journal(transaction: &'a Transaction<'a>) -> Self {
        Self { is_replay: true, ..Self::new(transaction) }
    }

    pub(super) fn batch(&mut self, batch: &Batch) -> rusqlite::Result<()> {
        for snapshot in &batch.snapshots {
            self.snapshot(snapshot)?;
        }
        // An origin whose copy was none fails from then on.
        for placeholder in &batch.placeholders {
            self.placeholder(placeholder)?;
        }
        for failure in &batch.failures {
            self.failure(failure)?;
        }
        for given in &batch.given_out {
            let blob = self.blob(given.digest, given.media_type.extension())?;
            self.transaction
                .prepare_cached("INSERT OR IGNORE INTO given_out (blob) VALUES (?1)")?
                .execute([blob])?;
        }
        for (path, seen) in &batch.seen {
            self.seen(path, seen)?;
        }
        for rewrite in &batch.rewrites {
            self.rewrite(rewrite)?;
        }
        for (path, origins) in &batch.wanted {
            self.wanted(path, origins)?;
        }
        for (name, host) in &batch.hosts {
            self.host(name, host)?;
        }
        Ok(())
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "INSERT INTO blobs (digest, extension, bytes, width, height, kept) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (digest) DO UPDATE SET bytes = ?3, width = ?4, height = ?5, kept = ?6 WHERE kept = 0",
            )?
            .execute(params![
                snapshot.digest.as_bytes(),
                snapshot.extension,
                snapshot.bytes,
                snapshot.width,
                snapshot.height,
                snapshot.taken
            ])?;
        let blob = self.blob(snapshot.digest, &snapshot.extension)?;
        // It is had again.
        self.transaction
            .prepare_cached("UPDATE blobs SET removed = NULL WHERE id = ?1 AND removed IS NOT NULL")?
            .execute([blob])?;
        let key = self.origin(&snapshot.origin)?;
        self.shelf.put(blob, &snapshot.origin)?;
        self.transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO snapshots (origin, taken, blob, source, url, etag, last_modified, attempts, sum)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                key,
                snapshot.taken,
                blob,
                snapshot.source,
                snapshot.url,
                snapshot.etag,
                snapshot.last_modified,
                (!snapshot.attempts.is_empty()).then(|| json(&snapshot.attempts)),
                trust::sum([&key[..], snapshot.digest.as_bytes()])
            ])?;
        self.transaction.prepare_cached("DELETE FROM failures WHERE origin = ?1")?.execute([key])?;
        Ok(())
    }

    fn failure(&mut self, failure: &Failure) -> rusqlite::Result<()> {
        let key = self.origin(&failure.origin)?;
        let attempts = json(&failure.attempts);
        self.transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO failures (origin, at, reason, detail, attempts)
                 SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM snapshots WHERE origin = ?1)",
            )?
            .execute(params![key, failure.at, failure.reason, failure.detail, attempts])?;
        Ok(())
    }

    fn wanted(&self, path: &[u8], origins: &[OriginKey]) -> rusqlite::Result<()> {
        let document = self.document(path)?;
        self.transaction.prepare_cached("DELETE FROM wanted WHERE document = ?1")?.execute([document])?;
        for origin in origins {
            self.transaction
                .prepare_cached("INSERT OR IGNORE INTO wanted (document, origin) VALUES (?1, ?2)")?
                .execute(params![document, origin.0])?;
        }
        Ok(())
    }

    fn host(&self, name: &str, host: &Host) -> rusqlite::Result<()> {
        let (reason, until) = host.closed.map(|(reason, until)| (reason.to_string(), until)).unzip();
        self.transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO hosts (name, failures, closings, reason, until, manner)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![name, host.failures, host.closings, reason, until, host.manner])?;
        Ok(())
    }

    /// What was kept for the origins is no copy of them any more.
    fn placeholder(&self, placeholder: &Placeholder) -> rusqlite::Result<()> {
        let Placeholder { digest, host, at, origins } = placeholder;
        self.transaction
            .prepare_cached("INSERT OR IGNORE INTO placeholders (digest, host, at) VALUES (?1, ?2, ?3)")?
            .execute(params![digest.as_bytes(), host, at])?;
        for origin in origins {
            self.transaction
                .prepare_cached(
                    "DELETE FROM snapshots WHERE origin = ?1 AND taken <= ?3
                     AND blob = (SELECT id FROM blobs WHERE digest = ?2)",
                )?
                .execute(params![OriginKey::of_text(origin).0, digest.as_bytes(), at])?;
        }
        Ok(())
    }

    fn origin(&mut self, url: &str) -> rusqlite::Result<[u8; 16]> {
        let key = OriginKey::of_text(url).0;
        let host = self.shelf.host(url)?;
        self.transaction
            .prepare_cached(
                "INSERT INTO origins (key, url, host) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO NOTHING",
            )?
            .execute(params![key, url, host])?;
        Ok(key)
    }

    fn rewrite(&mut self, rewrite: &Rewrite) -> rusqlite::Result<()> {
        let document = self.document(&rewrite.document)?;
        let rows = rewrite
            .links
            .iter()
            .map(|link| {
                Ok(edits::Row {
                    start: link.start,
                    len: link.len,
                    blob: self.blob(link.blob.digest, link.blob.media_type.extension())?,
                    run: self.run(&link.run)?,
                    original: link.original.clone(),
                })
            })
            .collect::<rusqlite::Result<Vec<_>>>()?;
        if self.is_replay && self.is_known(document, rewrite, &rows)? {
            return Ok(());
        }
        self.shelf.show(document, &rows)?;
        self.transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO rewrites (document, after, before, mtime, edits, sum)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                document,
                rewrite.after.as_bytes(),
                rewrite.before.as_bytes(),
                rewrite.mtime,
                edits::pack(&rows),
                rewrite.sum()
            ])?;
        // Whether it becomes so is seen when the document is read next: a record alone tells nothing of its bytes.
        self.transaction
            .prepare_cached("UPDATE documents SET stat = x'' WHERE id = ?1 AND stat <> x''")?
            .execute([document])?;
        Ok(())
    }

    /// Whether the very same record is there.
    fn is_known(&self, document: i64, rewrite: &Rewrite, rows: &[edits::Row]) -> rusqlite::Result<bool> {
        let known = self
            .transaction
            .prepare_cached(
                "SELECT before, mtime, edits, sum FROM rewrites WHERE document = ?1 AND after = ?2",
            )?
            .query_row(params![document, rewrite.after.as_bytes()], |row| {
                let known: ([u8; 32], i64, Vec<u8>, Option<u32>) =
                    (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                Ok(known)
            })
            .optional()?;
        let Some((before, mtime, packed, sum)) = known else { return Ok(false) };
        let is_same = before == *rewrite.before.as_bytes()
            && mtime == rewrite.mtime
            && edits::unpack(&packed).is_ok_and(|known| known == rows)
            && sum.is_none_or(|sum| sum == rewrite.sum());
        if is_same && sum.is_none() {
            self.transaction
                .prepare_cached("UPDATE rewrites SET sum = ?3 WHERE document = ?1 AND after = ?2")?
                .execute(params![document, rewrite.after.as_bytes(), rewrite.sum()])?;
        }
        Ok(is_same)
    }

    /// The row id of a document, which is made if it is new: as one that nobody has seen.
    fn document(&self, path: &[u8]) -> rusqlite::Result<i64> {
        self.transaction
            .prepare_cached(
                "INSERT INTO documents (path, stat, plan, found, proxied, archived, failed, skipped)
                 VALUES (?1, x'', x'0000000000000000', 0, 0, 0, 0, 0) ON CONFLICT (path) DO NOTHING",
            )?
            .execute([path])?;
        self.transaction
            .prepare_cached("SELECT id FROM documents WHERE path = ?1")?
            .query_row([path], |row| row.get(0))
    }

    fn seen(&self, path: &[u8], seen: &Seen) -> rusqlite::Result<()> {
        let Counts { found, proxied, archived, failed, skipped } = seen.counts;
        self.transaction
            .prepare_cached(
                "INSERT INTO documents (path, stat, plan, found, proxied, archived, failed, skipped)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (path) DO UPDATE SET stat = ?2, plan = ?3, found = ?4, proxied = ?5,
                                                  archived = ?6, failed = ?7, skipped = ?8",
            )?
            .execute(params![path, seen.stat, seen.plan, found, proxied, archived, failed, skipped])?;
        Ok(())
    }

    fn blob(&mut self, digest: Digest, extension: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.blobs.get(&digest) {
            return Ok(*id);
        }
        // A journal with a gap may name a blob of which no snapshot is left; its length is then unknown.
        self.transaction
            .prepare_cached(
                "INSERT INTO blobs (digest, extension, bytes) VALUES (?1, ?2, 0) ON CONFLICT (digest) DO NOTHING",
            )?
            .execute(params![digest.as_bytes(), extension])?;
        let id = self
            .transaction
            .prepare_cached("SELECT id FROM blobs WHERE digest = ?1")?
            .query_row([digest.as_bytes()], |row| row.get(0))?;
        self.blobs.insert(digest, id);
        Ok(id)
    }

    /// A run that a journal tells of.
    pub(super) fn known_run(&self, run: &RunRow) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "INSERT INTO runs (name, command, started) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET command = ?2, started = ?3 WHERE started = 0",
            )?
            .execute(params![run.name, run.command, run.started])?;
        Ok(())
    }

    fn run(&mut self, name: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.runs.get(name) {
            return Ok(*id);
        }
        // A journal that is read again names runs that a new catalog has not heard of.
        self.transaction
            .prepare_cached(
                "INSERT INTO runs (name, command, started) VALUES (?1, '', 0) ON CONFLICT (name) DO NOTHING",
            )?
            .execute([name])?;
        let id = self
            .transaction
            .prepare_cached("SELECT id FROM runs WHERE name = ?1")?
            .query_row([name], |row| row.get(0))?;
        self.runs.insert(name.to_owned(), id);
        Ok(id)
    }
}

fn json(attempts: &[Attempt]) -> String {
    serde_json::to_string(attempts).expect("attempts are plain strings and numbers")
}
