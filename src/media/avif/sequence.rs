//! The tracks of a HEIF image sequence (ISO/IEC 14496-12, 8.3 to 8.7): how many frames, how many bytes.

use std::io::{BufRead, Seek};
use std::ops::Range;

use crate::media::flaw::Tally;
use crate::media::input::Input;
use crate::media::{Flaw, boxes};

/// What the track that shows something says of itself.
pub(super) struct Sequence {
    pub(super) size: (u32, u32),
    pub(super) frames: u32,
}

/// The samples of all tracks together must find room in the `data` bytes of the file's `mdat` boxes.
pub(super) fn walk<R: BufRead + Seek>(
    input: &mut Input<R>,
    movie: Range<u64>,
    data: u64,
    tally: &mut Tally<'_>,
) -> Result<Sequence, Flaw> {
    let mut tracks = Vec::new();
    boxes::each(input, movie, |_, part| {
        if &part.kind == b"trak" && tracks.len() < MAX_TRACKS {
            tracks.push(part.body.clone());
        }
        Ok(())
    })?;
    let mut shown = Sequence { size: (0, 0), frames: 0 };
    let mut needed = 0_u64;
    for track in tracks {
        let Some(header) = boxes::find(input, track.clone(), &[*b"tkhd"])? else { continue };
        let Some(sizes) = boxes::find(input, track, &[*b"mdia", *b"minf", *b"stbl", *b"stsz"])? else {
            continue;
        };
        let size = input.within(header, track_size)?;
        let (frames, bytes) = input.within(sizes, |input| samples(input, tally))?;
        needed = needed.saturating_add(bytes);
        // the track of an alpha channel is as long, that of a sound has no size
        if shown.frames == 0 && size.0 > 0 && size.1 > 0 {
            shown = Sequence { size, frames };
        }
    }
    if needed > data {
        return Err(input.ended());
    }
    if shown.frames == 0 {
        return Err(input.damaged("a sequence without a frame"));
    }
    for _ in 0..shown.frames {
        tally.frame(shown.size.0, shown.size.1)?;
    }
    Ok(shown)
}

/// Pictures, their alpha, their depth, a sound: there is no use for more.
const MAX_TRACKS: usize = 16;

/// Width and height in whole pixels, from `tkhd` (8.3.2), where they are the last two numbers.
fn track_size<R: BufRead + Seek>(input: &mut Input<R>) -> Result<(u32, u32), Flaw> {
    let last = input.end().checked_sub(8).filter(|last| *last >= input.at());
    input.seek(last.ok_or_else(|| input.damaged("a box too short for its kind"))?)?;
    Ok((input.be32()? >> 16, input.be32()? >> 16))
}

/// How many samples `stsz` (8.7.3) counts, and their bytes in all.
fn samples<R: BufRead + Seek>(input: &mut Input<R>, tally: &Tally<'_>) -> Result<(u32, u64), Flaw> {
    let _version = input.be32()?;
    let (each, count) = (input.be32()?, input.be32()?);
    tally.frames_claimed(count.into())?;
    if each > 0 {
        return Ok((count, u64::from(each) * u64::from(count)));
    }
    let mut bytes = 0;
    for _ in 0..count {
        bytes += u64::from(input.be32()?);
    }
    Ok((count, bytes))
}
