//! What documents said before, as it is read.

use rusqlite::Connection;

use crate::catalog::row::{KeptLink, Rewrite};
use crate::catalog::{Catalog, Error, edits};
use crate::digest::Digest;

impl Catalog {
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

    pub(super) fn unpack(&self, reader: &Connection, packed: &Packed) -> Result<Rewrite, Error> {
        self.unpack_with_blobs(reader, packed).map(|(rewrite, _)| rewrite)
    }

    /// The rewrite, and the ids of its links' blobs.
    pub(super) fn unpack_with_blobs(
        &self,
        reader: &Connection,
        packed: &Packed,
    ) -> Result<(Rewrite, Vec<i64>), Error> {
        let damaged =
            || self.damaged(format!("the record of `{}`", String::from_utf8_lossy(&packed.document)));
        let rows = edits::unpack(&packed.edits).map_err(|_| damaged())?;
        let blobs = rows.iter().map(|row| row.blob).collect();
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
        Ok((rewrite, blobs))
    }
}

/// A row of `rewrites`, as it is kept.
pub(super) struct Packed {
    document: Vec<u8>,
    after: [u8; 32],
    before: [u8; 32],
    mtime: i64,
    edits: Vec<u8>,
    sum: Option<u32>,
}

impl Packed {
    /// Of a row of `path, after, before, mtime, edits, sum`.
    pub(super) fn of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
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
