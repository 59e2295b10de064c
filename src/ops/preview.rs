//! What would `archive` do? Reads the documents and the catalog, asks nobody, changes nothing.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Result;

use crate::blob::BlobName;
use crate::catalog::OriginKey;
use crate::catalog::row::Counts;
use crate::crawl::{Entry, Skip};
use crate::digest::Digest;
use crate::document::diff;
use crate::document::splice::{Edit, Patch};
use crate::ops::archive::{Options, Report};
use crate::ops::{Archive, Reader, counts, parallel};

/// What a diff shows for a link whose digest is known only after the download.
pub const STAND_IN: &str = "<digest>";

/// The same as it is written, without what would have to be escaped.
const WORD: &str = "digest";

/// What would be done.
#[derive(Debug, Default)]
pub struct Preview {
    /// What was found; nothing in it was done.
    pub report: Report,
    /// Documents that would change, if every image is to be had.
    pub documents: u64,
    /// References that would change.
    pub references: u64,
    /// Images that would be asked for.
    pub images: u64,
}

struct Looked {
    counts: Counts,
    kept: u64,
    wanted: u64,
    unknown: Vec<OriginKey>,
    diff: Vec<u8>,
}

/// Looks at every entry.
///
/// # Errors
/// When the catalog fails.
pub fn preview(
    reader: &Reader,
    archive: Option<&Archive>,
    images: &Path,
    entries: &[Entry],
    options: &Options,
) -> Result<Preview> {
    let images = match archive {
        Some(archive) => archive.store.images(),
        None => std::path::absolute(images)?,
    };
    let mut preview = Preview { report: Report::looked_at(entries.len() as u64), ..Preview::default() };
    let mut asked = HashSet::new();
    let mut failed = None;
    let look = |entry: &Entry| (entry.path.clone(), look(reader, archive, &images, entry, options));
    parallel::in_order(entries, look, |(path, looked)| {
        match looked {
            Ok(Ok(looked)) => {
                preview.report.found(&looked.counts, looked.kept);
                preview.documents += u64::from(looked.wanted > 0);
                preview.references += looked.wanted;
                preview.images += looked.unknown.into_iter().filter(|key| asked.insert(*key)).count() as u64;
                preview.report.diffs.extend((!looked.diff.is_empty()).then_some(looked.diff));
            }
            Ok(Err(skip)) => preview.report.skip(&path, &skip),
            Err(error) => failed = Some(error),
        }
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    failed.map_or(Ok(preview), Err)
}

impl Preview {
    /// Adds documents that were left alone before they were read.
    pub fn skip_all(&mut self, skipped: Vec<(std::path::PathBuf, Skip)>) {
        self.report.skip_all(skipped);
    }
}

fn look(
    reader: &Reader,
    archive: Option<&Archive>,
    images: &Path,
    entry: &Entry,
    options: &Options,
) -> Result<Result<Looked, Skip>> {
    let catalog = archive.map(|archive| &archive.catalog);
    let known = |blob: BlobName| catalog.is_some_and(|catalog| catalog.knows(blob.digest).unwrap_or(false));
    let document = match reader.read(entry, &known) {
        Ok(document) => document,
        Err(skip) => return Ok(Err(skip)),
    };
    let resolved = document.resolved;
    let mut looked = Looked {
        counts: counts(&resolved),
        kept: resolved.kept.len() as u64,
        wanted: 0,
        unknown: Vec::new(),
        diff: Vec::new(),
    };
    let folder = options.link.folder(&entry.folder, &resolved.base);
    let mut edits = Vec::new();
    for remote in resolved.remote.into_iter().filter(|remote| remote.wanted) {
        looked.wanted += u64::from(options.rewrite);
        let key = OriginKey::of(&remote.origin);
        let blob = catalog.map(|catalog| catalog.kept(key)).transpose()?.flatten();
        if blob.is_none() {
            looked.unknown.push(key);
        }
        // it would be left alone
        let Some(folder) = &folder else { continue };
        let escapes = remote.reference.escapes;
        let span = remote.reference.span;
        edits.push(match blob {
            Some(blob) => {
                let url = options.link.link(folder, images, blob, remote.url());
                Edit::of_url(&document.bytes, span, escapes, &url)
            }
            None => {
                let url = options.link.link_to(folder, images, WORD);
                let mut edit = Edit::of_url(&document.bytes, span, escapes, &url);
                let write = |text: &str| escapes.encoding().write(text.to_owned());
                let (word, stand_in) = (write(WORD), write(STAND_IN));
                let start = edit.text.len() - word.len();
                edit.text.splice(start.., stand_in);
                edit
            }
        });
    }
    if options.diffs && options.rewrite {
        let patch =
            Patch::new(Digest::of(&document.bytes), edits).expect("references of one document are disjoint");
        looked.diff = diff::unified(&entry.path.to_string_lossy(), &document.bytes, &patch);
    }
    Ok(Ok(looked))
}
