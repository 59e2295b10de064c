//! Whether a client needs to be sent what it has (RFC 9110, section 13).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::HeaderMap;
use hyper::header::{
    HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};

/// The last second that an HTTP date can name.
const LAST_SECOND: u64 = 253_402_300_799;

/// What one blob is recognised by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    /// A strong entity tag, in its quotes.
    pub etag: HeaderValue,
    /// When the blob was kept: seconds since 1970.
    pub modified: u64,
}

/// What the preconditions of a GET or HEAD come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Answer as if there were none.
    Proceed,
    /// 304: the client has it.
    NotModified,
    /// 412: it is not what the client takes it for.
    Failed,
}

impl Validators {
    /// Judges the preconditions in their order of precedence (section 13.2.2).
    #[must_use]
    pub fn judge(&self, headers: &HeaderMap) -> Verdict {
        let holds = if headers.contains_key(IF_MATCH) {
            self.is_among(headers, &IF_MATCH, Comparison::Strong)
        } else {
            date(headers, &IF_UNMODIFIED_SINCE).is_none_or(|date| self.modified <= date)
        };
        if !holds {
            return Verdict::Failed;
        }
        let has_it = if headers.contains_key(IF_NONE_MATCH) {
            self.is_among(headers, &IF_NONE_MATCH, Comparison::Weak)
        } else {
            date(headers, &IF_MODIFIED_SINCE).is_some_and(|date| self.modified <= date)
        };
        if has_it { Verdict::NotModified } else { Verdict::Proceed }
    }

    /// Whether a range of it may be sent: what the client has of it is of the same bytes (section 13.1.5).
    #[must_use]
    pub fn allow_range(&self, headers: &HeaderMap) -> bool {
        let mut fields = headers.get_all(IF_RANGE).iter();
        match (fields.next(), fields.next()) {
            (None, _) => true,
            (Some(field), None) => {
                field == self.etag || date(headers, &IF_RANGE).is_some_and(|date| self.modified == date)
            }
            (Some(_), Some(_)) => false,
        }
    }

    /// Whether a list of entity tags has this one, or is `*`.
    fn is_among(&self, headers: &HeaderMap, name: &HeaderName, comparison: Comparison) -> bool {
        headers.get_all(name).iter().any(|field| {
            let field = field.as_bytes().trim_ascii();
            field == b"*" || Tags(field).any(|tag| tag.is(self.etag.as_bytes(), comparison))
        })
    }
}

/// A moment as HTTP writes it (section 5.6.7): seconds since 1970.
#[must_use]
pub fn http_date(second: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second.min(LAST_SECOND)))
}

/// The date of a field, in any of the three forms; what is none is ignored, and so are several.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let mut fields = headers.get_all(name).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return None };
    let time: SystemTime = httpdate::parse_http_date(field.to_str().ok()?).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// Section 8.8.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

struct Tag<'a> {
    is_weak: bool,
    /// In its quotes.
    opaque: &'a [u8],
}

impl Tag<'_> {
    fn is(&self, etag: &[u8], comparison: Comparison) -> bool {
        self.opaque == etag && (comparison == Comparison::Weak || !self.is_weak)
    }
}

/// The entity tags of a list, up to what is none (section 8.8.3). A tag may hold commas.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        let start = self.0.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        let rest = &self.0[start..];
        let (is_weak, rest) = rest.strip_prefix(b"W/").map_or((false, rest), |rest| (true, rest));
        let inner = rest.strip_prefix(b"\"")?;
        let length = memchr::memchr(b'"', inner)? + 2;
        self.0 = &rest[length..];
        Some(Tag { is_weak, opaque: &rest[..length] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn validators() -> Validators {
        Validators { etag: HeaderValue::from_static("\"abc\""), modified: 784_111_777 }
    }

    fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name.clone(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn preconditions_are_judged_in_the_order_of_the_rfc() {
        use Verdict::{Failed, NotModified, Proceed};
        let check = |fields: &[(HeaderName, &str)], expected: Verdict| {
            assert_eq!(validators().judge(&headers(fields)), expected, "{fields:?}");
        };
        check(&[], Proceed);
        for (list, has_strong, has_weak) in [
            ("\"abc\"", true, true),
            ("W/\"abc\"", false, true),
            ("*", true, true),
            (" * ", true, true),
            ("\"x\", \"abc\"", true, true),
            (",, \"x,\\\" ,W/\"abc\",", false, true),
            ("\"x, \"abc\"", false, false),
            ("\"abc", false, false),
            ("abc", false, false),
            ("w/\"abc\"", false, false),
            ("\"ABC\"", false, false),
            ("\"abcd\", \"ab\"", false, false),
            ("\"x\", *", false, false),
            ("", false, false),
        ] {
            check(&[(IF_MATCH, list)], if has_strong { Proceed } else { Failed });
            check(&[(IF_NONE_MATCH, list)], if has_weak { NotModified } else { Proceed });
        }
        check(&[(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, "\"abc\"")], NotModified);
        check(&[(IF_UNMODIFIED_SINCE, BEFORE)], Failed);
        check(&[(IF_UNMODIFIED_SINCE, THEN)], Proceed);
        check(&[(IF_MODIFIED_SINCE, BEFORE)], Proceed);
        for date in [THEN, AFTER, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            check(&[(IF_MODIFIED_SINCE, date)], NotModified);
        }
        for no_date in ["", "yesterday", "784111777", "Sun, 06 Nov 1994 08:49:37 GMT, x"] {
            check(&[(IF_MODIFIED_SINCE, no_date)], Proceed);
            check(&[(IF_UNMODIFIED_SINCE, no_date)], Proceed);
        }
        // tags outrank dates, and what must match outranks what must not
        check(&[(IF_MATCH, "\"abc\""), (IF_UNMODIFIED_SINCE, BEFORE)], Proceed);
        check(&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, AFTER)], Proceed);
        check(&[(IF_MATCH, "\"x\""), (IF_NONE_MATCH, "\"abc\"")], Failed);
        check(&[(IF_UNMODIFIED_SINCE, BEFORE), (IF_NONE_MATCH, "\"abc\"")], Failed);
        check(&[(IF_MATCH, "\"abc\""), (IF_NONE_MATCH, "\"abc\"")], NotModified);
        check(&[(IF_UNMODIFIED_SINCE, THEN), (IF_MODIFIED_SINCE, THEN)], NotModified);
    }

    #[test]
    fn a_range_needs_the_very_same_bytes() {
        for (value, expected) in [
            ("\"abc\"", true),
            ("W/\"abc\"", false),
            ("\"x\"", false),
            ("\"x\", \"abc\"", false),
            ("*", false),
            (THEN, true),
            (BEFORE, false),
            (AFTER, false),
            ("", false),
        ] {
            assert_eq!(validators().allow_range(&headers(&[(IF_RANGE, value)])), expected, "{value}");
        }
        assert!(validators().allow_range(&HeaderMap::new()));
        assert!(!validators().allow_range(&headers(&[(IF_RANGE, "\"abc\""), (IF_RANGE, "\"abc\"")])));
    }

    #[test]
    fn every_second_has_a_date() {
        assert_eq!(http_date(784_111_777), THEN);
        assert_eq!(http_date(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
