//! `/api/v1/retries`: orders to ask everybody for one image again, now.

use std::path::PathBuf;
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
use crate::web::api::runs::{outside, place};
use crate::web::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    origin: String,
}

pub(super) async fn order(
    State(app): State<Arc<App>>,
    Changer(visitor): Changer,
    Content(Wanted { origin }): Content<Wanted>,
) -> Result<Response, Problem> {
    let wanted = OriginUrl::parse(&origin).ok();
    let (documents, bounds) = blocking(&app, move |app| {
        let nobody =
            || Problem::new(StatusCode::NOT_FOUND, "no document wants an image of this URL and lacks it");
        let archive = &app.archive;
        let wanted = wanted.ok_or_else(nobody)?;
        let names = archive.catalog.wanted_by(OriginKey::of(&wanted)).map_err(anyhow::Error::from)?;
        if names.is_empty() {
            return Err(nobody());
        }
        let mut documents: Vec<PathBuf> = names.iter().map(|name| document_path(archive, name)).collect();
        let bounds = app.bounds(visitor);
        if let Some(bounds) = &bounds {
            documents.retain(|document| bounds.find(document).is_some());
        }
        if documents.is_empty() { Err(outside()) } else { Ok((documents, bounds)) }
    })
    .await?;
    place(&app, Kind::Retry, documents, Work::Retry { origin }, bounds)
}
