//! Questions of the gallery. Pages are walks along an index from where the last page ended (keyset paging), so the
//! ten-thousandth takes as long as the first, and what is added meanwhile neither repeats nor hides anything.

use std::cmp::Reverse;
use std::collections::HashSet;

use rusqlite::{OptionalExtension, Row, params};

use crate::blob::BlobName;
use crate::catalog::row::{Counts, DocumentRow, Failure, RunRow};
use crate::catalog::shelf::ALL;
use crate::catalog::{Catalog, Error, OriginKey};
use crate::digest::Digest;
use crate::media::MediaType;

/// One kept image, as far as a grid shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// What the store calls it.
    pub blob: BlobName,
    /// Length of the bytes.
    pub bytes: u64,
    /// In pixels, as stored, where the format says.
    pub width: Option<u32>,
    /// As `width`.
    pub height: Option<u32>,
    /// When it was first had: milliseconds since 1970.
    pub kept: i64,
    /// Where it stands among all.
    pub place: Place,
}

/// Where an image stands: the newest first. Opaque to all but the catalog, and the same for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When it was first had: milliseconds since 1970.
    pub kept: i64,
    /// Tells apart those of one millisecond.
    pub id: i64,
}

/// Which images are wanted; all that are `None` let every image through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Given by this host, as a URL has it.
    pub host: Option<String>,
    /// Of this type.
    pub media_type: Option<MediaType>,
    /// First had at this time or later: milliseconds since 1970.
    pub since: Option<i64>,
    /// First had before this time: milliseconds since 1970.
    pub until: Option<i64>,
    /// Shown by this document, as the catalog calls it.
    pub document: Option<Vec<u8>>,
}

/// Which part of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Page {
    /// From the newest on.
    #[default]
    First,
    /// Those behind this place, which are older.
    Older(Place),
    /// The last ones before this place, which are newer.
    Newer(Place),
}

/// A document that shows an image by its newest record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// What the catalog calls it.
    pub document: Vec<u8>,
    /// Kept links that it held when it was last looked at; none after `restore`, or if nobody looked since it was
    /// changed.
    pub archived: u64,
}

/// Images of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostSums {
    /// As a URL has it.
    pub host: String,
    /// Images that it gave, or that others had of it.
    pub images: u64,
    /// Of these, the ones that a proxy or the Wayback Machine gave in its place.
    pub rescued: u64,
    /// Origins that documents want and nobody gave.
    pub failing: u64,
}

/// Failures of one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReasonSum {
    /// A word of the closed list.
    pub reason: String,
    /// Images.
    pub images: u64,
}

/// Where a failure stands among those of its reason: the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailurePlace {
    /// Milliseconds since 1970.
    pub at: i64,
    /// Tells apart those of one millisecond.
    pub key: [u8; 16],
}

/// What a proxy or the Wayback Machine had to give, as the sources call themselves.
const OTHERS: &str = "('proxy', 'configured_proxy', 'wayback')";

impl Catalog {
    /// The images of a page, the newest first; `most` at most.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn tiles(&self, filter: &Filter, page: Page, most: usize) -> Result<Vec<Tile>, Error> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let mut tiles = match &filter.document {
            Some(document) => self.tiles_of(document, filter, page)?,
            None => self.tiles_of_all(filter, page, most)?,
        };
        tiles.sort_by_key(|tile| Reverse(tile.place));
        match page {
            Page::Newer(_) => drop(tiles.drain(..tiles.len().saturating_sub(most))),
            Page::First | Page::Older(_) => tiles.truncate(most),
        }
        Ok(tiles)
    }

    /// How many images there are, counted up to `most`.
    ///
    /// # Errors
    /// As [`Self::tiles`].
    pub fn count_tiles(&self, filter: &Filter, most: u64) -> Result<u64, Error> {
        if let Some(document) = &filter.document {
            return Ok(self.tiles_of(document, filter, Page::First)?.len() as u64);
        }
        let Some(host) = self.host_id(filter.host.as_deref())? else { return Ok(0) };
        let (since, until) = (filter.since.unwrap_or(i64::MIN), filter.until.unwrap_or(i64::MAX));
        let mut count = 0;
        for media_type in types(filter) {
            let reader = self.reader();
            let look_up = || {
                let mut query = reader.prepare_cached(
                    "SELECT count(*) FROM (SELECT 1 FROM shelf
                     WHERE host = ?1 AND type = ?2 AND kept >= ?3 AND kept < ?4 LIMIT ?5)",
                )?;
                query.query_row(params![host, media_type.extension(), since, until, most - count], |row| {
                    row.get::<_, u64>(0)
                })
            };
            count += look_up().map_err(|source| self.sqlite(source))?;
            if count >= most {
                break;
            }
        }
        Ok(count)
    }

    /// For each type the rows nearest to the page's edge; the caller sorts and cuts them.
    fn tiles_of_all(&self, filter: &Filter, page: Page, most: usize) -> Result<Vec<Tile>, Error> {
        const COLUMNS: &str = "digest, extension, bytes, width, height, shelf.kept, shelf.blob
                               FROM shelf JOIN blobs ON blobs.id = shelf.blob WHERE host = ?1 AND type = ?2";
        let Some(host) = self.host_id(filter.host.as_deref())? else { return Ok(Vec::new()) };
        let (since, until) = (filter.since.unwrap_or(i64::MIN), filter.until.unwrap_or(i64::MAX));
        let older = format!(
            "SELECT {COLUMNS} AND (shelf.kept, shelf.blob) < (?3, ?4) AND shelf.kept >= ?5
             ORDER BY shelf.kept DESC, shelf.blob DESC LIMIT ?6"
        );
        let newer = format!(
            "SELECT {COLUMNS} AND (shelf.kept, shelf.blob) > (?3, ?4) AND shelf.kept < ?5
             ORDER BY shelf.kept, shelf.blob LIMIT ?6"
        );
        let edge = Place { kept: until, id: i64::MIN };
        let (sql, edge, end) = match page {
            Page::First => (&older, edge, since),
            Page::Older(place) => (&older, place.min(edge), since),
            Page::Newer(place) => (&newer, place, until),
        };
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let mut tiles = Vec::new();
        for media_type in types(filter) {
            let reader = self.reader();
            let collect = || -> rusqlite::Result<Vec<_>> {
                let mut query = reader.prepare_cached(sql)?;
                let values = params![host, media_type.extension(), edge.kept, edge.id, end, most];
                query.query_map(values, tile)?.collect()
            };
            for row in collect().map_err(|source| self.sqlite(source))? {
                tiles.push(self.tile(row)?);
            }
        }
        Ok(tiles)
    }

    /// The images of one document, which are few.
    fn tiles_of(&self, document: &[u8], filter: &Filter, page: Page) -> Result<Vec<Tile>, Error> {
        let Some(record) = self.rewrites(document)?.into_iter().next() else { return Ok(Vec::new()) };
        let of_host = match &filter.host {
            Some(host) => Some(self.host_id(Some(host))?.unwrap_or(-1)),
            None => None,
        };
        let mut seen = HashSet::new();
        let mut tiles = Vec::new();
        for link in record.links.iter().filter(|link| seen.insert(link.blob.digest)) {
            let Some(tile) = self.image(link.blob.digest)? else { continue };
            let is_in = filter.media_type.is_none_or(|wanted| wanted == tile.blob.media_type)
                && filter.since.is_none_or(|since| tile.kept >= since)
                && filter.until.is_none_or(|until| tile.kept < until)
                && match page {
                    Page::First => true,
                    Page::Older(place) => tile.place < place,
                    Page::Newer(place) => tile.place > place,
                };
            if is_in && of_host.map_or(Ok(true), |host| self.is_on_shelf(host, &tile))? {
                tiles.push(tile);
            }
        }
        Ok(tiles)
    }

    fn is_on_shelf(&self, host: i64, tile: &Tile) -> Result<bool, Error> {
        let reader = self.reader();
        let look_up = || {
            let mut query = reader.prepare_cached(
                "SELECT 1 FROM shelf WHERE host = ?1 AND type = ?2 AND kept = ?3 AND blob = ?4",
            )?;
            query.exists(params![host, tile.blob.media_type.extension(), tile.kept, tile.place.id])
        };
        look_up().map_err(|source| self.sqlite(source))
    }

    /// What is known of one image.
    ///
    /// # Errors
    /// As [`Self::tiles`].
    pub fn image(&self, digest: Digest) -> Result<Option<Tile>, Error> {
        let row = {
            let reader = self.reader();
            let look_up = || {
                let mut query = reader.prepare_cached(
                    "SELECT digest, extension, bytes, width, height, kept, id FROM blobs
                     WHERE digest = ?1 AND removed IS NULL",
                )?;
                query.query_row([digest.as_bytes()], tile).optional()
            };
            look_up().map_err(|source| self.sqlite(source))?
        };
        row.map(|row| self.tile(row)).transpose()
    }

    /// The origin that gave the image first, if one still gives it.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn first_origin(&self, image: &Tile) -> Result<Option<String>, Error> {
        let reader = self.reader();
        let look_up = || {
            let mut query = reader.prepare_cached(
                "SELECT origins.url FROM snapshots JOIN origins ON key = origin WHERE blob = ?1 ORDER BY taken LIMIT 1",
            )?;
            query.query_row([image.place.id], |row| row.get(0)).optional()
        };
        look_up().map_err(|source| self.sqlite(source))
    }

    fn tile(&self, row: TileRow) -> Result<Tile, Error> {
        let (digest, extension, bytes, width, height, place) = row;
        let blob = self.blob_name(digest, &extension)?;
        Ok(Tile { blob, bytes, width, height, kept: place.kept, place })
    }

    /// Documents whose newest record shows the image, in order of path, `most` at most; and how many there are.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn users(&self, image: &Tile, most: usize) -> Result<(Vec<User>, u64), Error> {
        let reader = self.reader();
        let collect = || -> rusqlite::Result<(Vec<User>, u64)> {
            let count = reader
                .prepare_cached("SELECT count(*) FROM shown WHERE blob = ?1")?
                .query_row([image.place.id], |row| row.get(0))?;
            let mut query = reader.prepare_cached(
                "SELECT path, archived FROM shown JOIN documents ON documents.id = document
                 WHERE blob = ?1 ORDER BY path LIMIT ?2",
            )?;
            let row = |row: &Row<'_>| Ok(User { document: row.get(0)?, archived: row.get(1)? });
            let users = query
                .query_map(params![image.place.id, i64::try_from(most).unwrap_or(i64::MAX)], row)?
                .collect::<rusqlite::Result<_>>()?;
            Ok((users, count))
        };
        collect().map_err(|source| self.sqlite(source))
    }

    /// By host, those with the most images first. Looks at every image: not for each request.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn host_sums(&self) -> Result<Vec<HostSums>, Error> {
        let mut hosts: Vec<HostSums> = self.query(
            &format!(
                "SELECT name, coalesce(images, 0), coalesce(rescued, 0), coalesce(failing, 0) FROM origin_hosts
                 LEFT JOIN (SELECT host AS h1, count(*) AS images FROM shelf GROUP BY host) ON h1 = id
                 LEFT JOIN (SELECT host AS h2, count(DISTINCT blob) AS rescued FROM snapshots JOIN origins ON key = origin
                            WHERE source IN {OTHERS} GROUP BY host) ON h2 = id
                 LEFT JOIN (SELECT host AS h3, count(*) AS failing FROM failures JOIN origins ON key = origin
                            WHERE key IN (SELECT origin FROM wanted) GROUP BY host) ON h3 = id"
            ),
            |row| {
                let (host, images) = (row.get(0)?, row.get(1)?);
                Ok(HostSums { host, images, rescued: row.get(2)?, failing: row.get(3)? })
            },
        )?;
        hosts.retain(|host| host.images + host.failing > 0);
        hosts.sort_by(|a, b| b.images.cmp(&a.images).then_with(|| a.host.cmp(&b.host)));
        Ok(hosts)
    }

    /// How many images a proxy or the Wayback Machine gave in place of their own servers, and their length.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn rescued(&self) -> Result<(u64, u64), Error> {
        let rows = self.query(
            &format!(
                "SELECT count(*), coalesce(sum(bytes), 0) FROM blobs
                 WHERE id IN (SELECT blob FROM snapshots WHERE source IN {OTHERS})"
            ),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// Images by type, those with the most first. Looks at every image: not for each request.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn type_sums(&self) -> Result<Vec<(String, u64)>, Error> {
        self.query(
            &format!(
                "SELECT type, count(*) AS images FROM shelf WHERE host = {ALL} GROUP BY type ORDER BY images DESC"
            ),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    /// Images that documents want and nobody gave, by reason, the most frequent first.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn reason_sums(&self) -> Result<Vec<ReasonSum>, Error> {
        self.query(
            "SELECT reason, count(*) AS images FROM failures WHERE origin IN (SELECT origin FROM wanted)
             GROUP BY reason ORDER BY images DESC, reason",
            |row| Ok(ReasonSum { reason: row.get(0)?, images: row.get(1)? }),
        )
    }

    /// Failures of one reason that documents want an image for, from behind `after` on, the newest first.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn failures_of(
        &self,
        reason: &str,
        after: Option<FailurePlace>,
        most: usize,
    ) -> Result<Vec<(FailurePlace, Failure)>, Error> {
        let after = after.unwrap_or(FailurePlace { at: i64::MAX, key: [0; 16] });
        let rows = {
            let reader = self.reader();
            let collect = || -> rusqlite::Result<Vec<_>> {
                // The key goes the other way round than the time: it only has to be the same each time.
                let mut query = reader.prepare_cached(
                    "SELECT url, at, detail, attempts, failures.origin FROM failures JOIN origins ON key = failures.origin
                     WHERE reason = ?1 AND (at < ?2 OR at = ?2 AND failures.origin > ?3)
                       AND EXISTS (SELECT 1 FROM wanted WHERE wanted.origin = failures.origin)
                     ORDER BY at DESC, failures.origin LIMIT ?4",
                )?;
                let most = i64::try_from(most).unwrap_or(i64::MAX);
                let row = |row: &Row<'_>| {
                    let failure = Failure {
                        origin: row.get(0)?,
                        at: row.get(1)?,
                        reason: reason.to_owned(),
                        detail: row.get(2)?,
                        attempts: Vec::new(),
                    };
                    let place = FailurePlace { at: failure.at, key: row.get(4)? };
                    Ok((place, failure, row.get::<_, String>(3)?))
                };
                query.query_map(params![reason, after.at, after.key, most], row)?.collect()
            };
            collect().map_err(|source| self.sqlite(source))?
        };
        let whole = |(place, failure, json): (FailurePlace, Failure, String)| {
            Ok((place, Failure { attempts: self.attempts(&failure.origin, &json)?, ..failure }))
        };
        rows.into_iter().map(whole).collect()
    }

    /// Documents that hold references, behind `after` in order of path; `most` at most.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn documents_after(&self, after: &[u8], most: usize) -> Result<Vec<DocumentRow>, Error> {
        let reader = self.reader();
        let collect = || -> rusqlite::Result<Vec<DocumentRow>> {
            let mut query = reader.prepare_cached(
                "SELECT path, found, proxied, archived, failed, skipped FROM documents
                 WHERE path > ?1 AND (found > 0 OR id IN (SELECT document FROM rewrites)) ORDER BY path LIMIT ?2",
            )?;
            query.query_map(params![after, i64::try_from(most).unwrap_or(i64::MAX)], document)?.collect()
        };
        collect().map_err(|source| self.sqlite(source))
    }

    /// What is known of one document.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn document(&self, name: &[u8]) -> Result<Option<DocumentRow>, Error> {
        let reader = self.reader();
        let look_up = || {
            let mut query = reader.prepare_cached(
                "SELECT path, found, proxied, archived, failed, skipped FROM documents WHERE path = ?1",
            )?;
            query.query_row([name], document).optional()
        };
        look_up().map_err(|source| self.sqlite(source))
    }

    /// Origins that a document wants and nobody gave, in order, and why, where somebody was asked.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn wanted_in(&self, document: &[u8]) -> Result<Vec<(String, Option<String>)>, Error> {
        let reader = self.reader();
        let collect = || -> rusqlite::Result<Vec<(String, Option<String>)>> {
            let mut query = reader.prepare_cached(
                "SELECT url, reason FROM wanted JOIN documents ON documents.id = document
                 JOIN origins ON key = wanted.origin LEFT JOIN failures ON failures.origin = wanted.origin
                 WHERE path = ?1 ORDER BY url",
            )?;
            query.query_map([document], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        collect().map_err(|source| self.sqlite(source))
    }

    /// The run of that name, if the catalog has heard of it.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn run(&self, name: &str) -> Result<Option<RunRow>, Error> {
        let reader = self.reader();
        let look_up = || {
            let mut query =
                reader.prepare_cached("SELECT name, command, started FROM runs WHERE name = ?1")?;
            let row =
                |row: &Row<'_>| Ok(RunRow { name: row.get(0)?, command: row.get(1)?, started: row.get(2)? });
            query.query_row([name], row).optional()
        };
        look_up().map_err(|source| self.sqlite(source))
    }

    /// The last runs, the newest first; `most` at most.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn last_runs(&self, most: usize) -> Result<Vec<RunRow>, Error> {
        self.query(&format!("SELECT name, command, started FROM runs ORDER BY id DESC LIMIT {most}"), |row| {
            Ok(RunRow { name: row.get(0)?, command: row.get(1)?, started: row.get(2)? })
        })
    }

    /// Whether a document wants the image of `origin` and nobody gave it.
    ///
    /// # Errors
    /// What SQLite says, or [`Error::Damaged`].
    pub fn is_missing(&self, origin: OriginKey) -> Result<bool, Error> {
        Ok(self.failure(origin)?.is_some() && !self.wanted_by(origin)?.is_empty())
    }

    /// `origin_hosts.id`; `None` if nothing is known of such a host.
    fn host_id(&self, host: Option<&str>) -> Result<Option<i64>, Error> {
        let Some(host) = host else { return Ok(Some(ALL)) };
        let reader = self.reader();
        let look_up = || {
            reader
                .prepare_cached("SELECT id FROM origin_hosts WHERE name = ?1")?
                .query_row([host], |row| row.get(0))
                .optional()
        };
        look_up().map_err(|source| self.sqlite(source))
    }

    /// Whether anything is known of a host of that name.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn knows_host(&self, host: &str) -> Result<bool, Error> {
        Ok(self.host_id(Some(host))?.is_some())
    }
}

fn types(filter: &Filter) -> Vec<MediaType> {
    filter.media_type.map_or_else(|| MediaType::ALL.to_vec(), |media_type| vec![media_type])
}

/// Digest, extension, length, width, height, place.
type TileRow = ([u8; 32], String, u64, Option<u32>, Option<u32>, Place);

fn tile(row: &Row<'_>) -> rusqlite::Result<TileRow> {
    let place = Place { kept: row.get(5)?, id: row.get(6)? };
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, place))
}

/// Path, found, proxied, archived, failed, skipped.
pub(super) fn document(row: &Row<'_>) -> rusqlite::Result<DocumentRow> {
    let counts = Counts {
        found: row.get(1)?,
        proxied: row.get(2)?,
        archived: row.get(3)?,
        failed: row.get(4)?,
        skipped: row.get(5)?,
    };
    Ok(DocumentRow { document: row.get(0)?, counts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Run;
    use crate::catalog::row::{Batch, KeptLink, Placeholder, Rewrite, Snapshot};

    /// A catalog, and the folder that goes with it.
    fn catalog() -> (tempfile::TempDir, Catalog) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("catalog.db").display());
        let catalog = Catalog::open(&url, &folder.path().join("journal")).unwrap();
        (folder, catalog)
    }

    fn snapshot(url: &str, taken: i64, text: &str, extension: &str, source: &str) -> Snapshot {
        Snapshot {
            origin: url.to_owned(),
            taken,
            digest: Digest::of(text.as_bytes()),
            extension: extension.to_owned(),
            bytes: 9,
            width: None,
            height: None,
            source: source.to_owned(),
            url: None,
            etag: None,
            last_modified: None,
            attempts: Vec::new(),
        }
    }

    fn kept(catalog: &Catalog, filter: &Filter) -> Vec<i64> {
        catalog.tiles(filter, Page::First, 99).unwrap().iter().map(|tile| tile.kept).collect()
    }

    #[test]
    fn pages_merge_the_types_and_go_both_ways() {
        let (_folder, catalog) = catalog();
        let kinds = ["png", "gif", "jpg"];
        // Two of each millisecond.
        let image = |n: i64| {
            let kind = kinds[usize::try_from(n).unwrap() % 3];
            snapshot(&format!("http://a.example/{n}"), 1 + n / 2, &n.to_string(), kind, "origin")
        };
        let snapshots = (0..10).map(image).collect();
        catalog.record(&Run::start("archive"), &Batch { snapshots, ..Batch::default() }).unwrap();
        let all = catalog.tiles(&Filter::default(), Page::First, 99).unwrap();
        assert_eq!(all.len(), 10);
        assert!(all.is_sorted_by(|a, b| a.place > b.place));
        let mut page = Page::First;
        let mut walked = Vec::new();
        loop {
            let tiles = catalog.tiles(&Filter::default(), page, 3).unwrap();
            let Some(last) = tiles.last() else { break };
            page = Page::Older(last.place);
            walked.extend(tiles);
        }
        assert_eq!(walked, all);
        let newer = catalog.tiles(&Filter::default(), Page::Newer(all[7].place), 3).unwrap();
        assert_eq!(newer, all[4..7]);
        let some = Filter { since: Some(2), until: Some(4), ..Filter::default() };
        assert_eq!(kept(&catalog, &some), [3, 3, 2, 2]);
        assert_eq!((catalog.count_tiles(&some, 99).unwrap(), catalog.count_tiles(&some, 3).unwrap()), (4, 3));
        let outside = catalog.tiles(&some, Page::Older(all[0].place), 99).unwrap();
        assert_eq!(outside.len(), 4, "what lies before the last day is not shown on a later page either");
        let gifs = Filter { media_type: Some(MediaType::Gif), ..Filter::default() };
        assert_eq!(kept(&catalog, &gifs), [4, 3, 1]);
    }

    #[test]
    fn a_host_has_what_it_gave_and_no_more_once_that_was_a_placeholder() {
        let (_folder, catalog) = catalog();
        let snapshots = vec![
            snapshot("http://a.example/1", 1, "banner", "png", "origin"),
            snapshot("https://b.example/1", 2, "banner", "png", "proxy"),
            snapshot("http://a.example/2", 3, "genuine", "png", "wayback"),
        ];
        let run = Run::start("archive");
        catalog.record(&run, &Batch { snapshots, ..Batch::default() }).unwrap();
        let of = |host: &str| kept(&catalog, &Filter { host: Some(host.to_owned()), ..Filter::default() });
        assert_eq!((of("a.example"), of("b.example"), of("c.example")), (vec![3, 1], vec![1], vec![]));
        assert_eq!(catalog.rescued().unwrap(), (2, 18));
        let sums = catalog.host_sums().unwrap();
        let sums: Vec<_> = sums.iter().map(|sum| (sum.host.as_str(), sum.images, sum.rescued)).collect();
        assert_eq!(sums, [("a.example", 2, 1), ("b.example", 1, 1)]);

        let found = |origin: &str, host: &str| Placeholder {
            digest: Digest::of(b"banner"),
            host: host.to_owned(),
            at: 9,
            origins: vec![origin.to_owned()],
        };
        let forget = |placeholder| Batch { placeholders: vec![placeholder], ..Batch::default() };
        catalog.record(&run, &forget(found("http://a.example/1", "a.example"))).unwrap();
        assert_eq!((of("a.example"), of("b.example")), (vec![3], vec![1]));
        assert_eq!(kept(&catalog, &Filter::default()), [3, 1]);
        catalog.record(&run, &forget(found("https://b.example/1", "b.example"))).unwrap();
        assert_eq!((of("b.example"), kept(&catalog, &Filter::default())), (vec![], vec![3]));
        assert_eq!(catalog.type_sums().unwrap(), [("png".to_owned(), 1)]);
    }

    #[test]
    fn documents_use_what_their_newest_record_links_to() {
        let (_folder, catalog) = catalog();
        let run = Run::start("archive");
        let rewrite = |texts: &[&str], version: &[u8]| Rewrite {
            document: b"../posts/\xff.md".to_vec(),
            before: Digest::of(b"before"),
            after: Digest::of(version),
            mtime: 0,
            links: texts
                .iter()
                .enumerate()
                .map(|(at, text)| KeptLink {
                    start: at * 9,
                    len: 5,
                    blob: BlobName { digest: Digest::of(text.as_bytes()), media_type: MediaType::Png },
                    original: b"x".to_vec(),
                    run: run.name.clone(),
                })
                .collect(),
        };
        let snapshots =
            ["a", "b"].map(|text| snapshot(&format!("http://a.example/{text}"), 1, text, "png", "origin"));
        let rewrites = vec![rewrite(&["a", "a"], b"1"), rewrite(&["b"], b"2")];
        catalog.record(&run, &Batch { snapshots: snapshots.into(), rewrites, ..Batch::default() }).unwrap();
        let users = |text: &str| {
            let image = catalog.image(Digest::of(text.as_bytes())).unwrap().unwrap();
            catalog.users(&image, 9).unwrap()
        };
        assert_eq!(users("a"), (Vec::new(), 0));
        let user = User { document: b"../posts/\xff.md".to_vec(), archived: 0 };
        assert_eq!(users("b"), (vec![user], 1));
        let of_document = Filter { document: Some(b"../posts/\xff.md".to_vec()), ..Filter::default() };
        assert_eq!(catalog.tiles(&of_document, Page::First, 9).unwrap().len(), 1);
    }
}
