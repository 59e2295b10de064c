//! The way back of one document, small enough to keep for every document.
//!
//! Numbers are LEB128, offsets are written as the distance from the previous edit's end, and the whole is
//! deflated (RFC 1951): the wrapped URLs of one document share most of their text.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// One kept link of a document and what stood there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Offset of the link in the document that holds the kept links.
    pub start: usize,
    /// Length of the link's text.
    pub len: usize,
    /// `blobs.id` of what it points at.
    pub blob: i64,
    /// `runs.id` of the run that wrote it.
    pub run: i64,
    /// The bytes that stood there.
    pub original: Vec<u8>,
}

/// The bytes are not what [`pack`] wrote.
#[derive(Debug, thiserror::Error)]
#[error("a record of what a document said before is damaged")]
pub struct Damaged;

/// `rows` must be sorted by `start` and disjoint.
#[must_use]
pub fn pack(rows: &[Row]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut end = 0;
    for row in rows {
        number(row.start - end, &mut plain);
        number(row.len, &mut plain);
        number(usize::try_from(row.blob).expect("row ids are positive"), &mut plain);
        number(usize::try_from(row.run).expect("row ids are positive"), &mut plain);
        number(row.original.len(), &mut plain);
        plain.extend_from_slice(&row.original);
        end = row.start + row.len;
    }
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&plain).expect("a vector takes every byte");
    encoder.finish().expect("a vector takes every byte")
}

/// Reverses [`pack`].
///
/// # Errors
/// If the bytes are none that it wrote.
pub fn unpack(packed: &[u8]) -> Result<Vec<Row>, Damaged> {
    let mut plain = Vec::new();
    DeflateDecoder::new(packed).read_to_end(&mut plain).map_err(|_| Damaged)?;
    let mut rest = plain.as_slice();
    let mut rows = Vec::new();
    let mut end = 0;
    while !rest.is_empty() {
        let start = take(&mut rest)?.checked_add(end).ok_or(Damaged)?;
        let len = take(&mut rest)?;
        let blob = i64::try_from(take(&mut rest)?).map_err(|_| Damaged)?;
        let run = i64::try_from(take(&mut rest)?).map_err(|_| Damaged)?;
        let (original, tail) = {
            let len = take(&mut rest)?;
            rest.split_at_checked(len).ok_or(Damaged)?
        };
        rest = tail;
        end = start.checked_add(len).ok_or(Damaged)?;
        rows.push(Row { start, len, blob, run, original: original.to_vec() });
    }
    Ok(rows)
}

fn number(mut value: usize, out: &mut Vec<u8>) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

fn take(rest: &mut &[u8]) -> Result<usize, Damaged> {
    let mut value = 0_usize;
    for shift in (0..usize::BITS).step_by(7) {
        let (&byte, tail) = rest.split_first().ok_or(Damaged)?;
        *rest = tail;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Damaged)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            parts in prop::collection::vec((0..1_000_000_usize, 0..500_usize, 1..i64::MAX, 1..1000_i64, prop::collection::vec(any::<u8>(), 0..80)), 0..40),
        ) {
            let mut end = 0;
            let rows: Vec<Row> = parts
                .into_iter()
                .map(|(gap, len, blob, run, original)| {
                    let start = end + gap;
                    end = start + len;
                    Row { start, len, blob, run, original }
                })
                .collect();
            prop_assert_eq!(unpack(&pack(&rows)).unwrap(), rows);
        }

        #[test]
        fn damage_is_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes);
        }
    }
}
