//! TIFF 6.0 and `BigTIFF`: a chain of directories whose fields say where the strips or tiles are.

use std::io::{BufRead, Seek};

use crate::media::flaw::Tally;
use crate::media::input::Input;
use crate::media::{Flaw, Inspected, Limits};

const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const STRIP_OFFSETS: u16 = 273;
const STRIP_LENGTHS: u16 = 279;
const TILE_OFFSETS: u16 = 324;
const TILE_LENGTHS: u16 = 325;
/// Where TIFF 6.0 first put JPEG data, which libtiff still reads.
const JPEG_OFFSET: u16 = 513;
const JPEG_LENGTH: u16 = 514;

/// Strips looked at in one go: what bounds the memory, whatever the file.
const BATCH: usize = 512;

/// How numbers are written in this file.
#[derive(Clone, Copy)]
struct Layout {
    big_endian: bool,
    /// `BigTIFF`: offsets and counts of 64 bits.
    wide: bool,
}

/// Values of one field, wherever they stand.
#[derive(Clone, Copy)]
struct Field {
    /// Bytes of one value.
    width: u64,
    count: u64,
    at: u64,
}

/// The fields of one page that matter here.
#[derive(Default)]
struct Page {
    width: Option<Field>,
    height: Option<Field>,
    offsets: Option<Field>,
    lengths: Option<Field>,
}

/// Walks the pages. All that a page's fields point at must be there; without lengths, only the starts
/// of its strips can be checked, and `end_seen` is `false`.
pub(super) fn walk<R: BufRead + Seek>(input: &mut Input<R>, limits: &Limits) -> Result<Inspected, Flaw> {
    let mut tally = Tally::new(input.format, limits);
    let [order, _, ..]: [u8; 2] = input.array()?;
    let mut layout = Layout { big_endian: order == b'M', wide: false };
    layout.wide = layout.number(input, 2)? == 43;
    if layout.wide {
        // the width of offsets, which is 8, and two bytes that are 0
        input.skip(4)?;
    }
    let mut first = None;
    let mut end_seen = true;
    let mut directory = layout.offset(input)?;
    while directory != 0 {
        input.seek(directory)?;
        let page;
        (page, directory) = read_directory(input, layout)?;
        let side = |input: &mut Input<R>, field: Option<Field>| match field {
            Some(field) => layout.first(input, field),
            None => Err(input.damaged("a page without a size")),
        };
        let size = (side(input, page.width)?, side(input, page.height)?);
        let (Ok(width @ 1..), Ok(height @ 1..)) = (u32::try_from(size.0), u32::try_from(size.1)) else {
            return Err(input.damaged("a side of length 0"));
        };
        tally.frame(width, height)?;
        first.get_or_insert((width, height));
        let Some(offsets) = page.offsets.filter(|field| field.count > 0) else {
            return Err(input.damaged("a page without pixels"));
        };
        end_seen &= page.lengths.is_some();
        check_strips(input, layout, offsets, page.lengths)?;
    }
    match first {
        Some(size) => Ok(Inspected { end_seen, ..input.whole(size, tally.frames()) }),
        None => Err(input.damaged("no page")),
    }
}

/// One directory, and where the next one is; 0 after the last.
fn read_directory<R: BufRead + Seek>(input: &mut Input<R>, layout: Layout) -> Result<(Page, u64), Flaw> {
    let mut page = Page::default();
    let entries = layout.number(input, if layout.wide { 8 } else { 2 })?;
    for _ in 0..entries {
        let tag = u16::try_from(layout.number(input, 2)?).expect("two bytes");
        let kind = layout.number(input, 2)?;
        let count = layout.offset(input)?;
        let value = input.at();
        let inline = layout.offset_width();
        let width = match kind {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16 | 17 | 18 => 8,
            // readers must pass over types that they do not know
            _ => 0,
        };
        let bytes = count.checked_mul(width);
        let at = if bytes.is_some_and(|bytes| bytes <= inline) { value } else { layout.offset(input)? };
        input.needs(bytes.and_then(|bytes| at.checked_add(bytes)))?;
        let field = Some(Field { width, count, at });
        match tag {
            WIDTH => page.width = field,
            HEIGHT => page.height = field,
            STRIP_OFFSETS | TILE_OFFSETS => page.offsets = field,
            STRIP_LENGTHS | TILE_LENGTHS => page.lengths = field,
            JPEG_OFFSET if page.offsets.is_none() => page.offsets = field,
            JPEG_LENGTH if page.lengths.is_none() => page.lengths = field,
            _ => {}
        }
        input.seek(value + inline)?;
    }
    Ok((page, layout.offset(input)?))
}

/// Each strip or tile must end within the file.
fn check_strips<R: BufRead + Seek>(
    input: &mut Input<R>,
    layout: Layout,
    offsets: Field,
    lengths: Option<Field>,
) -> Result<(), Flaw> {
    if lengths.is_some_and(|lengths| lengths.count < offsets.count) {
        return Err(input.damaged("fewer lengths than strips"));
    }
    let [mut starts, mut sizes] = [[0; BATCH]; 2];
    let mut done = 0;
    while done < offsets.count {
        let batch = usize::try_from(offsets.count - done).map_or(BATCH, |left| left.min(BATCH));
        layout.values(input, offsets, done, &mut starts[..batch])?;
        match lengths {
            Some(lengths) => layout.values(input, lengths, done, &mut sizes[..batch])?,
            None => sizes.fill(1),
        }
        for (start, size) in starts[..batch].iter().zip(&sizes) {
            input.needs(start.checked_add(*size))?;
        }
        done += batch as u64;
    }
    Ok(())
}

impl Layout {
    /// A number of 2, 4 or 8 bytes, or of 1.
    fn number<R: BufRead + Seek>(self, input: &mut Input<R>, width: u64) -> Result<u64, Flaw> {
        match (width, self.big_endian) {
            (1, _) => input.u8().map(u64::from),
            (2, true) => input.be16().map(u64::from),
            (2, false) => input.le16().map(u64::from),
            (4, true) => input.be32().map(u64::from),
            (4, false) => input.le32().map(u64::from),
            (8, true) => input.be64(),
            (8, false) => input.array().map(u64::from_le_bytes),
            _ => Err(input.damaged("a field of the wrong type")),
        }
    }

    fn offset_width(self) -> u64 {
        if self.wide { 8 } else { 4 }
    }

    fn offset<R: BufRead + Seek>(self, input: &mut Input<R>) -> Result<u64, Flaw> {
        self.number(input, self.offset_width())
    }

    fn first<R: BufRead + Seek>(self, input: &mut Input<R>, field: Field) -> Result<u64, Flaw> {
        let mut value = [0];
        if field.count == 0 {
            return Err(input.damaged("a field without a value"));
        }
        self.values(input, field, 0, &mut value)?;
        Ok(value[0])
    }

    /// The values of `field` from number `from` on.
    fn values<R: BufRead + Seek>(
        self,
        input: &mut Input<R>,
        field: Field,
        from: u64,
        into: &mut [u64],
    ) -> Result<(), Flaw> {
        input.seek(field.at + from * field.width)?;
        for value in into {
            *value = self.number(input, field.width)?;
        }
        Ok(())
    }
}
