//! One file of the journal, member by member (RFC 1952). A member that cannot be read is passed over, and all that
//! follow are read: each is whole in itself, and its checksum tells whether it is.

use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;

use crate::catalog::journal::Line;
use crate::files;

/// What every member starts with: deflate, no extra fields, no time, fast, written on Unix or anywhere.
const HEAD: [u8; 8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0];
/// No member holds more text: a batch has a limit far below.
const MOST: u64 = 1 << 30;

/// A part of a file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoiled {
    /// The file.
    pub path: PathBuf,
    /// Where the part starts.
    pub offset: u64,
    /// What is wrong with it.
    pub why: String,
    /// Whether something whole was written after it, as is only done when it was whole, too.
    pub was_whole: bool,
}

impl Spoiled {
    /// The name of the file.
    pub(crate) fn file(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Whether both are one part of one file.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.path == other.path && self.offset == other.offset
    }
}

/// Calls `each` for every line of the file's whole members, in order. Returns its length, and where it is spoiled; what is being
/// written counts for neither.
///
/// # Errors
/// When the file cannot be opened or read, or what `each` says.
pub(super) fn read<E: From<files::Error>>(
    path: &Path,
    each: &mut impl FnMut(Line) -> Result<(), E>,
) -> Result<(u64, Vec<Spoiled>), E> {
    let failed = |error| E::from(files::Error::io(path, "read")(error));
    let (file, stat) = files::open(path)?;
    let is_written = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    let mut reader = BufReader::new(file);
    let mut spoiled: Vec<Spoiled> = Vec::new();
    let mut start = 0;
    while !reader.fill_buf().map_err(failed)?.is_empty() {
        match member(&mut reader) {
            Ok(lines) => {
                spoiled.iter_mut().for_each(|spoiled| spoiled.was_whole = true);
                lines.into_iter().try_for_each(&mut *each)?;
                start = reader.stream_position().map_err(failed)?;
            }
            Err(error) if is_of_disk(&error) => return Err(failed(error)),
            Err(error) => {
                let why = error.to_string();
                spoiled.push(Spoiled { path: path.to_owned(), offset: start, why, was_whole: false });
                match next(&mut reader, start + 1).map_err(failed)? {
                    Some(next) => start = next,
                    None => break,
                }
            }
        }
    }
    let mut length = stat.size;
    if is_written && let Some(end) = spoiled.iter().position(|spoiled| !spoiled.was_whole) {
        length = length.min(spoiled[end].offset);
        spoiled.truncate(end);
    }
    Ok((length, spoiled))
}

/// Whether the disk failed, and not what is on it.
fn is_of_disk(error: &io::Error) -> bool {
    error.raw_os_error().is_some()
}

/// All lines of a member; none if it is not whole.
fn member(reader: &mut BufReader<File>) -> io::Result<Vec<Line>> {
    let mut text = Vec::new();
    let mut decoder = GzDecoder::new(&mut *reader).take(MOST);
    decoder.read_to_end(&mut text)?;
    if text.len() as u64 == MOST {
        return Err(io::Error::other("it is longer than anything that was written"));
    }
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(io::Error::from)).collect()
}

/// Goes to the first start of a member at `from` or behind it.
fn next(reader: &mut BufReader<File>, from: u64) -> io::Result<Option<u64>> {
    reader.seek(SeekFrom::Start(from))?;
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest)?;
    let Some(found) = memchr::memmem::find(&rest, &HEAD) else { return Ok(None) };
    reader.seek(SeekFrom::Start(from + found as u64)).map(Some)
}
