//! Lists in parts, for programs that want all of it: each part begins where the one before ended (keyset paging), so
//! that what is added meanwhile neither repeats nor hides anything.

use rusqlite::{Row, params};

use crate::blob::BlobName;
use crate::catalog::row::{Counts, DocumentRow, Failure};
use crate::catalog::{Catalog, Error, OriginKey};
use crate::digest::Digest;
use crate::media::MediaType;

/// Which images are wanted; what is `None` lets every one through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFilter {
    /// That an origin of this host gave, in lower case.
    pub host: Option<String>,
    /// Of this type.
    pub media_type: Option<MediaType>,
    /// Given at this time or later, in milliseconds since 1970.
    pub after: Option<i64>,
    /// Given before this time, likewise.
    pub before: Option<i64>,
}

/// A kept image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Where it stands in the list: the newest has the greatest.
    pub place: i64,
    /// What the store calls it.
    pub blob: BlobName,
    /// Length of the bytes.
    pub bytes: u64,
    /// In pixels, where the format says.
    pub width: Option<u32>,
    /// Likewise.
    pub height: Option<u32>,
}

/// Whether an origin of the host `?3` gave the blob between `?4` and `?5`. A URL's host ends where its port, path,
/// query or fragment begins.
const GIVEN: &str = "EXISTS (
    SELECT 1 FROM snapshots JOIN origins ON key = origin WHERE blob = blobs.id AND taken >= ?4 AND taken < ?5
    AND (?3 IS NULL OR substr(lower(origins.url), instr(origins.url, '://') + 3, length(?3) + 1)
                       IN (?3, ?3 || '/', ?3 || ':', ?3 || '?', ?3 || '#')))";

impl Catalog {
    /// Images behind the place `behind`, or the first ones; `most` at most.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn images(&self, filter: &ImageFilter, behind: Option<i64>, most: u32) -> Result<Vec<Image>, Error> {
        let is_all = filter.host.is_none() && filter.after.is_none() && filter.before.is_none();
        // What an image was kept for may be known no more.
        let given = if is_all { "(?3 IS NULL AND ?4 < ?5)" } else { GIVEN };
        let sql = format!(
            "SELECT id, digest, extension, bytes, width, height FROM blobs
             WHERE id < ?1 AND (?2 IS NULL OR extension = ?2) AND {given} ORDER BY id DESC LIMIT ?6"
        );
        let extension = filter.media_type.map(MediaType::extension);
        let values = params![
            behind.unwrap_or(i64::MAX),
            extension,
            filter.host,
            filter.after.unwrap_or(i64::MIN),
            filter.before.unwrap_or(i64::MAX),
            most,
        ];
        let rows = {
            let reader = self.reader();
            let collect = || -> rusqlite::Result<Vec<_>> {
                reader.prepare_cached(&sql)?.query_map(values, image)?.collect()
            };
            collect().map_err(|source| self.sqlite(source))?
        };
        rows.into_iter().map(|row| self.named(row)).collect()
    }

    fn named(&self, (digest, extension, image): Unnamed) -> Result<Image, Error> {
        let (place, bytes, width, height) = image;
        Ok(Image { place, blob: self.blob_name(digest, &extension)?, bytes, width, height })
    }

    /// Documents that hold references, behind `behind` in order of path; `most` at most.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn documents_behind(&self, behind: &[u8], most: u32) -> Result<Vec<DocumentRow>, Error> {
        let reader = self.reader();
        let collect = || -> rusqlite::Result<Vec<DocumentRow>> {
            let mut query = reader.prepare_cached(
                "SELECT path, found, proxied, archived, failed, skipped FROM documents
                 WHERE path > ?1 AND found > 0 ORDER BY path LIMIT ?2",
            )?;
            let row = |row: &Row<'_>| {
                let counts = Counts {
                    found: row.get(1)?,
                    proxied: row.get(2)?,
                    archived: row.get(3)?,
                    failed: row.get(4)?,
                    skipped: row.get(5)?,
                };
                Ok(DocumentRow { document: row.get(0)?, counts })
            };
            query.query_map(params![behind, most], row)?.collect()
        };
        collect().map_err(|source| self.sqlite(source))
    }

    /// Origins without a copy that documents want, behind `behind` in order of their keys, which is none that means
    /// anything; `most` at most. Those of `reason` alone, if it is given.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn failures_behind(
        &self,
        behind: &[u8],
        reason: Option<&str>,
        most: u32,
    ) -> Result<Vec<(OriginKey, Failure)>, Error> {
        let rows = {
            let reader = self.reader();
            let collect = || -> rusqlite::Result<Vec<_>> {
                let mut query = reader.prepare_cached(
                    "SELECT failures.origin, url, at, reason, detail, attempts
                     FROM failures JOIN origins ON key = failures.origin
                     WHERE failures.origin > ?1 AND (?2 IS NULL OR reason = ?2)
                       AND EXISTS (SELECT 1 FROM wanted WHERE wanted.origin = failures.origin)
                     ORDER BY failures.origin LIMIT ?3",
                )?;
                let row = |row: &Row<'_>| {
                    let failure = Failure {
                        origin: row.get(1)?,
                        at: row.get(2)?,
                        reason: row.get(3)?,
                        detail: row.get(4)?,
                        attempts: Vec::new(),
                    };
                    Ok((OriginKey(row.get(0)?), failure, row.get::<_, String>(5)?))
                };
                query.query_map(params![behind, reason, most], row)?.collect()
            };
            collect().map_err(|source| self.sqlite(source))?
        };
        rows.into_iter()
            .map(|(key, failure, attempts)| {
                let attempts = self.attempts(&failure.origin, &attempts)?;
                Ok((key, Failure { attempts, ..failure }))
            })
            .collect()
    }

    /// Length of the catalog's files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let length = |suffix: &str| {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            std::fs::metadata(path).map_or(0, |found| found.len())
        };
        ["", "-wal", "-shm"].into_iter().map(length).sum()
    }

    /// One image.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn image_of(&self, digest: Digest) -> Result<Option<Image>, Error> {
        let row = {
            let reader = self.reader();
            let look_up = || -> rusqlite::Result<Option<_>> {
                let mut query = reader.prepare_cached(
                    "SELECT id, digest, extension, bytes, width, height FROM blobs WHERE digest = ?1",
                )?;
                query.query_map([digest.as_bytes()], image)?.next().transpose()
            };
            look_up().map_err(|source| self.sqlite(source))?
        };
        row.map(|row| self.named(row)).transpose()
    }
}

/// A row of `blobs` whose name is still to be made.
type Unnamed = ([u8; 32], String, (i64, u64, Option<u32>, Option<u32>));

fn image(row: &Row<'_>) -> rusqlite::Result<Unnamed> {
    Ok((row.get(1)?, row.get(2)?, (row.get(0)?, row.get(3)?, row.get(4)?, row.get(5)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Run;
    use crate::catalog::row::{Batch, Seen, Snapshot};
    use crate::origin::OriginUrl;

    fn catalog(folder: &std::path::Path) -> Catalog {
        let url = format!("sqlite:{}", folder.join("catalog.db").display());
        Catalog::open(&url, &folder.join("journal")).unwrap()
    }

    fn snapshot(url: &str, taken: i64, extension: &str) -> Snapshot {
        Snapshot {
            origin: url.to_owned(),
            taken,
            digest: Digest::of(url.as_bytes()),
            extension: extension.to_owned(),
            bytes: 7,
            width: Some(2),
            height: Some(1),
            source: "origin".to_owned(),
            url: None,
            etag: None,
            last_modified: None,
            attempts: Vec::new(),
        }
    }

    #[test]
    fn images_come_in_parts_and_by_filter() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = catalog(folder.path());
        let urls = [
            ("http://a.example/1.png", "png"),
            ("https://a.example:8443/2.gif", "gif"),
            ("http://b.a.example/3.png", "png"),
            ("http://a.example.com/4.png", "png"),
            ("http://a.example?5", "png"),
        ];
        let snapshots = (10..).zip(urls).map(|(taken, (url, extension))| snapshot(url, taken, extension));
        let batch = Batch { snapshots: snapshots.collect(), ..Batch::default() };
        catalog.record(&Run::start("archive"), &batch).unwrap();
        let named = |images: &[Image]| -> Vec<usize> {
            let of = |image: &Image| {
                urls.iter().position(|(url, _)| Digest::of(url.as_bytes()) == image.blob.digest).unwrap() + 1
            };
            images.iter().map(of).collect()
        };
        let all = |filter: &ImageFilter| {
            let (mut found, mut behind) = (Vec::new(), None);
            loop {
                let part = catalog.images(filter, behind, 2).unwrap();
                let Some(last) = part.last() else { return found };
                behind = Some(last.place);
                found.extend(named(&part));
            }
        };
        let filter = ImageFilter::default();
        assert_eq!(all(&filter), [5, 4, 3, 2, 1]);
        assert_eq!(all(&ImageFilter { host: Some("a.example".to_owned()), ..filter.clone() }), [5, 2, 1]);
        assert_eq!(all(&ImageFilter { host: Some("%".to_owned()), ..filter.clone() }), [0; 0]);
        assert_eq!(all(&ImageFilter { media_type: Some(MediaType::Gif), ..filter.clone() }), [2]);
        assert_eq!(all(&ImageFilter { after: Some(11), before: Some(13), ..filter }), [3, 2]);
        let one = catalog.image_of(Digest::of(urls[1].0.as_bytes())).unwrap().unwrap();
        assert_eq!((one.bytes, one.width, one.blob.media_type), (7, Some(2), MediaType::Gif));
        assert_eq!(catalog.image_of(Digest::of(b"")).unwrap(), None);
    }

    #[test]
    fn documents_and_failures_come_in_parts() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = catalog(folder.path());
        let failure = |number: u32| Failure {
            origin: format!("http://a.example/{number}"),
            at: 1,
            reason: if number == 0 { "dns" } else { "http_404" }.to_owned(),
            detail: String::new(),
            attempts: Vec::new(),
        };
        let seen = |number: u32| {
            let counts = Counts { found: u64::from(number), ..Counts::default() };
            (format!("{number}.md").into_bytes(), Seen { stat: [0; 32], plan: [0; 8], counts })
        };
        let key = |number| OriginKey::of(&OriginUrl::parse(&failure(number).origin).unwrap());
        let batch = Batch {
            failures: (0..5).map(failure).collect(),
            seen: (0..5).map(seen).collect(),
            // Nobody wants the last.
            wanted: (0..4).map(|number| (seen(number).0, vec![key(number)])).collect(),
            ..Batch::default()
        };
        catalog.record(&Run::start("archive"), &batch).unwrap();
        let documents = catalog.documents_behind(b"", 3).unwrap();
        let paths = |rows: &[DocumentRow]| rows.iter().map(|row| row.document.clone()).collect::<Vec<_>>();
        assert_eq!(paths(&documents), [b"1.md", b"2.md", b"3.md"], "the first holds nothing");
        assert_eq!(paths(&catalog.documents_behind(b"3.md", 3).unwrap()), [b"4.md"]);
        let (mut found, mut behind) = (Vec::new(), Vec::new());
        loop {
            let part = catalog.failures_behind(&behind, None, 3).unwrap();
            let Some((last, _)) = part.last() else { break };
            behind = last.as_bytes().to_vec();
            found.extend(part.into_iter().map(|(_, failure)| failure.origin));
        }
        found.sort_unstable();
        assert_eq!(found, (0..4).map(|number| failure(number).origin).collect::<Vec<_>>());
        assert_eq!(catalog.failures_behind(&[], Some("dns"), 9).unwrap().len(), 1);
    }
}
