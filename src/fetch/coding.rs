//! Undoes a content coding that a server applied though none was asked for (RFC 9110 section 8.4).

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Coded bytes taken at a time. Deflate grows what it is given by at most 1032 times, so that no more than
/// 1 MiB is decoded past a limit before the limit is looked at.
const PIECE: usize = 1024;

/// What Brotli decodes at a time.
const BUFFER: usize = 16 * 1024;

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
    Brotli(Box<DecompressorWriter<Bounded>>),
}

/// Takes so many bytes and no more: a few bytes of Brotli may stand for millions.
#[derive(Debug)]
pub(super) struct Bounded {
    bytes: Vec<u8>,
    room: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.bytes.len() + bytes.len()) as u64 > self.room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
            "br" => {
                let sink = Bounded { bytes: Vec::new(), room: 0 };
                Some(Self::Brotli(Box::new(DecompressorWriter::new(sink, BUFFER))))
            }
            _ => None,
        }
    }

    /// Takes coded bytes and gives what they decode to, at most `room` bytes.
    pub(super) fn decode(&mut self, coded: &[u8], room: u64) -> Result<Vec<u8>, Fault> {
        if let (Self::Deflate, Some(first)) = (&self, coded.first()) {
            *self = match first & 0x0f {
                8 => Self::Zlib(ZlibDecoder::new(Vec::new())),
                _ => Self::Raw(DeflateDecoder::new(Vec::new())),
            };
        }
        if let Self::Brotli(decoder) = self {
            decoder.get_mut().room = room;
            decoder.write_all(coded).map_err(|error| too_large_or(error, Fault::Broken))?;
            return Ok(std::mem::take(&mut decoder.get_mut().bytes));
        }
        for piece in coded.chunks(PIECE) {
            self.writer().map_or(Ok(()), |writer| writer.write_all(piece)).map_err(Fault::Broken)?;
            if self.decoded().is_some_and(|decoded| decoded.len() as u64 > room) {
                return Err(Fault::TooLarge);
            }
        }
        Ok(self.decoded().map(std::mem::take).unwrap_or_default())
    }

    /// Says that no more bytes come, and gives what was still inside.
    pub(super) fn finish(&mut self, room: u64) -> Result<Vec<u8>, Fault> {
        let finished = match self {
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Deflate => Err(io::ErrorKind::UnexpectedEof.into()),
            Self::Zlib(decoder) => decoder.try_finish(),
            Self::Raw(decoder) => decoder.try_finish(),
            Self::Brotli(decoder) => {
                decoder.get_mut().room = room;
                let cut = |_| Fault::Broken(io::ErrorKind::UnexpectedEof.into());
                decoder.close().map_err(|error| too_large_or(error, cut))?;
                return Ok(std::mem::take(&mut decoder.get_mut().bytes));
            }
        };
        finished.map_err(Fault::Broken)?;
        self.decode(&[], room)
    }

    fn writer(&mut self) -> Option<&mut dyn Write> {
        match self {
            Self::Gzip(decoder) => Some(decoder),
            Self::Deflate => None,
            Self::Zlib(decoder) => Some(decoder),
            Self::Raw(decoder) => Some(decoder),
            Self::Brotli(_) => None,
        }
    }

    fn decoded(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Self::Gzip(decoder) => Some(decoder.get_mut()),
            Self::Deflate => None,
            Self::Zlib(decoder) => Some(decoder.get_mut()),
            Self::Raw(decoder) => Some(decoder.get_mut()),
            Self::Brotli(decoder) => Some(&mut decoder.get_mut().bytes),
        }
    }
}

fn too_large_or(error: io::Error, other: impl Fn(io::Error) -> Fault) -> Fault {
    if error.kind() == io::ErrorKind::StorageFull { Fault::TooLarge } else { other(error) }
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
        for piece in coded.chunks(step) {
            plain.extend(decoder.decode(piece, ROOM)?);
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
        assert!(matches!(decode("gzip", b"\x89PNG\r\n\x1a\n", 9), Err(Fault::Broken(_))), "no gzip at all");
    }

    #[test]
    fn a_bomb_stops_at_the_room() {
        let mut decoder = Decoder::new("br").unwrap();
        assert!(matches!(decoder.decode(&brotli(&vec![0; 2 << 20]), ROOM), Err(Fault::TooLarge)));
        assert!(decoder.decoded().unwrap().len() as u64 <= ROOM);
        let mut decoder = Decoder::new("gzip").unwrap();
        assert!(matches!(decoder.decode(&gzip(&vec![0; 50 << 20]), ROOM), Err(Fault::TooLarge)));
        assert!(decoder.decoded().unwrap().len() as u64 <= ROOM + PIECE as u64 * 1032 + 32 * 1024);
    }

    #[test]
    fn other_codings_have_no_decoder() {
        for coding in ["zstd", "gzip, gzip", "", "compress"] {
            assert!(Decoder::new(coding).is_none(), "{coding}");
        }
    }
}
