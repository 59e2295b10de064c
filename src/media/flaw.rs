//! Why bytes are not kept as an image.

use std::{fmt, io};

use crate::media::{Limits, MediaType};

/// What is wrong with the bytes. [`Flaw::reason`] gives the word that reports and the catalog use.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// There are no bytes.
    #[error("there are no bytes")]
    Empty,
    /// No format that is kept begins like this.
    #[error("not an image but {looks_like}")]
    NotAnImage {
        /// What a person would call it.
        looks_like: Guess,
    },
    /// The bytes end before the image does.
    #[error("the {format} is cut short: byte {at} and those after it are missing")]
    Truncated {
        /// What it would be if it were whole.
        format: MediaType,
        /// Offset of the first byte that is missing.
        at: u64,
    },
    /// The bytes are there, but contradict each other or the format.
    #[error("the {format} is damaged at byte {at}: {what}")]
    Damaged {
        /// What it set out to be.
        format: MediaType,
        /// The contradiction.
        what: &'static str,
        /// Offset near which it shows.
        at: u64,
    },
    /// Whoever decodes it would have to do more than the [`Limits`] allow.
    #[error("the {format} asks too much of a decoder: {asked} {unit}, the limit is {limit}")]
    Bomb {
        /// What it is.
        format: MediaType,
        /// How many it has, at least.
        asked: u64,
        /// Of what.
        unit: &'static str,
        /// How many it may have.
        limit: u64,
    },
    /// The reader failed; nothing is said about the image.
    #[error("the bytes cannot be read")]
    Io(#[from] io::Error),
}

impl Flaw {
    /// The word of the closed list of reasons.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Empty | Self::NotAnImage { .. } => "not_an_image",
            Self::Truncated { .. } => "truncated",
            Self::Damaged { .. } => "damaged",
            Self::Bomb { .. } => "bomb",
            Self::Io(_) => "io",
        }
    }
}

/// What bytes that are no image look like. A guess for the report; nothing hangs on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// A page, often an error page with status 200.
    Html,
    /// An object or a list.
    Json,
    /// Markup that is neither HTML nor SVG.
    Xml,
    /// Words.
    Text,
    /// A PDF.
    Pdf,
    /// Binary of no kind known here.
    Unknown,
}

impl fmt::Display for Guess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Html => "HTML",
            Self::Json => "JSON",
            Self::Xml => "XML",
            Self::Text => "text",
            Self::Pdf => "a PDF",
            Self::Unknown => "something else",
        })
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Gif => "GIF",
            Self::Webp => "WebP",
            Self::Avif => "AVIF",
            Self::Heic => "HEIC",
            Self::Jxl => "JPEG XL",
            Self::Svg => "SVG",
            Self::Bmp => "BMP",
            Self::Ico => "ICO",
            Self::Tiff => "TIFF",
        })
    }
}

/// Adds up what an image claims, and refuses the claim that is too much.
pub(super) struct Tally<'a> {
    limits: &'a Limits,
    format: MediaType,
    frames: u32,
    pixels: u64,
}

impl<'a> Tally<'a> {
    pub(super) fn new(format: MediaType, limits: &'a Limits) -> Self {
        Self { limits, format, frames: 0, pixels: 0 }
    }

    /// The picture that all frames are painted on, or the only one.
    pub(super) fn canvas(&self, width: u32, height: u32) -> Result<(), Flaw> {
        self.within(u64::from(width) * u64::from(height), "pixels", self.limits.max_pixels)
    }

    /// One more frame of this size.
    pub(super) fn frame(&mut self, width: u32, height: u32) -> Result<(), Flaw> {
        self.canvas(width, height)?;
        self.frames_claimed(u64::from(self.frames) + 1)?;
        self.frames += 1;
        self.pixels = self.pixels.saturating_add(u64::from(width) * u64::from(height));
        self.within(self.pixels, "pixels in all frames", self.limits.max_total_pixels)
    }

    /// A header's word for how many frames will come.
    pub(super) fn frames_claimed(&self, frames: u64) -> Result<(), Flaw> {
        self.within(frames, "frames", u64::from(self.limits.max_frames))
    }

    pub(super) fn frames(&self) -> u32 {
        self.frames
    }

    fn within(&self, asked: u64, unit: &'static str, limit: u64) -> Result<(), Flaw> {
        if asked > limit { Err(Flaw::Bomb { format: self.format, asked, unit, limit }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_added_up() {
        let limits = Limits { max_pixels: 12, max_frames: 3, max_total_pixels: 20, ..Limits::default() };
        let check = |frames: &[(u32, u32)], expected: Option<&str>| {
            let mut tally = Tally::new(MediaType::Gif, &limits);
            let refused = frames.iter().find_map(|(width, height)| tally.frame(*width, *height).err());
            let unit = refused.map(|flaw| match flaw {
                Flaw::Bomb { unit, .. } => unit,
                other => panic!("{other:?}"),
            });
            assert_eq!(unit, expected, "{frames:?}");
        };
        check(&[(3, 4), (2, 4)], None);
        check(&[(13, 1)], Some("pixels"));
        check(&[(u32::MAX, u32::MAX)], Some("pixels"));
        check(&[(1, 1), (1, 1), (1, 1)], None);
        check(&[(1, 1), (1, 1), (1, 1), (1, 1)], Some("frames"));
        check(&[(3, 4), (3, 3)], Some("pixels in all frames"));
    }
}
