//! The archive as JSON, and orders to it.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};

use crate::ops::runs::View;
use crate::web::App;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/api/v1/runs", get(runs))
}

async fn runs(State(app): State<Arc<App>>) -> Json<Vec<View>> {
    Json(app.board.runs())
}
