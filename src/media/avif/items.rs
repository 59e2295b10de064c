//! The items of a HEIF file (ISO/IEC 14496-12, 8.11): where their bytes are, and the primary one's size.

use std::io::{BufRead, Seek};
use std::ops::Range;

use crate::media::flaw::Tally;
use crate::media::input::Input;
use crate::media::{Flaw, MediaType, boxes};

/// Bytes before the boxes in `meta`, and before the content of the boxes that have a version: the
/// version and three bytes of flags.
const VERSION: u64 = 4;

/// The size in pixels of the primary item, all of whose bytes are there, or `None` if there is no item.
pub(super) fn walk<R: BufRead + Seek>(
    input: &mut Input<R>,
    meta: Range<u64>,
    tally: &Tally<'_>,
) -> Result<Option<(u32, u32)>, Flaw> {
    let mut primary = None;
    let [mut locations, mut infos, mut properties] = [const { None }; 3];
    let mut inline = 0;
    if meta.end - meta.start < VERSION {
        return Err(input.damaged("a box too short for its kind"));
    }
    boxes::each(input, meta.start + VERSION..meta.end, |input, part| {
        match &part.kind {
            b"pitm" => primary = Some(primary_item(input)?),
            b"iloc" => locations = Some(part.body.clone()),
            b"iinf" => infos = Some(part.body.clone()),
            b"iprp" => properties = Some(part.body.clone()),
            b"idat" => inline = part.body.end - part.body.start,
            _ => {}
        }
        Ok(())
    })?;
    let (Some(primary), Some(locations), Some(properties)) = (primary, locations, properties) else {
        return Ok(None);
    };
    if let (MediaType::Heic, Some(infos)) = (input.format, infos)
        && has_av1(input, infos)?
    {
        input.format = MediaType::Avif;
    }
    input.within(locations, |input| check_locations(input, inline))?;
    primary_size(input, properties, primary, tally).map(Some)
}

fn primary_item<R: BufRead + Seek>(input: &mut Input<R>) -> Result<u32, Flaw> {
    match version(input)? {
        0 => input.be16().map(u32::from),
        _ => input.be32(),
    }
}

/// Whether any item is coded as AV1. Asked of files whose brands leave it open or say HEVC.
fn has_av1<R: BufRead + Seek>(input: &mut Input<R>, infos: Range<u64>) -> Result<bool, Flaw> {
    let count_bytes = input.within(infos.clone(), |input| Ok(if version(input)? == 0 { 2 } else { 4 }))?;
    let entries = infos.start + VERSION + count_bytes;
    if entries > infos.end {
        return Err(input.damaged("a box too short for its kind"));
    }
    let mut found = false;
    boxes::each(input, entries..infos.end, |input, part| {
        if &part.kind == b"infe" {
            let version = version(input)?;
            // the item's number and its protection come first; before version 2 there was no type
            input.skip(if version == 2 { 4 } else { 6 })?;
            found |= version >= 2 && &input.array()? == b"av01";
        }
        Ok(())
    })?;
    Ok(found)
}

/// Reads `iloc` (8.11.3): each extent must end within the file, or within `idat` of `inline` bytes.
fn check_locations<R: BufRead + Seek>(input: &mut Input<R>, inline: u64) -> Result<(), Flaw> {
    let version = version(input)?;
    let [widths, more_widths] = input.array()?;
    let (offset_width, length_width) = (widths >> 4, widths & 15);
    let (base_width, index_width) = (more_widths >> 4, if version == 0 { 0 } else { more_widths & 15 });
    if length_width == 0 {
        // the whole file, which no image in it can be
        return Err(input.damaged("items without a length"));
    }
    let items = if version < 2 { input.be16()?.into() } else { input.be32()? };
    for _ in 0..items {
        input.skip(if version < 2 { 2 } else { 4 })?;
        let method = if version == 0 { 0 } else { input.be16()? & 15 };
        let elsewhere = input.be16()? != 0;
        let base = sized(input, base_width)?;
        for _ in 0..input.be16()? {
            sized(input, index_width)?;
            let offset = sized(input, offset_width)?;
            let length = sized(input, length_width)?;
            let end = base.checked_add(offset).and_then(|start| start.checked_add(length));
            match method {
                _ if elsewhere => {}
                0 => input.reaches(end)?,
                1 if end.is_none_or(|end| end > inline) => {
                    return Err(input.damaged("an item that reaches beyond `idat`"));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// A number that is stored in 0, 4 or 8 bytes.
fn sized<R: BufRead + Seek>(input: &mut Input<R>, width: u8) -> Result<u64, Flaw> {
    match width {
        0 => Ok(0),
        4 => input.be32().map(u64::from),
        8 => input.be64(),
        _ => Err(input.damaged("a number of a width that does not exist")),
    }
}

/// The `ispe` among the properties of the primary item (ISO/IEC 23008-12, 6.5.3).
fn primary_size<R: BufRead + Seek>(
    input: &mut Input<R>,
    properties: Range<u64>,
    primary: u32,
    tally: &Tally<'_>,
) -> Result<(u32, u32), Flaw> {
    let mut container = None;
    let mut own = Vec::new();
    boxes::each(input, properties, |input, part| {
        match &part.kind {
            b"ipco" => container = Some(part.body.clone()),
            b"ipma" if own.is_empty() => own = associations(input, primary)?,
            _ => {}
        }
        Ok(())
    })?;
    let mut number = 0_u16;
    let mut size = None;
    boxes::each(input, container.unwrap_or(0..0), |input, part| {
        number = number.saturating_add(1);
        if &part.kind == b"ispe" {
            input.skip(VERSION)?;
            let (width, height) = (input.be32()?, input.be32()?);
            tally.canvas(width, height)?;
            if width > 0 && height > 0 && own.contains(&number) {
                size.get_or_insert((width, height));
            }
        }
        Ok(())
    })?;
    size.ok_or_else(|| input.damaged("a primary item without a size"))
}

/// The properties of `item`, by their numbers in `ipco` counted from 1. At most 255.
fn associations<R: BufRead + Seek>(input: &mut Input<R>, item: u32) -> Result<Vec<u16>, Flaw> {
    let version_and_flags = input.be32()?;
    let (version, wide) = (version_and_flags >> 24, version_and_flags & 1 == 1);
    for _ in 0..input.be32()? {
        let owner = if version == 0 { input.be16()?.into() } else { input.be32()? };
        let count = input.u8()?;
        if owner != item {
            input.skip(u64::from(count) * if wide { 2 } else { 1 })?;
            continue;
        }
        // the highest bit marks what a reader must understand
        let number =
            |_| if wide { Ok(input.be16()? & 0x7FFF) } else { input.u8().map(|byte| (byte & 0x7F).into()) };
        return (0..count).map(number).collect();
    }
    Ok(Vec::new())
}

fn version<R: BufRead + Seek>(input: &mut Input<R>) -> Result<u8, Flaw> {
    let [version, _, _, _] = input.array()?;
    Ok(version)
}
