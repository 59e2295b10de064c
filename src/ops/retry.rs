//! Which documents want an image whose time has come again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::catalog::OriginKey;
use crate::ladder::hosts::Hosts;
use crate::ladder::schedule::{Due, Policy};
use crate::ops::{Archive, status};
use crate::origin::OriginUrl;

/// Failures that are looked at at a time.
const AT_A_TIME: usize = 500;

/// Images that nobody gave, as far as they are asked for again.
#[derive(Debug, Default)]
pub struct Wanted {
    /// When the first of those is asked for again whose time has not come, in milliseconds since 1970.
    pub next: Option<i64>,
    /// The images whose time has come.
    pub due: Vec<OriginKey>,
    /// The documents that want them.
    pub documents: BTreeSet<PathBuf>,
}

/// Looks through the failures as they are at `now`, in milliseconds since 1970. Only documents count that are `inside`,
/// and no image is due `not_before` that time.
///
/// # Errors
/// When the catalog fails.
pub fn wanted(
    archive: &Archive,
    policy: Policy<'_>,
    now: i64,
    inside: &dyn Fn(&Path) -> bool,
    not_before: &dyn Fn(OriginKey) -> i64,
) -> Result<Wanted> {
    let catalog = &archive.catalog;
    let hosts = Hosts::new(catalog.known_hosts()?);
    let mut wanted = Wanted::default();
    let mut last = None;
    loop {
        let failures = catalog.failures_after(last, AT_A_TIME)?;
        let Some(failure) = failures.last() else { return Ok(wanted) };
        last = Some(OriginKey::of_url(&failure.origin));
        for failure in failures {
            let Ok(origin) = OriginUrl::parse(&failure.origin) else { continue };
            let key = OriginKey::of(&origin);
            let at = match status::due(&failure, &hosts, policy, now) {
                None | Some(Due::Settings { .. }) => continue,
                Some(Due::NextRun) => now,
                Some(Due::At { at }) => at,
            };
            let at = at.max(not_before(key));
            let documents = catalog.wanted_by(key)?.into_iter().map(|name| archive.path_of(&name));
            let mut documents = documents.filter(|path| inside(path)).peekable();
            if documents.peek().is_none() {
                continue;
            }
            if at > now {
                wanted.next = Some(wanted.next.map_or(at, |next| next.min(at)));
            } else {
                let mut there = documents.filter(|path| path.exists()).peekable();
                wanted.due.extend(there.peek().map(|_| key));
                wanted.documents.extend(there);
            }
        }
    }
}
