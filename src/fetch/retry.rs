//! When to ask again.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, fmt::rfc2822};
use reqwest::header::{self, HeaderMap};

use super::error::Error;

/// A server that wants to be left alone for longer is asked again nonetheless: few mean it, and a wrong clock or
/// a slip of the pen must not lose an image.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// Exponential backoff with full jitter: each wait is random between nothing and a bound that doubles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Further attempts after the first.
    pub retries: u32,
    /// The bound before the second attempt.
    pub base: Duration,
    /// The highest bound.
    pub cap: Duration,
}

impl Backoff {
    /// The usual bounds: half a second, doubling up to half a minute.
    #[must_use]
    pub fn new(retries: u32) -> Self {
        Self { retries, base: Duration::from_millis(500), cap: Duration::from_secs(30) }
    }

    /// How long to wait after attempt number `attempt` (from 1) failed with `error`. `None`: not worth
    /// another. A server that names a time is given that time and a jittered wait on top, so that not all
    /// come back at once.
    pub fn delay(&self, attempt: u32, error: &Error, rng: &mut fastrand::Rng) -> Option<Duration> {
        if attempt > self.retries || !error.is_transient() {
            return None;
        }
        let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
        let bound = self.base.saturating_mul(doubled).min(self.cap);
        Some(error.retry_after().unwrap_or_default() + bound.mul_f64(rng.f64()))
    }
}

/// What `Retry-After` asks for (RFC 9110 section 10.2.3), at most a week; `None` if it is absent or garbled.
pub(super) fn after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    retry_after(text, Timestamp::now())
}

/// What a value of `Retry-After` asks for at `now`, at most a week.
#[must_use]
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // digits that do not fit are more than any cap
        return Some(text.parse().map_or(MAX_RETRY_AFTER, Duration::from_secs).min(MAX_RETRY_AFTER));
    }
    let wait = http_date(text)?.duration_since(now);
    Some(Duration::try_from(wait).unwrap_or_default().min(MAX_RETRY_AFTER))
}

/// A date in one of the three forms of RFC 9110 section 5.6.7.
fn http_date(text: &str) -> Option<Timestamp> {
    let parser = rfc2822::DateTimeParser::new().relaxed_weekday(true);
    let obsolete = |format| {
        let time = DateTime::strptime(format, text).ok()?;
        Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    parser
        .parse_timestamp(text)
        .ok()
        .or_else(|| obsolete("%A, %d-%b-%y %H:%M:%S GMT"))
        .or_else(|| obsolete("%a %b %e %H:%M:%S %Y"))
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::*;

    fn status(code: u16, retry_after: Option<u64>) -> Error {
        let status = StatusCode::from_u16(code).unwrap();
        Error::Status { status, retry_after: retry_after.map(Duration::from_secs) }
    }

    #[test]
    fn waits_grow_within_their_bounds() {
        let backoff = Backoff::new(10);
        let mut rng = fastrand::Rng::with_seed(1);
        for (attempt, bound) in [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (10, 30.0)] {
            let waits: Vec<f64> =
                std::iter::repeat_with(|| backoff.delay(attempt, &status(503, None), &mut rng))
                    .take(200)
                    .map(|wait| wait.unwrap().as_secs_f64())
                    .collect();
            assert!(waits.iter().all(|wait| *wait <= bound), "{attempt}");
            assert!(
                waits.iter().any(|wait| *wait > bound * 0.9) && waits.iter().any(|wait| *wait < bound * 0.1)
            );
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again_and_not_for_ever() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut tried =
            |attempt, code| Backoff::new(3).delay(attempt, &status(code, None), &mut rng).is_some();
        for code in [408, 429, 500, 503] {
            assert!(tried(1, code) && tried(3, code), "{code}");
            assert!(!tried(4, code), "{code}");
        }
        for code in [204, 206, 304, 400, 401, 403, 404, 410, 451] {
            assert!(!tried(1, code), "{code}");
        }
    }

    #[test]
    fn a_named_time_is_kept_to() {
        let mut rng = fastrand::Rng::with_seed(1);
        let wait = Backoff::new(3).delay(1, &status(429, Some(7)), &mut rng).unwrap().as_secs_f64();
        assert!((7.0..=7.5).contains(&wait), "{wait}");
    }

    #[test]
    fn retry_after_in_all_forms() {
        let now = "1994-11-06T08:49:30Z".parse().unwrap();
        let check = |text, seconds: Option<u64>| {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        };
        check("120", Some(120));
        check(" 0 ", Some(0));
        check("86400", Some(86_400));
        check("1000000000", Some(604_800));
        check("99999999999999999999999", Some(604_800));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(7));
        check("Sunday, 06-Nov-94 08:49:37 GMT", Some(7));
        check("Sun Nov  6 08:49:37 1994", Some(7));
        check("Sun, 06 Nov 1994 08:00:00 GMT", Some(0));
        check("Sun, 06 Nov 2044 08:00:00 GMT", Some(604_800));
        for garbage in ["", "-5", "1e9", "soon", "+3", "3.5"] {
            check(garbage, None);
        }
    }
}
