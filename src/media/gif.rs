//! GIF (the GIF89a specification): blocks, whose data come in sub-blocks of up to 255 bytes.

use std::io::{BufRead, Seek};

use crate::media::flaw::Tally;
use crate::media::input::Input;
use crate::media::{Flaw, Inspected, Limits};

/// Hops from block to block up to the trailer.
pub(super) fn walk<R: BufRead + Seek>(input: &mut Input<R>, limits: &Limits) -> Result<Inspected, Flaw> {
    let mut tally = Tally::new(input.format, limits);
    input.skip(6)?;
    let mut size = (input.le16()?.into(), input.le16()?.into());
    tally.canvas(size.0, size.1)?;
    let [flags, _background, _aspect] = input.array()?;
    skip_color_table(input, flags)?;
    loop {
        match input.u8()? {
            b',' => {
                let [_left, _top, width, height] =
                    [input.le16()?, input.le16()?, input.le16()?, input.le16()?].map(u32::from);
                tally.frame(width, height)?;
                // a screen of no size takes that of the first frame, as browsers have it
                if size.0 == 0 || size.1 == 0 {
                    size = (width, height);
                }
                let flags = input.u8()?;
                skip_color_table(input, flags)?;
                // more than 12 bits a code cannot be
                if !(1..=11).contains(&input.u8()?) {
                    return Err(input.damaged("a code size that LZW does not have"));
                }
                skip_sub_blocks(input)?;
            }
            b'!' => {
                input.skip(1)?;
                skip_sub_blocks(input)?;
            }
            b';' if tally.frames() == 0 => return Err(input.damaged("no image before the trailer")),
            b';' => return Ok(input.whole(size, tally.frames())),
            // some encoders end a block twice
            0 => {}
            _ => return Err(input.damaged("no block where one must begin")),
        }
    }
}

/// `flags` are those of the screen or the image: bit 7 says there is a table, bits 0 to 2 how long.
fn skip_color_table<R: BufRead + Seek>(input: &mut Input<R>, flags: u8) -> Result<(), Flaw> {
    if flags & 0x80 == 0 { Ok(()) } else { input.skip(3 * (2 << (flags & 7))) }
}

fn skip_sub_blocks<R: BufRead + Seek>(input: &mut Input<R>) -> Result<(), Flaw> {
    loop {
        match input.u8()? {
            0 => return Ok(()),
            length => input.skip(length.into())?,
        }
    }
}
