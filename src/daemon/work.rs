//! One archiving run: what it looks at, and what came of it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Result;
use tokio::runtime::Handle;

use crate::catalog::{KnownDocuments, OriginKey};
use crate::crawl::{Entering, Entry, Part, Skip};
use crate::daemon::Settings;
use crate::daemon::event::unless_broken;
use crate::daemon::real::real;
use crate::files::stat::Stat;
use crate::ops::archive::{self, Options, Outlook, Report, Update};
use crate::ops::runs::bounds::Bounds;
use crate::ops::runs::{Board, How, Kind};
use crate::ops::{Archive, Reader, is_disk_full, litter};
use crate::resolve::Scope;

/// From so many documents on, all that the catalog knows is read at once.
const MANY: usize = 2_000;
/// So many documents that cannot be handled are remembered.
const MOST_HANDLED: usize = 100_000;
/// Longer lists of paths are shown by their folders.
const SHOWN: usize = 20;

/// What a run is to look at.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// What is new or changed at these paths.
    Look { kind: Kind, paths: BTreeSet<PathBuf> },
    /// Images whose time has come, in the documents that want them.
    Retry { paths: BTreeSet<PathBuf> },
    /// What somebody ordered: the run waits on the board.
    Order { id: String, paths: Vec<PathBuf>, how: How },
    /// One image is asked for at once.
    OrderedRetry { id: String, origin: OriginKey },
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) task: Task,
    pub(super) outcome: Outcome,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// There was nothing to do.
    Nothing,
    /// It came to its end; these documents may be handled although nobody changes them. Perhaps there was no room for
    /// some of them.
    Done { again: Vec<PathBuf>, disk_full: bool },
    /// It was stopped before its end.
    Stopped,
    /// It broke off.
    Failed { disk_full: bool },
}

/// All that a run needs.
pub(super) struct Work {
    pub(super) archive: Arc<Archive>,
    pub(super) board: Arc<Board>,
    pub(super) settings: Arc<Settings>,
    pub(super) handled: Arc<Handled>,
    /// The watched folders.
    pub(super) roots: Vec<PathBuf>,
    /// Called with each folder that is entered.
    pub(super) entering: Option<Entering>,
    /// Which documents are still being changed: they come later.
    pub(super) changing: HashSet<PathBuf>,
}

/// Documents of which the catalog knows nothing although they were looked at, for they could not be handled, with the
/// state they were in: nobody looks again before that changes. By hashes: a mistake is mended by the next look through
/// all folders after a restart.
#[derive(Debug, Default)]
pub(super) struct Handled(Mutex<HashMap<u64, u64>>);

impl Handled {
    fn is_handled(&self, entry: &Entry) -> bool {
        self.map().get(&hash(&entry.path)) == Some(&hash(&entry.stat.identity()))
    }

    fn add(&self, entry: &Entry) {
        let mut map = self.map();
        if map.len() >= MOST_HANDLED {
            // Most are of documents that are gone or were changed; of the others one more look is taken.
            map.clear();
        }
        map.insert(hash(&entry.path), hash(&entry.stat.identity()));
    }

    /// They are to be looked at once more.
    pub(super) fn clear(&self) {
        self.map().clear();
    }

    fn map(&self) -> MutexGuard<'_, HashMap<u64, u64>> {
        self.0.lock().expect("no holder of the map panics")
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Runs to its end. Blocks, as the disk does; what waits for the network is done by the runtime.
pub(super) fn run(work: &Work, task: Task, runtime: &Handle) -> Ended {
    let id = match &task {
        Task::Order { id, .. } | Task::OrderedRetry { id, .. } => Some(id.clone()),
        Task::Look { .. } | Task::Retry { .. } => None,
    };
    let outcome = work.run(&task, id.as_deref(), runtime).unwrap_or_else(|failure| {
        let why = format!("{:#}", failure.error);
        tracing::error!(error = %why, "a run broke off");
        if let Some(id) = &failure.id {
            work.board.fail(id, why);
        }
        Outcome::Failed { disk_full: is_disk_full(&failure.error) }
    });
    Ended { task, outcome }
}

/// An error, and the run on the board that it ended.
struct Failure {
    id: Option<String>,
    error: anyhow::Error,
}

/// The documents of a run.
struct Found {
    entries: Vec<Entry>,
    skipped: Vec<(PathBuf, Skip)>,
    known: KnownDocuments,
}

impl Work {
    fn run(&self, task: &Task, ordered: Option<&str>, runtime: &Handle) -> Result<Outcome, Failure> {
        let failed = |id: Option<&str>| {
            let id = id.map(str::to_owned);
            |error| Failure { id, error }
        };
        let started = ordered.map(|id| self.board.start(id));
        let (reader, options) = self.rules(task).map_err(failed(ordered))?;
        let found = self.find(task, &reader, &options).map_err(failed(ordered))?;
        if found.entries.is_empty() && ordered.is_none() {
            return Ok(Outcome::Nothing);
        }
        let id = match (ordered, task) {
            (Some(id), _) => id.to_owned(),
            (None, Task::Look { kind, paths }) => self.board.queue(*kind, shown(paths)),
            (None, _) => self.board.queue(Kind::Retry, shown(&paths_of(&found.entries))),
        };
        let progress = started.unwrap_or_else(|| self.board.start(&id));
        let options = Options { stop: self.board.stop_of(&id), ..options };
        let looked_at: Vec<Entry> = found.entries.iter().take(MANY).cloned().collect();
        let (archive, fetcher) = (Arc::clone(&self.archive), Arc::clone(&self.settings.fetcher));
        let rewrite = options.rewrite;
        let run = archive::archive(
            Arc::clone(&reader),
            archive,
            fetcher,
            found.entries,
            found.known,
            options,
            progress,
        );
        let ended = unless_broken(|| runtime.block_on(run)).flatten();
        let mut report = ended.map_err(failed(Some(&id)))?;
        report.skip_all(found.skipped);
        tell(&report);
        if let Some(error) = report.broke_off.take() {
            return Err(failed(Some(&id))(error));
        }
        let (again, stopped) = (passing(&report), report.interrupted);
        let disk_full = self.is_disk_full(&report);
        if !stopped && rewrite {
            self.note_handled(&looked_at, &again).map_err(failed(Some(&id)))?;
        }
        self.board.report(&id, report);
        Ok(if stopped { Outcome::Stopped } else { Outcome::Done { again, disk_full } })
    }

    /// What the order says, over what the configuration says.
    fn rules(&self, task: &Task) -> Result<(Arc<Reader>, Options)> {
        let Settings { reader, options, .. } = &*self.settings;
        match task {
            Task::Look { .. } | Task::Retry { .. } => Ok((Arc::clone(reader), options.clone())),
            Task::OrderedRetry { .. } => Ok((Arc::clone(reader), Options { retry: true, ..options.clone() })),
            Task::Order { how, .. } => {
                let How { scope, link, no_rewrite, retry, update, follow } = how;
                let mut reader = Reader::clone(reader);
                match scope.as_deref() {
                    None => {}
                    Some("all") => reader.rules.set_scope(Scope::All),
                    Some("proxied") => reader.rules.set_scope(Scope::Proxied),
                    Some(other) => anyhow::bail!("`{other}` is no scope: `all` or `proxied`"),
                }
                if let Some(link) = link {
                    reader.link = link.parse()?;
                }
                let update = match (update, follow) {
                    (_, true) => Update::Follow,
                    (true, false) => Update::Keep,
                    (false, false) => Update::No,
                };
                let options = Options {
                    link: reader.link.clone(),
                    rewrite: !no_rewrite,
                    retry: *retry,
                    update,
                    ..options.clone()
                };
                Ok((Arc::new(reader), options))
            }
        }
    }

    fn find(&self, task: &Task, reader: &Reader, options: &Options) -> Result<Found> {
        let within = |paths: &BTreeSet<PathBuf>| Part {
            only: Some(paths.clone()),
            folders_only: false,
            entering: self.entering.clone(),
        };
        let bounds = match task {
            Task::Order { id, .. } | Task::OrderedRetry { id, .. } => self.board.bounds_of(id),
            Task::Look { .. } | Task::Retry { .. } => None,
        };
        let (roots, part) = match task {
            Task::Look { paths, .. } | Task::Retry { paths } => (self.roots.clone(), within(paths)),
            Task::Order { paths, .. } => (held(paths.clone(), bounds.as_ref())?, Part::default()),
            Task::OrderedRetry { origin, .. } => {
                let names = self.archive.catalog.wanted_by(*origin)?;
                let paths = names.into_iter().map(|name| self.archive.path_of(&name));
                let paths = paths.filter(|path| path.exists()).collect();
                (held(paths, bounds.as_ref())?, Part::default())
            }
        };
        let roots: Vec<PathBuf> = match task {
            // One that has just gone is missed in a moment.
            Task::Look { .. } => roots.into_iter().filter(|root| root.is_dir()).collect(),
            // The catalog calls documents by where they really are.
            Task::Retry { .. } => roots.iter().map(|root| real(root)).filter(|root| root.is_dir()).collect(),
            Task::Order { .. } | Task::OrderedRetry { .. } => roots,
        };
        let found = litter::swept(&self.archive, &roots, &part, &reader.crawl)?;
        let (mut entries, skipped) = (found.entries, found.skipped);
        if let Some(bounds) = &bounds {
            // Symlinks that lead out. What is read and written later is what was found, or nothing.
            entries.retain(|entry| bounds.hold(&entry.real()));
        }
        let known = self.known(&entries)?;
        if let Task::Look { .. } = task {
            entries.retain(|entry| !self.changing.contains(&entry.path) && !self.handled.is_handled(entry));
            entries = archive::changed(reader, &self.archive, options.rewrite, entries, &known);
        }
        Ok(Found { entries, skipped, known })
    }

    fn known(&self, entries: &[Entry]) -> Result<KnownDocuments> {
        let catalog = &self.archive.catalog;
        if entries.len() >= MANY {
            return Ok(catalog.documents()?);
        }
        let names: Vec<Vec<u8>> = entries.iter().map(|entry| self.archive.name(entry)).collect();
        Ok(catalog.documents_at(&names)?)
    }

    /// Whether there was no room for a document where the store has none either.
    fn is_disk_full(&self, report: &Report) -> bool {
        let disk = |path: &Path| Stat::of(path).ok().map(|stat| stat.dev);
        let mut without = report.documents_failed.iter().filter(|failure| failure.outlook == Outlook::NoRoom);
        without.any(|failure| disk(&failure.document) == disk(self.archive.store.root()))
    }

    /// Notes the documents that the run left as they were and that nobody can handle as they are.
    fn note_handled(&self, entries: &[Entry], again: &[PathBuf]) -> Result<()> {
        let known = self.known(entries)?;
        let rest = archive::changed(&self.settings.reader, &self.archive, true, entries.to_vec(), &known);
        for entry in rest {
            let is_as_it_was = Stat::of(&entry.path).is_ok_and(|stat| stat == entry.stat);
            if is_as_it_was && !again.contains(&entry.path) {
                self.handled.add(&entry);
            }
        }
        Ok(())
    }
}

fn passing(report: &Report) -> Vec<PathBuf> {
    let passing = report.documents_failed.iter().filter(|failure| failure.outlook != Outlook::Lasting);
    passing.map(|failure| failure.document.clone()).collect()
}

/// Those of `paths` that do not lead out of the bounds of the run by now.
fn held(paths: Vec<PathBuf>, bounds: Option<&Bounds>) -> Result<Vec<PathBuf>> {
    let Some(bounds) = bounds else { return Ok(paths) };
    let held: Vec<PathBuf> = paths.into_iter().filter(|path| bounds.find(path).is_some()).collect();
    anyhow::ensure!(!held.is_empty(), "none of its paths is in the folders that may be archived");
    Ok(held)
}

/// One line for the log.
fn tell(report: &Report) {
    tracing::info!(
        documents = report.scanned,
        changed = report.changed,
        archived = report.references.archived,
        failed = report.references.failed,
        downloaded = report.images.downloaded,
        interrupted = report.interrupted,
        "a run is over"
    );
    for failure in &report.documents_failed {
        tracing::warn!(document = %failure.document.display(), why = %failure.why, "left as it is");
    }
}

fn paths_of(entries: &[Entry]) -> BTreeSet<PathBuf> {
    entries.iter().map(|entry| entry.path.clone()).collect()
}

/// A few paths as they are, more by their folders.
fn shown(paths: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let mut shown = paths.clone();
    while shown.len() > SHOWN {
        let above: BTreeSet<PathBuf> =
            shown.iter().map(|path| path.parent().unwrap_or(path).to_owned()).collect();
        if above == shown {
            break;
        }
        shown = above;
    }
    shown.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_paths_are_shown_by_their_folders() {
        let paths = |of: &dyn Fn(usize) -> String, count| (0..count).map(|n| PathBuf::from(of(n))).collect();
        assert_eq!(shown(&paths(&|n| format!("/a/{n}.md"), 3)).len(), 3);
        assert_eq!(shown(&paths(&|n| format!("/a/{n}.md"), 300)), [PathBuf::from("/a")]);
        assert_eq!(shown(&paths(&|n| format!("/a/{n}/i.md"), 300)), [PathBuf::from("/a")]);
        assert_eq!(shown(&paths(&|n| format!("/a{}/{n}/i.md", n % 30), 300)), [PathBuf::from("/")]);
    }
}
