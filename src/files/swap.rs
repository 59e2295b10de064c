//! A new file takes a document's place, and what stood there is kept aside until it is known.
//!
//! Check-then-rename loses what an editor saves between the two. `RENAME_EXCHANGE` (renameat2(2)) loses
//! nothing: whatever stood at the document's path at that instant comes out under the other name.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::digest::Digest;
use crate::files::quiet::wait_until_closed;
use crate::files::stat::Stat;
use crate::files::{Error, digest};

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
    pub(super) document: &'a Path,
    /// Where the document's old file is kept until it is known to hold no edit.
    pub(super) aside: &'a Path,
}

impl Swap<'_> {
    /// Puts the file `new` in the document's place and the old one aside. With [`Way::Rename`]
    /// nothing is aside.
    ///
    /// # Errors
    /// With the document as it was; `new` or `aside` may be left.
    pub(super) fn put(&self, new: &Path, planned: &Stat, best: Way) -> Result<Way, Error> {
        if best == Way::Exchange {
            fs::rename(new, self.aside).map_err(Error::io(new, "rename"))?;
            match self.exchange() {
                Ok(()) => return Ok(Way::Exchange),
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                    fs::rename(self.aside, new).map_err(Error::io(self.aside, "rename"))?;
                }
                Err(error) => return Err(Error::io(self.document, "replace")(error.into())),
            }
        }
        let linked = best != Way::Rename && fs::hard_link(self.document, self.aside).is_ok();
        if !Stat::of_link(self.document)?.is_unchanged_since(planned) {
            let changed = io::Error::new(io::ErrorKind::ResourceBusy, "it changed at the last moment");
            return Err(Error::io(self.document, "replace")(changed));
        }
        fs::rename(new, self.document).map_err(Error::io(self.document, "replace"))?;
        Ok(if linked { Way::Link } else { Way::Rename })
    }

    /// Puts what is aside back in the document's place; `ours` and `bytes` are what we had put there. If that
    /// was changed too, the newest stays in the document and the other remains aside.
    ///
    /// Returns whether an edit remains aside, where its owner must be told of it.
    pub(super) fn give_back(&self, ours: &Stat, bytes: Digest) -> Result<bool, Error> {
        let mut in_place = *ours;
        for _ in 0..TRIES {
            let newest = Stat::of_link(self.aside)?;
            match self.exchange() {
                Ok(()) => {}
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => return self.rename_back(ours, bytes),
                Err(error) => return Err(Error::io(self.document, "give an edit back to")(error.into())),
            }
            if Stat::of_link(self.aside)?.is_unchanged_since(&in_place) {
                if in_place.id() != ours.id() {
                    return Ok(true);
                }
                // Whoever opened our file while it was the document may still write in it.
                let open = wait_until_closed(&HashSet::from([ours.id()]), PATIENCE);
                if digest(self.aside)?.0 == bytes {
                    if open.is_empty() {
                        fs::remove_file(self.aside).map_err(Error::io(self.aside, "remove"))?;
                    }
                    return Ok(!open.is_empty());
                }
            }
            in_place = newest;
        }
        Ok(true)
    }

    fn rename_back(&self, ours: &Stat, bytes: Digest) -> Result<bool, Error> {
        let (found, stat) = digest(self.document)?;
        let is_ours = stat.is_unchanged_since(ours) && found == bytes;
        if is_ours {
            fs::rename(self.aside, self.document)
                .map_err(Error::io(self.document, "give an edit back to"))?;
        }
        Ok(!is_ours)
    }

    fn exchange(&self) -> Result<(), Errno> {
        renameat_with(CWD, self.aside, CWD, self.document, RenameFlags::EXCHANGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_replaces_and_the_first_two_keep_the_old() {
        for way in [Way::Exchange, Way::Link, Way::Rename] {
            let folder = tempfile::tempdir().unwrap();
            let [document, aside, new] = ["a.md", "aside", "new"].map(|name| folder.path().join(name));
            fs::write(&document, "old").unwrap();
            fs::write(&new, "new").unwrap();
            let swap = Swap { document: &document, aside: &aside };
            let planned = Stat::of(&document).unwrap();
            assert_eq!(swap.put(&new, &planned, way).unwrap(), way);
            assert_eq!(fs::read(&document).unwrap(), b"new");
            assert_eq!(fs::read(&aside).ok(), (way != Way::Rename).then(|| b"old".to_vec()));
            assert!(!new.exists());
        }
    }

    #[test]
    fn without_an_exchange_a_changed_document_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let [document, aside, new] = ["a.md", "aside", "new"].map(|name| folder.path().join(name));
        fs::write(&document, "old").unwrap();
        fs::write(&new, "new").unwrap();
        let planned = Stat::of(&document).unwrap();
        fs::write(&document, "edited").unwrap();
        let swap = Swap { document: &document, aside: &aside };
        for way in [Way::Link, Way::Rename] {
            assert!(swap.put(&new, &planned, way).is_err());
            assert_eq!(fs::read(&document).unwrap(), b"edited");
        }
    }

    /// `aside` holds an edit, `document` what `then` left there after we had put "new" in it.
    fn check(then: Option<&str>, expected: (&str, Option<&str>)) {
        let folder = tempfile::tempdir().unwrap();
        let [document, aside] = ["a.md", "aside"].map(|name| folder.path().join(name));
        fs::write(&aside, "first edit").unwrap();
        fs::write(&document, "new").unwrap();
        let ours = Stat::of(&document).unwrap();
        if let Some(text) = then {
            fs::remove_file(&document).unwrap();
            fs::write(&document, text).unwrap();
        }
        let kept = Swap { document: &document, aside: &aside }.give_back(&ours, Digest::of(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&document).unwrap(), expected.0);
        assert_eq!(fs::read_to_string(&aside).ok().as_deref(), expected.1);
        assert_eq!(kept, expected.1.is_some());
    }

    #[test]
    fn an_edit_is_given_back_and_a_second_one_wins() {
        check(None, ("first edit", None));
        check(Some("second edit"), ("second edit", Some("first edit")));
    }
}
