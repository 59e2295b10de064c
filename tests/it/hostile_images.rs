//! Images made to hurt whoever looks at them, all the way through the program: an origin gives them, `archive` decides,
//! `verify --pixels` decodes them, and `serve` shows them and their thumbnails.
//!
//! The rule for each is in its row. What is refused leaves the document and the store as they were. What is kept is kept byte
//! for byte, and served as what its bytes are and under a policy that lets nothing run. All within limits of memory; what
//! takes longer than a run may take has hung.

mod bombs;
#[path = "../media_corpora/builders.rs"]
#[expect(dead_code, reason = "sizes and frames are looked at by tests/media_corpora.rs")]
mod builders;
mod codings;
mod cuts;
mod lies;
mod make;
mod markup;
mod polyglots;

use std::collections::BTreeMap;
use std::time::Instant;

use imgkeep::digest::Digest;
use serde_json::Value;

use crate::serve::client::{Reply, Server};
use crate::support::Test;
use crate::support::memory::memory;
use crate::support::origin::{Answer, Origin};

/// The policy of every answer that has an image in it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; \
                      frame-ancestors 'none'; sandbox";
/// Resident at the most while images are archived, in KiB.
const ARCHIVING: u64 = 150 << 10;
/// While they and their thumbnails are served: two pictures of 64 MiB are decoded at a time, or one that takes more.
const SERVING: u64 = 250 << 10;
/// While all are decoded: `max_decoded_bytes` is 256 MiB, and the file is in memory too.
const DECODING: u64 = 400 << 10;

/// What becomes of an image.
#[derive(Clone, Debug)]
enum Rule {
    /// It is kept, and served as this type.
    Kept(&'static str),
    /// It is kept, and never decoded, though there is a decoder for its type: that would take more than the limits allow.
    Undrawn(&'static str),
    /// It is not kept, for this reason.
    Refused(&'static str),
}

/// One hostile image.
struct Row {
    name: String,
    /// What stands behind the host in its URL.
    path: String,
    /// What is to be kept, if it is.
    bytes: Vec<u8>,
    answer: Answer,
    rule: Rule,
}

fn row(name: &str, bytes: impl Into<Vec<u8>>, rule: Rule) -> Row {
    let bytes = bytes.into();
    let answer = Answer::image(bytes.clone());
    Row { name: name.to_owned(), path: "i.png".to_owned(), bytes, answer, rule }
}

impl Row {
    /// Says another type than it is.
    fn said_to_be(self, kind: &str) -> Self {
        Self { answer: self.answer.header("Content-Type", kind), ..self }
    }

    fn called(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    fn answered(self, answer: Answer) -> Self {
        Self { answer, ..self }
    }
}

/// What the rows took, in KiB.
#[derive(Debug)]
struct Peaks {
    archive: u64,
    verify: u64,
    serve: u64,
}

/// Takes all rows through the program, each from a host of its own, and holds each to its rule. Nobody may ask
/// `canary.example` for anything, whatever an image says.
fn show(what: &str, rows: &[Row]) {
    let start = Instant::now();
    let origin = Origin::start();
    let mut test = Test::new().origin(&origin).set("fetch.sources", "[\"origin\"]").set("fetch.retries", "0");
    for (number, row) in rows.iter().enumerate() {
        let url = url(number, row);
        origin.answer(&url, row.answer.clone());
        test = test.document(&format!("posts/{number}.html"), document(&url));
    }
    let archived = test.run("archive posts --format json");
    let report = archived.json();
    let is_refused = |row: &Row| matches!(row.rule, Rule::Refused(_));
    assert_eq!(archived.code, Some(if rows.iter().any(is_refused) { 3 } else { 0 }), "{report}");
    judge(&test, rows, &report);
    assert!(archived.peak < ARCHIVING, "{} KiB while archived", archived.peak);

    let verified = test.run("verify --pixels --format json");
    assert!(matches!(verified.code, Some(0 | 3)), "{verified:?}");
    let undrawn = findings(&verified.json());
    for row in rows.iter().filter(|row| matches!(row.rule, Rule::Undrawn(_))) {
        assert!(undrawn.contains(&Digest::of(&row.bytes).to_string()), "{} was decoded", row.name);
    }

    let server = Server::start(test, "serve");
    for (number, row) in rows.iter().enumerate() {
        served(&server, &url(number, row), row);
    }
    let serve = memory(server.child.id(), "VmHWM").expect("it is alive");
    let peaks = Peaks { archive: archived.peak, verify: verified.peak, serve };
    let canary = origin.requests().into_iter().find(|request| request.host == "canary.example");
    assert!(canary.is_none(), "{canary:?}");
    server.test.assert_no_litter();
    println!(
        "hostile images, {what}: {} rows, {} kept, {} MiB while archived, {} MiB while all are decoded, {} MiB while \
         served, {:.1} s",
        rows.len(),
        rows.len() - rows.iter().filter(|row| is_refused(row)).count(),
        peaks.archive >> 10,
        peaks.verify >> 10,
        peaks.serve >> 10,
        start.elapsed().as_secs_f64()
    );
    assert!(peaks.verify < DECODING && peaks.serve < SERVING, "{peaks:?}");
}

fn url(number: usize, row: &Row) -> String {
    format!("http://r{number}.example/{}", row.path)
}

fn document(url: &str) -> String {
    format!("<p><img src=\"{url}\">\n")
}

/// The digests of what could not be drawn. Nothing else may be wrong.
fn findings(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().expect("it is a list");
    findings
        .iter()
        .map(|finding| {
            assert_eq!(finding["finding"], "undrawable", "{finding}");
            let blob = finding["blob"].to_string();
            blob.trim_matches('"').split(['/', '.']).nth(1).expect("a blob has a name").to_owned()
        })
        .collect()
}

/// What is in the store and in the documents after the run.
fn judge(test: &Test, rows: &[Row], report: &Value) {
    let blobs = test.blobs();
    let failures: BTreeMap<&str, &str> = report["failures"]
        .as_array()
        .expect("it is a list")
        .iter()
        .map(|failure| (failure["origin"].as_str().unwrap(), failure["reason"].as_str().unwrap()))
        .collect();
    let (mut kept, mut wrong) = (0, Vec::new());
    for (number, row) in rows.iter().enumerate() {
        let url = url(number, row);
        let now = String::from_utf8(test.read(&format!("posts/{number}.html"))).unwrap();
        let reason = failures.get(&*url).copied();
        let digest = Digest::of(&row.bytes);
        let is_right = match row.rule {
            Rule::Refused(expected) => reason == Some(expected) && now == document(&url),
            Rule::Kept(_) | Rule::Undrawn(_) => {
                kept += 1;
                reason.is_none() && blobs.contains_key(&digest) && now.contains(&digest.to_string())
            }
        };
        if !is_right {
            wrong.push(format!("{}: {:?} was expected, and {reason:?} came: {now}", row.name, row.rule));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(blobs.len(), kept, "each row has bytes of its own, and nothing else is kept");
}

/// What a reader gets of a row.
fn served(server: &Server, url: &str, row: &Row) {
    let digest = Digest::of(&row.bytes).to_string();
    let by_proxy = server.ask("GET", &format!("/?{url}"), &[]);
    let thumbnail = server.ask("GET", &format!("/thumbnails/{digest}/160"), &[]);
    let (media_type, is_drawn) = match row.rule {
        Rule::Refused(_) => {
            assert_eq!((by_proxy.status, thumbnail.status), (404, 404), "{}", row.name);
            return;
        }
        Rule::Kept(media_type) => (media_type, true),
        Rule::Undrawn(media_type) => (media_type, false),
    };
    let name = server.test.blobs()[&Digest::of(&row.bytes)].file_name().unwrap().to_str().unwrap().to_owned();
    let by_name = server.ask("GET", &format!("/images/{}/{name}", &digest[..2]), &[]);
    let part = server.ask("GET", &format!("/?{url}"), &["Range: bytes=0-9"]);
    for (reply, status) in [(&by_proxy, 200), (&by_name, 200), (&part, 206)] {
        assert_eq!(reply.status, status, "{}", row.name);
        cannot_run(reply, media_type, &row.name);
    }
    assert!(by_proxy.body == row.bytes && by_name.body == row.bytes, "{}: other bytes", row.name);
    match thumbnail.status {
        200 => {
            assert!(is_drawn, "{} was decoded", row.name);
            let kind = thumbnail.field("content-type").unwrap_or_default();
            assert!(matches!(kind, "image/jpeg" | "image/png"), "{}: {kind}", row.name);
            assert_eq!(thumbnail.field("x-content-type-options"), Some("nosniff"), "{}", row.name);
            assert!(image::load_from_memory(&thumbnail.body).is_ok_and(|small| small.width() <= 160));
        }
        status => assert_eq!(status, 404, "{}", row.name),
    }
}

/// An answer that a browser shows as an image or not at all.
fn cannot_run(reply: &Reply, media_type: &str, name: &str) {
    let extension = match media_type {
        "image/jpeg" => "jpg",
        "image/svg+xml" => "svg",
        "image/vnd.microsoft.icon" => "ico",
        other => other.trim_start_matches("image/"),
    };
    let disposition = reply.field("content-disposition").unwrap_or_default();
    assert_eq!(reply.field("content-type"), Some(media_type), "{name}");
    assert_eq!(reply.field("x-content-type-options"), Some("nosniff"), "{name}");
    assert_eq!(reply.field("content-security-policy"), Some(POLICY), "{name}");
    assert!(
        disposition.starts_with("inline; filename=\"") && disposition.ends_with(&format!(".{extension}\"")),
        "{name}: {disposition}"
    );
    for field in ["set-cookie", "link", "refresh", "content-encoding"] {
        let is_ours = field == "link" && reply.field("memento-datetime").is_some();
        assert!(is_ours || reply.field(field).is_none(), "{name}: {field}");
    }
}
