//! All that is known of one image: what hides it, what is kept of it, who is asked for it and when again.
//!
//! Reads only: nobody is asked, nothing is changed.

use std::path::{Path, PathBuf};

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

use crate::blob::BlobName;
use crate::catalog::OriginKey;
use crate::catalog::row::{Attempt, Failure, Snapshot};
use crate::crawl::Entry;
use crate::digest::Digest;
use crate::document::date;
use crate::ladder::hosts::Hosts;
use crate::ladder::schedule::{Due, Policy};
use crate::ladder::{Hints, Ladder};
use crate::ops::status::LeftAlone;
use crate::ops::verify::document_path;
use crate::ops::{Archive, Reader};
use crate::origin::proxy::{Layer, Unwrapped};

pub mod json;
mod past;
pub mod subject;

use past::Past;

/// What is known of an image.
#[derive(Debug)]
pub struct Explanation {
    /// Whether references to it are archived: not by `references.scope` or `references.exclude_hosts` otherwise.
    pub is_wanted: bool,
    /// Whether anybody but its own server may be told of it.
    pub is_public: bool,
    /// What is kept of it, the newest first.
    pub kept: Vec<Kept>,
    /// Other images whose newest or earlier copy has the same bytes.
    pub same_bytes: Vec<String>,
    /// Why nothing is kept, if somebody was asked.
    pub failure: Option<Failure>,
    /// Who is asked for it, in this order.
    pub rungs: Vec<Step>,
    /// When somebody is asked for it again; nobody is for what is kept.
    pub due: Option<Due>,
    /// Hosts of the rungs of which anything is known.
    pub hosts: Vec<KnownHost>,
    /// Documents that show it, as they are now.
    pub documents: Vec<PathBuf>,
}

/// One copy.
#[derive(Debug)]
pub struct Kept {
    /// When, whence, and who was asked before.
    pub snapshot: Snapshot,
    /// The file that should hold the bytes.
    pub path: PathBuf,
    /// Whether it is there.
    pub is_there: bool,
}

/// One rung of the ladder, or somebody who was asked and stands on no rung now.
#[derive(Debug, Serialize)]
pub struct Step {
    /// The word for it in reports.
    pub source: String,
    /// What to ask for.
    pub url: String,
    /// What to send as `Referer`.
    pub referer: Option<String>,
    /// Whether it gave the newest copy.
    pub gave: bool,
    /// The last time that it gave nothing.
    pub attempt: Option<Attempt>,
    /// Why it was not asked, and is not by itself.
    pub condition: Option<Condition>,
    /// When it is asked again, should those before it give nothing.
    pub due: Option<Due>,
}

/// Why a rung is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It is for those who are refused on the rung before (401, 403), or get a placeholder.
    Refused,
    /// A redirect led there already.
    Redirected,
    /// The origin turned out to be at a private address, which is nobody else's business.
    Private,
}

/// What is known of a host.
#[derive(Debug, Serialize)]
pub struct KnownHost {
    /// Its name.
    pub host: String,
    /// Why it is not asked now, and until when.
    pub left_alone: Option<LeftAlone>,
    /// The manner in which its images were had when the first rung failed.
    pub manner: Option<String>,
}

/// Explains the image of `subject` as it is at `now` (milliseconds since 1970). `archive` is `None` where nothing
/// was archived yet.
///
/// # Errors
/// When the catalog fails.
pub fn explain(
    reader: &Reader,
    archive: Option<&Archive>,
    policy: Policy<'_>,
    subject: &Unwrapped,
    now: i64,
) -> Result<Explanation> {
    let origin = &subject.origin;
    let key = OriginKey::of(origin);
    let mut past = Past::default();
    if let Some(archive) = archive {
        past.hosts = Hosts::new(archive.catalog.known_hosts()?);
        past.copies = archive.catalog.copies(key)?;
        past.failure = archive.catalog.failure(key)?;
    }
    let (documents, written) = match archive {
        Some(archive) => documents(reader, archive, key, &past.copies)?,
        None => (Vec::new(), Vec::new()),
    };
    let hints = past.hints(reader, subject, written);
    let manner = past.hosts.manner(origin.host());
    let ladder = Ladder::new(&origin.url(), &hints, policy.ladder, policy.fetch, manner);
    let kept: Vec<Kept> = match archive {
        Some(archive) => past.copies.iter().filter_map(|copy| kept(archive, copy)).collect(),
        None => Vec::new(),
    };
    let is_kept = kept.first().is_some_and(|copy| copy.is_there);
    let rungs = past.steps(&ladder, (!is_kept).then_some(policy), now);
    let hosts = past.known_hosts(origin.host(), &rungs, now);
    let mut same_bytes = Vec::new();
    if let (Some(archive), Some(copy)) = (archive, past.copies.first()) {
        same_bytes = archive.catalog.origins_of(copy.digest)?;
        same_bytes.retain(|other| *other != copy.origin);
    }
    Ok(Explanation {
        is_wanted: reader.rules.base().wanted.wants(origin, &subject.layers),
        is_public: ladder.is_public(),
        due: rungs.iter().filter_map(|step| step.due).min(),
        failure: past.failure,
        kept,
        same_bytes,
        rungs,
        hosts,
        documents,
    })
}

fn kept(archive: &Archive, copy: &Snapshot) -> Option<Kept> {
    let blob = copy.blob()?;
    Some(Kept {
        snapshot: copy.clone(),
        path: archive.store.path(blob),
        is_there: archive.store.contains(blob),
    })
}

/// The documents that show the image now, and what they say of it.
fn documents(
    reader: &Reader,
    archive: &Archive,
    key: OriginKey,
    copies: &[Snapshot],
) -> Result<(Vec<PathBuf>, Vec<Hints>)> {
    let digests: Vec<Digest> = copies.iter().map(|copy| copy.digest).collect();
    let mut names = archive.catalog.linking_to(&digests)?;
    names.extend(archive.catalog.wanted_by(key)?);
    names.sort_unstable();
    names.dedup();
    let (mut documents, mut hints) = (Vec::new(), Vec::new());
    for name in names {
        let path = document_path(archive, &name);
        if let Some(found) = look(reader, archive, &path, key, &digests) {
            documents.push(path);
            hints.extend(found);
        }
    }
    Ok((documents, hints))
}

/// What the document at `path` says of the image, if it shows it.
fn look(
    reader: &Reader,
    archive: &Archive,
    path: &Path,
    key: OriginKey,
    digests: &[Digest],
) -> Option<Vec<Hints>> {
    let entry = Entry::at(path).ok()?;
    let known = |blob: BlobName| archive.catalog.knows(blob.digest).unwrap_or(false);
    let document = reader.read(&entry, &known).ok()?;
    let is_kept = document.resolved.kept.iter().any(|link| digests.contains(&link.blob.digest));
    let of_image: Vec<_> =
        document.resolved.remote.iter().filter(|remote| OriginKey::of(&remote.origin) == key).collect();
    if of_image.is_empty() && !is_kept {
        return None;
    }
    let modified = || Timestamp::from_nanosecond(entry.stat.mtime_ns.into()).unwrap_or_default();
    let date = date::of(&document.bytes, &path.to_string_lossy()).unwrap_or_else(modified);
    let of_document = Hints { page: document.resolved.page.clone(), date, ..Hints::default() };
    if of_image.is_empty() {
        return Some(vec![of_document]);
    }
    let hints = of_image.into_iter().map(|remote| Hints {
        wrappers: remote.wrappers.iter().filter_map(Layer::url).collect(),
        policy: remote.policy,
        ..of_document.clone()
    });
    Some(hints.collect())
}
