//! An image in a grid.

use askama::Template;
use askama::filters::HtmlSafe;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::catalog;
use crate::catalog::Catalog;
use crate::catalog::gallery::Tile;
use crate::media::MediaType;
use crate::web::gallery::thumbnails::{self, SIZES};
use crate::web::gallery::words::{Size, spelled};

/// One cell.
#[derive(Debug, Template)]
#[template(path = "parts/tile.html")]
pub(super) struct TileView {
    digest: String,
    source: String,
    /// Thumbnails by width; empty where the image shows itself.
    sources: String,
    /// Whether it is too small to fill the cell.
    is_small: bool,
    width: u32,
    height: u32,
    name: String,
    host: String,
    kind: &'static str,
    size: Size,
}

impl HtmlSafe for TileView {}

impl TileView {
    pub(super) fn new(catalog: &Catalog, tile: &Tile) -> Result<Self, catalog::Error> {
        let origin = catalog.first_origin(tile)?.and_then(|origin| Url::parse(&origin).ok());
        let name = origin
            .as_ref()
            .and_then(name_of)
            .unwrap_or_else(|| tile.blob.digest.to_string()[..12].to_owned());
        let host = origin.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned();
        let digest = tile.blob.digest.to_string();
        let shows_itself = thumbnails::shows_itself(tile);
        let (width, height) = fit(tile.width.unwrap_or(320), tile.height.unwrap_or(320), 320);
        let thumbnail = |size: u16| format!("/thumbnails/{digest}/{size}");
        Ok(Self {
            source: if shows_itself { format!("/images/{}", tile.blob) } else { thumbnail(320) },
            sources: if shows_itself {
                String::new()
            } else {
                SIZES.map(|size| format!("{} {size}w", thumbnail(size))).join(", ")
            },
            digest,
            is_small: shows_itself && width.min(height) < 128,
            width,
            height,
            name,
            host,
            kind: kind(tile.blob.media_type),
            size: Size(tile.bytes),
        })
    }
}

/// The size of an image within a square of that side.
fn fit(width: u32, height: u32, side: u32) -> (u32, u32) {
    let longer = width.max(height).max(1);
    if longer <= side {
        return (width.max(1), height.max(1));
    }
    let scale = |length: u32| {
        u32::try_from(u64::from(length) * u64::from(side) / u64::from(longer)).unwrap_or(side).max(1)
    };
    (scale(width), scale(height))
}

/// The last segment of a URL's path that says anything, as a person would read it.
pub(super) fn name_of(url: &Url) -> Option<String> {
    let last = url.path_segments()?.rfind(|segment| !segment.is_empty())?;
    Some(spelled(&percent_decode_str(last).collect::<Vec<u8>>()))
}

/// What people call a type.
pub(super) fn kind(media_type: MediaType) -> &'static str {
    match media_type {
        MediaType::Jpeg => "JPEG",
        MediaType::Png => "PNG",
        MediaType::Gif => "GIF",
        MediaType::Webp => "WebP",
        MediaType::Avif => "AVIF",
        MediaType::Heic => "HEIC",
        MediaType::Jxl => "JPEG XL",
        MediaType::Svg => "SVG",
        MediaType::Bmp => "BMP",
        MediaType::Ico => "icon",
        MediaType::Tiff => "TIFF",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_a_person_would_call_it() {
        let check = |url: &str, expected: Option<&str>| {
            assert_eq!(name_of(&Url::parse(url).unwrap()).as_deref(), expected, "{url}");
        };
        check("http://a.example/b/%E5%9B%BE.png?x=1", Some("图.png"));
        check("http://a.example/b/", Some("b"));
        check("http://a.example/%FF%0A", Some("\\xff\\n"));
        check("http://a.example/", None);
    }

    #[test]
    fn sides_keep_their_ratio() {
        assert_eq!(fit(640, 320, 320), (320, 160));
        assert_eq!(fit(100, 50, 320), (100, 50));
        assert_eq!(fit(u32::MAX, 1, 320), (320, 1));
        assert_eq!(fit(0, 0, 320), (1, 1));
    }
}
