//! `/images`: all kept images, the newest first, and the field that leads to one.

use std::path::Path;
use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Extension, Router};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::blob::BlobName;
use crate::catalog::OriginKey;
use crate::catalog::gallery::{Filter, Page, Place};
use crate::digest::Digest;
use crate::media::MediaType;
use crate::web::App;
use crate::web::access::Visitor;
use crate::web::gallery::page::{self, Chapter, Frame, Problem, Query};
use crate::web::gallery::tile::{self, TileView};
use crate::web::gallery::words::{Number, in_query, spelled};

/// Images on a page.
const TILES: usize = 60;
/// Images are counted so far and not farther.
const MOST_COUNTED: u64 = 100_000;
/// Hosts that the field for a host offers.
const HOSTS_OFFERED: usize = 300;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/images", get(images))
}

/// What the visitor asked for, as it goes on in links.
#[derive(Debug, Default)]
struct Wanted {
    host: Option<String>,
    media_type: Option<MediaType>,
    /// First day.
    since: Option<Date>,
    /// Last day.
    until: Option<Date>,
    /// As a path.
    document: Option<Vec<u8>>,
}

#[derive(Debug, Template)]
#[template(path = "images.html")]
struct ImagesPage {
    frame: Frame,
    tiles: Vec<TileView>,
    count: String,
    wanted: Wanted,
    hosts: Vec<String>,
    types: Vec<TypeChoice>,
    newer: Option<String>,
    older: Option<String>,
    /// What was looked for and is not known.
    unknown: Option<String>,
    /// Whether nothing at all is kept.
    is_empty: bool,
}

#[derive(Debug)]
struct TypeChoice {
    extension: &'static str,
    kind: &'static str,
    images: Number,
    is_chosen: bool,
}

async fn images(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::new(query.as_deref());
    page::look(&app, move |app| {
        let mut frame = Frame::new(app, visitor, Chapter::Images);
        let mut unknown = None;
        if let Some(text) = query.text("find") {
            if let Some(path) = find(app, text)? {
                return Ok(Redirect::to(&path).into_response());
            }
            spelled(text.as_bytes()).clone_into(&mut frame.find);
            unknown = Some(frame.find.clone());
        }
        show(app, frame, &query, unknown)
    })
    .await
}

/// Where an address, a digest or a host leads.
fn find(app: &App, text: &str) -> Result<Option<String>, Problem> {
    let catalog = &app.archive.catalog;
    let image = |digest: Digest| format!("/image/{digest}");
    let digest = text.parse().ok().or_else(|| BlobName::from_link(text).map(|blob| blob.digest));
    if let Some(digest) = digest
        && catalog.image(digest)?.is_some()
    {
        return Ok(Some(image(digest)));
    }
    if let Ok(unwrapped) = app.settings().reader.resolver.families.unwrap(text) {
        let key = OriginKey::of(&unwrapped.origin);
        if let Some(copy) = catalog.newest(key)? {
            return Ok(Some(image(copy.digest)));
        }
        if catalog.is_missing(key)? {
            return Ok(Some(format!("/failures?origin={}", in_query(unwrapped.origin.as_str().as_bytes()))));
        }
    }
    let host = text.to_ascii_lowercase();
    if catalog.knows_host(&host)? {
        return Ok(Some(format!("/images?host={}", in_query(host.as_bytes()))));
    }
    let name = app.archive.name_of(Path::new(text));
    if catalog.document(&name)?.is_some() {
        return Ok(Some(format!("/document?path={}", in_query(text.as_bytes()))));
    }
    Ok(None)
}

fn show(app: &App, frame: Frame, query: &Query, unknown: Option<String>) -> Result<Response, Problem> {
    let catalog = &app.archive.catalog;
    let wanted = Wanted::of(query);
    let filter = wanted.filter(app);
    let asked = match (place(query.text("older")), place(query.text("newer"))) {
        (Some(place), _) => Page::Older(place),
        (None, Some(place)) => Page::Newer(place),
        (None, None) => Page::First,
    };
    let mut page = asked;
    let mut tiles = catalog.tiles(&filter, page, TILES + 1)?;
    if matches!(page, Page::Newer(_)) && tiles.len() <= TILES {
        page = Page::First;
        tiles = catalog.tiles(&filter, page, TILES + 1)?;
    }
    let has_more = tiles.len() > TILES;
    let (mut has_newer, mut has_older) = (page != Page::First, has_more);
    if matches!(page, Page::Newer(_)) {
        (has_newer, has_older) = (has_more, true);
        tiles.drain(..tiles.len().saturating_sub(TILES));
    }
    tiles.truncate(TILES);
    has_newer &= !tiles.is_empty();
    let link = |name: &str, place: Place| {
        let query = wanted.query();
        let separator = if query.is_empty() { "" } else { "&" };
        format!("/images?{query}{separator}{name}={}.{}", place.kept, place.id)
    };
    let newer = tiles.first().filter(|_| has_newer).map(|tile| link("newer", tile.place));
    let older = tiles.last().filter(|_| has_older).map(|tile| link("older", tile.place));
    let counted = catalog.count_tiles(&filter, MOST_COUNTED)?;
    let more = if counted >= MOST_COUNTED { "more than " } else { "" };
    let sums = app.sums.get(app)?;
    let types = sums.types.iter().filter_map(|(extension, images)| {
        let media_type = MediaType::from_extension(extension)?;
        let is_chosen = wanted.media_type == Some(media_type);
        Some(TypeChoice {
            extension: media_type.extension(),
            kind: tile::kind(media_type),
            images: Number(*images),
            is_chosen,
        })
    });
    let count = format!("{more}{} image{}", Number(counted), if counted == 1 { "" } else { "s" });
    let is_all = filter == Filter::default();
    Ok(page::answer(&ImagesPage {
        tiles: tiles.iter().map(|tile| TileView::new(catalog, tile)).collect::<Result<_, _>>()?,
        count,
        hosts: sums.hosts.iter().take(HOSTS_OFFERED).map(|host| host.host.clone()).collect(),
        types: types.collect(),
        newer,
        older,
        unknown,
        is_empty: is_all && counted == 0,
        wanted,
        frame,
    }))
}

/// `<kept>.<id>`
fn place(text: Option<&str>) -> Option<Place> {
    let (kept, id) = text?.split_once('.')?;
    Some(Place { kept: kept.parse().ok()?, id: id.parse().ok()? })
}

impl Wanted {
    /// What makes no sense is as if it were not there.
    fn of(query: &Query) -> Self {
        let date = |name| query.text(name).and_then(|text| text.parse().ok());
        Self {
            host: query.text("host").map(str::to_ascii_lowercase),
            media_type: query.text("type").and_then(MediaType::from_extension),
            since: date("since"),
            until: date("until"),
            document: query.bytes("document").map(<[u8]>::to_vec),
        }
    }

    fn filter(&self, app: &App) -> Filter {
        let start =
            |date: Date| date.to_zoned(TimeZone::UTC).map(|time| time.timestamp().as_millisecond()).ok();
        Filter {
            host: self.host.clone(),
            media_type: self.media_type,
            since: self.since.and_then(start),
            until: self.until.and_then(|date| start(date.tomorrow().ok()?)),
            document: self.document.as_deref().map(|path| app.archive.name_of(page::path(path))),
        }
    }

    fn query(&self) -> String {
        let date = |date: Date| date.to_string().into_bytes();
        let pairs = [
            ("host", self.host.as_ref().map(|host| host.clone().into_bytes())),
            ("type", self.media_type.map(|media_type| media_type.extension().as_bytes().to_vec())),
            ("since", self.since.map(date)),
            ("until", self.until.map(date)),
            ("document", self.document.clone()),
        ];
        let pairs =
            pairs.iter().filter_map(|(name, value)| Some(format!("{name}={}", in_query(value.as_ref()?))));
        pairs.collect::<Vec<_>>().join("&")
    }

    // For the template.

    fn is_any(&self) -> bool {
        !self.query().is_empty()
    }

    fn host_text(&self) -> &str {
        self.host.as_deref().unwrap_or_default()
    }

    fn since_text(&self) -> String {
        self.since.map(|date| date.to_string()).unwrap_or_default()
    }

    fn until_text(&self) -> String {
        self.until.map(|date| date.to_string()).unwrap_or_default()
    }

    fn document_name(&self) -> Option<String> {
        self.document.as_deref().map(spelled)
    }

    /// As the hidden field of a form has it: a form cannot carry bytes that are no text.
    fn document_text(&self) -> Option<&str> {
        std::str::from_utf8(self.document.as_deref()?).ok()
    }
}
