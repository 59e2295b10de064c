//! What servers do over HTTP/1.1, and in place of TLS.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::picture;

use super::liars::{Lies, drip, flood, request, wait};

/// One server.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Any of these is right; empty if the image is kept.
    pub(super) reasons: &'static [&'static str],
    pub(super) lies: Lies,
}

pub(super) fn row(
    name: &'static str,
    reasons: &'static [&'static str],
    lies: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> Row {
    Row { name, reasons, lies: Arc::new(lies) }
}

/// Answers each request with these bytes, then closes the connection.
fn says(name: &'static str, reasons: &'static [&'static str], bytes: impl Into<Vec<u8>>) -> Row {
    let bytes = bytes.into();
    row(name, reasons, move |stream| {
        request(stream)?;
        stream.write_all(&bytes)
    })
}

/// The same with a head that says what the bytes are.
fn body(name: &'static str, reasons: &'static [&'static str], fields: &str, body: &[u8]) -> Row {
    says(name, reasons, [format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes(), body].concat())
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Sends these, then does something else.
fn then(
    name: &'static str,
    reasons: &'static [&'static str],
    bytes: impl Into<Vec<u8>>,
    and: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> Row {
    let bytes = bytes.into();
    row(name, reasons, move |stream| {
        request(stream)?;
        stream.write_all(&bytes)?;
        and(stream)
    })
}

/// A redirect that leads back here, by whatever way.
fn redirect(
    name: &'static str,
    reasons: &'static [&'static str],
    location: impl Fn(&str) -> String + Send + Sync + 'static,
) -> Row {
    row(name, reasons, move |stream| {
        loop {
            let head = request(stream)?;
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let location = location(&path);
            write!(stream, "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")?;
        }
    })
}

const OK: &str = "HTTP/1.1 200 OK\r\n";
const SLOW: &[&str] = &["timeout", "too_slow"];
const BROKEN: &[&str] = &["protocol", "truncated", "connect"];

pub(super) fn http_1() -> Vec<Row> {
    let png = picture::png(1);
    let length = png.len();
    let half = png[..length / 2].to_vec();
    let second = Duration::from_millis(300);
    let fields = |count: usize| (0..count).map(|n| format!("X-{n}: a\r\n")).collect::<String>();
    let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let chunked = format!("{OK}Transfer-Encoding: chunked\r\n\r\n");
    let coded = "Content-Encoding: gzip\r\n";
    vec![
        // C-1
        row("a connection that is never answered", SLOW, wait),
        row("a connection that is closed at once", BROKEN, |_| Ok(())),
        then("a byte of the head now and then", SLOW, format!("{OK}X: "), move |stream| {
            drip(stream, b'a', second)
        }),
        then("a byte of the body now and then", SLOW, format!("{OK}\r\n"), move |stream| {
            drip(stream, b'a', second)
        }),
        then("a chunk of a byte now and then", SLOW, chunked.clone(), move |stream| {
            loop {
                stream.write_all(b"1\r\na\r\n")?;
                std::thread::sleep(second);
            }
        }),
        then("silence after the head", SLOW, format!("{OK}Content-Length: 1000\r\n\r\n"), wait),
        then("silence in the head", SLOW, OK, wait),
        // C-2
        then("a body without end", &["too_large"], format!("{OK}\r\n"), |stream| {
            flood(stream, &[b'a'; 65536])
        }),
        then("chunks without end", &["too_large"], chunked.clone(), |stream| {
            flood(stream, &[&b"10000\r\n"[..], &[b'a'; 65536], b"\r\n"].concat())
        }),
        then("chunks of nothing but extensions", &["protocol", "truncated"], chunked.clone(), |stream| {
            flood(stream, &[&b"1;"[..], &[b'a'; 16384]].concat())
        }),
        then(
            "trailers without end",
            &["protocol", "truncated"],
            [chunked.as_bytes(), &chunk(&png), b"0\r\n"].concat(),
            |stream| flood(stream, &b"X: aaaaaaaaaaaaaaaa\r\n".repeat(100)),
        ),
        // C-3
        body(
            "a length that is too large",
            &["truncated"],
            &format!("Content-Length: {}\r\n", length + 9),
            &png,
        ),
        body(
            "a length that is too small",
            &["truncated"],
            &format!("Content-Length: {}\r\n", length - 9),
            &png,
        ),
        body("a length below zero", BROKEN, "Content-Length: -1\r\n", &png),
        body("a length with a sign", BROKEN, &format!("Content-Length: +{length}\r\n"), &png),
        body("two lengths", BROKEN, &format!("Content-Length: {length}\r\nContent-Length: 5\r\n"), &png),
        body("a list of lengths", BROKEN, &format!("Content-Length: {length}, 5\r\n"), &png),
        body("a length beyond all numbers", BROKEN, "Content-Length: 99999999999999999999999\r\n", &png),
        body("a length of 2^63", &["too_large"], "Content-Length: 9223372036854775807\r\n", &png),
        // C-4
        body(
            "an end in the middle of a chunk",
            &["truncated"],
            "Transfer-Encoding: chunked\r\n",
            &[b"ffff\r\n", &png[..]].concat(),
        ),
        body("an end between two chunks", &["truncated"], "Transfer-Encoding: chunked\r\n", &chunk(&png)),
        body("a chunk whose size is none", BROKEN, "Transfer-Encoding: chunked\r\n", b"zz\r\na\r\n0\r\n\r\n"),
        body(
            "a chunk whose size is beyond all numbers",
            BROKEN,
            "Transfer-Encoding: chunked\r\n",
            b"fffffffffffffffff\r\na\r\n",
        ),
        body("half an image, closed", &["truncated"], "", &half),
        then(
            "half an image, reset",
            &["truncated"],
            [format!("{OK}Content-Length: {length}\r\n\r\n").as_bytes(), &half[..]].concat(),
            |stream| socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO)),
        ),
        // C-5
        redirect("1,000 redirects", &["redirect_limit"], |path| {
            format!("/{}", path.len() * 7 % 1_000_003).repeat(2) + path
        }),
        redirect("a redirect to itself", &["redirect_limit"], ToOwned::to_owned),
        redirect("two redirects to each other", &["redirect_limit"], |path| {
            if path == "/a" { "/b".into() } else { "/a".into() }
        }),
        redirect("a redirect to nowhere", &["redirect_limit"], |_| String::new()),
        redirect("a redirect of 64 kB", &["blocked_url"], |path| {
            format!("/{}{}", "x".repeat(65_000), path.len())
        }),
        redirect("a redirect to a file", &["blocked_scheme"], |_| "file:///etc/passwd".into()),
        redirect("a redirect to a script", &["blocked_scheme"], |_| "javascript:alert(1)".into()),
        redirect("a redirect to data", &["blocked_scheme"], |_| "data:image/png;base64,AAAA".into()),
        // C-6
        body("10,000 fields", BROKEN, &fields(10_000), &png),
        body("a field of 1 MB", BROKEN, &format!("X: {}\r\n", "a".repeat(1 << 20)), &png),
        body("a field with a NUL", BROKEN, "X: a\0b\r\n", &png),
        body("a field on two lines", BROKEN, "X: a\r\n b\r\n", &png),
        body("a field without a colon", BROKEN, "X a\r\n", &png),
        then("fields without end", BROKEN, OK, |stream| {
            flood(stream, &b"X: aaaaaaaaaaaaaaaaaaaa\r\n".repeat(100))
        }),
        then("a line without end", BROKEN, "HTTP/1.1 200 ", |stream| flood(stream, &[b'a'; 4096])),
        row("1xx without end", &["timeout", "protocol"], |stream| {
            request(stream)?;
            flood(stream, &b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n".repeat(100))
        }),
        // C-7
        says(
            "a pause of 30 years",
            &["http_429"],
            "HTTP/1.1 429 No\r\nRetry-After: 1000000000\r\nContent-Length: 0\r\n\r\n",
        ),
        says(
            "a pause below zero",
            &["http_429"],
            "HTTP/1.1 429 No\r\nRetry-After: -5\r\nContent-Length: 0\r\n\r\n",
        ),
        says(
            "a pause of nonsense",
            &["http_429"],
            "HTTP/1.1 429 No\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n",
        ),
        // C-11
        body("gzip that is none", &["encoding"], coded, &png),
        body("half of a gzip", &["truncated"], coded, &gzip(&png)[..length / 2]),
        body("gzip and more", &["encoding", "truncated"], coded, &[gzip(&png), b"more".to_vec()].concat()),
        body("gzip that does not say so", &["not_an_image"], "Content-Encoding: identity\r\n", &gzip(&png)),
        body("two codings", &["encoding"], &format!("{coded}{coded}"), &gzip(&gzip(&png))),
        // C-13
        says("HTTP/0.9", BROKEN, png.clone()),
        says("another protocol", BROKEN, "220 smtp.example ESMTP\r\n"),
        says("HTTP/3.0 in a line", BROKEN, [b"HTTP/3.0 200 OK\r\n\r\n", &png[..]].concat()),
        says("a status of four digits", BROKEN, "HTTP/1.1 2000 OK\r\n\r\n"),
        says("204", &["http_204"], "HTTP/1.1 204 No\r\n\r\n"),
        says(
            "206 that nobody asked for",
            &["http_206"],
            [
                format!(
                    "HTTP/1.1 206 Part\r\nContent-Range: bytes 5-9/99\r\nContent-Length: {length}\r\n\r\n"
                )
                .as_bytes(),
                &png[..],
            ]
            .concat(),
        ),
        says("304 that nobody asked for", &["http_304"], "HTTP/1.1 304 No\r\n\r\n"),
        says("999", &["http_999"], "HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n"),
        says(
            "an upgrade",
            &["http_101", "protocol"],
            "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        ),
        // what is right, though it looks odd: the image shows that it is whole
        says("no fields at all", &[""], [b"HTTP/1.1 200 OK\r\n\r\n", &picture::png(2)[..]].concat()),
        says("HTTP/1.0", &[""], [b"HTTP/1.0 200 OK\r\n\r\n", &picture::png(3)[..]].concat()),
    ]
}

pub(super) fn no_tls() -> Vec<Row> {
    const TLS: &[&str] = &["tls", "protocol", "connect", "timeout"];
    vec![
        row("a handshake that is never answered", &["timeout", "connect", "tls"], wait),
        row("a handshake byte by byte", &["timeout", "connect", "tls"], |stream| {
            stream.write_all(&[22, 3, 3, 0x3F, 0xFF, 2, 0, 0x3F, 0xFB])?;
            drip(stream, 3, Duration::from_millis(300))
        }),
        row("HTTP in place of TLS", TLS, |stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        row("noise without end", TLS, |stream| flood(stream, &[0x16; 4096])),
        row("alerts without end", TLS, |stream| flood(stream, &[21, 3, 3, 0, 2, 1, 0].repeat(100))),
        row("a certificate without end", TLS, |stream| {
            // a handshake message of 16 MB in records of 16 KiB
            stream.write_all(&[22, 3, 3, 0x40, 0, 11, 0xFF, 0xFF, 0xFF])?;
            stream.write_all(&[0; 16380])?;
            flood(stream, &[&[22, 3, 3, 0x40, 0][..], &[0; 16384]].concat())
        }),
        row("a connection that is closed at once", TLS, |_| Ok(())),
    ]
}
