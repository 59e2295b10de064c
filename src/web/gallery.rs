//! Pages for a browser, made on the server; they work without JavaScript, and a little of it makes them quicker.
//!
//! Everything from outside is text: templates escape it, and a policy lets a page load our own files and nothing
//! else. Pages are in `templates`, style and script in `gallery/assets`.

use std::sync::Arc;

use axum::Router;

use crate::web::App;

pub(super) mod assets;
mod document;
mod documents;
mod failures;
mod image;
mod images;
pub(super) mod overview;
mod page;
mod runs;
pub(super) mod thumbnails;
mod tile;
mod words;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(assets::routes())
        .merge(overview::routes())
        .merge(images::routes())
        .merge(image::routes())
        .merge(documents::routes())
        .merge(document::routes())
        .merge(failures::routes())
        .merge(runs::routes())
        .merge(thumbnails::routes())
}
