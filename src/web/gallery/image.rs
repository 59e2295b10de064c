//! `/image/<digest>`: one image, whence it came, and who shows it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use url::Url;

use crate::catalog::row::{Attempt, Snapshot};
use crate::digest::Digest;
use crate::media::MediaType;
use crate::web::App;
use crate::web::access::Visitor;
use crate::web::gallery::page::{self, Chapter, Frame, Problem, now};
use crate::web::gallery::tile::{self, kind};
use crate::web::gallery::words::{self, Address, Ago, DocumentLink, Moment, Number, Size, spelled};

/// Documents that the page lists.
const DOCUMENTS: usize = 100;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/image/{digest}", get(image))
}

#[derive(Debug, Template)]
#[template(path = "image.html")]
struct ImagePage {
    frame: Frame,
    title: String,
    digest: String,
    /// Where the bytes are.
    path: String,
    /// What is shown.
    source: String,
    width: Option<u32>,
    height: Option<u32>,
    kind: &'static str,
    mime: &'static str,
    size: Size,
    bytes: Number,
    kept: Option<Moment>,
    is_there: bool,
    copies: Vec<CopyView>,
    documents: Vec<(DocumentLink, bool)>,
    more_documents: Number,
}

/// What one origin gave.
#[derive(Debug)]
struct CopyView {
    origin: Address,
    taken: Moment,
    source: String,
    /// Where the bytes came from, if not from the origin's own URL.
    given_by: Option<Address>,
    etag: Option<String>,
    last_modified: Option<String>,
    in_vain: Vec<AttemptView>,
}

/// Somebody who was asked and gave nothing.
#[derive(Debug)]
pub(super) struct AttemptView {
    pub(super) at: Ago,
    pub(super) source: String,
    pub(super) url: Address,
    pub(super) referer: Option<String>,
    pub(super) reason: String,
    pub(super) detail: String,
}

impl AttemptView {
    pub(super) fn new(attempt: &Attempt, now: i64) -> Self {
        Self {
            at: Ago { at: attempt.at, now },
            source: words::source(&attempt.source).to_owned(),
            url: Address::new(&attempt.url),
            referer: attempt.referer.as_deref().map(|referer| spelled(referer.as_bytes())),
            reason: attempt.reason.clone(),
            detail: spelled(attempt.detail.as_bytes()),
        }
    }
}

impl CopyView {
    fn new(copy: &Snapshot, now: i64) -> Self {
        Self {
            origin: Address::new(&copy.origin),
            taken: Moment(Ago { at: copy.taken, now }),
            source: words::source(&copy.source).to_owned(),
            given_by: copy.url.as_deref().map(Address::new),
            etag: copy.etag.as_deref().map(|text| spelled(text.as_bytes())),
            last_modified: copy.last_modified.as_deref().map(|text| spelled(text.as_bytes())),
            in_vain: copy.attempts.iter().map(|attempt| AttemptView::new(attempt, now)).collect(),
        }
    }
}

async fn image(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(digest): Path<String>,
) -> Result<Response, Problem> {
    const UNKNOWN: Problem = Problem::Unknown("No image of that digest is kept.");
    let digest: Digest = digest.parse().map_err(|_| UNKNOWN)?;
    page::look(&app, move |app| {
        let catalog = &app.archive.catalog;
        let image = catalog.image(digest)?.ok_or(UNKNOWN)?;
        let now = now();
        let copies = catalog.copies_of(digest)?;
        let (users, all_users) = catalog.users(&image, DOCUMENTS)?;
        let path = format!("/images/{}", image.blob);
        let media_type = image.blob.media_type;
        let named = copies.iter().rev().find_map(|copy| tile::name_of(&Url::parse(&copy.origin).ok()?));
        Ok(page::answer(&ImagePage {
            frame: Frame::new(app, visitor, Chapter::Images),
            title: named.unwrap_or_else(|| format!("{}…", &digest.to_string()[..12])),
            digest: digest.to_string(),
            // Browsers do not show it.
            source: if media_type == MediaType::Tiff {
                format!("/thumbnails/{digest}/640")
            } else {
                path.clone()
            },
            path,
            width: image.width,
            height: image.height,
            kind: kind(media_type),
            mime: media_type.mime(),
            size: Size(image.bytes),
            bytes: Number(image.bytes),
            kept: (image.kept > 0).then_some(Moment(Ago { at: image.kept, now })),
            is_there: app.archive.store.contains(image.blob),
            copies: copies.iter().map(|copy| CopyView::new(copy, now)).collect(),
            more_documents: Number(all_users.saturating_sub(users.len() as u64)),
            documents: users
                .iter()
                .map(|user| (DocumentLink::new(&app.archive.path_of(&user.document)), user.archived > 0))
                .collect(),
        }))
    })
    .await
}
