//! Asks whether what is kept is the newest: one conditional request for each origin that the documents use
//! (RFC 9110, section 13). What changed becomes a new snapshot; the old bytes stay.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::blob::BlobName;
use crate::catalog::row::{Failure, Snapshot};
use crate::catalog::{KnownDocuments, OriginKey};
use crate::crawl::Entry;
use crate::digest::Digest;
use crate::fetch::Validators;
use crate::ladder::{self, Hints, Kind};
use crate::media::MediaType;
use crate::ops::archive::climb::{Climb, Fate};
use crate::ops::archive::download::{Got, Job, Wanted};
use crate::ops::archive::keep::{self, Batch};
use crate::ops::archive::{Report, Shared};
use crate::ops::kept::kept;
use crate::ops::{Document, alias};
use crate::origin::OriginUrl;

/// Origins that are asked, or wait to be, at a time.
const WINDOW: usize = 2_000;

/// What became of the images that were kept before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Updates {
    /// Origins that were asked for.
    pub checked: u64,
    /// Of these, the ones that give what is kept.
    pub unchanged: u64,
    /// Those that give another image now, which is kept too.
    pub changed: u64,
    /// Those that gave no image, for good or for today, whose copies stay.
    pub gone: u64,
    /// Links that were pointed at newer copies.
    pub followed: u64,
    /// What those said that are gone.
    pub failures: Vec<Failure>,
}

/// Which origins were asked for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) origins: Vec<OriginKey>,
    changed: Vec<(OriginKey, Digest)>,
}

/// The documents of a run as they were before it.
pub(super) struct Before {
    pub(super) entries: Vec<Entry>,
    /// What the catalog says of them.
    pub(super) known: KnownDocuments,
}

/// Asks for every origin whose kept image one of the documents uses.
pub(super) async fn update(shared: &Arc<Shared>, before: Arc<Before>, report: &mut Report) -> Result<Asked> {
    let gathering = Arc::clone(shared);
    let gather = tokio::task::spawn_blocking(move || used(&gathering, &before));
    let origins = gather.await.context("the reading thread stopped")??;
    let sources = &shared.options.ladder.sources;
    let sources = sources.iter().copied().filter(|kind| *kind == Kind::Origin).collect();
    let mut updating = Updating {
        climb: Climb::new(Arc::clone(shared))?,
        ladder: ladder::Options { sources, ..shared.options.ladder.clone() },
        shared: Arc::clone(shared),
        batch: Batch::default(),
        changed: Vec::new(),
        updates: Updates::default(),
        report,
    };
    updating.run(&origins).await?;
    let Updating { updates, changed, report, .. } = updating;
    report.updates = Some(updates);
    Ok(Asked { origins, changed })
}

/// Takes back what counts as a change and was found out to be a placeholder since.
pub(super) fn settle(shared: &Shared, asked: &Asked, report: &mut Report) -> Result<()> {
    let Some(updates) = &mut report.updates else { return Ok(()) };
    for (key, digest) in &asked.changed {
        if shared.archive.catalog.kept(*key)?.is_none_or(|blob| blob.digest != *digest) {
            updates.changed -= 1;
            updates.gone += 1;
        }
    }
    Ok(())
}

/// The origins of the images that the documents use, each once, in the order of the documents.
fn used(shared: &Shared, before: &Before) -> Result<Vec<OriginKey>> {
    let families = &shared.reader.resolver.families;
    let (mut seen, mut order) = (HashSet::new(), Vec::new());
    for entry in &before.entries {
        let uses = uses(shared, entry, &before.known)?;
        for (blob, original) in uses.kept {
            let of = alias::origins(families, &shared.archive, blob.digest, original.as_deref())?;
            order.extend(of.into_iter().filter(|key| seen.insert(*key)));
        }
        order.extend(uses.remote.into_iter().filter(|key| seen.insert(*key)));
    }
    Ok(order)
}

/// The images that a document uses.
#[derive(Default)]
pub(super) struct Uses {
    /// What its kept links point at, and what stood there before, if that is known.
    pub(super) kept: Vec<(BlobName, Option<Vec<u8>>)>,
    /// What it still has from elsewhere, be it kept or not.
    remote: Vec<OriginKey>,
}

/// What a document uses: as its newest record says if nobody changed it since, else as it is read.
pub(super) fn uses(shared: &Shared, entry: &Entry, known: &KnownDocuments) -> Result<Uses> {
    let catalog = &shared.archive.catalog;
    let name = shared.archive.name(entry);
    if let Some(seen) = known.unchanged(&name, entry.stat.identity()) {
        if seen.counts.archived == 0 {
            return Ok(Uses::default());
        }
        if let Some(newest) = catalog.rewrites(&name)?.into_iter().next() {
            let kept = newest.links.into_iter().map(|link| (link.blob, Some(link.original)));
            return Ok(Uses { kept: kept.collect(), ..Uses::default() });
        }
    }
    let is_ours = |blob: BlobName| catalog.knows(blob.digest).unwrap_or(false);
    // Why a document is left alone is told by the run over all of them.
    let Ok(Document { bytes, resolved }) = shared.reader.read(entry, &is_ours) else {
        return Ok(Uses::default());
    };
    let kept = kept(catalog, &name, &bytes, &resolved.kept)?.standing.into_iter();
    let remote = resolved.remote.iter().filter(|remote| remote.wanted);
    Ok(Uses {
        kept: kept.map(|link| (link.blob, link.original.map(|original| original.bytes))).collect(),
        remote: remote.map(|remote| OriginKey::of(&remote.origin)).collect(),
    })
}

struct Updating<'a> {
    shared: Arc<Shared>,
    climb: Climb,
    /// Origins only: others cannot tell whether it changed.
    ladder: ladder::Options,
    batch: Batch,
    changed: Vec<(OriginKey, Digest)>,
    updates: Updates,
    report: &'a mut Report,
}

impl Updating<'_> {
    async fn run(&mut self, origins: &[OriginKey]) -> Result<()> {
        let mut origins = origins.iter();
        let stop = self.shared.stop();
        let mut stop = std::pin::pin!(stop.asked());
        loop {
            while self.climb.len() < WINDOW
                && let Some(key) = origins.next()
            {
                self.ask(*key)?;
            }
            tokio::select! {
                fate = self.climb.next() => match fate {
                    Some(fate) => self.take(fate?)?,
                    None => break,
                },
                () = &mut stop => {
                    tracing::warn!("stopping: what is downloaded is kept first");
                    self.climb.stop().await;
                    self.report.interrupted = true;
                    break;
                },
            }
            if self.batch.is_full() {
                self.keep().await?;
            }
        }
        self.keep().await
    }

    fn ask(&mut self, key: OriginKey) -> Result<()> {
        let Some(newest) = self.shared.archive.catalog.newest(key)? else { return Ok(()) };
        let Ok(origin) = OriginUrl::parse(&newest.origin) else { return Ok(()) };
        let ladder = self.climb.asking.ladder(&self.shared, &origin, &Hints::default(), &self.ladder);
        let wanted = self.validators(&newest).map_or(Wanted::Image, Wanted::Newer);
        self.updates.checked += 1;
        self.climb.ask(Job::again(origin, ladder, wanted));
        Ok(())
    }

    /// The validators of a copy that is had. Those of somebody else's answer mean nothing to the origin.
    fn validators(&self, newest: &Snapshot) -> Option<Validators> {
        let media_type = MediaType::from_extension(&newest.extension)?;
        let blob = BlobName { digest: newest.digest, media_type };
        let (etag, last_modified) = (newest.etag.clone(), newest.last_modified.clone());
        let has_any = etag.is_some() || last_modified.is_some();
        (is_from_origin(newest) && has_any && self.shared.archive.store.contains(blob))
            .then_some(Validators { etag, last_modified })
    }

    fn take(&mut self, fate: Fate) -> Result<()> {
        match fate {
            Fate::Unchanged(_) => self.updates.unchanged += 1,
            Fate::Nobody(job) => {
                self.updates.gone += 1;
                self.updates.failures.push(job.failure().0);
            }
            Fate::Got(job, got) => {
                self.report.downloaded(got.draft.bytes());
                let newest = self.shared.archive.catalog.newest(job.key)?;
                match newest.filter(|newest| newest.digest == got.draft.digest()) {
                    Some(newest) => self.same(&job, &newest, *got),
                    None => {
                        self.updates.changed += 1;
                        self.changed.push((job.key, got.draft.digest()));
                        self.batch.got(&job, *got);
                    }
                }
            }
        }
        Ok(())
    }

    /// The bytes are those that are kept: only where they came from and their validators may be news.
    fn same(&mut self, job: &Job, newest: &Snapshot, got: Got) {
        self.updates.unchanged += 1;
        let Got { etag, last_modified, .. } = &got;
        let is_known = newest.etag == *etag && newest.last_modified == *last_modified;
        if is_known && is_from_origin(newest) {
            self.report.images.deduplicated += 1;
        } else {
            self.batch.got(job, got);
        }
    }

    async fn keep(&mut self) -> Result<()> {
        let mut batch = std::mem::take(&mut self.batch);
        batch.hosts = self.climb.asking.take_changed_hosts();
        batch.placeholders = self.climb.asking.take_news();
        let shared = Arc::clone(&self.shared);
        let kept = tokio::task::spawn_blocking(move || keep::keep(&shared, batch));
        let done = kept.await.context("the keeping thread stopped")??;
        self.report.kept(&done.counts);
        Ok(())
    }
}

fn is_from_origin(snapshot: &Snapshot) -> bool {
    snapshot.source.parse::<ladder::Source>().is_ok_and(|source| source.kind() == Kind::Origin)
}
