//! Temporary files beside documents: how they are named, and what is done with those a crash leaves.
//!
//! A name is `.imgkeep-<stage>-<16 random hex digits>-<document>`; it says how far the work was, and
//! on what.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::files::folder::{Folder, parent};
use crate::files::in_place::{self, Undone};
use crate::files::stat::Stat;
use crate::files::swap::Swap;
use crate::files::{Error, names};

const PREFIX: &str = ".imgkeep-";
const RANDOM: usize = 16;

/// A swap changes the ctime of both files at the same instant, in nanoseconds or nearly. A document that was changed later
/// than what lies beside it holds something newer: that is never taken away again.
const SAME_INSTANT: i64 = 20_000_000;

/// A longer document name is cut and told by its digest, so that no name exceeds 255 bytes.
const LONGEST: usize = 200;

/// How far the work on a document was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Bytes of ours, perhaps not all of them. Nobody else's, ever.
    New,
    /// Our bytes just before the swap; after it, whatever the document held.
    Swap,
    /// The old and new bytes of a document that is overwritten in place.
    Journal,
}

impl Stage {
    const ALL: [Self; 3] = [Self::New, Self::Swap, Self::Journal];

    fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Swap => "swap",
            Self::Journal => "journal",
        }
    }

    /// A fresh name for a file beside `document`.
    #[must_use]
    pub fn name(self, document: &OsStr) -> OsString {
        let mut name = format!("{PREFIX}{}-{:016x}-", self.word(), fastrand::u64(..)).into_bytes();
        name.extend_from_slice(&label(document));
        OsString::from_vec(name)
    }

    /// The stage and the document's label in a name made by [`Self::name`].
    fn parse(name: &OsStr) -> Option<(Self, &[u8])> {
        let rest = name.as_bytes().strip_prefix(PREFIX.as_bytes())?;
        let stage = Self::ALL.into_iter().find(|stage| rest.starts_with(stage.word().as_bytes()))?;
        let rest = rest[stage.word().len()..].strip_prefix(b"-")?;
        let (random, rest) = rest.split_at_checked(RANDOM)?;
        let label = rest.strip_prefix(b"-")?;
        random.iter().all(u8::is_ascii_hexdigit).then_some((stage, label))
    }
}

/// The document's name, or so much of it that a folder's names can be asked which one is meant.
fn label(document: &OsStr) -> Vec<u8> {
    let bytes = document.as_bytes();
    if bytes.len() <= LONGEST {
        return bytes.to_vec();
    }
    let digest = Digest::of(bytes).to_string();
    [&bytes[..LONGEST - 20], b"~", &digest.as_bytes()[..RANDOM]].concat()
}

/// Whether a file of this name is ours and no document.
#[must_use]
pub fn is_ours(name: &OsStr) -> bool {
    name.as_bytes().starts_with(PREFIX.as_bytes())
}

/// The temporary files in a folder, sorted.
pub fn find(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let names = names(folder)?.into_iter();
    Ok(names.filter(|name| Stage::parse(name).is_some()).map(|name| folder.join(name)).collect())
}

/// What is remembered of some bytes of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// It held them before we changed it.
    Before,
    /// We wrote them.
    After,
    /// Never seen: somebody's edit.
    Unknown,
}

/// What became of a temporary file.
#[derive(Debug, PartialEq, Eq)]
pub enum Swept {
    /// It held nothing that is not kept elsewhere.
    Removed,
    /// It held an edit that the swap had just taken from its document, which has it again.
    GivenBack(PathBuf),
    /// Its document was half overwritten and holds its old bytes again.
    RolledBack(PathBuf),
    /// Another imgkeep may be at work in its folder.
    InUse,
    /// It holds what nobody knows, and so does the document: for a person to look at.
    Kept,
}

/// Clears away what crashes left. `remember` says what is known of some bytes of a document; each
/// temporary file is answered for, in the order they are given for one folder.
pub fn sweep(
    litter: &[PathBuf],
    remember: &dyn Fn(&Path, Digest) -> Memory,
) -> Vec<(PathBuf, Result<Swept, Error>)> {
    let mut folders: BTreeMap<&Path, Vec<&PathBuf>> = BTreeMap::new();
    for path in litter {
        folders.entry(parent(path)).or_default().push(path);
    }
    let mut swept = Vec::new();
    for (path, litter) in folders {
        let folder = Folder::open(path);
        let mine = folder.as_ref().is_ok_and(Folder::is_mine_alone);
        for path in litter {
            let answer = match &folder {
                Ok(_) if !mine => Ok(Swept::InUse),
                Ok(folder) => clear(folder, path, remember),
                Err(error) => Err(error.again()),
            };
            swept.push((path.clone(), answer));
        }
        if let (Ok(folder), true) = (&folder, mine)
            && let Err(error) = folder.sync()
        {
            swept.push((path.to_owned(), Err(error)));
        }
    }
    swept
}

fn clear(folder: &Folder, path: &Path, remember: &dyn Fn(&Path, Digest) -> Memory) -> Result<Swept, Error> {
    let litter = path.file_name().unwrap_or_default();
    let Some((stage, label)) = Stage::parse(litter) else { return Ok(Swept::Kept) };
    let document = document(path, label)?;
    let name = document.as_deref().and_then(Path::file_name);
    let swept = match (stage, name.zip(document.clone())) {
        (Stage::New, _) => Swept::Removed,
        (Stage::Swap, Some((name, document))) => {
            let swap = Swap { folder, document: name, aside: litter };
            clear_swap(&swap, document, remember)?
        }
        (Stage::Journal, Some((name, document))) => match in_place::undo(folder, litter, name)? {
            Undone::NotNeeded => Swept::Removed,
            Undone::RolledBack => Swept::RolledBack(document),
            Undone::Edited => Swept::Kept,
        },
        (Stage::Swap | Stage::Journal, None) => Swept::Kept,
    };
    if matches!(swept, Swept::Removed | Swept::RolledBack(_)) {
        folder.remove(litter)?;
    }
    Ok(swept)
}

fn clear_swap(
    swap: &Swap<'_>,
    document: PathBuf,
    remember: &dyn Fn(&Path, Digest) -> Memory,
) -> Result<Swept, Error> {
    let (bytes, stat) = swap.folder.digest(swap.aside)?;
    let (in_place, ours) = swap.folder.digest(swap.document)?;
    if stat.id() == ours.id() || bytes == in_place || remember(&document, bytes) != Memory::Unknown {
        return Ok(Swept::Removed);
    }
    if remember(&document, in_place) != Memory::After
        || !swap.folder.stat(swap.document)?.is_unchanged_since(&ours)
        || stat.ctime_ns.saturating_add(SAME_INSTANT) < ours.ctime_ns
    {
        return Ok(Swept::Kept);
    }
    let remains = swap.give_back(&ours, in_place)?;
    Ok(if remains { Swept::Kept } else { Swept::GivenBack(document) })
}

/// The document that a label means, if it still has its name.
fn document(litter: &Path, wanted: &[u8]) -> Result<Option<PathBuf>, Error> {
    let folder = parent(litter);
    if wanted.len() < LONGEST - 3 {
        let path = folder.join(OsStr::from_bytes(wanted));
        return Ok(Stat::find(&path)?.map(|_| path));
    }
    Ok(names(folder)?.into_iter().find(|name| label(name) == wanted).map(|name| folder.join(name)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn names_are_told_and_lead_to_their_documents() {
        let folder = tempfile::tempdir().unwrap();
        for length in [1, 40, 195, 196, 197, 198, 199, 200, 201, 255] {
            let name = OsString::from("x".repeat(length));
            let path = folder.path().join(&name);
            fs::write(&path, "").unwrap();
            for stage in Stage::ALL {
                let temporary = stage.name(&name);
                assert!(temporary.len() <= 255 && is_ours(&temporary));
                let (parsed, label) = Stage::parse(&temporary).unwrap();
                assert_eq!(parsed, stage);
                let found = document(&folder.path().join(&temporary), label).unwrap();
                assert_eq!(found, Some(path.clone()), "{length}");
            }
            fs::remove_file(&path).unwrap();
        }
        for name in [".imgkeep-", ".imgkeep-new-123-a", ".imgkeep-old-0123456789abcdef-a", "a.md"] {
            assert_eq!(Stage::parse(OsStr::new(name)), None);
        }
    }

    /// `document` and the file beside it before the sweep, what became of the latter, and the document after.
    fn check(stage: Stage, document: Option<&str>, beside: &str, expected: &Swept, then: Option<&str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.md");
        if let Some(text) = document {
            fs::write(&path, text).unwrap();
        }
        let litter = folder.path().join(stage.name(OsStr::new("a.md")));
        fs::write(&litter, beside).unwrap();
        let remember = |_: &Path, digest: Digest| match digest {
            digest if digest == Digest::of(b"old") => Memory::Before,
            digest if digest == Digest::of(b"new") => Memory::After,
            _ => Memory::Unknown,
        };
        let mut swept = sweep(&find(folder.path()).unwrap(), &remember);
        let found = swept.pop().unwrap().1.unwrap();
        assert_eq!(std::mem::discriminant(&found), std::mem::discriminant(expected), "{found:?}");
        assert_eq!(litter.exists(), *expected == Swept::Kept);
        assert_eq!(fs::read_to_string(&path).ok().as_deref(), then);
    }

    #[test]
    fn a_sweep_removes_what_is_known_and_gives_edits_back() {
        let given_back = Swept::GivenBack(PathBuf::new());
        check(Stage::New, Some("old"), "ne", &Swept::Removed, Some("old"));
        check(Stage::New, None, "new", &Swept::Removed, None);
        check(Stage::Swap, Some("old"), "new", &Swept::Removed, Some("old"));
        check(Stage::Swap, Some("new"), "old", &Swept::Removed, Some("new"));
        check(Stage::Swap, Some("edit"), "old", &Swept::Removed, Some("edit"));
        check(Stage::Swap, Some("new"), "edit", &given_back, Some("edit"));
        check(Stage::Swap, Some("later"), "edit", &Swept::Kept, Some("later"));
        check(Stage::Swap, None, "edit", &Swept::Kept, None);
        check(Stage::Journal, Some("old"), "cut short", &Swept::Removed, Some("old"));
    }

    #[test]
    fn a_folder_where_somebody_works_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let litter = folder.path().join(Stage::New.name(OsStr::new("a.md")));
        fs::write(&litter, "").unwrap();
        let other = Folder::open(folder.path()).unwrap();
        other.share();
        let swept = sweep(std::slice::from_ref(&litter), &|_, _| Memory::Unknown);
        assert!(matches!(swept[0].1, Ok(Swept::InUse)));
        assert!(litter.exists());
    }
}
