//! A few bytes that ask for much.

use crate::support::picture;
use crate::support::rounds::rounds;

use super::Rule::{Kept, Refused, Undrawn};
use super::make::{
    bitmap, boxed, chunk, gif, png, riff, run_length_bomb, scans, segment, webp, with_segments, zlib,
};
use super::{Row, builders, row, show};

/// MiB of fill.
fn fill() -> usize {
    if rounds(1) > 1 { 16 } else { 8 }
}

#[test]
fn pixels_and_frames() {
    let mut rows: Vec<Row> =
        builders::bombs().into_iter().map(|(name, bytes)| row(name, bytes, Refused("bomb"))).collect();
    let circles = builders::circles().into_iter();
    rows.extend(circles.map(|(name, bytes)| row(name, bytes, Refused("damaged"))));
    let huge = 0x7FFF_FFFF_u32;
    let icon = |length: u32, start: u32, picture: &[u8]| {
        let entry = [&[0; 8][..], &length.to_le_bytes(), &start.to_le_bytes()].concat();
        [&[0, 0, 1, 0, 1, 0][..], &entry, picture].concat()
    };
    let header =
        [&40_u32.to_le_bytes()[..], &huge.to_le_bytes(), &huge.to_le_bytes(), &[1, 0, 32, 0], &[0; 24]];
    let header = header.concat();
    let lying_frame = {
        // a frame of one pixel whose picture has 16,384 x 16,384
        let picture = riff(b"VP8L", &[0x2F, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0]);
        let frame = riff(b"ANMF", &[&[0; 16][..], &picture].concat());
        webp(&[riff(b"VP8X", &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0]), riff(b"ANIM", &[0; 6]), frame].concat())
    };
    let page = |width: u32, height: u32| {
        let field = |tag: u16, value: u32| {
            [&tag.to_le_bytes()[..], &4_u16.to_le_bytes(), &1_u32.to_le_bytes(), &value.to_le_bytes()]
                .concat()
        };
        let fields = [field(256, width), field(257, height), field(273, 8), field(279, 8)].concat();
        [b"II*\0\x08\0\0\0\x04\0", &fields[..], &[0; 4]].concat()
    };
    rows.extend([
        row("PNG of 400 megapixels in 48 KB", png(20_000, 20_000, b""), Refused("bomb")),
        row("BMP as large as numbers go", bitmap(huge, huge, 8, 0, b""), Refused("bomb")),
        row("ICO with a bitmap as large as numbers go", icon(40, 22, &header), Refused("bomb")),
        row("ICO whose picture is itself", icon(22, 0, b""), Refused("truncated")),
        row("TIFF of a terapixel", page(1 << 20, 1 << 20), Refused("bomb")),
        row("WebP with a canvas of 281 terapixels", webp(&riff(b"VP8X", &[0xFF; 10])), Refused("bomb")),
        row("WebP whose frame lies about its picture", lying_frame, Refused("bomb")),
        row(
            "JPEG XL of 2^30 pixels a side",
            [&[0xFF, 0x0A, 0xFE][..], &[0xFF; 20]].concat(),
            Refused("bomb"),
        ),
        // 100 megapixels are allowed, and take 300 MB of a decoder
        row("BMP of runs that are not there", run_length_bomb(10_000, 10_000), Undrawn("image/bmp")),
        row("BMP whose picture has no length", bitmap(9, 9, 0, 4, b""), Refused("damaged")),
        row("PNG of 81 megapixels", png(9_000, 9_000, b""), Kept("image/png")),
    ]);
    show("pixels and frames", &rows);
}

#[test]
fn chunks_and_metadata() {
    let letters = zlib(b'a', 64 << 20);
    let text = |kind: &[u8; 4], head: &[u8]| chunk(kind, &[head, &letters].concat());
    let small = |chunks: &[u8]| png(8, 8, chunks);
    let jpeg = |seed| picture::jpeg(seed);
    let exif = segment(0xE1, &[b"Exif\0\0MM\0\x2a\0\0\0\x08\xFF\xFF".as_slice(), &[0xFF; 60_000]].concat());
    let xmp = segment(0xE1, &[b"http://ns.adobe.com/xap/1.0/\0".as_slice(), &[b'<'; 60_000]].concat());
    let profile = segment(0xE2, &[b"ICC_PROFILE\0\xFF\xFF".as_slice(), &[0xFF; 60_000]].concat());
    let codes = segment(0xC4, &[&[0x0F][..], &[0; 16]].concat());
    let tables = segment(0xDB, &[&[3][..], &[1; 64]].concat());
    let nested = (0..20_000).fold(Vec::new(), |inner, _| boxed(b"moov", &inner));
    let file_type = boxed(b"ftyp", b"avif\0\0\0\0mif1miaf");
    let filled = vec![0xFF; fill() << 20];
    let mut endless = gif([2, 0, 2, 0], b"");
    endless.truncate(19);
    endless.extend([&b"!\xFE"[..], &b"\x01a".repeat(fill() << 19)].concat());
    let rows = [
        row("PNG with a zTXt of 64 MiB", small(&text(b"zTXt", b"Comment\0\0")), Kept("image/png")),
        row(
            "PNG with an iTXt of 64 MiB",
            small(&text(b"iTXt", b"XML:com.adobe.xmp\0\x01\0\0\0")),
            Kept("image/png"),
        ),
        row("PNG with an iCCP of 64 MiB", small(&text(b"iCCP", b"icc\0\0")), Kept("image/png")),
        row(
            "PNG with 10,000 texts",
            small(&chunk(b"tEXt", b"Comment\0<script>alert(1)</script>").repeat(10_000)),
            Kept("image/png"),
        ),
        row(
            "JPEG with a broken EXIF, 100 times",
            with_segments(&jpeg(1), &exif.repeat(100)),
            Kept("image/jpeg"),
        ),
        row("JPEG with 6 MB of XMP", with_segments(&jpeg(2), &xmp.repeat(100)), Kept("image/jpeg")),
        row(
            "JPEG with 255 parts of a profile",
            with_segments(&jpeg(3), &profile.repeat(100)),
            Kept("image/jpeg"),
        ),
        row(
            "JPEG with 10,000 tables of codes",
            with_segments(&jpeg(4), &codes.repeat(10_000)),
            Kept("image/jpeg"),
        ),
        row(
            "JPEG with 10,000 tables of weights",
            with_segments(&jpeg(5), &tables.repeat(10_000)),
            Kept("image/jpeg"),
        ),
        row("JPEG with nothing but fill in it", with_segments(&jpeg(6), &filled), Kept("image/jpeg")),
        row("GIF of sub-blocks without end", endless, Refused("truncated")),
        row("AVIF of 20,000 boxes in each other", [file_type, nested].concat(), Refused("damaged")),
    ];
    show("chunks and metadata", &rows);
}

/// A pass over all pixels for each scan: what a decoder does is bounded by the pixels that may be in memory.
#[test]
fn scans_of_a_progressive_jpeg() {
    let side = if rounds(1) > 1 { 9_000 } else { 2_000 };
    let rows = [
        row("JPEG of 100 scans", scans(side, 100), Kept("image/jpeg")),
        row("JPEG of 500 scans", scans(side / 2, 500), Kept("image/jpeg")),
        row("JPEG of 501 scans", scans(64, 501), Refused("bomb")),
    ];
    show("scans", &rows);
}
