//! Re-reads every blob and every archived document, and says what is not as it should be.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use crate::blob::BlobName;
use crate::crawl::Entry;
use crate::digest::Digest;
use crate::files;
use crate::media::{self, DecodeError, Limits};
use crate::ops::{Archive, Reader, parallel};
use crate::resolve::Link;
use crate::rewrite::link::{self, LinkStyle};

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
    /// Blobs first, then orphans, then documents; each in order of name.
    pub findings: Vec<Finding>,
}

/// Checks the whole archive; with `pixels`, every image is decoded too, where there is a decoder for it.
///
/// # Errors
/// When the catalog fails or the store cannot be listed. What is wrong with single files is in the report.
pub fn verify(reader: &Reader, archive: &Archive, pixels: Option<&Limits>) -> Result<Report> {
    let mut report = Report::default();
    let blobs = archive.catalog.blobs()?;
    report.blobs = blobs.len() as u64;
    parallel::in_order(
        &blobs,
        |blob| check(archive, *blob, pixels),
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
        Finding::Corrupt { .. } | Finding::Undrawable { .. } | Finding::Unreadable { .. } => true,
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

pub(super) fn check(archive: &Archive, blob: BlobName, pixels: Option<&Limits>) -> Option<Finding> {
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

fn draw(archive: &Archive, blob: BlobName, limits: &Limits) -> Option<Finding> {
    let path = archive.store.path(blob);
    let (bytes, _) = files::read(&path, u64::MAX).ok()?;
    match media::decode(&bytes, blob.media_type, limits) {
        Ok(_) | Err(DecodeError::NoDecoder { .. }) => None,
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

/// Makes the catalog again from the store's journal: origins, snapshots and every document's way back.
/// Returns how many lines were read.
///
/// # Errors
/// When the journal or the store cannot be listed or the catalog not be written.
pub fn rebuild(archive: &Archive) -> Result<u64> {
    let files = archive.store.list()?.into_iter().filter_map(Result::ok);
    let stored: HashSet<Digest> = files.map(|blob| blob.digest).collect();
    Ok(archive.catalog.rebuild(|digest| stored.contains(&digest))?)
}
