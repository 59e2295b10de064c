//! Questions about what is kept: when it was given, by whom, and which documents point at it.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, Row, params};

use crate::blob::BlobName;
use crate::catalog::row::Snapshot;
use crate::catalog::{Catalog, Error, OriginKey, edits, trust};
use crate::digest::Digest;

/// What [`copy`] reads; `attempts` last.
const COLUMNS: &str = "origins.url, taken, digest, extension, bytes, width, height, source, snapshots.url, etag, \
                       last_modified, attempts";

/// Where they stand.
const TABLES: &str = "snapshots JOIN blobs ON blobs.id = blob JOIN origins ON key = origin";

impl Catalog {
    /// Every copy that an origin gave, with all that is known of it; the newest first.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn copies(&self, origin: OriginKey) -> Result<Vec<Snapshot>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE origin = ?1 ORDER BY taken DESC");
        let rows = {
            let reader = self.reader();
            let collect = || -> rusqlite::Result<Vec<_>> {
                reader.prepare_cached(&sql)?.query_map(params![origin.0], copy)?.collect()
            };
            collect().map_err(|source| self.sqlite(source))?
        };
        rows.into_iter().map(|row| self.whole(row)).collect()
    }

    /// Everybody who gave the bytes of `digest`, with all that is known of it; the newest first.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn copies_of(&self, digest: Digest) -> Result<Vec<Snapshot>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM {TABLES}
             WHERE blob = (SELECT id FROM blobs WHERE digest = ?1) ORDER BY taken DESC, origins.url"
        );
        let rows = {
            let reader = self.reader();
            let collect = || -> rusqlite::Result<Vec<_>> {
                reader.prepare_cached(&sql)?.query_map(params![digest.as_bytes()], copy)?.collect()
            };
            collect().map_err(|source| self.sqlite(source))?
        };
        rows.into_iter().map(|row| self.whole(row)).collect()
    }

    /// The newest copy of an origin; nobody is named who was asked in vain.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn newest(&self, origin: OriginKey) -> Result<Option<Snapshot>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE origin = ?1 ORDER BY taken DESC LIMIT 1");
        let reader = self.reader();
        let look_up = || reader.prepare_cached(&sql)?.query_row([origin.0], copy).optional();
        let newest = look_up().map_err(|source| self.sqlite(source))?;
        Ok(newest.map(|(snapshot, _)| snapshot))
    }

    /// The newest copy of every origin, or of so many, in random order; nobody is named who was asked in vain.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn newest_copies(&self, most: Option<usize>) -> Result<Vec<Snapshot>, Error> {
        let limit = most.map(|most| format!("LIMIT {most}")).unwrap_or_default();
        // SQLite takes the other columns from the row with the maximum.
        let sql =
            format!("SELECT {COLUMNS}, max(taken) FROM {TABLES} GROUP BY origin ORDER BY random() {limit}");
        let rows = self.query(&sql, copy)?;
        Ok(rows.into_iter().map(|(snapshot, _)| snapshot).collect())
    }

    /// Calls `each` for every copy of every origin, with all that is known of it; `None` is one that is not as it was
    /// written.
    pub(super) fn each_copy(&self, mut each: impl FnMut(Option<Snapshot>)) -> Result<(), Error> {
        let reader = self.reader();
        let sqlite = |source| self.sqlite(source);
        let sql = format!("SELECT {COLUMNS}, sum, key FROM {TABLES}");
        let mut query = reader.prepare(&sql).map_err(sqlite)?;
        let mut rows = query.query([]).map_err(sqlite)?;
        while let Some(row) = rows.next().map_err(sqlite)? {
            let read = || -> rusqlite::Result<_> {
                let (sum, key): (Option<u32>, [u8; 16]) = (row.get(12)?, row.get(13)?);
                Ok((sum, key, copy(row)?))
            };
            let (sum, key, (snapshot, attempts)) = read().map_err(sqlite)?;
            let is_whole = OriginKey::of_text(&snapshot.origin).0 == key
                && sum.is_none_or(|sum| sum == trust::sum([&key[..], snapshot.digest.as_bytes()]));
            each(is_whole.then(|| self.whole((snapshot, attempts)).ok()).flatten());
        }
        Ok(())
    }

    fn whole(&self, (snapshot, attempts): (Snapshot, Option<String>)) -> Result<Snapshot, Error> {
        let Some(attempts) = attempts else { return Ok(snapshot) };
        Ok(Snapshot { attempts: self.attempts(&snapshot.origin, &attempts)?, ..snapshot })
    }

    /// What the store calls the bytes of `digest`, if they are known.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn blob(&self, digest: Digest) -> Result<Option<BlobName>, Error> {
        let extension: Option<String> = {
            let reader = self.reader();
            let look_up = || {
                let mut query = reader.prepare_cached("SELECT extension FROM blobs WHERE digest = ?1")?;
                query.query_row([digest.as_bytes()], |row| row.get(0)).optional()
            };
            look_up().map_err(|source| self.sqlite(source))?
        };
        extension.map(|extension| self.blob_name(*digest.as_bytes(), &extension)).transpose()
    }

    /// The documents whose newest record holds a link to one of `digests`, as the catalog calls them, in order
    /// of path. They may have been restored, edited or moved since.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn linking_to(&self, digests: &[Digest]) -> Result<Vec<Vec<u8>>, Error> {
        let mut blobs = HashSet::new();
        {
            let reader = self.reader();
            for digest in digests {
                let mut look_up = || -> rusqlite::Result<()> {
                    let mut query = reader.prepare_cached("SELECT id FROM blobs WHERE digest = ?1")?;
                    for id in query.query_map([digest.as_bytes()], |row| row.get::<_, i64>(0))? {
                        blobs.insert(id?);
                    }
                    Ok(())
                };
                look_up().map_err(|source| self.sqlite(source))?;
            }
        }
        if blobs.is_empty() {
            return Ok(Vec::new());
        }
        let newest: Vec<(Vec<u8>, Result<bool, edits::Damaged>)> = self.query(
            "SELECT path, edits FROM documents JOIN rewrites ON rewrites.id =
                 (SELECT max(id) FROM rewrites WHERE document = documents.id)
             ORDER BY path",
            |row| {
                let packed: Vec<u8> = row.get(1)?;
                let links = edits::unpack(&packed);
                Ok((row.get(0)?, links.map(|links| links.iter().any(|link| blobs.contains(&link.blob)))))
            },
        )?;
        let mut linking = Vec::new();
        for (path, links) in newest {
            let links = links
                .map_err(|_| self.damaged(format!("the record of `{}`", String::from_utf8_lossy(&path))))?;
            linking.extend(links.then_some(path));
        }
        Ok(linking)
    }
}

/// A row of [`COLUMNS`], its attempts still as they are kept.
fn copy(row: &Row<'_>) -> rusqlite::Result<(Snapshot, Option<String>)> {
    let snapshot = Snapshot {
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
    };
    Ok((snapshot, row.get(11)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Run;
    use crate::catalog::row::{Batch, KeptLink, Rewrite};
    use crate::media::MediaType;
    use crate::origin::OriginUrl;

    fn snapshot(url: &str, taken: i64, text: &[u8]) -> Snapshot {
        Snapshot { etag: Some(format!("\"{taken}\"")), ..Snapshot::of_png(url, taken, text) }
    }

    fn rewrite(document: &str, run: &Run, texts: &[&[u8]], version: &[u8]) -> Rewrite {
        let link = |(at, text): (usize, &&[u8])| KeptLink {
            start: at * 100,
            len: 90,
            blob: BlobName { digest: Digest::of(text), media_type: MediaType::Png },
            original: b"http://a.example/".to_vec(),
            run: run.name.clone(),
        };
        Rewrite {
            document: document.as_bytes().to_vec(),
            before: Digest::of(document.as_bytes()),
            after: Digest::of(version),
            mtime: 0,
            links: texts.iter().enumerate().map(link).collect(),
        }
    }

    #[test]
    fn copies_and_the_documents_that_point_at_them() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("catalog.db").display());
        let catalog = Catalog::open(&url, &folder.path().join("journal")).unwrap();
        let (a, b) = ("http://a.example/a.png", "http://a.example/b.png");
        let run = Run::start("archive");
        let rewrites = vec![
            rewrite("a.md", &run, &[b"old", b"b"], b"1"),
            rewrite("b.md", &run, &[b"old"], b"2"),
            rewrite("b.md", &run, &[b"b"], b"3"),
        ];
        let snapshots = vec![snapshot(a, 1, b"old"), snapshot(a, 2, b"new!"), snapshot(b, 1, b"b")];
        catalog.record(&run, &Batch { snapshots, rewrites, ..Batch::default() }).unwrap();
        let copies = catalog.copies(OriginKey::of(&OriginUrl::parse(a).unwrap())).unwrap();
        assert_eq!(copies, [snapshot(a, 2, b"new!"), snapshot(a, 1, b"old")]);
        assert_eq!(catalog.newest_copies(Some(1)).unwrap().len(), 1);
        let mut newest = catalog.newest_copies(None).unwrap();
        newest.sort_by(|a, b| a.origin.cmp(&b.origin));
        assert_eq!(newest, [snapshot(a, 2, b"new!"), snapshot(b, 1, b"b")]);
        let linking = |text: &[u8]| catalog.linking_to(&[Digest::of(text)]).unwrap();
        assert_eq!(linking(b"old"), [b"a.md".to_vec()], "the newest record of `b.md` has it no more");
        assert_eq!(linking(b"b"), [b"a.md".to_vec(), b"b.md".to_vec()]);
        assert_eq!(linking(b"other"), [b""; 0]);
    }
}
