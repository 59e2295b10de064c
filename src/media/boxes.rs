//! The boxes of ISO/IEC 14496-12, of which AVIF, HEIC and JPEG XL files consist.

use std::io::{BufRead, Seek};
use std::ops::Range;

use crate::media::Flaw;
use crate::media::input::Input;

/// A box without its header.
pub(super) struct Part {
    pub(super) kind: [u8; 4],
    /// Offsets in the input, in bytes.
    pub(super) body: Range<u64>,
    /// It has no length of its own but goes on as long as there are bytes.
    pub(super) open: bool,
}

/// The next box of the part being walked; the input stands at its body.
pub(super) fn next<R: BufRead + Seek>(input: &mut Input<R>) -> Result<Option<Part>, Flaw> {
    if input.left() == 0 {
        return Ok(None);
    }
    let start = input.at();
    let short_size = input.be32()?;
    let kind = input.array()?;
    let size = match short_size {
        0 => input.end() - start,
        1 => input.be64()?,
        size => size.into(),
    };
    let end = start.checked_add(size);
    if end.is_some_and(|end| end < input.at()) {
        return Err(input.damaged("a box shorter than its own header"));
    }
    let end = input.needs(end)?;
    Ok(Some(Part { kind, body: input.at()..end, open: short_size == 0 }))
}

/// Whether what comes next can be a box: a kind is four printable characters.
pub(super) fn is_next<R: BufRead + Seek>(input: &mut Input<R>) -> Result<bool, Flaw> {
    if input.left() < 8 {
        return Ok(false);
    }
    let start = input.at();
    let [_, _, _, _, kind @ ..]: [u8; 8] = input.array()?;
    input.seek(start)?;
    Ok(kind.iter().all(|byte| matches!(byte, b' '..=b'~')))
}

/// Visits each box in `parent`, the input being confined to its body.
pub(super) fn each<R: BufRead + Seek>(
    input: &mut Input<R>,
    parent: Range<u64>,
    mut visit: impl FnMut(&mut Input<R>, &Part) -> Result<(), Flaw>,
) -> Result<(), Flaw> {
    input.within(parent, |input| {
        while let Some(part) = next(input)? {
            input.within(part.body.clone(), |input| visit(input, &part))?;
            input.seek(part.body.end)?;
        }
        Ok(())
    })
}

/// The body of the first box at the end of `path`, one kind a level.
pub(super) fn find<R: BufRead + Seek>(
    input: &mut Input<R>,
    parent: Range<u64>,
    path: &[[u8; 4]],
) -> Result<Option<Range<u64>>, Flaw> {
    let mut found = Some(parent);
    for kind in path {
        let Some(parent) = found.take() else { break };
        each(input, parent, |_, part| {
            if &part.kind == kind {
                found.get_or_insert(part.body.clone());
            }
            Ok(())
        })?;
    }
    Ok(found)
}
