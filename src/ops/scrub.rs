//! Reads a slice of the store again, slowly, and says what is not as it was.
//!
//! A cursor goes round the digests, so that every blob has its turn in so many days. Reading rests as long as it works,
//! and never reads more than a slow disk could spare: who is served meanwhile should not notice.

use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::digest::Digest;
use crate::ops::Archive;
use crate::ops::verify::{self, Finding};

/// Bytes that are read in a second, at the most.
const PACE: u64 = 16 << 20;
/// Blobs that are asked for at a time.
const AT_A_TIME: u64 = 500;

/// Which part of the store.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// The last blob that was read before; `None` starts with the first.
    pub after: Option<Digest>,
    /// So many days' share …
    pub days: u64,
    /// … of so many days in which all is read.
    pub of_days: u64,
}

/// What was read and what was found.
#[derive(Debug, Default)]
pub struct Report {
    /// What is not as it was.
    pub found: verify::Report,
    /// Length of what was read.
    pub bytes: u64,
    /// The last blob that was read; `None` once the end was reached.
    pub reached: Option<Digest>,
}

/// Reads until the slice is done, or until `stopped`.
///
/// # Errors
/// When the catalog fails. What is wrong with a blob is in the report.
pub fn scrub(archive: &Archive, slice: &Slice, stopped: &dyn Fn() -> bool) -> Result<Report> {
    let share = archive.catalog.count_blobs()?.saturating_mul(slice.days).div_ceil(slice.of_days.max(1));
    let mut report = Report { reached: slice.after, ..Report::default() };
    while report.found.blobs < share {
        let most = (share - report.found.blobs).min(AT_A_TIME);
        let blobs = archive.catalog.blobs_after(report.reached, most)?;
        if blobs.is_empty() {
            report.reached = None;
            return Ok(report);
        }
        for blob in blobs {
            if stopped() {
                return Ok(report);
            }
            let started = Instant::now();
            let bytes = archive.store.path(blob).metadata().map_or(0, |found| found.len());
            // One that was removed meanwhile is not missing.
            let finding = match verify::check(archive, blob, None) {
                Some(Finding::Missing { .. }) if !archive.catalog.has(blob.digest)? => None,
                finding => finding,
            };
            report.found.findings.extend(finding);
            report.found.blobs += 1;
            report.bytes += bytes;
            report.reached = Some(blob.digest);
            rest(started.elapsed(), bytes, stopped);
        }
    }
    Ok(report)
}

/// Leaves the disk to others for a while.
fn rest(worked: Duration, bytes: u64, stopped: &dyn Fn() -> bool) {
    let until = Instant::now() + worked.max(Duration::from_micros(bytes.saturating_mul(1_000_000) / PACE));
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|_| !stopped()) {
        sleep(left.min(Duration::from_millis(200)));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found: verify::Report { blobs, findings, .. }, bytes, .. } = self;
        write!(f, "{blobs} images read again, {bytes} bytes")?;
        match findings.len() {
            0 => write!(f, ": all are as they were"),
            bad => write!(f, ": {bad} not as they were"),
        }
    }
}
