//! One blob as an answer: what it is, whether the client has it, and which of its bytes are sent.

use std::time::SystemTime;

use axum::body::Body;
use axum::response::Response;
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use crate::blob::BlobName;
use crate::files::{self, stat::Stat};
use crate::serve::body;
use crate::serve::precondition::{Validators, Verdict, http_date};
use crate::serve::range::{self, Wanted};
use crate::store::{self, Store};

/// For a URL that names bytes by their digest: they are the same for ever (RFC 8246).
pub(super) const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// For a URL that names an origin, which may have a newer copy tomorrow.
pub(super) const FOR_AN_HOUR: &str = "public, max-age=3600";

/// Under this nothing in an SVG runs, loads or leads anywhere, even when it is opened as a page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; \
                      frame-ancestors 'none'; sandbox";
/// Whatever page shows the image (Fetch Standard, section 3.7).
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Answers a GET or HEAD for `blob`; `None` if the store does not have it. `lifetime` is its Cache-Control.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn answer(
    store: &Store,
    blob: BlobName,
    head: &Parts,
    lifetime: &'static str,
) -> Result<Option<Response>, store::Error> {
    let Some((file, stat)) = store.open_blob(blob)? else { return Ok(None) };
    let validators = Validators { etag: format!("\"{}\"", blob.digest), modified: modified(&stat) };
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(ETAG, text(validators.etag.clone()));
    headers.insert(LAST_MODIFIED, text(http_date(validators.modified)));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(lifetime));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    match validators.judge(&head.headers) {
        Verdict::Proceed => {}
        Verdict::NotModified => {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(Some(response));
        }
        Verdict::Failed => {
            response.headers_mut().remove(CACHE_CONTROL);
            *response.status_mut() = StatusCode::PRECONDITION_FAILED;
            return Ok(Some(response));
        }
    }

    // A range is defined for GET alone (RFC 9110, section 14.2).
    let wanted = if head.method == Method::GET && validators.allow_range(&head.headers) {
        range::wanted(&head.headers, stat.size)
    } else {
        Wanted::Whole
    };
    let headers = response.headers_mut();
    let (status, bytes) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..stat.size),
        Wanted::Part(bytes) => {
            let value = format!("bytes {}-{}/{}", bytes.start, bytes.end - 1, stat.size);
            headers.insert(CONTENT_RANGE, text(value));
            (StatusCode::PARTIAL_CONTENT, bytes)
        }
        Wanted::Unsatisfiable => {
            headers.remove(CACHE_CONTROL);
            headers.insert(CONTENT_RANGE, text(format!("bytes */{}", stat.size)));
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            return Ok(Some(response));
        }
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(blob.media_type.mime()));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.end - bytes.start));
    headers.insert(CONTENT_DISPOSITION, text(disposition(blob, head)));
    *response.status_mut() = status;
    if head.method == Method::GET {
        let path = store.path(blob);
        *response.body_mut() = body::of(file, bytes).map_err(files::Error::io(&path, "read"))?;
    }
    Ok(Some(response))
}

/// Shown, or saved where the request says `?download`; under the blob's own name, which is safe anywhere.
fn disposition(blob: BlobName, head: &Parts) -> String {
    let parameters = head.uri.query().unwrap_or_default().split('&');
    let is_download =
        parameters.map(|parameter| parameter.split('=').next()).any(|name| name == Some("download"));
    let kind = if is_download { "attachment" } else { "inline" };
    format!("{kind}; filename=\"{}.{}\"", blob.digest, blob.media_type.extension())
}

/// When the blob was kept: seconds since 1970, and never in the future (RFC 9110, section 8.8.2.1).
fn modified(stat: &Stat) -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs());
    u64::try_from(stat.mtime_ns / 1_000_000_000).unwrap_or(0).min(now)
}

fn text(value: String) -> HeaderValue {
    HeaderValue::try_from(value).expect("digits, dates and words are visible ASCII")
}
