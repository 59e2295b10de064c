//! `/documents`: every document that holds images, in order of path.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};

use crate::catalog::row::DocumentRow;
use crate::web::App;
use crate::web::access::Visitor;
use crate::web::gallery::page::{self, Chapter, Frame, Problem, Query};
use crate::web::gallery::words::{DocumentLink, Number, in_query};

/// Documents on a page.
const DOCUMENTS: usize = 100;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/documents", get(documents))
}

#[derive(Debug, Template)]
#[template(path = "documents.html")]
struct DocumentsPage {
    frame: Frame,
    documents: Vec<DocumentLine>,
    is_first: bool,
    next: Option<String>,
}

#[derive(Debug)]
struct DocumentLine {
    link: DocumentLink,
    found: Number,
    proxied: Number,
    archived: Number,
    failed: Number,
    skipped: Number,
    /// Whether nobody looked at it since it was changed.
    is_unseen: bool,
}

impl DocumentLine {
    fn new(app: &App, row: &DocumentRow) -> Self {
        let counts = row.counts;
        Self {
            link: DocumentLink::new(&app.archive.path_of(&row.document)),
            found: Number(counts.found),
            proxied: Number(counts.proxied),
            archived: Number(counts.archived),
            failed: Number(counts.failed),
            skipped: Number(counts.skipped),
            is_unseen: counts.found == 0,
        }
    }
}

async fn documents(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::new(query.as_deref());
    page::look(&app, move |app| {
        let after = query.bytes("after").unwrap_or_default();
        let mut rows = app.archive.catalog.documents_after(after, DOCUMENTS + 1)?;
        let has_more = rows.len() > DOCUMENTS;
        rows.truncate(DOCUMENTS);
        let next = rows.last().filter(|_| has_more).map(|row| in_query(&row.document));
        Ok(page::answer(&DocumentsPage {
            frame: Frame::new(app, visitor, Chapter::Documents),
            documents: rows.iter().map(|row| DocumentLine::new(app, row)).collect(),
            is_first: after.is_empty(),
            next,
        }))
    })
    .await
}
