//! What is kept, per host and per document, and what is not, and when that is asked for again.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use crate::catalog::OriginKey;
use crate::catalog::row::{Attempt, Counts, Failure, HostRow, RunRow, Totals};
use crate::ladder::hosts::{self, Hosts};
use crate::ladder::schedule::{Due, Policy};
use crate::ops::verify::document_path;
use crate::ops::{Archive, lossy};
use crate::origin::OriginUrl;

/// The state of the archive.
#[derive(Debug)]
pub struct Status {
    /// Everything in sums.
    pub totals: Totals,
    /// By host of the origin, the one with the most images first; then hosts that are only left alone.
    pub hosts: Vec<HostState>,
    /// Origins without a copy that documents want, the newest failure first.
    pub failures: Vec<Missing>,
    /// The same in sums, by reason.
    pub reasons: BTreeMap<String, Reasons>,
    /// Documents that hold references, where they are, in order of path.
    pub documents: Vec<(PathBuf, Counts)>,
    /// Runs that could change something, the newest first.
    pub runs: Vec<RunRow>,
}

/// A host, its images, and how it is asked.
#[derive(Debug, Serialize)]
pub struct HostState {
    /// Its images.
    #[serde(flatten)]
    pub row: HostRow,
    /// Why it is not asked now, and until when.
    pub left_alone: Option<LeftAlone>,
    /// The manner in which its images were had when the first rung failed: whom to ask first.
    pub manner: Option<String>,
}

/// Why a host is not asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftAlone {
    /// What it answered last, a word of the closed list.
    pub reason: String,
    /// Milliseconds since 1970.
    pub until: i64,
}

impl LeftAlone {
    /// As it is at `now`, in milliseconds since 1970.
    pub(super) fn of(hosts: &Hosts, host: &str, now: i64) -> Option<Self> {
        hosts.closed_anywhere(host, now).map(|(reason, until)| Self { reason: reason.to_string(), until })
    }
}

/// An image that nobody gave.
#[derive(Debug, Serialize)]
pub struct Missing {
    /// The last that was said of it.
    #[serde(flatten)]
    pub failure: Failure,
    /// When somebody is asked for it again.
    pub due: Option<Due>,
    /// The documents that want it, where they were.
    #[serde(serialize_with = "lossy::all")]
    pub documents: Vec<PathBuf>,
}

/// Images that nobody gave for the same reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reasons {
    /// How many there are.
    pub images: u64,
    /// When the first of them is asked for again.
    pub due: Option<Due>,
}

/// Reads it from the catalog, as it is at `now` (milliseconds since 1970). `policy` is what answers are judged by
/// today.
///
/// # Errors
/// When the catalog fails.
pub fn status(archive: &Archive, policy: Policy<'_>, now: i64) -> Result<Status> {
    let catalog = &archive.catalog;
    let known = catalog.known_hosts()?;
    let mut rows = catalog.hosts()?;
    let listed: HashSet<&str> = rows.iter().map(|row| row.host.as_str()).collect();
    let others = known.keys().map(|name| hosts::host_of(name)).filter(|host| !listed.contains(host));
    let mut others: Vec<String> = others.map(str::to_owned).collect();
    others.sort_unstable();
    others.dedup();
    rows.extend(others.into_iter().map(|host| HostRow { host, kept: 0, failing: 0, bytes: 0 }));
    let known = Hosts::new(known);
    let failures = missing(archive, &known, policy, now)?;
    let mut reasons: BTreeMap<String, Reasons> = BTreeMap::new();
    for missing in &failures {
        let sum = reasons.entry(missing.failure.reason.clone()).or_default();
        sum.images += 1;
        sum.due = sum.due.into_iter().chain(missing.due).min();
    }
    let hosts = rows.into_iter().map(|row| HostState {
        left_alone: LeftAlone::of(&known, &row.host, now),
        manner: known.manner(&row.host).map(str::to_owned),
        row,
    });
    let documents = catalog.document_rows()?.into_iter();
    Ok(Status {
        totals: catalog.totals()?,
        // A proxy that answers again has nothing to tell.
        hosts: hosts
            .filter(|host| host.row.kept + host.row.failing > 0 || host.left_alone.is_some())
            .collect(),
        failures,
        reasons,
        documents: documents.map(|row| (document_path(archive, &row.document), row.counts)).collect(),
        runs: catalog.runs()?,
    })
}

fn missing(archive: &Archive, hosts: &Hosts, policy: Policy<'_>, now: i64) -> Result<Vec<Missing>> {
    let mut wanted = archive.catalog.wanted()?;
    let mut all = Vec::new();
    for failure in archive.catalog.failures()? {
        let documents = match OriginUrl::parse(&failure.origin) {
            Ok(origin) => wanted.remove(&OriginKey::of(&origin)).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let due = due(&failure, hosts, policy, now);
        let documents = documents.iter().map(|name| document_path(archive, name)).collect();
        all.push(Missing { failure, due, documents });
    }
    Ok(all)
}

/// When somebody is asked again for an image that nobody gave, as it is at `now` (milliseconds since 1970).
#[must_use]
pub fn due(failure: &Failure, hosts: &Hosts, policy: Policy<'_>, now: i64) -> Option<Due> {
    let due = |attempt: &&Attempt| {
        let due = attempt.due(policy, now);
        match hosts.closed(&attempt.place(), now) {
            Some((_, until)) => due.not_before(until),
            None => due,
        }
    };
    failure.last_attempts().iter().map(due).min()
}

/// Images that nobody gave, behind `behind` in the order of [`Catalog::failures_behind`], as it is at `now`; `most` at
/// most.
///
/// # Errors
/// When the catalog fails.
///
/// [`Catalog::failures_behind`]: crate::catalog::Catalog::failures_behind
pub fn missing_behind(
    archive: &Archive,
    policy: Policy<'_>,
    now: i64,
    (behind, reason): (&[u8], Option<&str>),
    most: u32,
) -> Result<Vec<(OriginKey, Missing)>> {
    let catalog = &archive.catalog;
    let hosts = Hosts::new(catalog.known_hosts()?);
    let found = catalog.failures_behind(behind, reason, most)?.into_iter();
    let missing = found.map(|(key, failure)| {
        let due = due(&failure, &hosts, policy, now);
        let documents = catalog.wanted_by(key)?;
        let documents = documents.iter().map(|name| document_path(archive, name)).collect();
        Ok((key, Missing { failure, due, documents }))
    });
    missing.collect()
}
