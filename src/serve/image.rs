//! One blob as an answer: what it is, whether the client has it, and which of its bytes are sent.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use hyper::body::Bytes;
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Method, Response, StatusCode};

use crate::blob::BlobName;
use crate::files::stat::Stat;
use crate::serve::body::{Body, Way};
use crate::serve::memory::{Content, Loaded};
use crate::serve::precondition::{Validators, Verdict, http_date};
use crate::serve::range::{self, Wanted};
use crate::serve::route::Asked;

/// For a URL that names bytes by their digest: they are the same for ever (RFC 8246).
pub(super) const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// For a URL that names an origin, which may have a newer copy tomorrow.
pub(super) const FOR_AN_HOUR: &str = "public, max-age=3600";

/// Under this nothing in an SVG runs, loads or leads anywhere, even when it is opened as a page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; \
                      frame-ancestors 'none'; sandbox";
/// Whatever page shows the image (Fetch Standard, section 3.7).
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What a client may know `blob` by.
pub(super) fn validators(blob: BlobName, stat: &Stat) -> Validators {
    Validators { etag: text(format!("\"{}\"", blob.digest)), modified: modified(stat) }
}

/// The fields of an answer with all of `blob`.
pub(super) fn head(blob: BlobName, validators: &Validators, size: u64) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(ETAG, validators.etag.clone());
    headers.insert(LAST_MODIFIED, text(http_date(validators.modified)));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(FOR_EVER));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(blob.media_type.mime()));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(CONTENT_DISPOSITION, disposition(blob, "inline"));
    headers
}

/// Answers a GET or HEAD for `blob`, which is at hand. `lifetime` is its Cache-Control; a file goes its `way`. Never blocks.
pub(super) fn answer(
    blob: BlobName,
    loaded: &Loaded,
    asked: Asked<'_>,
    lifetime: &'static str,
    way: &Way,
) -> Response<Body> {
    let validators = &loaded.validators;
    match validators.judge(asked.headers) {
        Verdict::Proceed => {}
        Verdict::NotModified => {
            // What the client has says the rest (RFC 9110, section 15.4.5).
            let mut response = bare(StatusCode::NOT_MODIFIED, validators);
            let headers = response.headers_mut();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(lifetime));
            headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
            return response;
        }
        Verdict::Failed => return bare(StatusCode::PRECONDITION_FAILED, validators),
    }
    // A range is defined for GET alone (RFC 9110, section 14.2).
    let is_get = *asked.method == Method::GET;
    let wanted = if is_get && validators.allow_range(asked.headers) {
        range::wanted(asked.headers, loaded.size)
    } else {
        Wanted::Whole
    };
    let (status, bytes) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..loaded.size),
        Wanted::Part(bytes) => (StatusCode::PARTIAL_CONTENT, bytes),
        Wanted::Unsatisfiable => {
            let mut response = bare(StatusCode::RANGE_NOT_SATISFIABLE, validators);
            response.headers_mut().insert(CONTENT_RANGE, text(format!("bytes */{}", loaded.size)));
            return response;
        }
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    *response.headers_mut() = loaded.head.clone();
    let headers = response.headers_mut();
    if lifetime != FOR_EVER {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(lifetime));
    }
    if status == StatusCode::PARTIAL_CONTENT {
        let value = format!("bytes {}-{}/{}", bytes.start, bytes.end - 1, loaded.size);
        headers.insert(CONTENT_RANGE, text(value));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.end - bytes.start));
    }
    if asked.uri.query().is_some_and(is_download) {
        headers.insert(CONTENT_DISPOSITION, disposition(blob, "attachment"));
    }
    if is_get {
        *response.body_mut() = match &loaded.content {
            Content::Held(held) => Body::Bytes(part(held, &bytes)),
            Content::Open(file) => Body::of_file(Arc::clone(file), bytes, way),
        };
    }
    response
}

/// An answer without content.
fn bare(status: StatusCode, validators: &Validators) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(ETAG, validators.etag.clone());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn part(held: &Bytes, range: &Range<u64>) -> Bytes {
    let end = |end: u64| usize::try_from(end).unwrap_or(usize::MAX).min(held.len());
    held.slice(end(range.start)..end(range.end))
}

/// Whether the blob is to be saved, not shown: the request says `?download`.
fn is_download(query: &str) -> bool {
    query.split('&').map(|parameter| parameter.split('=').next()).any(|name| name == Some("download"))
}

/// Under the blob's own name, which is safe anywhere.
fn disposition(blob: BlobName, kind: &str) -> HeaderValue {
    text(format!("{kind}; filename=\"{}.{}\"", blob.digest, blob.media_type.extension()))
}

/// When the blob was kept: seconds since 1970, and never in the future (RFC 9110, section 8.8.2.1).
fn modified(stat: &Stat) -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs());
    u64::try_from(stat.mtime_ns / 1_000_000_000).unwrap_or(0).min(now)
}

fn text(value: String) -> HeaderValue {
    HeaderValue::try_from(value).expect("digits, dates and words are visible ASCII")
}
