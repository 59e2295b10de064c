//! PNG (W3C PNG, third edition): a chain of chunks, each with a CRC over its type and data.

use std::io::{BufRead, Seek};

use flate2::Crc;

use crate::media::flaw::Tally;
use crate::media::input::Input;
use crate::media::{Flaw, Inspected, Limits};

/// The signature's length in bytes.
const SIGNATURE: u64 = 8;

/// Reads every chunk up to IEND and compares its CRC. Animations are APNG: a frame a `fcTL`.
pub(super) fn walk<R: BufRead + Seek>(input: &mut Input<R>, limits: &Limits) -> Result<Inspected, Flaw> {
    let mut tally = Tally::new(input.format, limits);
    input.skip(SIGNATURE)?;
    let mut size = None;
    let mut animated = false;
    let mut pixels = false;
    let mut previous = [0; 4];
    loop {
        let length = input.be32()?;
        let kind: [u8; 4] = input.array()?;
        if length > i32::MAX as u32 || !kind.iter().all(u8::is_ascii_alphabetic) {
            return Err(input.damaged("no chunk where one must begin"));
        }
        let mut crc = Crc::new();
        crc.update(&kind);
        let mut body = Body { input, crc, left: length };
        match (&kind, size) {
            (b"IHDR", None) => {
                let (width, height) = header(&mut body)?;
                tally.canvas(width, height)?;
                size = Some((width, height));
            }
            (b"IHDR", Some(_)) => return Err(input.damaged("a second IHDR")),
            (_, None) => return Err(input.damaged("IHDR must come first")),
            (b"acTL", Some(_)) if !pixels => {
                tally.frames_claimed(u32::from_be_bytes(body.array()?).into())?;
                animated = true;
            }
            (b"fcTL", Some(_)) if animated => {
                let [_sequence, width, height] = [body.array()?, body.array()?, body.array()?];
                tally.frame(u32::from_be_bytes(width), u32::from_be_bytes(height))?;
            }
            (b"IDAT", Some(_)) if pixels && &previous != b"IDAT" => {
                return Err(input.damaged("pixels in two places"));
            }
            (b"IDAT", Some(_)) => pixels = true,
            _ => {}
        }
        body.finish()?;
        match (&kind, size) {
            (b"IEND", _) if !pixels => return Err(input.damaged("no IDAT")),
            (b"IEND", Some(size)) => return Ok(input.whole(size, tally.frames().max(1))),
            _ => previous = kind,
        }
    }
}

/// Width and height, once IHDR makes sense as a whole (11.2.1).
fn header<R: BufRead + Seek>(body: &mut Body<'_, R>) -> Result<(u32, u32), Flaw> {
    let width = u32::from_be_bytes(body.array()?);
    let height = u32::from_be_bytes(body.array()?);
    let [depth, color, compression, filter, interlace] = body.array()?;
    let coded = match color {
        0 => matches!(depth, 1 | 2 | 4 | 8 | 16),
        3 => matches!(depth, 1 | 2 | 4 | 8),
        2 | 4 | 6 => matches!(depth, 8 | 16),
        _ => false,
    };
    let side = 1..=i32::MAX as u32;
    if coded
        && (compression, filter) == (0, 0)
        && interlace < 2
        && side.contains(&width)
        && side.contains(&height)
    {
        Ok((width, height))
    } else {
        Err(body.input.damaged("a header that describes no image"))
    }
}

/// A chunk's data, its CRC taken as they pass.
struct Body<'a, R> {
    input: &'a mut Input<R>,
    crc: Crc,
    /// Bytes of data still ahead.
    left: u32,
}

impl<R: BufRead + Seek> Body<'_, R> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        match u32::try_from(N).ok().and_then(|bytes| self.left.checked_sub(bytes)) {
            Some(left) => self.left = left,
            None => return Err(self.input.damaged("a chunk too short for its kind")),
        }
        let bytes = self.input.array()?;
        self.crc.update(&bytes);
        Ok(bytes)
    }

    fn finish(mut self) -> Result<(), Flaw> {
        while self.left > 0 {
            let ahead = self.input.peek()?;
            let passed = ahead.len().min(self.left as usize);
            if passed == 0 {
                return Err(self.input.ended());
            }
            self.crc.update(&ahead[..passed]);
            self.input.consume(passed)?;
            self.left -= u32::try_from(passed).expect("no more than `left`");
        }
        if self.input.be32()? == self.crc.sum() {
            Ok(())
        } else {
            Err(self.input.damaged("a chunk whose CRC does not match"))
        }
    }
}
