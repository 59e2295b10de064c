//! The catalog, made again from the journal; and the journal, from the catalog.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::catalog::journal::file::Spoiled;
use crate::catalog::journal::{self, Line, LineRef, fate};
use crate::catalog::record::Recorder;
use crate::catalog::row::{Batch, Rewrite, RunRow, Snapshot};
use crate::catalog::{Catalog, Error, OriginKey, Packed, Run};
use crate::digest::Digest;

/// Lines that are recorded in one transaction, or written down in one piece.
const LINES: u64 = 1_000;

/// What a rebuild read.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// How many lines.
    pub lines: u64,
    /// What could not be read.
    pub spoiled: Vec<Spoiled>,
}

/// What is in the catalog and not in the journal.
#[derive(Debug, Default)]
pub struct Unwritten {
    /// Which copies.
    pub snapshots: Vec<Snapshot>,
    /// Which ways back.
    pub rewrites: Vec<Rewrite>,
    /// What of the journal could not be read.
    pub spoiled: Vec<Spoiled>,
    /// How many records of the catalog are not as they were written.
    pub turned: u64,
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
    /// on purpose and not kept again since, and that the store does not have by `stored`, stay removed.
    ///
    /// # Errors
    /// What the disk or SQLite says.
    pub fn rebuild(
        &self,
        only: Option<&HashSet<String>>,
        stored: impl Fn(Digest) -> bool,
    ) -> Result<Rebuilt, Error> {
        let mut doubtful = HashSet::new();
        let mut runs: Vec<(RunRow, bool)> = Vec::new();
        // Copies first: a rewrite may stand before the snapshot it relies on, in another run's journal.
        let (snapshots, read) = self.replay(only, |line| match line {
            Line::Snapshot(snapshot) => {
                doubtful.insert(snapshot.digest);
                Some(Batch { snapshots: vec![snapshot], ..Batch::default() })
            }
            Line::Placeholder(found) => Some(Batch { placeholders: vec![found], ..Batch::default() }),
            Line::GivenOut(blob) => Some(Batch { given_out: vec![blob], ..Batch::default() }),
            Line::Removal(removal) => {
                doubtful.extend(removal.digests.into_iter().chain(removal.recorded));
                Some(Batch::default())
            }
            Line::Run(run) => {
                runs.push((run, false));
                None
            }
            Line::Rewrite(_) => {
                // It stands in the file of the run that made it.
                runs.iter_mut().rev().take(1).for_each(|(_, has_rewritten)| *has_rewritten = true);
                None
            }
        })?;
        runs.sort_by_key(|(run, _)| run.started);
        self.know_runs(runs.into_iter().filter(|(_, has_rewritten)| *has_rewritten).map(|(run, _)| run))?;
        let (rewrites, _) = self.replay(only, |line| match line {
            Line::Run(_)
            | Line::Snapshot(_)
            | Line::Placeholder(_)
            | Line::GivenOut(_)
            | Line::Removal(_) => None,
            Line::Rewrite(rewrite) => Some(Batch { rewrites: vec![rewrite], ..Batch::default() }),
        })?;
        doubtful.retain(|digest| !stored(*digest));
        if !doubtful.is_empty() {
            let (fates, _) = fate::fates(&self.journal, &|digest| doubtful.contains(&digest))?;
            doubtful.retain(|digest| fates.get(digest).is_some_and(|fate| !fate.is_kept()));
            self.remove_again(&doubtful)?;
        }
        self.has_read(&read.lengths)?;
        Ok(Rebuilt { lines: snapshots + rewrites, spoiled: read.spoiled })
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

    /// What the journal lacks of what the catalog holds: copies and ways back.
    ///
    /// # Errors
    /// What the disk or SQLite says, or [`Error::Damaged`].
    pub fn unwritten(&self) -> Result<Unwritten, Error> {
        let (mut snapshots, mut rewrites) = (HashSet::new(), HashSet::new());
        let read = journal::read(&self.journal, |line| {
            match line {
                Line::Snapshot(snapshot) => {
                    snapshots.insert(of_snapshot(&snapshot));
                }
                Line::Rewrite(rewrite) => {
                    rewrites.insert(of_rewrite(&rewrite.document, rewrite.after));
                }
                Line::Run(_) | Line::Placeholder(_) | Line::GivenOut(_) | Line::Removal(_) => {}
            }
            Ok::<_, Error>(())
        })?;
        let mut unwritten = Unwritten { spoiled: read.spoiled, ..Unwritten::default() };
        for copy in self.all_copies()? {
            match copy {
                Some(copy) if snapshots.contains(&of_snapshot(&copy)) => {}
                Some(copy) => unwritten.snapshots.push(copy),
                None => unwritten.turned += 1,
            }
        }
        let ids: Vec<i64> = self.query("SELECT id FROM rewrites ORDER BY id", |row| row.get(0))?;
        let reader = self.reader();
        let mut query = reader
            .prepare(
                "SELECT path, after, before, mtime, edits, sum
                 FROM rewrites JOIN documents ON documents.id = document WHERE rewrites.id = ?1",
            )
            .map_err(|source| self.sqlite(source))?;
        for id in ids {
            let packed = query
                .query_row([id], |row| {
                    Ok(Packed {
                        document: row.get(0)?,
                        after: row.get(1)?,
                        before: row.get(2)?,
                        mtime: row.get(3)?,
                        edits: row.get(4)?,
                        sum: row.get(5)?,
                    })
                })
                .map_err(|source| self.sqlite(source))?;
            match self.unpack(&reader, &packed) {
                Ok(rewrite) if rewrites.contains(&of_rewrite(&rewrite.document, rewrite.after)) => {}
                Ok(rewrite) => unwritten.rewrites.push(rewrite),
                Err(Error::Damaged { .. }) => unwritten.turned += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(unwritten)
    }

    /// Writes down what the journal lacks.
    ///
    /// # Errors
    /// What the disk or SQLite says.
    pub fn write_down(&self, run: &Run, unwritten: &Unwritten) -> Result<(), Error> {
        let snapshots = unwritten.snapshots.iter().map(LineRef::Snapshot);
        let mut lines = snapshots.chain(unwritten.rewrites.iter().map(LineRef::Rewrite)).peekable();
        let mut lengths = Vec::new();
        while lines.peek().is_some() {
            let some = usize::try_from(LINES).unwrap_or(usize::MAX);
            let some: Vec<LineRef<'_>> = lines.by_ref().take(some).collect();
            lengths = vec![run.journal(&self.journal, some)?];
        }
        self.has_read(&lengths)
    }
}

fn of_snapshot(snapshot: &Snapshot) -> u64 {
    // All spellings of an origin are one.
    hash(&(OriginKey::of_url(&snapshot.origin).as_bytes(), snapshot.digest.as_bytes()))
}

fn of_rewrite(document: &[u8], after: Digest) -> u64 {
    hash(&(document, after.as_bytes()))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
