//! Connections to the database, as this program has them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rustix::fs::{Access, access};

use crate::catalog::Error;

/// `PRAGMA application_id`, from version 6 on.
pub(super) const APPLICATION: i64 = 0x696d_676b;
/// By most of these tables a catalog is known that is older than that.
const TABLES: [&str; 6] = ["runs", "blobs", "origins", "snapshots", "documents", "rewrites"];
/// How long a writer waits for another process's transaction.
pub(super) const BUSY: Duration = Duration::from_secs(60);
/// Prepared statements that a connection keeps.
pub(super) const STATEMENTS: usize = 32;

pub(super) fn path_of(url: &str) -> Result<PathBuf, Error> {
    let path = url.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
    let path = path.filter(|path| !path.is_empty()).map(PathBuf::from);
    path.ok_or_else(|| Error::Url { url: url.to_owned() })
}

/// SQLite makes the files beside a database like the database: one that could not be written for a while leaves such that
/// cannot be written for ever.
fn make_writable(path: &Path) {
    let may_write = |path: &Path| access(path, Access::WRITE_OK).is_ok();
    for end in ["-wal", "-shm"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(end);
        let beside = PathBuf::from(beside);
        if beside.is_file() && !may_write(&beside) && may_write(path) {
            let made = path.metadata().and_then(|found| fs::set_permissions(&beside, found.permissions()));
            if let Err(error) = made {
                tracing::debug!(%error, file = %beside.display(), "it stays as it is");
            }
        }
    }
}

/// # Errors
/// [`Error::Foreign`], which nothing is done to, or what SQLite says.
pub(super) fn connect(path: &Path) -> Result<Connection, Error> {
    make_writable(path);
    let open = || {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        let is_ours = is_ours(&connection)?;
        Ok((connection, is_ours))
    };
    match open() {
        Ok((connection, true)) => set_up(connection).map_err(|source| Error::of(path, source)),
        Ok((_, false)) => Err(Error::Foreign { path: path.to_owned() }),
        Err(source) => Err(Error::of(path, source)),
    }
}

/// Whether it is a catalog, or nothing yet.
fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    let application: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let known = TABLES.iter().filter(|known| tables.iter().any(|table| table == *known)).count();
    Ok(application == APPLICATION || tables.is_empty() || known * 2 > TABLES.len())
}

fn set_up(connection: Connection) -> rusqlite::Result<Connection> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    // Without it SQLite plans a cached statement anew for every key it is asked for.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}
