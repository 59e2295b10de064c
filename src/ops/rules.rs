//! Which rules a document is read by: those for all, and over them those for its folder.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use ignore::gitignore::Gitignore;

use crate::crawl::{self, Entry};
use crate::digest::Digest;
use crate::document::extract::{self, ElementAttribute};
use crate::files;
use crate::resolve::{Scope, Wanted};
use crate::rewrite::link;

/// What one document is read by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// What counts as a reference.
    pub found: extract::Rules,
    /// Which of those to remote images are wanted.
    pub wanted: Wanted,
}

/// The rules that are changed, each as a whole; `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// See [`Wanted::scope`].
    pub scope: Option<Scope>,
    /// See [`extract::Rules::attributes`].
    pub attributes: Option<Vec<String>>,
    /// See [`extract::Rules::elements`].
    pub elements: Option<Vec<ElementAttribute>>,
    /// See [`extract::Rules::front_matter_keys`].
    pub front_matter_keys: Option<Vec<String>>,
    /// See [`Wanted::include_hosts`].
    pub include_hosts: Option<Vec<String>>,
    /// See [`Wanted::exclude_hosts`].
    pub exclude_hosts: Option<Vec<String>>,
    /// See [`Wanted::include_families`].
    pub include_families: Option<Vec<String>>,
    /// See [`Wanted::exclude_families`].
    pub exclude_families: Option<Vec<String>>,
}

/// The rules of all documents. Compiled once; a document that no override names costs a look at its path.
#[derive(Clone, Debug, Default)]
pub struct Rulebook {
    base: Rules,
    /// The later wins.
    overrides: Vec<Override>,
}

#[derive(Clone, Debug)]
struct Override {
    /// Canonical where it can be.
    folder: PathBuf,
    patterns: Vec<String>,
    matcher: Gitignore,
    change: Change,
}

impl Change {
    fn apply(&self, rules: &mut Rules) {
        let Rules { found, wanted } = rules;
        set(&self.scope, &mut wanted.scope);
        set(&self.attributes, &mut found.attributes);
        set(&self.elements, &mut found.elements);
        set(&self.front_matter_keys, &mut found.front_matter_keys);
        set(&self.include_hosts, &mut wanted.include_hosts);
        set(&self.exclude_hosts, &mut wanted.exclude_hosts);
        set(&self.include_families, &mut wanted.include_families);
        set(&self.exclude_families, &mut wanted.exclude_families);
    }
}

fn set<T: Clone>(from: &Option<T>, to: &mut T) {
    if let Some(value) = from {
        to.clone_from(value);
    }
}

impl Rulebook {
    /// The built-in rules with `change`, for all documents.
    #[must_use]
    pub fn new(change: &Change) -> Self {
        let mut base = Rules::default();
        change.apply(&mut base);
        Self { base, overrides: Vec::new() }
    }

    /// Changes the rules of the documents that match one of `patterns`, which are as in the `.gitignore` of
    /// `folder`; a document outside of it is `../…` to them. What is changed here wins over what was before.
    ///
    /// # Errors
    /// `Pattern` if one is malformed.
    pub fn change_in(
        &mut self,
        folder: &Path,
        patterns: Vec<String>,
        change: Change,
    ) -> Result<(), crawl::Error> {
        let matcher = crawl::patterns(&patterns)?;
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let folder = files::canonicalize(folder).or_else(|_| std::path::absolute(folder));
        let folder = folder.unwrap_or_default();
        self.overrides.push(Override { folder, patterns, matcher, change });
        Ok(())
    }

    /// Gives all documents one scope, whatever was said before.
    pub fn set_scope(&mut self, scope: Scope) {
        self.base.wanted.scope = scope;
        for change in &mut self.overrides {
            change.change.scope = None;
        }
    }

    /// The rules of one document. One that is no file has no folder and gets the rules for all.
    #[must_use]
    pub fn of(&self, entry: &Entry) -> Cow<'_, Rules> {
        let mut rules = Cow::Borrowed(&self.base);
        if self.overrides.is_empty() || entry.is_unnamed() {
            return rules;
        }
        let document = entry.real();
        for change in self.overrides.iter().filter(|change| change.names(&document)) {
            change.change.apply(rules.to_mut());
        }
        rules
    }

    /// Tells these rules from others: a document looked at by them need not be looked at by them again.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        let overrides =
            self.overrides.iter().map(|change| (&change.folder, &change.patterns, &change.change));
        Digest::of(format!("{:?} {:?}", self.base, overrides.collect::<Vec<_>>()).as_bytes())
    }
}

impl Override {
    fn names(&self, document: &Path) -> bool {
        let path = link::relative(&self.folder, document);
        !path.has_root() && self.matcher.matched_path_or_any_parents(path, false).is_ignore()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn attributes(names: &[&str]) -> Option<Vec<String>> {
        Some(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn a_later_override_wins_key_by_key() {
        let root = tempfile::tempdir().unwrap();
        let site = root.path().join("site");
        let entry = |path: &str| {
            let path = site.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            Entry::at(&path).unwrap()
        };
        let (new, old, page) = (entry("new/a.md"), entry("old/a.md"), entry("old/deep/a.html"));
        let (outside, deep) = (entry("../else/a.md"), entry("a/b/c/note.txt"));

        let mut book = Rulebook::new(&Change { attributes: attributes(&["data-all"]), ..Change::default() });
        let scope = |scope| Change { scope: Some(scope), ..Change::default() };
        let globs = |globs: &[&str]| attributes(globs).unwrap();
        book.change_in(&site, globs(&["old/"]), scope(Scope::Proxied)).unwrap();
        let change = Change { attributes: attributes(&["data-old"]), ..scope(Scope::All) };
        book.change_in(&site, globs(&["old/**/*.html", "../else/*.md", "note.txt"]), change).unwrap();

        let check = |book: &Rulebook, entry: &Entry, scope, names: &[&str]| {
            let rules = book.of(entry);
            let got = (rules.wanted.scope, rules.found.attributes.clone());
            assert_eq!(got, (scope, globs(names)), "{}", entry.path.display());
        };
        check(&book, &new, Scope::All, &["data-all"]);
        check(&book, &old, Scope::Proxied, &["data-all"]);
        check(&book, &page, Scope::All, &["data-old"]);
        check(&book, &outside, Scope::All, &["data-old"]);
        check(&book, &deep, Scope::All, &["data-old"]);
        check(&book, &Entry::unnamed(), Scope::All, &["data-all"]);

        let before = book.fingerprint();
        book.set_scope(Scope::Proxied);
        for (entry, names) in [(&new, "data-all"), (&page, "data-old")] {
            check(&book, entry, Scope::Proxied, &[names]);
        }
        assert_ne!(book.fingerprint(), before);
    }

    #[test]
    fn each_rule_and_each_pattern_counts_for_the_fingerprint() {
        let names = || attributes(&["x"]);
        let element = || Some(vec![ElementAttribute { element: "x".into(), attribute: "y".into() }]);
        let changes = [
            Change::default(),
            Change { scope: Some(Scope::Proxied), ..Change::default() },
            Change { attributes: names(), ..Change::default() },
            Change { elements: element(), ..Change::default() },
            Change { front_matter_keys: names(), ..Change::default() },
            Change { include_hosts: names(), ..Change::default() },
            Change { exclude_hosts: names(), ..Change::default() },
            Change { include_families: names(), ..Change::default() },
            Change { exclude_families: names(), ..Change::default() },
        ];
        let mut books: Vec<_> = changes.iter().map(Rulebook::new).collect();
        for pattern in ["a", "b"] {
            for change in &changes[1..] {
                let mut book = Rulebook::default();
                book.change_in(Path::new("/"), vec![pattern.to_owned()], change.clone()).unwrap();
                books.push(book);
            }
        }
        let mut fingerprints: Vec<_> = books.iter().map(Rulebook::fingerprint).collect();
        fingerprints.sort_unstable();
        fingerprints.dedup();
        assert_eq!(fingerprints.len(), books.len());
    }
}
