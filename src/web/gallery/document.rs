//! `/document?path=…`: what a document said before and says now, and the way back.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};

use crate::digest::Digest;
use crate::ops::history::{self, History, Was};
use crate::web::App;
use crate::web::access::Visitor;
use crate::web::gallery::page::{self, Chapter, Frame, Problem, Query};
use crate::web::gallery::tile::TileView;
use crate::web::gallery::words::{self, Address, Number, in_query, shell, spelled};

mod lines;

use lines::Line;

/// A longer document is not read for its page, in bytes.
const MOST_BYTES: u64 = 16 << 20;
/// Images and links that the page shows.
const TILES: usize = 24;
const LINKS: usize = 500;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/document", get(document))
}

#[derive(Debug, Template)]
#[template(path = "document.html")]
struct DocumentPage {
    frame: Frame,
    name: String,
    folder: String,
    query: String,
    state: history::State,
    counts: Vec<(Number, &'static str)>,
    undo: String,
    links: Vec<LinkView>,
    more_links: Number,
    missing: Vec<MissingView>,
    tiles: Vec<TileView>,
    all_tiles: usize,
    lines: Vec<Line>,
    is_cut: bool,
}

/// A kept link.
#[derive(Debug)]
struct LinkView {
    original: Address,
    link: Option<String>,
    digest: String,
    is_there: bool,
}

/// An image that nobody gave.
#[derive(Debug)]
struct MissingView {
    origin: Address,
    query: String,
    reason: Option<(String, &'static str)>,
}

async fn document(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    const UNKNOWN: Problem = Problem::Unknown("No document of that path is known to the archive.");
    let query = Query::new(query.as_deref());
    page::look(&app, move |app| {
        let catalog = &app.archive.catalog;
        let path = page::path(query.bytes("path").ok_or(UNKNOWN)?);
        let name = app.archive.name_of(path);
        // Files that the catalog does not know are nobody's business.
        let row = catalog.document(&name)?.ok_or(UNKNOWN)?;
        let History { state, links, diff } = history::history(&app.archive, &name, MOST_BYTES)?;
        let (lines, is_cut) = lines::of(&diff);
        let mut seen: HashMap<Digest, ()> = HashMap::new();
        let mut tiles = Vec::new();
        for link in &links {
            if seen.insert(link.blob.digest, ()).is_none()
                && tiles.len() < TILES
                && let Some(tile) = catalog.image(link.blob.digest)?
            {
                tiles.push(TileView::new(catalog, &tile)?);
            }
        }
        let missing = catalog.wanted_in(&name)?.into_iter().map(|(origin, reason)| MissingView {
            query: in_query(origin.as_bytes()),
            origin: Address::new(&origin),
            reason: reason.map(|reason| {
                let means = words::reason(&reason);
                (reason, means)
            }),
        });
        let counts = row.counts;
        let counts = [
            (counts.found, if counts.found == 1 { "reference" } else { "references" }),
            (counts.proxied, "behind a proxy"),
            (counts.archived, "kept"),
            (counts.failed, "not to be had"),
            (counts.skipped, "left alone"),
        ];
        let bytes = path.as_os_str().as_encoded_bytes();
        let part = |part: Option<&std::ffi::OsStr>| {
            part.map(|part| spelled(part.as_encoded_bytes())).unwrap_or_default()
        };
        Ok(page::answer(&DocumentPage {
            frame: Frame::new(app, visitor, Chapter::Documents),
            name: part(path.file_name()),
            folder: part(path.parent().map(std::path::Path::as_os_str)),
            query: in_query(bytes),
            state,
            counts: counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| (Number(n), word)).collect(),
            undo: format!("imgkeep restore {}", shell(bytes)),
            more_links: Number(links.len().saturating_sub(LINKS) as u64),
            links: links.iter().take(LINKS).map(LinkView::new).collect(),
            missing: missing.collect(),
            all_tiles: seen.len(),
            tiles,
            lines,
            is_cut,
        }))
    })
    .await
}

impl LinkView {
    fn new(was: &Was) -> Self {
        Self {
            original: Address::new(&String::from_utf8_lossy(&was.original)),
            link: was.link.as_deref().map(spelled),
            digest: was.blob.digest.to_string(),
            is_there: was.is_there,
        }
    }
}
