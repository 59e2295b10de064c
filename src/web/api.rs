//! The archive as JSON, and orders to it: version 1, below `/api/v1`.
//!
//! One file a resource. What is asked for in vain gets a [`Problem`]; `openapi.json` beside this file describes
//! all of it, and is served, too.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{any, get, post};
use hyper::StatusCode;

use crate::web::App;
use crate::web::problem::Problem;

mod about;
mod ask;
mod daemon;
mod documents;
mod events;
mod explain;
mod failures;
mod images;
mod openapi;
mod part;
mod retries;
mod runs;
mod status;

pub(in crate::web) use events::Listeners;

/// The longest content of a request, in bytes.
const CONTENT_BYTES: usize = 256 << 10;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api", any(nothing))
        .route("/api/{*rest}", any(nothing))
        .route("/api/v1", get(about::show))
        .route("/api/v1/openapi.json", get(openapi::show))
        .route("/api/v1/status", get(status::show))
        .route("/api/v1/daemon", get(daemon::show))
        .route("/api/v1/images", get(images::list))
        .route("/api/v1/images/{digest}", get(images::show))
        .route("/api/v1/documents", get(documents::list))
        .route("/api/v1/failures", get(failures::list))
        .route("/api/v1/explain", get(explain::show))
        .route("/api/v1/runs", get(runs::list).post(runs::order))
        .route("/api/v1/runs/{id}", get(runs::show).delete(runs::cancel))
        .route("/api/v1/runs/{id}/events", get(events::show))
        .route("/api/v1/retries", post(retries::order))
        .method_not_allowed_fallback(refuse)
        .layer(DefaultBodyLimit::max(CONTENT_BYTES))
}

async fn nothing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path")
}

/// `Allow` is added to it.
async fn refuse() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this cannot be done with what is at this path")
}
