//! Lists in parts, for programs that want all of it: each part begins where the one before ended (keyset paging), so
//! that what is added meanwhile neither repeats nor hides anything.

use rusqlite::{Row, params};

use crate::catalog::gallery::document;
use crate::catalog::row::{DocumentRow, Failure};
use crate::catalog::{Catalog, Error, OriginKey};

impl Catalog {
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
            query.query_map(params![behind, most], document)?.collect()
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Run;
    use crate::catalog::row::{Batch, Counts, Seen};
    use crate::origin::OriginUrl;

    fn catalog(folder: &std::path::Path) -> Catalog {
        let url = format!("sqlite:{}", folder.join("catalog.db").display());
        Catalog::open(&url, &folder.join("journal")).unwrap()
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
