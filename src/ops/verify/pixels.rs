//! Decoding many images at a time, of which few take much memory.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use crate::blob::BlobName;
use crate::files;
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

    /// Decodes the file at `path`, which is `blob`; `None` if it is not there any more. It is read only when it is its turn.
    pub(super) fn draw(&self, path: &Path, blob: BlobName) -> Option<Result<(), DecodeError>> {
        let format = blob.media_type;
        if !media::has_decoder(format) {
            return Some(Err(DecodeError::NoDecoder { format }));
        }
        let decode = || {
            let (bytes, _) = files::read(path, u64::MAX).ok()?;
            Some(media::decode(&bytes, format, self.limits).map(drop))
        };
        if is_large(&files::open(path).ok()?.0, self.limits) {
            let _alone = self.turns.write().unwrap_or_else(PoisonError::into_inner);
            decode()
        } else {
            let _among_others = self.turns.read().unwrap_or_else(PoisonError::into_inner);
            decode()
        }
    }
}

/// By its size and by what the image says of itself, four channels of two bytes assumed; where it does not say, it may be.
fn is_large(file: &File, limits: &Limits) -> bool {
    let is_long = || !file.metadata().is_ok_and(|metadata| metadata.len() <= LARGE);
    let pixels = || {
        let inspected = media::inspect(BufReader::new(file), limits).ok()?;
        Some(u64::from(inspected.width?) * u64::from(inspected.height?))
    };
    is_long() || pixels().is_none_or(|pixels| pixels > LARGE / 8)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use image::{DynamicImage, ImageFormat};

    use super::*;

    #[test]
    fn what_is_large_shows_before_it_is_decoded() {
        let of_side = |side| {
            let mut bytes = Cursor::new(Vec::new());
            DynamicImage::new_luma8(side, side).write_to(&mut bytes, ImageFormat::Png).unwrap();
            bytes.into_inner()
        };
        let check = |bytes: &[u8], expected| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(bytes).unwrap();
            assert_eq!(is_large(&file.reopen().unwrap(), &Limits::default()), expected);
        };
        check(&of_side(2_000), false);
        check(&of_side(2_100), true);
        check(b"nothing", true);
        check(&vec![0; 33 << 20], true);
    }
}
