//! Tells from its bytes alone whether something is a whole, genuine image, and of which type.
//!
//! A Content-Type lies and a decoder forgives: image decoders accept most JPEGs that are cut in half.
//! So each format's own structure is walked here, from its signature to its end marker or to the last
//! byte that its tables promise. No pixel is decoded, nothing is read twice, and memory does not grow
//! with the file (SVG: with its longest tag). Knows nothing of where the bytes came from.

mod avif;
mod bmp;
mod boxes;
mod flaw;
mod gif;
mod ico;
mod input;
mod jpeg;
mod jxl;
mod pixels;
mod png;
mod sniff;
mod svg;
mod tiff;
mod webp;

use std::io::{BufRead, Seek};

pub use flaw::{Flaw, Guess};
pub use pixels::{DecodeError, decode, has_decoder};

use input::Input;

/// The image formats that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MediaType {
    /// ITU T.81, in whatever wrapping (JFIF, Exif, MPF).
    Jpeg,
    /// PNG, animated or not.
    Png,
    /// GIF87a and GIF89a.
    Gif,
    /// RFC 9649, in all three layouts.
    Webp,
    /// HEIF whose pictures are AV1.
    Avif,
    /// HEIF whose pictures are anything else, most often HEVC.
    Heic,
    /// ISO/IEC 18181-2, naked or in boxes.
    Jxl,
    /// SVG as text; a gzipped one is not an image until it is unpacked.
    Svg,
    /// Windows and OS/2 bitmaps.
    Bmp,
    /// Windows icons.
    Ico,
    /// TIFF 6.0 and `BigTIFF`, either byte order.
    Tiff,
}

impl MediaType {
    /// Every type, in the order of the enum.
    pub const ALL: [Self; 11] = [
        Self::Jpeg,
        Self::Png,
        Self::Gif,
        Self::Webp,
        Self::Avif,
        Self::Heic,
        Self::Jxl,
        Self::Svg,
        Self::Bmp,
        Self::Ico,
        Self::Tiff,
    ];

    /// The extension a blob of this type is stored under, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Webp => "webp",
            Self::Avif => "avif",
            Self::Heic => "heic",
            Self::Jxl => "jxl",
            Self::Svg => "svg",
            Self::Bmp => "bmp",
            Self::Ico => "ico",
            Self::Tiff => "tiff",
        }
    }

    /// The type as IANA registered it, for a Content-Type.
    #[must_use]
    pub fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Avif => "image/avif",
            Self::Heic => "image/heic",
            Self::Jxl => "image/jxl",
            Self::Svg => "image/svg+xml",
            Self::Bmp => "image/bmp",
            Self::Ico => "image/vnd.microsoft.icon",
            Self::Tiff => "image/tiff",
        }
    }

    /// Takes back what [`Self::extension`] gave, and nothing else: `jpeg` is no stored blob's extension.
    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|media_type| media_type.extension() == extension)
    }
}

/// What an image may at most claim of whoever decodes it later. The claim is judged, not the file's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Width times height of the image and of each of its frames.
    pub max_pixels: u64,
    /// Frames of an animation, pages of a TIFF.
    pub max_frames: u32,
    /// Pixels of all frames together, each frame counted with its own rectangle.
    pub max_total_pixels: u64,
    /// Bytes that [`decode`] may allocate.
    pub max_decoded_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_pixels: 100_000_000,
            max_frames: 2_000,
            max_total_pixels: 400_000_000,
            max_decoded_bytes: 256 << 20,
        }
    }
}

/// A whole image, as far as its structure tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// Told from the bytes.
    pub media_type: MediaType,
    /// In pixels, as stored: before any rotation that metadata asks for. An SVG may not say.
    pub width: Option<u32>,
    /// In pixels, as `width`.
    pub height: Option<u32>,
    /// Frames of an animation or pages of a TIFF, 1 for a still image; `None` if only a decoder could tell.
    pub frames: Option<u32>,
    /// Of the whole input in bytes, with whatever trails the image in it.
    pub length: u64,
    /// Whether the end of the image was seen. `false` where the format marks none (a JPEG XL
    /// codestream, a TIFF without byte counts): then only the transfer knows if all has come.
    pub end_seen: bool,
}

/// Walks the image in `reader` from its first byte, wherever the reader stands.
///
/// Time is linear in the length, however the parts inside refer to each other. Bytes after the end of
/// an image are accepted: cameras and phones put previews and films there.
///
/// # Errors
/// The [`Flaw`] for which the bytes are not to be kept as an image, or that of the reader.
pub fn inspect(reader: impl BufRead + Seek, limits: &Limits) -> Result<Inspected, Flaw> {
    let mut input = Input::new(reader)?;
    let head = input.head()?;
    let format = sniff::media_type(&head, input.length())?;
    input.format = format;
    match format {
        MediaType::Jpeg => jpeg::walk(&mut input, limits),
        MediaType::Png => png::walk(&mut input, limits),
        MediaType::Gif => gif::walk(&mut input, limits),
        MediaType::Webp => webp::walk(&mut input, limits),
        MediaType::Avif | MediaType::Heic => avif::walk(&mut input, limits),
        MediaType::Jxl => jxl::walk(&mut input, limits),
        MediaType::Svg => svg::walk(&mut input, &head),
        MediaType::Bmp => bmp::walk(&mut input, limits),
        MediaType::Ico => ico::walk(&mut input, limits),
        MediaType::Tiff => tiff::walk(&mut input, limits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_has_one_extension() {
        for media_type in MediaType::ALL {
            assert_eq!(MediaType::from_extension(media_type.extension()), Some(media_type));
            assert!(media_type.mime().starts_with("image/"));
        }
        for extension in ["jpeg", "JPG", "", ".png", "html"] {
            assert_eq!(MediaType::from_extension(extension), None, "{extension}");
        }
    }
}
