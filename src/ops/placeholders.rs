//! Which bytes were taken for placeholders, and what it takes to say that they are none.
//!
//! Reads only.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;

use crate::digest::Digest;
use crate::fetch::Reason;
use crate::ladder::placeholder::{self, Options};
use crate::ops::Archive;

/// Bytes that stand for images without being them.
#[derive(Debug, PartialEq, Eq)]
pub struct Suspect {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// The host that gave them; `None` if only the user says what they are.
    pub host: Option<String>,
    /// When they were found out: milliseconds since 1970.
    pub since: i64,
    /// Images that documents want and that nobody gave, this host giving these bytes.
    pub images: u64,
    /// One URL that gave them.
    pub example: Option<String>,
    /// Where the bytes are kept, if they are.
    pub path: Option<PathBuf>,
    /// Whether `fetch.genuine` has them: the next run asks for their images again.
    pub is_genuine: bool,
    /// Whether `fetch.placeholders` has them.
    pub is_listed: bool,
}

/// Everything that was found out, the newest first.
///
/// # Errors
/// When the catalog fails.
pub fn placeholders(archive: &Archive, options: &Options) -> Result<Vec<Suspect>> {
    let mut found = Found { options, suspects: BTreeMap::new() };
    for known in archive.catalog.placeholders()? {
        found.meet(known.digest, &known.host, known.at);
    }
    let word = Reason::Placeholder.to_string();
    for failure in archive.catalog.failures()? {
        let mut counted = Vec::new();
        for attempt in failure.last_attempts().into_iter().filter(|attempt| attempt.reason == word) {
            let Some(digest) = placeholder::of_detail(&attempt.detail) else { continue };
            let host = attempt.host();
            let suspect = found.meet(digest, &host, attempt.at);
            suspect.example.get_or_insert_with(|| attempt.url.clone());
            if !counted.contains(&(digest, host.clone())) {
                suspect.images += 1;
                counted.push((digest, host));
            }
        }
    }
    let mut suspects: Vec<Suspect> = found.suspects.into_values().collect();
    // What the user listed has a host once one was met.
    let met: Vec<Digest> =
        suspects.iter().filter(|suspect| suspect.host.is_some()).map(|suspect| suspect.digest).collect();
    suspects.retain(|suspect| suspect.host.is_some() || !met.contains(&suspect.digest));
    for suspect in &mut suspects {
        let blob = archive.catalog.blob(suspect.digest)?;
        suspect.path = blob.filter(|blob| archive.store.contains(*blob)).map(|blob| archive.store.path(blob));
    }
    suspects.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| a.digest.cmp(&b.digest)));
    Ok(suspects)
}

/// By digest and host.
struct Found<'a> {
    options: &'a Options,
    suspects: BTreeMap<(Digest, String), Suspect>,
}

impl Found<'_> {
    /// `host` gave it at `at`.
    fn meet(&mut self, digest: Digest, host: &str, at: i64) -> &mut Suspect {
        let suspect = self.suspects.entry((digest, host.to_owned())).or_insert_with(|| Suspect {
            digest,
            host: (!host.is_empty()).then(|| host.to_owned()),
            since: at,
            images: 0,
            example: None,
            path: None,
            is_genuine: self.options.genuine.contains(&digest),
            is_listed: self.options.known.contains(&digest),
        });
        suspect.since = suspect.since.min(at);
        suspect
    }
}

/// What `fetch.genuine` is to be so that `digest` counts as an image, as TOML.
#[must_use]
pub fn genuine_with(options: &Options, digest: Digest) -> String {
    let others = options.genuine.iter().filter(|other| **other != digest);
    let all: Vec<String> = others.chain([&digest]).map(|digest| format!("\"{digest}\"")).collect();
    format!("[{}]", all.join(", "))
}
