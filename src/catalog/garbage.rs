//! What nothing refers to: questions and changes of those who collect garbage.
//!
//! Records of documents are never removed. A blob that records refer to stays in the catalog even if it is removed,
//! so that the way back of those documents is whole, should they turn up.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::blob::BlobName;
use crate::catalog::journal::LineRef;
use crate::catalog::journal::fate::{self, Fate};
use crate::catalog::row::Removal;
use crate::catalog::way_back::Packed;
use crate::catalog::{Catalog, Error, OriginKey, Run, trust};
use crate::digest::Digest;

/// A day, in milliseconds.
pub const DAY: i64 = 24 * 3_600_000;

/// A document as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentId {
    id: i64,
    /// What the catalog calls it.
    pub name: Vec<u8>,
}

/// When something was noticed, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The first time without a break.
    pub since: i64,
    /// Once more, a day later or more.
    pub confirmed: Option<i64>,
}

impl Mark {
    /// When it counts. Of a single look the clock may have been wrong, so two that were a day apart are needed, and
    /// another day; unless no time of grace was asked for.
    #[must_use]
    pub fn counts_from(&self, grace: i64) -> i64 {
        if grace == 0 {
            return self.since;
        }
        let seen = self.confirmed.map_or(self.since.saturating_add(2 * DAY), |at| at.saturating_add(DAY));
        self.since.saturating_add(grace).max(seen)
    }

    /// Whether it counts at `now`.
    #[must_use]
    pub fn counts(&self, grace: i64, now: i64) -> bool {
        (grace == 0 || self.confirmed.is_some()) && self.counts_from(grace) <= now
    }

    fn again(self, now: i64) -> Self {
        let is_later = self.since.saturating_add(DAY) <= now;
        Self { confirmed: self.confirmed.or(is_later.then_some(now)), ..self }
    }
}

/// A blob that nothing refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreferenced {
    id: i64,
    /// Its name.
    pub blob: BlobName,
    /// Its length.
    pub bytes: u64,
    /// Since when it is known.
    pub mark: Mark,
    /// Whether there are records of it, which do not count.
    pub recorded: bool,
}

/// What is known of the references to one blob.
#[derive(Clone, Copy, Debug, Default)]
struct References {
    /// A record, or somebody outside.
    counted: bool,
    /// The mark of the last of the documents whose records do not count.
    given_up: Option<Mark>,
    /// When it was taken, if it is the newest copy of an origin.
    newest: Option<i64>,
}

impl References {
    /// Since when nothing refers to the blob that was so `marked` before; `None` if something does.
    fn unreferenced_since(self, marked: Option<Mark>, now: i64) -> Option<Mark> {
        if self.counted {
            return None;
        }
        match (self.given_up, self.newest) {
            // It was kept anew since.
            (Some(gone), Some(taken)) if taken > gone.since => None,
            (Some(gone), _) => Some(gone),
            // It is kept for its origin.
            (None, Some(_)) => None,
            (None, None) => Some(marked.unwrap_or(Mark { since: now, confirmed: None })),
        }
    }
}

impl Catalog {
    /// Every document that was ever seen.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn all_documents(&self) -> Result<Vec<DocumentId>, Error> {
        self.query("SELECT id, path FROM documents ORDER BY path", |row| {
            Ok(DocumentId { id: row.get(0)?, name: row.get(1)? })
        })
    }

    /// The newest time that the catalog knows, in milliseconds since 1970: a clock that shows an earlier one is wrong.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn newest_time(&self) -> Result<Option<i64>, Error> {
        let times = self.query(
            "SELECT max(at) FROM (SELECT max(taken) AS at FROM snapshots UNION ALL SELECT max(done) FROM chores
             UNION ALL SELECT max(max(since), coalesce(max(confirmed), 0)) FROM gone
             UNION ALL SELECT max(max(since), coalesce(max(confirmed), 0)) FROM unreferenced)",
            |row| row.get(0),
        )?;
        Ok(times.into_iter().next().flatten())
    }

    /// Which blobs nothing refers to, as it is at `now` (milliseconds since 1970), if the records of the documents
    /// `given_up` do not count; in order of digest.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn unreferenced(&self, given_up: &[DocumentId], now: i64) -> Result<Vec<Unreferenced>, Error> {
        self.unreferenced_by(&self.reader(), given_up, now)
    }

    fn unreferenced_by(
        &self,
        reader: &Connection,
        given_up: &[DocumentId],
        now: i64,
    ) -> Result<Vec<Unreferenced>, Error> {
        let mut references: HashMap<i64, References> = HashMap::new();
        self.gather(reader, given_up, now, &mut references)?;
        let collect = || -> rusqlite::Result<Vec<_>> {
            let mut query = reader.prepare_cached(
                "SELECT id, digest, extension, bytes, since, confirmed FROM blobs
                 LEFT JOIN unreferenced ON blob = id WHERE removed IS NULL ORDER BY digest",
            )?;
            let row = |row: &rusqlite::Row<'_>| {
                let digest: [u8; 32] = row.get(1)?;
                let extension: String = row.get(2)?;
                let since: Option<i64> = row.get(4)?;
                let confirmed = row.get(5)?;
                let marked = since.map(|since| Mark { since, confirmed });
                Ok((row.get::<_, i64>(0)?, digest, extension, row.get::<_, u64>(3)?, marked))
            };
            query.query_map([], row)?.collect()
        };
        let mut found = Vec::new();
        for (id, digest, extension, bytes, marked) in collect().map_err(|source| self.sqlite(source))? {
            let of_blob = references.get(&id).copied().unwrap_or_default();
            if let Some(mark) = of_blob.unreferenced_since(marked, now) {
                let blob = self.blob_name(digest, &extension)?;
                found.push(Unreferenced { id, blob, bytes, mark, recorded: of_blob.given_up.is_some() });
            }
        }
        Ok(found)
    }

    /// Notes which documents are gone, and when each was found so; what is not among them any more is not.
    /// Documents that are gone want no images.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn mark_gone(&self, gone: &[DocumentId], now: i64) -> Result<(), Error> {
        self.transact(|transaction| {
            let marks = marks(transaction, "gone", "document")?;
            sweep(transaction, "gone", "document", &gone.iter().map(|document| document.id).collect())?;
            for DocumentId { id, .. } in gone {
                let mark = match marks.get(id) {
                    Some(mark) => mark.again(now),
                    None => {
                        transaction
                            .prepare_cached("DELETE FROM wanted WHERE document = ?1")?
                            .execute([id])?;
                        // Should it turn up, it is read.
                        transaction
                            .prepare_cached("UPDATE documents SET stat = x'' WHERE id = ?1")?
                            .execute([id])?;
                        Mark { since: now, confirmed: None }
                    }
                };
                transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO gone (document, since, confirmed)
                         SELECT id, ?2, ?3 FROM documents WHERE id = ?1",
                    )?
                    .execute(params![id, mark.since, mark.confirmed])?;
            }
            Ok(())
        })
    }

    /// Of the documents `gone`, those that are marked so for as long as the grace time.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn long_gone(&self, gone: &[DocumentId], grace: i64, now: i64) -> Result<Vec<DocumentId>, Error> {
        let reader = self.reader();
        let marks = marks(&reader, "gone", "document").map_err(|source| self.sqlite(source))?;
        let new = Mark { since: now, confirmed: None };
        let is_long =
            |document: &&DocumentId| marks.get(&document.id).copied().unwrap_or(new).counts(grace, now);
        Ok(gone.iter().filter(is_long).cloned().collect())
    }

    /// Notes what nothing refers to, and since when; what is not among them any more is not.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn mark(&self, unreferenced: &[Unreferenced], now: i64) -> Result<(), Error> {
        self.transact(|transaction| {
            let unreferenced = || unreferenced.iter().filter(|found| !found.recorded);
            sweep(transaction, "unreferenced", "blob", &unreferenced().map(|found| found.id).collect())?;
            for found in unreferenced() {
                let mark = found.mark.again(now);
                transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO unreferenced (blob, since, confirmed)
                         SELECT id, ?2, ?3 FROM blobs WHERE id = ?1 AND digest = ?4",
                    )?
                    .execute(params![found.id, mark.since, mark.confirmed, found.blob.digest.as_bytes()])?;
            }
            Ok(())
        })
    }

    /// Which of `blobs` came from which origins.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn origins_of_blobs(&self, blobs: &[Unreferenced]) -> Result<HashMap<OriginKey, Vec<Digest>>, Error> {
        let reader = self.reader();
        let collect = || -> rusqlite::Result<HashMap<OriginKey, Vec<Digest>>> {
            let mut origins: HashMap<OriginKey, Vec<Digest>> = HashMap::new();
            let mut query = reader.prepare_cached("SELECT DISTINCT origin FROM snapshots WHERE blob = ?1")?;
            for found in blobs {
                for key in query.query_map([found.id], |row| row.get(0))? {
                    origins.entry(OriginKey(key?)).or_default().push(found.blob.digest);
                }
            }
            Ok(origins)
        };
        collect().map_err(|source| self.sqlite(source))
    }

    /// Which of `documents` have a record of one of `blobs`, in their order.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn referring(
        &self,
        documents: &[DocumentId],
        blobs: &HashSet<Digest>,
    ) -> Result<Vec<DocumentId>, Error> {
        let mut referring = Vec::new();
        for document in documents {
            let records = self.rewrites(&document.name)?;
            let refers =
                records.iter().flat_map(|record| &record.links).any(|link| blobs.contains(&link.blob.digest));
            referring.extend(refers.then(|| document.clone()));
        }
        Ok(referring)
    }

    /// Forgets those of `blobs` that nothing refers to still, as [`Self::unreferenced`] says, and returns them. The
    /// journal hears of it first.
    ///
    /// # Errors
    /// What the disk or SQLite says; nothing is then forgotten.
    pub fn remove(
        &self,
        run: &Run,
        blobs: &[Unreferenced],
        given_up: &[DocumentId],
        now: i64,
    ) -> Result<Vec<Unreferenced>, Error> {
        let mut writer = self.writer();
        let sqlite = |source| self.sqlite(source);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite)?;
        let asked: HashSet<Digest> = blobs.iter().map(|found| found.blob.digest).collect();
        let mut going = self.unreferenced_by(&transaction, given_up, now)?;
        going.retain(|found| asked.contains(&found.blob.digest));
        if going.is_empty() {
            return Ok(going);
        }
        let of = |recorded| going.iter().filter(move |found| found.recorded == recorded);
        let removal = Removal {
            at: now,
            digests: of(false).map(|found| found.blob.digest).collect(),
            recorded: of(true).map(|found| found.blob.digest).collect(),
        };
        let (name, length) = run.journal(&self.journal, [LineRef::Removal(&removal)])?;
        going
            .iter()
            .try_for_each(|found| forget_blob(&transaction, found.id, found.recorded.then_some(now)))
            .and_then(|()| trust::note(&transaction, &name, length))
            .and_then(|()| transaction.commit())
            .map_err(sqlite)?;
        Ok(going)
    }

    /// The same for blobs that are gone from the store on purpose, by the journal: a rebuilt catalog has heard of
    /// them again.
    pub(super) fn remove_again(&self, digests: &HashSet<Digest>) -> Result<(), Error> {
        let mut writer = self.writer();
        let sqlite = |source| self.sqlite(source);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite)?;
        let mut references = HashMap::new();
        // Where a record cannot be read, every blob may be meant.
        let is_whole = match self.gather(&transaction, &[], 0, &mut references) {
            Err(error) if error.is_of_a_record() => false,
            gathered => gathered.map(|()| true)?,
        };
        let forget = || -> rusqlite::Result<()> {
            let known: Vec<(i64, [u8; 32])> = transaction
                .prepare("SELECT id, digest FROM blobs")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            for (id, _) in known.iter().filter(|(_, digest)| digests.contains(&Digest::from_bytes(*digest))) {
                let counted = references.get(id).is_some_and(|of_blob| of_blob.counted);
                forget_blob(&transaction, *id, (counted || !is_whole).then_some(0))?;
            }
            Ok(())
        };
        forget().and_then(|()| transaction.commit()).map_err(sqlite)
    }

    /// What the journal says of the blobs `digests`, and whether a part of it cannot be read: a catalog that does not know
    /// what is kept is not the whole one.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn fates(&self, digests: &HashSet<Digest>) -> Result<(HashMap<Digest, Fate>, bool), Error> {
        Ok(fate::fates(&self.journal, &|digest| digests.contains(&digest))?)
    }

    /// Which of `blobs` were given out before.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn given_out(&self) -> Result<HashSet<Digest>, Error> {
        let rows = self.query("SELECT digest FROM given_out JOIN blobs ON id = blob", |row| {
            row.get(0).map(Digest::from_bytes)
        })?;
        Ok(rows.into_iter().collect())
    }

    /// Adds what is referred to, unless a record is not as it was written: that may mean any blob.
    fn gather(
        &self,
        reader: &Connection,
        given_up: &[DocumentId],
        now: i64,
        references: &mut HashMap<i64, References>,
    ) -> Result<(), Error> {
        let given_up: HashSet<i64> = given_up.iter().map(|document| document.id).collect();
        let mut read = || -> rusqlite::Result<Result<(), Error>> {
            let gone = marks(reader, "gone", "document")?;
            let mut query = reader.prepare_cached(
                "SELECT path, after, before, mtime, edits, sum, document
                 FROM rewrites JOIN documents ON documents.id = document",
            )?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                let blobs = match self.unpack_with_blobs(reader, &Packed::of(row)?) {
                    Ok((_, blobs)) => blobs,
                    Err(error) => return Ok(Err(error)),
                };
                let document = row.get(6)?;
                let mark = gone.get(&document).copied().unwrap_or(Mark { since: now, confirmed: None });
                for blob in blobs {
                    let of_blob = references.entry(blob).or_default();
                    match given_up.contains(&document) {
                        true if of_blob.given_up.is_none_or(|last| last.since < mark.since) => {
                            of_blob.given_up = Some(mark);
                        }
                        true => {}
                        false => of_blob.counted = true,
                    }
                }
            }
            let mut query = reader.prepare_cached("SELECT blob FROM given_out")?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                references.entry(row.get(0)?).or_default().counted = true;
            }
            let mut query =
                reader.prepare_cached("SELECT blob, max(taken) FROM snapshots GROUP BY origin")?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                let of_blob = references.entry(row.get(0)?).or_default();
                of_blob.newest = of_blob.newest.max(Some(row.get(1)?));
            }
            Ok(Ok(()))
        };
        read().map_err(|source| self.sqlite(source))?
    }

    fn transact<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, Error> {
        let mut writer = self.writer();
        let write = || -> rusqlite::Result<T> {
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        write().map_err(|source| self.sqlite(source))
    }
}

/// Forgets where a blob came from. What records refer to keeps its id and its name: it is `removed` then.
fn forget_blob(transaction: &Connection, id: i64, removed: Option<i64>) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM snapshots WHERE blob = ?1",
        "DELETE FROM unreferenced WHERE blob = ?1",
        "DELETE FROM shown WHERE blob = ?1",
    ] {
        transaction.prepare_cached(sql)?.execute([id])?;
    }
    match removed {
        Some(at) => transaction
            .prepare_cached("UPDATE blobs SET removed = ?2 WHERE id = ?1")?
            .execute(params![id, at])?,
        None => transaction.prepare_cached("DELETE FROM blobs WHERE id = ?1")?.execute([id])?,
    };
    Ok(())
}

/// What is noted in `table`.
fn marks(reader: &Connection, table: &str, column: &str) -> rusqlite::Result<HashMap<i64, Mark>> {
    reader
        .prepare_cached(&format!("SELECT {column}, since, confirmed FROM {table}"))?
        .query_map([], |row| Ok((row.get(0)?, Mark { since: row.get(1)?, confirmed: row.get(2)? })))?
        .collect()
}

/// Takes out of `table` the rows whose `column` is none of `stay`.
fn sweep(
    transaction: &Transaction<'_>,
    table: &str,
    column: &str,
    stay: &HashSet<i64>,
) -> rusqlite::Result<()> {
    let known: Vec<i64> = transaction
        .prepare_cached(&format!("SELECT {column} FROM {table}"))?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for id in known.iter().filter(|id| !stay.contains(id)) {
        transaction.prepare_cached(&format!("DELETE FROM {table} WHERE {column} = ?1"))?.execute([id])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::catalog::edits;
    use crate::catalog::row::{Batch, KeptLink, Rewrite, Snapshot};
    use crate::media::MediaType;

    fn mark(since: i64) -> Mark {
        Mark { since, confirmed: None }
    }

    #[test]
    fn a_blob_is_unreferenced_by_these_rules() {
        let check =
            |counted, gone: Option<i64>, newest, marked: Option<i64>, expected: Option<i64>, why: &str| {
                let references = References { counted, given_up: gone.map(mark), newest };
                let since = references.unreferenced_since(marked.map(mark), 100);
                assert_eq!(since.map(|mark| mark.since), expected, "{why}");
            };
        check(true, None, None, None, None, "a record");
        check(true, Some(10), None, Some(10), None, "of two records one counts");
        check(false, None, Some(50), None, None, "the newest copy of its origin, kept without rewriting");
        check(false, None, Some(50), Some(40), None, "it was fetched again since");
        check(false, None, None, None, Some(100), "an older copy, or bytes that were no image");
        check(false, None, None, Some(40), Some(40), "and noticed before");
        check(false, None, None, Some(900), Some(900), "a clock that is behind lowers no mark");
        check(false, Some(40), Some(30), None, Some(40), "its documents were given up");
        check(false, Some(40), Some(50), None, None, "and it was fetched again since");
    }

    #[test]
    fn a_mark_counts_once_two_looks_were_a_day_apart_and_another_day_went_by() {
        let grace = 10 * DAY;
        let first = mark(0);
        assert!(!first.counts(grace, 400 * DAY), "the clock may have jumped");
        assert!(first.counts(0, 0), "no time of grace was asked for");
        assert_eq!(first.again(DAY - 1), first);
        let again = first.again(400 * DAY);
        assert_eq!(again.again(401 * DAY), again);
        assert!(!again.counts(grace, 401 * DAY - 1) && again.counts(grace, 401 * DAY));
        let soon = first.again(DAY);
        assert!(!soon.counts(grace, grace - 1) && soon.counts(grace, grace));
    }

    fn snapshot(taken: i64, text: &[u8]) -> Snapshot {
        Snapshot::of_png("http://a.example/a.png", taken, text)
    }

    fn blob(text: &[u8]) -> BlobName {
        BlobName { digest: Digest::of(text), media_type: MediaType::Png }
    }

    fn rewrite(run: &Run, text: &[u8]) -> Rewrite {
        let link = KeptLink {
            start: 0,
            len: 9,
            blob: blob(text),
            original: b"http://a.example/".to_vec(),
            run: run.name.clone(),
        };
        let (before, after) = (Digest::of(b"before"), Digest::of(text));
        Rewrite { document: b"a.md".to_vec(), before, after, mtime: 0, links: vec![link] }
    }

    /// A catalog with an older copy and the newest one of the same origin.
    fn scene(folder: &Path, run: &Run) -> Catalog {
        let url = format!("sqlite:{}", folder.join("catalog.db").display());
        let catalog = Catalog::open(&url, &folder.join("journal")).unwrap();
        let snapshots = vec![snapshot(1, b"old"), snapshot(2, b"new")];
        catalog.record(run, &Batch { snapshots, ..Batch::default() }).unwrap();
        catalog
    }

    #[test]
    fn what_is_referred_to_at_the_last_moment_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::start("archive");
        let catalog = scene(folder.path(), &run);
        let due = catalog.unreferenced(&[], 9).unwrap();
        assert_eq!(due.iter().map(|found| found.blob).collect::<Vec<_>>(), [blob(b"old")]);
        let rewrites = vec![rewrite(&run, b"old")];
        catalog.record(&run, &Batch { rewrites, ..Batch::default() }).unwrap();
        assert!(catalog.remove(&run, &due, &[], 9).unwrap().is_empty());
        assert!(catalog.has(Digest::of(b"old")).unwrap());
        // Nor does a mark of what is not there any more do harm.
        let given_up = catalog.all_documents().unwrap();
        assert_eq!(catalog.remove(&run, &due, &given_up, 9).unwrap().len(), 1);
        catalog.mark(&due, 9).unwrap();
    }

    #[test]
    fn records_stay_and_no_other_blob_takes_the_place_of_one_they_refer_to() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::start("archive");
        let catalog = scene(folder.path(), &run);
        let record = rewrite(&run, b"new");
        catalog.record(&run, &Batch { rewrites: vec![record.clone()], ..Batch::default() }).unwrap();
        let given_up = catalog.all_documents().unwrap();
        let due = catalog.unreferenced(&given_up, 9).unwrap();
        assert_eq!(catalog.remove(&run, &due, &given_up, i64::MAX).unwrap().len(), 2);
        assert!(catalog.blobs().unwrap().is_empty());
        assert!(catalog.unreferenced(&given_up, 9).unwrap().is_empty());
        let other = vec![snapshot(12, b"other")];
        catalog.record(&run, &Batch { snapshots: other, ..Batch::default() }).unwrap();
        let check = |catalog: &Catalog| {
            assert_eq!(catalog.rewrites(b"a.md").unwrap(), std::slice::from_ref(&record));
            assert_eq!(catalog.blobs().unwrap(), [blob(b"other")]);
            assert!(catalog.knows(Digest::of(b"new")).unwrap(), "a link to it is one of ours");
            assert!(!catalog.knows(Digest::of(b"old")).unwrap());
        };
        check(&catalog);
        catalog.rebuild(None, false, |digest| digest == Digest::of(b"other")).unwrap();
        check(&catalog);
        // It is had again.
        let again = vec![snapshot(13, b"new")];
        catalog.record(&run, &Batch { snapshots: again, ..Batch::default() }).unwrap();
        assert!(catalog.has(Digest::of(b"new")).unwrap());
    }

    #[test]
    fn where_a_record_means_another_blob_than_was_written_nothing_is_unreferenced() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::start("archive");
        let catalog = scene(folder.path(), &run);
        let due = catalog.unreferenced(&[], 9).unwrap();
        catalog.record(&run, &Batch { rewrites: vec![rewrite(&run, b"old")], ..Batch::default() }).unwrap();
        assert!(catalog.unreferenced(&[], 9).unwrap().is_empty());
        let packed: Vec<u8> =
            catalog.query("SELECT edits FROM rewrites", |row| row.get(0)).unwrap().remove(0);
        let mut rows = edits::unpack(&packed).unwrap();
        rows[0].blob += 1;
        catalog
            .transact(|transaction| {
                transaction.execute("UPDATE rewrites SET edits = ?1", [edits::pack(&rows)])
            })
            .unwrap();
        assert!(catalog.unreferenced(&[], 9).unwrap_err().is_of_a_record());
        assert!(catalog.remove(&run, &due, &[], 9).unwrap_err().is_of_a_record());
        assert!(catalog.has(Digest::of(b"old")).unwrap());
    }

    #[test]
    fn what_was_given_out_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::start("archive");
        let catalog = scene(folder.path(), &run);
        let given_out = vec![blob(b"old")];
        catalog.record(&run, &Batch { given_out, ..Batch::default() }).unwrap();
        assert!(catalog.unreferenced(&[], 9).unwrap().is_empty());
    }
}
