//! Pages for a browser, made on the server; they work without JavaScript.

use std::sync::Arc;

use axum::Router;
use axum::response::Html;
use axum::routing::get;

use crate::web::App;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/", get(async || Html("<!doctype html><title>imgkeep</title>")))
}
