//! Pixels, for those who need them: thumbnails, comparisons.

use std::io::Cursor;
use std::panic::catch_unwind;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use crate::media::{Limits, MediaType};

/// Why there are no pixels. It says little about the image: [`inspect`](crate::media::inspect) does.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Kept and served, but not drawn here.
    #[error("there is no decoder for {format}")]
    NoDecoder {
        /// What it is.
        format: MediaType,
    },
    /// It would take more than the [`Limits`] allow.
    #[error("{width} x {height} pixels in {bytes} bytes are more than the limits allow")]
    TooLarge {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
        /// Of the decoded picture.
        bytes: u64,
    },
    /// The decoder gave up.
    #[error("the {format} cannot be decoded")]
    Decoder {
        /// What it was taken for.
        format: MediaType,
        /// The decoder's own reason.
        source: ImageError,
    },
    /// The decoder panicked, as that for TIFF does on some odd files.
    #[error("the decoder for {format} gave up in an unforeseen way")]
    Panicked {
        /// What it was taken for.
        format: MediaType,
    },
}

/// Decodes the first frame, turned the way its metadata say it is to be seen.
///
/// # Errors
/// See [`DecodeError`]. What is too large is refused by its header, before memory is taken for it.
pub fn decode(bytes: &[u8], media_type: MediaType, limits: &Limits) -> Result<DynamicImage, DecodeError> {
    catch_unwind(|| decode_or_panic(bytes, media_type, limits))
        .unwrap_or(Err(DecodeError::Panicked { format: media_type }))
}

fn decode_or_panic(bytes: &[u8], format: MediaType, limits: &Limits) -> Result<DynamicImage, DecodeError> {
    let failed = |source| DecodeError::Decoder { format, source };
    let decoder = decoder_for(format).ok_or(DecodeError::NoDecoder { format })?;
    let mut allowed = image::Limits::default();
    allowed.max_alloc = Some(limits.max_decoded_bytes);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), decoder);
    reader.limits(allowed);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    let bytes = decoder.total_bytes();
    if u64::from(width) * u64::from(height) > limits.max_pixels || bytes > limits.max_decoded_bytes {
        return Err(DecodeError::TooLarge { width, height, bytes });
    }
    let orientation = decoder.orientation().map_err(failed)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Whether [`decode`] can do anything with a format.
#[must_use]
pub fn has_decoder(media_type: MediaType) -> bool {
    decoder_for(media_type).is_some()
}

fn decoder_for(media_type: MediaType) -> Option<ImageFormat> {
    match media_type {
        MediaType::Jpeg => Some(ImageFormat::Jpeg),
        MediaType::Png => Some(ImageFormat::Png),
        MediaType::Gif => Some(ImageFormat::Gif),
        MediaType::Webp => Some(ImageFormat::WebP),
        MediaType::Bmp => Some(ImageFormat::Bmp),
        MediaType::Ico => Some(ImageFormat::Ico),
        MediaType::Tiff => Some(ImageFormat::Tiff),
        MediaType::Avif | MediaType::Heic | MediaType::Jxl | MediaType::Svg => None,
    }
}
