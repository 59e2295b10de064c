//! Whole images of every format, made here, and everything that can be wrong with them.

#[cfg(test)]
#[path = "media_corpora/builders.rs"]
mod builders;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Cursor};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use imgkeep::media::{self, DecodeError, Flaw, Guess, Inspected, Limits, MediaType};
use proptest::prelude::*;

use builders::Sample;

static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(builders::samples);

fn samples() -> impl Iterator<Item = Sample> {
    SAMPLES.iter().cloned()
}

fn inspect(bytes: &[u8]) -> Result<Inspected, Flaw> {
    media::inspect(Cursor::new(bytes), &Limits::default())
}

#[test]
fn whole_images_are_accepted_with_their_type_size_and_frames() {
    for sample in samples() {
        let inspected = inspect(&sample.bytes).unwrap_or_else(|flaw| panic!("{}: {flaw}", sample.name));
        let Sample { name, media_type, size, frames, .. } = sample;
        assert_eq!(inspected.media_type, media_type, "{name}");
        assert_eq!((inspected.width.zip(inspected.height), inspected.frames), (Some(size), frames), "{name}");
        assert_eq!((inspected.length, inspected.end_seen), (sample.bytes.len() as u64, true), "{name}");
    }
}

#[test]
fn the_size_of_the_buffer_does_not_matter() {
    for Sample { name, bytes, .. } in samples() {
        for capacity in [1, 7, 64] {
            let slow = BufReader::with_capacity(capacity, Cursor::new(&bytes));
            let inspected = media::inspect(slow, &Limits::default()).unwrap();
            assert_eq!(inspected, inspect(&bytes).unwrap(), "{name}, {capacity} bytes at a time");
        }
    }
}

#[test]
fn every_type_has_a_sample() {
    for media_type in MediaType::ALL {
        assert!(samples().any(|sample| sample.media_type == media_type), "{media_type}");
    }
}

#[test]
fn no_prefix_is_taken_for_the_whole() {
    for Sample { name, media_type, bytes, .. } in samples() {
        let near_the_end = bytes.len().saturating_sub(64)..bytes.len();
        for cut in (0..bytes.len()).step_by(if bytes.len() < 4096 { 1 } else { 37 }).chain(near_the_end) {
            let Err(flaw) = inspect(&bytes[..cut]) else { panic!("{name} cut at {cut} is accepted") };
            // an SVG whose root is missing is just XML
            let known = cut >= 128 && media_type != MediaType::Svg;
            assert!(!known || flaw.reason() == "truncated", "{name} cut at {cut}: {flaw}");
        }
    }
}

#[test]
fn what_follows_the_end_is_let_pass() {
    let in_bytes = |sample: &Sample| !sample.name.contains("UTF-16");
    for Sample { name, media_type, bytes, .. } in samples().filter(in_bytes) {
        for trailer in [b"\n".as_slice(), b"<html>", &[0; 64], b"\xFF\xD8\xFF\xE1\x00\x10Exif"] {
            let flaw = inspect(&[&bytes, trailer].concat()).err();
            // XML allows white space alone after its root element
            let allowed = media_type != MediaType::Svg || trailer == b"\n";
            assert_eq!(flaw.is_none(), allowed, "{name}: {flaw:?}");
        }
    }
}

#[test]
fn any_flipped_bit_in_a_png_is_noticed() {
    for Sample { name, bytes, .. } in samples().filter(|it| it.media_type == MediaType::Png) {
        for bit in 0..8 * bytes.len().min(3_000) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(inspect(&flipped).is_err(), "{name}: bit {bit}");
        }
    }
}

#[test]
fn bombs_are_refused_at_once() {
    for (name, bytes) in builders::bombs() {
        let start = Instant::now();
        match inspect(&bytes) {
            Err(flaw @ Flaw::Bomb { .. }) => assert_eq!(flaw.reason(), "bomb"),
            other => panic!("{name}: {other:?}"),
        }
        assert!(start.elapsed() < Duration::from_secs(1), "{name}: {:?}", start.elapsed());
    }
}

#[test]
fn tables_that_point_in_circles_end_in_linear_time() {
    for (name, bytes) in builders::circles() {
        let start = Instant::now();
        let flaw = inspect(&bytes).expect_err(name);
        assert!(matches!(flaw.reason(), "damaged" | "bomb"), "{name}: {flaw}");
        assert!(start.elapsed() < Duration::from_secs(5), "{name}: {:?}", start.elapsed());
    }
}

#[test]
fn what_is_no_image_is_named() {
    let check = |bytes: &[u8], expected| match inspect(bytes) {
        Err(Flaw::NotAnImage { looks_like }) => assert_eq!(looks_like, expected, "{bytes:?}"),
        other => panic!("{bytes:?}: {other:?}"),
    };
    check(b"<!DOCTYPE html><html><body>404</body></html>", Guess::Html);
    check(b"\xEF\xBB\xBF\r\n <html lang=en>", Guess::Html);
    check(b"<!-- cached --><HTML><p>gone", Guess::Html);
    check(b"<div>403<svg xmlns='http://www.w3.org/2000/svg'/></div>", Guess::Html);
    check(b"\xFF\xFE<\0h\0t\0m\0l\0>\0", Guess::Html);
    check(b"\xEF\xBB\xBFGIF89a as a text", Guess::Text);
    check(br#"{"error":"not found"}"#, Guess::Json);
    check(b" [1, 2]", Guess::Json);
    check(b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", Guess::Xml);
    check(b"<SVG xmlns='http://www.w3.org/2000/svg'/>", Guess::Xml);
    check(b"Not Found\n", Guess::Text);
    check("找不到图片".as_bytes(), Guess::Text);
    check(b"BMP files are large", Guess::Text);
    check(b"%PDF-1.7\n", Guess::Pdf);
    check(b"PK\x03\x04\x14\0\0\0", Guess::Unknown);
    check(b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0", Guess::Unknown);
    check(b"\0\0\0\x18ftypisom\0\0\0\0isommp42", Guess::Unknown);
    assert!(matches!(inspect(b""), Err(Flaw::Empty)));
}

#[test]
fn a_page_dressed_as_a_gif_is_refused() {
    for page in ["GIF89a/*<svg/onload=alert(1)>*/=1;", "GIF89a<html><script>alert(1)</script></html>;"] {
        inspect(page.as_bytes()).expect_err(page);
    }
}

#[test]
fn pixels_are_there_for_what_has_a_decoder() {
    let limits = Limits::default();
    for Sample { name, media_type, bytes, size, drawn, .. } in samples() {
        match media::decode(&bytes, media_type, &limits) {
            Ok(picture) => assert_eq!((picture.width(), picture.height()), size, "{name}"),
            Err(DecodeError::NoDecoder { format }) => assert_eq!(format, media_type),
            Err(error) => assert!(!drawn, "{name}: {error:?}"),
        }
    }
    let small = Limits { max_pixels: 100, ..limits };
    let memory = Limits { max_decoded_bytes: 100, ..limits };
    for Sample { name, media_type, bytes, .. } in samples().filter(|sample| sample.drawn) {
        assert!(media::decode(&bytes, media_type, &small).is_err(), "{name}");
        assert!(media::decode(&bytes, media_type, &memory).is_err(), "{name}");
    }
}

#[test]
fn limits_are_the_callers() {
    let tight = Limits { max_pixels: 7, ..Limits::default() };
    for Sample { name, media_type, bytes, .. } in samples() {
        let result = media::inspect(Cursor::new(&bytes), &tight);
        // a vector image has no pixels
        assert_eq!(result.is_ok(), media_type == MediaType::Svg, "{name}: {result:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_bytes_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = inspect(&bytes);
    }

    #[test]
    fn nor_does_a_damaged_image(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let Sample { media_type, mut bytes, .. } = which.get(&SAMPLES).clone();
        for (at, value) in edits {
            // most of what matters stands at the start
            let at = at.index(bytes.len().min(if value % 2 == 0 { 200 } else { usize::MAX }));
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len() * 4).max(1));
        let _ = inspect(&bytes);
        let _ = media::decode(&bytes, media_type, &Limits { max_decoded_bytes: 1 << 24, ..Limits::default() });
    }
}

/// What a folder of images came to.
#[derive(Debug, Default)]
struct Figures {
    files: usize,
    whole: usize,
    /// By the word of the flaw.
    refused: BTreeMap<&'static str, usize>,
    drawn: usize,
    undrawn: usize,
    /// Decoders that panicked; the panic goes no further.
    caught: usize,
    /// Those on which the check itself panicked.
    panics: Vec<PathBuf>,
    halves: usize,
    slowest: (Duration, PathBuf),
}

impl Figures {
    fn add(&mut self, path: PathBuf) {
        let bytes = fs::read(&path).expect("it was listed just now");
        self.files += 1;
        let start = Instant::now();
        match catch_unwind(|| inspect(&bytes)) {
            Ok(Ok(inspected)) => {
                self.whole += 1;
                let half = inspect(&bytes[..bytes.len() / 2]);
                self.halves += usize::from(half.is_ok_and(|half| half.end_seen));
                self.draw(&bytes, inspected.media_type);
            }
            Ok(Err(flaw)) => {
                *self.refused.entry(flaw.reason()).or_default() += 1;
                // A file in the store may be anything: what is refused is decoded as what it sets out to be.
                for media_type in MediaType::ALL.into_iter().filter(|it| begins_like(&bytes, *it)) {
                    self.draw(&bytes, media_type);
                }
            }
            Err(_) => {
                self.panics.push(path.clone());
            }
        }
        self.slowest = (start.elapsed(), path).max(std::mem::take(&mut self.slowest));
    }

    /// As for a thumbnail.
    fn draw(&mut self, bytes: &[u8], media_type: MediaType) {
        let limits = Limits { max_decoded_bytes: 64 << 20, ..Limits::default() };
        match media::decode(bytes, media_type, &limits) {
            Ok(_) => self.drawn += 1,
            Err(DecodeError::Panicked { .. }) => self.caught += 1,
            Err(_) => self.undrawn += 1,
        }
    }
}

fn begins_like(bytes: &[u8], media_type: MediaType) -> bool {
    let starts: &[&[u8]] = match media_type {
        MediaType::Jpeg => &[b"\xFF\xD8"],
        MediaType::Png => &[b"\x89PNG"],
        MediaType::Gif => &[b"GIF8"],
        MediaType::Webp => &[b"RIFF"],
        MediaType::Bmp => &[b"BM"],
        MediaType::Ico => &[b"\0\0\x01\0"],
        MediaType::Tiff => &[b"II", b"MM"],
        MediaType::Avif | MediaType::Heic | MediaType::Jxl | MediaType::Svg => &[],
    };
    starts.iter().any(|start| bytes.starts_with(start))
}

/// Set `IMGKEEP_MEDIA_CORPUS` to a folder of images, good and bad, to see what becomes of them.
#[test]
fn a_folder_of_real_images_causes_no_panic() {
    let Some(folder) = std::env::var_os("IMGKEEP_MEDIA_CORPUS") else {
        println!("IMGKEEP_MEDIA_CORPUS is not set: no real images are tried");
        return;
    };
    let mut figures = Figures::default();
    for path in files_below(Path::new(&folder)) {
        figures.add(path);
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    println!("{figures:#?}\n{peak}");
    let Figures { panics, slowest, .. } = figures;
    assert!(panics.is_empty(), "{panics:?}");
    assert!(slowest.0 < Duration::from_secs(60), "{slowest:?}");
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
