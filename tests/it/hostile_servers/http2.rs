//! What servers do over HTTP/2, which is offered in the TLS handshake alone.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::picture;

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PRIORITY, PUSH_PROMISE, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, frame,
};
use super::liars::{flood, wait};
use super::rows::Row;

type Tls = StreamOwned<ServerConnection, TcpStream>;

/// `:status: 200`, from the static table.
const OK: &[u8] = &[0x88];

/// The rows, and the certificate that vouches for all of them.
pub(super) fn rows() -> (Vec<Row>, String) {
    let names = (0..100).map(|number| format!("h{number}.example")).collect::<Vec<_>>();
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    let rows = attacks().into_iter().map(|(name, reasons, attack)| {
        let config = Arc::clone(&config);
        let lies = move |stream: &mut TcpStream| {
            let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(connection, stream.try_clone()?);
            greet(&mut stream)?;
            attack(&mut stream)
        };
        Row { name, reasons, lies: Arc::new(lies) }
    });
    (rows.collect(), cert.pem())
}

/// Up to the first request, which is stream 1.
fn greet(stream: &mut Tls) -> io::Result<()> {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface)?;
    stream.write_all(&frame(SETTINGS, 0, 0, b""))?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let mut content = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut content)?;
        if head[3] == HEADERS {
            return Ok(());
        }
    }
}

type Attack = (&'static str, &'static [&'static str], fn(&mut Tls) -> io::Result<()>);

const BROKEN: &[&str] = &["protocol", "truncated", "connect"];
const LATE: &[&str] = &["timeout", "too_slow"];
const EITHER: &[&str] = &["protocol", "truncated", "connect", "timeout", "too_slow"];

/// A field that is not put into the table: `x: aaa…`.
fn field() -> Vec<u8> {
    [&[0, 1, b'x', 100][..], &[b'a'; 100]].concat()
}

fn answer(stream: &mut Tls) -> io::Result<()> {
    stream.write_all(&frame(HEADERS, END_HEADERS, 1, OK))
}

fn attacks() -> Vec<Attack> {
    vec![
        ("a head without end", BROKEN, |stream| {
            stream.write_all(&frame(HEADERS, 0, 1, OK))?;
            flood(stream, &frame(CONTINUATION, 0, 1, &field().repeat(100)))
        }),
        ("a head of nothing without end", EITHER, |stream| {
            stream.write_all(&frame(HEADERS, 0, 1, OK))?;
            flood(stream, &frame(CONTINUATION, 0, 1, b"").repeat(1000))
        }),
        ("a field that stands for 4 KB a thousand times", EITHER, |stream| {
            // put into the table once (62), then named again and again
            let large = [&[0x40, 1, b'x', 0x7F, 0x81, 0x1E][..], &[b'a'; 4096 - 128]].concat();
            let bomb = [OK, &large, &[0xBE; 12_000]].concat();
            stream.write_all(&frame(HEADERS, END_HEADERS, 1, &bomb))?;
            flood(stream, &frame(DATA, 0, 1, b""))
        }),
        ("empty DATA without end", EITHER, |stream| {
            answer(stream)?;
            flood(stream, &frame(DATA, 0, 1, b"").repeat(1000))
        }),
        ("DATA that is only padding", EITHER, |stream| {
            answer(stream)?;
            flood(stream, &frame(DATA, 8, 1, &[[255].as_slice(), &[0; 255]].concat()).repeat(100))
        }),
        ("DATA beyond the window", EITHER, |stream| {
            answer(stream)?;
            flood(stream, &frame(DATA, 0, 1, &[b'a'; 16384]))
        }),
        ("silence after the request", LATE, |stream| wait(stream)),
        ("silence after the head", LATE, |stream| {
            answer(stream)?;
            wait(stream)
        }),
        ("a window of nothing", LATE, |stream| {
            stream.write_all(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]))?;
            wait(stream)
        }),
        ("PING without end", EITHER, |stream| flood(stream, &frame(PING, 0, 0, &[7; 8]).repeat(1000))),
        ("SETTINGS without end", EITHER, |stream| flood(stream, &frame(SETTINGS, 0, 0, b"").repeat(1000))),
        ("a SETTINGS of 2,700 settings", EITHER, |stream| {
            flood(stream, &frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xFF, 0xFF].repeat(2_700)))
        }),
        ("PRIORITY without end", EITHER, |stream| {
            flood(stream, &frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 16]).repeat(1000))
        }),
        ("WINDOW_UPDATE without end", EITHER, |stream| {
            flood(stream, &frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()).repeat(1000))
        }),
        ("each stream reset", BROKEN, |stream| {
            stream.write_all(&frame(RST_STREAM, 0, 1, &2_u32.to_be_bytes()))?;
            wait(stream)
        }),
        ("reset in the middle of the body", BROKEN, |stream| {
            answer(stream)?;
            let png = picture::png(1);
            stream.write_all(&frame(DATA, 0, 1, &png[..png.len() / 2]))?;
            stream.write_all(&frame(RST_STREAM, 0, 1, &2_u32.to_be_bytes()))?;
            wait(stream)
        }),
        ("GOAWAY in the middle of the body", EITHER, |stream| {
            answer(stream)?;
            let png = picture::png(1);
            stream.write_all(&frame(DATA, 0, 1, &png[..png.len() / 2]))?;
            stream.write_all(&frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0]))?;
            wait(stream)
        }),
        ("the end in the middle of the body", &["truncated"], |stream| {
            answer(stream)?;
            let png = picture::png(1);
            stream.write_all(&frame(DATA, END_STREAM, 1, &png[..png.len() / 2]))?;
            wait(stream)
        }),
        ("less than the length says", BROKEN, |stream| {
            // content-length: 99999, by its name in the static table (28)
            let head = [OK, &[0x0F, 13, 5], b"99999"].concat();
            stream.write_all(&frame(HEADERS, END_HEADERS, 1, &head))?;
            stream.write_all(&frame(DATA, END_STREAM, 1, &picture::png(1)))?;
            wait(stream)
        }),
        ("a promise that nobody asked for", EITHER, |stream| {
            stream.write_all(&frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82, 0x87, 0x84]))?;
            wait(stream)
        }),
        ("a frame longer than allowed", BROKEN, |stream| {
            stream.write_all(&[0xFF, 0xFF, 0xFF, DATA, 0, 0, 0, 0, 1])?;
            wait(stream)
        }),
        ("DATA before the head", BROKEN, |stream| {
            stream.write_all(&frame(DATA, 0, 1, b"a"))?;
            wait(stream)
        }),
        ("noise", EITHER, |stream| flood(stream, &[0xAA; 4096])),
        ("1xx without end", EITHER, |stream| {
            // :status: 103, by its name in the static table (8)
            flood(stream, &frame(HEADERS, END_HEADERS, 1, &[8, 3, b'1', b'0', b'3']).repeat(1000))
        }),
        ("an image", &[""], |stream| {
            answer(stream)?;
            stream.write_all(&frame(DATA, END_STREAM, 1, &picture::png(9)))?;
            wait(stream)
        }),
    ]
}
