//! Small true images, other bytes for each seed.

use std::io::Cursor;

use fastrand::Rng;
use image::{DynamicImage, ImageFormat, RgbImage};

pub(crate) fn jpeg(seed: u64) -> Vec<u8> {
    sized(ImageFormat::Jpeg, seed, 32, 24)
}

pub(crate) fn png(seed: u64) -> Vec<u8> {
    sized(ImageFormat::Png, seed, 32, 24)
}

pub(crate) fn gif(seed: u64) -> Vec<u8> {
    sized(ImageFormat::Gif, seed, 32, 24)
}

pub(crate) fn webp(seed: u64) -> Vec<u8> {
    sized(ImageFormat::WebP, seed, 32, 24)
}

/// Noise of this size in pixels; a PNG of it takes about three bytes a pixel.
pub(crate) fn sized(format: ImageFormat, seed: u64, width: u32, height: u32) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let mut pixels = RgbImage::new(width, height);
    rng.fill(&mut pixels);
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(pixels).write_to(&mut bytes, format).expect("a vector takes all");
    bytes.into_inner()
}
