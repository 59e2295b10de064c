//! When a document was written: as it says itself, else as its path does.
//!
//! People write dates in many ways. What all of them share is the order of the numbers, or the name of the
//! month; that is what is read here.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};

use crate::document::extract::front_matter;

/// The keys of front matter, the best first.
const KEYS: [&str; 9] = [
    "date",
    "published",
    "publishdate",
    "pubdate",
    "published_at",
    "created",
    "created_at",
    "datetime",
    "updated",
];

/// What stands before a date in a page (Open Graph, schema.org, HTML section 4.5.14).
const MARKS: [&str; 4] = ["article:published_time", "datepublished", "datetime=", "dc.date"];

/// How much of a page is looked at for a date, and how far behind a mark it may stand.
const PAGE: usize = 64 * 1024;
const REACH: usize = 120;

/// The date that the document of these bytes at `path` gives itself. Without an offset it is taken for UTC.
#[must_use]
pub fn of(bytes: &[u8], path: &str) -> Option<Timestamp> {
    in_front_matter(bytes).or_else(|| in_page(bytes)).or_else(|| in_path(path))
}

fn in_front_matter(bytes: &[u8]) -> Option<Timestamp> {
    let block = front_matter::text(bytes)?;
    let text = String::from_utf8_lossy(&bytes[block.range()]);
    let entry = |line: &str| {
        let (key, value) = line.split_once([':', '='])?;
        let key =
            key.trim_matches(|char: char| char.is_whitespace() || matches!(char, '"' | '\'' | '{' | ','));
        let key = key.to_ascii_lowercase();
        let rank = KEYS.iter().position(|known| *known == key)?;
        Some((rank, parse(value)?))
    };
    text.split(['\n', '\r']).filter_map(entry).min_by_key(|(rank, _)| *rank).map(|(_, date)| date)
}

fn in_page(bytes: &[u8]) -> Option<Timestamp> {
    let page = bytes[..bytes.len().min(PAGE)].to_ascii_lowercase();
    MARKS.iter().find_map(|mark| {
        let after = memchr::memmem::find(&page, mark.as_bytes())? + mark.len();
        let reach = &page[after..page.len().min(after + REACH)];
        let text = String::from_utf8_lossy(reach);
        let value = text.trim_start_matches(|char: char| !char.is_ascii_digit());
        parse(value.split(['"', '\'', '>', '<']).next()?)
    })
}

/// `…/2016/05/04/…`, `…/2016-05-04-title.md`, `…/2016/05/…`.
fn in_path(path: &str) -> Option<Timestamp> {
    let starts = path.char_indices().filter(|&(at, char)| {
        char.is_ascii_digit() && !path[..at].ends_with(|before: char| before.is_ascii_alphanumeric())
    });
    let mut dates = starts.filter_map(|(at, _)| {
        let mut numbers = Numbers(&path[at..]);
        let (year, digits) = numbers.next()?;
        if digits == 8 {
            return date(year / 10_000, year / 100 % 100, year % 100);
        }
        let (month, _) = numbers.close(digits == 4)?;
        let day = numbers.close(true).map_or(1, |(day, _)| day);
        date(year, month, day).or_else(|| date(year, month, 1))
    });
    dates.next_back().map(|date| instant(date, Time::midnight(), None))
}

/// A date, perhaps with a time and an offset, in any of the usual spellings; also seconds or milliseconds
/// since 1970.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim().trim_matches(['"', '\'', ',', '}']).trim();
    if text.len() >= 9 && text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() != 14 {
        let number: i64 = text.parse().ok()?;
        return match text.len() {
            9 | 10 => Timestamp::from_second(number).ok(),
            12 | 13 => Timestamp::from_millisecond(number).ok(),
            _ => None,
        };
    }
    let mut rest = Numbers(text);
    let date = match month_by_name(text) {
        Some(month) => {
            let (first, digits) = rest.next()?;
            let (second, _) = rest.next()?;
            if digits == 4 { date(first, month, second) } else { date(second, month, first) }
        }
        None => {
            let (first, digits) = rest.next()?;
            match digits {
                8 | 14 => date(first / 10_000, first / 100 % 100, first % 100),
                4 => {
                    let (month, day) = (rest.next()?.0, rest.next()?.0);
                    date(first, month, day)
                }
                // American, unless that is no month
                _ => {
                    let (second, year) = (rest.next()?.0, rest.next()?.0);
                    date(year, first, second).or_else(|| date(year, second, first))
                }
            }
        }
    }?;
    let (time, after) = time(rest.0);
    Some(instant(date, time, offset(after)))
}

fn date(year: i64, month: i64, day: i64) -> Option<Date> {
    if !(1990..2100).contains(&year) {
        return None;
    }
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// The time at the start of `text`, and what stands behind it; midnight if there is none.
fn time(text: &str) -> (Time, &str) {
    let none = (Time::midnight(), text);
    let mut numbers = Numbers(text);
    // "2016-05-04+08:00" has an offset and no time
    if text.trim_start().starts_with(['+', '-']) {
        return none;
    }
    let Some((hour, 1..=2)) = numbers.next() else { return none };
    if !numbers.0.starts_with([':', '时', '点', 'h']) {
        return none;
    }
    let Some((minute, _)) = numbers.next() else { return none };
    let second = match numbers.0.starts_with([':', '分']) {
        true => numbers.next().map_or(0, |(second, _)| second),
        false => 0,
    };
    let mut rest = numbers.0;
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|char: char| char.is_ascii_digit());
    }
    let is_afternoon = rest.trim_start().get(..2).is_some_and(|half| half.eq_ignore_ascii_case("pm"));
    let hour = if is_afternoon && hour < 12 { hour + 12 } else { hour };
    let part = |number: i64| i8::try_from(number).ok();
    let time = || Time::new(part(hour)?, part(minute)?, part(second)?, 0).ok();
    time().map_or(none, |time| (time, rest))
}

/// `+08:00`, `+0800`, `-5`, at the start of `text` but for white space.
fn offset(text: &str) -> Option<Offset> {
    let text = text.trim_start();
    let text = text.strip_prefix("GMT").or(text.strip_prefix("UTC")).unwrap_or(text);
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let mut numbers = Numbers(&text[1..]);
    let (first, digits) = numbers.next()?;
    let (hours, minutes) = match digits {
        4 => (first / 100, first % 100),
        _ => (first, if numbers.0.starts_with(':') { numbers.next()?.0 } else { 0 }),
    };
    let seconds = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?;
    Offset::from_seconds(sign * i32::try_from(seconds).ok()?).ok()
}

fn instant(date: Date, time: Time, offset: Option<Offset>) -> Timestamp {
    let zone = TimeZone::fixed(offset.unwrap_or(Offset::UTC));
    let civil = DateTime::from_parts(date, time);
    zone.to_timestamp(civil).unwrap_or_default()
}

fn month_by_name(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let words = text.split(|char: char| !char.is_ascii_alphabetic());
    words.filter_map(|word| word.get(..3)).find_map(|start| {
        let month = MONTHS.iter().position(|month| start.eq_ignore_ascii_case(month))?;
        i64::try_from(month + 1).ok()
    })
}

/// The numbers in a text, each with how many digits it has; what follows the last one taken is in `.0`.
struct Numbers<'a>(&'a str);

impl Numbers<'_> {
    /// The next number if no more than one character stands before it; of two digits at most, if it `is_short`.
    fn close(&mut self, is_short: bool) -> Option<(i64, usize)> {
        let start = self.0.find(|char: char| char.is_ascii_digit())?;
        if start != 1 {
            return None;
        }
        let (number, digits) = self.next()?;
        (!is_short || digits <= 2).then_some((number, digits))
    }
}

impl Iterator for Numbers<'_> {
    type Item = (i64, usize);

    fn next(&mut self) -> Option<(i64, usize)> {
        let start = self.0.find(|char: char| char.is_ascii_digit())?;
        let text = &self.0[start..];
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        self.0 = &text[digits..];
        let number = text[..digits].parse().ok()?;
        // the date part of 14 digits
        Some((if digits == 14 { number / 1_000_000 } else { number }, digits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (text, expected) in [
            ("2016-05-04", "2016-05-04T00:00:00Z"),
            ("2016-05-04 03:02:01", "2016-05-04T03:02:01Z"),
            ("2016-05-04T03:02:01Z", "2016-05-04T03:02:01Z"),
            ("2016-05-04T03:02:01.123+08:00", "2016-05-03T19:02:01Z"),
            ("2016-05-04 03:02:01 +0800", "2016-05-03T19:02:01Z"),
            ("2016-05-04 03:02", "2016-05-04T03:02:00Z"),
            ("2016-05-04 03:02 +44444444444444444", "2016-05-04T03:02:00Z"),
            ("\"2016/5/4 3:02:01\"", "2016-05-04T03:02:01Z"),
            ("2016.05.04", "2016-05-04T00:00:00Z"),
            ("2016年5月4日", "2016-05-04T00:00:00Z"),
            ("2016年5月4日 3时2分1秒", "2016-05-04T03:02:01Z"),
            ("20160504", "2016-05-04T00:00:00Z"),
            ("20160504030201", "2016-05-04T00:00:00Z"),
            ("Wed, 04 May 2016 03:02:01 +0200", "2016-05-04T01:02:01Z"),
            ("Wed, 04 May 2016 03:02:01 GMT", "2016-05-04T03:02:01Z"),
            ("May 4, 2016", "2016-05-04T00:00:00Z"),
            ("May 4, 2016 3:02 PM", "2016-05-04T15:02:00Z"),
            ("4 September 2016", "2016-09-04T00:00:00Z"),
            ("05/04/2016", "2016-05-04T00:00:00Z"),
            ("25/04/2016", "2016-04-25T00:00:00Z"),
            ("1462330921", "2016-05-04T03:02:01Z"),
            ("1462330921000", "2016-05-04T03:02:01Z"),
        ] {
            assert_eq!(parse(text), Some(expected.parse().unwrap()), "{text}");
        }
        for text in
            ["", "soon", "{{ date }}", "2016", "2016-13-04", "99999999999999999999", "1-2-3", "2016-05"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn where_it_stands() {
        let check = |bytes: &str, path: &str, expected: &str| {
            let found = of(bytes.as_bytes(), path);
            assert_eq!(found.map_or_else(String::new, |date| date.to_string()), expected, "{bytes} {path}");
        };
        let (day, none) = ("2016-05-04T00:00:00Z", "");
        check("---\ntitle: 2015-01-01\nupdated: 2017-01-01\ndate: 2016-05-04\n---\n", "2011/01/01/a.md", day);
        check("+++\ndate = 2016-05-04T00:00:00Z\n+++\n", "a.md", day);
        check("{\n \"title\": \"x\",\n \"date\": \"2016-05-04\"\n}\n", "a.md", day);
        check(
            "<meta property=\"article:published_time\" content=\"2016-05-04T00:00:00+00:00\">",
            "a.html",
            day,
        );
        check("<time class=x datetime='2016-05-04'>", "a.html", day);
        check("", "blog/2016/05/04/post/index.html", day);
        check("", "_posts/2016-05-04-a-post-about-10-things.md", day);
        check("", "20160504-post.md", day);
        check("", "2016/05/a.md", "2016-05-01T00:00:00Z");
        check("", "a2016/a-1234.md", none);
        check("date: 2016-05-04", "posts/a.md", none);
    }
}
