//! A server for benchmarks: every path of every host answers a genuine PNG of its own, over HTTP/1.1 with
//! keep-alive. The pixels are noise, made once; a comment holds the digest of host and path.
//!
//! `cargo run --release --example image_origin -- [--listen 127.0.0.1:8080] [--size 20000] [--latency-ms 0]`

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::{self, Cursor, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use fastrand::Rng;
use flate2::Crc;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, RgbImage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The signature and the IHDR chunk, which comes first (PNG, third edition, sections 5.2 and 5.6).
const PNG_HEAD: usize = 8 + 25;
/// So much of the pixels is sent in one write with the head.
const FIRST_WRITE: usize = 64 << 10;
const MOST_HEAD: usize = 64 << 10;

#[derive(Parser)]
struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The size of an image in bytes, about
    #[arg(long, default_value_t = 20_000)]
    size: u32,
    /// Waits this long before each answer, in milliseconds
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
}

/// A PNG without its comment.
struct Template {
    png: Vec<u8>,
    latency: Duration,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let template =
        Arc::new(Template { png: noise(args.size)?, latency: Duration::from_millis(args.latency_ms) });
    let listener = TcpListener::bind(args.listen).await?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let template = Arc::clone(&template);
        tokio::spawn(async move {
            // a client that goes away is what ends a connection
            drop(converse(stream, &template).await);
        });
    }
}

async fn converse(mut stream: TcpStream, template: &Template) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut read = Vec::with_capacity(4096);
    let mut answer = Vec::with_capacity(FIRST_WRITE + 1024);
    loop {
        let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else {
            if stream.read_buf(&mut read).await? == 0 || read.len() > MOST_HEAD {
                return Ok(());
            }
            continue;
        };
        let head = String::from_utf8_lossy(&read[..end]);
        let target = head.split(' ').nth(1).unwrap_or_default();
        let comment = comment(host(&head), target);
        let length = template.png.len() + comment.len();
        answer.clear();
        answer.extend_from_slice(
            format!("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {length}\r\n\r\n")
                .as_bytes(),
        );
        let mut rest: &[u8] = &[];
        if !head.starts_with("HEAD ") {
            let (first, pixels) = template.png.split_at(PNG_HEAD);
            let (now, later) = pixels.split_at(pixels.len().min(FIRST_WRITE));
            answer.extend_from_slice(first);
            answer.extend_from_slice(&comment);
            answer.extend_from_slice(now);
            rest = later;
        }
        read.drain(..end + 4);
        if template.latency > Duration::ZERO {
            tokio::time::sleep(template.latency).await;
        }
        stream.write_all(&answer).await?;
        stream.write_all(rest).await?;
    }
}

fn host(head: &str) -> &str {
    let is_host = |line: &&str| line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case("host:"));
    head.lines().find(is_host).map_or("", |line| line[5..].trim())
}

/// A tEXt chunk (PNG, third edition, section 11.3.3.2) that no other URL has.
fn comment(host: &str, target: &str) -> Vec<u8> {
    let mut hasher = DefaultHasher::new();
    (host, target).hash(&mut hasher);
    let body = format!("tEXtComment\0{:016x}", hasher.finish());
    let mut crc = Crc::new();
    crc.update(body.as_bytes());
    // the length is that of the data alone, without the four letters of the type
    let mut chunk = (body.len() as u32 - 4).to_be_bytes().to_vec();
    chunk.extend_from_slice(body.as_bytes());
    chunk.extend_from_slice(&crc.sum().to_be_bytes());
    chunk
}

/// A square PNG of noise that takes about `size` bytes, but is no smaller than 16 pixels a side.
fn noise(size: u32) -> anyhow::Result<Vec<u8>> {
    let side = (f64::from(size) / 3.0).sqrt().max(16.0) as u32;
    let mut pixels = RgbImage::new(side, side);
    Rng::with_seed(u64::from(size)).fill(&mut pixels);
    let mut png = Cursor::new(Vec::new());
    let encoder = PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::NoFilter);
    DynamicImage::ImageRgb8(pixels).write_with_encoder(encoder)?;
    Ok(png.into_inner())
}
