//! The gallery's own files: style, script and icon. Their names hold a digest, so they are the same for ever.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::digest::Digest;
use crate::serve;
use crate::web::App;

/// For a URL whose bytes are the same for ever (RFC 8246).
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// The same for what not everybody may see: no cache that several share keeps it.
const FOR_EVER_HERE: &str = "private, max-age=31536000, immutable";

/// Who may see what is the same for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// Everybody.
    All,
    /// Who may look at the archive.
    Readers,
}

/// A file that is part of the program.
#[derive(Debug)]
pub(in crate::web) struct Asset {
    /// `/assets/<name>-<digest>.<ext>`
    pub(in crate::web) path: String,
    text: &'static str,
    media_type: &'static str,
}

/// All of them.
#[derive(Debug)]
pub(in crate::web) struct Assets {
    pub(in crate::web) style: Asset,
    pub(in crate::web) script: Asset,
    pub(in crate::web) icon: Asset,
}

static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    style: Asset::new("style", "css", "text/css; charset=utf-8", include_str!("assets/style.css")),
    script: Asset::new("script", "js", "text/javascript; charset=utf-8", include_str!("assets/script.js")),
    icon: Asset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg")),
});

impl Assets {
    pub(in crate::web) fn get() -> &'static Self {
        &ASSETS
    }

    fn find(&self, name: &str) -> Option<&Asset> {
        [&self.style, &self.script, &self.icon]
            .into_iter()
            .find(|asset| asset.path.strip_prefix("/assets/") == Some(name))
    }
}

impl Asset {
    fn new(name: &str, extension: &str, media_type: &'static str, text: &'static str) -> Self {
        let digest = Digest::of(text.as_bytes()).to_string();
        Self { path: format!("/assets/{name}-{}.{extension}", &digest[..16]), text, media_type }
    }
}

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = Assets::get().find(&name) else { return serve::not_kept() };
    let etag = format!("\"{name}\"");
    if has(&headers, &etag) {
        return not_modified(&etag, For::All);
    }
    unchanging(&etag, For::All, asset.media_type, Body::from(asset.text))
}

/// Whether the client says that it has what `etag` names, which is there (RFC 9110, section 13.1.2); the tag holds no
/// comma.
pub(super) fn has(headers: &HeaderMap, etag: &str) -> bool {
    let fields = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|field| field.to_str().ok());
    fields
        .flat_map(|field| field.split(','))
        .any(|tag| matches!(tag.trim(), "*") || tag.trim().trim_start_matches("W/") == etag)
}

pub(super) fn not_modified(etag: &str, whose: For) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    keep_for_ever(response.headers_mut(), etag, whose);
    response
}

/// An answer that is the same for ever.
pub(super) fn unchanging(etag: &str, whose: For, media_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    keep_for_ever(headers, etag, whose);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    response
}

fn keep_for_ever(headers: &mut HeaderMap, etag: &str, whose: For) {
    let lifetime = match whose {
        For::All => FOR_EVER,
        For::Readers => FOR_EVER_HERE,
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(lifetime));
    headers.insert(ETAG, HeaderValue::from_str(etag).expect("a name of ours and a digest are visible ASCII"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_found_by_its_whole_name_only() {
        let assets = Assets::get();
        let name = assets.style.path.strip_prefix("/assets/").unwrap();
        assert!(assets.find(name).is_some());
        assert!(assets.find("style.css").is_none());
        assert!(assets.find("").is_none());
    }

    #[test]
    fn a_list_of_tags_is_looked_through() {
        let check = |field: &str, expected: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, field.parse().unwrap());
            assert_eq!(has(&headers, "\"a-1\""), expected, "{field}");
        };
        check("\"a-1\"", true);
        check("\"b\", W/\"a-1\"", true);
        check("*", true);
        check("\"a\"", false);
        check("a-1", false);
    }
}
