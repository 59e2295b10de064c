//! The Wayback Machine: where its captures are, and which of them to ask for.
//!
//! A capture's bytes as they were taken are at `/web/<time>id_/<URL>`; a time without a capture leads to
//! the nearest one. `/cdx/search/cdx` lists the captures of a URL (Wayback CDX Server API).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use percent_encoding::utf8_percent_encode;
use url::Url;

use super::rung::VALUE;

/// The only host that all of this asks.
pub const HOST: &str = "web.archive.org";

/// It is a library, not a mirror: so many requests at a time are enough.
pub const AT_A_TIME: usize = 2;

/// How a capture's time is written.
const TIME: &str = "%Y%m%d%H%M%S";

/// Captures that are asked for besides the nearest.
const STEPS: usize = 3;

/// Where the capture nearest to `date` is.
#[must_use]
pub fn capture_near(date: Timestamp, origin: &Url) -> Url {
    capture(&date.strftime(TIME).to_string(), origin.as_str())
}

fn capture(time: &str, origin: &str) -> Url {
    // A `#` would end the URL of the capture early; no origin has one.
    let text = format!("https://{HOST}/web/{time}id_/{origin}");
    Url::parse(&text).expect("an absolute URL stays one with a URL behind its path")
}

/// Where the captures of `origin` are listed, those that were answers of 200, each content once.
#[must_use]
pub fn list(origin: &Url) -> Url {
    let origin = utf8_percent_encode(origin.as_str(), VALUE);
    let text = format!(
        "https://{HOST}/cdx/search/cdx?url={origin}&output=json&fl=timestamp,original,mimetype\
         &filter=statuscode:200&collapse=digest&limit=1000"
    );
    Url::parse(&text).expect("the query is encoded")
}

/// From the body of [`list`], where to ask next: the captures nearest to `date`, those that were images
/// first, without the one at `asked`. Nothing if the body is no list.
#[must_use]
pub fn captures(body: &[u8], date: Timestamp, asked: &[Url]) -> Vec<Url> {
    let Ok(rows) = serde_json::from_slice::<Vec<Vec<String>>>(body) else { return Vec::new() };
    let asked: Vec<String> = asked.iter().filter_map(time_of).collect();
    let mut found: Vec<(bool, u64, Url)> = Vec::new();
    for row in rows {
        let [time, original, mimetype] = row.as_slice() else { continue };
        let Some(at) = instant(time).filter(|_| !asked.contains(time)) else { continue };
        let is_page = !(mimetype.starts_with("image/") || mimetype == "warc/revisit" || mimetype == "unk");
        let distance = at.as_second().abs_diff(date.as_second());
        found.push((is_page, distance, capture(time, original)));
    }
    found.sort_by_key(|(is_page, distance, _)| (*is_page, *distance));
    found.into_iter().take(STEPS).map(|(_, _, url)| url).collect()
}

/// Where to ask next if there is no list: the first capture and the last.
#[must_use]
pub fn ends(origin: &Url) -> [Url; 2] {
    [capture("19960101000000", origin.as_str()), capture("29991231235959", origin.as_str())]
}

/// What the capture at `url` is one of, if it is where [`capture_near`] says.
#[must_use]
pub fn captured(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?.strip_prefix(HOST)?.strip_prefix("/web/")?;
    let (time, origin) = rest.split_once("id_/")?;
    time.bytes().all(|byte| byte.is_ascii_digit()).then_some(origin)
}

fn instant(time: &str) -> Option<Timestamp> {
    let time = DateTime::strptime(TIME, time).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The time of the capture at `url`, digits only.
fn time_of(url: &Url) -> Option<String> {
    let rest = url.path().strip_prefix("/web/")?;
    let time = rest.split('/').next()?;
    Some(time.chars().take_while(char::is_ascii_digit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn where_captures_are() {
        let origin: Url = "http://a.test/i.png?x=1&y=%20".parse().unwrap();
        let near = capture_near(date("2016-05-04T03:02:01Z"), &origin);
        assert_eq!(
            near.as_str(),
            "https://web.archive.org/web/20160504030201id_/http://a.test/i.png?x=1&y=%20"
        );
        assert_eq!(captured(near.as_str()), Some(origin.as_str()));
        assert_eq!(captured(list(&origin).as_str()), None);
        assert!(
            list(&origin)
                .query()
                .unwrap()
                .starts_with("url=http%3A%2F%2Fa.test%2Fi.png%3Fx%3D1%26y%3D%2520&")
        );
    }

    #[test]
    fn the_nearest_images_come_first_and_none_twice() {
        let body = br#"[["timestamp","original","mimetype"],
            ["20150101000000","http://a.test/i.png","image/png"],
            ["20160101000000","http://a.test:80/i.png","text/html"],
            ["20160201000000","http://a.test/i.png","image/png"],
            ["20170101000000","http://a.test/i.png","image/png"],
            ["20180101000000","http://a.test/i.png","warc/revisit"],
            ["bad","http://a.test/i.png","image/png"]]"#;
        let asked = ["https://web.archive.org/web/20160201000000id_/http://a.test/i.png".parse().unwrap()];
        let found = captures(body, date("2016-03-01T00:00:00Z"), &asked);
        let times: Vec<_> = found.iter().filter_map(time_of).collect();
        assert_eq!(times, ["20170101000000", "20150101000000", "20180101000000"]);
        for garbage in [&b"[]"[..], b"", b"<html>", b"[[1]]", b"[[\"20150101000000\"]]"] {
            assert_eq!(captures(garbage, date("2016-03-01T00:00:00Z"), &[]), []);
        }
    }
}
