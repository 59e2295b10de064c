//! Which bytes of a blob a request wants (RFC 9110, section 14).

use std::ops::Range;

use hyper::HeaderMap;
use hyper::header::RANGE;

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: no range was asked for, several were, or what was asked for makes no sense.
    Whole,
    /// These bytes; never none.
    Part(Range<u64>),
    /// Nothing: the range begins behind the end.
    Unsatisfiable,
}

/// Reads the Range field of a request for a blob of `size` bytes.
#[must_use]
pub fn wanted(headers: &HeaderMap, size: u64) -> Wanted {
    let mut fields = headers.get_all(RANGE).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return Wanted::Whole };
    let range = field.to_str().ok().and_then(single);
    match range {
        None => Wanted::Whole,
        Some(Spec::Suffix(0)) => Wanted::Unsatisfiable,
        // Of an empty blob there is no last byte to name, so it is sent as it is.
        Some(Spec::Suffix(_)) if size == 0 => Wanted::Whole,
        Some(Spec::Suffix(length)) => Wanted::Part(size.saturating_sub(length)..size),
        Some(Spec::From(first, _)) if first >= size => Wanted::Unsatisfiable,
        Some(Spec::From(first, last)) => {
            Wanted::Part(first..last.map_or(size, |last| last.saturating_add(1).min(size)))
        }
    }
}

/// As in RFC 9110, section 14.1.2.
enum Spec {
    /// `first-last` or `first-`.
    From(u64, Option<u64>),
    /// `-length`
    Suffix(u64),
}

/// The one byte range that `field` holds.
fn single(field: &str) -> Option<Spec> {
    let (unit, set) = field.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    // Empty elements of a list are skipped (section 5.6.1.2).
    let mut specs = set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty());
    let (Some(spec), None) = (specs.next(), specs.next()) else { return None };
    match spec.split_once('-')? {
        ("", length) => Some(Spec::Suffix(number(length)?)),
        (first, "") => Some(Spec::From(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::From(first, Some(last)))
        }
    }
}

/// Digits and nothing else; what is too large for any file is the largest number.
fn number(digits: &str) -> Option<u64> {
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_read_and_anything_else_is_the_whole() {
        use Wanted::{Part, Unsatisfiable, Whole};
        let check = |fields: &[&str], size: u64, expected: Wanted| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(RANGE, field.parse().unwrap());
            }
            assert_eq!(wanted(&headers, size), expected, "{fields:?} of {size}");
        };
        check(&[], 10, Whole);
        check(&["bytes=0-0"], 10, Part(0..1));
        check(&["bytes=2-4"], 10, Part(2..5));
        check(&["BYTES=2-4"], 10, Part(2..5));
        check(&["bytes= 2-4 "], 10, Part(2..5));
        check(&["bytes=,2-4,,"], 10, Part(2..5));
        check(&["bytes=2-400"], 10, Part(2..10));
        check(&["bytes=9-"], 10, Part(9..10));
        check(&["bytes=0-"], 10, Part(0..10));
        check(&["bytes=-3"], 10, Part(7..10));
        check(&["bytes=-300"], 10, Part(0..10));
        check(&["bytes=0-18446744073709551615"], 10, Part(0..10));
        check(&["bytes=0-18446744073709551616"], 10, Part(0..10));
        check(&["bytes=-99999999999999999999999"], 10, Part(0..10));
        check(&["bytes=10-"], 10, Unsatisfiable);
        check(&["bytes=10-11"], 10, Unsatisfiable);
        check(&["bytes=99999999999999999999999-"], 10, Unsatisfiable);
        check(&["bytes=-0"], 10, Unsatisfiable);
        check(&["bytes=0-0"], 0, Unsatisfiable);
        check(&["bytes=-1"], 0, Whole);
        for field in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=4-2",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=1 -2",
            "bytes=0x1-",
            "octets=0-1",
            "bytes 0-1",
            "bytes=0-1,3-4",
            "bytes=0-0,0-0,0-0",
            "=0-1",
        ] {
            check(&[field], 10, Whole);
        }
        check(&["bytes=0-1", "bytes=0-1"], 10, Whole);
    }
}
