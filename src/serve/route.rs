//! Which answer a request gets.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode, Version};
use tokio::task::spawn_blocking;
use tower::ServiceExt;

use crate::blob::BlobName;
use crate::digest::Digest;
use crate::serve::wrapper::CACHE_STATUS;
use crate::serve::{Error, Site, image, wrapper};
use crate::store;

/// What may be asked; everything may be asked in each of these ways.
pub(super) const METHODS: &str = "GET, HEAD, OPTIONS";

/// Answers a request. What blocks is done elsewhere.
pub(super) async fn answer(site: Arc<Site>, request: Request<Incoming>) -> Response {
    let (head, content) = request.into_parts();
    if head.version == Version::HTTP_11 && head.headers.get_all(HOST).iter().count() != 1 {
        // RFC 9112, section 3.2.
        return plain(StatusCode::BAD_REQUEST, "one Host is needed\n");
    }
    if let Some(pages) = site.pages_for(&head) {
        let page = pages.oneshot(Request::from_parts(head, Body::new(content))).await;
        return page.unwrap_or_else(|never| match never {});
    }
    // Nothing here is told anything. What is not read ends the connection, so it cannot be taken for a request.
    if !content.is_end_stream() {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "no content is taken\n");
    }
    spawn_blocking(move || site.answer(&head)).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request was not answered");
        plain(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong\n")
    })
}

impl Site {
    /// The pages, if the request is for one of them.
    fn pages_for(&self, head: &Parts) -> Option<Router> {
        let pages = self.pages.as_ref().filter(|pages| (pages.own)(head.uri.path()))?;
        (!wrapper::is_meant(&self.families, head)).then(|| pages.router.clone())
    }

    fn answer(&self, head: &Parts) -> Response {
        let mut response = match head.method {
            Method::GET | Method::HEAD => self.find(head).unwrap_or_else(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "a request was not answered");
                plain(error.status(), "the archive cannot be read\n")
            }),
            Method::OPTIONS => self.cors.preflight(&head.headers),
            _ => refused(),
        };
        self.cors.apply(&head.headers, response.headers_mut());
        tracing::debug!(method = %head.method, target = %head.uri, status = response.status().as_u16());
        response
    }

    fn find(&self, head: &Parts) -> Result<Response, Error> {
        let path = head.uri.path();
        if let Some(blob) = blob(path) {
            let found = image::answer(&self.store, blob, head, image::FOR_EVER)?;
            return Ok(found.unwrap_or_else(not_kept));
        }
        if path == "/healthz" {
            return Ok(self.health());
        }
        Ok(wrapper::answer(self, head)?.unwrap_or_else(not_kept))
    }

    /// 503 is for whoever sends requests elsewhere as long as it lasts.
    fn health(&self) -> Response {
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

fn refused() -> Response {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered\n");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
    response
}

/// The blob that a path names, spelled as it is stored: nothing else may ever reach the disk.
fn blob(path: &str) -> Option<BlobName> {
    let name = path.strip_prefix("/images/")?;
    BlobName::from_link(name).filter(|blob| blob.to_string() == name)
}

/// For what the archive does not have.
pub(crate) fn not_kept() -> Response {
    let mut response = plain(StatusCode::NOT_FOUND, "not kept\n");
    response.headers_mut().insert(CACHE_STATUS, HeaderValue::from_static("imgkeep; detail=not-kept"));
    response
}

/// A line for a person. It may be another one tomorrow, and holds nothing of the request.
fn plain(status: StatusCode, line: &'static str) -> Response {
    let mut response = Response::new(Body::from(line));
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
