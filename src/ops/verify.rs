//! Re-reads every blob and every archived document, and says what is not as it should be.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fmt;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use crate::blob::BlobName;
use crate::catalog::Run;
use crate::catalog::journal::file::Spoiled;
use crate::catalog::rebuild::Unwritten;
use crate::crawl::Entry;
use crate::media::{DecodeError, Limits};
use crate::ops::{Archive, Reader, parallel};
use crate::resolve::Link;
use crate::rewrite::link::{self, LinkStyle};

mod pixels;

use pixels::Pixels;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// The catalog knows a blob, and the store has no file of its name.
    Missing {
        /// Its name.
        blob: BlobName,
    },
    /// A blob's bytes do not have its digest.
    Corrupt {
        /// Its name.
        blob: BlobName,
    },
    /// A blob is whole, and its pixels cannot be drawn; it may have come so.
    Undrawable {
        /// Its name.
        blob: BlobName,
        /// What the decoder said.
        why: String,
    },
    /// A file in the store that the catalog does not know.
    Orphaned {
        /// The file.
        path: PathBuf,
    },
    /// A document's link leads to no blob: the store does not have it, or the link leads elsewhere.
    Dangling {
        /// The document.
        document: PathBuf,
        /// What it means to point at.
        blob: BlobName,
    },
    /// A file could not be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The catalog is not as SQLite wrote it.
    Catalog {
        /// What is wrong.
        why: String,
    },
    /// The journal lacks what the catalog holds, and could not make it again.
    Unwritten {
        /// Its folder.
        journal: PathBuf,
        /// How many copies and ways back it lacks.
        records: u64,
    },
    /// A part of the journal cannot be read.
    Spoiled {
        /// The file.
        path: PathBuf,
        /// Where the part starts.
        offset: u64,
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { blob } => write!(f, "missing   {blob}"),
            Self::Corrupt { blob } => write!(f, "corrupt   {blob}"),
            Self::Undrawable { blob, why } => write!(f, "undrawable {blob}: {why}"),
            Self::Orphaned { path } => {
                write!(f, "orphaned  {}: the catalog does not know it", path.display())
            }
            Self::Dangling { document, blob } => {
                write!(f, "dangling  {} points at {blob}", document.display())
            }
            Self::Unreadable { path, why } => write!(f, "unreadable {}: {why}", path.display()),
            Self::Catalog { why } => {
                write!(
                    f,
                    "damaged   the catalog: {why}: `imgkeep verify --repair` makes it again from the journal"
                )
            }
            Self::Unwritten { journal, records } => write!(
                f,
                "unwritten {records} records of the catalog are not in the journal `{}`: `imgkeep verify --repair` writes \
                 them down",
                journal.display()
            ),
            Self::Spoiled { path, offset, why } => {
                write!(f, "spoiled   {} from byte {offset} on: {why}", path.display())
            }
        }
    }
}

impl From<Spoiled> for Finding {
    fn from(Spoiled { path, offset, why, .. }: Spoiled) -> Self {
        Self::Spoiled { path, offset, why }
    }
}

/// What was looked at and what was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Blobs that the catalog knows.
    pub blobs: u64,
    /// Documents that hold kept links, or did, and that are still there.
    pub documents: u64,
    /// Kept links in them.
    pub links: u64,
    /// The catalog and its journal first, then blobs, orphans and documents; each in order of name.
    pub findings: Vec<Finding>,
    /// What the catalog has and its journal has not.
    pub unwritten: Unwritten,
}

/// Checks the whole archive; with `pixels`, every image is decoded too, where there is a decoder for it.
///
/// # Errors
/// When the catalog fails or the store cannot be listed. What is wrong with single files is in the report.
pub fn verify(reader: &Reader, archive: &Archive, pixels: Option<&Limits>) -> Result<Report> {
    let mut report = Report::default();
    let pixels = pixels.map(Pixels::new);
    report.findings.extend(archive.catalog.flaw()?.map(|why| Finding::Catalog { why }));
    let unwritten = archive.catalog.unwritten()?;
    if unwritten.turned > 0 {
        let why = format!("{} of its records are not as they were written", unwritten.turned);
        report.findings.push(Finding::Catalog { why });
    }
    let lost = archive.catalog.lost()?;
    // The end of a file that the catalog does not miss was never acknowledged, or stands elsewhere.
    let is_found = |part: &&Spoiled| {
        (part.was_whole || unwritten.records() > 0) && !lost.iter().any(|lost| lost.is_same(part))
    };
    let found = lost.iter().chain(unwritten.spoiled.iter().filter(is_found));
    report.findings.extend(found.cloned().map(Finding::from));
    if unwritten.records() > 0 {
        let journal = archive.store.root().join("journal");
        report.findings.push(Finding::Unwritten { journal, records: unwritten.records() });
    }
    report.unwritten = unwritten;
    let blobs = archive.catalog.blobs()?;
    report.blobs = blobs.len() as u64;
    parallel::in_order(
        &blobs,
        |blob| check(archive, *blob, pixels.as_ref()),
        |finding| {
            report.findings.extend(finding);
            ControlFlow::Continue(())
        },
    );
    let known: HashSet<BlobName> = blobs.into_iter().collect();
    for file in archive.store.list()? {
        match file {
            Ok(blob) if known.contains(&blob) => {}
            Ok(blob) => report.findings.push(Finding::Orphaned { path: archive.store.path(blob) }),
            Err(path) => report.findings.push(Finding::Orphaned { path }),
        }
    }
    let documents: Vec<PathBuf> =
        archive.catalog.archived_documents()?.into_iter().map(|name| document_path(archive, &name)).collect();
    parallel::in_order(
        &documents,
        |path| links(reader, archive, path),
        |(found, findings)| {
            report.documents += u64::from(found.is_some());
            report.links += found.unwrap_or(0);
            report.findings.extend(findings);
            ControlFlow::Continue(())
        },
    );
    settle(reader, archive, &mut report)?;
    Ok(report)
}

/// Takes out of `report` what only seemed so while another process kept or removed something: for a moment the store is
/// held alone, and what is doubtful is looked at once more.
fn settle(reader: &Reader, archive: &Archive, report: &mut Report) -> Result<()> {
    let is_doubtful = |finding: &Finding| {
        matches!(finding, Finding::Missing { .. } | Finding::Orphaned { .. } | Finding::Dangling { .. })
    };
    if !report.findings.iter().any(is_doubtful) {
        return Ok(());
    }
    let _hold = archive.store.hold_alone()?;
    let known: HashSet<BlobName> = archive.catalog.blobs()?.into_iter().collect();
    let known_files: HashSet<PathBuf> = known.iter().map(|blob| archive.store.path(*blob)).collect();
    let mut dangling: HashMap<PathBuf, Vec<Finding>> = HashMap::new();
    report.findings.retain(|finding| match finding {
        Finding::Missing { blob } => known.contains(blob) && !archive.store.contains(*blob),
        Finding::Orphaned { path } => !known_files.contains(path) && path.symlink_metadata().is_ok(),
        Finding::Dangling { document, .. } => {
            let now = dangling.entry(document.clone());
            now.or_insert_with(|| links(reader, archive, document).1).contains(finding)
        }
        Finding::Corrupt { .. }
        | Finding::Undrawable { .. }
        | Finding::Unreadable { .. }
        | Finding::Catalog { .. }
        | Finding::Unwritten { .. }
        | Finding::Spoiled { .. } => true,
    });
    Ok(())
}

/// Takes out of `report` what is well again now that the blobs of `mended` are whole.
pub(super) fn mended(reader: &Reader, archive: &Archive, mended: &HashSet<BlobName>, report: &mut Report) {
    let paths: HashSet<PathBuf> = mended.iter().map(|blob| archive.store.path(*blob)).collect();
    let mut documents: HashSet<PathBuf> = HashSet::new();
    for finding in std::mem::take(&mut report.findings) {
        match finding {
            Finding::Missing { blob } | Finding::Corrupt { blob } if mended.contains(&blob) => {}
            Finding::Unreadable { path, .. } if paths.contains(&path) => {}
            Finding::Dangling { document, blob } if mended.contains(&blob) => {
                // Perhaps the link leads elsewhere, too.
                if documents.insert(document.clone()) {
                    let (_, findings) = links(reader, archive, &document);
                    let again = |finding: &Finding| matches!(finding, Finding::Dangling { blob, .. } if mended.contains(blob));
                    report.findings.extend(findings.into_iter().filter(again));
                }
            }
            other => report.findings.push(other),
        }
    }
}

/// Writes down what the journal lacks, and takes that out of `report`.
///
/// # Errors
/// When the disk refuses.
pub(super) fn write_down(archive: &Archive, report: &mut Report) -> Result<()> {
    let unwritten = std::mem::take(&mut report.unwritten);
    if unwritten.records() > 0 || unwritten.spoiled.iter().any(|part| part.was_whole) {
        archive.catalog.write_down(&Run::start("verify"), &unwritten)?;
        let mut missed = archive.catalog.lost()?;
        if unwritten.turned > 0 {
            missed.extend(unwritten.spoiled);
        }
        let missed: Vec<Finding> = missed.into_iter().map(Finding::from).collect();
        report.findings.retain(|finding| match finding {
            Finding::Unwritten { .. } => false,
            Finding::Spoiled { .. } => missed.contains(finding),
            _ => true,
        });
    }
    Ok(())
}

/// Where the document is that the catalog calls `name`.
pub(crate) fn document_path(archive: &Archive, name: &[u8]) -> PathBuf {
    let mut path = archive.store.root().to_owned();
    for component in Path::new(OsStr::from_bytes(name)).components() {
        match component {
            std::path::Component::ParentDir => {
                path.pop();
            }
            other => path.push(other),
        }
    }
    path
}

pub(super) fn check(archive: &Archive, blob: BlobName, pixels: Option<&Pixels<'_>>) -> Option<Finding> {
    match archive.store.check(blob) {
        Ok(Some(true)) => draw(archive, blob, pixels?),
        Ok(Some(false)) => Some(Finding::Corrupt { blob }),
        Ok(None) => Some(Finding::Missing { blob }),
        Err(error) => Some(Finding::Unreadable {
            path: archive.store.path(blob),
            why: format!("{:#}", anyhow::Error::from(error)),
        }),
    }
}

fn draw(archive: &Archive, blob: BlobName, pixels: &Pixels<'_>) -> Option<Finding> {
    match pixels.draw(&archive.store.path(blob), blob)? {
        Ok(()) | Err(DecodeError::NoDecoder { .. }) => None,
        Err(error) => Some(Finding::Undrawable { blob, why: format!("{:#}", anyhow::Error::from(error)) }),
    }
}

/// How many kept links the document holds, if it is still there, and those that lead nowhere.
fn links(reader: &Reader, archive: &Archive, path: &Path) -> (Option<u64>, Vec<Finding>) {
    let Ok(entry) = Entry::at(path) else { return (None, Vec::new()) };
    let known = |blob: BlobName| archive.catalog.knows(blob.digest).unwrap_or(false);
    match reader.read(&entry, &known) {
        Ok(document) => {
            let (base, kept) = (document.resolved.base, document.resolved.kept);
            let folder = LinkStyle::Relative.folder(&entry.folder, &base);
            let images = archive.store.images();
            let astray = |link: &Link| {
                let leads = folder.as_deref().and_then(|folder| link::target(folder, &link.url));
                leads.is_some_and(|target| target != images.join(link.blob.to_string()))
            };
            let gone = kept.iter().filter(|link| !archive.store.contains(link.blob) || astray(link));
            let findings = gone.map(|link| Finding::Dangling { document: path.to_owned(), blob: link.blob });
            (Some(kept.len() as u64), findings.collect())
        }
        Err(skip) => (None, vec![Finding::Unreadable { path: path.to_owned(), why: skip.to_string() }]),
    }
}
