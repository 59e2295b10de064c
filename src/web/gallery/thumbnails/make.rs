//! Draws a thumbnail, and keeps it in a file.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, ImageError};
use rustix::fs::statvfs;

use crate::blob::BlobName;
use crate::files::{self, folder};
use crate::media::{self, DecodeError, Limits, MediaType};
use crate::web::gallery::thumbnails::Thumbnail;

/// A longer file is not read to be drawn.
const MOST_BYTES: u64 = 32 << 20;
/// With less free space, or less of the disk than this part, none is kept: the room is for images.
const RESERVE: u64 = 256 << 20;
const PART: u64 = 20;
/// A longer thumbnail is none of ours.
const MOST_KEPT: u64 = 4 << 20;
/// Of 100: what is lost is not seen at this size.
const QUALITY: u8 = 82;

/// Why an image is not drawn.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("it has {0} bytes")]
    TooLong(u64),
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("it cannot be written: {0}")]
    Encode(#[from] ImageError),
}

/// Draws `blob`, whose `length` bytes are in `file`, with `size` pixels on its longer side; a smaller one stays as
/// small as it is.
pub(super) fn of(
    file: File,
    length: u64,
    blob: BlobName,
    size: u16,
    limits: &Limits,
) -> Result<Thumbnail, Error> {
    if length > MOST_BYTES {
        return Err(Error::TooLong(length));
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    let picture = media::decode(&bytes, blob.media_type, limits)?;
    drop(bytes);
    encode(&shrink(picture, size.into()))
}

fn shrink(picture: DynamicImage, size: u32) -> DynamicImage {
    if picture.width() <= size && picture.height() <= size { picture } else { picture.thumbnail(size, size) }
}

/// As JPEG, or as PNG where something shows through.
fn encode(picture: &DynamicImage) -> Result<Thumbnail, Error> {
    let mut out = Cursor::new(Vec::new());
    let pixels = picture.color().has_alpha().then(|| picture.to_rgba8());
    let media_type = match pixels.filter(|pixels| pixels.pixels().any(|pixel| pixel.0[3] < u8::MAX)) {
        Some(pixels) => {
            pixels.write_with_encoder(PngEncoder::new(&mut out))?;
            MediaType::Png
        }
        None => {
            picture.to_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut out, QUALITY))?;
            MediaType::Jpeg
        }
    };
    Ok(Thumbnail { bytes: out.into_inner().into(), media_type })
}

/// A thumbnail that was kept, if it is whole: files may be cut short by a power cut.
pub(super) fn kept(path: &Path) -> Option<Thumbnail> {
    let (bytes, _) = files::read(path, MOST_KEPT).ok()?;
    let inspected = media::inspect(Cursor::new(&bytes), &Limits::default()).ok()?;
    // Anybody may have put it there: what is no picture of ours is none.
    let is_ours = matches!(inspected.media_type, MediaType::Jpeg | MediaType::Png);
    is_ours.then(|| Thumbnail { bytes: bytes.into(), media_type: inspected.media_type })
}

/// Whether the disk of `root` has room for what can be made again. Where the system does not say, it has.
pub(super) fn has_room(root: &Path) -> bool {
    statvfs(root).map_or(true, |disk| {
        is_enough(disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize))
    })
}

fn is_enough(free: u64, whole: u64) -> bool {
    whole == 0 || free >= RESERVE.min(whole / PART)
}

/// Keeps a thumbnail for the next process.
pub(super) fn keep(path: &Path, bytes: &[u8]) -> Result<(), files::Error> {
    match files::write_lightly(path, bytes) {
        Err(error) if error.is_not_found() => {
            if let Some(parent) = path.parent() {
                folder::create_all(parent)?;
            }
            files::write_lightly(path, bytes)
        }
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, Rgba, RgbaImage};

    use super::*;
    use crate::digest::Digest;

    fn file_of(bytes: &[u8]) -> File {
        use std::io::{Seek, Write};
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    fn thumbnail(bytes: &[u8], media_type: MediaType, size: u16) -> Result<Thumbnail, Error> {
        let blob = BlobName { digest: Digest::of(bytes), media_type };
        of(file_of(bytes), bytes.len() as u64, blob, size, &Limits::default())
    }

    fn drawn(pixels: RgbaImage, format: ImageFormat) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        let picture = DynamicImage::ImageRgba8(pixels);
        let picture =
            if format == ImageFormat::Jpeg { DynamicImage::ImageRgb8(picture.to_rgb8()) } else { picture };
        picture.write_to(&mut out, format).unwrap();
        out.into_inner()
    }

    fn size_of(thumbnail: &Thumbnail) -> (u32, u32) {
        let picture = image::load_from_memory(&thumbnail.bytes).unwrap();
        (picture.width(), picture.height())
    }

    #[test]
    fn the_longer_side_has_the_size_and_nothing_grows() {
        let wide = drawn(RgbaImage::from_pixel(800, 400, Rgba([9, 99, 199, 255])), ImageFormat::Png);
        let small = drawn(RgbaImage::from_pixel(8, 4, Rgba([9, 99, 199, 255])), ImageFormat::Png);
        let made = thumbnail(&wide, MediaType::Png, 160).unwrap();
        assert_eq!((size_of(&made), made.media_type), ((160, 80), MediaType::Jpeg), "nothing shows through");
        assert_eq!(size_of(&thumbnail(&small, MediaType::Png, 160).unwrap()), (8, 4));
    }

    #[test]
    fn what_shows_through_still_does() {
        let glass = drawn(RgbaImage::from_pixel(400, 400, Rgba([9, 99, 199, 80])), ImageFormat::Png);
        let made = thumbnail(&glass, MediaType::Png, 160).unwrap();
        assert_eq!(made.media_type, MediaType::Png);
        let picture = image::load_from_memory(&made.bytes).unwrap().to_rgba8();
        assert_eq!(picture.get_pixel(80, 80), &Rgba([9, 99, 199, 80]));
    }

    #[test]
    fn a_camera_that_was_held_upright_is_obeyed() {
        let lying = drawn(RgbaImage::from_pixel(64, 32, Rgba([200, 0, 0, 255])), ImageFormat::Jpeg);
        // An APP1 segment behind SOI: Exif 3.0, big-endian, one entry, orientation (0x0112) 6: turn right.
        let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
        let length = (exif.len() as u16 + 2).to_be_bytes();
        let mut upright = lying[..2].to_vec();
        upright.extend([0xff, 0xe1]);
        upright.extend(length);
        upright.append(&mut exif);
        upright.extend(&lying[2..]);
        assert_eq!(size_of(&thumbnail(&lying, MediaType::Jpeg, 160).unwrap()), (64, 32));
        assert_eq!(size_of(&thumbnail(&upright, MediaType::Jpeg, 160).unwrap()), (32, 64));
    }

    #[test]
    fn more_pixels_than_allowed_are_refused_by_the_header() {
        let bytes = drawn(RgbaImage::from_pixel(100, 100, Rgba([0; 4])), ImageFormat::Png);
        let blob = BlobName { digest: Digest::of(&bytes), media_type: MediaType::Png };
        let limits = Limits { max_pixels: 9_999, ..Limits::default() };
        let refused = of(file_of(&bytes), bytes.len() as u64, blob, 160, &limits);
        assert!(
            matches!(refused, Err(Error::Decode(DecodeError::TooLarge { width: 100, .. }))),
            "{refused:?}"
        );
        assert!(matches!(thumbnail(b"<svg/>", MediaType::Svg, 160), Err(Error::Decode(_))));
        assert!(matches!(thumbnail(&bytes[..60], MediaType::Png, 160), Err(Error::Decode(_))));
    }

    #[test]
    fn a_file_is_used_only_if_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thumbnails/ab/x-160");
        let bytes = drawn(RgbaImage::from_pixel(9, 9, Rgba([1, 2, 3, 255])), ImageFormat::Png);
        assert!(kept(&path).is_none());
        keep(&path, &bytes).unwrap();
        assert_eq!(kept(&path).unwrap().bytes, bytes);
        keep(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(kept(&path).is_none());
        assert_eq!(files::names(path.parent().unwrap()).unwrap(), ["x-160"]);
        let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
        keep(&path, svg).unwrap();
        assert!(kept(&path).is_none(), "it is none that is made here");
    }

    #[test]
    fn the_last_of_the_disk_is_for_images() {
        for (free, whole, expected) in [
            (RESERVE, u64::MAX, true),
            (RESERVE - 1, u64::MAX, false),
            (RESERVE / 2, 2 * RESERVE, true),
            (1 << 20, 100 << 20, false),
            (0, 0, true),
        ] {
            assert_eq!(is_enough(free, whole), expected, "{free} of {whole}");
        }
    }
}
