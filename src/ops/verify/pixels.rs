//! Decoding many images at a time, of which few take much memory.

use std::io::Cursor;
use std::sync::{PoisonError, RwLock};

use crate::blob::BlobName;
use crate::media::{self, DecodeError, Limits};

/// Bytes of a picture, decoded or not, beyond which it takes much memory.
const LARGE: u64 = 32 << 20;

/// How images are decoded: a large one has to be the only one.
pub(in crate::ops) struct Pixels<'a> {
    limits: &'a Limits,
    turns: RwLock<()>,
}

impl<'a> Pixels<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self { limits, turns: RwLock::new(()) }
    }

    /// Decodes `bytes`, which are `blob`.
    pub(super) fn draw(&self, bytes: &[u8], blob: BlobName) -> Result<(), DecodeError> {
        let decode = || media::decode(bytes, blob.media_type, self.limits).map(drop);
        if is_large(bytes, self.limits) {
            let _alone = self.turns.write().unwrap_or_else(PoisonError::into_inner);
            decode()
        } else {
            let _among_others = self.turns.read().unwrap_or_else(PoisonError::into_inner);
            decode()
        }
    }
}

/// By what the image says of itself, four channels of two bytes assumed; where it does not say, it may be.
fn is_large(bytes: &[u8], limits: &Limits) -> bool {
    let inspected = media::inspect(Cursor::new(bytes), limits).ok();
    let pixels = inspected.and_then(|it| Some(u64::from(it.width?) * u64::from(it.height?)));
    bytes.len() as u64 > LARGE || pixels.is_none_or(|pixels| pixels > LARGE / 8)
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageFormat};

    use super::*;

    #[test]
    fn what_is_large_shows_before_it_is_decoded() {
        let of_side = |side| {
            let mut bytes = Cursor::new(Vec::new());
            DynamicImage::new_luma8(side, side).write_to(&mut bytes, ImageFormat::Png).unwrap();
            bytes.into_inner()
        };
        let check = |bytes: &[u8], expected| assert_eq!(is_large(bytes, &Limits::default()), expected);
        check(&of_side(2_000), false);
        check(&of_side(2_100), true);
        check(b"nothing", true);
        check(&vec![0; 33 << 20], true);
    }
}
