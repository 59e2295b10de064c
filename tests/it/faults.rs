//! The fault matrix: what a server may do, and what a run makes of it. A row a fault; its columns are the reason,
//! the rungs that were climbed, the requests that were made, what is kept, and the exit code.

use std::time::Duration;

use imgkeep::digest::Digest;
use serde_json::Value;

use crate::support::origin::{Answer, Certificate, Origin};
use crate::support::{Test, picture};

/// Nobody but the origin has the image, over one scheme.
const URL: &str = "http://cdn.example:8080/i.jpg";
const TLS: &str = "https://cdn.example:8443/i.jpg";

/// What a run over one post with one image came to.
struct Row {
    origin: Origin,
    url: &'static str,
    post: String,
    settings: Vec<(&'static str, &'static str)>,
}

/// The columns of a row. `reason` is empty for an image that is kept.
struct Expected<'a> {
    reason: &'a str,
    rungs: &'a [&'a str],
    requests: usize,
}

impl Row {
    fn new(url: &'static str) -> Self {
        let post = format!("![]({url})\n");
        Self { origin: Origin::start(), url, post, settings: vec![("fetch.sources", "[\"origin\"]")] }
    }

    /// The image's only server always answers this.
    fn answer(answer: Answer) -> Self {
        let row = Self::new(URL);
        row.origin.answer(URL, answer);
        row
    }

    fn set(mut self, key: &'static str, value: &'static str) -> Self {
        self.settings.push((key, value));
        self
    }

    fn test(&self) -> Test {
        let test = Test::new().origin(&self.origin).document("posts/a.md", &self.post);
        self.settings.iter().fold(test, |test, (key, value)| test.set(key, value))
    }

    /// Runs it and looks at every column.
    fn expect(self, expected: &Expected<'_>) -> Test {
        let test = self.test();
        let report = test.run("archive posts --format json").expect_code(if expected.reason.is_empty() {
            0
        } else {
            3
        });
        let report = report.json();
        assert_eq!(self.origin.requests().len(), expected.requests, "{:?}\n{report}", self.origin.requests());
        let is_kept = expected.reason.is_empty();
        assert_eq!(test.blobs().len(), usize::from(is_kept), "{report}");
        assert_eq!(report["images"]["downloaded"], u64::from(is_kept));
        if !is_kept {
            let failure = &report["failures"][0];
            assert_eq!(failure["reason"], expected.reason, "{failure}");
            assert_eq!(failure["origin"], self.url);
            assert_eq!(rungs(failure), expected.rungs, "{failure}");
            assert_eq!(test.read("posts/a.md"), self.post.as_bytes(), "the post is as it was");
            // before its time nobody is asked again
            self.origin.forget_requests();
            let again = test.run("archive posts --format json").expect_code(3).json();
            assert_eq!(self.origin.requests().len(), 0, "{:?}", self.origin.requests());
            assert_eq!(again["failures"][0]["reason"], expected.reason);
            assert_eq!(again["references"]["failed"], 1);
        }
        test.assert_no_litter();
        test
    }
}

/// Who was asked, each once, in order.
fn rungs(failure: &Value) -> Vec<String> {
    let attempts = failure["attempts"].as_array().unwrap();
    let mut rungs: Vec<String> = attempts
        .iter()
        .map(|attempt| {
            let source = attempt["source"].as_str().unwrap();
            match attempt["referer"].as_str() {
                Some(referer) => format!("{source} from {referer}"),
                None => source.to_owned(),
            }
        })
        .collect();
    rungs.dedup();
    rungs
}

/// One row: its name, what the server does, and the columns.
macro_rules! fault {
    ($name:ident, $row:expr, $reason:expr, $requests:expr) => {
        fault!($name, $row, $reason, ["origin"], $requests);
    };
    ($name:ident, $row:expr, $reason:expr, $rungs:expr, $requests:expr) => {
        #[test]
        fn $name() {
            $row.expect(&Expected { reason: $reason, rungs: &$rungs, requests: $requests });
        }
    };
}

fn jpeg() -> Vec<u8> {
    picture::jpeg(1)
}

fn image() -> Answer {
    Answer::image(jpeg())
}

fn without_retries(answer: Answer) -> Row {
    Row::answer(answer).set("fetch.retries", "0")
}

fn half(bytes: &[u8]) -> Answer {
    Answer::image(&bytes[..bytes.len() / 2])
}

fault!(not_found, Row::answer(Answer::status(404)), "http_404", 1);
fault!(gone, Row::answer(Answer::status(410)), "http_410", 1);
fault!(
    forbidden_whatever_the_referer,
    Row::answer(Answer::status(403)).set("fetch.site", "https://blog.example/"),
    "http_403",
    ["origin", "origin from http://cdn.example:8080/", "origin from https://blog.example/"],
    // a page on https is not told to a server on http
    3
);
fault!(
    a_long_pause_in_seconds,
    without_retries(Answer::status(429).header("Retry-After", "900")),
    "http_429",
    1
);
fault!(
    a_long_pause_until_a_date,
    Row::answer(Answer::status(429).header("Retry-After", "Fri, 01 Jan 2100 00:00:00 GMT")),
    "http_429",
    1
);
fault!(reset_in_the_middle, Row::answer(image().reset_after(100)).set("fetch.retries", "1"), "truncated", 2);
fault!(cut_in_the_middle, without_retries(image().cut_after(100)), "truncated", 1);
fault!(too_short_a_length, Row::answer(image().content_length(100)), "truncated", 1);
fault!(too_long_a_length, without_retries(image().content_length(1 << 20)), "truncated", 1);
fault!(chunks_without_end, without_retries(image().unterminated()), "truncated", 1);
fault!(
    a_byte_a_second,
    without_retries(image().drip(1, Duration::from_secs(1))).set("fetch.timeout_secs", "2"),
    "timeout",
    1
);
fault!(silence, without_retries(image().stall_after(50)).set("fetch.idle_timeout_secs", "1"), "timeout", 1);
fault!(a_body_without_end, Row::answer(image().endless()).set("fetch.max_bytes", "1MiB"), "too_large", 1);
fault!(a_loop, Row::answer(Answer::redirect(URL)), "redirect_limit", 1);
fault!(to_loopback, Row::answer(Answer::redirect("http://127.0.0.1:8080/i.jpg")), "blocked_address", 1);
fault!(
    to_the_cloud,
    Row::answer(Answer::redirect("http://169.254.169.254/latest/meta-data/")),
    "blocked_address",
    1
);
fault!(
    a_page_that_calls_itself_an_image,
    Row::answer(Answer::image(*b"<!doctype html><title>sorry</title>").header("Content-Type", "image/jpeg")),
    "not_an_image",
    1
);
fault!(an_error_in_json, Row::answer(Answer::image(*br#"{"error":404}"#)), "not_an_image", 1);
fault!(nothing_at_all, Row::answer(Answer::image(*b"")), "not_an_image", 1);
fault!(an_unknown_coding, Row::answer(image().header("Content-Encoding", "compress")), "encoding", 1);
fault!(
    a_gzip_bomb,
    Row::answer(Answer::image(vec![0; 8 << 20]).gzip()).set("fetch.max_bytes", "1MiB"),
    "too_large",
    1
);
fault!(a_picture_too_large_to_decode, Row::answer(Answer::image(png_of(30_000, 30_000))), "bomb", 1);
fault!(half_a_jpeg, Row::answer(half(&jpeg())), "truncated", 1);
fault!(half_a_png, Row::answer(half(&picture::png(1))), "truncated", 1);
fault!(half_a_gif, Row::answer(half(&picture::gif(1))), "truncated", 1);
fault!(half_a_webp, Row::answer(half(&picture::webp(1))), "truncated", 1);
fault!(
    a_pixel,
    Row::answer(Answer::image(pixel())),
    "placeholder",
    ["origin", "origin from http://cdn.example:8080/"],
    2
);
fault!(noise, without_retries(Answer::verbatim(*b"\x01\x02 hello\n\n")), "protocol", 1);
fault!(a_megabyte_of_headers, without_retries(image().header("X", &"x".repeat(1 << 20))), "protocol", 1);
fault!(an_expired_certificate, badly_certified(Certificate::Expired), "tls", 0);
fault!(anothers_certificate, badly_certified(Certificate::WrongName), "tls", 0);
fault!(an_unknown_authority, badly_certified(Certificate::UnknownAuthority), "tls", 0);

// And what is kept in spite of a fault.
fault!(the_right_referer, refuses_strangers(), "", 2);
fault!(unavailable_twice, comes_back_after(2), "", 3);
fault!(a_short_pause, comes_back_with(&[Answer::status(429).header("Retry-After", "1")]), "", 2);
fault!(five_redirects, behind_redirects(5), "", 6);
fault!(a_picture_in_gzip, Row::answer(image().gzip()), "", 1);
fault!(a_picture_in_brotli, Row::answer(brotli(&jpeg())), "", 1);
fault!(a_png_called_jpg, Row::answer(Answer::image(picture::png(1))), "", 1);
fault!(a_picture_called_html, Row::answer(image().header("Content-Type", "text/html")), "", 1);
fault!(a_length_that_is_missing, Row::answer(image().until_close()), "", 1);
fault!(an_svg_with_a_script, Row::answer(Answer::image(*SVG)), "", 1);

const SVG: &[u8; 102] =
    br#"<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script><rect/></svg>   "#;

fn badly_certified(certificate: Certificate) -> Row {
    let row = Row::new(TLS).set("fetch.retries", "0");
    row.origin.image(TLS, jpeg());
    row.origin.certificate("cdn.example", certificate);
    row
}

fn refuses_strangers() -> Row {
    let row = Row::new(URL);
    row.origin.answer_by(URL, |request, _| match request.header("Referer") {
        Some("http://cdn.example:8080/") => image(),
        _ => Answer::status(403),
    });
    row
}

fn comes_back_after(failures: usize) -> Row {
    comes_back_with(&vec![Answer::status(503); failures])
}

fn comes_back_with(failures: &[Answer]) -> Row {
    let row = Row::new(URL);
    row.origin.answers(URL, [failures, &[image()]].concat());
    row
}

fn behind_redirects(number: usize) -> Row {
    let row = Row::new(URL);
    let hop = |n: usize| if n == 0 { URL.to_owned() } else { format!("http://cdn.example:8080/{n}") };
    for n in 0..number {
        row.origin.answer(&hop(n), Answer::redirect(&hop(n + 1)));
    }
    row.origin.image(&hop(number), jpeg());
    row
}

/// A header that promises much, with right checksums, and hardly any data.
fn png_of(width: u32, height: u32) -> Vec<u8> {
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(data);
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [&length[..], kind, data, &crc.sum().to_be_bytes()].concat()
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    let data = [0x78, 0x9c, 0x63, 0, 1, 0, 0, 5, 0, 1];
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &data), chunk(b"IEND", b"")]
        .concat()
}

/// A GIF of one pixel.
fn pixel() -> Vec<u8> {
    let head = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff";
    let frame = b"!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
    [&head[..], frame].concat()
}

/// Brotli that stores: one meta-block without compression, and an empty last one (RFC 7932 section 9.2).
fn brotli(plain: &[u8]) -> Answer {
    let head = ((u32::try_from(plain.len()).unwrap() - 1) << 4 | 1 << 20).to_le_bytes();
    Answer::image([&head[..3], plain, &[3]].concat()).header("Content-Encoding", "br")
}

#[test]
fn what_comes_in_a_coding_is_kept_without_it() {
    for answer in [image().gzip(), brotli(&jpeg())] {
        let test = Row::answer(answer).expect(&Expected { reason: "", rungs: &[], requests: 1 });
        assert_eq!(test.blobs().into_keys().collect::<Vec<_>>(), [Digest::of(&jpeg())]);
    }
}

#[test]
fn a_png_called_jpg_is_kept_as_what_it_is() {
    let row = Row::answer(Answer::image(picture::png(1)));
    let test = row.expect(&Expected { reason: "", rungs: &[], requests: 1 });
    assert!(
        test.blobs().into_values().all(|blob| blob.extension().is_some_and(|extension| extension == "png"))
    );
}
