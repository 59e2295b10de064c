//! JPEG (ITU T.81, annex B): a chain of marker segments, with entropy-coded data between some.

use std::io::{BufRead, Seek};

use crate::media::flaw::Tally;
use crate::media::input::Input;
use crate::media::{Flaw, Inspected, Limits};

/// Each scan of a progressive JPEG may cost a decoder a pass over all pixels. Encoders write about ten.
const MAX_SCANS: u64 = 500;

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
/// Tells the height after the first scan, where the frame header says 0.
const DNL: u8 = 0xDC;

/// Hops over the segments by their lengths, so a thumbnail inside one is not taken for the image, and
/// searches the data of each scan for the marker that ends it. The image ends at its own EOI.
pub(super) fn walk<R: BufRead + Seek>(input: &mut Input<R>, limits: &Limits) -> Result<Inspected, Flaw> {
    let tally = Tally::new(input.format, limits);
    let mut size = None;
    let mut scans = 0;
    input.skip(2)?;
    loop {
        let marker = next_marker(input)?;
        if marker == EOI {
            break;
        }
        if matches!(marker, SOI | 0x02..=0xBF) {
            return Err(input.damaged("a marker that cannot stand here"));
        }
        let segment = input.at();
        let length = u64::from(input.be16()?);
        match marker {
            _ if length < 2 => return Err(input.damaged("a segment shorter than its own length")),
            // every frame header, less the tables that share its range: DHT, JPG and DAC
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                input.skip(1)?;
                let (height, width) = (input.be16()?, input.be16()?);
                tally.canvas(width.into(), height.into())?;
                size.get_or_insert((width, height));
            }
            SOS if size.is_none() => return Err(input.damaged("a scan before the frame header")),
            SOS => scans += 1,
            DNL => {
                let lines = input.be16()?;
                size = size.map(|(width, height)| (width, if height == 0 { lines } else { height }));
            }
            _ => {}
        }
        if scans > MAX_SCANS {
            return Err(Flaw::Bomb { format: input.format, asked: scans, unit: "scans", limit: MAX_SCANS });
        }
        input.seek(segment + length)?;
    }
    match size {
        None => Err(input.damaged("no frame header")),
        Some(_) if scans == 0 => Err(input.damaged("no scan")),
        Some((0, _) | (_, 0)) => Err(input.damaged("a side of length 0")),
        Some((width, height)) => {
            tally.canvas(width.into(), height.into())?;
            Ok(input.whole((width.into(), height.into()), 1))
        }
    }
}

/// Goes past everything up to a marker that ends entropy-coded data: not a stuffed FF 00, a restart
/// marker or a fill byte. Stray bytes between segments are passed over the same way, as decoders do.
fn next_marker<R: BufRead + Seek>(input: &mut Input<R>) -> Result<u8, Flaw> {
    loop {
        input.skip_past(0xFF)?;
        let mut code = input.u8()?;
        while code == 0xFF {
            code = input.u8()?;
        }
        if !matches!(code, 0x00 | 0x01 | 0xD0..=0xD7) {
            return Ok(code);
        }
    }
}
