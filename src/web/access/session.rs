//! Those who signed in with a browser. In memory: a restart signs everybody out.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hyper::HeaderMap;
use hyper::header::COOKIE;

use crate::digest::Digest;
use crate::web::access::token::random;

/// The cookie's name.
const NAME: &str = "imgkeep_session";
/// After that one has to sign in again.
const LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Sessions at a time; the oldest makes room.
const MOST: usize = 64;
/// Who is signed in, by the digest of the cookie's value, and until when.
#[derive(Debug, Default)]
pub struct Sessions {
    open: Mutex<HashMap<Digest, Instant>>,
}

impl Sessions {
    /// Starts one. Returns the cookie, `name=value`; an empty value, which is nobody's, should the system have no
    /// random bytes.
    pub(super) fn start(&self) -> String {
        let value = random().unwrap_or_default();
        if !value.is_empty() {
            let mut open = self.open();
            let now = Instant::now();
            open.retain(|_, until| *until > now);
            while open.len() >= MOST {
                let oldest = open.iter().min_by_key(|(_, until)| **until).map(|(digest, _)| *digest);
                oldest.map(|digest| open.remove(&digest));
            }
            open.insert(Digest::of(value.as_bytes()), now + LIFE);
        }
        format!("{NAME}={value}")
    }

    /// Whether a request shows the cookie of one.
    pub(super) fn is_of(&self, fields: &HeaderMap) -> bool {
        let open = self.open();
        let is_open = |value| open.get(&Digest::of(value)).is_some_and(|until| *until > Instant::now());
        !open.is_empty() && values(fields).any(is_open)
    }

    /// Ends those that a request shows.
    pub(super) fn end(&self, fields: &HeaderMap) {
        let mut open = self.open();
        for value in values(fields) {
            open.remove(&Digest::of(value));
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Digest, Instant>> {
        self.open.lock().expect("no holder of the sessions panics")
    }
}

/// The values of our cookie (RFC 6265, section 4.2.1).
fn values(fields: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let pairs =
        fields.get_all(COOKIE).into_iter().flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
    let pairs = pairs.map(|pair| pair.trim_ascii().strip_prefix(NAME.as_bytes()));
    pairs.filter_map(|rest| rest?.strip_prefix(b"=")).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, cookie.parse().unwrap())])
    }

    #[test]
    fn a_session_lasts_until_it_is_ended() {
        let sessions = Sessions::default();
        let (one, other) = (sessions.start(), sessions.start());
        let shown = fields(&format!("theme=dark; {one};x=y"));
        assert!(sessions.is_of(&shown) && sessions.is_of(&fields(&other)));
        for cookie in ["imgkeep_session=", "imgkeep_session=x", "ximgkeep_session=x", &one[..one.len() - 1]] {
            assert!(!sessions.is_of(&fields(cookie)), "{cookie}");
        }
        sessions.end(&shown);
        assert!(!sessions.is_of(&shown) && sessions.is_of(&fields(&other)));
    }

    #[test]
    fn there_are_never_too_many() {
        let sessions = Sessions::default();
        let all: Vec<String> = (0..=MOST).map(|_| sessions.start()).collect();
        assert!(!sessions.is_of(&fields(&all[0])) && sessions.is_of(&fields(&all[MOST])));
        assert_eq!(sessions.open().len(), MOST);
    }
}
