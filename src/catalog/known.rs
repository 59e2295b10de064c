//! Which documents are as they were when they were last seen.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

use crate::catalog::row::{Counts, Seen};
use crate::catalog::{Catalog, Error};

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

impl Catalog {
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
}
