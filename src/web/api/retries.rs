//! `/api/v1/retries`: orders to ask everybody for one image again, now.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hyper::StatusCode;
use serde::Deserialize;

use crate::catalog::OriginKey;
use crate::ops::runs::{Kind, Work};
use crate::ops::verify::document_path;
use crate::origin::OriginUrl;
use crate::web::App;
use crate::web::api::ask::{Changer, Content, blocking};
use crate::web::api::runs::place;
use crate::web::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    origin: String,
}

pub(super) async fn order(
    State(app): State<Arc<App>>,
    _: Changer,
    Content(Wanted { origin }): Content<Wanted>,
) -> Result<Response, Problem> {
    let wanted = OriginUrl::parse(&origin).ok();
    let archive = Arc::clone(&app.archive);
    let documents = blocking(move || {
        let Some(wanted) = wanted else { return Ok(Vec::new()) };
        let names = archive.catalog.wanted_by(OriginKey::of(&wanted)).map_err(anyhow::Error::from)?;
        Ok(names.iter().map(|name| document_path(&archive, name)).collect::<Vec<_>>())
    })
    .await?;
    if documents.is_empty() {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "no document wants an image of this URL and lacks it",
        ));
    }
    place(&app, Kind::Retry, documents, Work::Retry { origin })
}
