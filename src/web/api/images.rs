//! `/api/v1/images`: what is kept.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::catalog;
use crate::catalog::gallery::{Filter, Page, Place, Tile, User};
use crate::digest::Digest;
use crate::media::MediaType;
use crate::ops::Archive;
use crate::ops::verify::document_path;
use crate::web::App;
use crate::web::api::ask::{Asked, Named, blocking};
use crate::web::api::part::{Part, cursor, wrong};
use crate::web::problem::Problem;

/// Documents of one image that are listed.
const DOCUMENTS: usize = 1_000;

#[derive(Deserialize)]
pub(super) struct Question {
    host: Option<String>,
    #[serde(rename = "type")]
    media_type: Option<String>,
    after: Option<i64>,
    before: Option<i64>,
    #[serde(flatten)]
    part: Part,
}

#[derive(Serialize)]
pub(super) struct List {
    images: Vec<Kept>,
    /// The cursor of the next part, if there may be one.
    next: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Kept {
    digest: Digest,
    /// The path of the bytes on this server.
    path: String,
    media_type: &'static str,
    bytes: u64,
    width: Option<u32>,
    height: Option<u32>,
    /// Who gave it, the earliest first.
    given: Vec<Given>,
}

#[derive(Serialize)]
struct Given {
    origin: String,
    /// Milliseconds since 1970.
    taken: i64,
    source: String,
    url: String,
}

#[derive(Serialize)]
pub(super) struct Whole {
    #[serde(flatten)]
    kept: Kept,
    /// Whether the bytes are in the store.
    there: bool,
    /// Those that show it, in order of path, the first thousand.
    documents: Vec<String>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Asked(question): Asked<Question>,
) -> Result<Json<List>, Problem> {
    let Question { host, media_type, after, before, part } = question;
    let most = part.limit()?;
    let page = match part.behind()? {
        Some(behind) => Page::Older(place(&behind)?),
        None => Page::First,
    };
    let media_type = media_type.map(|text| {
        let known = MediaType::ALL.into_iter().find(|known| known.extension() == text);
        known.ok_or_else(|| wrong("`type` is one of the extensions that images are kept under"))
    });
    let host = host.map(|host| host.to_ascii_lowercase());
    let filter =
        Filter { host, media_type: media_type.transpose()?, since: after, until: before, document: None };
    blocking(&app, move |app| {
        let archive = &app.archive;
        let images = archive.catalog.tiles(&filter, page, most as usize).map_err(anyhow::Error::from)?;
        let next = images.last().filter(|_| images.len() == most as usize);
        let next =
            next.map(|last| cursor(&[last.place.kept.to_be_bytes(), last.place.id.to_be_bytes()].concat()));
        let images = images.iter().map(|image| kept(archive, image)).collect::<Result<_, _>>();
        Ok(Json(List { images: images.map_err(anyhow::Error::from)?, next }))
    })
    .await
}

pub(super) async fn show(State(app): State<Arc<App>>, Named(digest): Named) -> Result<Json<Whole>, Problem> {
    let nothing = || Problem::new(StatusCode::NOT_FOUND, "nothing is kept of this digest");
    let digest: Digest = digest.parse().map_err(|_| nothing())?;
    blocking(&app, move |app| {
        let archive = &app.archive;
        let catalog = &archive.catalog;
        let look_up = || -> Result<Option<Whole>, catalog::Error> {
            let Some(image) = catalog.image(digest)? else { return Ok(None) };
            let (users, _) = catalog.users(&image, DOCUMENTS)?;
            let path = |user: &User| document_path(archive, &user.document).to_string_lossy().into_owned();
            Ok(Some(Whole {
                kept: kept(archive, &image)?,
                there: archive.store.contains(image.blob),
                documents: users.iter().map(path).collect(),
            }))
        };
        look_up().map_err(anyhow::Error::from)?.map(Json).ok_or_else(nothing)
    })
    .await
}

fn kept(archive: &Archive, image: &Tile) -> Result<Kept, catalog::Error> {
    let given = archive.catalog.given(image.blob.digest)?.into_iter();
    Ok(Kept {
        digest: image.blob.digest,
        path: format!("/images/{}", image.blob),
        media_type: image.blob.media_type.mime(),
        bytes: image.bytes,
        width: image.width,
        height: image.height,
        given: given
            .map(|given| Given {
                url: given.url.unwrap_or_else(|| given.origin.clone()),
                origin: given.origin,
                taken: given.taken,
                source: given.source,
            })
            .collect(),
    })
}

/// A place in the list of images.
fn place(bytes: &[u8]) -> Result<Place, Problem> {
    let number = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).ok();
    let place =
        bytes.split_at_checked(8).and_then(|(kept, id)| Some(Place { kept: number(kept)?, id: number(id)? }));
    place.ok_or_else(|| wrong("`cursor` is what the part before gave as `next`"))
}
