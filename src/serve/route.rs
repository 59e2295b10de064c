//! Which answer a request gets.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use tokio::task::spawn_blocking;
use tower::ServiceExt;

use crate::blob::BlobName;
use crate::digest::Digest;
use crate::serve::body::{Body, Way};
use crate::serve::memory::Loaded;
use crate::serve::metrics::Kind;
use crate::serve::wrapper::CACHE_STATUS;
use crate::serve::{Error, Site, image, wrapper};
use crate::store;

/// What may be asked; everything may be asked in each of these ways.
pub(super) const METHODS: &str = "GET, HEAD, OPTIONS";

/// What an answer depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
}

impl<'a> From<&'a Parts> for Asked<'a> {
    fn from(head: &'a Parts) -> Self {
        Self { method: &head.method, uri: &head.uri, headers: &head.headers }
    }
}

/// Answers a request for an image that is at hand, and no other. Never waits.
pub(super) fn at_once(
    site: &Site,
    request: &Request<Incoming>,
    way: &Way,
    now: Instant,
) -> Option<Response<Body>> {
    let is_plain = matches!(*request.method(), Method::GET | Method::HEAD)
        && request.body().is_end_stream()
        && has_host(request.version(), request.headers());
    let blob = if is_plain { blob(request.uri().path())? } else { return None };
    let loaded = site.memory.get(blob, now)?;
    let asked = Asked { method: request.method(), uri: request.uri(), headers: request.headers() };
    let mut response = image::answer(blob, &loaded, asked, image::FOR_EVER, way);
    site.finish(asked, &mut response);
    Some(response)
}

/// Answers a request. What blocks is done elsewhere.
pub(super) async fn answer(site: Arc<Site>, request: Request<Incoming>, way: Way) -> (Kind, Response<Body>) {
    if !has_host(request.version(), request.headers()) {
        return (Kind::Other, plain(StatusCode::BAD_REQUEST, "one Host is needed\n"));
    }
    let (head, content) = request.into_parts();
    if let Some(pages) = site.pages_for(&head) {
        let page = pages.oneshot(Request::from_parts(head, axum::body::Body::new(content))).await;
        return (Kind::Page, page.unwrap_or_else(|never| match never {}).map(Body::Page));
    }
    // Nothing here is told anything. What is not read ends the connection, so it cannot be taken for a request.
    if !content.is_end_stream() {
        return (Kind::Other, plain(StatusCode::PAYLOAD_TOO_LARGE, "no content is taken\n"));
    }
    let kind = match head.uri.path() {
        "/healthz" => Kind::Health,
        path if blob(path).is_some() => Kind::Image,
        _ => Kind::Wrapper,
    };
    let looker = Arc::clone(&site);
    let response = spawn_blocking(move || looker.answer(&head, &way)).await;
    if site.memory.needs_sweeping() {
        tokio::spawn(Arc::clone(&site.memory).sweep(Arc::clone(&site.store)));
    }
    let response = response.unwrap_or_else(|error| {
        tracing::error!(%error, "a request was not answered");
        plain(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong\n")
    });
    (kind, response)
}

/// RFC 9112, section 3.2.
fn has_host(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    version != Version::HTTP_11 || hosts.next().is_some() && hosts.next().is_none()
}

impl Site {
    /// The pages, if the request is for one of them.
    fn pages_for(&self, head: &Parts) -> Option<Router> {
        let pages = self.pages.as_ref().filter(|pages| (pages.own)(head.uri.path()))?;
        (!wrapper::is_meant(&self.families, head)).then(|| pages.router.clone())
    }

    fn answer(&self, head: &Parts, way: &Way) -> Response<Body> {
        let mut response = match head.method {
            Method::GET | Method::HEAD => self.find(head, way).unwrap_or_else(|error| {
                match &error {
                    // Said when it was found; it may be asked for any number of times.
                    Error::Store(store::Error::Corrupt { .. }) => tracing::debug!(%error),
                    _ => {
                        let error: &dyn std::error::Error = &error;
                        tracing::error!(error, "a request was not answered");
                    }
                }
                plain(error.status(), "the archive cannot be read\n")
            }),
            Method::OPTIONS => self.cors.preflight(&head.headers),
            _ => refused(),
        };
        self.finish(head.into(), &mut response);
        response
    }

    fn finish(&self, asked: Asked<'_>, response: &mut Response<Body>) {
        self.cors.apply(asked.headers, response.headers_mut());
        tracing::debug!(method = %asked.method, target = %asked.uri, status = response.status().as_u16());
    }

    fn find(&self, head: &Parts, way: &Way) -> Result<Response<Body>, Error> {
        let path = head.uri.path();
        if let Some(blob) = blob(path) {
            let loaded = self.memory.load(&self.store, blob)?;
            let answer =
                |loaded: Arc<Loaded>| image::answer(blob, &loaded, head.into(), image::FOR_EVER, way);
            return Ok(loaded.map_or_else(absent, answer));
        }
        if path == "/healthz" {
            return Ok(self.health());
        }
        Ok(wrapper::answer(self, head, way)?.unwrap_or_else(absent))
    }

    /// 503 is for whoever sends requests elsewhere as long as it lasts.
    fn health(&self) -> Response<Body> {
        match self.check() {
            Ok(()) => plain(StatusCode::OK, "ok\n"),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "not ready");
                plain(StatusCode::SERVICE_UNAVAILABLE, "the archive cannot be read\n")
            }
        }
    }

    /// Whether both the store and the catalog answer.
    fn check(&self) -> Result<(), Error> {
        self.catalog.knows(Digest::of(b""))?;
        self.store.check_folder().map_err(store::Error::into)
    }
}

fn refused() -> Response<Body> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered\n");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
    response
}

/// The blob that a path names, spelled as it is stored: nothing else may ever reach the disk.
#[must_use]
pub fn blob(path: &str) -> Option<BlobName> {
    let name = path.strip_prefix("/images/")?;
    BlobName::from_link(name).filter(|blob| blob.is_written(name))
}

/// For what the archive does not have, from whoever has the pages.
pub(crate) fn not_kept() -> axum::response::Response {
    absent()
}

fn absent<B: From<&'static str>>() -> Response<B> {
    let mut response = plain(StatusCode::NOT_FOUND, "not kept\n");
    response.headers_mut().insert(CACHE_STATUS, HeaderValue::from_static("imgkeep; detail=not-kept"));
    response
}

/// A line for a person. It may be another one tomorrow, and holds nothing of the request.
fn plain<B: From<&'static str>>(status: StatusCode, line: &'static str) -> Response<B> {
    let mut response = Response::new(B::from(line));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::MediaType;

    #[test]
    fn only_a_blobs_own_name_reaches_the_disk() {
        let name = BlobName { digest: Digest::of(b"x"), media_type: MediaType::Png };
        assert_eq!(blob(&format!("/images/{name}")), Some(name));
        let text = name.to_string();
        for path in [
            format!("/images/../images/{name}"),
            format!("/images//{name}"),
            format!("/images/x/{name}"),
            format!("/images/%2e%2e/{name}"),
            format!("/image/{name}"),
            format!("//images/{name}"),
            format!("/images/{name}/"),
            format!("/images/{name}%00"),
            format!("/images/{}", text.to_uppercase()),
            format!("/images/{}", text.replace('/', "%2F")),
            format!("/images/{}", &text[3..]),
            format!("/images/{}", text.replace("png", "exe")),
            "/images/../VERSION".to_owned(),
            "/images/".to_owned(),
        ] {
            assert_eq!(blob(&path), None, "{path}");
        }
    }
}
