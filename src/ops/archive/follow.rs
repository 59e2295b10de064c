//! Points links at the newest copy of the image they stand for; the way back is kept.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::blob::BlobName;
use crate::crawl::Entry;
use crate::digest::Digest;
use crate::document::splice::{Edit, Patch};
use crate::ops::alias;
use crate::ops::archive::update::{Asked, Before, uses};
use crate::ops::archive::{DocumentFailure, Report, Shared};
use crate::ops::change::{self, Change, Plan, Planning};
use crate::rewrite::Standing;

/// Follows what changed in those documents that use it.
pub(super) async fn follow(
    shared: &Arc<Shared>,
    before: Arc<Before>,
    asked: Asked,
    report: &mut Report,
) -> Result<()> {
    let following = Arc::clone(shared);
    let follow = tokio::task::spawn_blocking(move || {
        let entries = behind(&following, &before, &asked)?;
        let Shared { options, reader, archive, .. } = &*following;
        let change =
            change::Options { replace: options.replace.clone(), dry_run: false, diffs: options.diffs };
        let follow = |planning: &Planning<'_>| plan(&following, planning);
        Ok::<_, anyhow::Error>(change::change(reader, archive, "follow", &entries, &change, &follow))
    });
    let followed = follow.await.context("the following thread stopped")??;
    report.changed += followed.changed;
    report.diffs.extend(followed.diffs);
    for (document, why) in followed.failed {
        report.refuse(DocumentFailure::new(&document, why));
    }
    if let Some(updates) = &mut report.updates {
        updates.followed = followed.links;
    }
    followed.broke_off.map_or(Ok(()), Err)
}

/// The documents that point at a copy of which there is a newer one.
fn behind(shared: &Shared, before: &Before, asked: &Asked) -> Result<Vec<Entry>> {
    let mut old: HashSet<Digest> = HashSet::new();
    for key in &asked.origins {
        let snapshots = shared.archive.catalog.snapshots_of(*key)?;
        old.extend(snapshots.iter().filter(|digest| Some(*digest) != snapshots.first()));
    }
    let mut behind = Vec::new();
    for entry in before.entries.iter().filter(|_| !old.is_empty()) {
        if uses(shared, entry, &before.known)?.kept.iter().any(|(blob, _)| old.contains(&blob.digest)) {
            // This run may have rewritten it since it was found.
            behind.extend(entry.again());
        }
    }
    Ok(behind)
}

fn plan(shared: &Shared, planning: &Planning<'_>) -> Result<Plan> {
    let mut edits = Vec::new();
    let mut pointed_at = Vec::new();
    let mut standing = Vec::with_capacity(planning.kept.standing.len());
    for link in &planning.kept.standing {
        let place = planning.document.resolved.kept.iter().find(|place| place.span == link.span);
        let newest = match newest(shared, link)? {
            Newest::Same => link.blob,
            Newest::Other(blob) => blob,
            Newest::Ambiguous => {
                let why = format!(
                    "`{}` is the same image of several addresses, one of which changed, and no record says which is meant",
                    link.blob
                );
                return Ok(Plan::Refused(why));
            }
        };
        match place.filter(|_| newest != link.blob) {
            Some(place) => {
                let url = place.url.replace(&link.blob.to_string(), &newest.to_string());
                edits.push(Edit::of_url(&planning.document.bytes, link.span, place.escapes, &url));
                pointed_at.push(newest);
                standing.push(Standing { blob: newest, ..link.clone() });
            }
            None => standing.push(link.clone()),
        }
    }
    let bytes = &planning.document.bytes;
    let patch = Patch::new(Digest::of(bytes), edits).expect("kept links of one document are disjoint");
    let mtime = shared.options.replace.mtime;
    let rewrite = Some(change::record(planning, &patch, &standing));
    Ok(Plan::Change(Change { patch, mtime, rewrite, pointed_at, unknown: 0 }))
}

/// What the newest copy is of the image that a link stands for.
enum Newest {
    /// The one that it points at.
    Same,
    Other(BlobName),
    /// It may stand for several images, which are not the same any more.
    Ambiguous,
}

fn newest(shared: &Shared, link: &Standing) -> Result<Newest> {
    let Shared { reader, archive, .. } = shared;
    let original = link.original.as_ref().map(|original| original.bytes.as_slice());
    let origins = alias::origins(&reader.resolver.families, archive, link.blob.digest, original)?;
    let mut newest = HashSet::new();
    for key in &origins {
        let kept = archive.catalog.kept(*key)?.filter(|blob| archive.store.contains(*blob));
        newest.insert(kept.unwrap_or(link.blob));
    }
    Ok(match newest.into_iter().collect::<Vec<_>>().as_slice() {
        [] => Newest::Same,
        [blob] if *blob == link.blob => Newest::Same,
        [blob] => Newest::Other(*blob),
        _ => Newest::Ambiguous,
    })
}
