//! What can go wrong with the catalog.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::catalog::VERSION;
use crate::files;

/// What can go wrong with the catalog.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL of the configuration names no SQLite file.
    #[error("`{url}` is no catalog: `sqlite:` and a path are needed")]
    Url {
        /// As configured.
        url: String,
    },
    /// Written by a later program.
    #[error(
        "the catalog `{path}` is of version {found}, and this program knows {VERSION} only: use a newer imgkeep, or, if it is \
         damaged, let `imgkeep verify --rebuild` make it again from the journal"
    )]
    Version {
        /// The database file.
        path: PathBuf,
        /// Its `user_version`.
        found: i64,
    },
    /// Written by an earlier program, and not to be changed.
    #[error(
        "the catalog `{path}` is of version {found}, and can only be read at version {VERSION}: `imgkeep status` brings it there"
    )]
    Outdated {
        /// The database file.
        path: PathBuf,
        /// Its `user_version`.
        found: i64,
    },
    /// Another program's database.
    #[error("`{path}` is no catalog but another program's database: `catalog.url` should name another file")]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// It cannot be taken out of the way.
    #[error(
        "the catalog `{path}` cannot be set aside while another process has it open: stop the daemon or the run that is at \
         work first"
    )]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// SQLite said no.
    #[error("the catalog `{path}` could not be used")]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The journal could not be written.
    #[error(transparent)]
    Files(#[from] files::Error),
    /// It does not hold what this program wrote.
    #[error(
        "the catalog `{path}` is damaged: {what}: `imgkeep verify --repair` makes it again from the journal"
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// Which row, and how.
        what: String,
        /// Whether SQLite says so of the whole file.
        is_beyond_use: bool,
    },
}

impl Error {
    /// What SQLite said of the database at `path`.
    pub(super) fn of(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match is_damage(&source) {
            true => Self::Damaged {
                path,
                what: source.to_string(),
                is_beyond_use: matches!(
                    source.sqlite_error_code(),
                    Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
                ),
            },
            false => Self::Sqlite { path, source },
        }
    }

    /// Whether it failed for want of room on the disk.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } => source.sqlite_error_code() == Some(ErrorCode::DiskFull),
            Self::Url { .. }
            | Self::Version { .. }
            | Self::Outdated { .. }
            | Self::Foreign { .. }
            | Self::InUse { .. }
            | Self::Files(_)
            | Self::Damaged { .. } => false,
        }
    }

    /// Whether it is one record that is not as it was written: others may well be.
    #[must_use]
    pub fn is_of_a_record(&self) -> bool {
        matches!(self, Self::Damaged { is_beyond_use: false, .. })
    }
}

/// Whether SQLite found something else than what this program wrote.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::InvalidColumnIndex(_)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::QueryReturnedNoRows => true,
        // Its statements are right: what they name is not there.
        rusqlite::Error::SqlInputError { .. } => true,
        other => matches!(
            other.sqlite_error_code(),
            Some(
                ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::ConstraintViolation
                    | ErrorCode::TypeMismatch
                    | ErrorCode::Unknown
            )
        ),
    }
}
