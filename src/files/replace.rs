//! Puts new bytes in the place of documents, never over an edit and never half.
//!
//! Each document is written beside itself under a temporary name, with its attributes, and synced; then
//! the two are exchanged, what came out is compared with what the new bytes were made from, and given
//! back if it differs. A batch is synced together, which is what makes it cheap.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::process::geteuid;

use crate::digest::Digest;
use crate::files::folder::{Folder, parent};
use crate::files::replace::batch::Batch;
use crate::files::stat::Stat;
use crate::files::{self, in_place, quiet};

mod batch;

/// New bytes for one document.
#[derive(Clone, Debug)]
pub struct Replacement {
    /// The file itself: no part of the path may be a symlink. What is one by now is not what was found.
    pub path: PathBuf,
    /// Of the bytes that `new` was made from.
    pub expected: Digest,
    /// All of its new bytes.
    pub new: Vec<u8>,
    /// What becomes of its mtime.
    pub mtime: Mtime,
    /// The state in which we left it last, if we wrote it: so found, it need not be old.
    pub left_by_us: Option<Stat>,
}

/// What becomes of a document's mtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mtime {
    /// The time of the replacement.
    New,
    /// As it was.
    Keep,
    /// This one.
    Set(SystemTime),
}

impl Mtime {
    /// The time to set, if it is not the clock's.
    pub(super) fn of(self, old: &Stat) -> Option<SystemTime> {
        match self {
            Self::New => None,
            Self::Keep => Some(old.mtime()),
            Self::Set(time) => Some(time),
        }
    }
}

/// How far replacing may go, and how long it waits.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether a document that a new file would split from its other names, or give another owner, is
    /// overwritten where it is, under a journal. Others are never written in place.
    pub in_place: bool,
    /// How long a document must have been left alone. Waited for once, for the whole batch.
    pub settle: Duration,
    /// How long to wait for programs that hold documents open for writing.
    pub patience: Duration,
    /// What becomes of the mtime of a document that does not go back to what it was: new or kept.
    pub mtime: Mtime,
}

impl Default for Options {
    fn default() -> Self {
        let two_seconds = Duration::from_secs(2);
        Self { in_place: false, settle: two_seconds, patience: two_seconds, mtime: Mtime::New }
    }
}

/// A document that holds its new bytes, durably.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The file itself, symlinks followed.
    pub path: PathBuf,
    /// Its state as we left it.
    pub stat: Stat,
}

/// Why a document was left as it was; which one, whoever asked knows.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Its bytes are not the expected ones: plan again.
    #[error("it was edited meanwhile{}", also(kept.as_deref()))]
    Edited {
        /// Of two edits during the replacement the earlier, if it could not be given back.
        kept: Option<PathBuf>,
    },
    /// A program holds it open for writing.
    #[error("it is open for writing in another program{}", also(kept.as_deref()))]
    Busy {
        /// As in `Edited`.
        kept: Option<PathBuf>,
    },
    /// It has no write permission, even if we could write it all the same.
    #[error("it is read-only")]
    ReadOnly,
    /// A new file would take one name and leave the others.
    #[error("it has {links} hard links: only `rewrite.in_place` would change them all")]
    HardLinks {
        /// How many names it has.
        links: u32,
    },
    /// A new file would be ours.
    #[error("it belongs to user {uid}: only `rewrite.in_place` may change it")]
    ForeignOwner {
        /// Whose it is.
        uid: u32,
    },
    /// A new file could not be given the old one's group, ACL or other attributes.
    #[error("its attributes cannot be kept")]
    Attributes(#[source] io::Error),
    /// The file system said no.
    #[error(transparent)]
    Files(#[from] files::Error),
}

impl Refused {
    /// Of two edits during the replacement the earlier, if it could not be given back.
    #[must_use]
    pub fn kept(&self) -> Option<&Path> {
        match self {
            Self::Edited { kept, .. } | Self::Busy { kept, .. } => kept.as_deref(),
            Self::ReadOnly
            | Self::HardLinks { .. }
            | Self::ForeignOwner { .. }
            | Self::Attributes(_)
            | Self::Files(_) => None,
        }
    }

    /// Whether another try, planned anew, may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Edited { .. } | Self::Busy { .. } => true,
            Self::ReadOnly
            | Self::HardLinks { .. }
            | Self::ForeignOwner { .. }
            | Self::Attributes(_)
            | Self::Files(_) => false,
        }
    }
}

fn also(kept: Option<&Path>) -> String {
    kept.map(|path| format!("; one more edit is kept as `{}`", path.display())).unwrap_or_default()
}

/// Replaces documents; the answers stand in the order of the questions. Blocks for as long as
/// [`Options`] says, and is durable when it returns. Until the swap the disk holds all of them twice.
#[must_use]
pub fn replace_all(replacements: Vec<Replacement>, options: &Options) -> Vec<Result<Replaced, Refused>> {
    let targets: Vec<_> = replacements.into_iter().map(|found| Target::find(found, options)).collect();
    let found = || targets.iter().flatten();
    quiet::wait_until_old(found().filter_map(Target::changed), options.settle);
    let ids: HashSet<_> = found().map(|target| target.planned.id()).collect();
    let busy = quiet::wait_until_closed(&ids, options.patience);

    let mut batch = Batch::default();
    let mut answers: Vec<_> = targets.iter().map(|_| None).collect();
    for (index, target) in targets.into_iter().enumerate() {
        let staged = target.and_then(|target| {
            if busy.contains(&target.planned.id()) {
                return Err(Refused::Busy { kept: None });
            }
            if target.in_place {
                return in_place::overwrite(&target).map(Some);
            }
            if !batch.has_room_for(&target) {
                std::mem::take(&mut batch).finish(&mut answers);
            }
            match batch.stage(index, &target) {
                Err(Refused::Attributes(_)) if options.in_place => in_place::overwrite(&target).map(Some),
                staged => staged.map(|()| None),
            }
        });
        answers[index] = staged.transpose();
    }
    batch.finish(&mut answers);
    answers.into_iter().map(|answer| answer.expect("each is answered by itself or by its batch")).collect()
}

/// A document that may be replaced, as it was found.
#[derive(Debug)]
pub(super) struct Target {
    /// The file itself.
    pub(super) document: PathBuf,
    pub(super) planned: Stat,
    pub(super) expected: Digest,
    pub(super) new: Vec<u8>,
    pub(super) mtime: Mtime,
    left_by_us: bool,
    in_place: bool,
}

impl Target {
    fn find(replacement: Replacement, options: &Options) -> Result<Self, Refused> {
        let Replacement { path, expected, new, mtime, left_by_us } = replacement;
        let folder = Folder::open_real(parent(&path))?;
        let name = path.file_name().unwrap_or_default();
        let planned = folder.stat(name)?;
        if !planned.is_file() {
            return Err(files::Error::NotAFile { path }.into());
        }
        if planned.mode & 0o222 == 0 || !folder.is_writable(name) {
            return Err(Refused::ReadOnly);
        }
        let splits = planned.nlink > 1;
        let is_foreign = planned.uid != geteuid().as_raw();
        if splits && !options.in_place {
            return Err(Refused::HardLinks { links: planned.nlink });
        }
        if is_foreign && !options.in_place {
            return Err(Refused::ForeignOwner { uid: planned.uid });
        }
        let left_by_us = left_by_us == Some(planned);
        Ok(Self { document: path, planned, expected, new, mtime, left_by_us, in_place: splits || is_foreign })
    }

    /// When other hands changed it.
    fn changed(&self) -> Option<SystemTime> {
        (!self.left_by_us).then(|| self.planned.mtime())
    }

    /// Its name in its folder.
    pub(super) fn name(&self) -> &OsStr {
        self.document.file_name().unwrap_or_default()
    }

    /// Opens the document, and makes sure that it is still what was found and what was planned for.
    pub(super) fn open(&self, folder: &Folder) -> Result<std::fs::File, Refused> {
        let (mut file, stat) = folder.open_file(self.name())?;
        if stat == self.planned && files::digest_of(&mut file, &self.document)? == self.expected {
            Ok(file)
        } else {
            Err(Refused::Edited { kept: None })
        }
    }
}
