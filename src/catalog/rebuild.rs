//! The catalog, made again from the journal; and the journal, from the catalog.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::catalog::journal::file::Spoiled;
use crate::catalog::journal::{self, Line, LineRef, fate};
use crate::catalog::record::Recorder;
use crate::catalog::row::{Batch, Mended, Placeholder, Rewrite, RunRow, Snapshot};
use crate::catalog::way_back::Packed;
use crate::catalog::{Catalog, Error, OriginKey, Run};
use crate::digest::Digest;

/// Lines that are recorded in one transaction, or written down in one piece.
const LINES: u64 = 1_000;

/// What a rebuild read.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// How many lines.
    pub lines: u64,
    /// What could not be read, and was not written down again.
    pub spoiled: Vec<Spoiled>,
}

/// What is in the catalog and not in the journal.
#[derive(Debug, Default)]
pub struct Unwritten {
    /// Which copies.
    pub snapshots: Vec<Snapshot>,
    /// Which ways back.
    pub rewrites: Vec<Rewrite>,
    /// What of the journal cannot be read, and was not written down again.
    pub spoiled: Vec<Spoiled>,
    /// How many records of the catalog are not as they were written.
    pub turned: u64,
}

/// What is in the journal, by hashes.
#[derive(Debug, Default)]
struct Written {
    snapshots: HashSet<u64>,
    rewrites: HashSet<u64>,
}

impl Written {
    fn has_snapshot(&self, snapshot: &Snapshot) -> bool {
        self.snapshots.contains(&of_snapshot(snapshot))
    }

    fn has_rewrite(&self, rewrite: &Rewrite) -> bool {
        self.rewrites.contains(&of_rewrite(rewrite))
    }
}

impl Unwritten {
    /// How many records there are.
    #[must_use]
    pub fn records(&self) -> u64 {
        (self.snapshots.len() + self.rewrites.len()) as u64
    }
}

impl Catalog {
    /// Records every line of the journal again, or of these files of it; what is there already stays. Blobs that were removed
    /// on purpose and not kept again since, and that the store does not have by `stored`, stay removed. What cannot be read is
    /// remembered, if it was not had before; a catalog that `is_new` had nothing.
    ///
    /// # Errors
    /// What the disk or SQLite says.
    pub fn rebuild(
        &self,
        only: Option<&HashSet<String>>,
        is_new: bool,
        stored: impl Fn(Digest) -> bool,
    ) -> Result<Rebuilt, Error> {
        let mut doubtful = HashSet::new();
        let mut placeholders = Vec::new();
        let mut runs: Vec<(RunRow, bool)> = Vec::new();
        // Copies first: a rewrite may stand before the snapshot it relies on, in another run's journal.
        let (snapshots, read) = self.replay(only, |line| match line {
            Line::Snapshot(snapshot) => {
                doubtful.insert(snapshot.digest);
                Some(Batch { snapshots: vec![snapshot], ..Batch::default() })
            }
            Line::Placeholder(found) => {
                placeholders.push(found);
                Some(Batch::default())
            }
            Line::GivenOut(blob) => Some(Batch { given_out: vec![blob], ..Batch::default() }),
            Line::Removal(removal) => {
                doubtful.extend(removal.digests.into_iter().chain(removal.recorded));
                Some(Batch::default())
            }
            Line::Run(run) => {
                runs.push((run, false));
                None
            }
            Line::Mended(_) => None,
            Line::Rewrite(_) => {
                // It stands in the file of the run that made it.
                runs.iter_mut().rev().take(1).for_each(|(_, has_rewritten)| *has_rewritten = true);
                None
            }
        })?;
        if only.is_some() {
            placeholders.extend(self.placeholders_among(&doubtful)?);
        }
        // After every copy, for the files are not in the order of the lines.
        let placeholders = Batch { placeholders, ..Batch::default() };
        self.write(None, &placeholders, None).map_err(|source| self.sqlite(source))?;
        runs.sort_by_key(|(run, _)| run.started);
        self.know_runs(runs.into_iter().filter(|(_, has_rewritten)| *has_rewritten).map(|(run, _)| run))?;
        let (rewrites, _) = self.replay(only, |line| match line {
            Line::Run(_)
            | Line::Snapshot(_)
            | Line::Placeholder(_)
            | Line::GivenOut(_)
            | Line::Removal(_)
            | Line::Mended(_) => None,
            Line::Rewrite(rewrite) => Some(Batch { rewrites: vec![rewrite], ..Batch::default() }),
        })?;
        doubtful.retain(|digest| !stored(*digest));
        if !doubtful.is_empty() {
            let (fates, _) = fate::fates(&self.journal, &|digest| doubtful.contains(&digest))?;
            doubtful.retain(|digest| fates.get(digest).is_some_and(|fate| !fate.is_kept()));
            self.remove_again(&doubtful)?;
        }
        let spoiled = read.missed();
        self.note_lost(&spoiled, is_new)?;
        self.has_read(&read.lengths)?;
        Ok(Rebuilt { lines: snapshots + rewrites, spoiled })
    }

    fn replay(
        &self,
        only: Option<&HashSet<String>>,
        mut pick: impl FnMut(Line) -> Option<Batch>,
    ) -> Result<(u64, journal::Read), Error> {
        let mut batch = Batch::default();
        let mut lines = 0;
        let wanted = |name: &str| only.is_none_or(|only| only.contains(name));
        let read = journal::read_some(&self.journal, &wanted, |line| {
            let Some(picked) = pick(line) else { return Ok(()) };
            batch.snapshots.extend(picked.snapshots);
            batch.placeholders.extend(picked.placeholders);
            batch.rewrites.extend(picked.rewrites);
            batch.given_out.extend(picked.given_out);
            lines += 1;
            if lines % LINES == 0 {
                self.write(None, &std::mem::take(&mut batch), None).map_err(|source| self.sqlite(source))?;
            }
            Ok::<_, Error>(())
        })?;
        self.write(None, &batch, None).map_err(|source| self.sqlite(source))?;
        Ok((lines, read))
    }

    /// What all of the journal says of those of `digests` that are placeholders.
    fn placeholders_among(&self, digests: &HashSet<Digest>) -> Result<Vec<Placeholder>, Error> {
        let known =
            self.query("SELECT digest FROM placeholders", |row| row.get(0).map(Digest::from_bytes))?;
        let mut found = Vec::new();
        if known.iter().any(|digest| digests.contains(digest)) {
            journal::read(&self.journal, |line| {
                match line {
                    Line::Placeholder(placeholder) if digests.contains(&placeholder.digest) => {
                        found.push(placeholder);
                    }
                    _ => {}
                }
                Ok::<_, Error>(())
            })?;
        }
        Ok(found)
    }

    fn know_runs(&self, mut runs: impl Iterator<Item = RunRow>) -> Result<(), Error> {
        let mut writer = self.writer();
        let mut write = || -> rusqlite::Result<()> {
            let transaction = writer.transaction()?;
            let recorder = Recorder::new(&transaction);
            runs.try_for_each(|run| recorder.known_run(&run))?;
            drop(recorder);
            transaction.commit()
        };
        write().map_err(|source| self.sqlite(source))
    }

    /// What the journal lacks of what the catalog holds: copies and ways back. Others may write meanwhile.
    ///
    /// # Errors
    /// What the disk or SQLite says, or [`Error::Damaged`].
    pub fn unwritten(&self) -> Result<Unwritten, Error> {
        let (written, spoiled) = self.written()?;
        let mut unwritten = Unwritten { spoiled, ..Unwritten::default() };
        self.each_copy(|copy| match copy {
            Some(copy) if written.has_snapshot(&copy) => {}
            Some(copy) => unwritten.snapshots.push(copy),
            None => unwritten.turned += 1,
        })?;
        self.each_rewrite(|rewrite| match rewrite {
            Some(rewrite) if written.has_rewrite(&rewrite) => {}
            Some(rewrite) => unwritten.rewrites.push(rewrite),
            None => unwritten.turned += 1,
        })?;
        if unwritten.records() > 0 {
            // What was recorded since the journal was read stands there now.
            let (written, spoiled) = self.written()?;
            unwritten.snapshots.retain(|copy| !written.has_snapshot(copy));
            unwritten.rewrites.retain(|rewrite| !written.has_rewrite(rewrite));
            unwritten.spoiled = spoiled;
            // They are written down in the order in which they came.
            unwritten.snapshots.sort_by_key(|copy| copy.taken);
        }
        Ok(unwritten)
    }

    fn written(&self) -> Result<(Written, Vec<Spoiled>), Error> {
        let mut written = Written::default();
        let read = journal::read(&self.journal, |line| {
            match line {
                Line::Snapshot(snapshot) => {
                    written.snapshots.insert(of_snapshot(&snapshot));
                }
                Line::Rewrite(rewrite) => {
                    written.rewrites.insert(of_rewrite(&rewrite));
                }
                Line::Run(_)
                | Line::Placeholder(_)
                | Line::GivenOut(_)
                | Line::Removal(_)
                | Line::Mended(_) => {}
            }
            Ok::<_, Error>(())
        })?;
        Ok((written, read.missed()))
    }

    /// Calls `each` for every way back; `None` is one that is not as it was written.
    fn each_rewrite(&self, mut each: impl FnMut(Option<Rewrite>)) -> Result<(), Error> {
        let reader = self.reader();
        let sqlite = |source| self.sqlite(source);
        let mut query = reader
            .prepare(
                "SELECT path, after, before, mtime, edits, sum
                 FROM rewrites JOIN documents ON documents.id = document ORDER BY rewrites.id",
            )
            .map_err(sqlite)?;
        let mut rows = query.query([]).map_err(sqlite)?;
        while let Some(row) = rows.next().map_err(sqlite)? {
            match Packed::of(row).map_err(sqlite).and_then(|packed| self.unpack(&reader, &packed)) {
                Ok(rewrite) => each(Some(rewrite)),
                Err(Error::Damaged { .. }) => each(None),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes down what the journal lacks. What cannot be read of it is not missed any more then, but for what the catalog never
    /// had.
    ///
    /// # Errors
    /// What the disk or SQLite says.
    pub fn write_down(&self, run: &Run, unwritten: &Unwritten) -> Result<(), Error> {
        let mended = self.mended(unwritten)?;
        let snapshots = unwritten.snapshots.iter().map(LineRef::Snapshot);
        let lines = snapshots.chain(unwritten.rewrites.iter().map(LineRef::Rewrite));
        let mut lines = lines.chain(mended.iter().map(LineRef::Mended)).peekable();
        let mut lengths = Vec::new();
        while lines.peek().is_some() {
            let some = usize::try_from(LINES).unwrap_or(usize::MAX);
            let some: Vec<LineRef<'_>> = lines.by_ref().take(some).collect();
            lengths = vec![run.journal(&self.journal, some)?];
        }
        self.has_read(&lengths)
    }

    /// Which parts of the journal stand elsewhere once the rest of `unwritten` is written down.
    fn mended(&self, unwritten: &Unwritten) -> Result<Vec<Mended>, Error> {
        let lost = self.lost()?;
        let is_lost = |part: &Spoiled| lost.iter().any(|lost| lost.is_same(part));
        // A record that turned may be one of theirs.
        let parts = unwritten.spoiled.iter().filter(|part| unwritten.turned == 0 && !is_lost(part));
        Ok(parts.map(|part| Mended { file: part.file(), offset: part.offset }).collect())
    }
}

fn of_snapshot(snapshot: &Snapshot) -> u64 {
    // All spellings of an origin are one.
    hash(&(OriginKey::of_url(&snapshot.origin).as_bytes(), snapshot.digest.as_bytes()))
}

fn of_rewrite(rewrite: &Rewrite) -> u64 {
    hash(&(&rewrite.document, rewrite.after.as_bytes()))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::BlobName;
    use crate::catalog::row::{Counts, KeptLink, Seen};
    use crate::media::MediaType;

    const ORIGIN: &str = "http://a.example/i.png";

    fn open(folder: &std::path::Path) -> Catalog {
        let url = format!("sqlite:{}", folder.join("catalog.db").display());
        Catalog::open(&url, &folder.join("journal")).unwrap()
    }

    fn run(name: &str) -> Run {
        let mut run = Run::start("archive");
        run.name = name.to_owned();
        run
    }

    fn snapshot(taken: i64, text: &[u8]) -> Snapshot {
        Snapshot::of_png(ORIGIN, taken, text)
    }

    #[test]
    fn a_placeholder_is_none_whatever_file_tells_of_it_first() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (run("a"), run("b"));
        let snapshots = |snapshot| Batch { snapshots: vec![snapshot], ..Batch::default() };
        let found = Placeholder {
            digest: Digest::of(b"none"),
            host: "a.example".to_owned(),
            at: 10,
            origins: vec![ORIGIN.to_owned()],
        };
        let catalog = open(folder.path());
        catalog.record(&second, &snapshots(snapshot(5, b"none"))).unwrap();
        catalog.record(&first, &Batch { placeholders: vec![found], ..Batch::default() }).unwrap();
        let kept = |catalog: &Catalog| catalog.kept(OriginKey::of_text(ORIGIN)).unwrap();
        assert_eq!(kept(&catalog), None);
        let only = HashSet::from(["b.jsonl.gz".to_owned()]);
        for only in [None, Some(&only)] {
            catalog.rebuild(only, false, |_| true).unwrap();
            assert_eq!(kept(&catalog), None, "{only:?}");
        }
        drop(catalog);
        std::fs::remove_file(folder.path().join("catalog.db")).unwrap();
        let catalog = open(folder.path());
        catalog.rebuild(None, false, |_| true).unwrap();
        assert_eq!(kept(&catalog), None, "made again");
        catalog.record(&second, &snapshots(snapshot(11, b"none"))).unwrap();
        catalog.rebuild(None, false, |_| true).unwrap();
        assert!(kept(&catalog).is_some(), "it was given after that");
    }

    #[test]
    fn what_is_read_again_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = open(folder.path());
        let run = run("a");
        let rewrite = |after: &[u8]| Rewrite {
            document: b"a.md".to_vec(),
            before: Digest::of(b"before"),
            after: Digest::of(after),
            mtime: 1,
            links: vec![KeptLink {
                start: 4,
                len: 9,
                blob: BlobName { digest: Digest::of(b"i"), media_type: MediaType::Png },
                original: ORIGIN.into(),
                run: "a".to_owned(),
            }],
        };
        // The first of them once more: it is the newest then.
        for after in [b"1", b"2", b"1"] {
            catalog.record(&run, &Batch { rewrites: vec![rewrite(after)], ..Batch::default() }).unwrap();
        }
        let counts = Counts { found: 1, ..Counts::default() };
        let seen = Seen { stat: [7; 32], plan: [0; 8], counts };
        let seen = Batch { seen: vec![(b"a.md".to_vec(), seen)], ..Batch::default() };
        catalog.record(&run, &seen).unwrap();
        let known = || {
            let afters: Vec<Digest> =
                catalog.rewrites(b"a.md").unwrap().iter().map(|rewrite| rewrite.after).collect();
            (afters, catalog.last_stat(b"a.md").unwrap())
        };
        let before = known();
        assert_eq!(before, (vec![Digest::of(b"1"), Digest::of(b"2")], Some(vec![7; 32])));
        catalog.rebuild(None, false, |_| true).unwrap();
        assert_eq!(known(), before);
        assert_eq!(catalog.lack().unwrap(), crate::catalog::trust::Lack::Nothing);
    }

    #[test]
    fn what_is_recorded_meanwhile_is_not_missed() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = open(folder.path());
        let run = run("a");
        let record = |taken: i64| {
            let batch = Batch { snapshots: vec![snapshot(taken, &taken.to_le_bytes())], ..Batch::default() };
            catalog.record(&run, &batch).unwrap();
        };
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (0..60).for_each(record));
            while !writer.is_finished() {
                let unwritten = catalog.unwritten().unwrap();
                assert_eq!((unwritten.records(), unwritten.spoiled.len()), (0, 0));
            }
        });
    }
}
