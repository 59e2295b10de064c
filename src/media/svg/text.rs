//! Markup in whatever encoding, as the UTF-8 that quick-xml reads.

use std::io::{self, BufRead, Read, Seek};
use std::ops::Range;

use encoding_rs::{Decoder, DecoderResult, Encoding};

use crate::media::Flaw;
use crate::media::input::Input;

/// The input as UTF-8, whatever it was written in.
pub(super) struct Text<'a, R> {
    input: &'a mut Input<R>,
    decoder: Decoder,
    buffer: Vec<u8>,
    /// What of `buffer` is still to be shown.
    ready: Range<usize>,
    /// What comes after `ready` is not text.
    broken: bool,
    /// The input has no more, nor has the decoder.
    ended: bool,
}

impl<'a, R: BufRead + Seek> Text<'a, R> {
    pub(super) fn new(input: &'a mut Input<R>, encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder();
        Self { input, decoder, buffer: vec![0; 8 * 1024], ready: 0..0, broken: false, ended: false }
    }

    /// The input again, and whether all of it was read.
    pub(super) fn finish(self) -> (&'a mut Input<R>, bool) {
        (self.input, self.ended)
    }

    fn decode_more(&mut self) -> io::Result<()> {
        while self.ready.is_empty() {
            if self.broken {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if self.ended {
                break;
            }
            let ahead = self.input.peek().map_err(reading)?;
            let last = ahead.is_empty();
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(ahead, &mut self.buffer, last);
            self.input.consume(read).map_err(reading)?;
            // XML 1.0 has no way to write U+0000; it is what a hole in a file reads as
            let hole = memchr::memchr(0, &self.buffer[..written]);
            self.ready = 0..hole.unwrap_or(written);
            self.broken = hole.is_some() || matches!(result, DecoderResult::Malformed(_, _));
            self.ended = last && !matches!(result, DecoderResult::OutputFull);
        }
        Ok(())
    }
}

impl<R: BufRead + Seek> BufRead for Text<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.decode_more()?;
        Ok(&self.buffer[self.ready.clone()])
    }

    fn consume(&mut self, bytes: usize) {
        self.ready.start += bytes;
    }
}

impl<R: BufRead + Seek> Read for Text<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?.read(into)?;
        self.consume(bytes);
        Ok(bytes)
    }
}

fn reading(flaw: Flaw) -> io::Error {
    match flaw {
        Flaw::Io(error) => error,
        flaw => io::Error::other(flaw),
    }
}
