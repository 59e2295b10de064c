//! Bytes that were kept for images turn out to be a placeholder: the images have no copy after all.
//!
//! Their links go back, and whoever was not asked yet is asked.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::sync::mpsc;

use crate::catalog::memory::Given;
use crate::catalog::row::{Attempt, Batch, Failure, Placeholder};
use crate::crawl::Entry;
use crate::digest::Digest;
use crate::fetch::Reason;
use crate::ladder::{placeholder, schedule};
use crate::ops::archive::asking::asked_of;
use crate::ops::archive::reading::read_in_background;
use crate::ops::archive::run::Loop;
use crate::ops::archive::{Report, Shared, now};
use crate::ops::change;
use crate::ops::restore::{Selection, restore};
use crate::ops::verify::document_path;

/// Bytes and the host that gave them; no host stands for every one.
pub(super) type Unmasked = (Digest, Option<String>);

/// What an earlier run found out without coming to its end, or the user says now: placeholders that count as
/// copies still.
pub(super) fn unfinished(shared: &Shared) -> Result<Vec<Unmasked>> {
    let options = &shared.options.ladder.placeholders;
    let found =
        shared.archive.catalog.placeholders()?.into_iter().map(|known| (known.digest, Some(known.host)));
    let told = options.known.iter().map(|digest| (*digest, None));
    let mut unfinished = Vec::new();
    for (digest, host) in found.chain(told).filter(|(digest, _)| !options.genuine.contains(digest)) {
        if !given(shared, digest, host.as_deref())?.is_empty() {
            unfinished.push((digest, host));
        }
    }
    Ok(unfinished)
}

fn given(shared: &Shared, digest: Digest, host: Option<&str>) -> Result<Vec<Given>> {
    let given = shared.archive.catalog.given(digest)?;
    let is_theirs = |given: &Given| host.is_none_or(|host| asked_of(given, host).is_some());
    Ok(given.into_iter().filter(is_theirs).collect())
}

/// Takes the copies back, and asks whoever is left for the images. What that changes is put right in `report`.
pub(super) async fn recall(shared: &Arc<Shared>, unmasked: Vec<Unmasked>, report: &mut Report) -> Result<()> {
    let digests: Vec<Digest> = unmasked.iter().map(|(digest, _)| *digest).collect();
    let taking = Arc::clone(shared);
    let taken = tokio::task::spawn_blocking(move || take_back(&taking, &unmasked, &digests));
    let (entries, links) = taken.await.context("the recalling thread stopped")??;
    if entries.is_empty() {
        return Ok(());
    }
    let (sender, receiver) = mpsc::channel(64);
    let (reader, archive) = (Arc::clone(&shared.reader), Arc::clone(&shared.archive));
    let reading = read_in_background(reader, archive, entries, sender);
    let (again, _) = Loop::new(Arc::clone(shared), Report::looked_at(0))?.run(receiver).await?;
    reading.await.context("the reading thread stopped")?;
    report.recalled(links, again);
    Ok(())
}

/// Forgets the copies and restores the links to them. Returns the documents, and how many links there were.
fn take_back(shared: &Shared, unmasked: &[Unmasked], digests: &[Digest]) -> Result<(Vec<Entry>, u64)> {
    let catalog = &shared.archive.catalog;
    let mut batch = Batch::default();
    for (digest, host) in unmasked {
        let given = given(shared, *digest, host.as_deref())?;
        batch.failures.extend(given.iter().map(|given| failure(shared, *digest, given)));
        batch.placeholders.push(Placeholder {
            digest: *digest,
            host: host.clone().unwrap_or_default(),
            at: now(),
            origins: given.into_iter().map(|given| given.origin).collect(),
        });
    }
    // Which documents hold the links is asked first: afterwards nobody needs it to know what is left to do.
    let names = catalog.linking_to(digests)?;
    let entries: Vec<Entry> =
        names.iter().filter_map(|name| Entry::at(&document_path(&shared.archive, name)).ok()).collect();
    let options = change::Options { replace: shared.options.replace.clone(), dry_run: false, diffs: false };
    let selection = Selection { images: Some(digests.to_vec()), run: None };
    let restored = match shared.options.rewrite {
        true => restore(&shared.reader, &shared.archive, &entries, &selection, &options)?.links,
        false => 0,
    };
    catalog.record(&shared.run, &batch)?;
    catalog.forget(&names)?;
    Ok((entries, restored))
}

fn failure(shared: &Shared, digest: Digest, given: &Given) -> Failure {
    let reason = Reason::Placeholder;
    let detail = placeholder::detail(digest);
    let at = now();
    let pause = schedule::pause(reason, 1).map(|pause| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
    let attempt = Attempt {
        at,
        source: given.source.clone(),
        url: given.url.clone().unwrap_or_else(|| given.origin.clone()),
        reason: reason.to_string(),
        detail: detail.clone(),
        referer: None,
        passed: Vec::new(),
        tries: 1,
        next: pause.map(|pause| at.saturating_add(pause)),
        policy: schedule::fingerprint(reason, shared.policy()),
    };
    Failure { origin: given.origin.clone(), at, reason: reason.to_string(), detail, attempts: vec![attempt] }
}
