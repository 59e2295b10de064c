//! `/api/v1/images`: what is kept.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::catalog;
use crate::catalog::pages::{Image, ImageFilter};
use crate::digest::Digest;
use crate::media::MediaType;
use crate::ops::Archive;
use crate::ops::verify::document_path;
use crate::web::App;
use crate::web::api::ask::{Asked, Named, blocking};
use crate::web::api::part::{Part, cursor, wrong};
use crate::web::problem::Problem;

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
    documents: Vec<String>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Asked(question): Asked<Question>,
) -> Result<Json<List>, Problem> {
    let Question { host, media_type, after, before, part } = question;
    let most = part.limit()?;
    let behind = part.behind()?.map(|place| number(&place)).transpose()?;
    let media_type = media_type.map(|text| {
        let known = MediaType::ALL.into_iter().find(|known| known.extension() == text);
        known.ok_or_else(|| wrong("`type` is one of the extensions that images are kept under"))
    });
    let host = host.map(|host| host.to_ascii_lowercase());
    let filter = ImageFilter { host, media_type: media_type.transpose()?, after, before };
    let archive = Arc::clone(&app.archive);
    blocking(move || {
        let images = archive.catalog.images(&filter, behind, most).map_err(anyhow::Error::from)?;
        let next = images.last().filter(|_| images.len() == most as usize);
        let next = next.map(|last| cursor(&last.place.to_be_bytes()));
        let images = images.iter().map(|image| kept(&archive, image)).collect::<Result<_, _>>();
        Ok(Json(List { images: images.map_err(anyhow::Error::from)?, next }))
    })
    .await
}

pub(super) async fn show(State(app): State<Arc<App>>, Named(digest): Named) -> Result<Json<Whole>, Problem> {
    let nothing = || Problem::new(StatusCode::NOT_FOUND, "nothing is kept of this digest");
    let digest: Digest = digest.parse().map_err(|_| nothing())?;
    let archive = Arc::clone(&app.archive);
    blocking(move || {
        let catalog = &archive.catalog;
        let look_up = || -> Result<Option<Whole>, catalog::Error> {
            let Some(image) = catalog.image_of(digest)? else { return Ok(None) };
            let documents = catalog.linking_to(&[digest])?;
            let path = |name: &Vec<u8>| document_path(&archive, name).to_string_lossy().into_owned();
            Ok(Some(Whole {
                kept: kept(&archive, &image)?,
                there: archive.store.contains(image.blob),
                documents: documents.iter().map(path).collect(),
            }))
        };
        look_up().map_err(anyhow::Error::from)?.map(Json).ok_or_else(nothing)
    })
    .await
}

fn kept(archive: &Archive, image: &Image) -> Result<Kept, catalog::Error> {
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
fn number(place: &[u8]) -> Result<i64, Problem> {
    let place: Result<[u8; 8], _> = place.try_into();
    place.map(i64::from_be_bytes).map_err(|_| wrong("`cursor` is what the part before gave as `next`"))
}
