//! The catalog's second leg: a log in the store's folder from which the catalog can be made again.
//!
//! One file a run, `<run>.jsonl.gz`: JSON Lines in gzip members (RFC 1952), one member a batch, so `zcat`
//! reads it and a power cut can only spoil the last member. A batch is on disk here before it is in SQLite.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::blob::BlobName;
use crate::catalog::row::{Placeholder, Removal, Rewrite, Snapshot};
use crate::files;
use crate::files::folder::{self, Folder};

pub mod fate;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
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
}

/// The same, for writing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineRef<'a> {
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
}

/// Appends to the log of one run.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Starts the log of `run` in `folder`.
    pub fn create(folder: &Path, run: &str) -> Result<Self, files::Error> {
        folder::create_all(folder)?;
        let path = folder.join(format!("{run}.jsonl.gz"));
        let file = files::create_private(&path)?;
        Folder::open(folder)?.sync()?;
        Ok(Self { path, file })
    }

    /// Adds lines as one member; they are on disk when this returns.
    pub fn append<'a>(&mut self, lines: impl IntoIterator<Item = LineRef<'a>>) -> Result<(), files::Error> {
        member(lines)
            .and_then(|member| self.file.write_all(&member))
            .and_then(|()| self.file.sync_data())
            .map_err(files::Error::io(&self.path, "write"))
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

/// Calls `each` for every line of every run, the oldest run first. A spoiled end of a file is passed over
/// with a warning: what stood there was never acknowledged, or a run is about to write it. Returns whether there was one.
pub fn read<E: From<files::Error>>(
    folder: &Path,
    mut each: impl FnMut(Line) -> Result<(), E>,
) -> Result<bool, E> {
    let names = match files::names(folder) {
        Err(error) if error.is_not_found() => return Ok(false),
        names => names?,
    };
    let mut spoiled = false;
    for name in names {
        let path = folder.join(name);
        if path.extension().is_none_or(|extension| extension != "gz") {
            continue;
        }
        let reader = BufReader::new(MultiGzDecoder::new(BufReader::new(files::open(&path)?.0)));
        for line in reader.lines() {
            let line = line.and_then(|line| serde_json::from_str(&line).map_err(io::Error::from));
            match line {
                Ok(line) => each(line)?,
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "the end of a journal is spoiled");
                    spoiled = true;
                    break;
                }
            }
        }
    }
    Ok(spoiled)
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

    fn count(folder: &Path) -> (usize, bool) {
        let mut lines = 0;
        let spoiled = read(folder, |_| {
            lines += 1;
            Ok::<_, files::Error>(())
        })
        .unwrap();
        (lines, spoiled)
    }

    #[test]
    fn every_batch_before_a_spoiled_one_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(folder.path(), "run").unwrap();
        journal.append([&snapshot(1), &snapshot(2)].map(LineRef::Snapshot)).unwrap();
        journal.append([LineRef::Snapshot(&snapshot(3))]).unwrap();
        assert_eq!(count(folder.path()), (3, false));
        let whole = std::fs::read(&journal.path).unwrap();
        std::fs::write(&journal.path, &whole[..whole.len() - 9]).unwrap();
        let (lines, spoiled) = count(folder.path());
        assert!((2..=3).contains(&lines) && spoiled);
    }
}
