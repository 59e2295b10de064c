//! Lists in parts: how long one is, and where the next begins.
//!
//! A cursor is opaque to clients. Any text of its form is a place, so none is wrong; one that nobody gave leads to
//! somewhere in the list.

use hyper::StatusCode;
use serde::Deserialize;

use crate::web::problem::Problem;

/// Entries of a part where none are asked for.
const USUAL: u32 = 100;
/// The most that are given at once.
const MOST: u32 = 1_000;

/// Which part is asked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Part {
    limit: Option<String>,
    cursor: Option<String>,
}

impl Part {
    /// How many entries it has at most.
    pub(super) fn limit(&self) -> Result<u32, Problem> {
        match self.limit.as_deref().map(str::parse) {
            None => Ok(USUAL),
            Some(Ok(limit @ 1..=MOST)) => Ok(limit),
            Some(_) => Err(wrong("`limit` is from 1 to 1000")),
        }
    }

    /// Where the part before ended; `None` for the first.
    pub(super) fn behind(&self) -> Result<Option<Vec<u8>>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let pair = |pair: &[u8]| {
            let text = std::str::from_utf8(pair).ok().filter(|_| pair.iter().all(u8::is_ascii_hexdigit));
            text.and_then(|text| u8::from_str_radix(text, 16).ok())
        };
        let (pairs, rest) = cursor.as_bytes().as_chunks::<2>();
        let bytes: Option<Vec<u8>> = pairs.iter().map(|digits| pair(digits)).collect();
        let bytes = bytes.filter(|bytes| rest.is_empty() && !bytes.is_empty());
        bytes.map(Some).ok_or_else(|| wrong("`cursor` is what the part before gave as `next`"))
    }
}

/// A place as a cursor.
pub(super) fn cursor(place: &[u8]) -> String {
    place.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A question that cannot be understood.
pub(super) fn wrong(why: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let behind = |cursor: &str| Part { limit: None, cursor: Some(cursor.to_owned()) }.behind();
        for place in [&b"a"[..], &[0, 255, 16], "../posts/图.md".as_bytes()] {
            assert_eq!(behind(&cursor(place)), Ok(Some(place.to_vec())));
        }
        for cursor in ["", "a", "zz", "+1", "0x", "é", "abc"] {
            assert!(behind(cursor).is_err(), "{cursor}");
        }
        assert_eq!(Part::default().behind(), Ok(None));
        assert!(Part { limit: Some("0".to_owned()), cursor: None }.limit().is_err());
    }
}
