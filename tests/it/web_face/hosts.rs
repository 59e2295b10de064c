//! Names that lead here and are not ours (DNS rebinding): pages and the API answer to none of them.

use super::{raw, statuses};
use crate::api::client::Daemon;
use crate::support::Test;
use crate::support::rounds::rounds;

/// What the pages show to nobody who asks for another name.
const PATHS: [&str; 12] = [
    "/",
    "/images",
    "/documents",
    "/document?path=x",
    "/failures",
    "/runs",
    "/sign-in",
    "/metrics",
    "/api/v1",
    "/api/v1/status",
    "/api/v1/openapi.json",
    "/assets/x",
];

#[test]
fn no_other_name_is_answered_to() {
    let test = Test::new().document("posts/a.md", "").set("server.hosts", "[\"images.example\"]");
    let daemon = Daemon::start(test);
    let port = daemon.address.port();
    let bearer = format!("Authorization: Bearer {}", daemon.token());
    let ask = |line: &str, hosts: &str, more: &str| {
        let request = format!("{line} HTTP/1.1\r\n{hosts}Connection: close\r\n{more}\r\n");
        let answer = raw(daemon.address, request.as_bytes());
        let statuses = statuses(&answer);
        assert_eq!(statuses.len(), 1, "{line} {hosts:?}");
        statuses[0]
    };
    let ours = [
        "localhost",
        "LOCALHOST",
        "LocalHost",
        "127.0.0.1",
        "127.255.255.254",
        "[::1]",
        "images.example",
        "IMAGES.example",
    ];
    for host in ours {
        for port in [String::new(), format!(":{port}"), ":80".to_owned(), ":1".to_owned()] {
            assert_eq!(ask("GET /api/v1", &format!("Host: {host}{port}\r\n"), ""), 200, "{host}{port}");
        }
    }
    let mut foreign: Vec<String> = [
        "evil.test",
        "127.0.0.1.nip.io",
        "localhost.evil.test",
        "evil.localhost",
        "localhost.",
        "localhost..",
        ".localhost",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1%00",
        "127.0.0.1%0d%0a",
        "127.0.0.1%2eevil.test",
        "localhost%00.evil.test",
        "localhost%2eevil.test",
        "localhost,evil.test",
        "localhost;evil.test",
        "localhost evil.test",
        "evil.test localhost",
        "localhost/evil.test",
        "evil.test/localhost",
        "localhost?evil.test",
        "localhost#evil.test",
        "localhost\\evil.test",
        "evil.test#localhost",
        "evil.test:80@localhost",
        "user@localhost",
        "user:pass@127.0.0.1",
        "localhost@evil.test",
        "@localhost",
        "0.0.0.0",
        "0",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::1%lo]",
        "[::1%25lo]",
        "::1",
        "[0:0:0:0:0:0:0:2]",
        "169.254.169.254",
        "192.168.1.1",
        "images.example.evil.test",
        "evil-images.example",
        "ximages.example",
        "images.example.",
        "*.example",
        "*",
        "http://localhost",
        "//localhost",
        "xn--lcalhost-dxa",
        "l\u{f6}calhost",
        "\u{24db}ocalhost",
        "localhost\t.evil.test",
        "",
        " ",
        ":",
        ":80",
        ":evil.test",
    ]
    .map(str::to_owned)
    .to_vec();
    foreign.push(format!("localhost:{port}.evil.test"));
    foreign.push(format!("evil.test:{port}"));
    foreign.push("localhost".to_owned() + &"x".repeat(3000));
    let mut tried = 0;
    for (number, host) in foreign.iter().enumerate() {
        for (other, path) in PATHS.iter().enumerate() {
            // Without rounds a third of the paths for each.
            if rounds(1) == 1 && other % 3 != number % 3 {
                continue;
            }
            let more = if tried % 2 == 0 { "" } else { &format!("{bearer}\r\n") };
            let status = ask(&format!("GET {path}"), &format!("Host: {host}\r\n"), more);
            assert!(matches!(status, 400 | 421), "{host:?} {path}: {status}");
            tried += 1;
        }
        let status = ask(
            "POST /api/v1/runs",
            &format!("Host: {host}\r\n"),
            &format!("{bearer}\r\nContent-Length: 0\r\n"),
        );
        assert!(matches!(status, 400 | 421), "{host:?}: {status}");
    }
    for (line, hosts) in [
        ("GET /api/v1", ""),
        ("GET /api/v1", "Host: localhost\r\nHost: evil.test\r\n"),
        ("GET /api/v1", "Host: evil.test\r\nHost: localhost\r\n"),
        ("GET /api/v1", "Host: localhost\r\nHost: localhost\r\n"),
        ("GET /api/v1", "host: localhost\r\nHOST: evil.test\r\n"),
        ("GET http://evil.test/api/v1", "Host: localhost\r\n"),
        ("GET http://evil.test:80/api/v1", "Host: localhost\r\n"),
        ("GET http://localhost@evil.test/api/v1", "Host: localhost\r\n"),
        ("GET http://evil.test@localhost/api/v1", "Host: localhost\r\n"),
        ("GET https://evil.test/api/v1", "Host: localhost\r\n"),
        ("GET //evil.test/api/v1", "Host: evil.test\r\n"),
        ("GET http:///api/v1", "Host: evil.test\r\n"),
        ("GET /api/v1", "Host: evil.test\r\nX-Forwarded-Host: localhost\r\n"),
        ("GET /api/v1", "Host: evil.test\r\nForwarded: host=localhost\r\n"),
        ("GET /api/v1", "X-Host: localhost\r\n"),
    ] {
        let status = ask(line, hosts, "");
        assert!(matches!(status, 400 | 404 | 421), "{line} {hosts:?}: {status}");
        tried += 1;
    }
    // Without any name, as before HTTP/1.1.
    let answer = raw(daemon.address, b"GET /api/v1 HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.0 421"), "{}", String::from_utf8_lossy(&answer));
    println!("web face: {tried} requests by {} names that are not ours: none is answered", foreign.len());
}
