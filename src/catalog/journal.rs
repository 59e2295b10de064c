//! The catalog's second leg: a log in the store's folder from which the catalog can be made again.
//!
//! One file a run, `<run>.jsonl.gz`: JSON Lines in gzip members (RFC 1952), one member a batch, so `zcat`
//! reads it and a power cut can only spoil the last member. A batch is on disk here before it is in SQLite, which
//! notes how much of each file it has: what it lacks is recorded when it is opened.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::blob::BlobName;
use crate::catalog::journal::file::Spoiled;
use crate::catalog::row::{Mended, Placeholder, Removal, Rewrite, RunRow, Snapshot};
use crate::files;
use crate::files::folder::{self, Folder};

pub mod fate;
pub mod file;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// Whose file it is.
    Run(RunRow),
    /// What an origin gave.
    Snapshot(Snapshot),
    /// What a document said before.
    Rewrite(Rewrite),
    /// Bytes that were kept for an image and are none.
    Placeholder(Placeholder),
    /// Blobs that were removed.
    Removal(Removal),
    /// A blob that a document without a file is pointed at.
    GivenOut(BlobName),
    /// A part of the journal that is not missed.
    Mended(Mended),
}

/// The same, for writing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineRef<'a> {
    /// See [`Line::Run`].
    Run(&'a RunRow),
    /// See [`Line::Snapshot`].
    Snapshot(&'a Snapshot),
    /// See [`Line::Rewrite`].
    Rewrite(&'a Rewrite),
    /// See [`Line::Placeholder`].
    Placeholder(&'a Placeholder),
    /// See [`Line::Removal`].
    Removal(&'a Removal),
    /// See [`Line::GivenOut`].
    GivenOut(&'a BlobName),
    /// See [`Line::Mended`].
    Mended(&'a Mended),
}

/// Appends to the log of one run.
#[derive(Debug)]
pub struct Journal {
    folder: Folder,
    /// In the folder.
    name: String,
    file: File,
    /// What was written so far.
    length: u64,
}

impl Journal {
    /// Starts the log of `run` in `folder`, or the next `part` of it, from 1.
    pub fn create(folder: &Path, run: &str, part: u32) -> Result<Self, files::Error> {
        folder::create_all(folder)?;
        let name = if part == 1 { format!("{run}.jsonl.gz") } else { format!("{run}.part{part}.jsonl.gz") };
        let file = files::create_private(&folder.join(&name))?;
        // So that whoever reads it meanwhile knows what its end is. It is as good without.
        let _ = file.lock();
        let folder = Folder::open(folder)?;
        folder.sync()?;
        Ok(Self { folder, name, file, length: 0 })
    }

    /// Adds lines as one member; they are on disk when this returns. After an error nothing may be added any more: what
    /// became of what is written to a file that could not be synced, nobody knows.
    pub fn append<'a>(&mut self, lines: impl IntoIterator<Item = LineRef<'a>>) -> Result<(), files::Error> {
        let written = member(lines).and_then(|member| {
            self.file.write_all(&member)?;
            self.file.sync_data()?;
            Ok(member.len() as u64)
        });
        match written {
            Ok(length) => {
                self.length += length;
                Ok(())
            }
            Err(error) => {
                // It is not acknowledged. A part that stays is passed over by whoever reads it.
                let _ = self.file.set_len(self.length);
                Err(files::Error::io(&self.folder.path().join(&self.name), "write")(error))
            }
        }
    }

    /// What it is called in its folder.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many bytes were written.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

/// Lines as a gzip member. They are packed as they are written: of a full batch the text alone is megabytes.
fn member<'a>(lines: impl IntoIterator<Item = LineRef<'a>>) -> io::Result<Vec<u8>> {
    let mut text = BufWriter::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for line in lines {
        serde_json::to_writer(&mut text, &line)?;
        text.write_all(b"\n")?;
    }
    text.into_inner()?.finish()
}

/// What was read of a journal.
#[derive(Debug, Default)]
pub struct Read {
    /// The files by name, and how long each was; without what is being written.
    pub lengths: Vec<(String, u64)>,
    /// What could not be read.
    pub spoiled: Vec<Spoiled>,
    /// What of it was written down again.
    mended: HashSet<Mended>,
}

impl Read {
    /// What could not be read, and stands nowhere else for all that is known.
    #[must_use]
    pub fn missed(&self) -> Vec<Spoiled> {
        let is_mended = |spoiled: &&Spoiled| {
            self.mended.contains(&Mended { file: spoiled.file(), offset: spoiled.offset })
        };
        self.spoiled.iter().filter(|spoiled| !is_mended(spoiled)).cloned().collect()
    }
}

/// The files of a journal by name, the oldest run first.
///
/// # Errors
/// When the folder cannot be listed.
pub fn names(folder: &Path) -> Result<Vec<String>, files::Error> {
    let names = match files::names(folder) {
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        names => names?,
    };
    let ours = names.into_iter().filter_map(|name| name.into_string().ok());
    Ok(ours.filter(|name| name.ends_with(".gz")).collect())
}

/// Calls `each` for every line of every run, the oldest run first. What is spoiled is passed over: at the end of a file it
/// was never acknowledged, or a run is about to write it.
pub fn read<E: From<files::Error>>(
    folder: &Path,
    each: impl FnMut(Line) -> Result<(), E>,
) -> Result<Read, E> {
    read_some(folder, &|_| true, each)
}

/// The same for the files whose names are `wanted`.
pub fn read_some<E: From<files::Error>>(
    folder: &Path,
    wanted: &dyn Fn(&str) -> bool,
    mut each: impl FnMut(Line) -> Result<(), E>,
) -> Result<Read, E> {
    let mut read = Read::default();
    let mut mended = HashSet::new();
    let mut each = |line| {
        if let Line::Mended(part) = &line {
            mended.insert(part.clone());
        }
        each(line)
    };
    for name in names(folder)?.into_iter().filter(|name| wanted(name)) {
        let (length, spoiled) = file::read(&folder.join(&name), &mut each)?;
        for Spoiled { path, offset, why, .. } in &spoiled {
            tracing::debug!(path = %path.display(), offset, why, "a part of the journal is spoiled");
        }
        read.lengths.push((name, length));
        read.spoiled.extend(spoiled);
    }
    read.mended = mended;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn snapshot(n: u8) -> Snapshot {
        Snapshot {
            origin: format!("http://a.example/{n}.png"),
            taken: i64::from(n),
            digest: Digest::of(&[n]),
            extension: "png".into(),
            bytes: 1,
            width: None,
            height: None,
            source: "origin".into(),
            url: None,
            etag: None,
            last_modified: None,
            attempts: Vec::new(),
        }
    }

    fn read_all(folder: &Path) -> (Vec<i64>, usize) {
        let mut taken = Vec::new();
        let read = read(folder, |line| {
            if let Line::Snapshot(snapshot) = line {
                taken.push(snapshot.taken);
            }
            Ok::<_, files::Error>(())
        });
        (taken, read.unwrap().spoiled.len())
    }

    #[test]
    fn every_batch_but_a_spoiled_one_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(folder.path(), "run", 1).unwrap();
        let mut ends = vec![0];
        for batch in [vec![1, 2], vec![3], vec![4, 5]] {
            let snapshots: Vec<_> = batch.into_iter().map(snapshot).collect();
            journal.append(snapshots.iter().map(LineRef::Snapshot)).unwrap();
            ends.push(usize::try_from(journal.length()).unwrap());
        }
        let path = folder.path().join("run.jsonl.gz");
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(whole.len(), ends[3]);
        std::fs::write(&path, &whole[..ends[3] - 1]).unwrap();
        let is_written = read(folder.path(), |_| Ok::<_, files::Error>(())).unwrap();
        assert_eq!(is_written.spoiled, [], "its end is being written");
        assert_eq!(is_written.lengths, [("run.jsonl.gz".to_owned(), ends[2] as u64)]);
        drop(journal);
        let check = |bytes: &[u8], expected: &[i64], spoiled| {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read_all(folder.path()), (expected.to_vec(), spoiled));
        };
        check(&whole, &[1, 2, 3, 4, 5], 0);
        for cut in ends[2] + 1..ends[3] {
            check(&whole[..cut], &[1, 2, 3], 1);
        }
        check(&[&whole[..], &[0; 64]].concat(), &[1, 2, 3, 4, 5], 1);
        for place in ends[1]..ends[2] {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            let (taken, spoiled) = read_all(folder.path());
            // The bits of the head that say when and where it was written mean nothing.
            let is_passed_over = taken == [1, 2, 4, 5] && spoiled >= 1;
            assert!(is_passed_over || taken == [1, 2, 3, 4, 5], "{place}: {taken:?}");
        }
    }

    #[test]
    fn another_part_comes_after_the_first() {
        let folder = tempfile::tempdir().unwrap();
        for part in 1..4 {
            Journal::create(folder.path(), "20261126T130000Z-0000", part).unwrap();
        }
        let first = "20261126T130000Z-0000.jsonl.gz";
        assert_eq!(names(folder.path()).unwrap()[0], first);
        assert!(
            Journal::create(folder.path(), "20261126T130000Z-0000", 1).is_err(),
            "nobody writes into another's"
        );
    }
}
