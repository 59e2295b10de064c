//! Bytes of a stranger in the header fields of an answer.

use super::{raw, statuses};
use crate::serve::client::Server;
use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

/// Panics unless every line of a head is a field that the server sends by itself.
fn check(what: &str, answer: &[u8]) {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("{what}: {}", String::from_utf8_lossy(answer)));
    let head = &answer[..end];
    assert!(head.is_ascii() && !head.contains(&0), "{what}: {}", String::from_utf8_lossy(head));
    let head = std::str::from_utf8(head).expect("it is ASCII");
    for line in head.split("\r\n").skip(1) {
        assert!(!line.contains(['\r', '\n']), "{what}: {head}");
        let name = line.split(':').next().unwrap_or_default();
        const KNOWN: [&str; 26] = [
            "accept-ranges",
            "access-control-allow-origin",
            "access-control-expose-headers",
            "allow",
            "cache-control",
            "cache-status",
            "connection",
            "content-disposition",
            "content-length",
            "content-range",
            "content-security-policy",
            "content-type",
            "cross-origin-opener-policy",
            "cross-origin-resource-policy",
            "date",
            "etag",
            "last-modified",
            "link",
            "location",
            "memento-datetime",
            "referrer-policy",
            "retry-after",
            "transfer-encoding",
            "vary",
            "www-authenticate",
            "x-content-type-options",
        ];
        assert!(KNOWN.contains(&name), "{what}: the field {line:?}");
    }
    assert_eq!(statuses(answer).len(), 1, "{what}: {head}");
}

/// What would begin a field of its own, or end a value.
const BREAKS: [&str; 22] = [
    "%0d%0aX-Evil:%201",
    "%0D%0A%0D%0A%3Cscript%3E",
    "%0aX-Evil:1",
    "%0dX-Evil:1",
    "%00",
    "%E5%98%8A%E5%98%8DX-Evil:1",
    "%u000aX-Evil:1",
    "%250d%250aX-Evil:1",
    "%c4%8d%c4%8aX-Evil:1",
    "%5cr%5cnX-Evil:1",
    "\\r\\nX-Evil:1",
    "\u{560a}\u{560d}X-Evil:1",
    "\u{85}X-Evil:1",
    "\u{2028}X-Evil:1",
    "%22;filename=evil.html",
    "\";filename=evil.html",
    ">;rel=preload,<//evil.example/x.js",
    "%3E;rel=preload,%3C//evil.example/x.js",
    ">; rel=\"stylesheet\"",
    "%3E%3B%20rel%3Dicon",
    "%7f%80%ff",
    "%20HTTP/1.1%0d%0aHost:evil.example",
];

#[test]
fn urls_of_documents_add_no_field_to_an_answer() {
    let origin = Origin::start();
    let mut post = String::new();
    let mut urls = Vec::new();
    for (number, odd) in BREAKS.iter().enumerate() {
        for place in ["path", "query"] {
            let mark = if place == "path" { '/' } else { '?' };
            let url = format!("http://cdn.example/{number}{mark}{odd}");
            origin.answer(
                &url,
                // What the server says of itself is kept, too.
                Answer::image(picture::png(number as u64 * 2 + u64::from(place == "path")))
                    .header("ETag", "\"a\tb\u{e9}<script>\"")
                    .header("Content-Disposition", "attachment; filename=\"evil.html\"")
                    .header("Content-Type", "text/html"),
            );
            post.push_str(&format!("<img src='{url}'>\n"));
            urls.push(url);
        }
    }
    let test = Test::new().origin(&origin).set("fetch.sources", "[\"origin\"]").document("a.html", post);
    test.run("archive a.html").expect_code(0);
    let kept = test.blobs().len();
    let server = Server::start(test, "serve");
    let mut found = 0;
    for url in &urls {
        let ascii = url::Url::parse(url).expect("it is a URL").to_string();
        let encoded = percent_encoding::utf8_percent_encode(&ascii, percent_encoding::NON_ALPHANUMERIC);
        for target in
            [format!("/?{ascii}"), format!("/{ascii}"), format!("/?url={encoded}"), format!("/?{url}")]
        {
            let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            let answer = raw(server.address, request.as_bytes());
            check(&target, &answer);
            let text = String::from_utf8_lossy(&answer);
            assert!(!text.to_ascii_lowercase().contains("\nx-evil"), "{target}: {text}");
            let Some(link) = text.lines().find_map(|line| line.strip_prefix("link: ")) else { continue };
            // One address in its brackets, and one relation.
            let address = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"original\""));
            assert!(
                address.is_some_and(|address| !address.contains(['<', '>', ' ', '"'])),
                "{target}: {link}"
            );
            assert!(text.contains("content-type: image/png\r\n"), "{target}: {text}");
            assert!(text.contains("content-disposition: inline; filename=\""), "{target}: {text}");
            found += 1;
        }
    }
    assert!(found > urls.len(), "{found} were found of {}", urls.len());
    println!(
        "web face: {} URLs with line breaks, quotes and brackets, {kept} kept: no field of theirs",
        urls.len()
    );
}

#[test]
fn fields_of_a_request_add_no_field_to_an_answer() {
    let origin = Origin::start();
    origin.image("http://cdn.example/a.png", picture::png(1));
    let test = Test::new().origin(&origin).document("a.md", "![](http://cdn.example/a.png)\n");
    test.run("archive a.md").expect_code(0);
    let blob = test.blobs().into_values().next().expect("it was kept");
    let blob = format!("/{}", blob.strip_prefix(test.path("cache")).expect("it is there").display());
    let server = Server::start(test, "serve --set server.cors=https://blog.example");
    let mut tried = 0;
    for name in [
        "Host",
        "Range",
        "If-Range",
        "If-Match",
        "If-None-Match",
        "If-Modified-Since",
        "Origin",
        "Referer",
        "Cookie",
        "Authorization",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "Accept",
        "Access-Control-Request-Method",
    ] {
        for value in [
            &b"evil\rX-Evil: 1"[..],
            b"evil\nX-Evil: 1",
            b"evil\r\n X-Evil: 1",
            b"evil\0X-Evil: 1",
            b"\"evil\"; x=<script>",
            b"bytes=0-1\rX-Evil: 1",
            b"bytes=0-0,1-1,2-2,evil",
            b"bytes=-0",
            b"bytes=99999999999999999999999-",
            b"bytes=0-18446744073709551616",
            b"\xff\xfe\x80",
            b"https://blog.example\rX-Evil: 1",
            b"https://blog.example/",
            b"https://evil.example, https://blog.example",
            b"*",
        ] {
            for target in [blob.as_str(), "/?http://cdn.example/a.png", "/documents", "/api/v1", "/none"] {
                let host = if name == "Host" { "" } else { "Host: localhost\r\n" };
                let mut request =
                    format!("GET {target} HTTP/1.1\r\n{host}Connection: close\r\n{name}: ").into_bytes();
                request.extend(value);
                request.extend(b"\r\n\r\n");
                let answer = raw(server.address, &request);
                let what = format!("{name}: {} at {target}", String::from_utf8_lossy(value));
                check(&what, &answer);
                let text = String::from_utf8_lossy(&answer);
                assert!(!text.contains("evil") && !text.contains("Evil"), "{what}: {text}");
                tried += 1;
            }
        }
    }
    println!("web face: {tried} requests with broken fields: nothing of them comes back");
}
