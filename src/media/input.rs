//! A reader that knows where it stands, where the bytes end, and how much has been read.

use std::io::{BufRead, ErrorKind, Seek, SeekFrom};
use std::ops::Range;

use crate::media::{Flaw, Inspected, MediaType};

/// Enough to tell the type of anything, and to guess at what is no image.
const HEAD: u64 = 1024;

/// The bytes under inspection. Running out of them is [`Flaw::Truncated`], or [`Flaw::Damaged`] inside
/// a part that should have held more.
///
/// A file may point its tables at each other and send a walker in circles. Every byte read is paid
/// for from a budget of twice the length, so each walk ends in linear time whatever the file says.
pub(super) struct Input<R> {
    reader: R,
    at: u64,
    /// Where the part being walked ends; never beyond `length`.
    end: u64,
    length: u64,
    budget: u64,
    /// What the bytes are taken for, to say so in a [`Flaw`].
    pub(super) format: MediaType,
}

impl<R: BufRead + Seek> Input<R> {
    pub(super) fn new(mut reader: R) -> Result<Self, Flaw> {
        let length = reader.seek(SeekFrom::End(0))?;
        reader.seek(SeekFrom::Start(0))?;
        let budget = length.saturating_mul(2).saturating_add(2 * HEAD);
        Ok(Self { reader, at: 0, end: length, length, budget, format: MediaType::Jpeg })
    }

    /// The first bytes; the input stands at its start again afterwards.
    pub(super) fn head(&mut self) -> Result<Vec<u8>, Flaw> {
        let mut head = vec![0; usize::try_from(self.length.min(HEAD)).expect("at most 1024")];
        self.read(&mut head)?;
        self.seek(0)?;
        Ok(head)
    }

    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Bytes of the part being walked that are still ahead.
    pub(super) fn left(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Of the whole input.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Walks `part` as if nothing lay behind it, then goes on with the outer part from wherever that
    /// walk has come to.
    pub(super) fn within<T>(
        &mut self,
        part: Range<u64>,
        walk: impl FnOnce(&mut Self) -> Result<T, Flaw>,
    ) -> Result<T, Flaw> {
        self.needs(Some(part.end))?;
        self.seek(part.start)?;
        let outer = std::mem::replace(&mut self.end, part.end);
        let result = walk(self);
        self.end = outer;
        result
    }

    /// Claims that the bytes before `end` are there. `None` is an offset beyond all numbers.
    pub(super) fn needs(&self, end: Option<u64>) -> Result<u64, Flaw> {
        end.filter(|end| *end <= self.end).ok_or_else(|| self.ended())
    }

    /// Claims the same of the whole input, whatever part of it is being walked.
    pub(super) fn reaches(&self, end: Option<u64>) -> Result<(), Flaw> {
        match end {
            Some(end) if end <= self.length => Ok(()),
            _ => Err(Flaw::Truncated { format: self.format, at: self.length }),
        }
    }

    pub(super) fn seek(&mut self, to: u64) -> Result<(), Flaw> {
        self.needs(Some(to))?;
        match i64::try_from(i128::from(to) - i128::from(self.at)) {
            Ok(distance) => self.reader.seek_relative(distance)?,
            Err(_) => drop(self.reader.seek(SeekFrom::Start(to))?),
        }
        self.at = to;
        Ok(())
    }

    pub(super) fn skip(&mut self, bytes: u64) -> Result<(), Flaw> {
        let to = self.needs(self.at.checked_add(bytes))?;
        self.seek(to)
    }

    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<(), Flaw> {
        let bytes = into.len() as u64;
        self.needs(self.at.checked_add(bytes))?;
        self.pay(bytes)?;
        self.reader.read_exact(into).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => self.ended(),
            _ => Flaw::Io(error),
        })?;
        self.at += bytes;
        Ok(())
    }

    /// Some of the bytes ahead, none at the end of the part. [`Self::consume`] goes past them.
    pub(super) fn peek(&mut self) -> Result<&[u8], Flaw> {
        let left = usize::try_from(self.left()).unwrap_or(usize::MAX);
        let ahead = self.reader.fill_buf()?;
        Ok(&ahead[..ahead.len().min(left)])
    }

    /// Goes past bytes that [`Self::peek`] has shown.
    pub(super) fn consume(&mut self, bytes: usize) -> Result<(), Flaw> {
        self.reader.consume(bytes);
        self.at += bytes as u64;
        self.pay(bytes as u64)
    }

    /// Goes past the next byte of this value.
    pub(super) fn skip_past(&mut self, byte: u8) -> Result<(), Flaw> {
        loop {
            let ahead = self.peek()?;
            if ahead.is_empty() {
                return Err(self.ended());
            }
            let found = memchr::memchr(byte, ahead);
            let passed = found.map_or(ahead.len(), |index| index + 1);
            self.consume(passed)?;
            if found.is_some() {
                return Ok(());
            }
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let mut bytes = [0; N];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Flaw> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn be16(&mut self) -> Result<u16, Flaw> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn be32(&mut self) -> Result<u32, Flaw> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn be64(&mut self) -> Result<u64, Flaw> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn le16(&mut self) -> Result<u16, Flaw> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn le32(&mut self) -> Result<u32, Flaw> {
        self.array().map(u32::from_le_bytes)
    }

    /// The flaw of a part that should go on and does not.
    pub(super) fn ended(&self) -> Flaw {
        if self.end < self.length {
            self.damaged("a part is longer than what holds it")
        } else {
            Flaw::Truncated { format: self.format, at: self.length }
        }
    }

    pub(super) fn damaged(&self, what: &'static str) -> Flaw {
        Flaw::Damaged { format: self.format, what, at: self.at }
    }

    /// The verdict on an image that was walked to its end.
    pub(super) fn whole(&self, (width, height): (u32, u32), frames: u32) -> Inspected {
        Inspected {
            media_type: self.format,
            width: Some(width),
            height: Some(height),
            frames: Some(frames),
            length: self.length,
            end_seen: true,
        }
    }

    fn pay(&mut self, bytes: u64) -> Result<(), Flaw> {
        self.budget =
            self.budget.checked_sub(bytes).ok_or_else(|| self.damaged("its parts lie over each other"))?;
        Ok(())
    }
}
