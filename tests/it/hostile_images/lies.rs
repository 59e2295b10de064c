//! Names and types that are not true: the bytes alone count.

use crate::support::origin::Answer;
use crate::support::picture;

use super::Rule::{Kept, Refused};
use super::make::gif;
use super::{row, show};

#[test]
fn names_and_types_are_not_believed() {
    let page = b"<!DOCTYPE html><title>404</title><p>sorry";
    let named = |seed: u64, path: &str| row(path, picture::jpeg(seed), Kept("image/jpeg")).called(path);
    let typed = |seed: u64, kind: &str| row(kind, picture::png(seed), Kept("image/png")).said_to_be(kind);
    let mut rows = vec![
        row("WebP called PNG", picture::webp(1), Kept("image/webp")).said_to_be("image/png"),
        row("page that calls itself a JPEG", page, Refused("not_an_image")).said_to_be("image/jpeg"),
        row("JSON", br#"{"error":404}"#, Refused("not_an_image")).said_to_be("image/png"),
        row("nothing", b"", Refused("not_an_image")).said_to_be("image/png"),
        row("one byte", b"\x89", Refused("not_an_image")).said_to_be("image/png"),
        row("a script", b"alert(1)", Refused("not_an_image")).said_to_be("image/gif"),
        row("a single pixel", pixel(), Refused("placeholder")),
        row("a name for whoever saves it", picture::gif(1), Kept("image/gif")).answered(
            Answer::image(picture::gif(1))
                .header("Content-Disposition", "attachment; filename=\"../../x.html\""),
        ),
        row("a policy of its own", picture::gif(2), Kept("image/gif")).answered(
            Answer::image(picture::gif(2))
                .header("Content-Security-Policy", "default-src *")
                .header("Set-Cookie", "a=b")
                .header("Refresh", "0; url=http://canary.example/")
                .header("Link", "<http://canary.example/>; rel=preload; as=image"),
        ),
        row(
            "an icon as a page",
            picture::sized(image::ImageFormat::Ico, 1, 16, 16),
            Kept("image/vnd.microsoft.icon"),
        )
        .said_to_be("text/html"),
        row("TIFF as a PNG", picture::sized(image::ImageFormat::Tiff, 1, 16, 16), Kept("image/tiff"))
            .said_to_be("image/png"),
        row("GIF without pixels", &gif([2, 0, 2, 0], b"")[..19], Refused("truncated")),
    ];
    let long = "x".repeat(300);
    let names = [
        "",
        "i",
        "i.php",
        "i.php?x=.png&a=%3Cscript%3E",
        "i.html",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/VERSION",
        "..%5c..%5cx.exe",
        "i.png%00.html",
        "i.png;.html",
        "%0d%0aSet-Cookie:a=b.png",
        "CON.png",
        &format!("{long}.png"),
    ];
    rows.extend((100..).zip(names).map(|(seed, path)| named(seed, path)));
    let types = [
        "text/html",
        "image/png, text/html",
        "application/octet-stream",
        "image/svg+xml",
        "multipart/x-mixed-replace; boundary=a",
        "",
        "nonsense",
        "text/html; charset=utf-7",
    ];
    rows.extend((200..).zip(types).map(|(seed, kind)| typed(seed, kind)));
    show("names and types", &rows);
}

/// What trackers show.
fn pixel() -> Vec<u8> {
    let head = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff";
    let frame = b"!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
    [&head[..], frame].concat()
}
