//! The watched folders: whether they are there, and how changes in them are noticed.
//!
//! Where the system tells of changes, it is listened to; where it cannot, the folder is looked through every so often. A
//! folder that is not there is looked for, and looked through when it comes. What is told is only a hint: what a change
//! comes to is found out by walking to it, by the rules of any walk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tokio::sync::mpsc::Receiver;

use crate::crawl::{self, Entering, Part};
use crate::daemon::watch::inotify::Inotify;
use crate::files::stat::Stat;
use crate::ops::runs::Watched;

mod inotify;
mod system;

/// What may have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// A file was changed, or the rules of a folder.
    Changed(PathBuf),
    /// A folder is new here, perhaps with all that it holds.
    Appeared(PathBuf),
    /// A watched folder is not where it was.
    Gone(PathBuf),
    /// Some changes were not told.
    Overflow,
}

/// How changes in a folder are noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum How {
    /// Nobody has looked yet.
    Unknown,
    Events,
    Polling {
        why: String,
    },
    Missing,
}

/// One folder of `daemon.watch`.
#[derive(Clone, Debug)]
struct Root {
    folder: PathBuf,
    how: How,
    /// Which folder it was when it was last seen.
    id: Option<(u64, u64)>,
    polled: Instant,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Watch {
    roots: Vec<Root>,
    inotify: Result<Arc<Inotify>, String>,
    hints: Option<Receiver<Vec<Hint>>>,
    /// Grows when a look that has begun is out of date.
    age: u64,
}

impl Watch {
    pub(super) fn new() -> Self {
        let (inotify, hints) = match Inotify::start() {
            Ok((inotify, hints)) => (Ok(inotify), Some(hints)),
            Err(error) => {
                let why = "the system gives no more watches";
                (Err(format!("{why} ({error}): see fs.inotify.max_user_instances")), None)
            }
        };
        Self { roots: Vec::new(), inotify, hints, age: 0 }
    }

    /// From now on these are the folders; those that are new are found to be so by the next [`Look`].
    pub(super) fn set(&mut self, folders: &[PathBuf]) {
        self.age += 1;
        let gone: Vec<Root> = self.roots.extract_if(.., |root| !folders.contains(&root.folder)).collect();
        for Root { folder: gone, .. } in gone {
            if let Ok(inotify) = &self.inotify {
                inotify.forget(&gone);
            }
            // Those that it lies in or that lie in it are forgotten in part.
            let around = |root: &&mut Root| root.folder.starts_with(&gone) || gone.starts_with(&root.folder);
            self.roots.iter_mut().filter(around).for_each(|root| root.id = None);
        }
        for folder in folders {
            if self.roots.iter().all(|root| root.folder != *folder) {
                let (folder, polled) = (folder.clone(), Instant::now());
                self.roots.push(Root { folder, how: How::Unknown, id: None, polled });
            }
        }
    }

    /// All of them are watched anew, for other folders below them may be entered now.
    pub(super) fn renew(&mut self) {
        self.age += 1;
        self.roots.iter_mut().for_each(|root| root.id = None);
    }

    /// The folder is not where it was; what comes in its place is another one, even with the same number.
    pub(super) fn gone(&mut self, folder: &Path) {
        for root in self.roots.iter_mut().filter(|root| root.folder == folder) {
            self.age += 1;
            root.id = None;
        }
    }

    /// Those that are there.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        let there = self.roots.iter().filter(|root| root.id.is_some());
        there.map(|root| root.folder.clone()).collect()
    }

    /// Those that are not.
    pub(super) fn missing(&self) -> Vec<PathBuf> {
        let missing = self.roots.iter().filter(|root| root.id.is_none());
        missing.map(|root| root.folder.clone()).collect()
    }

    /// The folder in which `path` lies; the innermost, if one lies in the other.
    pub(super) fn root_of(&self, path: &Path) -> Option<&Path> {
        let above = self.roots.iter().filter(|root| path.starts_with(&root.folder));
        above.map(|root| root.folder.as_path()).max_by_key(|folder| folder.as_os_str().len())
    }

    /// How many folders the system tells of.
    pub(super) fn watched_folders(&self) -> usize {
        self.inotify.as_ref().map_or(0, |inotify| inotify.len())
    }

    /// As the agenda shows them.
    pub(super) fn agenda(&self) -> Vec<Watched> {
        let watched = self.roots.iter().map(|root| {
            let (how, why) = match &root.how {
                How::Events => ("events", None),
                How::Polling { why } => ("polling", Some(why.clone())),
                How::Unknown | How::Missing => ("missing", Some("there is no such folder".to_owned())),
            };
            Watched { folder: root.folder.clone(), how: how.to_owned(), why }
        });
        watched.collect()
    }

    /// Waits for hints; for ever, if the system gives none.
    pub(super) async fn next(&mut self) -> Vec<Hint> {
        if let Some(receiver) = &mut self.hints {
            if let Some(hints) = receiver.recv().await {
                return hints;
            }
            self.hints = None;
            self.inotify = Err("the system does not tell of changes any more".to_owned());
            // The next look finds that they are to be looked through now and then.
            self.renew();
            return vec![Hint::Overflow];
        }
        std::future::pending().await
    }

    /// What it takes to look after the folders, on a thread where waiting for a disk does no harm.
    pub(super) fn look(&self, options: &crawl::Options) -> Look {
        let (roots, inotify, options) = (self.roots.clone(), self.inotify.clone(), options.clone());
        Look { roots, inotify, options, age: self.age }
    }

    /// Takes over what was seen, and returns the folders that are to be looked through; `None` if the look is out of date.
    pub(super) fn take(&mut self, seen: Sight, poll: Duration, now: Instant) -> Option<Unseen> {
        let Sight { seen, age } = seen;
        if age != self.age {
            return None;
        }
        let mut unseen = Unseen::default();
        for Seen { folder, id, how } in seen {
            let Some(root) = self.roots.iter_mut().find(|root| root.folder == folder) else { continue };
            let is_new = id.is_some() && id != root.id;
            if how != root.how {
                tell(&folder, &how, &root.how);
            }
            let is_polled = matches!(how, How::Polling { .. }) && now >= root.polled + poll;
            if is_new || is_polled {
                root.polled = now;
                let folders = if is_new { &mut unseen.new } else { &mut unseen.polled };
                folders.insert(folder);
            }
            (root.id, root.how) = (id, how);
        }
        Some(unseen)
    }

    /// Watches `folders`, which are new, and what lies below them.
    pub(super) fn follow(&self, folders: BTreeSet<PathBuf>, options: &crawl::Options) -> Option<Follow> {
        let inotify = Arc::clone(self.inotify.as_ref().ok()?);
        let mut roots: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
        for folder in folders {
            if let Some(root) = self.root_of(&folder) {
                roots.entry(root.to_owned()).or_default().insert(folder);
            }
        }
        Some(Follow { roots, inotify, options: options.clone() })
    }

    /// A folder below `root` could not be watched.
    pub(super) fn poll_from_now_on(&mut self, root: &Path, why: String) {
        if let Some(root) = self.roots.iter_mut().find(|known| known.folder == root) {
            let how = How::Polling { why };
            if how != root.how {
                self.age += 1;
                tell(&root.folder, &how, &root.how);
                root.how = how;
            }
        }
    }

    /// What is called with each folder that a walk of documents enters: who walks there watches it.
    pub(super) fn entering(&self) -> Option<Entering> {
        let listening: Vec<PathBuf> = self
            .roots
            .iter()
            .filter(|root| root.how == How::Events)
            .map(|root| root.folder.clone())
            .collect();
        let inotify = Arc::clone(self.inotify.as_ref().ok()?);
        Some(Arc::new(move |folder: &Path| {
            if listening.iter().any(|root| folder.starts_with(root)) {
                // Where there are too many, the one who looks after the folders finds out.
                let _ = inotify.watch(folder);
            }
        }))
    }
}

/// One line for each change of how a folder is watched.
fn tell(folder: &Path, how: &How, before: &How) {
    let folder = folder.display();
    match how {
        How::Unknown => {}
        How::Events if matches!(before, How::Unknown | How::Missing) => tracing::info!(%folder, "watched"),
        How::Events => tracing::info!(%folder, "watched again"),
        How::Polling { why } => {
            tracing::warn!(%folder, %why, "changes are not told: it is looked through now and then");
        }
        How::Missing => tracing::warn!(%folder, "there is no such folder: it is looked for"),
    }
}

/// Folders of which it is not known what is in them.
#[derive(Debug, Default)]
pub(super) struct Unseen {
    /// They are there now, and were not before.
    pub(super) new: BTreeSet<PathBuf>,
    /// They tell nothing of changes, and their time has come.
    pub(super) polled: BTreeSet<PathBuf>,
}

/// What was seen of all watched folders.
#[derive(Debug)]
pub(super) struct Sight {
    seen: Vec<Seen>,
    age: u64,
}

/// What was seen of one watched folder.
#[derive(Debug)]
struct Seen {
    folder: PathBuf,
    id: Option<(u64, u64)>,
    how: How,
}

/// A look at the watched folders.
#[derive(Debug)]
pub(super) struct Look {
    roots: Vec<Root>,
    inotify: Result<Arc<Inotify>, String>,
    options: crawl::Options,
    age: u64,
}

impl Look {
    /// One question to the file system for each folder; only one that is new is walked, to watch what lies below it.
    pub(super) fn look(self) -> Sight {
        Sight { seen: self.roots.iter().map(|root| self.look_at(root)).collect(), age: self.age }
    }

    fn look_at(&self, root: &Root) -> Seen {
        let folder = root.folder.clone();
        let id = Stat::of(&folder).ok().filter(Stat::is_folder).map(|stat| stat.id());
        let how = match (id, &self.inotify) {
            (None, inotify) => {
                if let (Ok(inotify), true) = (inotify, root.id.is_some()) {
                    inotify.forget(&folder);
                }
                How::Missing
            }
            (Some(_), _) if id == root.id => root.how.clone(),
            (Some(_), Ok(inotify)) => {
                inotify.forget(&folder);
                match (watch(inotify, &folder, None, &self.options), system::silent(&folder)) {
                    (Ok(()), None) => How::Events,
                    (Ok(()), Some(name)) => {
                        How::Polling { why: format!("{name} does not tell what other machines change") }
                    }
                    (Err(why), _) => How::Polling { why },
                }
            }
            (Some(_), Err(why)) => How::Polling { why: why.clone() },
        };
        Seen { folder, id, how }
    }
}

/// New folders that are to be watched, by the watched folders that they lie in.
#[derive(Debug)]
pub(super) struct Follow {
    roots: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    inotify: Arc<Inotify>,
    options: crawl::Options,
}

impl Follow {
    /// One walk for each watched folder. The watched folders that must be polled from now on, and why, if there are too
    /// many to watch.
    pub(super) fn follow(self) -> Vec<(PathBuf, String)> {
        let mut failed = Vec::new();
        for (root, folders) in self.roots {
            let only = (!folders.contains(&root)).then_some(folders);
            failed.extend(watch(&self.inotify, &root, only, &self.options).err().map(|why| (root, why)));
        }
        failed
    }
}

/// Watches `root`, or `only` these folders below it, and all folders below them that a walk of documents enters. Each is
/// watched before it is listed, so that nothing comes in unseen.
fn watch(
    inotify: &Arc<Inotify>,
    root: &Path,
    only: Option<BTreeSet<PathBuf>>,
    options: &crawl::Options,
) -> Result<(), String> {
    let failed: Arc<Mutex<Option<Errno>>> = Arc::default();
    let entering = {
        let (inotify, failed) = (Arc::clone(inotify), Arc::clone(&failed));
        move |entered: &Path| {
            let mut failed = failed.lock().expect("no thread panics while it notes an error");
            if failed.is_none() {
                // What is gone again need not be watched, and what we may not list we cannot read.
                *failed = inotify
                    .watch(entered)
                    .err()
                    .filter(|error| *error == Errno::NOSPC || *error == Errno::NOMEM);
            }
        }
    };
    let part = Part { only, folders_only: true, entering: Some(Arc::new(entering)) };
    if let Err(error) = crawl::walk_part(&[root.to_owned()], &part, options) {
        tracing::debug!(folder = %root.display(), %error, "it is not watched");
    }
    let failed = failed.lock().expect("no thread panics while it notes an error").take();
    match failed {
        None => Ok(()),
        Some(_) => {
            // Half of it would be of little use, and others need watches, too.
            inotify.forget(root);
            Err("there are more folders than may be watched: raise fs.inotify.max_user_watches".to_owned())
        }
    }
}
