//! Undoes a content coding that a server applied though none was asked for (RFC 9110 section 8.4).

use std::io::{self, Write};

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Coded bytes taken at a time. Deflate grows what it is given by at most 1032 times, so that no more than
/// 258 KiB are decoded past a limit before the limit is looked at.
const PIECE: usize = 256;

/// Decoded bytes after which no more coded ones are taken: many bombs may go off at a time.
const STEP: usize = 256 * 1024;

/// A decoder that bytes are put into as they come.
pub(super) enum Decoder {
    /// `gzip`, one member after another.
    Gzip(MultiGzDecoder<Vec<u8>>),
    /// `deflate` of which nothing came yet: its first byte tells which of the two in use it is.
    Deflate,
    /// `deflate` as the RFC has it.
    Zlib(ZlibDecoder<Vec<u8>>),
    /// `deflate` as some servers have it, without the zlib wrapper.
    Raw(DeflateDecoder<Vec<u8>>),
    /// `br` (RFC 7932).
    Brotli(Box<Brotli>),
}

/// Windows of so many bytes, as a power of two, take little memory.
const SMALL_WINDOW: u8 = 20;

/// Brotli, whose window takes up to 16 MiB.
pub(super) struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    /// Where it decodes to, once there is something to decode.
    buffer: Vec<u8>,
    /// It has more to give, whether coded bytes come or not.
    has_more: bool,
    /// The last block has ended.
    is_over: bool,
}

/// Some of a body.
#[derive(Debug)]
pub(super) struct Decoded {
    /// How many coded bytes were taken.
    pub(super) taken: usize,
    pub(super) plain: Vec<u8>,
}

/// Why coded bytes could not be decoded.
#[derive(Debug)]
pub(super) enum Fault {
    /// More came out than `room`.
    TooLarge,
    /// They are not what the coding says.
    Broken(io::Error),
}

impl Decoder {
    /// The decoder for a `Content-Encoding`, if there is one. Several codings on top of each other have none.
    pub(super) fn new(coding: &str) -> Option<Self> {
        match coding.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Self::Gzip(MultiGzDecoder::new(Vec::new()))),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli(Box::new(Brotli::new()))),
            _ => None,
        }
    }

    /// Whether it will take so much memory that only few should be at work at a time, by the `first` byte it is to be
    /// given.
    pub(super) fn is_large(&self, first: u8) -> bool {
        matches!(self, Self::Brotli(brotli) if brotli.buffer.is_empty()) && window(first) > SMALL_WINDOW
    }

    /// Whether [`Self::decode`] has something to give without being given anything.
    pub(super) fn has_more(&self) -> bool {
        matches!(self, Self::Brotli(brotli) if brotli.has_more)
    }

    /// Takes coded bytes, not always all of them, and gives what they decode to, at most `room` bytes.
    pub(super) fn decode(&mut self, coded: &[u8], room: u64) -> Result<Decoded, Fault> {
        if let (Self::Deflate, Some(first)) = (&self, coded.first()) {
            *self = match first & 0x0f {
                8 => Self::Zlib(ZlibDecoder::new(Vec::new())),
                _ => Self::Raw(DeflateDecoder::new(Vec::new())),
            };
        }
        let decoded = match self {
            Self::Brotli(brotli) => brotli.decode(coded)?,
            Self::Deflate => Decoded { taken: 0, plain: Vec::new() },
            Self::Gzip(decoder) => inflate(decoder, MultiGzDecoder::get_mut, coded)?,
            Self::Zlib(decoder) => inflate(decoder, ZlibDecoder::get_mut, coded)?,
            Self::Raw(decoder) => inflate(decoder, DeflateDecoder::get_mut, coded)?,
        };
        if decoded.plain.len() as u64 > room { Err(Fault::TooLarge) } else { Ok(decoded) }
    }

    /// Says that no more bytes come, and gives what was still inside.
    pub(super) fn finish(&mut self, room: u64) -> Result<Vec<u8>, Fault> {
        let (finished, rest) = match self {
            Self::Gzip(decoder) => (decoder.try_finish(), std::mem::take(decoder.get_mut())),
            Self::Deflate => (Err(io::ErrorKind::UnexpectedEof.into()), Vec::new()),
            Self::Zlib(decoder) => (decoder.try_finish(), std::mem::take(decoder.get_mut())),
            Self::Raw(decoder) => (decoder.try_finish(), std::mem::take(decoder.get_mut())),
            Self::Brotli(brotli) if brotli.is_over => (Ok(()), Vec::new()),
            Self::Brotli(_) => (Err(io::ErrorKind::UnexpectedEof.into()), Vec::new()),
        };
        finished.map_err(Fault::Broken)?;
        if rest.len() as u64 > room { Err(Fault::TooLarge) } else { Ok(rest) }
    }
}

/// Takes pieces of `coded` until there is enough. `plain` is where `decoder` puts what it decodes.
fn inflate<D: Write>(
    decoder: &mut D,
    plain: impl Fn(&mut D) -> &mut Vec<u8>,
    coded: &[u8],
) -> Result<Decoded, Fault> {
    let mut taken = 0;
    for piece in coded.chunks(PIECE) {
        decoder.write_all(piece).map_err(Fault::Broken)?;
        taken += piece.len();
        if plain(decoder).len() >= STEP {
            break;
        }
    }
    Ok(Decoded { taken, plain: std::mem::take(plain(decoder)) })
}

impl Brotli {
    fn new() -> Self {
        let alloc = StandardAlloc::default;
        // Strict: no windows larger than those of the RFC.
        let state = BrotliState::new_strict(alloc(), alloc(), alloc());
        Self { state, buffer: Vec::new(), has_more: false, is_over: false }
    }

    fn decode(&mut self, coded: &[u8]) -> Result<Decoded, Fault> {
        let broken = |why: &str| Err(Fault::Broken(io::Error::new(io::ErrorKind::InvalidData, why)));
        if self.is_over {
            let nothing = Decoded { taken: 0, plain: Vec::new() };
            return if coded.is_empty() { Ok(nothing) } else { broken("bytes after the end") };
        }
        self.buffer.resize(STEP, 0);
        let (mut left, mut taken, mut room, mut given, mut in_all) = (coded.len(), 0, STEP, 0, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut taken,
            coded,
            &mut room,
            &mut given,
            &mut self.buffer,
            &mut in_all,
            &mut self.state,
        );
        self.has_more = false;
        match result {
            BrotliResult::ResultSuccess => self.is_over = true,
            BrotliResult::NeedsMoreOutput => self.has_more = true,
            BrotliResult::NeedsMoreInput => {}
            BrotliResult::ResultFailure => return broken("no brotli"),
        }
        Ok(Decoded { taken, plain: self.buffer[..given].to_vec() })
    }
}

/// The window of a stream that starts with `first`, as a power of two (RFC 7932 section 9.1).
fn window(first: u8) -> u8 {
    match (first & 1, first >> 1 & 7, first >> 4 & 7) {
        (0, ..) => 16,
        (_, 0, 0) => 17,
        (_, 0, more) => 8 + more,
        (_, more, _) => 17 + more,
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const ROOM: u64 = 1 << 20;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(plain: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// Brotli that stores: a meta-block without compression, and an empty last one (RFC 7932 section 9.2).
    fn brotli(plain: &[u8]) -> Vec<u8> {
        let blocks = plain.chunks(0x1_0000).enumerate().flat_map(|(index, block)| {
            // one bit for the window size stands before the first block only
            let start = u32::from(index == 0);
            let head = ((block.len() as u32 - 1) << 3 | 1 << 19) << start;
            [&head.to_le_bytes()[..3], block].concat()
        });
        blocks.chain([3]).collect()
    }

    fn decode(coding: &str, coded: &[u8], step: usize) -> Result<Vec<u8>, Fault> {
        let mut decoder = Decoder::new(coding).unwrap();
        let mut plain = Vec::new();
        for mut piece in coded.chunks(step) {
            while !piece.is_empty() || decoder.has_more() {
                let decoded = decoder.decode(piece, ROOM)?;
                assert!(decoded.plain.len() <= STEP + PIECE * 1032 + 32 * 1024, "{}", decoded.plain.len());
                plain.extend(decoded.plain);
                piece = &piece[decoded.taken..];
            }
        }
        plain.extend(decoder.finish(ROOM)?);
        Ok(plain)
    }

    #[test]
    fn whole_bodies_in_pieces_of_any_size() {
        let plain: Vec<u8> = (0..100_000_u32).map(|i| (i % 251 * i % 13) as u8).collect();
        for (coding, coded) in [
            ("gzip", gzip(&plain)),
            ("Deflate", zlib(&plain)),
            ("deflate", raw(&plain)),
            ("br", brotli(&plain)),
        ] {
            for step in [1, 7, 4096, usize::MAX] {
                assert!(decode(coding, &coded, step).unwrap() == plain, "{coding} by {step}");
            }
        }
        let members = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(decode("x-gzip", &members, 3).unwrap(), b"one two");
    }

    #[test]
    fn what_is_broken_or_cut_is_no_body() {
        let plain = vec![7; 5000];
        for (coding, coded) in [
            ("gzip", gzip(&plain)),
            ("deflate", zlib(&plain)),
            ("deflate", raw(&plain)),
            ("br", brotli(&plain)),
        ] {
            for cut in [0, 1, coded.len() / 2, coded.len() - 1] {
                assert!(matches!(decode(coding, &coded[..cut], 9), Err(Fault::Broken(_))), "{coding} {cut}");
            }
        }
        let mut wrong = gzip(&plain);
        let checksum = wrong.len() - 8;
        wrong[checksum] ^= 1;
        assert!(matches!(decode("gzip", &wrong, 9), Err(Fault::Broken(_))), "checksum");
        let trailed = [gzip(&plain), b"more".to_vec()].concat();
        assert!(matches!(decode("gzip", &trailed, 9), Err(Fault::Broken(_))), "trailing bytes");
        let trailed = [brotli(&plain), b"more".to_vec()].concat();
        assert!(matches!(decode("br", &trailed, 9), Err(Fault::Broken(_))), "trailing bytes");
        assert!(matches!(decode("gzip", b"\x89PNG\r\n\x1a\n", 9), Err(Fault::Broken(_))), "no gzip at all");
    }

    #[test]
    fn a_bomb_goes_off_step_by_step() {
        let plain = vec![0; 50 << 20];
        for (coding, coded) in [("gzip", gzip(&plain)), ("deflate", zlib(&plain)), ("deflate", raw(&plain))] {
            let mut decoder = Decoder::new(coding).unwrap();
            let decoded = decoder.decode(&coded, u64::MAX).unwrap();
            assert!(decoded.taken < coded.len() && decoded.plain.len() >= STEP, "{coding}");
            assert!(
                decoded.plain.len() <= STEP + PIECE * 1032 + 32 * 1024,
                "{coding}: {}",
                decoded.plain.len()
            );
            let mut decoder = Decoder::new(coding).unwrap();
            assert!(matches!(decoder.decode(&coded, 1000), Err(Fault::TooLarge)), "{coding}");
        }
        let coded = brotli(&vec![0; 2 << 20]);
        let mut decoder = Decoder::new("br").unwrap();
        assert_eq!(decoder.decode(&coded, u64::MAX).unwrap().plain.len(), STEP);
        assert!(decoder.has_more());
        assert!(matches!(Decoder::new("br").unwrap().decode(&coded, 1000), Err(Fault::TooLarge)));
        // a window of 1 GiB, which the RFC does not have
        let large = [0x11, 30];
        assert!(matches!(Decoder::new("br").unwrap().decode(&large, ROOM), Err(Fault::Broken(_))));
    }

    #[test]
    fn a_large_window_shows_in_the_first_byte() {
        for (first, size) in
            [(0, 16), (0x21, 10), (0x71, 15), (0x01, 17), (0x03, 18), (0x07, 20), (0x09, 21), (0x0F, 24)]
        {
            assert_eq!(window(first), size, "{first:#x}");
            assert_eq!(Decoder::new("br").unwrap().is_large(first), size > 20, "{first:#x}");
            assert!(!Decoder::new("gzip").unwrap().is_large(first));
        }
    }

    #[test]
    fn other_codings_have_no_decoder() {
        for coding in ["zstd", "gzip, gzip", "", "compress"] {
            assert!(Decoder::new(coding).is_none(), "{coding}");
        }
    }
}
