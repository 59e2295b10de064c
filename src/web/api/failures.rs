//! `/api/v1/failures`: images that documents want and nobody gave.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::ops::status::{Missing, missing_behind};
use crate::web::App;
use crate::web::api::ask::{Asked, blocking};
use crate::web::api::part::{Part, cursor};
use crate::web::problem::Problem;

#[derive(Deserialize)]
pub(super) struct Question {
    reason: Option<String>,
    #[serde(flatten)]
    part: Part,
}

#[derive(Serialize)]
pub(super) struct List {
    failures: Vec<Missing>,
    /// The cursor of the next part, if there may be one.
    next: Option<String>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Asked(Question { reason, part }): Asked<Question>,
) -> Result<Json<List>, Problem> {
    let (most, behind) = (part.limit()?, part.behind()?.unwrap_or_default());
    blocking(&app, move |app| {
        let settings = app.settings();
        let now = jiff::Timestamp::now().as_millisecond();
        let place = (&*behind, reason.as_deref());
        let rows = missing_behind(&app.archive, settings.policy(), now, place, most)?;
        let next = rows.last().filter(|_| rows.len() == most as usize).map(|(key, _)| cursor(key.as_bytes()));
        Ok(Json(List { failures: rows.into_iter().map(|(_, missing)| missing).collect(), next }))
    })
    .await
}
