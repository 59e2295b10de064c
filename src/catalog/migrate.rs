//! Makes the tables of a new catalog, and brings one of an older version up to this one.

use rusqlite::{Transaction, params};

use crate::catalog::connection::APPLICATION;
use crate::catalog::{OriginKey, VERSION, shelf};

/// Goes from version to version, inside the transaction that looks which it is.
pub(super) fn migrate(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found < 1 {
        transaction.execute_batch(include_str!("schema/1.sql"))?;
    }
    if found < 2 {
        transaction.execute_batch(include_str!("schema/2.sql"))?;
        key_origins_anew(transaction)?;
    }
    if found < 3 {
        transaction.execute_batch(include_str!("schema/3.sql"))?;
    }
    if found < 4 {
        transaction.execute_batch(include_str!("schema/4.sql"))?;
        shelf::fill(transaction)?;
    }
    if found < 5 {
        transaction.execute_batch(include_str!("schema/5.sql"))?;
    }
    if found < 6 {
        transaction.execute_batch(include_str!("schema/6.sql"))?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)
}

fn key_origins_anew(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let origins: Vec<([u8; 16], String)> = transaction
        .prepare("SELECT key, url FROM origins")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (old, url) in origins {
        let new = OriginKey::of_text(&url).0;
        if old == new {
            continue;
        }
        // Of two spellings with a snapshot of the same millisecond, or a failure each, one is enough.
        for (table, column) in [("snapshots", "origin"), ("failures", "origin"), ("origins", "key")] {
            transaction
                .prepare_cached(&format!("UPDATE OR REPLACE {table} SET {column} = ?1 WHERE {column} = ?2"))?
                .execute(params![new, old])?;
        }
    }
    transaction.execute_batch("DELETE FROM failures WHERE origin IN (SELECT origin FROM snapshots)")
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::catalog::Catalog;
    use crate::catalog::gallery::{Filter, Page};
    use crate::digest::Digest;

    #[test]
    fn a_catalog_of_version_1_is_brought_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(include_str!("schema/1.sql")).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        let digest = Digest::of(b"x");
        old.execute(
            "INSERT INTO blobs (digest, extension, bytes) VALUES (?1, 'png', 1)",
            [digest.as_bytes()],
        )
        .unwrap();
        let url = "http://a.example/i.png";
        let key = &Digest::of(url.as_bytes()).as_bytes()[..16].to_vec();
        old.execute("INSERT INTO origins VALUES (?1, ?2)", params![key, url]).unwrap();
        old.execute("INSERT INTO snapshots (origin, taken, blob, source) VALUES (?1, 1, 1, 'origin')", [key])
            .unwrap();
        drop(old);
        let open =
            || Catalog::open(&format!("sqlite:{}", path.display()), &folder.path().join("journal")).unwrap();
        for catalog in [open(), open()] {
            for spelling in [url, "https://a.example/i.png"] {
                let kept = catalog.kept(OriginKey::of_text(spelling)).unwrap().unwrap();
                assert_eq!(kept.digest, digest, "{spelling}");
            }
            assert_eq!(catalog.origins_of(digest).unwrap(), [url]);
            let filter = Filter { host: Some("a.example".to_owned()), ..Filter::default() };
            let tiles = catalog.tiles(&filter, Page::default(), 9).unwrap();
            assert_eq!(
                tiles.iter().map(|tile| (tile.blob.digest, tile.kept)).collect::<Vec<_>>(),
                [(digest, 1)]
            );
        }
    }
}
