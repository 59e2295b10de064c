//! AVIF and HEIC: HEIF (ISO/IEC 23008-12), where tables in `meta` say where each item's bytes are,
//! or those in `moov` for an image sequence.

mod items;
mod sequence;

use std::io::{BufRead, Seek};

use crate::media::flaw::Tally;
use crate::media::input::Input;
use crate::media::{Flaw, Inspected, Limits, boxes};

/// Walks the boxes of the file and then its tables: every byte that they name must be there.
/// What follows the last box without being one is let pass.
pub(super) fn walk<R: BufRead + Seek>(input: &mut Input<R>, limits: &Limits) -> Result<Inspected, Flaw> {
    let mut tally = Tally::new(input.format, limits);
    let [mut meta, mut movie] = [None, None];
    let mut data = 0;
    while input.left() > 0 {
        let has_all = data > 0 && (meta.is_some() || movie.is_some());
        if has_all && !boxes::is_next(input)? {
            break;
        }
        let Some(part) = boxes::next(input)? else { break };
        match &part.kind {
            b"meta" => drop(meta.get_or_insert(part.body.clone())),
            b"moov" => drop(movie.get_or_insert(part.body.clone())),
            b"mdat" => data += part.body.end - part.body.start,
            _ => {}
        }
        input.seek(part.body.end)?;
    }
    let still = meta.map(|meta| items::walk(input, meta, &tally)).transpose()?.flatten();
    let moving = movie.map(|movie| sequence::walk(input, movie, data, &mut tally)).transpose()?;
    match (still, moving) {
        (Some(size), None) => Ok(input.whole(size, 1)),
        (still, Some(moving)) => Ok(input.whole(still.unwrap_or(moving.size), moving.frames)),
        (None, None) => Err(input.ended()),
    }
}
