//! `/api/v1/documents`: the documents that hold references, in order of path.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::catalog::row::DocumentRow;
use crate::ops::Archive;
use crate::ops::verify::document_path;
use crate::web::App;
use crate::web::api::ask::{Asked, blocking};
use crate::web::api::part::{Part, cursor};
use crate::web::problem::Problem;

#[derive(Serialize)]
pub(super) struct List {
    documents: Vec<Document>,
    /// The cursor of the next part, if there may be one.
    next: Option<String>,
}

/// As `imgkeep status` has them.
#[derive(Serialize)]
struct Document {
    document: String,
    found: u64,
    archived: u64,
    failed: u64,
    skipped: u64,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Asked(part): Asked<Part>,
) -> Result<Json<List>, Problem> {
    let (most, behind) = (part.limit()?, part.behind()?.unwrap_or_default());
    blocking(&app, move |app| {
        let archive = &app.archive;
        let rows = archive.catalog.documents_behind(&behind, most).map_err(anyhow::Error::from)?;
        let next = rows.last().filter(|_| rows.len() == most as usize).map(|last| cursor(&last.document));
        let documents = rows.iter().map(|row| document(archive, row)).collect();
        Ok(Json(List { documents, next }))
    })
    .await
}

fn document(archive: &Archive, row: &DocumentRow) -> Document {
    Document {
        document: document_path(archive, &row.document).to_string_lossy().into_owned(),
        found: row.counts.found,
        archived: row.counts.archived,
        failed: row.counts.failed,
        skipped: row.counts.skipped,
    }
}
