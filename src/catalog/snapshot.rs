//! What each origin gave, as a whole row.

use rusqlite::OptionalExtension;

use crate::catalog::row::Snapshot;
use crate::catalog::{Catalog, Error, OriginKey};
use crate::digest::Digest;

impl Catalog {
    /// The newest snapshot of an origin, without the attempts that led to it.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn newest(&self, origin: OriginKey) -> Result<Option<Snapshot>, Error> {
        let reader = self.reader();
        let mut query = reader
            .prepare_cached(
                "SELECT origins.url, taken, digest, extension, bytes, width, height, source, snapshots.url, etag,
                        last_modified
                 FROM snapshots JOIN blobs ON blobs.id = blob JOIN origins ON key = origin
                 WHERE origin = ?1 ORDER BY taken DESC LIMIT 1",
            )
            .map_err(|source| self.sqlite(source))?;
        let row = |row: &rusqlite::Row<'_>| {
            Ok(Snapshot {
                origin: row.get(0)?,
                taken: row.get(1)?,
                digest: Digest::from_bytes(row.get(2)?),
                extension: row.get(3)?,
                bytes: row.get(4)?,
                width: row.get(5)?,
                height: row.get(6)?,
                source: row.get(7)?,
                url: row.get(8)?,
                etag: row.get(9)?,
                last_modified: row.get(10)?,
                attempts: Vec::new(),
            })
        };
        query.query_row([origin.0], row).optional().map_err(|source| self.sqlite(source))
    }
}
