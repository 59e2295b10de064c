//! Fetches missing and damaged blobs again, by every address that was ever known for them.
//!
//! Only the same bytes are taken. What else an address gives now is told and not kept: the links that stand in
//! documents mean the image that was there.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use url::Url;

use crate::blob::BlobName;
use crate::catalog::row::{Attempt, Batch};
use crate::catalog::{OriginKey, Run};
use crate::digest::Digest;
use crate::fetch::Fetcher;
use crate::ladder::Hints;
use crate::media::MediaType;
use crate::ops::archive::climb::{Climb, Fate};
use crate::ops::archive::download::{Job, Wanted};
use crate::ops::archive::{Options, Progress, Shared};
use crate::ops::verify::{self, Finding};
use crate::ops::{Archive, Reader, alias};
use crate::origin::OriginUrl;
use crate::store::Finished;

/// Blobs that are asked for, or wait to be, at a time.
const WINDOW: usize = 1_000;
/// So many blobs are put in place at once.
const BATCH: usize = 64;

/// What became of the blobs that were missing or damaged.
#[derive(Debug, Default)]
pub struct Report {
    /// Those that are whole again.
    pub repaired: Vec<Repaired>,
    /// Those of which other versions were found, and nothing else.
    pub different: Vec<Lost>,
    /// Those that nobody has.
    pub unrepaired: Vec<Lost>,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// What stopped it, if that was the disk, the store or the catalog.
    pub broke_off: Option<anyhow::Error>,
}

/// A blob that is whole again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// Its name.
    pub blob: BlobName,
    /// The rung of the ladder that gave it; `store` if it was elsewhere in the store.
    pub source: String,
    /// Where the bytes came from.
    pub url: String,
}

/// A blob that was not had again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Its name.
    pub blob: BlobName,
    /// Images that are where it was.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Version>,
    /// Who was asked, and what they said.
    pub attempts: Vec<Attempt>,
}

/// Another image than the one that was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Version {
    /// Of its bytes, which are not kept.
    pub digest: Digest,
    /// What was asked for.
    pub url: String,
}

/// Looks for every blob that `found` says is missing or damaged, and takes what is mended out of `found`.
///
/// # Errors
/// When the store, the catalog or the disk fails before anything is done; what fails later is in the report.
pub async fn repair(
    reader: Arc<Reader>,
    archive: Arc<Archive>,
    fetcher: Arc<Fetcher>,
    options: Options,
    progress: Arc<Progress>,
    mut found: verify::Report,
) -> Result<(verify::Report, Report)> {
    verify::write_down(&archive, &mut found)?;
    // What was said before does not count: whoever asks for a repair wants everybody asked.
    let options = Options { retry: true, ..options };
    let shared = Shared::new(Arc::clone(&reader), Arc::clone(&archive), fetcher, options, progress)?;
    let (mut broken, searching) = (broken(&archive, &found), (Arc::clone(&reader), Arc::clone(&archive)));
    let search = tokio::task::spawn_blocking(move || {
        let recovered = recover(&searching.1, &mut broken)?;
        Ok::<_, anyhow::Error>((recovered, searches(&searching.0, &searching.1, broken)?))
    });
    let (recovered, searches) = search.await.context("the reading thread stopped")??;
    let climb = Climb::new(Arc::clone(&shared))?;
    let mut repair = Repair {
        climb,
        shared,
        archive: Arc::clone(&archive),
        under_way: HashMap::new(),
        drafts: Vec::new(),
        report: Report { repaired: recovered, ..Report::default() },
    };
    let ran = repair.run(searches).await;
    let report = repair.finish(ran.err());
    let recheck = tokio::task::spawn_blocking(move || {
        let mended: HashSet<BlobName> = report.repaired.iter().map(|repaired| repaired.blob).collect();
        verify::mended(&reader, &archive, &mended, &mut found);
        // A copy that was elsewhere in the store is not there any more.
        found.findings.retain(|finding| match finding {
            Finding::Orphaned { path } => path.symlink_metadata().is_ok(),
            _ => true,
        });
        (found, report)
    });
    recheck.await.context("the reading thread stopped")
}

/// The blobs that are missing, or whose file does not give their bytes.
fn broken(archive: &Archive, found: &verify::Report) -> Vec<BlobName> {
    let of_path =
        |path: &Path| BlobName::from_link(path.to_str()?).filter(|blob| archive.store.path(*blob) == path);
    let broken = found.findings.iter().filter_map(|finding| match finding {
        Finding::Missing { blob } | Finding::Corrupt { blob } => Some(*blob),
        Finding::Unreadable { path, .. } => of_path(path),
        Finding::Undrawable { .. }
        | Finding::Orphaned { .. }
        | Finding::Dangling { .. }
        | Finding::Catalog { .. }
        | Finding::Unwritten { .. }
        | Finding::Spoiled { .. } => None,
    });
    broken.collect()
}

/// Takes those out of `broken` of which there is a whole copy elsewhere in the store, once it is in its place; and makes
/// room for the others.
fn recover(archive: &Archive, broken: &mut Vec<BlobName>) -> Result<Vec<Repaired>> {
    let mut recovered = Vec::new();
    if broken.is_empty() {
        return Ok(recovered);
    }
    let mut strays: HashMap<Digest, Vec<PathBuf>> = HashMap::new();
    for (digest, path) in archive.store.strays()? {
        strays.entry(digest).or_default().push(path);
    }
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    for blob in std::mem::take(broken) {
        archive.store.clear_place(blob, today)?;
        let strays = strays.get(&blob.digest).map_or(&[][..], |strays| strays);
        match archive.store.recover(blob, strays)? {
            Some(stray) => {
                let (source, url) = ("store".to_owned(), stray.to_string_lossy().into_owned());
                recovered.push(Repaired { blob, source, url });
            }
            None => broken.push(blob),
        }
    }
    Ok(recovered)
}

/// A blob, and where it may be.
struct Search {
    blob: BlobName,
    places: VecDeque<Place>,
    versions: Vec<Version>,
    attempts: Vec<Attempt>,
}

/// One origin and all that is known of it.
struct Place {
    origin: OriginUrl,
    hints: Hints,
}

/// Where `blobs` came from, and under which addresses documents had them.
fn searches(reader: &Reader, archive: &Archive, blobs: Vec<BlobName>) -> Result<VecDeque<Search>> {
    let mut searches = VecDeque::with_capacity(blobs.len());
    for blob in blobs {
        let mut search = Search { blob, places: VecDeque::new(), versions: Vec::new(), attempts: Vec::new() };
        for given in archive.catalog.given(blob.digest)? {
            let Ok(origin) = OriginUrl::parse(&given.origin) else { continue };
            let place = search.place(origin);
            place.hints.date = Timestamp::from_millisecond(given.taken).unwrap_or_default();
            let url = given.url.and_then(|url| Url::parse(&url).ok());
            place.hints.known.extend(given.source.parse().ok().zip(url));
        }
        searches.push_back(search);
    }
    if !searches.is_empty() {
        add_spellings(reader, archive, &mut searches)?;
    }
    Ok(searches)
}

/// Adds what stood in documents before the links to the blobs.
fn add_spellings(reader: &Reader, archive: &Archive, searches: &mut VecDeque<Search>) -> Result<()> {
    let index: HashMap<Digest, usize> =
        searches.iter().enumerate().map(|(index, search)| (search.blob.digest, index)).collect();
    for document in archive.catalog.archived_documents()? {
        let records = match archive.catalog.rewrites(&document) {
            Err(error) if error.is_of_a_record() => {
                tracing::warn!(%error, "a record is passed over");
                continue;
            }
            records => records?,
        };
        for link in records.iter().flat_map(|record| &record.links) {
            let Some(index) = index.get(&link.blob.digest) else { continue };
            let search = &mut searches[*index];
            let origins: Vec<OriginKey> =
                search.places.iter().map(|place| OriginKey::of(&place.origin)).collect();
            let Some(alias) = alias::named(&reader.resolver.families, &link.original, &origins) else {
                continue;
            };
            let wrappers = &mut search.place(alias.origin).hints.wrappers;
            let new: Vec<Url> = alias.wrappers.into_iter().filter(|url| !wrappers.contains(url)).collect();
            wrappers.extend(new);
        }
    }
    Ok(())
}

impl Search {
    fn place(&mut self, origin: OriginUrl) -> &mut Place {
        let key = OriginKey::of(&origin);
        let known = self.places.iter().position(|place| OriginKey::of(&place.origin) == key);
        let index = known.unwrap_or_else(|| {
            self.places.push_back(Place { origin, hints: Hints::default() });
            self.places.len() - 1
        });
        &mut self.places[index]
    }
}

struct Repair {
    shared: Arc<Shared>,
    archive: Arc<Archive>,
    climb: Climb,
    /// By what is asked for: one origin may have given several of the blobs.
    under_way: HashMap<(OriginKey, Digest), Search>,
    /// Blobs that wait to be put in place, and where they came from.
    drafts: Vec<(Finished, MediaType, Repaired)>,
    report: Report,
}

impl Repair {
    async fn run(&mut self, mut searches: VecDeque<Search>) -> Result<()> {
        let stop = self.shared.stop();
        let mut stop = std::pin::pin!(stop.asked());
        loop {
            while self.climb.len() < WINDOW
                && let Some(search) = searches.pop_front()
            {
                self.ask(search);
            }
            tokio::select! {
                fate = self.climb.next() => match fate {
                    Some(fate) => self.take(fate?),
                    None => break,
                },
                () = &mut stop => {
                    tracing::warn!("stopping: what is downloaded is kept first");
                    self.climb.stop().await;
                    self.report.interrupted = true;
                    break;
                },
            }
            if self.drafts.len() >= BATCH {
                self.put_in_place().await?;
            }
        }
        self.put_in_place().await
    }

    /// Asks for a blob at the next place where it may be.
    fn ask(&mut self, mut search: Search) {
        let Some(Place { origin, hints }) = search.places.pop_front() else {
            let Search { blob, versions, attempts, .. } = search;
            return self.report.unrepaired.push(Lost { blob, versions, attempts });
        };
        let ladder = self.climb.asking.ladder(&self.shared, &origin, &hints, self.shared.ladder());
        let digest = search.blob.digest;
        self.under_way.insert((OriginKey::of(&origin), digest), search);
        self.climb.ask(Job::again(origin, ladder, Wanted::Exactly(digest)));
    }

    fn take(&mut self, fate: Fate) {
        match fate {
            Fate::Got(job, got) => {
                if let Some(search) = self.under_way.remove(&(job.key, got.draft.digest())) {
                    let (blob, source) = (search.blob, got.source);
                    let url = got.url.unwrap_or_else(|| job.origin().to_string());
                    self.drafts.push((got.draft, blob.media_type, Repaired { blob, source, url }));
                }
            }
            Fate::Nobody(job) | Fate::Unchanged(job) => {
                let Wanted::Exactly(digest) = job.wanted else { return };
                if let Some(mut search) = self.under_way.remove(&(job.key, digest)) {
                    search.attempts.extend(job.attempts());
                    let different = job.different.into_iter();
                    search
                        .versions
                        .extend(different.map(|(digest, url)| Version { digest, url: url.to_string() }));
                    self.ask(search);
                }
            }
        }
    }

    /// A damaged file is replaced as a whole, once the bytes of the new one are on disk.
    async fn put_in_place(&mut self) -> Result<()> {
        let (mut drafts, mut repaired) = (Vec::new(), Vec::new());
        for (draft, media_type, of) in self.drafts.drain(..) {
            drafts.push((draft, media_type));
            repaired.push(of);
        }
        let archive = Arc::clone(&self.archive);
        let commit = tokio::task::spawn_blocking(move || archive.store.commit(drafts));
        commit.await.context("the keeping thread stopped")??;
        self.report.repaired.extend(repaired);
        Ok(())
    }

    /// Remembers what was learned of hosts, and tells versions from placeholders that were found out too late.
    fn finish(mut self, broke_off: Option<anyhow::Error>) -> Report {
        let placeholders = self.climb.asking.take_news();
        let masks: HashSet<Digest> = placeholders.iter().map(|found| found.digest).collect();
        let hosts = self.climb.asking.take_changed_hosts();
        let batch = Batch { hosts, placeholders, ..Batch::default() };
        let recorded = self.archive.catalog.record(&Run::start("verify"), &batch);
        self.report.broke_off = broke_off.or(recorded.err().map(Into::into));
        self.report.interrupted |= self.report.broke_off.is_some();
        let mut lost = std::mem::take(&mut self.report.unrepaired);
        for lost in &mut lost {
            lost.versions.retain(|version| !masks.contains(&version.digest));
        }
        lost.sort_by_key(|lost| lost.blob.digest);
        self.report.repaired.sort_by_key(|repaired| repaired.blob.digest);
        (self.report.unrepaired, self.report.different) =
            lost.into_iter().partition(|lost| lost.versions.is_empty());
        self.report
    }
}
