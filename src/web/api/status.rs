//! `/api/v1/status`: the archive in sums, as `imgkeep status` has them, and what the daemon is at.

use std::sync::Arc;

use anyhow::Result;
use axum::Json;
use axum::extract::State;
use serde_json::Value;

use crate::web::App;
use crate::web::api::ask::blocking;
use crate::web::api::daemon;
use crate::web::problem::Problem;
use crate::web::summary::summary;

pub(super) async fn show(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    blocking(&app, move |app| {
        let both = || -> Result<Value> {
            let mut value = serde_json::to_value(&*summary(app)?)?;
            value["daemon"] = serde_json::to_value(daemon::of(app))?;
            Ok(value)
        };
        Ok(Json(both()?))
    })
    .await
}
