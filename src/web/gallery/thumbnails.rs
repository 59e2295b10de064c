//! Small pictures of kept images: `/thumbnails/<digest>/<size>`.
//!
//! ```text
//! request ─▶ memory ─┬─▶ file below <store>/thumbnails
//!                    └─▶ queue ─▶ decode, at most two at a time ─▶ memory and file
//! ```
//!
//! A picture that several ask for at a time is made once. What asks for more pixels than the configuration allows is
//! never decoded. Where the store cannot be written, the pictures live in memory alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::blob::BlobName;
use crate::catalog::gallery::Tile;
use crate::digest::Digest;
use crate::media::{Limits, MediaType};
use crate::serve;
use crate::web::App;
use crate::web::gallery::assets::{self, For};

mod make;

/// The longer side of a thumbnail, in pixels.
pub(super) const SIZES: [u16; 3] = [160, 320, 640];

/// Of the way thumbnails are made: another one has another name.
const MAKE: &str = "1";
/// What is in a file of the store is shown, and nothing in it is done.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";
/// Memory for thumbnails, in bytes; a grid of them takes about a megabyte.
const MEMORY: u64 = 16 << 20;
/// What an entry takes besides its picture.
const ENTRY: u64 = 128;
/// Decodes at a time.
const DECODES: usize = 2;
/// Bytes of a decoded picture, with which a few times as many are taken for a moment; a larger one has no thumbnail.
const MOST_DECODED: u64 = 64 << 20;
/// Requests that may wait for a decode: so many grids at a time are few, and a flood is sent away.
const QUEUE: usize = 512;

/// The thumbnails at hand, and the pool that makes others.
#[derive(Debug)]
pub(in crate::web) struct Thumbnails {
    /// `None` for what cannot be drawn.
    memory: Cache<(Digest, u16), Option<Thumbnail>, Weight>,
    /// Each stands for its share of [`MOST_DECODED`].
    decodes: Arc<Semaphore>,
    queue: Semaphore,
    /// Whether files are kept, as far as was tried.
    keeps_files: AtomicBool,
}

#[derive(Clone, Debug)]
struct Thumbnail {
    bytes: Bytes,
    media_type: MediaType,
}

#[derive(Clone, Debug)]
struct Weight;

impl Weighter<(Digest, u16), Option<Thumbnail>> for Weight {
    fn weight(&self, _: &(Digest, u16), value: &Option<Thumbnail>) -> u64 {
        ENTRY + value.as_ref().map_or(0, |thumbnail| thumbnail.bytes.len() as u64)
    }
}

/// Why there is no thumbnail.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("nothing is kept under that digest")]
    Unknown,
    #[error("too many wait already")]
    Flood,
    #[error("the archive cannot be read")]
    Broken(#[from] anyhow::Error),
}

impl Default for Thumbnails {
    fn default() -> Self {
        Self {
            memory: Cache::with_weighter((MEMORY / (16 << 10)) as usize, MEMORY, Weight),
            decodes: Arc::new(Semaphore::new(DECODES)),
            queue: Semaphore::new(QUEUE),
            keeps_files: AtomicBool::new(true),
        }
    }
}

/// What to show in a grid: a thumbnail, or the image itself where that is as good.
pub(super) fn shows_itself(tile: &Tile) -> bool {
    const SMALL_SIDE: u32 = 320;
    const SMALL_BYTES: u64 = 48 << 10;
    let is_small = |side: Option<u32>| side.is_some_and(|side| side <= SMALL_SIDE);
    match tile.blob.media_type {
        // Nothing here draws them, and browsers do, or will one day.
        MediaType::Svg | MediaType::Avif | MediaType::Heic | MediaType::Jxl => true,
        MediaType::Tiff => false,
        MediaType::Jpeg
        | MediaType::Png
        | MediaType::Gif
        | MediaType::Webp
        | MediaType::Bmp
        | MediaType::Ico => is_small(tile.width) && is_small(tile.height) && tile.bytes <= SMALL_BYTES,
    }
}

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/thumbnails/{digest}/{size}", get(thumbnail))
}

async fn thumbnail(
    State(app): State<Arc<App>>,
    Path((digest, size)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let size = SIZES.into_iter().find(|known| known.to_string() == size);
    let (Ok(digest), Some(size)) = (digest.parse::<Digest>(), size) else { return serve::not_kept() };
    let etag = format!("\"{digest}-{size}-{MAKE}\"");
    match find(&app, digest, size).await {
        Ok(Some(_)) if assets::has(&headers, &etag) => assets::not_modified(&etag, For::Readers),
        Ok(Some(Thumbnail { bytes, media_type })) => {
            let mut response = assets::unchanging(&etag, For::Readers, media_type.mime(), Body::from(bytes));
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
            response
        }
        Ok(None) | Err(Error::Unknown) => serve::not_kept(),
        Err(Error::Flood) => {
            let wait = [(RETRY_AFTER, HeaderValue::from_static("1"))];
            (StatusCode::SERVICE_UNAVAILABLE, wait).into_response()
        }
        Err(Error::Broken(error)) => {
            tracing::error!(error = format!("{error:#}"), %digest, "a thumbnail was not made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The thumbnail of an image that is kept: at hand, or made.
async fn find(app: &Arc<App>, digest: Digest, size: u16) -> Result<Option<Thumbnail>, Error> {
    let Thumbnails { memory, queue, .. } = &app.thumbnails;
    let _waiting = queue.try_acquire().map_err(|_| Error::Flood)?;
    let Some(tile) = blocking(app, move |app| Ok(app.archive.catalog.image(digest)?)).await? else {
        memory.remove(&(digest, size));
        return Err(Error::Unknown);
    };
    memory.get_or_insert_async(&(digest, size), make(app, tile, size)).await
}

/// Takes it from its file, or makes it in its turn.
async fn make(app: &Arc<App>, tile: Tile, size: u16) -> Result<Option<Thumbnail>, Error> {
    let digest = tile.blob.digest;
    let kept = blocking(app, move |app| Ok(make::kept(&app.archive.store.thumbnail(digest, size))));
    if let Some(kept) = kept.await? {
        return Ok(Some(kept));
    }
    let decodes = Arc::clone(&app.thumbnails.decodes);
    let turn = decodes.acquire_many_owned(share(&tile)).await.expect("the semaphore is never closed");
    let made = blocking(app, move |app| {
        let made = app.make_thumbnail(tile.blob, size);
        // Whoever asked may be gone by now, and this is over only now.
        drop(turn);
        made
    });
    made.await?.ok_or(Error::Unknown)
}

/// How many decodes it stands for: all of them, if it takes more than the share of one or nobody knows.
fn share(tile: &Tile) -> u32 {
    // Four channels, of two bytes in the types that may have such.
    let of_pixel = if matches!(tile.blob.media_type, MediaType::Png | MediaType::Tiff) { 8 } else { 4 };
    let bytes =
        tile.width.zip(tile.height).map(|(width, height)| u64::from(width) * u64::from(height) * of_pixel);
    if bytes.is_some_and(|bytes| bytes <= MOST_DECODED / DECODES as u64) { 1 } else { DECODES as u32 }
}

async fn blocking<T: Send + 'static>(
    app: &Arc<App>,
    work: impl FnOnce(&App) -> anyhow::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let app = Arc::clone(app);
    spawn_blocking(move || work(&app)).await.unwrap_or_else(|error| Err(error.into())).map_err(Error::from)
}

impl App {
    /// `None` if the store does not have the blob, `Some(None)` if it cannot be drawn.
    fn make_thumbnail(&self, blob: BlobName, size: u16) -> anyhow::Result<Option<Option<Thumbnail>>> {
        let Some((file, stat)) = self.archive.store.open_blob(blob)? else { return Ok(None) };
        let settings = self.settings();
        let max_decoded_bytes = settings.media.max_decoded_bytes.min(MOST_DECODED);
        let limits = Limits { max_decoded_bytes, ..settings.media };
        let made = match make::of(file, stat.size, blob, size, &limits) {
            Ok(made) => made,
            // That says nothing of the bytes: the next one who asks may have more luck.
            Err(error @ make::Error::Read(_)) => return Err(error.into()),
            Err(why) => {
                tracing::info!(%blob, %why, "there is no thumbnail");
                return Ok(Some(None));
            }
        };
        if self.thumbnails.keeps_files.load(Ordering::Relaxed)
            && make::has_room(self.archive.store.root())
            && let Err(error) = make::keep(&self.archive.store.thumbnail(blob.digest, size), &made.bytes)
        {
            tracing::debug!(%error, "a thumbnail stays in memory alone");
            let is_full = error.kind() == Some(std::io::ErrorKind::StorageFull);
            self.thumbnails.keeps_files.store(is_full, Ordering::Relaxed);
        }
        Ok(Some(Some(made)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::BlobName;
    use crate::catalog::gallery::Place;

    #[test]
    fn what_is_large_or_unknown_is_decoded_alone() {
        let check = |media_type: MediaType, side: Option<u32>, expected: u32| {
            let blob = BlobName { digest: Digest::of(b""), media_type };
            let place = Place { kept: 0, id: 0 };
            let tile = Tile { blob, place, width: side, height: side, bytes: 1, kept: 0 };
            assert_eq!(share(&tile), expected, "{media_type} {side:?}");
        };
        check(MediaType::Jpeg, Some(2_000), 1);
        check(MediaType::Jpeg, Some(2_900), 2);
        check(MediaType::Png, Some(2_000), 1);
        check(MediaType::Png, Some(2_100), 2);
        check(MediaType::Gif, None, 2);
    }
}
