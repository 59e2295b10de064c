//! JPEG XL (ISO/IEC 18181): a codestream, naked or in boxes.

use std::io::{BufRead, Seek};

use crate::media::boxes;
use crate::media::flaw::Tally;
use crate::media::input::Input;
use crate::media::{Flaw, Inspected, Limits};

/// The first two bytes of every codestream.
const CODESTREAM: [u8; 2] = [0xFF, 0x0A];

/// A box has a length, so its end is seen. A naked codestream shows its end only to a decoder, and so
/// does one in a box that goes on to the end of the file: `end_seen` is then `false`.
pub(super) fn walk<R: BufRead + Seek>(input: &mut Input<R>, limits: &Limits) -> Result<Inspected, Flaw> {
    let tally = Tally::new(input.format, limits);
    let naked = input.array::<2>()? == CODESTREAM;
    input.seek(0)?;
    let (size, end_seen) = if naked { (codestream(input)?, false) } else { in_boxes(input)? };
    tally.canvas(size.0, size.1)?;
    Ok(Inspected { frames: None, end_seen, ..input.whole(size, 1) })
}

/// The codestream is in one `jxlc` box, or in `jxlp` boxes of which the last is marked (18181-2, 9).
fn in_boxes<R: BufRead + Seek>(input: &mut Input<R>) -> Result<((u32, u32), bool), Flaw> {
    let mut size = None;
    let mut complete = false;
    let mut end_seen = true;
    while !complete || boxes::is_next(input)? {
        let Some(part) = boxes::next(input)? else { break };
        let start = match &part.kind {
            b"jxlc" => {
                complete = true;
                Some(part.body.start)
            }
            b"jxlp" => {
                complete |= input.be32()? >> 31 == 1;
                Some(input.at())
            }
            _ => None,
        };
        if let Some(start) = start {
            end_seen &= !part.open;
            if size.is_none() {
                size = Some(input.within(start..part.body.end.max(start), codestream)?);
            }
        }
        input.seek(part.body.end)?;
    }
    match size {
        Some(size) if complete => Ok((size, end_seen)),
        _ => Err(input.ended()),
    }
}

/// Width and height from the header at the start of a codestream (18181-1, D.2).
fn codestream<R: BufRead + Seek>(input: &mut Input<R>) -> Result<(u32, u32), Flaw> {
    if input.array()? != CODESTREAM {
        return Err(input.damaged("no codestream where one must begin"));
    }
    let mut bytes = [0; 16];
    let there = input.left().min(9);
    input.read(&mut bytes[..usize::try_from(there).expect("at most 9")])?;
    let mut bits = Bits { ahead: u128::from_le_bytes(bytes), left: 8 * there };
    let small = bits.take(1) == 1;
    let height = bits.side(small);
    let width = match bits.take(3) {
        0 => bits.side(small),
        1 => height,
        2 => height * 12 / 10,
        3 => height * 4 / 3,
        4 => height * 3 / 2,
        5 => height * 16 / 9,
        6 => height * 5 / 4,
        _ => height * 2,
    };
    match (u32::try_from(width), u32::try_from(height)) {
        _ if bits.left == 0 => Err(input.ended()),
        (Ok(width), Ok(height)) if width > 0 => Ok((width, height)),
        _ => Err(input.damaged("a header that describes no image")),
    }
}

/// Bits from the lowest of each byte upwards.
struct Bits {
    ahead: u128,
    /// 0 once more were taken than there are, or all: an image goes on after its header.
    left: u64,
}

impl Bits {
    fn take(&mut self, count: u32) -> u64 {
        let taken = u64::try_from(self.ahead & ((1 << count) - 1)).expect("at most 30 bits");
        self.ahead >>= count;
        self.left = self.left.saturating_sub(count.into());
        taken
    }

    fn side(&mut self, small: bool) -> u64 {
        if small {
            return 8 * (self.take(5) + 1);
        }
        let width = [9, 13, 18, 30][self.take(2) as usize];
        self.take(width) + 1
    }
}
