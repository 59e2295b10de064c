//! What all pages have in common: their frame, their headers, and what is said when there is none.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::task::spawn_blocking;

use crate::web::App;
use crate::web::access::Visitor;
use crate::web::gallery::assets::Assets;

/// Nothing but our own files, no script or style within a page, and no other page around one.
const POLICY: &str = "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A chapter of the gallery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chapter {
    Overview,
    Images,
    Documents,
    Failures,
    Runs,
}

/// What stands around the content of a page.
#[derive(Debug)]
pub(super) struct Frame {
    /// Where it belongs.
    pub(super) here: Option<Chapter>,
    /// Whether changes may be ordered.
    pub(super) may_change: bool,
    /// Whether somebody works on orders.
    pub(super) has_daemon: bool,
    /// What was looked for.
    pub(super) find: String,
    /// Where style and script are.
    pub(super) assets: &'static Assets,
}

impl Frame {
    pub(super) fn new(app: &App, visitor: Visitor, here: Chapter) -> Self {
        Self {
            here: Some(here),
            may_change: visitor.may_change,
            has_daemon: app.orders.is_some(),
            find: String::new(),
            assets: Assets::get(),
        }
    }

    /// The chapters by name and address, and whether each is where the page belongs.
    pub(super) fn chapters(&self) -> [(&'static str, &'static str, bool); 5] {
        [
            ("Overview", "/", Chapter::Overview),
            ("Images", "/images", Chapter::Images),
            ("Documents", "/documents", Chapter::Documents),
            ("Failures", "/failures", Chapter::Failures),
            ("Runs", "/runs", Chapter::Runs),
        ]
        .map(|(name, path, chapter)| (name, path, self.here == Some(chapter)))
    }

    /// Whether signing in would help.
    pub(super) fn may_sign_in(&self) -> bool {
        self.has_daemon && !self.may_change
    }
}

/// Why there is no page.
#[derive(Debug)]
pub(super) enum Problem {
    /// Nothing is known by that name.
    Unknown(&'static str),
    /// It may not be asked for.
    Refused(&'static str),
    /// Too much is asked for at a time.
    Busy(&'static str),
    /// Something of ours failed.
    Broken(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

#[derive(Debug, Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    title: &'static str,
    text: &'static str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, title, text) = match self {
            Self::Unknown(text) => (StatusCode::NOT_FOUND, "Not here", text),
            Self::Refused(text) => (StatusCode::FORBIDDEN, "Not allowed", text),
            Self::Busy(text) => (StatusCode::SERVICE_UNAVAILABLE, "One moment", text),
            Self::Broken(error) => {
                tracing::error!(error = format!("{error:#}"), "a page was not made");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Out of order",
                    "The archive cannot be read. The log says why.",
                )
            }
        };
        let (here, find, assets) = (None, String::new(), Assets::get());
        let frame = Frame { here, may_change: false, has_daemon: false, find, assets };
        let mut response = with_status(status, &ProblemPage { frame, title, text });
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// A page as an answer.
pub(super) fn answer(page: &impl Template) -> Response {
    with_status(StatusCode::OK, page)
}

pub(super) fn with_status(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => {
            let mut response = Response::new(Body::from(html));
            *response.status_mut() = status;
            set_headers(response.headers_mut());
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page was not made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The headers of every page.
fn set_headers(headers: &mut HeaderMap) {
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Without any, a browser would not say whose form it sends (Fetch Standard, section 3.2).
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Makes something of the catalog and the disk, where waiting for them holds nobody up, in its turn.
pub(super) async fn look<T: Send + 'static>(
    app: &Arc<App>,
    look: impl FnOnce(&App) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let app = Arc::clone(app);
    let turn = app.turns.take().await.map_err(|_| Problem::Busy("Too many ask at a time."))?;
    let look = move || {
        let seen = look(&app);
        drop(turn);
        seen
    };
    spawn_blocking(look).await?
}

/// Bytes of a query as a path.
pub(super) fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// Milliseconds since 1970.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The parameters of a query, as bytes: names of files need not be text. Those without a value are left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(Vec<u8>, Vec<u8>)>);

impl Query {
    pub(super) fn new(query: Option<&str>) -> Self {
        let decode = |text: &str| -> Vec<u8> {
            percent_encoding::percent_decode(text.replace('+', " ").as_bytes()).collect()
        };
        let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.filter(|(_, value)| !value.is_empty()).map(|(n, v)| (decode(n), decode(v))).collect())
    }

    /// The first value of a parameter.
    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(other, _)| other == name.as_bytes()).map(|(_, value)| value.as_slice())
    }

    /// The same as text without white space around it; `None` for what is none.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.bytes(name)?).ok().map(str::trim).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_bytes() {
        let query = Query::new(Some("path=%2Fa%20b+c%FF&host=&type=%20png%20&path=x&odd"));
        assert_eq!(query.bytes("path"), Some(b"/a b c\xff".as_slice()));
        assert_eq!((query.text("path"), query.bytes("host"), query.text("type")), (None, None, Some("png")));
        assert_eq!(Query::new(None).bytes("path"), None);
    }
}
