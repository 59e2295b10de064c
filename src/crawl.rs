//! Finds the documents under the paths the user named, and reads their bytes.
//!
//! `.gitignore` is honoured, in a git repository or not; hidden files and folders, the store and our own
//! temporary files are no documents. A file the user named is one, whatever its name.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::crawl::kind::Known;
use crate::document::DocumentKind;
use crate::files::stat::Stat;
use crate::files::{self, inside, litter};

pub mod kind;
mod walk;

/// Which files are documents.
#[derive(Clone, Debug)]
pub struct Options {
    /// Patterns as in `.gitignore`, from each named folder. If there are any, only files that match one are
    /// documents, and then whatever their extension.
    pub include: Vec<String>,
    /// Patterns as in `.gitignore`, of files and folders to pass by.
    pub exclude: Vec<String>,
    /// Larger files are skipped. In bytes.
    pub max_bytes: u64,
    /// The store, wherever it lies: its folder is not entered.
    pub store: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { include: Vec::new(), exclude: Vec::new(), max_bytes: 256 << 20, store: None }
    }
}

/// One document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As the user would write it: below the path that was named.
    pub path: PathBuf,
    /// By the extension; `None` if only the bytes can tell.
    pub kind: Option<DocumentKind>,
    /// Whether the user named this very file.
    pub named: bool,
    /// Its state when it was found.
    pub stat: Stat,
    /// The canonical folder that holds the file itself, shared by all documents in it.
    pub folder: Arc<Path>,
    /// The file's own name, if `path` is a symlink to it.
    target: Option<Box<OsStr>>,
}

impl Entry {
    /// The document at `path`, as if the user had named it.
    ///
    /// # Errors
    /// When nothing is there or the system does not let us look.
    pub fn at(path: &Path) -> Result<Self, files::Error> {
        let stat = Stat::of(path)?;
        let real = files::canonicalize(path)?;
        let folder = Arc::from(real.parent().unwrap_or(&real));
        let target = real.file_name().filter(|name| path.file_name() != Some(name)).map(Box::from);
        Ok(Self {
            path: path.to_owned(),
            kind: kind::of_name(path).document(),
            named: true,
            stat,
            folder,
            target,
        })
    }

    /// The same document as it is now. Whatever has come into the place of a folder above it since is not followed.
    ///
    /// # Errors
    /// When it is not there any more.
    pub fn again(&self) -> Result<Self, files::Error> {
        Ok(Self { stat: inside::stat(&self.real())?, ..self.clone() })
    }

    /// A document that is no file: only its bytes can be asked.
    #[must_use]
    pub fn unnamed() -> Self {
        let path = PathBuf::from("-");
        Self {
            path,
            kind: None,
            named: true,
            stat: Stat::default(),
            folder: Arc::from(Path::new("/")),
            target: None,
        }
    }

    /// Whether it is no file, as [`Self::unnamed`] makes it.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// The name of the file itself, which lies in `folder`.
    #[must_use]
    pub fn file_name(&self) -> &OsStr {
        self.target.as_deref().or(self.path.file_name()).unwrap_or_default()
    }

    /// The file itself, symlinks followed.
    #[must_use]
    pub fn real(&self) -> PathBuf {
        self.folder.join(self.file_name())
    }

    /// How its bytes are to be read.
    ///
    /// # Errors
    /// Why they hold no document.
    pub fn kind_of(&self, bytes: &[u8]) -> Result<DocumentKind, Skip> {
        kind::of(&self.path, bytes)
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Sorted by path, byte by byte; each file once, by one of its paths.
    pub entries: Vec<Entry>,
    /// What might have been a document, and why it is not. Sorted by path.
    pub skipped: Vec<(PathBuf, Skip)>,
    /// Temporary files of ours that a crash left behind, for [`litter::sweep`]. Sorted.
    pub litter: Vec<PathBuf>,
}

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum Skip {
    /// Over [`Options::max_bytes`].
    #[error("it has {bytes} bytes, and the limit is {limit}")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The system does not let us.
    #[error("it cannot be read: {source}")]
    Unreadable {
        /// What it said.
        source: io::Error,
    },
    /// A pipe, a socket, a device.
    #[error("it is not a regular file")]
    NotAFile,
    /// Its bytes are no text.
    #[error("it is binary ({looks_like})")]
    Binary {
        /// The format, as far as it can be told.
        looks_like: &'static str,
    },
    /// JSON that is no JSON Feed.
    #[error("it is JSON, but no JSON Feed")]
    NotAFeed,
    /// In the store, where images are kept and no documents.
    #[error("it lies in the store")]
    InStore,
    /// Any of these, of a file that the user named and will miss.
    #[error("{0}")]
    Named(Box<Self>),
}

impl Skip {
    /// Whether it keeps a document from being handled that the user has reason to expect; other files are simply none.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        match self {
            Self::TooLarge { .. } | Self::Unreadable { .. } | Self::Named(_) => true,
            Self::NotAFile | Self::Binary { .. } | Self::NotAFeed | Self::InStore => false,
        }
    }

    /// The same of a file that the user named.
    #[must_use]
    pub fn named(self) -> Self {
        if self.is_failure() { self } else { Self::Named(Box::new(self)) }
    }

    /// The name of the reason in reports.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Unreadable { .. } => "unreadable",
            Self::NotAFile => "not_a_file",
            Self::Binary { .. } => "binary",
            Self::NotAFeed => "not_a_feed",
            Self::InStore => "in_store",
            Self::Named(skip) => skip.reason(),
        }
    }
}

impl From<files::Error> for Skip {
    fn from(error: files::Error) -> Self {
        match error {
            files::Error::Io { source, .. } => Self::Unreadable { source },
            files::Error::NotAFile { .. } => Self::NotAFile,
            files::Error::TooLarge { bytes, limit, .. } => Self::TooLarge { bytes, limit },
        }
    }
}

/// Why nothing was walked: the user must mend the command or the configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is there.
    #[error("there is no `{}`", path.display())]
    Missing {
        /// As it was named.
        path: PathBuf,
    },
    /// A named path cannot be looked at.
    #[error(transparent)]
    Files(#[from] files::Error),
    /// A pattern of `include` or `exclude` is malformed.
    #[error("`{pattern}` is no pattern")]
    Pattern {
        /// As it was written.
        pattern: String,
        /// What is wrong with it.
        source: ignore::Error,
    },
}

/// Is called with each folder before it is listed.
pub type Entering = Arc<dyn Fn(&Path) + Send + Sync>;

/// Which part of the folders is walked, and who is told of the way. By default all of it, and nobody.
#[derive(Clone, Default)]
pub struct Part {
    /// Only these files and folders and what lies below them, judged as a walk of the whole would.
    pub only: Option<BTreeSet<PathBuf>>,
    /// Whether files are passed by: a walk of the folders alone.
    pub folders_only: bool,
    /// Called with each folder before it is listed.
    pub entering: Option<Entering>,
}

impl Part {
    /// Whether `path` is one of those that are looked for, or lies below one.
    fn holds(&self, path: &Path) -> bool {
        self.only.as_ref().is_none_or(|only| path.ancestors().any(|above| only.contains(above)))
    }

    /// Whether `folder` holds what is looked for, or leads to it.
    fn leads(&self, folder: &Path) -> bool {
        let Some(only) = &self.only else { return true };
        let mut behind = only.range::<Path, _>((Bound::Included(folder), Bound::Unbounded));
        behind.next().is_some_and(|path| path.starts_with(folder)) || self.holds(folder)
    }

    fn enter(&self, folder: &Path) {
        if let Some(entering) = &self.entering {
            entering(folder);
        }
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("only", &self.only)
            .field("folders_only", &self.folders_only)
            .finish_non_exhaustive()
    }
}

/// Finds every document in `paths`, which may be files and folders.
///
/// Symlinks to files are followed; to folders only if the user named them.
pub fn walk(paths: &[PathBuf], options: &Options) -> Result<Found, Error> {
    walk_part(paths, &Part::default(), options)
}

/// Finds the documents in a part of `paths`.
///
/// # Errors
/// As [`walk`].
pub fn walk_part(paths: &[PathBuf], part: &Part, options: &Options) -> Result<Found, Error> {
    let rules = Rules {
        include: (!options.include.is_empty()).then(|| patterns(&options.include)).transpose()?,
        exclude: patterns(&options.exclude)?,
        store: options.store.as_deref().and_then(|store| store.canonicalize().ok()),
    };
    let mut found = Found::default();
    let mut folders = Vec::new();
    for path in paths {
        let stat = Stat::find(path)?.ok_or_else(|| Error::Missing { path: path.clone() })?;
        if rules.is_in_store(path) {
            found.skipped.push((path.clone(), Skip::InStore.named()));
        } else if stat.is_folder() {
            folders.push(path.as_path());
        } else if path.file_name().is_some_and(litter::is_ours) {
            found.litter.push(path.clone());
        } else {
            found.add(Entry::at(path)?, options.max_bytes);
        }
    }
    walk::folders(&folders, rules, part, options.max_bytes, &mut found);
    Ok(found.sorted())
}

/// Reads a document's bytes, at most `max_bytes` of them. Never waits for a pipe. Reads the file that was found, or one
/// that took its place in its folder: if a symlink stands now where a folder was, nothing.
pub fn read(entry: &Entry, max_bytes: u64) -> Result<Vec<u8>, Skip> {
    Ok(inside::read(&entry.real(), max_bytes)?.0)
}

/// The [`Options`] as the walk asks them.
struct Rules {
    include: Option<Gitignore>,
    exclude: Gitignore,
    /// Canonical.
    store: Option<PathBuf>,
}

impl Rules {
    /// Whether a file at `below` (its path below the named folder) is a document, and of which kind.
    fn kind(&self, below: &Path) -> Option<Option<DocumentKind>> {
        if self.exclude.matched(below, false).is_ignore() {
            return None;
        }
        match (&self.include, kind::of_name(below)) {
            (Some(include), known) => {
                let included = include.matched_path_or_any_parents(below, false).is_ignore();
                included.then_some(known.document())
            }
            (None, known @ (Known::Kind(_) | Known::ByBytes | Known::Json)) => Some(known.document()),
            (None, Known::Foreign) => None,
        }
    }

    /// Whether the walk enters a folder.
    fn enters(&self, path: &Path, below: &Path) -> bool {
        let Some(name) = path.file_name() else { return true };
        let is_named_like_it = self.store.as_deref().is_some_and(|store| store.file_name() == Some(name));
        let is_passed_by = is_hidden(name) || self.exclude.matched(below, true).is_ignore();
        let is_store = is_named_like_it && self.is_in_store(path);
        !is_passed_by && !is_store
    }

    fn is_in_store(&self, path: &Path) -> bool {
        let inside = |store: &PathBuf| path.canonicalize().is_ok_and(|path| path.starts_with(store));
        self.store.as_ref().is_some_and(inside)
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// `patterns` as in a `.gitignore`, for paths that are relative to its folder.
///
/// # Errors
/// `Pattern` if one is malformed.
pub fn patterns(patterns: &[String]) -> Result<Gitignore, Error> {
    let mut builder = GitignoreBuilder::new("");
    let failed = |pattern: &str| {
        let pattern = pattern.to_owned();
        move |source| Error::Pattern { pattern, source }
    };
    for pattern in patterns {
        builder.add_line(None, pattern).map_err(failed(pattern))?;
    }
    builder.build().map_err(failed(&patterns.join(" ")))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A tree of empty files; the last part of a path that ends in `/` is a folder.
    fn tree(paths: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for path in paths {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    fn found(root: &Path, options: &Options) -> (Vec<String>, Vec<(String, &'static str)>) {
        let found = walk(&[root.to_owned()], options).unwrap();
        let below = |path: &Path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let entries = found.entries.iter().map(|entry| below(&entry.path)).collect();
        (entries, found.skipped.iter().map(|(path, skip)| (below(path), skip.reason())).collect())
    }

    #[test]
    fn documents_are_found_by_their_names_in_order() {
        let names =
            ["b.md", "a.HTML", "sub/c.markdown", "sub/d.css", "sub-e.txt", "README", "x.png", "y.json"];
        let root = tree(&names);
        let (entries, skipped) = found(root.path(), &Options::default());
        assert_eq!(
            entries,
            ["README", "a.HTML", "b.md", "sub-e.txt", "sub/c.markdown", "sub/d.css", "y.json"]
        );
        assert!(skipped.is_empty());
    }

    #[test]
    fn hidden_ignored_and_own_files_are_passed_by() {
        let root = tree(&[
            "a.md",
            ".hidden.md",
            ".git/b.md",
            "drafts/c.md",
            "keep/d.md",
            "cache/images/e.md",
            "sub/cache/f.md",
            ".imgkeep-new-0123456789abcdef-a.md",
        ]);
        fs::write(root.path().join(".gitignore"), "drafts/\n").unwrap();
        let store = Some(root.path().join("sub/../cache"));
        let options = Options { store, ..Options::default() };
        let (entries, skipped) = found(root.path(), &options);
        assert_eq!(entries, ["a.md", "keep/d.md", "sub/cache/f.md"]);
        assert!(skipped.is_empty());
        let litter = walk(&[root.path().to_owned()], &options).unwrap().litter;
        assert_eq!(litter, [root.path().join(".imgkeep-new-0123456789abcdef-a.md")]);
        let store = walk(&[root.path().join("cache/images")], &options).unwrap();
        assert!(store.entries.is_empty() && store.skipped[0].1.reason() == "in_store");
    }

    #[test]
    fn patterns_say_more_and_less() {
        let root = tree(&["a.md", "b.njk", "posts/c.md", "posts/old/d.md", "posts/e.njk"]);
        let check = |include: &[&str], exclude: &[&str], expected: &[&str]| {
            let list = |patterns: &[&str]| patterns.iter().map(ToString::to_string).collect();
            let options = Options { include: list(include), exclude: list(exclude), ..Options::default() };
            assert_eq!(found(root.path(), &options).0, expected, "{include:?} {exclude:?}");
        };
        check(&[], &["old"], &["a.md", "posts/c.md"]);
        check(&[], &["*.md"], &[]);
        check(&[], &["/a.md", "posts/old/"], &["posts/c.md"]);
        check(&["*.njk"], &[], &["b.njk", "posts/e.njk"]);
        check(&["posts/"], &["*.njk"], &["posts/c.md", "posts/old/d.md"]);
        check(&["posts/**/*.md"], &[], &["posts/c.md", "posts/old/d.md"]);
        let options = Options { include: vec!["[z-a]".to_owned()], ..Options::default() };
        assert!(matches!(walk(&[], &options), Err(Error::Pattern { .. })));
    }

    #[test]
    fn a_part_is_judged_as_the_whole_would_be() {
        let root = tree(&["a.md", "sub/b.md", "sub/deep/c.md", "sub/drafts/d.md", "other/e.md", ".git/f.md"]);
        fs::write(root.path().join(".gitignore"), "drafts/\n").unwrap();
        let check = |only: &[&str], documents: &[&str], folders: &[&str]| {
            let entered: Arc<std::sync::Mutex<Vec<PathBuf>>> = Arc::default();
            let noted = Arc::clone(&entered);
            let part = Part {
                only: Some(only.iter().map(|path| root.path().join(path)).collect()),
                entering: Some(Arc::new(move |folder| noted.lock().unwrap().push(folder.to_owned()))),
                ..Part::default()
            };
            let found = walk_part(&[root.path().to_owned()], &part, &Options::default()).unwrap();
            let below = |path: &Path| path.strip_prefix(root.path()).unwrap().to_str().unwrap().to_owned();
            let entries: Vec<_> = found.entries.iter().map(|entry| below(&entry.path)).collect();
            assert_eq!(entries, documents, "{only:?}");
            let mut entered: Vec<_> = entered.lock().unwrap().iter().map(|path| below(path)).collect();
            entered.sort();
            assert_eq!(entered, folders, "{only:?}");
        };
        check(&[""], &["a.md", "other/e.md", "sub/b.md", "sub/deep/c.md"], &["", "other", "sub", "sub/deep"]);
        check(&["sub"], &["sub/b.md", "sub/deep/c.md"], &["", "sub", "sub/deep"]);
        check(&["sub/deep/c.md", "a.md"], &["a.md", "sub/deep/c.md"], &["", "sub", "sub/deep"]);
        check(&["sub/drafts/d.md", ".git/f.md", "nothing.md"], &[], &["", "sub"]);
        check(&[], &[], &[""]);
    }

    #[test]
    fn a_file_is_taken_once_and_a_named_one_whatever_it_is_called() {
        let root = tree(&["a.md", "sub/b.md", "c.njk"]);
        let path = |name: &str| root.path().join(name);
        symlink("a.md", path("0.md")).unwrap();
        symlink("sub", path("link")).unwrap();
        symlink("nowhere", path("dangling.md")).unwrap();
        fs::hard_link(path("sub/b.md"), path("sub/z.md")).unwrap();
        let (entries, skipped) = found(root.path(), &Options::default());
        assert_eq!(entries, ["0.md", "sub/b.md"]);
        assert_eq!(skipped, [("dangling.md".to_owned(), "unreadable")]);

        let named = [path("c.njk"), path("a.md"), path(""), path("sub"), path("c.njk")];
        let found = walk(&named, &Options::default()).unwrap();
        let entries: Vec<_> = found.entries.iter().map(|entry| (entry.path.clone(), entry.named)).collect();
        assert_eq!(entries, [(path("a.md"), true), (path("c.njk"), true), (path("sub/b.md"), false)]);
        let linked = walk(&[path("link")], &Options::default()).unwrap().entries;
        assert_eq!(linked.iter().map(|entry| &entry.path).collect::<Vec<_>>(), [&path("link/b.md")]);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let root = tree(&["large.md"]);
        fs::write(root.path().join("large.md"), "12345").unwrap();
        let pipe = root.path().join("pipe.md");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let options = Options { max_bytes: 4, ..Options::default() };
        let reason = |name: &str, reason| (name.to_owned(), reason);
        let expected = [reason("large.md", "too_large"), reason("pipe.md", "not_a_file")];
        assert_eq!(found(root.path(), &options).1, expected);
        let missing = walk(&[root.path().join("no")], &options).unwrap_err();
        assert!(missing.to_string().starts_with("there is no `/"), "{missing}");

        let entry = walk(&[root.path().join("large.md")], &Options::default()).unwrap().entries.remove(0);
        assert_eq!(read(&entry, 5).unwrap(), b"12345");
        assert!(matches!(read(&entry, 4), Err(Skip::TooLarge { bytes: 5, limit: 4 })));
        assert!(matches!(read(&Entry { path: pipe, ..entry }, 4), Err(Skip::NotAFile)));
    }
}
