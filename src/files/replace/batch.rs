//! Documents that are synced together and then swapped one by one.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::digest::Digest;
use crate::files::folder::{Folder, parent};
use crate::files::litter::Stage;
use crate::files::replace::{Refused, Replaced, Target};
use crate::files::stat::Stat;
use crate::files::swap::{Swap, Way};
use crate::files::{Error, attributes, quiet};

/// Each folder is held open until the batch is done; a process may have 1,024 files open by default.
const MOST_FOLDERS: usize = 256;

/// One answer a document; `None` until there is one.
type Answers = [Option<Result<Replaced, Refused>>];

#[derive(Default)]
pub(super) struct Batch {
    folders: BTreeMap<PathBuf, Arc<Folder>>,
    jobs: Vec<Job>,
}

/// A document whose new bytes lie beside it.
struct Job {
    index: usize,
    folder: Arc<Folder>,
    document: OsString,
    planned: Stat,
    expected: Digest,
    new: OsString,
    aside: OsString,
    /// What `new` holds, and its state.
    digest: Digest,
    written: Stat,
}

impl Batch {
    pub(super) fn has_room_for(&self, target: &Target) -> bool {
        self.folders.len() < MOST_FOLDERS || self.folders.contains_key(parent(&target.document))
    }

    /// Writes the new bytes beside the document, with its attributes. Not durable yet.
    pub(super) fn stage(&mut self, index: usize, target: &Target) -> Result<(), Refused> {
        let path = parent(&target.document);
        let folder = match self.folders.get(path) {
            Some(folder) => Arc::clone(folder),
            None => {
                let folder = Arc::new(Folder::open_real(path)?);
                folder.share();
                self.folders.insert(path.to_owned(), Arc::clone(&folder));
                folder
            }
        };
        let old = target.open(&folder)?;
        let document = target.name().to_owned();
        let new = Stage::New.name(&document);
        let mut file = folder.create_private(&new)?;
        let written = write(&mut file, &folder.path().join(&new), target, &old);
        let written = written.inspect_err(|_| folder.discard(&new))?;
        self.jobs.push(Job {
            index,
            aside: Stage::Swap.name(&document),
            folder,
            document,
            planned: target.planned,
            expected: target.expected,
            new,
            digest: Digest::of(&target.new),
            written,
        });
        Ok(())
    }

    /// Syncs what was staged, swaps it in, looks at what came out, and syncs the folders.
    pub(super) fn finish(mut self, answers: &mut Answers) {
        let mut refuse = |index: usize, refused| answers[index] = Some(Err(refused));
        for (error, jobs) in self.sync_staged() {
            for job in jobs {
                job.folder.discard(&job.new);
                refuse(job.index, error.again().into());
            }
        }
        let mut swapped = Vec::new();
        for job in std::mem::take(&mut self.jobs) {
            match job.swap() {
                Ok(way) => swapped.push((job, way)),
                Err(refused) => refuse(job.index, refused),
            }
        }
        // Whoever opened an old file before the swap and is still at it is seen here; whoever closed
        // it before now has written what is read back next.
        let ids: HashSet<_> = swapped.iter().map(|(job, _)| job.planned.id()).collect();
        let busy = quiet::open_for_writing(&ids);
        let mut done = Vec::new();
        for (job, way) in swapped {
            match job.settle(way, &busy) {
                Ok(()) => done.push(job),
                Err(refused) => refuse(job.index, refused),
            }
        }
        let synced: BTreeMap<_, _> =
            self.folders.iter().map(|(path, folder)| (path.as_path(), folder.sync())).collect();
        for job in done {
            let answer = match &synced[job.folder.path()] {
                Ok(()) => Ok(Replaced { stat: job.state(), path: job.path() }),
                Err(error) => Err(error.again().into()),
            };
            answers[job.index] = Some(answer);
        }
    }

    /// Takes out the jobs whose bytes could not be made durable.
    fn sync_staged(&mut self) -> Vec<(Error, Vec<Job>)> {
        let mut systems: BTreeMap<u64, Vec<Job>> = BTreeMap::new();
        for job in self.jobs.drain(..) {
            systems.entry(job.written.dev).or_default().push(job);
        }
        let mut failed = Vec::new();
        for jobs in systems.into_values() {
            match sync(&jobs) {
                Ok(()) => self.jobs.extend(jobs),
                Err(error) => failed.push((error, jobs)),
            }
        }
        failed
    }
}

/// Of one file system.
fn sync(jobs: &[Job]) -> Result<(), Error> {
    if jobs[0].folder.sync_whole(jobs.len())? {
        return Ok(());
    }
    jobs.iter().try_for_each(|job| job.folder.sync_file(&job.new))
}

fn write(file: &mut File, path: &Path, target: &Target, old: &File) -> Result<Stat, Refused> {
    file.write_all(&target.new).map_err(Error::io(path, "write"))?;
    attributes::copy(old, file).map_err(Refused::Attributes)?;
    if let Some(time) = target.mtime.of(&target.planned) {
        file.set_modified(time).map_err(Error::io(path, "set the mtime of"))?;
    }
    Ok(Stat::of_file(file).map_err(Error::io(path, "find"))?)
}

impl Job {
    fn names(&self) -> Swap<'_> {
        Swap { folder: &self.folder, document: &self.document, aside: &self.aside }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(&self.document)
    }

    /// Exchanges the two files, unless the document was touched since it was found.
    fn swap(&self) -> Result<Way, Refused> {
        let put = match self.folder.stat(&self.document) {
            Ok(stat) if stat == self.planned => self.names().put(&self.new, &self.planned, Way::Exchange),
            Ok(_) => {
                self.folder.discard(&self.new);
                return Err(Refused::Edited { kept: None });
            }
            Err(error) => Err(error),
        };
        let way = put.inspect_err(|_| {
            self.folder.discard(&self.new);
            self.folder.discard(&self.aside);
        })?;
        // A first look, so that an edit is away from its place no longer than it must be.
        if way != Way::Rename && !self.folder.stat(&self.aside)?.is_unchanged_since(&self.planned) {
            let kept = self.give_back()?;
            return Err(Refused::Edited { kept });
        }
        Ok(way)
    }

    /// Removes the old file if nobody wrote in it; gives it back otherwise.
    fn settle(&self, way: Way, busy: &HashSet<(u64, u64)>) -> Result<(), Refused> {
        if way == Way::Rename {
            return Ok(());
        }
        if busy.contains(&self.planned.id()) {
            let kept = self.give_back()?;
            return Err(Refused::Busy { kept });
        }
        let (found, stat) = self.folder.digest(&self.aside)?;
        if found != self.expected || !stat.is_unchanged_since(&self.planned) {
            let kept = self.give_back()?;
            return Err(Refused::Edited { kept });
        }
        Ok(self.folder.remove(&self.aside)?)
    }

    fn give_back(&self) -> Result<Option<PathBuf>, Error> {
        let remains = self.names().give_back(&self.written, self.digest)?;
        Ok(remains.then(|| self.folder.path().join(&self.aside)))
    }

    /// As we left it: what an editor did since is the next run's to find.
    fn state(&self) -> Stat {
        match self.folder.stat(&self.document) {
            Ok(stat) if stat.is_unchanged_since(&self.written) => stat,
            _ => self.written,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::files;
    use crate::files::replace::{Mtime, Options, Replacement};

    /// `edit` comes after the last look and before the swap.
    fn check(edit: impl Fn(&Path)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("a.md");
        fs::write(&path, "old").unwrap();
        let (expected, new) = (Digest::of(b"old"), b"new".to_vec());
        let replacement =
            Replacement { path: path.clone(), expected, new, mtime: Mtime::Keep, left_by_us: None };
        let target = Target::find(replacement, &Options::default()).unwrap();
        let mut batch = Batch::default();
        batch.stage(0, &target).unwrap();
        let job = &batch.jobs[0];
        edit(&path);
        assert_eq!(job.names().put(&job.new, &job.planned, Way::Exchange).unwrap(), Way::Exchange);
        assert_eq!(fs::read(&path).unwrap(), b"new");
        let refused = job.settle(Way::Exchange, &HashSet::new()).unwrap_err();
        assert!(matches!(refused, Refused::Edited { kept: None, .. }), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), b"edit");
        assert_eq!(files::names(folder.path()).unwrap(), ["a.md"]);
    }

    #[test]
    fn an_edit_at_the_last_instant_is_given_back() {
        check(|path| fs::write(path, "edit").unwrap());
        check(|path| {
            fs::write(path.with_extension("tmp"), "edit").unwrap();
            fs::rename(path.with_extension("tmp"), path).unwrap();
        });
        // With its time set back.
        check(|path| {
            let time = fs::metadata(path).unwrap().modified().unwrap();
            fs::write(path, "edit").unwrap();
            File::open(path).unwrap().set_modified(time).unwrap();
        });
    }
}
