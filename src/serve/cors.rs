//! Whose scripts may read what is served (Fetch Standard, section 3.3). An `<img>` needs no leave.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, HeaderValue, ORIGIN, VARY,
};
use hyper::{HeaderMap, Response, StatusCode};

use crate::serve::body::Body;
use crate::serve::route::METHODS;

/// What a script may send besides what any may.
const REQUEST_FIELDS: &str =
    "Range, If-Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since";
/// What a script may read besides what any may.
const RESPONSE_FIELDS: &str =
    "Accept-Ranges, Content-Disposition, Content-Range, ETag, Link, Memento-Datetime, Cache-Status";

/// The web origins of `server.cors`.
#[derive(Debug)]
pub(super) struct Cors {
    any: bool,
    origins: Vec<String>,
}

impl Cors {
    pub(super) fn new(origins: &[String]) -> Self {
        Self { any: origins.iter().any(|origin| origin == "*"), origins: origins.to_vec() }
    }

    /// Adds to `answer` that the script that asked may read it, if it may.
    pub(super) fn apply(&self, asked: &HeaderMap, answer: &mut HeaderMap) {
        if self.origins.is_empty() {
            return;
        }
        if !self.any {
            answer.append(VARY, HeaderValue::from_static("Origin"));
        }
        let Some(allowed) = self.allowed(asked) else { return };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(RESPONSE_FIELDS));
    }

    /// Answers OPTIONS, by which a browser asks whether a script may ask.
    pub(super) fn preflight(&self, asked: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static(METHODS));
        if self.allowed(asked).is_some() {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_FIELDS));
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        }
        response
    }

    fn allowed(&self, asked: &HeaderMap) -> Option<HeaderValue> {
        if self.any {
            return Some(HeaderValue::from_static("*"));
        }
        let origin = asked.get(ORIGIN)?;
        let known = self.origins.iter().any(|known| origin.as_bytes() == known.as_bytes());
        known.then(|| origin.clone())
    }
}
