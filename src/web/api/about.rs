//! `/api/v1`: what answers here, and what there is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::web::App;

pub(super) async fn show(State(app): State<Arc<App>>) -> Json<Value> {
    Json(json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "works": app.orders.is_some(),
        "links": {
            "openapi": "/api/v1/openapi.json",
            "status": "/api/v1/status",
            "daemon": "/api/v1/daemon",
            "images": "/api/v1/images",
            "documents": "/api/v1/documents",
            "failures": "/api/v1/failures",
            "explain": "/api/v1/explain",
            "runs": "/api/v1/runs",
            "retries": "/api/v1/retries",
            "metrics": "/metrics",
            "health": "/healthz",
        },
    }))
}
