//! Bytes that were kept for images turn out to be a placeholder: the images have no copy after all.
//!
//! Their links go back, and whoever was not asked yet is asked.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::sync::mpsc;

use crate::catalog::OriginKey;
use crate::catalog::memory::Given;
use crate::catalog::row::{Attempt, Batch, Failure, Placeholder};
use crate::crawl::Entry;
use crate::digest::Digest;
use crate::fetch::Reason;
use crate::ladder::{placeholder, schedule};
use crate::ops::archive::asking::{asked_for, asked_of};
use crate::ops::archive::folders::Folders;
use crate::ops::archive::reading::read_in_background;
use crate::ops::archive::run::Loop;
use crate::ops::archive::{DocumentFailure, Report, Shared, now};
use crate::ops::change;
use crate::ops::restore::{Selection, restore};
use crate::ops::verify::document_path;
use crate::origin::OriginUrl;

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
/// Returns placeholders that were found out meanwhile.
pub(super) async fn recall(
    shared: &Arc<Shared>,
    unmasked: Vec<Unmasked>,
    folders: &Arc<Folders>,
    report: &mut Report,
) -> Result<Vec<Unmasked>> {
    let (taking, known) = (Arc::clone(shared), Arc::clone(folders));
    let taken = tokio::task::spawn_blocking(move || take_back(&taking, unmasked, &known));
    let Taken { entries, links, refused } = taken.await.context("the recalling thread stopped")??;
    for (document, why) in refused {
        let why = format!("{why}: it points at a placeholder, which `restore --image` takes back");
        report.refuse(DocumentFailure::new(&document, why));
    }
    if entries.is_empty() {
        if let Links::Restored(links) = links {
            report.recalled(links, Report::default());
        }
        return Ok(Vec::new());
    }
    let (sender, receiver) = mpsc::channel(64);
    let (reader, archive) = (Arc::clone(&shared.reader), Arc::clone(&shared.archive));
    let reading = read_in_background(reader, archive, entries, sender);
    let (again, unmasked) = Loop::new(Arc::clone(shared), Report::looked_at(0))?.run(receiver).await;
    reading.await.context("the reading thread stopped")?;
    let links = match links {
        Links::Restored(links) => links,
        Links::Counted(references) => references.saturating_sub(again.references.already_archived),
    };
    report.recalled(links, again);
    Ok(unmasked)
}

/// What [`take_back`] did.
struct Taken {
    /// The documents of this run that have to be looked at again.
    entries: Vec<Entry>,
    links: Links,
    /// Documents whose links could not be restored, and why.
    refused: Vec<(PathBuf, String)>,
}

/// What counts as archived no more, before anybody else is asked.
enum Links {
    /// Links that went back.
    Restored(u64),
    /// References of documents that are not rewritten: which of them are concerned, nobody remembers.
    Counted(u64),
}

/// Forgets the copies and restores the links to them.
fn take_back(shared: &Shared, mut unmasked: Vec<Unmasked>, folders: &Folders) -> Result<Taken> {
    let catalog = &shared.archive.catalog;
    let is_rewriting = shared.options.rewrite;
    if !is_rewriting {
        // Where documents point at it, that is for a run that may rewrite them.
        let mut free = Vec::new();
        for of in unmasked {
            if catalog.linking_to(&[of.0])?.is_empty() {
                free.push(of);
            }
        }
        unmasked = free;
    }
    let mut batch = Batch::default();
    for (digest, host) in &unmasked {
        let given = given(shared, *digest, host.as_deref())?;
        for given in &given {
            batch.failures.push(failure(shared, *digest, given)?);
        }
        batch.placeholders.push(Placeholder {
            digest: *digest,
            host: host.clone().unwrap_or_default(),
            at: now(),
            origins: given.into_iter().map(|given| given.origin).collect(),
        });
    }
    if unmasked.is_empty() {
        return Ok(Taken { entries: Vec::new(), links: Links::Restored(0), refused: Vec::new() });
    }
    // Which documents hold the links is asked first: afterwards nobody needs it to know what is left to do.
    let digests: Vec<Digest> = unmasked.iter().map(|(digest, _)| *digest).collect();
    let mut counted = 0;
    let names = match is_rewriting {
        true => catalog.linking_to(&digests)?,
        false => {
            let mut rows = catalog.document_rows()?;
            rows.retain(|row| {
                row.counts.archived > 0 && folders.hold(&document_path(&shared.archive, &row.document))
            });
            counted = rows.iter().map(|row| row.counts.archived).sum();
            rows.into_iter().map(|row| row.document).collect()
        }
    };
    let paths = names.iter().map(|name| document_path(&shared.archive, name));
    let entries: Vec<Entry> = paths.filter_map(|path| folders.entry(&path)).collect();
    let options = change::Options { replace: shared.options.replace.clone(), dry_run: false, diffs: false };
    let selection = Selection { images: Some(digests), run: None };
    let (links, refused) = match is_rewriting {
        true => {
            let restored = restore(&shared.reader, &shared.archive, &entries, &selection, &options);
            if let Some(error) = restored.broke_off {
                return Err(error);
            }
            (Links::Restored(restored.links), restored.failed)
        }
        false => (Links::Counted(counted), Vec::new()),
    };
    // In this order: after a crash in between, the next run reads them and takes the copies back once more.
    catalog.forget(&names)?;
    catalog.record(&shared.run, &batch)?;
    // What lies elsewhere is for a run that is asked to look there.
    let entries = entries.into_iter().filter(|entry| folders.hold(&entry.real())).collect();
    Ok(Taken { entries, links, refused })
}

/// What is remembered of an image whose copy was `digest`: who was asked for it, and at last who gave that.
fn failure(shared: &Shared, digest: Digest, given: &Given) -> Result<Failure> {
    let reason = Reason::Placeholder;
    let detail = placeholder::detail(digest);
    let at = now();
    let pause = schedule::pause(reason, 1).map(|pause| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
    let mut attempts = match OriginUrl::parse(&given.origin) {
        Ok(origin) => {
            let copies = shared.archive.catalog.copies(OriginKey::of(&origin))?;
            copies
                .into_iter()
                .find(|copy| copy.digest == digest)
                .map(|copy| copy.attempts)
                .unwrap_or_default()
        }
        Err(_) => Vec::new(),
    };
    let url = asked_for(given);
    attempts.push(Attempt {
        at,
        source: given.source.clone(),
        passed: given.url.clone().filter(|passed| *passed != url).into_iter().collect(),
        url,
        reason: reason.to_string(),
        detail: detail.clone(),
        referer: None,
        tries: 1,
        next: pause.map(|pause| at.saturating_add(pause)),
        policy: schedule::fingerprint(reason, shared.policy()),
    });
    Ok(Failure { origin: given.origin.clone(), at, reason: reason.to_string(), detail, attempts })
}
