//! What is kept, as values: rows that go in and come out.

use std::collections::HashSet;

use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

use crate::blob::BlobName;
use crate::catalog::{OriginKey, trust};
use crate::digest::Digest;
use crate::fetch::Reason;
use crate::ladder::Rung;
use crate::ladder::hosts::{self, Host};
use crate::ladder::schedule::{self, Due, Policy};
use crate::media::MediaType;

/// What an origin gave at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The image's own URL.
    pub origin: String,
    /// Milliseconds since 1970.
    pub taken: i64,
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// Extension of the media type.
    pub extension: String,
    /// Length of the bytes.
    pub bytes: u64,
    /// Pixels, where the format says.
    pub width: Option<u32>,
    /// Pixels, where the format says.
    pub height: Option<u32>,
    /// The rung of the ladder that gave the bytes.
    pub source: String,
    /// Where the bytes came from, after redirects, if not from the origin's own URL.
    pub url: Option<String>,
    /// Validator (RFC 9110, section 8.8.3).
    pub etag: Option<String>,
    /// Validator (RFC 9110, section 8.8.2).
    pub last_modified: Option<String>,
    /// Who was asked before and gave nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
}

impl Snapshot {
    /// What the store calls the bytes; `None` if their type is unknown to this program.
    #[must_use]
    pub fn blob(&self) -> Option<BlobName> {
        Some(BlobName { digest: self.digest, media_type: MediaType::from_extension(&self.extension)? })
    }

    /// One for tests: what `origin` gave itself, as if `text` were a PNG.
    #[cfg(test)]
    pub(super) fn of_png(origin: &str, taken: i64, text: &[u8]) -> Self {
        Self {
            origin: origin.to_owned(),
            taken,
            digest: Digest::of(text),
            extension: "png".to_owned(),
            bytes: text.len() as u64,
            width: None,
            height: None,
            source: "origin".to_owned(),
            url: None,
            etag: None,
            last_modified: None,
            attempts: Vec::new(),
        }
    }
}

/// One try to get an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Milliseconds since 1970.
    pub at: i64,
    /// The rung of the ladder.
    pub source: String,
    /// What was asked for.
    pub url: String,
    /// A word of the closed list.
    pub reason: String,
    /// The same for a person.
    pub detail: String,
    /// What was sent as `Referer`, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referer: Option<String>,
    /// Where redirects led.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<String>,
    /// How many runs in a row it failed, this one too.
    #[serde(default)]
    pub tries: u32,
    /// When it is made again: milliseconds since 1970. `None`: once the settings that it failed by change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
    /// Fingerprint of the settings that it failed by.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub policy: String,
}

impl Attempt {
    /// Whether it was one of `rung`.
    #[must_use]
    pub fn is_of(&self, rung: &Rung) -> bool {
        self.url == rung.url.as_str() && self.referer.as_deref() == rung.referer.as_ref().map(Url::as_str)
    }

    /// Whether the image itself turned out to be at a private address, not what it redirects to: nobody else may
    /// be told of it.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.source.starts_with("origin")
            && self.passed.is_empty()
            && self.reason.parse() == Ok(Reason::BlockedAddress)
    }

    /// Whom it asked; empty if nobody.
    #[must_use]
    pub fn host(&self) -> String {
        let url = Url::parse(&self.url).ok();
        url.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned()
    }

    /// The same with the port.
    #[must_use]
    pub fn place(&self) -> String {
        Url::parse(&self.url).ok().as_ref().map(hosts::place).unwrap_or_default()
    }

    /// When it is made again, as seen at `now` (milliseconds since 1970).
    #[must_use]
    pub fn due(&self, policy: Policy<'_>, now: i64) -> Due {
        match self.reason.parse() {
            Ok(reason) => schedule::due(reason, &self.policy, self.next, policy, now),
            Err(_) => Due::NextRun,
        }
    }
}

/// Why an origin has no copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The image's own URL.
    pub origin: String,
    /// Milliseconds since 1970.
    pub at: i64,
    /// The reason that counts: the origin's own, or that of the last rung.
    pub reason: String,
    /// The same for a person.
    pub detail: String,
    /// The last tries of each rung, in order of time.
    pub attempts: Vec<Attempt>,
}

impl Failure {
    /// The last attempt of each rung, in order of time.
    #[must_use]
    pub fn last_attempts(&self) -> Vec<&Attempt> {
        let mut seen = HashSet::new();
        let mut last: Vec<&Attempt> = self
            .attempts
            .iter()
            .rev()
            .filter(|attempt| seen.insert((attempt.url.as_str(), attempt.referer.as_deref())))
            .collect();
        last.reverse();
        last
    }
}

/// Bytes of a host that stand for images without being them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placeholder {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// The host that was asked.
    pub host: String,
    /// When they were found out, milliseconds since 1970.
    pub at: i64,
    /// The origins that they were kept for, and are no more.
    pub origins: Vec<String>,
}

/// Blobs that were removed since nothing referred to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// Milliseconds since 1970.
    pub at: i64,
    /// SHA-256 of the bytes of each that no record referred to.
    pub digests: Vec<Digest>,
    /// Of each that only records of documents referred to that are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recorded: Vec<Digest>,
}

/// A part of the journal that cannot be read, and need not be: all that it held is written down again before this.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mended {
    /// The name of the file.
    pub file: String,
    /// Where the part starts.
    pub offset: u64,
}

/// One kept link in a document, and the bytes that stood there before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLink {
    /// Offset of the link in the document that holds the kept links.
    pub start: usize,
    /// Length of the link's text.
    pub len: usize,
    /// What it points at.
    pub blob: BlobName,
    /// What stood there: the bytes, which need not be text.
    #[serde(with = "as_text")]
    pub original: Vec<u8>,
    /// Name of the run that wrote it.
    pub run: String,
}

/// A document before and after; enough to put every span back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrite {
    /// Relative to the store's folder where possible, as bytes of the path.
    #[serde(with = "as_text")]
    pub document: Vec<u8>,
    /// Digest with every span put back.
    pub before: Digest,
    /// Digest with every kept link in place.
    pub after: Digest,
    /// mtime of the document before, nanoseconds since 1970.
    pub mtime: i64,
    /// Sorted by `start`, disjoint.
    #[serde(deserialize_with = "in_order")]
    pub links: Vec<KeptLink>,
}

impl Rewrite {
    /// Tells it from one with a flipped bit.
    pub(super) fn sum(&self) -> u32 {
        let Self { document, before, after, mtime, links } = self;
        let text = |link: &KeptLink| format!("{} {} {} {}", link.start, link.len, link.blob.digest, link.run);
        let links: Vec<(String, &[u8])> = links.iter().map(|link| (text(link), &*link.original)).collect();
        let mtime = mtime.to_le_bytes();
        let head = [&**document, before.as_bytes(), after.as_bytes(), &mtime];
        trust::sum(
            head.into_iter().chain(links.iter().flat_map(|(text, original)| [text.as_bytes(), original])),
        )
    }
}

/// A document as it was last seen: enough to know that nothing is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Identity of the file.
    pub stat: [u8; 32],
    /// What the plan depended on.
    pub plan: [u8; 8],
    /// How many references there were, by what became of them.
    pub counts: Counts,
}

/// References of one document, or of a whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Remote references and kept links.
    pub found: u64,
    /// Of these, the ones behind a wrapper.
    pub proxied: u64,
    /// Kept and pointed at.
    pub archived: u64,
    /// Not to be had.
    pub failed: u64,
    /// Left alone on purpose.
    pub skipped: u64,
}

/// What one transaction records before documents are replaced.
#[derive(Debug, Default)]
pub struct Batch {
    /// New copies.
    pub snapshots: Vec<Snapshot>,
    /// Origins without a copy.
    pub failures: Vec<Failure>,
    /// Documents about to be replaced.
    pub rewrites: Vec<Rewrite>,
    /// Documents that are done, with the identity of their files.
    pub seen: Vec<(Vec<u8>, Seen)>,
    /// Documents and the origins in them that have no copy; none for one that had such.
    pub wanted: Vec<(Vec<u8>, Vec<OriginKey>)>,
    /// Hosts of which something new is known.
    pub hosts: Vec<(String, Host)>,
    /// Bytes that were found out.
    pub placeholders: Vec<Placeholder>,
    /// Blobs that a document without a file is pointed at.
    pub given_out: Vec<BlobName>,
}

impl Batch {
    /// Whether it holds what the catalog must be able to be made of again.
    #[must_use]
    pub fn is_journaled(&self) -> bool {
        !(self.snapshots.is_empty()
            && self.rewrites.is_empty()
            && self.placeholders.is_empty()
            && self.given_out.is_empty())
    }

    /// Whether there is nothing to record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.snapshots.is_empty()
            && self.failures.is_empty()
            && self.rewrites.is_empty()
            && self.seen.is_empty()
            && self.wanted.is_empty()
            && self.hosts.is_empty()
            && self.placeholders.is_empty()
            && self.given_out.is_empty()
    }
}

/// Everything in sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Kept images.
    pub images: u64,
    /// Their length.
    pub bytes: u64,
    /// Origins that have a copy.
    pub origins: u64,
    /// Origins that have none although documents want one.
    pub failures: u64,
    /// Documents that were looked at.
    pub documents: u64,
    /// References in them whose image is kept.
    pub archived: u64,
    /// References in them whose image nobody gave.
    pub failed: u64,
}

/// The origins of one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostRow {
    /// Host name or address.
    pub host: String,
    /// Origins that have a copy.
    pub kept: u64,
    /// Origins that have none although documents want one.
    pub failing: u64,
    /// Length of the copies.
    pub bytes: u64,
}

/// One document's references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRow {
    /// What the catalog calls it.
    pub document: Vec<u8>,
    /// By what became of them.
    pub counts: Counts,
}

/// A run that could change something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRow {
    /// What `restore --run` calls it.
    pub name: String,
    /// The command.
    pub command: String,
    /// Milliseconds since 1970.
    pub started: i64,
}

/// Links as every reader of a record takes them: one that says otherwise is damaged.
fn in_order<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<KeptLink>, D::Error> {
    let links = Vec::<KeptLink>::deserialize(deserializer)?;
    let mut end = 0;
    for link in &links {
        let behind = (link.start >= end).then(|| link.start.checked_add(link.len)).flatten();
        end =
            behind.ok_or_else(|| serde::de::Error::custom("kept links that overlap or are out of order"))?;
    }
    Ok(links)
}

/// Bytes as text in JSON: UTF-8 as it is, anything else as base64 after a NUL, which no UTF-8 URL or path starts with.
mod as_text {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.starts_with('\0') => serializer.serialize_str(text),
            _ => serializer.serialize_str(&format!("\0{}", BASE64_STANDARD.encode(bytes))),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.strip_prefix('\0') {
            Some(encoded) => BASE64_STANDARD.decode(encoded).map_err(serde::de::Error::custom),
            None => Ok(text.into_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_links_that_overlap_is_damaged() {
        let check = |places: &[(usize, usize)], is_whole: bool| {
            let digest = Digest::of(b"x");
            let blob = BlobName { digest, media_type: MediaType::Png };
            let link = |&(start, len): &(usize, usize)| KeptLink {
                start,
                len,
                blob,
                original: Vec::new(),
                run: "run".into(),
            };
            let links = places.iter().map(link).collect();
            let rewrite =
                Rewrite { document: b"a.md".to_vec(), before: digest, after: digest, mtime: 0, links };
            let text = serde_json::to_string(&rewrite).unwrap();
            assert_eq!(serde_json::from_str(&text).ok(), is_whole.then_some(rewrite), "{places:?}");
        };
        check(&[], true);
        check(&[(0, 3), (3, 0), (3, 4), (9, usize::MAX - 9)], true);
        check(&[(3, 4), (0, 3)], false);
        check(&[(0, 4), (3, 4)], false);
        check(&[(9, usize::MAX)], false);
    }
}
