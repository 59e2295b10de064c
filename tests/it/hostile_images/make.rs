//! Parts of images.

use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

pub(super) const PNG: &[u8] = b"\x89PNG\r\n\x1A\n";

pub(super) fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(data);
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&length[..], kind, data, &crc.sum().to_be_bytes()].concat()
}

/// So many bytes of this value, deflated as zlib has it.
pub(super) fn zlib(value: u8, length: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let piece = vec![value; 1 << 16];
    for start in (0..length).step_by(piece.len()) {
        encoder.write_all(&piece[..piece.len().min(length - start)]).unwrap();
    }
    encoder.finish().unwrap()
}

/// A whole black PNG of one bit a pixel, with these chunks before its pixels.
pub(super) fn png(width: u32, height: u32, chunks: &[u8]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[1, 0, 0, 0, 0]].concat();
    let pixels = zlib(0, (width.div_ceil(8) as usize + 1) * height as usize);
    [PNG, &chunk(b"IHDR", &header), chunks, &chunk(b"IDAT", &pixels), &chunk(b"IEND", b"")].concat()
}

/// A segment of a JPEG.
pub(super) fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len() + 2).unwrap().to_be_bytes();
    [&[0xFF, marker], &length[..], data].concat()
}

/// `jpeg` with this behind its first marker.
pub(super) fn with_segments(jpeg: &[u8], segments: &[u8]) -> Vec<u8> {
    [&jpeg[..2], segments, &jpeg[2..]].concat()
}

/// A grey progressive JPEG whose every scan is a pass over all of its pixels, and a few bytes long.
pub(super) fn scans(side: u16, scans: usize) -> Vec<u8> {
    let blocks = usize::from(side).div_ceil(8).pow(2);
    let size = side.to_be_bytes();
    let frame = [&[8][..], &size, &size, &[1, 1, 0x11, 0]].concat();
    // One code of one bit for DC: no difference. For AC three: the end of 1, of up to 32,767, and of up to 16,383 blocks.
    let codes = |class: u8, of_length: &[u8], symbols: &[u8]| {
        let mut lengths = vec![0; 16];
        lengths[..of_length.len()].copy_from_slice(of_length);
        segment(0xC4, &[&[class][..], &lengths, symbols].concat())
    };
    let mut bytes = vec![0xFF, 0xD8];
    bytes.extend(segment(0xDB, &[&[0][..], &[1; 64]].concat()));
    bytes.extend(segment(0xC2, &frame));
    bytes.extend(codes(0x00, &[1], &[0]));
    bytes.extend(codes(0x10, &[1, 1], &[0xE0, 0x00]));
    bytes.extend(segment(0xDA, &[1, 1, 0, 0, 0, 0]));
    bytes.extend(packed((0..blocks).map(|_| (0, 1))));
    for scan in 1..scans {
        let band = u8::try_from(1 + scan % 63).unwrap();
        bytes.extend(segment(0xDA, &[1, 1, 0, band, band, 0]));
        // 0xE0 and 14 bits: 2^14 blocks and as many more as the bits say
        let runs = blocks.div_ceil(32_767);
        bytes.extend(packed((0..runs).map(|run| {
            let left = blocks - run * 32_767;
            let more = left.min(32_767).saturating_sub(1 << 14);
            (more as u32, 15)
        })));
    }
    bytes.extend([0xFF, 0xD9]);
    bytes
}

/// Numbers of so many bits each, highest bit first, filled up with ones; 0 is put behind 0xFF.
fn packed(numbers: impl Iterator<Item = (u32, u32)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut ahead, mut have) = (0_u64, 0);
    let put = |byte: u8, bytes: &mut Vec<u8>| {
        bytes.push(byte);
        if byte == 0xFF {
            bytes.push(0);
        }
    };
    for (number, bits) in numbers {
        ahead = ahead << bits | u64::from(number);
        have += bits;
        while have >= 8 {
            have -= 8;
            put((ahead >> have) as u8, &mut bytes);
        }
    }
    if have > 0 {
        put((ahead << (8 - have)) as u8 | (0xFF >> have), &mut bytes);
    }
    bytes
}

/// A bitmap of 8 bits a pixel whose runs say nothing but that they end, so that all of it is black.
pub(super) fn run_length_bomb(width: u32, height: u32) -> Vec<u8> {
    bitmap(width, height, 8, 1, &[0, 1])
}

/// A bitmap with a palette of 256 colours.
pub(super) fn bitmap(width: u32, height: u32, bits: u8, compression: u8, pixels: &[u8]) -> Vec<u8> {
    let start = 14 + 40 + 4 * 256;
    let length = u32::try_from(start + pixels.len()).unwrap().to_le_bytes();
    let start = u32::try_from(start).unwrap().to_le_bytes();
    let header = [40, width, height].map(u32::to_le_bytes).concat();
    let rest = [&[1, 0, bits, 0, compression, 0, 0, 0][..], &[0; 20]].concat();
    [b"BM", &length[..], &[0; 4], &start, &header, &rest, &[0; 4 * 256], pixels].concat()
}

/// A GIF of one pixel, with these blocks before it.
pub(super) fn gif(screen: [u8; 4], blocks: &[u8]) -> Vec<u8> {
    let head = [b"GIF89a", &screen[..], b"\x80\0\0\0\0\0\xff\xff\xff"].concat();
    let frame = b",\0\0\0\0\x02\0\x02\0\0\x02\x03\x44\x34\x05\0;";
    [&head[..], blocks, frame].concat()
}

/// A RIFF chunk.
pub(super) fn riff(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let padding = vec![0; data.len() % 2];
    [&kind[..], &u32::try_from(data.len()).unwrap().to_le_bytes(), data, &padding].concat()
}

pub(super) fn webp(chunks: &[u8]) -> Vec<u8> {
    let size = u32::try_from(chunks.len() + 4).unwrap().to_le_bytes();
    [b"RIFF", &size[..], b"WEBP", chunks].concat()
}

/// A box of ISO/IEC 14496-12.
pub(super) fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes(), &kind[..], body].concat()
}
