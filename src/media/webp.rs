//! WebP (RFC 9649): RIFF chunks around VP8 (RFC 6386), VP8L or an animation of them.

use std::io::{BufRead, Seek};

use crate::media::flaw::Tally;
use crate::media::input::Input;
use crate::media::{Flaw, Inspected, Limits};

/// The bytes of `RIFF`, the size and `WEBP`.
const HEADER: u64 = 12;

/// A chunk: what it is, and where its data end.
struct Chunk {
    kind: [u8; 4],
    end: u64,
}

/// Compares the size that the file declares with the bytes there are, and walks its chunks.
pub(super) fn walk<R: BufRead + Seek>(input: &mut Input<R>, limits: &Limits) -> Result<Inspected, Flaw> {
    let mut tally = Tally::new(input.format, limits);
    input.skip(4)?;
    let size = u64::from(input.le32()?);
    if size < 4 {
        return Err(input.damaged("a file that declares no content"));
    }
    let end = input.needs(Some(8 + size))?;
    input.within(HEADER..end, |input| {
        let mut canvas = None;
        let mut picture = None;
        while let Some(chunk) = next_chunk(input)? {
            match &chunk.kind {
                b"VP8X" if canvas.is_none() => {
                    input.skip(4)?;
                    let (width, height) = (le24(input)? + 1, le24(input)? + 1);
                    tally.canvas(width, height)?;
                    canvas = Some((width, height));
                }
                b"ANMF" => {
                    input.skip(6)?;
                    tally.frame(le24(input)? + 1, le24(input)? + 1)?;
                    frame(input, chunk.end, &tally)?;
                }
                b"VP8 " | b"VP8L" => {
                    let (width, height) = bitstream(input, &chunk)?;
                    tally.canvas(width, height)?;
                    picture = Some((width, height));
                }
                _ => {}
            }
            finish(input, &chunk)?;
        }
        match canvas.or(picture) {
            Some(size) if picture.is_some() || tally.frames() > 0 => {
                Ok(input.whole(size, tally.frames().max(1)))
            }
            _ => Err(input.damaged("no picture")),
        }
    })
}

/// A frame of an animation holds chunks of its own; one of them must be a picture.
/// Whatever size the frame says it has, the picture is decoded with its own.
fn frame<R: BufRead + Seek>(input: &mut Input<R>, end: u64, tally: &Tally<'_>) -> Result<(), Flaw> {
    // duration and flags
    input.skip(4)?;
    let data = input.at()..end;
    input.within(data, |input| {
        let mut picture = false;
        while let Some(chunk) = next_chunk(input)? {
            if matches!(&chunk.kind, b"VP8 " | b"VP8L") {
                let (width, height) = bitstream(input, &chunk)?;
                tally.canvas(width, height)?;
                picture = true;
            }
            finish(input, &chunk)?;
        }
        if picture { Ok(()) } else { Err(input.damaged("a frame without a picture")) }
    })
}

/// The size in pixels that the coded picture itself states.
fn bitstream<R: BufRead + Seek>(input: &mut Input<R>, chunk: &Chunk) -> Result<(u32, u32), Flaw> {
    let start = input.at();
    if &chunk.kind == b"VP8L" {
        let signature = input.u8()?;
        let bits = input.le32()?;
        let version = bits >> 29;
        if signature != 0x2F || version != 0 {
            return Err(input.damaged("no VP8L picture where one must begin"));
        }
        return Ok(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1));
    }
    let tag = le24(input)?;
    let start_code: [u8; 3] = input.array()?;
    let [width, height] = [input.le16()?, input.le16()?].map(|side| u32::from(side & 0x3FFF));
    let inter_frame = tag & 1 == 1;
    let first_partition = u64::from(tag >> 5);
    if inter_frame || start_code != [0x9D, 0x01, 0x2A] || width == 0 || height == 0 {
        return Err(input.damaged("no VP8 picture where one must begin"));
    }
    if first_partition > chunk.end.saturating_sub(start) {
        return Err(input.damaged("a VP8 picture longer than its chunk"));
    }
    Ok((width, height))
}

/// The next chunk of the part being walked; the input stands at its data.
fn next_chunk<R: BufRead + Seek>(input: &mut Input<R>) -> Result<Option<Chunk>, Flaw> {
    if input.left() == 0 {
        return Ok(None);
    }
    let kind = input.array()?;
    let size = u64::from(input.le32()?);
    let end = input.needs(input.at().checked_add(size))?;
    Ok(Some(Chunk { kind, end }))
}

/// Goes to the next chunk. Data of odd length are padded, though not by everyone at the very end.
fn finish<R: BufRead + Seek>(input: &mut Input<R>, chunk: &Chunk) -> Result<(), Flaw> {
    if input.at() > chunk.end {
        return Err(input.damaged("a chunk too short for its kind"));
    }
    input.seek(chunk.end)?;
    // chunks begin at even offsets
    if chunk.end % 2 == 1 && input.left() > 0 { input.skip(1) } else { Ok(()) }
}

fn le24<R: BufRead + Seek>(input: &mut Input<R>) -> Result<u32, Flaw> {
    let [low, middle, high] = input.array()?;
    Ok(u32::from_le_bytes([low, middle, high, 0]))
}
