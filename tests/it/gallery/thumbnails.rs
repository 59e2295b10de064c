//! `/thumbnails/<digest>/<size>`, from outside.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;

use image::{DynamicImage, GrayImage, ImageFormat};
use imgkeep::digest::Digest;

use crate::serve::client::Server;
use crate::support::origin::Origin;
use crate::support::{Test, picture};

/// An archive of these bytes, and its server.
fn archive_of(bytes: &[u8]) -> (Server, Digest) {
    let origin = Origin::start();
    origin.image("http://cdn.example/a", bytes);
    let test = Test::new().origin(&origin).document("a.md", "![](http://cdn.example/a)\n");
    test.run("archive a.md").expect_code(0);
    (Server::start(test, "serve"), Digest::of(bytes))
}

#[test]
fn a_thumbnail_is_small_and_the_same_for_ever_and_kept_in_a_file() {
    let (server, digest) = archive_of(&picture::sized(ImageFormat::Png, 1, 800, 400));
    for size in [160, 320, 640] {
        let target = format!("/thumbnails/{digest}/{size}");
        let reply = server.ask("GET", &target, &[]);
        assert_eq!((reply.status, reply.field("content-type")), (200, Some("image/jpeg")));
        assert_eq!(reply.field("cache-control"), Some("private, max-age=31536000, immutable"));
        let picture = image::load_from_memory(&reply.body).expect("it is a JPEG");
        assert_eq!((picture.width(), picture.height()), (size, size / 2));
        let etag = reply.field("etag").expect("it has one");
        assert_eq!(server.ask("GET", &target, &[&format!("If-None-Match: {etag}")]).status, 304);
        assert_eq!(server.ask("GET", &target, &["If-None-Match: *"]).status, 304);
        assert!(reply.field("content-security-policy").is_some_and(|policy| policy.ends_with("sandbox")));
        let text = digest.to_string();
        let file = server.test.path(&format!("cache/thumbnails/{}/{text}-{size}", &text[..2]));
        assert_eq!(fs::read(&file).expect("it is kept"), reply.body);
    }
    for target in [
        format!("/thumbnails/{digest}/1000"),
        format!("/thumbnails/{digest}/0160"),
        format!("/thumbnails/{}/160", Digest::of(b"other")),
        "/thumbnails/..%2f..%2fVERSION/160".to_owned(),
    ] {
        assert_eq!(server.ask("GET", &target, &[]).status, 404, "{target}");
    }
    let other = Digest::of(b"other");
    let etag = format!("If-None-Match: \"{other}-160-1\"");
    let reply = server.ask("GET", &format!("/thumbnails/{other}/160"), &[&etag]);
    assert_eq!(reply.status, 404, "it is not kept, whatever the client has");
    server.test.run("verify").expect_code(0);
    server.test.assert_no_litter();
}

#[test]
fn a_file_that_was_kept_is_used_if_it_is_whole() {
    let (server, digest) = archive_of(&picture::sized(ImageFormat::Png, 1, 400, 400));
    let text = digest.to_string();
    let folder = server.test.path(&format!("cache/thumbnails/{}", &text[..2]));
    fs::create_dir_all(&folder).expect("the store can be written");
    let other = picture::jpeg(9);
    fs::write(folder.join(format!("{text}-160")), &other).expect("the store can be written");
    fs::write(folder.join(format!("{text}-320")), &other[..other.len() / 2])
        .expect("the store can be written");
    let body = |size: u32| server.ask("GET", &format!("/thumbnails/{digest}/{size}"), &[]).body;
    assert_eq!(body(160), other);
    let made = image::load_from_memory(&body(320)).expect("it was made anew");
    assert_eq!(made.width(), 320);
}

#[test]
fn a_store_that_cannot_be_written_has_its_thumbnails_in_memory() {
    let (server, digest) = archive_of(&picture::sized(ImageFormat::Png, 1, 400, 400));
    // Whoever may write everything is stopped by what is no folder.
    fs::write(server.test.path("cache/thumbnails"), b"").expect("the store can be written");
    fs::set_permissions(server.test.path("cache/thumbnails"), fs::Permissions::from_mode(0o400))
        .expect("it is ours");
    for _ in 0..2 {
        assert_eq!(server.ask("GET", &format!("/thumbnails/{digest}/160"), &[]).status, 200);
    }
}

#[test]
fn a_bomb_is_not_decoded() {
    let (server, digest) = archive_of(&picture::sized(ImageFormat::Png, 1, 400, 400));
    // Under that name there is now an image whose header asks for 900,000,000 pixels.
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageLuma8(GrayImage::new(8, 8))
        .write_to(&mut bytes, ImageFormat::Png)
        .expect("a vector takes all");
    let mut bomb = bytes.into_inner();
    for side in [16..20, 20..24] {
        bomb[side].copy_from_slice(&30_000_u32.to_be_bytes());
    }
    let mut crc = flate2::Crc::new();
    crc.update(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    let blobs = server.test.blobs();
    fs::write(&blobs[&digest], &bomb).expect("the store can be written");
    for size in [160, 320, 640] {
        assert_eq!(server.ask("GET", &format!("/thumbnails/{digest}/{size}"), &[]).status, 404);
    }
    assert!(!server.test.path("cache/thumbnails").exists());
}

#[test]
fn what_nobody_draws_shows_itself() {
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" height=\"900\"><rect width=\"9\" height=\"9\"/></svg>";
    let (server, digest) = archive_of(svg);
    assert_eq!(server.ask("GET", &format!("/thumbnails/{digest}/160"), &[]).status, 404);
    let text = digest.to_string();
    let page = String::from_utf8(server.ask("GET", "/images", &[]).body).expect("pages are UTF-8");
    assert!(page.contains(&format!("src=\"/images/{}/{text}.svg\"", &text[..2])), "{page}");
    assert!(!page.contains("/thumbnails/"));
}

/// 75 MB of pixels in a few bytes.
#[test]
fn what_takes_too_much_memory_has_no_thumbnail() {
    let mut bytes = Cursor::new(Vec::new());
    let encoder = image::codecs::png::PngEncoder::new_with_quality(
        &mut bytes,
        image::codecs::png::CompressionType::Fast,
        image::codecs::png::FilterType::NoFilter,
    );
    image::RgbImage::new(5_000, 5_000).write_with_encoder(encoder).expect("a vector takes all");
    let (server, digest) = archive_of(&bytes.into_inner());
    assert_eq!(server.ask("GET", &format!("/thumbnails/{digest}/160"), &[]).status, 404);
    let path = format!("/images/{}/{digest}.png", &digest.to_string()[..2]);
    assert_eq!(server.ask("GET", &path, &[]).status, 200, "it is shown nevertheless");
}

#[test]
fn what_could_not_be_read_once_is_read_again() {
    let (server, digest) = archive_of(&picture::sized(ImageFormat::Png, 1, 400, 400));
    let target = format!("/thumbnails/{digest}/160");
    let blob = server.test.blobs()[&digest].clone();
    let bytes = fs::read(&blob).expect("it is kept");
    fs::remove_file(&blob).expect("the store can be written");
    // Reading a folder fails, however much one may.
    fs::create_dir(&blob).expect("the store can be written");
    assert!(matches!(server.ask("GET", &target, &[]).status, 404 | 500));
    fs::remove_dir(&blob).expect("it is empty");
    fs::write(&blob, bytes).expect("the store can be written");
    assert_eq!(server.ask("GET", &target, &[]).status, 200);
}
