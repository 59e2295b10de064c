//! How values are written for people: numbers, lengths, times, paths and addresses.
//!
//! What comes from outside may be anything. It is shown as text in which nothing can hide: controls and bytes that
//! are no UTF-8 are spelled out.

use std::fmt::{self, Display, Formatter};
use std::path::Path;

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::origin::OriginUrl;

/// What stays as it is in the value of a query.
const IN_QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Bytes as the value of a parameter.
pub(super) fn in_query(bytes: &[u8]) -> String {
    percent_encode(bytes, IN_QUERY).to_string()
}

/// A number in groups of three, with narrow spaces between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(pub(super) u64);

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_str("\u{202f}")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl HtmlSafe for Number {}

/// A number and its noun, which gets an `s` where it needs one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count(pub(super) u64, pub(super) &'static str);

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", Number(self.0), self.1, if self.0 == 1 { "" } else { "s" })
    }
}

impl HtmlSafe for Count {}

/// A length in bytes, in binary units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size(pub(super) u64);

impl Display for Size {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (mut value, mut unit) = (self.0 as f64, "B");
        for next in ["KiB", "MiB", "GiB", "TiB"] {
            if value < 1024.0 {
                break;
            }
            value /= 1024.0;
            unit = next;
        }
        let digits = usize::from(unit != "B" && value < 100.0);
        write!(f, "{value:.digits$}\u{a0}{unit}")
    }
}

impl HtmlSafe for Size {}

/// A time, said by its distance from now; the time itself is in the element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ago {
    /// Milliseconds since 1970.
    pub(super) at: i64,
    /// Likewise.
    pub(super) now: i64,
}

impl Ago {
    fn distance(self) -> String {
        let seconds = self.now.saturating_sub(self.at) / 1000;
        let (amount, unit) = match seconds.unsigned_abs() {
            0..45 => return if seconds < 0 { "in a moment" } else { "just now" }.to_owned(),
            seconds @ 45..5400 => ((seconds + 30) / 60, "minute"),
            seconds @ 5400..129_600 => ((seconds + 1800) / 3600, "hour"),
            seconds @ 129_600..5_184_000 => ((seconds + 43_200) / 86_400, "day"),
            seconds @ 5_184_000..63_072_000 => ((seconds + 1_314_000) / 2_628_000, "month"),
            seconds => ((seconds + 15_768_000) / 31_536_000, "year"),
        };
        let amount = Count(amount, unit);
        if seconds < 0 { format!("in {amount}") } else { format!("{amount} ago") }
    }
}

impl Display for Ago {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (machine, person) = (machine(self.at), person(self.at));
        write!(f, "<time datetime=\"{machine}\" title=\"{person}\">{}</time>", self.distance())
    }
}

impl HtmlSafe for Ago {}

/// A time in full, and its distance from now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(pub(super) Ago);

impl Display for Moment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let at = self.0.at;
        write!(f, "<time datetime=\"{}\">{}</time> ", machine(at), person(at))?;
        write!(f, "<span class=\"dim\">({})</span>", self.0.distance())
    }
}

impl HtmlSafe for Moment {}

fn machine(at: i64) -> String {
    Timestamp::from_millisecond(at).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn person(at: i64) -> String {
    Timestamp::from_millisecond(at).unwrap_or_default().strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// How long something took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lasted(pub(super) i64);

impl Display for Lasted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            ..1000 => write!(f, "{} ms", self.0.max(0)),
            1000..60_000 => write!(f, "{:.1} s", self.0 as f64 / 1000.0),
            _ => write!(f, "{} min {} s", self.0 / 60_000, self.0 / 1000 % 60),
        }
    }
}

impl HtmlSafe for Lasted {}

/// Bytes as text: controls and what is no UTF-8 as `\n`, `\x07`.
pub(super) fn spelled(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                char if char.is_control() => text.extend(char.escape_default()),
                char => text.push(char),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// A path as a word of a shell's command line; the bytes that would not survive there are spelled out (POSIX.1-2024,
/// section 2.2.4, dollar-single-quotes).
pub(super) fn shell(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control));
    if let Some(text) = text {
        let is_plain = |char: char| char.is_alphanumeric() || "/._-+@%,:=".contains(char);
        if !text.is_empty() && text.chars().all(is_plain) {
            return text.to_owned();
        }
        return format!("'{}'", text.replace('\'', "'\\''"));
    }
    let mut word = "$'".to_owned();
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\'' | '\\' => word.extend(['\\', char]),
                char if char.is_control() => {
                    let mut buffer = [0; 4];
                    let bytes = char.encode_utf8(&mut buffer).bytes();
                    word.extend(bytes.map(|byte| format!("\\{byte:03o}")));
                }
                char => word.push(char),
            }
        }
        word.extend(chunk.invalid().iter().map(|byte| format!("\\{byte:03o}")));
    }
    word + "'"
}

/// An address: a link if it is one that a browser may follow.
#[derive(Debug, Template)]
#[template(path = "parts/address.html")]
pub(super) struct Address {
    text: String,
    is_link: bool,
}

impl HtmlSafe for Address {}

impl Address {
    pub(super) fn new(url: &str) -> Self {
        Self {
            text: spelled(url.as_bytes()),
            is_link: OriginUrl::parse(url).is_ok_and(|u| u.as_str() == url),
        }
    }
}

/// A document by its name, and the way to its page.
#[derive(Debug, Template)]
#[template(path = "parts/document.html")]
pub(super) struct DocumentLink {
    query: String,
    name: String,
    folder: String,
}

impl HtmlSafe for DocumentLink {}

impl DocumentLink {
    pub(super) fn new(path: &Path) -> Self {
        let bytes = |text: Option<&std::ffi::OsStr>| {
            text.map(|text| text.as_encoded_bytes().to_vec()).unwrap_or_default()
        };
        Self {
            query: in_query(path.as_os_str().as_encoded_bytes()),
            name: spelled(&bytes(path.file_name())),
            folder: spelled(&bytes(path.parent().map(Path::as_os_str))),
        }
    }
}

/// What a word of the closed list of reasons means.
pub(super) fn reason(word: &str) -> &'static str {
    match word {
        "blocked_address" => "the address is not one of the public internet",
        "blocked_scheme" => "neither http nor https",
        "blocked_port" => "a port that no image is served on",
        "blocked_url" => "the address cannot be asked for",
        "dns" => "the name is unknown",
        "connect" => "no connection",
        "tls" => "the certificate or encryption is not in order",
        "timeout" => "no answer in time",
        "too_slow" => "the answer came too slowly",
        "redirect_limit" => "too many redirects",
        "too_large" => "more bytes than the limit",
        "not_an_image" => "the answer is no image",
        "truncated" => "the answer ended too early",
        "protocol" => "the answer is no HTTP",
        "encoding" => "the answer cannot be unpacked",
        "bomb" => "more pixels than the limit",
        "damaged" => "the image is damaged",
        "placeholder" => "a placeholder came instead",
        "different" => "another image came instead",
        "no_source" => "there was nobody to ask",
        "http_401" | "http_403" => "the server refuses",
        "http_404" => "the server does not have it",
        "http_410" => "the server has it no more",
        "http_429" => "the server asks for patience",
        word if word.starts_with("http_5") => "the server is out of order",
        word if word.starts_with("http_") => "the server answered with this status",
        _ => "",
    }
}

/// Who gave the bytes, for a sentence.
pub(super) fn source(word: &str) -> &str {
    match word {
        "origin" => "its own server",
        "origin_https" => "its own server, by https",
        "origin_http" => "its own server, by http",
        "proxy" => "a proxy that documents named",
        "configured_proxy" => "a proxy of the configuration",
        "wayback" => "the Wayback Machine",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lengths_are_easy_to_read() {
        let number = |n| Number(n).to_string().replace('\u{202f}', " ");
        assert_eq!(
            [0, 999, 1000, 12_345, 1_000_000].map(number),
            ["0", "999", "1 000", "12 345", "1 000 000"]
        );
        let size = |n| Size(n).to_string().replace('\u{a0}', " ");
        assert_eq!(
            [0, 1023, 1024, 4301, 250 << 20].map(size),
            ["0 B", "1023 B", "1.0 KiB", "4.2 KiB", "250 MiB"]
        );
    }

    #[test]
    fn times_are_said_by_their_distance() {
        let said = |seconds: i64| Ago { at: 0, now: seconds * 1000 }.distance();
        let day = 86_400;
        assert_eq!(
            [0, 60, 3600, 2 * 3600, day, 3 * day, 90 * day, 800 * day, -7200, -3].map(said),
            [
                "just now",
                "1 minute ago",
                "60 minutes ago",
                "2 hours ago",
                "24 hours ago",
                "3 days ago",
                "3 months ago",
                "2 years ago",
                "in 2 hours",
                "in a moment"
            ]
        );
        let html = Ago { at: 0, now: 0 }.to_string();
        assert!(
            html.starts_with("<time datetime=\"1970-01-01T00:00:00Z\" title=\"1970-01-01 00:00 UTC\">"),
            "{html}"
        );
    }

    #[test]
    fn nothing_hides_in_a_name() {
        assert_eq!(spelled("图 a\n\u{7}\u{85}".as_bytes()), "图 a\\n\\u{7}\\u{85}");
        assert_eq!(spelled(b"a\xff\xc3.md"), "a\\xff\\xc3.md");
        assert_eq!(in_query("a b&图/\n".as_bytes()), "a%20b%26%E5%9B%BE/%0A");
    }

    #[test]
    fn a_shell_is_given_the_very_bytes() {
        for name in [b"posts/a.md".as_slice(), "my 图's.md".as_bytes(), b"a\n'\\b\xff.md", b"-\x1b[2J"] {
            let script = format!("printf %s {}", shell(name));
            let said = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
            assert_eq!(said.stdout, name, "{script}");
        }
    }

    #[test]
    fn only_what_a_browser_may_follow_is_a_link() {
        let html = |url: &str| Address::new(url).render().unwrap();
        assert!(html("https://a.example/b.png").contains("<a href=\"https://a.example/b.png\""));
        for url in ["javascript:alert(1)", "data:text/html,x", "//a.example/", "http://a.example/\"><script>"]
        {
            let html = html(url);
            assert!(!html.contains("<a ") && !html.contains("<script"), "{html}");
        }
    }
}
