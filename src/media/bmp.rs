//! BMP: a file header, one of several generations of bitmap header, a palette, and rows of pixels.

use std::io::{BufRead, Seek};

use crate::media::flaw::Tally;
use crate::media::input::Input;
use crate::media::{Flaw, Inspected, Limits};

/// The file header's length in bytes.
const FILE_HEADER: u64 = 14;

/// How the pixels are stored. Values 3 and 4 mean other things in an OS/2 header.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// Rows of a known length.
    Rows,
    /// Runs, which end with a mark; the bits of a pixel.
    Runs(u16),
    /// A stream in some other format, as long as the header says.
    Stream,
}

/// What a bitmap header says, be it in a BMP or in an icon.
pub(super) struct Header {
    /// Of the header itself, in bytes.
    length: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    bits: u16,
    compression: u32,
    /// Of the stored pixels, in bytes; 0 if the header does not say.
    stored: u32,
    colors: u32,
}

impl Header {
    pub(super) fn read<R: BufRead + Seek>(input: &mut Input<R>) -> Result<Self, Flaw> {
        let start = input.at();
        let length = input.le32()?;
        if length < 16 && length != 12 {
            return Err(input.damaged("a header of no known length"));
        }
        let mut header = Self { length, width: 0, height: 0, bits: 0, compression: 0, stored: 0, colors: 0 };
        if length == 12 {
            (header.width, header.height) = (input.le16()?.into(), input.le16()?.into());
            let _planes = input.le16()?;
            header.bits = input.le16()?;
        } else {
            let [width, height] = [input.le32()?.cast_signed(), input.le32()?.cast_signed()];
            header.width = u32::try_from(width).unwrap_or(0);
            // below 0 the rows run from top to bottom
            header.height = height.unsigned_abs();
            let _planes = input.le16()?;
            header.bits = input.le16()?;
            // OS/2 lets a header end early, with 0 for the rest
            if length >= 40 {
                (header.compression, header.stored) = (input.le32()?, input.le32()?);
                input.skip(8)?;
                header.colors = input.le32()?;
            }
        }
        input.seek(start + u64::from(length))?;
        if header.width == 0 || header.height == 0 {
            return Err(input.damaged("a side of length 0"));
        }
        Ok(header)
    }

    /// Bytes of uncompressed pixels in `height` rows, each padded to four bytes.
    pub(super) fn row_bytes(&self, height: u32) -> u64 {
        let row = (u64::from(self.width) * u64::from(self.bits)).div_ceil(32) * 4;
        row.saturating_mul(height.into())
    }

    /// Bytes of the palette, and of the colour masks that may stand before it.
    pub(super) fn palette_bytes(&self) -> u64 {
        let all = if self.bits <= 8 { 1_u64 << self.bits } else { 0 };
        match (self.length, self.colors) {
            (12, _) => 3 * all,
            (_, 0) => 4 * all,
            (_, colors) => 4 * u64::from(colors),
        }
    }

    fn coding(&self) -> Option<Coding> {
        let os2 = !matches!(self.length, 12 | 40 | 52 | 56 | 108 | 124);
        match (self.compression, self.bits) {
            (0, 1 | 2 | 4 | 8 | 16 | 24 | 32) => Some(Coding::Rows),
            (1, 8) | (2, 4) => Some(Coding::Runs(self.bits)),
            (3, 1) if os2 => Some(Coding::Stream),
            (4, 24) if os2 => Some(Coding::Runs(self.bits)),
            (3 | 6, 16 | 32) => Some(Coding::Rows),
            (4 | 5, _) => Some(Coding::Stream),
            _ => None,
        }
    }

    pub(super) fn is_rows(&self) -> bool {
        self.coding() == Some(Coding::Rows)
    }
}

/// The length that the file claims for itself is often too small, so the pixels are looked for as well.
pub(super) fn walk<R: BufRead + Seek>(input: &mut Input<R>, limits: &Limits) -> Result<Inspected, Flaw> {
    input.skip(2)?;
    let claimed = input.le32()?;
    input.needs(Some(claimed.into()))?;
    input.skip(4)?;
    let pixels = u64::from(input.le32()?);
    let header = Header::read(input)?;
    Tally::new(input.format, limits).canvas(header.width, header.height)?;
    let Some(coding) = header.coding() else {
        return Err(input.damaged("a header that describes no image"));
    };
    if pixels < FILE_HEADER + u64::from(header.length) {
        return Err(input.damaged("pixels that begin inside the header"));
    }
    if header.bits <= 8 && header.palette_bytes() > input.left() {
        return Err(input.damaged("a palette longer than the file"));
    }
    if coding == Coding::Stream && header.stored == 0 {
        return Err(input.damaged("pixels of no length"));
    }
    input.seek(pixels)?;
    match coding {
        Coding::Rows => input.skip(header.row_bytes(header.height))?,
        Coding::Runs(bits) => skip_runs(input, bits)?,
        Coding::Stream => input.skip(header.stored.into())?,
    }
    Ok(input.whole((header.width, header.height), 1))
}

/// Goes past run-length coded pixels up to the mark at the end of the bitmap (00 01).
fn skip_runs<R: BufRead + Seek>(input: &mut Input<R>, bits: u16) -> Result<(), Flaw> {
    // a pixel of a run takes a byte, or as many as it has
    let run = u64::from(bits.div_ceil(8));
    loop {
        match (input.u8()?, input.u8()?) {
            (0, 0) => {}
            (0, 1) => return Ok(()),
            (0, 2) => input.skip(2)?,
            (0, literal) => {
                let bytes = (u64::from(literal) * u64::from(bits)).div_ceil(8);
                input.skip(bytes.next_multiple_of(2))?;
            }
            (_, _first_byte_of_the_pixel) => input.skip(run - 1)?,
        }
    }
}
