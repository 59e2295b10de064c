//! `/api/v1/explain`: all that is known of one image, as `imgkeep explain` has it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::ops::explain::subject::{Unknown, subject};
use crate::ops::explain::{explain, json};
use crate::web::App;
use crate::web::api::ask::{Asked, blocking};
use crate::web::problem::Problem;

#[derive(Deserialize)]
pub(super) struct Question {
    image: String,
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Asked(Question { image }): Asked<Question>,
) -> Result<Json<Value>, Problem> {
    blocking(&app, move |app| {
        let (settings, archive) = (app.settings(), Some(&*app.archive));
        let subject = subject(&settings.reader, archive, &image).map_err(|error| {
            let unknown = error.downcast_ref::<Unknown>().map(ToString::to_string);
            unknown.map_or_else(|| Problem::of(&error), |why| Problem::new(StatusCode::NOT_FOUND, why))
        })?;
        let now = jiff::Timestamp::now().as_millisecond();
        let known = explain(&settings.reader, archive, settings.policy(), &subject, now)?;
        Ok(Json(json::json(&image, &subject, &known)))
    })
    .await
}
