//! What a run did, in numbers, and what it could not do, one by one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::catalog::row::{Counts, Failure};
use crate::crawl::Skip;
use crate::files::replace::Refused;
use crate::ops::archive::keep::Tally;
use crate::ops::archive::update::Updates;

pub mod contract;

/// The outcome of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// What `restore --run` calls it.
    pub run: String,
    /// Documents that were looked at, opened or not.
    pub scanned: u64,
    /// Of these, the ones that were rewritten.
    pub changed: u64,
    /// References, by what became of them.
    pub references: References,
    /// Images, by what became of them.
    pub images: Images,
    /// What became of the images that were kept before, if that was asked for.
    pub updates: Option<Updates>,
    /// Images that nobody gave.
    pub failures: Vec<UnarchivedImage>,
    /// Documents that could not be read or not be rewritten.
    pub documents_failed: Vec<DocumentFailure>,
    /// Unified diffs of what was changed, if they were asked for.
    pub diffs: Vec<Vec<u8>>,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
    /// What stopped it, if that was the disk, the store or the catalog. What it did until then is in the report.
    pub broke_off: Option<anyhow::Error>,
    /// How long it took.
    pub elapsed: Duration,
}

/// References of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct References {
    /// Remote ones and kept links.
    pub found: u64,
    /// Behind a wrapper.
    pub proxied: u64,
    /// Whose image is kept now; they point at it unless rewriting was off.
    pub archived: u64,
    /// That pointed at a kept image before.
    pub already_archived: u64,
    /// That keep their URL since nobody gave the image.
    pub failed: u64,
    /// Left alone on purpose.
    pub skipped: u64,
}

/// Images of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    /// Answers that were whole, genuine images.
    pub downloaded: u64,
    /// Of these, the ones whose bytes were kept already.
    pub deduplicated: u64,
    /// Length of all answers that were images.
    pub bytes_downloaded: u64,
    /// Length of the blobs that are new.
    pub bytes_stored: u64,
}

/// An image that nobody gave.
#[derive(Debug)]
pub struct UnarchivedImage {
    /// Whom was asked, and what they said.
    pub failure: Failure,
    /// One URL under which a document names it.
    pub url: String,
    /// The documents that name it.
    pub documents: BTreeSet<PathBuf>,
    /// Whether the catalog has still to hear of it.
    is_news: bool,
}

/// A document that was left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentFailure {
    /// As it was found.
    pub document: PathBuf,
    /// One line for a person.
    pub why: String,
    /// Whether it is worth another try as it is.
    pub outlook: Outlook,
}

/// What becomes of a document that was left as it is, if nobody changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// The same another time.
    Lasting,
    /// Perhaps it can be handled another time: somebody is at work on it, or the disk failed.
    Passing,
    /// Likewise, once there is room on its disk.
    NoRoom,
}

impl From<&Refused> for Outlook {
    fn from(refused: &Refused) -> Self {
        match refused {
            Refused::Files(error) => match error.kind() {
                Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => Self::NoRoom,
                Some(_) => Self::Passing,
                None => Self::Lasting,
            },
            Refused::Edited { .. } | Refused::Busy { .. } => Self::Passing,
            Refused::ReadOnly
            | Refused::HardLinks { .. }
            | Refused::ForeignOwner { .. }
            | Refused::Attributes(_) => Self::Lasting,
        }
    }
}

impl From<&Skip> for Outlook {
    fn from(skip: &Skip) -> Self {
        match skip {
            Skip::Unreadable { .. } => Self::Passing,
            Skip::Named(skip) => Self::from(&**skip),
            Skip::TooLarge { .. } | Skip::NotAFile | Skip::Binary { .. } | Skip::NotAFeed | Skip::InStore => {
                Self::Lasting
            }
        }
    }
}

impl DocumentFailure {
    /// The reason may name the document by its absolute path, which is then called as the document was.
    pub(super) fn new(document: &Path, why: impl Into<String>) -> Self {
        let mut why = why.into();
        if document.is_relative()
            && let Ok(absolute) = std::path::absolute(document)
        {
            why = why.replace(&*absolute.to_string_lossy(), &document.to_string_lossy());
        }
        Self { document: document.to_owned(), why, outlook: Outlook::Lasting }
    }

    /// Of a document that somebody is at work on.
    pub(super) fn busy(document: &Path) -> Self {
        Self::new(document, "it kept changing while it was rewritten").with(Outlook::Passing)
    }

    /// The same with this outlook.
    pub(super) fn with(self, outlook: Outlook) -> Self {
        Self { outlook, ..self }
    }
}

impl UnarchivedImage {
    /// Whether a document wanted the image: a link that turned out to lead to a page is no loss.
    #[must_use]
    pub fn counts(&self) -> bool {
        !self.documents.is_empty()
    }

    /// What the catalog has to hear, once.
    pub(super) fn news(&mut self) -> Option<Failure> {
        std::mem::take(&mut self.is_news).then(|| self.failure.clone())
    }

    pub(super) fn used_by(&mut self, document: &Path, url: &str) {
        if self.url.is_empty() {
            url.clone_into(&mut self.url);
        }
        if !self.documents.contains(document) {
            self.documents.insert(document.to_owned());
        }
    }
}

impl Report {
    /// Whether every reference that was wanted is archived and every document could be handled.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.references.failed == 0 && self.documents_failed.is_empty() && !self.interrupted
    }

    /// A run over that many documents, before anything is done.
    pub(crate) fn looked_at(documents: u64) -> Self {
        Self { scanned: documents, ..Self::default() }
    }

    /// A document from stdin that cannot be read as one.
    pub(crate) fn refuse_unread(&mut self, skip: &Skip) {
        self.refuse(DocumentFailure::new(Path::new("-"), skip.to_string()));
    }

    /// It stops here.
    pub(super) fn break_off(&mut self, error: anyhow::Error) {
        self.interrupted = true;
        self.broke_off.get_or_insert(error);
    }

    /// Adds documents that were left alone before they were read.
    pub fn skip_all(&mut self, skipped: Vec<(PathBuf, Skip)>) {
        for (document, skip) in skipped {
            self.scanned += u64::from(skip.is_failure());
            self.skip(&document, &skip);
        }
    }

    pub(super) fn add_unchanged(&mut self, counts: &Counts) {
        self.references.found += counts.found;
        self.references.proxied += counts.proxied;
        self.references.already_archived += counts.archived;
        self.references.skipped += counts.skipped;
    }

    /// Counts what a document holds.
    pub(crate) fn found(&mut self, counts: &Counts, kept: u64) {
        self.references.found += counts.found;
        self.references.proxied += counts.proxied;
        self.references.skipped += counts.skipped;
        self.references.already_archived += kept;
    }

    /// Takes back what [`Self::found`] counted for a document that is read again.
    pub(super) fn not_found(&mut self, counts: &Counts, kept: u64) {
        self.references.found -= counts.found;
        self.references.proxied -= counts.proxied;
        self.references.skipped -= counts.skipped;
        self.references.already_archived -= kept;
    }

    pub(super) fn downloaded(&mut self, bytes: u64) {
        self.images.downloaded += 1;
        self.images.bytes_downloaded += bytes;
    }

    /// Returns the index of the failure.
    pub(super) fn fail(&mut self, failure: Failure, is_news: bool) -> usize {
        let documents = BTreeSet::new();
        self.failures.push(UnarchivedImage { failure, url: String::new(), documents, is_news });
        self.failures.len() - 1
    }

    /// Somebody else was asked for an image that failed before. Returns the same index.
    pub(super) fn fail_again(&mut self, index: usize, failure: Failure) -> usize {
        let image = &mut self.failures[index];
        image.is_news |= image.failure != failure;
        image.failure = failure;
        index
    }

    pub(crate) fn skip(&mut self, document: &Path, skip: &Skip) {
        if skip.is_failure() {
            self.refuse(DocumentFailure::new(document, skip.to_string()).with(skip.into()));
        } else {
            tracing::info!(document = %document.display(), why = %skip, "left alone");
        }
    }

    pub(super) fn kept(&mut self, tally: &Tally) {
        self.changed += tally.changed;
        self.references.archived += tally.archived;
        self.references.failed += tally.failed;
        self.references.skipped += tally.skipped;
        self.images.deduplicated += tally.deduplicated;
        self.images.bytes_stored += tally.bytes_stored;
    }

    /// `links` that were counted as archived went back; `again` is what became of their images.
    pub(super) fn recalled(&mut self, links: u64, again: Self) {
        let of_this_run = links.min(self.references.archived);
        self.references.archived -= of_this_run;
        self.references.already_archived =
            self.references.already_archived.saturating_sub(links - of_this_run);
        let archived = again.references.archived.min(links);
        self.references.archived += archived;
        self.references.failed += links - archived;
        self.images.downloaded += again.images.downloaded;
        self.images.deduplicated += again.images.deduplicated;
        self.images.bytes_downloaded += again.images.bytes_downloaded;
        self.images.bytes_stored += again.images.bytes_stored;
        let told: HashSet<PathBuf> =
            self.documents_failed.iter().map(|failure| failure.document.clone()).collect();
        let news = again.documents_failed.into_iter().filter(|failure| !told.contains(&failure.document));
        self.documents_failed.extend(news);
        self.diffs.extend(again.diffs);
        self.interrupted |= again.interrupted;
        self.broke_off = self.broke_off.take().or(again.broke_off);
        let known = self.failures.iter().enumerate();
        let known: HashMap<String, usize> =
            known.map(|(index, image)| (image.failure.origin.clone(), index)).collect();
        for image in again.failures {
            match known.get(&image.failure.origin) {
                Some(index) => {
                    let known = &mut self.failures[*index];
                    known.failure = image.failure;
                    known.documents.extend(image.documents);
                }
                None => self.failures.push(image),
            }
        }
    }

    pub(super) fn refuse(&mut self, failure: DocumentFailure) {
        self.documents_failed.push(failure);
    }
}
