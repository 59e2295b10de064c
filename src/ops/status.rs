//! What is kept, per host and per document, and what is not.

use std::path::PathBuf;

use anyhow::Result;

use crate::catalog::row::{Counts, Failure, HostRow, RunRow, Totals};
use crate::ops::Archive;
use crate::ops::verify::document_path;

/// The state of the archive.
#[derive(Debug)]
pub struct Status {
    /// Everything in sums.
    pub totals: Totals,
    /// By host of the origin, the one with the most images first.
    pub hosts: Vec<HostRow>,
    /// Origins without a copy, with the last that was said of them; the newest first.
    pub failures: Vec<Failure>,
    /// Documents that hold references, where they are, in order of path.
    pub documents: Vec<(PathBuf, Counts)>,
    /// Runs that could change something, the newest first.
    pub runs: Vec<RunRow>,
}

/// Reads it from the catalog.
///
/// # Errors
/// When the catalog fails.
pub fn status(archive: &Archive) -> Result<Status> {
    let documents = archive.catalog.document_rows()?;
    Ok(Status {
        totals: archive.catalog.totals()?,
        hosts: archive.catalog.hosts()?,
        failures: archive.catalog.failures()?,
        documents: documents
            .into_iter()
            .map(|row| (document_path(archive, &row.document), row.counts))
            .collect(),
        runs: archive.catalog.runs()?,
    })
}
