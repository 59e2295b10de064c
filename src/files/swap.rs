//! A new file takes a document's place, and what stood there is kept aside until it is known.
//!
//! Check-then-rename loses what an editor saves between the two. `RENAME_EXCHANGE` (renameat2(2)) loses
//! nothing: whatever stood at the document's path at that instant comes out under the other name.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::digest::Digest;
use crate::files::Error;
use crate::files::folder::Folder;
use crate::files::quiet::wait_until_closed;
use crate::files::stat::Stat;

/// More changes in a row than this are no editor; the last of them stays where it was put.
const TRIES: u32 = 1000;

/// How long a program may hold a file open for writing that was the document for an instant.
const PATIENCE: Duration = Duration::from_secs(1);

/// How a new file gets to its place, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// In one step, whatever stands there.
    Exchange,
    /// A second name keeps the old file, which then is renamed over. An edit saved by rename in the
    /// microseconds between the last look and the rename is lost; one written in place is not.
    Link,
    /// Renamed over, for file systems that know neither. What was written since the last look is lost.
    Rename,
}

/// Two names in one folder.
#[derive(Debug)]
pub(super) struct Swap<'a> {
    pub(super) folder: &'a Folder,
    pub(super) document: &'a OsStr,
    /// Where the document's old file is kept until it is known to hold no edit.
    pub(super) aside: &'a OsStr,
}

impl Swap<'_> {
    /// Puts the file `new` in the document's place and the old one aside. With [`Way::Rename`]
    /// nothing is aside.
    ///
    /// # Errors
    /// With the document as it was; `new` or `aside` may be left.
    pub(super) fn put(&self, new: &OsStr, planned: &Stat, best: Way) -> Result<Way, Error> {
        let Self { folder, document, aside } = self;
        if best == Way::Exchange {
            folder.rename(new, aside, "rename")?;
            match folder.exchange(aside, document) {
                Ok(()) => return Ok(Way::Exchange),
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => folder.rename(aside, new, "rename")?,
                Err(error) => return Err(self.failed("replace", error)),
            }
        }
        let linked = best != Way::Rename && folder.link(document, aside).is_ok();
        if !folder.stat(document)?.is_unchanged_since(planned) {
            let changed = io::Error::new(io::ErrorKind::ResourceBusy, "it changed at the last moment");
            return Err(Error::io(&folder.path().join(document), "replace")(changed));
        }
        folder.rename(new, document, "replace")?;
        Ok(if linked { Way::Link } else { Way::Rename })
    }

    /// Puts what is aside back in the document's place; `ours` and `bytes` are what we had put there. If that
    /// was changed too, the newest stays in the document and the other remains aside.
    ///
    /// Returns whether an edit remains aside, where its owner must be told of it.
    pub(super) fn give_back(&self, ours: &Stat, bytes: Digest) -> Result<bool, Error> {
        let Self { folder, document, aside } = self;
        let start = Instant::now();
        let mut in_place = *ours;
        for _ in 0..TRIES {
            let newest = folder.stat(aside)?;
            match folder.exchange(aside, document) {
                Ok(()) => {}
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => return self.rename_back(ours, bytes),
                // Some editors take a document away before they put the next one there.
                Err(Errno::NOENT) if start.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                Err(Errno::NOENT) => return Ok(true),
                Err(error) => return Err(self.failed("give an edit back to", error)),
            }
            if folder.stat(aside)?.is_unchanged_since(&in_place) {
                if in_place.id() != ours.id() {
                    return Ok(true);
                }
                // Whoever opened our file while it was the document may still write in it.
                let open = wait_until_closed(&HashSet::from([ours.id()]), PATIENCE);
                if folder.digest(aside)?.0 == bytes {
                    if open.is_empty() {
                        folder.remove(aside)?;
                    }
                    return Ok(!open.is_empty());
                }
            }
            in_place = newest;
        }
        Ok(true)
    }

    fn rename_back(&self, ours: &Stat, bytes: Digest) -> Result<bool, Error> {
        let (found, stat) = self.folder.digest(self.document)?;
        let is_ours = stat.is_unchanged_since(ours) && found == bytes;
        if is_ours {
            self.folder.rename(self.aside, self.document, "give an edit back to")?;
        }
        Ok(!is_ours)
    }

    fn failed(&self, doing: &'static str, error: Errno) -> Error {
        Error::io(&self.folder.path().join(self.document), doing)(error.into())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const NAMES: [&str; 3] = ["a.md", "aside", "new"];

    /// A folder where the document and the new file hold these.
    fn scene(document: &str, new: &str) -> (tempfile::TempDir, Folder) {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a.md"), document).unwrap();
        fs::write(root.path().join("new"), new).unwrap();
        let folder = Folder::open(root.path()).unwrap();
        (root, folder)
    }

    fn text(root: &tempfile::TempDir, name: &OsStr) -> Option<String> {
        fs::read_to_string(root.path().join(name)).ok()
    }

    #[test]
    fn every_way_replaces_and_the_first_two_keep_the_old() {
        for way in [Way::Exchange, Way::Link, Way::Rename] {
            let (root, folder) = scene("old", "new");
            let [document, aside, new] = NAMES.map(OsStr::new);
            let swap = Swap { folder: &folder, document, aside };
            let planned = folder.stat(document).unwrap();
            assert_eq!(swap.put(new, &planned, way).unwrap(), way);
            assert_eq!(text(&root, document).unwrap(), "new");
            assert_eq!(text(&root, aside), (way != Way::Rename).then(|| "old".to_owned()));
            assert_eq!(text(&root, new), None);
        }
    }

    #[test]
    fn without_an_exchange_a_changed_document_is_left() {
        let (root, folder) = scene("old", "new");
        let [document, aside, new] = NAMES.map(OsStr::new);
        let planned = folder.stat(document).unwrap();
        fs::write(root.path().join(document), "edited").unwrap();
        let swap = Swap { folder: &folder, document, aside };
        for way in [Way::Link, Way::Rename] {
            assert!(swap.put(new, &planned, way).is_err());
            assert_eq!(text(&root, document).unwrap(), "edited");
        }
    }

    /// `aside` holds an edit; what `then` does comes after we had put "new" in the document.
    fn check(then: impl FnOnce(&std::path::Path) + Send + 'static, expected: (Option<&str>, Option<&str>)) {
        let (root, folder) = scene("new", "");
        let [document, aside, _] = NAMES.map(OsStr::new);
        fs::write(root.path().join(aside), "first edit").unwrap();
        let ours = folder.stat(document).unwrap();
        then(&root.path().join(document));
        let swap = Swap { folder: &folder, document, aside };
        let kept = swap.give_back(&ours, Digest::of(b"new")).unwrap();
        assert_eq!(text(&root, document).as_deref(), expected.0);
        assert_eq!(text(&root, aside).as_deref(), expected.1);
        assert_eq!(kept, expected.1.is_some());
    }

    #[test]
    fn an_edit_is_given_back_and_a_second_one_wins() {
        check(|_| {}, (Some("first edit"), None));
        let save = |path: &std::path::Path| {
            fs::remove_file(path).unwrap();
            fs::write(path, "second edit").unwrap();
        };
        check(save, (Some("second edit"), Some("first edit")));
    }

    #[test]
    fn a_document_that_is_away_for_a_moment_is_waited_for() {
        check(|path| fs::remove_file(path).unwrap(), (None, Some("first edit")));
        let slowly = |path: &std::path::Path| {
            let path = path.to_owned();
            let backup = path.with_extension("md~");
            fs::rename(&path, &backup).unwrap();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(100));
                // All of it at once: what is written in the document while it is aside is another story.
                fs::write(path.with_extension("new"), "second edit").unwrap();
                fs::rename(path.with_extension("new"), path).unwrap();
            });
        };
        check(slowly, (Some("second edit"), Some("first edit")));
    }
}
