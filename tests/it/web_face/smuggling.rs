//! Requests in which another could hide (RFC 9112, sections 2.2, 6.3 and 11.2): each is refused, or taken for one, and what
//! follows a doubtful one is never answered.

use super::{raw, statuses};
use crate::serve::client::Server;
use crate::support::Test;

/// What ends a connection that is still open.
const LAST: &str = "GET /images/last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// What must not be answered.
const HIDDEN: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn nothing_hides_in_a_request() {
    let test = Test::new();
    test.run("archive .").expect_code(0);
    let mut command = test.command("--format json serve --listen 127.0.0.1:0");
    command.args(["--set", "server.readers=all"]);
    let server = Server::run(test, command);
    let length = HIDDEN.len();
    let chunked = format!("0\r\n\r\n{HIDDEN}");
    // The head after the request line and Host; what follows it.
    let bodies: Vec<(String, String)> = vec![
        ("Content-Length: 5\r\nTransfer-Encoding: chunked".into(), chunked.clone()),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5".into(), chunked.clone()),
        (format!("Content-Length: 0\r\nContent-Length: {length}"), HIDDEN.into()),
        (format!("Content-Length: {length}\r\nContent-Length: 0"), HIDDEN.into()),
        (format!("Content-Length: 0, {length}"), HIDDEN.into()),
        (format!("Content-Length: +{length}"), HIDDEN.into()),
        (format!("Content-Length: -{length}"), HIDDEN.into()),
        (format!("Content-Length: {length}x"), HIDDEN.into()),
        (format!("Content-Length: 0x{length:x}"), HIDDEN.into()),
        ("Content-Length: 99999999999999999999".into(), HIDDEN.into()),
        ("Content-Length: ".into(), HIDDEN.into()),
        ("Content-Length : 0".into(), HIDDEN.into()),
        ("Transfer-Encoding: xchunked".into(), chunked.clone()),
        ("Transfer-Encoding: chunked, identity".into(), chunked.clone()),
        ("Transfer-Encoding: identity".into(), HIDDEN.into()),
        ("Transfer-Encoding: identity, chunked".into(), chunked.clone()),
        ("Transfer-Encoding : chunked".into(), chunked.clone()),
        ("Transfer-Encoding: \"chunked\"".into(), chunked.clone()),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: x".into(), chunked.clone()),
        ("Transfer-Encoding:\x0bchunked".into(), chunked.clone()),
        ("Transfer-Encoding: chunked\r\n x".into(), chunked.clone()),
        ("X: y\r\n Transfer-Encoding: chunked".into(), HIDDEN.into()),
        (" X: y".into(), HIDDEN.into()),
        ("X y".into(), HIDDEN.into()),
        (": y".into(), HIDDEN.into()),
        ("X\0: y".into(), HIDDEN.into()),
        ("X: y\0".into(), HIDDEN.into()),
        ("X: y\rContent-Length: 0".into(), HIDDEN.into()),
        ("Transfer-Encoding: chunked".into(), format!("zz\r\n{HIDDEN}")),
        ("Transfer-Encoding: chunked".into(), format!("-1\r\n{HIDDEN}")),
        ("Transfer-Encoding: chunked".into(), format!("fffffffffffffffff\r\n{HIDDEN}")),
        ("Transfer-Encoding: chunked".into(), format!("0x10\r\n{HIDDEN}")),
        ("Transfer-Encoding: chunked".into(), format!("1\r\nab\r\n0\r\n\r\n{HIDDEN}")),
        (format!("Content-Length: {length}"), HIDDEN.into()),
        (format!("Expect: 100-continue\r\nContent-Length: {length}"), HIDDEN.into()),
        (format!("Connection: Content-Length\r\nContent-Length: {length}"), HIDDEN.into()),
        (
            format!(
                "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: {length}"
            ),
            HIDDEN.into(),
        ),
    ];
    // Paths of the images, of pages, and of the API take their content by different ways.
    let (mut tried, mut refused) = (0, 0);
    for path in ["/images/ab/x.png", "/documents", "/api/v1/runs", "/?http://a.example/b.png"] {
        for method in ["GET", "POST"] {
            for (head, body) in &bodies {
                let request =
                    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n{body}{LAST}");
                let answer = raw(server.address, request.as_bytes());
                let text = String::from_utf8_lossy(&answer);
                let is_told = text.contains("\r\n\r\nok\n");
                tried += 1;
                // Where there is no word of a content, or its end is told in the way that every server knows, what follows
                // is a request.
                let head = head.to_ascii_lowercase();
                let is_clear = !head.contains("length") && !head.contains("encoding")
                    || head == "transfer-encoding: identity, chunked";
                assert!(!is_told || is_clear, "{method} {path} {head:?}: {text}");
                refused += usize::from(!is_told);
            }
        }
    }
    // Line ends of other systems, and what never was a head of HTTP/1.1. A line feed alone may end a line (RFC 9112,
    // section 2.2), and lines before a request may be empty.
    for (head, is_request) in [
        ("GET / HTTP/1.1\nHost: localhost\n\n", true),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n\r\n", true),
        ("GET / HTTP/1.1\rHost: localhost\r\r", false),
        ("GET / HTTP/1.1 HTTP/1.1\r\nHost: localhost\r\n\r\n", false),
        ("GET /\r\nHost: localhost\r\n\r\n", false),
        ("GET / HTTP/0.9\r\nHost: localhost\r\n\r\n", false),
        ("GET / HTTP/1.2\r\nHost: localhost\r\n\r\n", false),
        ("GET / http/1.1\r\nHost: localhost\r\n\r\n", false),
        ("GET /\tHTTP/1.1\r\nHost: localhost\r\n\r\n", false),
        ("GET\t/ HTTP/1.1\r\nHost: localhost\r\n\r\n", false),
        ("GET /\u{b} HTTP/1.1\r\nHost: localhost\r\n\r\n", false),
        ("G\u{e9}T / HTTP/1.1\r\nHost: localhost\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: local\0host\r\n\r\n", false),
        ("CONNECT 10.0.0.1:80 HTTP/1.1\r\nHost: 10.0.0.1:80\r\n\r\n", true),
    ] {
        let answer = raw(server.address, format!("{head}{HIDDEN}{LAST}").as_bytes());
        let text = String::from_utf8_lossy(&answer);
        assert!(is_request || !text.contains("\r\n\r\nok\n"), "{head:?}: {text}");
        assert!(is_request || statuses(&answer).iter().all(|status| *status >= 400), "{head:?}: {text}");
        tried += 1;
    }
    println!("web face: {tried} doubtful requests, {refused} of them ended the connection: none hid another");
}
