//! What nothing refers to: questions and changes of those who collect garbage.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::blob::BlobName;
use crate::catalog::journal::{self, Journal, Line, LineRef};
use crate::catalog::row::Removal;
use crate::catalog::{Catalog, Error, OriginKey, Run, edits};
use crate::digest::Digest;

/// A document as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentId {
    id: i64,
    /// What the catalog calls it.
    pub name: Vec<u8>,
}

/// A blob that no document refers to that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreferenced {
    id: i64,
    /// Its name.
    pub blob: BlobName,
    /// Its length.
    pub bytes: u64,
    /// Since when it is known, in milliseconds since 1970.
    pub since: i64,
}

/// What is known of the references to one blob.
#[derive(Clone, Copy, Debug, Default)]
struct References {
    /// The record of a document that is there.
    living: bool,
    /// When the last of the documents was missed whose records refer to it and that are not there.
    gone: Option<i64>,
    /// When it was taken, if it is the newest copy of an origin.
    newest: Option<i64>,
}

impl References {
    /// Since when nothing refers to the blob that was so `marked` before; `None` if something does.
    fn unreferenced_since(self, marked: Option<i64>, now: i64) -> Option<i64> {
        if self.living {
            return None;
        }
        match (marked, self.newest) {
            // It was kept anew.
            (Some(marked), Some(taken)) if taken > marked => None,
            // A mark that lies ahead was made by a wrong clock.
            (Some(marked), _) => Some(marked.min(now).max(self.gone.unwrap_or(marked).min(now))),
            // No document ever pointed at it: it is kept for its origin.
            (None, Some(_)) if self.gone.is_none() => None,
            (None, _) => Some(now),
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

    /// Which blobs no document refers to that is there, as it is at `now` (milliseconds since 1970), if `gone` are the
    /// documents that are not; in order of digest.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn unreferenced(&self, gone: &[DocumentId], now: i64) -> Result<Vec<Unreferenced>, Error> {
        let reader = self.reader();
        let mut references: HashMap<i64, References> = HashMap::new();
        let damaged =
            self.gather(&reader, gone, now, &mut references).map_err(|source| self.sqlite(source))?;
        if let Some(document) = damaged {
            return Err(self.damaged(format!("the record of `{}`", String::from_utf8_lossy(&document))));
        }
        let rows = {
            let mut query = reader
                .prepare_cached(
                    "SELECT id, digest, extension, bytes, since FROM blobs LEFT JOIN unreferenced ON blob = id
                     ORDER BY digest",
                )
                .map_err(|source| self.sqlite(source))?;
            let row = |row: &rusqlite::Row<'_>| {
                let digest: [u8; 32] = row.get(1)?;
                let extension: String = row.get(2)?;
                let (bytes, marked): (u64, Option<i64>) = (row.get(3)?, row.get(4)?);
                Ok((row.get::<_, i64>(0)?, digest, extension, bytes, marked))
            };
            let rows = query.query_map([], row).and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>);
            rows.map_err(|source| self.sqlite(source))?
        };
        let mut found = Vec::new();
        for (id, digest, extension, bytes, marked) in rows {
            let of_blob = references.get(&id).copied().unwrap_or_default();
            if let Some(since) = of_blob.unreferenced_since(marked, now) {
                found.push(Unreferenced { id, blob: self.blob_name(digest, &extension)?, bytes, since });
            }
        }
        Ok(found)
    }

    /// Returns the name of a document whose record cannot be read, if there is one.
    fn gather(
        &self,
        reader: &Connection,
        gone: &[DocumentId],
        now: i64,
        references: &mut HashMap<i64, References>,
    ) -> rusqlite::Result<Option<Vec<u8>>> {
        let since: HashMap<i64, i64> = reader
            .prepare_cached("SELECT document, since FROM gone")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let gone: HashMap<i64, i64> = gone
            .iter()
            .map(|document| (document.id, since.get(&document.id).copied().unwrap_or(now)))
            .collect();
        let mut query = reader.prepare_cached(
            "SELECT document, edits, path FROM rewrites JOIN documents ON documents.id = document",
        )?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let Ok(links) = edits::unpack(row.get_ref(1)?.as_blob()?) else {
                return Ok(Some(row.get(2)?));
            };
            let missed = gone.get(&row.get(0)?).copied();
            for link in links {
                let of_blob = references.entry(link.blob).or_default();
                match missed {
                    Some(since) => of_blob.gone = of_blob.gone.max(Some(since)),
                    None => of_blob.living = true,
                }
            }
        }
        let mut query = reader.prepare_cached("SELECT blob, max(taken) FROM snapshots GROUP BY origin")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let of_blob = references.entry(row.get(0)?).or_default();
            of_blob.newest = of_blob.newest.max(Some(row.get(1)?));
        }
        Ok(None)
    }

    /// Notes what was missed and what nothing refers to, and since when; what is not among them any more is not.
    /// Documents that are gone want no images.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn mark(&self, gone: &[DocumentId], unreferenced: &[Unreferenced], now: i64) -> Result<(), Error> {
        self.transact(|transaction| {
            let missed: HashSet<i64> = gone.iter().map(|document| document.id).collect();
            sweep(transaction, "gone", "document", &missed)?;
            for document in gone {
                transaction
                    .prepare_cached("INSERT OR IGNORE INTO gone (document, since) VALUES (?1, ?2)")?
                    .execute(params![document.id, now])?;
                transaction
                    .prepare_cached("DELETE FROM wanted WHERE document = ?1")?
                    .execute([document.id])?;
            }
            let blobs: HashSet<i64> = unreferenced.iter().map(|found| found.id).collect();
            sweep(transaction, "unreferenced", "blob", &blobs)?;
            for found in unreferenced {
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO unreferenced (blob, since) VALUES (?1, ?2)")?
                    .execute(params![found.id, found.since])?;
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

    /// Forgets `blobs`: their snapshots, and the documents among `gone` whose records refer to them. The journal hears
    /// of it first. Returns how many documents were forgotten. Nobody else may record anything meanwhile.
    ///
    /// # Errors
    /// What the disk or SQLite says; nothing is then forgotten.
    pub fn remove(
        &self,
        run: &Run,
        blobs: &[Unreferenced],
        gone: &[DocumentId],
        now: i64,
    ) -> Result<u64, Error> {
        let digests = blobs.iter().map(|found| found.blob.digest).collect();
        let removal = Removal { at: now, digests };
        {
            let mut journal = run.journal.lock().expect("no holder of the journal panics");
            let lines = [LineRef::Removal(&removal)];
            match &mut *journal {
                Some(journal) => journal.append(lines)?,
                none => none.insert(Journal::create(&self.journal, &run.name)?).append(lines)?,
            }
        }
        self.forget_blobs(&blobs.iter().map(|found| found.id).collect(), gone)
    }

    /// The same for blobs that are gone from the store on purpose, by the journal: a rebuilt catalog has heard of
    /// them again.
    pub(super) fn remove_again(&self, digests: &HashSet<Digest>) -> Result<(), Error> {
        let known: Vec<(i64, [u8; 32])> =
            self.query("SELECT id, digest FROM blobs", |row| Ok((row.get(0)?, row.get(1)?)))?;
        let ids = known.into_iter().filter(|(_, digest)| digests.contains(&Digest::from_bytes(*digest)));
        let ids: HashSet<i64> = ids.map(|(id, _)| id).collect();
        if !ids.is_empty() {
            self.forget_blobs(&ids, &self.all_documents()?)?;
        }
        Ok(())
    }

    /// Forgets blobs, and whichever of `documents` has a record that refers to one.
    fn forget_blobs(&self, blobs: &HashSet<i64>, documents: &[DocumentId]) -> Result<u64, Error> {
        self.transact(|transaction| {
            let mut forgotten = 0;
            for DocumentId { id, .. } in documents {
                let refers = {
                    let mut query =
                        transaction.prepare_cached("SELECT edits FROM rewrites WHERE document = ?1")?;
                    let mut rows = query.query([id])?;
                    let mut refers = false;
                    while let Some(row) = rows.next()? {
                        let links = edits::unpack(row.get_ref(0)?.as_blob()?).unwrap_or_default();
                        refers |= links.iter().any(|link| blobs.contains(&link.blob));
                    }
                    refers
                };
                if refers {
                    forgotten += 1;
                    for sql in [
                        "DELETE FROM rewrites WHERE document = ?1",
                        "DELETE FROM wanted WHERE document = ?1",
                        "DELETE FROM gone WHERE document = ?1",
                        "DELETE FROM shown WHERE document = ?1",
                        "DELETE FROM documents WHERE id = ?1",
                    ] {
                        transaction.prepare_cached(sql)?.execute([id])?;
                    }
                }
            }
            for id in blobs {
                for sql in [
                    "DELETE FROM snapshots WHERE blob = ?1",
                    "DELETE FROM unreferenced WHERE blob = ?1",
                    "DELETE FROM blobs WHERE id = ?1",
                ] {
                    transaction.prepare_cached(sql)?.execute([id])?;
                }
            }
            Ok(forgotten)
        })
    }

    /// Which of `digests` the journal says are kept: a catalog that does not know them is not the whole one.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn journaled(&self, digests: &HashSet<Digest>) -> Result<HashSet<Digest>, Error> {
        let mut kept = HashSet::new();
        journal::read(&self.journal, |line| {
            match line {
                Line::Snapshot(snapshot) if digests.contains(&snapshot.digest) => {
                    kept.insert(snapshot.digest);
                }
                Line::Removal(removal) => removal.digests.iter().for_each(|digest| {
                    kept.remove(digest);
                }),
                Line::Placeholder(_) | Line::Snapshot(_) | Line::Rewrite(_) => {}
            }
            Ok::<_, Error>(())
        })?;
        Ok(kept)
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

/// Since when each of the documents that were missed is not there; for tests and for those who show it.
impl Catalog {
    /// The documents that were missed before, and when first, in milliseconds since 1970.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn gone(&self) -> Result<BTreeMap<Vec<u8>, i64>, Error> {
        let rows = self
            .query("SELECT path, since FROM gone JOIN documents ON documents.id = document", |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        Ok(rows.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_unreferenced_by_these_rules() {
        let check = |living, gone, newest, marked, expected: Option<i64>, why: &str| {
            let references = References { living, gone, newest };
            assert_eq!(references.unreferenced_since(marked, 100), expected, "{why}");
        };
        check(true, None, None, None, None, "a record of a document that is there");
        check(true, Some(10), None, Some(10), None, "of two documents one is there");
        check(false, None, Some(50), None, None, "the newest copy of its origin, kept without rewriting");
        check(false, None, None, None, Some(100), "an older copy, or bytes that were no image");
        check(false, Some(40), Some(50), None, Some(100), "its documents are gone: noticed now");
        check(false, Some(40), Some(30), Some(40), Some(40), "and noticed before");
        check(false, Some(60), Some(30), Some(40), Some(60), "another document came and went since");
        check(false, None, Some(30), Some(40), Some(40), "its documents are forgotten");
        check(false, None, Some(50), Some(40), None, "it was fetched again since");
        check(false, None, None, Some(900), Some(100), "the clock was wrong");
    }
}
