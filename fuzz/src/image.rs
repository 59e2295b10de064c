//! The structure of an image is walked to its end or refused, within the limits, however it is read.

use std::io::{BufReader, Cursor};

use imgkeep::media::{Flaw, Inspected, Limits, MediaType, inspect};

use super::dice::Dice;

/// What files of each format start with; the first byte chooses one, or none.
const STARTS: [&[u8]; 17] = [
    b"",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"GIF87a",
    b"GIF89a",
    b"RIFF\x20\0\0\0WEBPVP8 ",
    b"RIFF\x20\0\0\0WEBPVP8L",
    b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0",
    b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf",
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    b"\xff\x0a",
    b"\0\0\0\x0cJXL \r\n\x87\n",
    b"BM",
    b"\0\0\x01\0",
    b"II*\0",
    b"MM\0*",
    b"II+\0\x08\0\0\0",
];

/// The first byte is the format.
pub fn holds(bytes: &[u8]) {
    let mut dice = Dice::new(bytes);
    let start = STARTS[usize::from(dice.byte()) % STARTS.len()];
    is_walked(&[start, dice.rest()].concat());
}

/// The bytes as an SVG.
pub fn svg_holds(bytes: &[u8]) {
    let mut dice = Dice::new(bytes);
    let start: &[u8] = dice.pick(&[
        b"".as_slice(),
        b"<svg",
        b"<?xml version='1.0'?><svg",
        b"<!DOCTYPE svg [",
        b"\xff\xfe<\0s\0v\0g\0",
    ]);
    is_walked(&[start, dice.rest()].concat());
}

fn is_walked(bytes: &[u8]) {
    let small = Limits { max_pixels: 10_000, max_frames: 5, max_total_pixels: 20_000, max_decoded_bytes: 0 };
    for limits in [Limits::default(), small] {
        let whole = inspect(Cursor::new(bytes), &limits);
        // through a buffer that holds next to nothing at a time
        let by_pieces = inspect(BufReader::with_capacity(7, Cursor::new(bytes)), &limits);
        assert_eq!(said(&whole), said(&by_pieces));
        if let Ok(image) = whole {
            is_within(&image, bytes.len() as u64, &limits);
        }
    }
}

fn is_within(image: &Inspected, length: u64, limits: &Limits) {
    assert_eq!(image.length, length);
    if image.media_type == MediaType::Svg {
        return;
    }
    let pixels = u64::from(image.width.unwrap_or(0)) * u64::from(image.height.unwrap_or(0));
    assert!(pixels <= limits.max_pixels, "{pixels} pixels");
    assert!(image.frames.unwrap_or(1) <= limits.max_frames, "{:?} frames", image.frames);
    assert!(image.frames != Some(0));
}

/// An answer in words, for comparison. Where text stops being XML depends on how much of it was there.
fn said(answer: &Result<Inspected, Flaw>) -> String {
    match answer {
        Err(flaw @ Flaw::Damaged { format: MediaType::Svg, .. }) => flaw.reason().to_owned(),
        answer => format!("{answer:?}"),
    }
}
