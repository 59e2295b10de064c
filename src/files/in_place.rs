//! Overwrites a document where it is, for one that must stay the same file.
//!
//! That cannot be done in one step, so a journal with the old and the new bytes is durable beside the
//! document first. A crash in between leaves a mixture of the two, which [`undo`] knows by the journal.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, Write};

use crate::digest::Digest;
use crate::files::Error;
use crate::files::folder::{Folder, parent};
use crate::files::litter::Stage;
use crate::files::replace::{Refused, Replaced, Target};
use crate::files::stat::Stat;

/// The first bytes of a journal, before the length of the old bytes, a digest of both, the old, the new.
const MAGIC: &[u8; 16] = b"imgkeep journal\n";
const HEADER: usize = MAGIC.len() + 8 + 32;

/// The smallest piece that a disk writes whole.
const SECTOR: usize = 512;

pub(super) fn overwrite(target: &Target) -> Result<Replaced, Refused> {
    let (path, name) = (target.document.as_path(), target.name());
    let folder = Folder::open_real(parent(path))?;
    folder.share();
    target.open(&folder)?;
    let old = folder.read(name)?;
    let journal = Stage::Journal.name(name);
    folder.write_new(&journal, &encode(&old, &target.new))?;
    folder.sync()?;

    // The last look: what is written after it and before us is lost, as in any program that writes in place.
    let file = folder.open_to_write(name)?;
    let stat = Stat::of_file(&file).map_err(Error::io(path, "find"))?;
    if stat != target.planned || Digest::of(&old) != target.expected {
        folder.remove(&journal)?;
        return Err(Refused::Edited { kept: None });
    }
    if let Err(error) = fill(&file, &target.new) {
        // The old bytes fitted before. If they do not go back, the journal stays for a sweep.
        fill(&file, &old).map_err(Error::io(path, "write the old bytes back to"))?;
        folder.remove(&journal)?;
        return Err(Error::io(path, "write")(error).into());
    }
    if let Some(time) = target.mtime.of(&target.planned) {
        // Only its owner may set a file's time; one who may merely write leaves the clock's.
        let _ = file.set_modified(time);
    }
    file.sync_all().map_err(Error::io(path, "sync"))?;
    let stat = Stat::of_file(&file).map_err(Error::io(path, "find"))?;
    folder.remove(&journal)?;
    folder.sync()?;
    Ok(Replaced { path: path.to_owned(), stat })
}

/// What a journal found after a crash asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Undone {
    /// Nothing: writing had not begun, or was done.
    NotNeeded,
    /// The old bytes were put back.
    RolledBack,
    /// Nothing: the document holds what neither we nor a crash wrote.
    Edited,
}

/// Takes a half-done overwrite back.
pub(super) fn undo(folder: &Folder, journal: &OsStr, document: &OsStr) -> Result<Undone, Error> {
    let text = folder.read(journal)?;
    let Some((old, new)) = decode(&text) else { return Ok(Undone::NotNeeded) };
    let found = match folder.read(document) {
        Err(error) if error.is_not_found() => return Ok(Undone::Edited),
        found => found?,
    };
    if found == old || found == new {
        return Ok(Undone::NotNeeded);
    }
    if !is_mixture(&found, old, new) {
        return Ok(Undone::Edited);
    }
    let file = folder.open_to_write(document)?;
    fill(&file, old).map_err(Error::io(&folder.path().join(document), "write the old bytes back to"))?;
    Ok(Undone::RolledBack)
}

/// Writes from the start, cuts what is left over, and syncs.
fn fill(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    file.rewind()?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()
}

fn encode(old: &[u8], new: &[u8]) -> Vec<u8> {
    let body = [old, new].concat();
    let length = (old.len() as u64).to_le_bytes();
    [MAGIC.as_slice(), &length, Digest::of(&body).as_bytes(), &body].concat()
}

/// The old and the new bytes, if the journal is whole.
fn decode(journal: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, body) = journal.split_at_checked(HEADER)?;
    let mut rest = header.strip_prefix(MAGIC)?;
    let mut length = [0; 8];
    rest.read_exact(&mut length).ok()?;
    let is_whole = rest == Digest::of(body).as_bytes();
    is_whole.then(|| body.split_at_checked(usize::try_from(u64::from_le_bytes(length)).ok()?)).flatten()
}

/// Whether each sector is the old one, the new one, or one that was made and never filled.
fn is_mixture(found: &[u8], old: &[u8], new: &[u8]) -> bool {
    let piece = |text: &[u8], at: usize, length: usize| {
        let rest = text.get(at..).unwrap_or_default();
        rest[..rest.len().min(length)].to_vec()
    };
    found.len() <= old.len().max(new.len())
        && found.chunks(SECTOR).enumerate().all(|(number, sector)| {
            let same = |text: &[u8]| piece(text, number * SECTOR, sector.len()) == sector;
            same(old) || same(new) || sector.iter().all(|&byte| byte == 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_whole_or_nothing() {
        let journal = encode(b"old bytes", b"new");
        assert_eq!(decode(&journal), Some((b"old bytes".as_slice(), b"new".as_slice())));
        for cut in 0..journal.len() {
            assert_eq!(decode(&journal[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn a_half_done_overwrite_is_taken_back_and_an_edit_is_not() {
        let (old, new) = (vec![b'o'; 3000], vec![b'n'; 4000]);
        let check = |found: Vec<u8>, expected: Undone, then: &[u8]| {
            let root = tempfile::tempdir().unwrap();
            let folder = Folder::open(root.path()).unwrap();
            let [document, journal] = ["a.md", "journal"].map(OsStr::new);
            folder.write_new(document, &found).unwrap();
            folder.write_new(journal, &encode(&old, &new)).unwrap();
            assert_eq!(undo(&folder, journal, document).unwrap(), expected);
            assert_eq!(folder.read(document).unwrap(), then);
        };
        check(old.clone(), Undone::NotNeeded, &old);
        check(new.clone(), Undone::NotNeeded, &new);
        check([&new[..1024], &old[1024..]].concat(), Undone::RolledBack, &old);
        check([&old[..512], &new[512..1024], &old[1024..]].concat(), Undone::RolledBack, &old);
        check(new[..3584].to_vec(), Undone::RolledBack, &old);
        check([&new[..3584], &[0; 416]].concat(), Undone::RolledBack, &old);
        check([&new[..1000], &old[1000..]].concat(), Undone::Edited, &[&new[..1000], &old[1000..]].concat());
        check([&old, b"!".as_slice()].concat(), Undone::Edited, &[&old, b"!".as_slice()].concat());
    }
}
