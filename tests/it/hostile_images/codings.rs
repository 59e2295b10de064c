//! Bodies that grow when they are unpacked. Nobody asks for a coding, and no coding is undone beyond the limit.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::origin::Answer;
use crate::support::picture;

use super::Rule::{Kept, Refused};
use super::make::zlib;
use super::{Row, row, show};

/// The limit is 64 MiB.
const BOMB: usize = 70 << 20;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Brotli of `blocks` times 16 MiB of zeros, in 13 bytes for each (RFC 7932): one literal, one command, one distance, so
/// that none of them takes a bit.
pub(super) fn brotli_bomb(blocks: usize) -> Vec<u8> {
    let mut bits = Vec::new();
    let mut put = |value: u64, count: usize| bits.extend((0..count).map(|bit| value >> bit & 1 == 1));
    // a window of 24 bits
    put(0b1111, 4);
    for _ in 0..blocks {
        // not the last, a length of six nibbles, coded
        put(0, 1);
        put(2, 2);
        put((1 << 24) - 1, 24);
        put(0, 1);
        // one type of blocks for each, no postfix, no direct distances, the first context mode, one tree for each
        put(0, 3);
        put(0, 6);
        put(0, 2);
        put(0, 2);
        // simple codes of one symbol: the literal 0; insert length code 23 and copy length code 0; the distance 0
        for (symbol, width) in [(0, 8), (504, 10), (0, 6)] {
            put(1, 2);
            put(0, 2);
            put(symbol, width);
        }
        put((1 << 24) - 22_594, 24);
    }
    // the last, and empty
    put(3, 2);
    bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
}

fn coded(name: &str, coding: &str, body: &[u8], reason: &'static str) -> Row {
    let answer = Answer::image(body).header("Content-Encoding", coding);
    row(name, b"", Refused(reason)).answered(answer)
}

/// All at a time: what one of them may take must not be taken by each.
#[test]
fn bombs_of_all_codings_at_a_time() {
    let gzipped = gzip(&vec![0; BOMB]);
    let (deflated, brotli) = (zlib(0, BOMB), brotli_bomb(5));
    let mut rows = Vec::new();
    for number in 0..8 {
        rows.push(coded(&format!("gzip {number}"), "gzip", &gzipped, "too_large"));
        rows.push(coded(&format!("deflate {number}"), "deflate", &deflated, "too_large"));
        rows.push(coded(&format!("brotli {number}"), "br", &brotli, "too_large"));
    }
    let twice = gzip(&gzipped);
    let picture = picture::png(1);
    let kept = row("gzip of an image", picture.clone(), Kept("image/png"));
    rows.extend([
        coded("gzip in gzip", "gzip, gzip", &twice, "encoding"),
        coded("gzip in gzip that says so once", "gzip", &twice, "not_an_image"),
        coded("zstd", "zstd", b"\x28\xB5\x2F\xFD\x04\x00\x01\x00\x00\x99\xE9\xD8\x51", "encoding"),
        coded("compress", "compress", b"\x1F\x9D\x90", "encoding"),
        coded("gzip that is none", "gzip", &picture, "encoding"),
        coded("gzip with a wrong sum", "gzip", &broken(&gzip(&picture)), "encoding"),
        coded("half of a gzip", "gzip", &gzip(&picture)[..40], "truncated"),
        coded("gzip and more", "gzip", &[gzip(&picture), b"more".to_vec()].concat(), "truncated"),
        coded("gzip of nothing", "gzip", &gzip(b""), "not_an_image"),
        coded("brotli without end", "br", &brotli_bomb(1)[..12], "truncated"),
        row("gzip that does not say so", gzip(&picture), Refused("not_an_image")),
        kept.answered(Answer::image(picture).gzip()),
    ]);
    show("codings", &rows);
}

/// Its checksum is another one.
fn broken(gzip: &[u8]) -> Vec<u8> {
    let mut gzip = gzip.to_vec();
    let sum = gzip.len() - 8;
    gzip[sum] ^= 1;
    gzip
}
