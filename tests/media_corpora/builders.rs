//! Images built byte by byte, or by the `image` crate where it has an encoder.

use std::io::Cursor;

use flate2::Crc;
use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageFormat, RgbaImage};
use imgkeep::media::MediaType;

/// A whole image, and what is to be found out about it.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) media_type: MediaType,
    pub(crate) size: (u32, u32),
    pub(crate) frames: Option<u32>,
    /// Its pixels make sense to a decoder.
    pub(crate) drawn: bool,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn samples() -> Vec<Sample> {
    let sample = |name, media_type, size, frames, bytes| Sample {
        name,
        media_type,
        size,
        frames: Some(frames),
        drawn: false,
        bytes,
    };
    let drawn = |name, media_type, size, format| Sample {
        drawn: true,
        ..sample(name, media_type, size, 1, encoded(size, format))
    };
    let scalable =
        |name, bytes: Vec<u8>| Sample { frames: None, ..sample(name, MediaType::Svg, (120, 60), 1, bytes) };
    let utf16 = || [0xFEFF_u16].into_iter().chain(SVG.encode_utf16());
    let vp8l = encoded((32, 16), ImageFormat::WebP)[12..].to_vec();
    vec![
        drawn("jpeg", MediaType::Jpeg, (64, 48), ImageFormat::Jpeg),
        drawn("narrow jpeg", MediaType::Jpeg, (1, 300), ImageFormat::Jpeg),
        drawn("large jpeg", MediaType::Jpeg, (640, 480), ImageFormat::Jpeg),
        sample("progressive jpeg", MediaType::Jpeg, (32, 16), 1, progressive_jpeg(16, 2)),
        sample("jpeg with its height at the end", MediaType::Jpeg, (32, 16), 1, progressive_jpeg(0, 2)),
        drawn("png", MediaType::Png, (33, 21), ImageFormat::Png),
        sample("apng", MediaType::Png, (16, 16), 3, apng(3, 3)),
        sample("gif", MediaType::Gif, (24, 12), 3, gif()),
        drawn("webp", MediaType::Webp, (40, 25), ImageFormat::WebP),
        sample("animated webp", MediaType::Webp, (32, 16), 4, animated_webp(&vp8l, 4)),
        sample("lossy webp", MediaType::Webp, (32, 16), 1, lossy_webp()),
        sample("avif", MediaType::Avif, (32, 16), 1, heif(b"avif", b"av01", (32, 16))),
        sample("avif by its items", MediaType::Avif, (32, 16), 1, heif(b"mif1", b"av01", (32, 16))),
        sample("heic", MediaType::Heic, (32, 16), 1, heif(b"heic", b"hvc1", (32, 16))),
        sample("avif sequence", MediaType::Avif, (32, 16), 3, sequence(3)),
        Sample { frames: None, ..sample("jxl", MediaType::Jxl, (32, 16), 1, jxl()) },
        scalable("svg", SVG.into()),
        scalable("svg after a byte order mark", format!("\u{FEFF}{SVG}").into()),
        scalable("svg in UTF-16LE", utf16().flat_map(u16::to_le_bytes).collect()),
        scalable("svg in UTF-16BE", utf16().flat_map(u16::to_be_bytes).collect()),
        drawn("bmp", MediaType::Bmp, (31, 17), ImageFormat::Bmp),
        sample("run-length coded bmp", MediaType::Bmp, (4, 2), 1, rle_bmp()),
        drawn("ico", MediaType::Ico, (32, 32), ImageFormat::Ico),
        sample("ico with a bitmap", MediaType::Ico, (16, 16), 1, ico(&[dib(16)])),
        drawn("tiff", MediaType::Tiff, (50, 40), ImageFormat::Tiff),
        sample("tiff, big-endian, two pages", MediaType::Tiff, (8, 8), 2, tiff(2, false)),
    ]
}

/// Headers that ask for the impossible.
pub(crate) fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let side = 30_000_u32.to_be_bytes();
    let header = [&side[..], &side, &[8, 6, 0, 0, 0]].concat();
    let png = [PNG, &chunk(b"IHDR", &header), &chunk(b"IDAT", b""), &chunk(b"IEND", b"")].concat();
    let mut screen = gif();
    screen[6..10].fill(0xFF);
    let frame = b",\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    let frames = [b"GIF89a\x01\0\x01\0\0\0\0".as_slice(), &frame.repeat(100_000), b";"].concat();
    let vp8l = encoded((32, 16), ImageFormat::WebP)[12..].to_vec();
    let mut jpeg = progressive_jpeg(16, 2);
    let size = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC2]).unwrap() + 5;
    jpeg[size..size + 4].fill(0xFE);
    let deep = format!("<svg>{}{}</svg>", "<g>".repeat(5_000), "</g>".repeat(5_000));
    let laughs = r#"<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>
        <svg xmlns="http://www.w3.org/2000/svg"><text>&c;</text></svg>"#;
    vec![
        ("png of 900 megapixels", png),
        ("gif with the largest screen", screen),
        ("gif of 100,000 frames", frames),
        ("apng that promises 10,000 frames", apng(10_000, 1)),
        ("apng of 2,001 frames", apng(2_000, 2_001)),
        ("webp of 3,000 frames", animated_webp(&vp8l, 3_000)),
        ("jpeg of 4 gigapixels", jpeg),
        ("jpeg of 1,000 scans", progressive_jpeg(16, 1_000)),
        ("avif of a terapixel", heif(b"avif", b"av01", (1 << 20, 1 << 20))),
        ("avif sequence of 100,000 frames", sequence(100_000)),
        ("svg 5,000 deep", deep.into()),
        ("svg that laughs", laughs.into()),
        ("tiff of 3,000 pages", tiff(3_000, false)),
    ]
}

/// Tables that refer to the same bytes again and again.
pub(crate) fn circles() -> Vec<(&'static str, Vec<u8>)> {
    let noise: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let iend = chunk(b"IEND", b"");
    let header = [&[0, 0, 0, 16].repeat(2)[..], &[8, 6, 0, 0, 0]].concat();
    let png = [PNG, &chunk(b"IHDR", &header), &chunk(b"IDAT", &noise), &iend].concat();
    let mut directory = [&[0, 0, 1, 0][..], &60_000_u16.to_le_bytes()].concat();
    for _ in 0..60_000 {
        directory.extend([0; 8]);
        directory.extend(u32::try_from(png.len()).unwrap().to_le_bytes());
        directory.extend((6 + 16 * 60_000_u32).to_le_bytes());
    }
    // 65,535 items of 65,535 extents that take no byte each
    let mut extents = vec![1, 0, 0, 0, 0, 0, 0xFF, 0xFF];
    extents.extend([0, 1, 0, 1, 0, 0, 0xFF, 0xFF].repeat(65_535));
    let endless =
        [&file_type(b"avif")[..], &meta(&boxed(b"iloc", &extents), &properties(8, 8), b"av01")].concat();
    vec![
        ("ico of one picture 60,000 times", [directory, png].concat()),
        ("tiff whose last page is its first", tiff(2, true)),
        ("avif of extents without a size", [endless, boxed(b"mdat", &[0; 8])].concat()),
    ]
}

const PNG: &[u8] = b"\x89PNG\r\n\x1A\n";

const SVG: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<!-- drawn by hand --><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" [
  <!ENTITY ns "http://www.w3.org/2000/svg">
]>
<s:svg xmlns:s="&ns;" viewBox="0 0 240 120" width="120px"><s:title>«é» &amp; more</s:title><![CDATA[<]]><s:g/></s:svg>"#;

fn picture((width, height): (u32, u32)) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        let noise = x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503_001);
        image::Rgba([(x * 3) as u8, (y * 5) as u8, (noise >> 16) as u8, 255])
    })
}

fn encoded(size: (u32, u32), format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = DynamicImage::from(picture(size));
    let picture = if format == ImageFormat::Jpeg { picture.to_rgb8().into() } else { picture };
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn gif() -> Vec<u8> {
    let mut bytes = Vec::new();
    GifEncoder::new(&mut bytes).encode_frames((0..3).map(|_| Frame::new(picture((24, 12))))).unwrap();
    bytes
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(data);
    [&u32::try_from(data.len()).unwrap().to_be_bytes(), &kind[..], data, &crc.sum().to_be_bytes()].concat()
}

fn apng(promised: u32, frames: u32) -> Vec<u8> {
    let side = 16_u32.to_be_bytes();
    let mut bytes = [PNG, &chunk(b"IHDR", &[&side[..], &side, &[8, 6, 0, 0, 0]].concat())].concat();
    bytes.extend(chunk(b"acTL", &[promised.to_be_bytes(), [0; 4]].concat()));
    for number in 0..frames {
        bytes.extend(chunk(b"fcTL", &[&number.to_be_bytes(), &side, &side, &[0; 14][..]].concat()));
        let kind = if number == 0 { b"IDAT" } else { b"fdAT" };
        bytes.extend(chunk(kind, b"pixels"));
    }
    bytes.extend(chunk(b"IEND", b""));
    bytes
}

/// Right in its structure, nonsense in its pixels. A `height` of 0 is told after the first scan.
fn progressive_jpeg(height: u16, scans: usize) -> Vec<u8> {
    let segment = |marker: u8, data: &[u8]| {
        [&[0xFF, marker], &u16::try_from(data.len() + 2).unwrap().to_be_bytes()[..], data].concat()
    };
    let mut bytes = vec![0xFF, 0xD8];
    let thumbnail = [b"Exif\0\0".as_slice(), &encoded((8, 8), ImageFormat::Jpeg)].concat();
    bytes.extend(segment(0xE1, &thumbnail));
    bytes.extend(segment(0xDB, &[0; 65]));
    let [high, low] = height.to_be_bytes();
    bytes.extend(segment(0xC2, &[8, high, low, 0, 32, 1, 1, 0x11, 0]));
    for scan in 0..scans {
        bytes.extend(segment(0xC4, &[0; 17]));
        bytes.extend(segment(0xDA, &[1, 1, 0, 0, 0, 0]));
        bytes.extend(b"scan\xFF\x00data\xFF\xD0\xFF\xFF\xD1more\xFF\xFF\xFF");
        if height == 0 && scan == 0 {
            bytes.extend(segment(0xDC, &[0, 16]));
        }
    }
    bytes.extend([0xFF, 0xD9]);
    bytes
}

fn riff(chunks: &[u8]) -> Vec<u8> {
    let size = u32::try_from(chunks.len() + 4).unwrap();
    [b"RIFF", &size.to_le_bytes()[..], b"WEBP", chunks].concat()
}

fn riff_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let padding = vec![0; data.len() % 2];
    [&kind[..], &u32::try_from(data.len()).unwrap().to_le_bytes(), data, &padding].concat()
}

/// `picture` is a chunk of 32 x 16 pixels.
fn animated_webp(picture: &[u8], frames: usize) -> Vec<u8> {
    let canvas = [2, 0, 0, 0, 31, 0, 0, 15, 0, 0];
    let frame = [&[0, 0, 0, 0, 0, 0, 31, 0, 0, 15, 0, 0, 100, 0, 0, 0], picture].concat();
    let animation = riff_chunk(b"ANIM", &[0; 6]);
    riff(&[riff_chunk(b"VP8X", &canvas), animation, riff_chunk(b"ANMF", &frame).repeat(frames)].concat())
}

fn lossy_webp() -> Vec<u8> {
    // a key frame whose first partition takes 3 bytes
    let frame = [0x70, 0, 0, 0x9D, 0x01, 0x2A, 32, 0, 16, 0, 1, 2, 3, 4, 5];
    riff(&riff_chunk(b"VP8 ", &frame))
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes(), &kind[..], body].concat()
}

fn file_type(brand: &[u8; 4]) -> Vec<u8> {
    boxed(b"ftyp", &[&brand[..], &[0; 4], b"mif1", b"miaf"].concat())
}

fn properties(width: u32, height: u32) -> Vec<u8> {
    let size = boxed(b"ispe", &[[0; 4], width.to_be_bytes(), height.to_be_bytes()].concat());
    let thumbnail = boxed(b"ispe", &[[0; 4], [0, 0, 0, 1], [0, 0, 0, 1]].concat());
    let container = boxed(b"ipco", &[thumbnail, size].concat());
    // item 2 has the first property, item 1 the second
    let owners = boxed(b"ipma", &[0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 1, 1, 0, 1, 1, 0x82]);
    boxed(b"iprp", &[container, owners].concat())
}

fn meta(locations: &[u8], properties: &[u8], coding: &[u8; 4]) -> Vec<u8> {
    let handler = boxed(b"hdlr", &[&[0; 8][..], b"pict", &[0; 13]].concat());
    let primary = boxed(b"pitm", &[0, 0, 0, 0, 0, 1]);
    let item = boxed(b"infe", &[&[2, 0, 0, 0, 0, 1, 0, 0], &coding[..], &[0]].concat());
    let items = boxed(b"iinf", &[&[0, 0, 0, 0, 0, 1], &item[..]].concat());
    let body = [&[0; 4], &handler[..], &primary, locations, &items, properties].concat();
    boxed(b"meta", &body)
}

fn heif(brand: &[u8; 4], coding: &[u8; 4], (width, height): (u32, u32)) -> Vec<u8> {
    let data = [0x12; 40];
    let build = |start: u32| {
        let extents = [0, 0, 0, 0, 0x44, 0, 0, 1, 0, 1, 0, 0, 0, 1];
        let locations = boxed(b"iloc", &[&extents, &start.to_be_bytes()[..], &[0, 0, 0, 40]].concat());
        [file_type(brand), meta(&locations, &properties(width, height), coding)].concat()
    };
    let start = u32::try_from(build(0).len() + 8).unwrap();
    [build(start), boxed(b"mdat", &data)].concat()
}

/// Frames of 32 x 16 pixels in 10 bytes each. The data go on to the end of the file without a size.
fn sequence(frames: u32) -> Vec<u8> {
    let header = boxed(b"tkhd", &[&[0; 76][..], &[0, 32, 0, 0, 0, 16, 0, 0]].concat());
    let sizes = boxed(b"stsz", &[[0; 4], 10_u32.to_be_bytes(), frames.to_be_bytes()].concat());
    let media = boxed(b"mdia", &boxed(b"minf", &boxed(b"stbl", &sizes)));
    let movie = boxed(b"moov", &boxed(b"trak", &[header, media].concat()));
    let data = vec![7; 10 * frames as usize];
    [file_type(b"avis"), movie, b"\0\0\0\0mdat".to_vec(), data].concat()
}

fn jxl() -> Vec<u8> {
    // not small; 16 lines in 9 bits; 2:1
    let size = (15_u32 << 3) | (7 << 12);
    let codestream = [&[0xFF, 0x0A], &size.to_le_bytes()[..], &[1; 20]].concat();
    let (first, last) = codestream.split_at(15);
    let signature = boxed(b"JXL ", b"\r\n\x87\n");
    let parts = [
        boxed(b"ftyp", b"jxl \0\0\0\0jxl "),
        boxed(b"jxlp", &[&[0, 0, 0, 0], first].concat()),
        boxed(b"jxlp", &[&[0x80, 0, 0, 1], last].concat()),
    ];
    [signature, parts.concat()].concat()
}

/// A bitmap header of 40 bytes.
fn dib_header(width: u32, height: u32, bits: u8, compression: u8) -> Vec<u8> {
    let sides = [40_u32, width, height].map(u32::to_le_bytes).concat();
    [&sides[..], &[1, 0, bits, 0, compression, 0, 0, 0], &[0; 20]].concat()
}

fn rle_bmp() -> Vec<u8> {
    let runs = [4, 1, 0, 0, 0, 3, 1, 2, 3, 0, 0, 2, 1, 0, 0, 1];
    let pixels = 14 + 40 + 4 * 256;
    let length = u32::try_from(pixels + runs.len()).unwrap().to_le_bytes();
    let offset = u32::try_from(pixels).unwrap().to_le_bytes();
    [b"BM", &length[..], &[0; 4], &offset, &dib_header(4, 2, 8, 1), &[0; 4 * 256], &runs].concat()
}

fn dib(side: u32) -> Vec<u8> {
    let pixels = vec![0x55; (4 * side * side) as usize];
    let mask = vec![0; (4 * side) as usize];
    [dib_header(side, 2 * side, 32, 0), pixels, mask].concat()
}

fn ico(pictures: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 1, 0, pictures.len() as u8, 0];
    let mut start = 6 + 16 * pictures.len();
    for picture in pictures {
        bytes.extend([0; 8]);
        bytes.extend([picture.len(), start].map(|n| u32::try_from(n).unwrap().to_le_bytes()).concat());
        start += picture.len();
    }
    bytes.extend(pictures.concat());
    bytes
}

/// Pages of 8 x 8 grey pixels, big-endian, each page before its pixels.
fn tiff(pages: u32, circular: bool) -> Vec<u8> {
    let entry = |tag: u16, kind: u16, value: u32| {
        let value = if kind == 3 { value << 16 } else { value };
        [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &1_u32.to_be_bytes(), &value.to_be_bytes()].concat()
    };
    let page_length = 2 + 5 * 12 + 4 + 64;
    let mut bytes = b"MM\0*\0\0\0\x08".to_vec();
    for page in 0..pages {
        let start = 8 + page * page_length;
        let is_last = page + 1 == pages;
        let next = if !is_last {
            start + page_length
        } else if circular {
            8
        } else {
            0
        };
        let fields = [
            entry(256, 3, 8),
            entry(257, 4, 8),
            entry(258, 3, 8),
            entry(273, 4, start + page_length - 64),
            entry(279, 3, 64),
        ];
        bytes.extend([&[0, 5], &fields.concat()[..], &next.to_be_bytes(), &[9; 64]].concat());
    }
    bytes
}
