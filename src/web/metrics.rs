//! Numbers for Prometheus.

use std::sync::Arc;

use axum::Router;

use crate::web::App;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
}
