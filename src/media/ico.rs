//! ICO: a directory of pictures, each a PNG or a BMP without its file header.

use std::io::{BufRead, Seek};

use crate::media::bmp::Header;
use crate::media::flaw::Tally;
use crate::media::input::Input;
use crate::media::{Flaw, Inspected, Limits, png};

/// How a PNG begins; a bitmap begins with its header's length.
const PNG: [u8; 4] = *b"\x89PNG";

/// Every picture must lie in the file and be whole; the size is that of the largest.
pub(super) fn walk<R: BufRead + Seek>(input: &mut Input<R>, limits: &Limits) -> Result<Inspected, Flaw> {
    input.skip(4)?;
    let count = input.le16()?;
    let mut largest = (0, 0);
    for _ in 0..count {
        // sides, colours and depth are told better by the picture itself
        input.skip(8)?;
        let (length, start) = (u64::from(input.le32()?), u64::from(input.le32()?));
        let next_entry = input.at();
        let end = input.needs(start.checked_add(length))?;
        let size = input.within(start..end, |input| picture(input, limits))?;
        largest = largest.max(size);
        input.seek(next_entry)?;
    }
    if count == 0 {
        return Err(input.damaged("a directory without a picture"));
    }
    Ok(input.whole(largest, 1))
}

/// The size in pixels of the picture that is the part being walked.
fn picture<R: BufRead + Seek>(input: &mut Input<R>, limits: &Limits) -> Result<(u32, u32), Flaw> {
    let start = input.at();
    let is_png = input.array()? == PNG;
    input.seek(start)?;
    if is_png {
        let inside = png::walk(input, limits)?;
        return Ok((inside.width.unwrap_or(0), inside.height.unwrap_or(0)));
    }
    let header = Header::read(input)?;
    // the mask that lies below the colours counts as rows too
    let height = header.height / 2;
    Tally::new(input.format, limits).canvas(header.width, height)?;
    if !header.is_rows() || height == 0 {
        return Err(input.damaged("a header that describes no image"));
    }
    // decoders do without the mask, and some encoders leave it out
    input.skip(header.palette_bytes() + header.row_bytes(height))?;
    Ok((header.width, height))
}
