//! `archive` for one document that has no file: it comes in as bytes and goes out as bytes. Its images are
//! kept like any other's; there is no way back but the bytes the caller has. What it is pointed at is noted, for nobody
//! knows where it goes: those images stay.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::blob::BlobName;
use crate::catalog::row::Batch;
use crate::catalog::{OriginKey, Run};
use crate::crawl::Entry;
use crate::fetch::Fetcher;
use crate::ops::archive::{self, Options, Progress, Report};
use crate::ops::{Archive, BASE_ELSEWHERE, Reader};
use crate::rewrite;

/// Keeps the images of `bytes` and points them at the copies, as seen from `folder`.
///
/// # Errors
/// As [`archive::archive`].
pub async fn archive(
    reader: Arc<Reader>,
    archive: Arc<Archive>,
    fetcher: Arc<Fetcher>,
    bytes: Vec<u8>,
    folder: &Path,
    options: Options,
    progress: Arc<Progress>,
) -> Result<(Vec<u8>, Report)> {
    let known = |blob: BlobName| archive.catalog.knows(blob.digest).unwrap_or(false);
    let resolved = match reader.resolve(&Entry::unnamed(), &bytes, &known) {
        Ok(resolved) => resolved,
        Err(skip) => {
            let mut report = Report::looked_at(1);
            report.refuse_unread(&skip);
            return Ok((bytes, report));
        }
    };
    let folder = match options.link.folder(folder, &resolved.base) {
        Some(folder) => folder,
        None if resolved.remote.iter().all(|remote| !remote.wanted) => Cow::Borrowed(folder),
        None => bail!("{BASE_ELSEWHERE}"),
    };
    let report = archive::archive_resolved(
        Arc::clone(&reader),
        Arc::clone(&archive),
        fetcher,
        resolved,
        options.clone(),
        progress,
    )
    .await?;
    if !options.rewrite {
        return Ok((bytes, report));
    }
    // From here on nobody takes a blob away, and then it is noted that this document has it.
    let _hold = archive.store.hold()?;
    let known = |blob: BlobName| archive.catalog.knows(blob.digest).unwrap_or(false);
    let resolved = reader.resolve(&Entry::unnamed(), &bytes, &known)?;
    let linked = resolved.kept.iter().map(|link| link.blob).filter(|blob| archive.store.contains(*blob));
    let mut given_out: HashSet<BlobName> = linked.collect();
    let images = archive.store.images();
    let mut answers = Vec::new();
    for remote in resolved.remote.into_iter().filter(|remote| remote.wanted) {
        let kept = archive.catalog.kept(OriginKey::of(&remote.origin))?;
        if let Some(blob) = kept.filter(|blob| archive.store.contains(*blob)) {
            let link = options.link.link(&folder, &images, blob, remote.url());
            answers.push((remote.reference, blob, link));
            given_out.insert(blob);
        }
    }
    let before = archive.catalog.given_out()?;
    let given_out = given_out.into_iter().filter(|blob| !before.contains(&blob.digest)).collect();
    archive.catalog.record(&Run::start("archive"), &Batch { given_out, ..Batch::default() })?;
    Ok((rewrite::plan(&bytes, &[], Vec::new(), answers, "").after, report))
}
