//! Files that are two things. They are kept as the image that they are, and served as nothing else; what begins as something else
//! is no image.

use crate::support::picture;

use super::Rule::{Kept, Refused};
use super::make::{chunk, gif, png, segment, with_segments};
use super::{row, show};

const PAGE: &[u8] = b"<!DOCTYPE html><html><body><script>alert(1)</script></body></html>";

#[test]
fn what_is_an_image_and_something_else_is_served_as_an_image() {
    // A screen of `/*` by `=1` pixels is too large; `/*` by `\0\0` is taken from the frame.
    let script = gif([b'/', b'*', 0, 0], b"!\xFE\x0F*/=1;alert(1)//\0");
    let pdf = b"%PDF-1.4\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n%%EOF\n";
    let zip = b"PK\x03\x04\x0A\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0aPK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let jpeg = picture::jpeg;
    let pixels = |seed| picture::png(seed);
    let rows = [
        row("GIF and a script", script, Kept("image/gif")).said_to_be("text/javascript").called("i.js"),
        row(
            "GIF and a page in a comment",
            gif([2, 0, 2, 0], &[b"!\xFE", &[PAGE.len() as u8][..], PAGE, b"\0"].concat()),
            Kept("image/gif"),
        ),
        row("GIF and a page behind it", [gif([2, 0, 2, 0], b""), PAGE.to_vec()].concat(), Kept("image/gif"))
            .said_to_be("text/html"),
        row(
            "JPEG with a script in a comment",
            with_segments(&jpeg(1), &segment(0xFE, PAGE)),
            Kept("image/jpeg"),
        )
        .said_to_be("text/html")
        .called("i.html"),
        row("JPEG and a page behind it", [jpeg(2), PAGE.to_vec()].concat(), Kept("image/jpeg")),
        row("JPEG and a PDF in it", with_segments(&jpeg(3), &segment(0xFE, pdf)), Kept("image/jpeg"))
            .said_to_be("application/pdf"),
        row("JPEG and an archive behind it", [jpeg(4), zip.to_vec()].concat(), Kept("image/jpeg"))
            .said_to_be("application/zip"),
        row("PNG and a page behind it", [pixels(1), PAGE.to_vec()].concat(), Kept("image/png"))
            .said_to_be("text/html"),
        row(
            "PNG with a page in its text",
            png(8, 8, &chunk(b"tEXt", &[b"Comment\0", PAGE].concat())),
            Kept("image/png"),
        ),
        row(
            "PNG with a program in its text",
            png(8, 8, &chunk(b"tEXt", b"a\0<?php system($_GET['c']); ?>")),
            Kept("image/png"),
        )
        .called("i.php"),
        row("WebP and a page behind it", [picture::webp(1), PAGE.to_vec()].concat(), Kept("image/webp")),
        row(
            "BMP and a script",
            [super::make::run_length_bomb(8, 8), b"*/=1;alert(1)".to_vec()].concat(),
            Kept("image/bmp"),
        ),
        row("PDF and a JPEG behind it", [pdf.to_vec(), jpeg(5)].concat(), Refused("not_an_image")),
        row(
            "page and a GIF behind it",
            [PAGE.to_vec(), gif([2, 0, 2, 0], b"")].concat(),
            Refused("not_an_image"),
        ),
        row(
            "byte order mark and a GIF",
            [b"\xEF\xBB\xBF".to_vec(), gif([2, 0, 2, 0], b"")].concat(),
            Refused("not_an_image"),
        ),
        row("page that begins like a GIF", [b"GIF89a", PAGE].concat(), Refused("bomb")),
        row(
            "script that begins like a GIF",
            b"GIF89a/*<svg/onload=alert(1)>*/=1;".as_slice(),
            Refused("bomb"),
        ),
        row("page that begins like a PNG", [b"\x89PNG\r\n\x1A\n", PAGE].concat(), Refused("damaged")),
        row("page that begins like a JPEG", [b"\xFF\xD8\xFF\xE0", PAGE].concat(), Refused("truncated")),
        row("page that begins like a bitmap", [b"BM", PAGE].concat(), Refused("not_an_image")),
    ];
    show("polyglots", &rows);
}
