//! What is kept, per host and per document, and what is not.

use anyhow::Result;

use crate::catalog::{Failure, HostRow, RunRow, Totals};
use crate::ops::Archive;

/// The state of the archive.
#[derive(Debug)]
pub struct Status {
    /// Everything in sums.
    pub totals: Totals,
    /// By host of the origin, the one with the most images first.
    pub hosts: Vec<HostRow>,
    /// Origins without a copy, with the last that was said of them; the newest first.
    pub failures: Vec<Failure>,
    /// Runs that could change something, the newest first.
    pub runs: Vec<RunRow>,
}

/// Reads it from the catalog.
///
/// # Errors
/// When the catalog fails.
pub fn status(archive: &Archive) -> Result<Status> {
    Ok(Status {
        totals: archive.catalog.totals()?,
        hosts: archive.catalog.hosts()?,
        failures: archive.catalog.failures()?,
        runs: archive.catalog.runs()?,
    })
}
