//! Walks folders: names first, then one stat a document, both on all cores.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::mem;
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use ignore::{DirEntry, WalkBuilder, WalkState};

use crate::crawl::{Entry, Found, Part, Rules, Skip, is_hidden};
use crate::document::DocumentKind;
use crate::files::stat::Stat;
use crate::files::{self, litter};

/// A file that is a document by its name.
struct Candidate {
    path: PathBuf,
    /// So many of its last names lie below the folder that was named.
    depth: usize,
    kind: Option<DocumentKind>,
    is_symlink: bool,
}

impl Found {
    /// Takes a file that may still turn out to be no document.
    pub(super) fn add(&mut self, entry: Entry, max_bytes: u64) {
        if !entry.stat.is_file() {
            let skip = if entry.named { Skip::NotAFile.named() } else { Skip::NotAFile };
            self.skipped.push((entry.path, skip));
        } else if entry.stat.size > max_bytes {
            self.skipped.push((entry.path, Skip::TooLarge { bytes: entry.stat.size, limit: max_bytes }));
        } else {
            self.entries.push(entry);
        }
    }

    /// In order, and each file once: by the path that the user named, else by the first.
    pub(super) fn sorted(mut self) -> Self {
        // Stable, since all but what the user named is in order already.
        self.entries.sort_by(|a, b| bytes(&a.path).cmp(bytes(&b.path)));
        let files = self.entries.iter().zip(0usize..);
        let mut files: Vec<_> = files.map(|(entry, index)| (entry.stat.id(), !entry.named, index)).collect();
        files.sort_unstable();
        let same = |pair: &&[(_, _, _)]| pair[0].0 == pair[1].0;
        let mut again: Vec<usize> = files.windows(2).filter(same).map(|pair| pair[1].2).collect();
        again.sort_unstable();
        let (mut again, mut index) = (again.into_iter().peekable(), 0);
        self.entries.retain(|_| {
            index += 1;
            again.next_if_eq(&(index - 1)).is_none()
        });
        self.skipped.sort_by(|a, b| bytes(&a.0).cmp(bytes(&b.0)));
        self.skipped.dedup_by(|a, b| a.0 == b.0);
        self.litter.sort_unstable();
        self.litter.dedup();
        self
    }
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// Adds the documents below `roots`.
pub(super) fn folders(roots: &[&Path], rules: Rules, part: &Part, max_bytes: u64, found: &mut Found) {
    let Some((first, others)) = roots.split_first() else { return };
    roots.iter().for_each(|root| part.enter(root));
    // Once and for all: below them no symlink is entered, even if one takes the place of a folder meanwhile.
    let real: Real = roots.iter().filter_map(|root| Some((*root, root.canonicalize().ok()?))).collect();
    // A path that ends in a slash leads through a symlink.
    let mut builder = WalkBuilder::new(first.join(""));
    for root in others {
        builder.add(root.join(""));
    }
    builder.hidden(false).ignore(false).git_global(false).require_git(false).follow_links(false);

    let seen: Arc<Seen> = Arc::default();
    let (filtered, part) = (Arc::clone(&seen), part.clone());
    // Files are taken where they are filtered, so that the walk never holds them.
    builder.filter_entry(move |entry| filtered.see(entry, &rules, &part));
    builder.build_parallel().run(|| {
        let seen = Arc::clone(&seen);
        Box::new(move |entry| {
            if let Err(error) = entry {
                lock(&seen.failed).extend(failure(error));
            }
            WalkState::Continue
        })
    });
    let Seen { candidates, litter, failed } = &*seen;
    found.litter.append(&mut lock(litter));
    found.skipped.append(&mut lock(failed));
    stat_all(mem::take(&mut lock(candidates)), &real, max_bytes, found);
}

/// The folders that were named, and what they lead to.
type Real<'a> = HashMap<&'a Path, PathBuf>;

/// What the walk came across, in the order of its threads.
#[derive(Default)]
struct Seen {
    candidates: Mutex<Vec<Candidate>>,
    litter: Mutex<Vec<PathBuf>>,
    failed: Mutex<Vec<(PathBuf, Skip)>>,
}

fn lock<T>(list: &Mutex<T>) -> MutexGuard<'_, T> {
    list.lock().expect("no thread panics while it pushes to a list")
}

impl Seen {
    /// Takes a file; whether the walk goes on into it, if it is a folder.
    fn see(&self, entry: &DirEntry, rules: &Rules, part: &Part) -> bool {
        let path = entry.path();
        let below = below(path, entry.depth());
        if entry.file_type().is_some_and(|kind| kind.is_dir()) {
            let enters = part.leads(path) && rules.enters(path, below);
            if enters {
                part.enter(path);
            }
            return enters;
        }
        if part.folders_only || !part.holds(path) {
            return false;
        }
        if is_hidden(entry.file_name()) {
            if litter::is_ours(entry.file_name()) {
                lock(&self.litter).push(path.to_owned());
            }
        } else if let Some(kind) = rules.kind(below) {
            let is_symlink = entry.file_type().is_some_and(|kind| kind.is_symlink());
            let (path, depth) = (path.to_owned(), entry.depth());
            lock(&self.candidates).push(Candidate { path, depth, kind, is_symlink });
        }
        false
    }
}

/// The last `depth` names of a path: what lies below the folder that was named.
fn below(path: &Path, depth: usize) -> &Path {
    let bytes = bytes(path);
    let slash = depth.checked_sub(1).and_then(|before| memchr::memrchr_iter(b'/', bytes).nth(before));
    Path::new(OsStr::from_bytes(&bytes[slash.map_or(0, |slash| slash + 1)..]))
}

/// A folder that cannot be listed. A malformed line of a `.gitignore` is none: git passes over it too.
fn failure(error: ignore::Error) -> Option<(PathBuf, Skip)> {
    match error {
        ignore::Error::WithDepth { err, .. } => failure(*err),
        ignore::Error::WithPath { path, err } => {
            err.into_io_error().map(|source| (path, Skip::Unreadable { source }))
        }
        _ => None,
    }
}

/// How many files a thread asks about before its answers are collected; more would take more memory.
const SHARE: usize = 4096;

/// Sorts the candidates and asks for the state of each, on all cores.
fn stat_all(mut candidates: Vec<Candidate>, real: &Real<'_>, max_bytes: u64, found: &mut Found) {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let order = |a: &Candidate, b: &Candidate| bytes(&a.path).cmp(bytes(&b.path));
    let part = candidates.len().div_ceil(cores).max(SHARE);
    thread::scope(|scope| {
        for part in candidates.chunks_mut(part) {
            scope.spawn(move || part.sort_unstable_by(order));
        }
    });
    // The stable sort merges what is in order already.
    candidates.sort_by(order);

    found.entries.reserve_exact(candidates.len());
    let mut candidates = candidates.into_iter();
    while candidates.len() > 0 {
        thread::scope(|scope| {
            let shares = (0..cores).map(|_| candidates.by_ref().take(SHARE).collect::<Vec<_>>());
            let threads: Vec<_> =
                shares.map(|share| scope.spawn(move || stat_share(share, real, max_bytes))).collect();
            for thread in threads {
                let mut share = thread.join().expect("asking for a state does not panic");
                found.entries.append(&mut share.entries);
                found.skipped.append(&mut share.skipped);
            }
        });
    }
}

fn stat_share(candidates: Vec<Candidate>, real: &Real<'_>, max_bytes: u64) -> Found {
    let mut found = Found { entries: Vec::with_capacity(candidates.len()), ..Found::default() };
    // Documents come folder by folder.
    let mut last: Option<(PathBuf, Arc<Path>)> = None;
    for candidate in candidates {
        let path = candidate.path.clone();
        match entry(candidate, real, &mut last) {
            Ok(entry) if entry.stat.is_folder() => {}
            Ok(entry) => found.add(entry, max_bytes),
            Err(error) => found.skipped.push((path, error.into())),
        }
    }
    found
}

/// Looks at a candidate; `last` is the folder of the one before it, with its canonical form.
fn entry(
    candidate: Candidate,
    real: &Real<'_>,
    last: &mut Option<(PathBuf, Arc<Path>)>,
) -> Result<Entry, files::Error> {
    let Candidate { path, depth, kind, is_symlink } = candidate;
    if is_symlink {
        return Ok(Entry { kind, named: false, ..Entry::at(&path)? });
    }
    let stat = Stat::of(&path)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = match last {
        Some((of, folder)) if of == parent => Arc::clone(folder),
        _ => {
            let below = below(&path, depth);
            let root = &bytes(&path)[..bytes(&path).len() - bytes(below).len()];
            let root = real.get(Path::new(OsStr::from_bytes(root)));
            let folder: Arc<Path> = match (root, below.parent()) {
                (Some(root), Some(below)) if below.as_os_str().is_empty() => Arc::from(root.as_path()),
                (Some(root), Some(below)) => Arc::from(root.join(below)),
                _ => Arc::from(files::canonicalize(parent)?),
            };
            *last = Some((parent.to_owned(), Arc::clone(&folder)));
            folder
        }
    };
    Ok(Entry { path, kind, named: false, stat, folder, target: None })
}
