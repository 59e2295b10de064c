//! The fields of a request and of an answer that say which bytes, of which age, and when again.

use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

use hyper::HeaderMap;
use hyper::header::{
    HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use imgkeep::document::date;
use imgkeep::fetch::retry::retry_after;
use imgkeep::serve::precondition::{Validators, Verdict, http_date};
use imgkeep::serve::range::{self, Wanted};
use jiff::Timestamp;

use super::dice::Dice;

const ETAG: &str = "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"";
const MODIFIED: u64 = 1_600_000_000;
const NAMES: [HeaderName; 6] =
    [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];

/// Some fields, then a text that may be a date.
pub fn hold(bytes: &[u8]) {
    let mut dice = Dice::new(bytes);
    let size = dice.pick(&[0, 1, 2, 10, 1000, 1 << 20, u64::MAX - 1, u64::MAX]);
    ranges_are_read(&mut dice);
    let mut fields = HeaderMap::new();
    for _ in 0..dice.below(5) {
        let name = dice.pick(&[0, 1, 2, 3, 4, 5]);
        if let Ok(value) = HeaderValue::from_bytes(dice.bytes(60)) {
            fields.append(NAMES[name].clone(), value);
        }
    }
    a_part_lies_within(&fields, size);
    conditions_are_judged(&fields);
    dates_are_read(&String::from_utf8_lossy(dice.rest()));
}

fn a_part_lies_within(fields: &HeaderMap, size: u64) {
    match range::wanted(fields, size) {
        Wanted::Part(Range { start, end }) => assert!(start < end && end <= size, "{start}..{end} of {size}"),
        Wanted::Unsatisfiable => assert!(fields.contains_key(RANGE)),
        Wanted::Whole => {}
    }
}

/// A range of known meaning is read as it is meant.
fn ranges_are_read(dice: &mut Dice<'_>) {
    let size = dice.below(40) as u64;
    let (first, last) = (dice.below(50) as u64, dice.below(50) as u64);
    let (text, expected) = match dice.below(3) {
        0 if first > last => (format!("bytes={first}-{last}"), Wanted::Whole),
        0 => (format!("bytes={first}-{last}"), part(first, last.saturating_add(1), size)),
        1 => (format!("BYTES= ,\t{first}-,"), part(first, size, size)),
        _ if last == 0 => (format!("bytes=-{last}"), Wanted::Unsatisfiable),
        _ if size == 0 => (format!("bytes=-{last}"), Wanted::Whole),
        _ => (format!("bytes=-{last}"), part(size.saturating_sub(last), size, size)),
    };
    let mut fields = HeaderMap::new();
    fields.append(RANGE, HeaderValue::try_from(&text).expect("a value of ours"));
    assert_eq!(range::wanted(&fields, size), expected, "{text} of {size}");
}

fn part(start: u64, end: u64, size: u64) -> Wanted {
    if start >= size { Wanted::Unsatisfiable } else { Wanted::Part(start..end.min(size)) }
}

fn conditions_are_judged(fields: &HeaderMap) {
    let own = Validators { etag: HeaderValue::from_static(ETAG), modified: MODIFIED };
    let other = Validators { etag: HeaderValue::from_static("\"another\""), modified: MODIFIED };
    let verdict = own.judge(fields);
    let conditions = [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];
    if conditions.iter().all(|name| !fields.contains_key(name)) {
        assert_eq!(verdict, Verdict::Proceed);
    }
    let names_it = |name: &HeaderName| {
        fields.get_all(name).iter().any(|value| {
            memchr::memmem::find(value.as_bytes(), ETAG.as_bytes()).is_some()
                || value.as_bytes().contains(&b'*')
        })
    };
    if fields.contains_key(IF_MATCH) && !names_it(&IF_MATCH) {
        assert_eq!(verdict, Verdict::Failed);
    }
    if fields.contains_key(IF_NONE_MATCH) && !names_it(&IF_NONE_MATCH) {
        assert_ne!(verdict, Verdict::NotModified);
    }
    if fields.contains_key(IF_RANGE) && own.allow_range(fields) && other.allow_range(fields) {
        let date = fields[IF_RANGE].to_str().ok().and_then(|text| httpdate::parse_http_date(text).ok());
        assert_eq!(
            date,
            Some(UNIX_EPOCH + Duration::from_secs(MODIFIED)),
            "the date is of both, a tag is not"
        );
    }
}

fn dates_are_read(text: &str) {
    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
    let now = Timestamp::from_second(1_700_000_000).expect("a time");
    let wait = retry_after(text, now);
    assert!(wait.is_none_or(|wait| wait <= WEEK), "{wait:?}");
    // the other reader of the three forms; of two digits for a year it thinks otherwise
    if let Ok(time) = httpdate::parse_http_date(text) {
        let second = time.duration_since(UNIX_EPOCH).expect("it reads none before").as_secs();
        assert_eq!(httpdate::parse_http_date(&http_date(second)).ok(), Some(time));
        if text.contains("GMT") && !text.contains('-') {
            let expected = Duration::from_secs(second.saturating_sub(1_700_000_000)).min(WEEK);
            assert_eq!(wait, Some(expected), "{text:?}");
        }
    }
    let _ = date::parse(text);
    let _ = date::of(text.as_bytes(), text);
}
