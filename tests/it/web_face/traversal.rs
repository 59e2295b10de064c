//! Ways out of the folder, in every encoding, at every place that takes a name.

use std::fs;

use imgkeep::digest::Digest;

use super::{raw, statuses};
use crate::serve::client::Server;
use crate::support::origin::Origin;
use crate::support::rounds::rounds;
use crate::support::{Test, picture};

/// In the files that must never be read.
const SECRET: &str = "the-secret-that-nobody-may-read";

/// One step up, as somebody might read it.
const UP: [&str; 24] = [
    "..",
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%2e.",
    "%252e%252e",
    "%25252e%25252e",
    "%c0%ae%c0%ae",
    "%e0%80%ae%e0%80%ae",
    "%f0%80%80%ae%f0%80%80%ae",
    "%uff0e%uff0e",
    "%u002e%u002e",
    "\u{ff0e}\u{ff0e}",
    "%ef%bc%8e%ef%bc%8e",
    "....",
    "..;",
    "..%00",
    "..%0d%0a",
    "..%09",
    "..%20",
    ".%00.",
    "..\u{200b}",
    "..%ff",
    "x/..",
];
/// What parts the steps.
const BETWEEN: [&str; 12] =
    ["/", "%2f", "%2F", "\\", "%5c", "%5C", "//", "/./", "%252f", "%c0%af", "%ef%bc%8f", "/%2e/"];

/// Targets that lead from `start` to the files beside the images: with each of the signs between the steps, or with one.
fn targets(start: &str, is_whole: bool) -> Vec<String> {
    let mut targets = Vec::new();
    for (number, up) in UP.into_iter().enumerate() {
        for (other, between) in BETWEEN.into_iter().enumerate() {
            if is_whole || number % BETWEEN.len() == other {
                targets.push(format!("{start}{up}{between}token"));
            }
        }
        targets.push(format!("{start}ab/{up}/{up}/catalog.db"));
        targets.push(format!("{start}{up}/{up}/{up}/{up}/{up}/{up}/{up}/{up}/etc/passwd"));
    }
    targets
}

#[test]
fn no_spelling_leads_out_of_the_images() {
    let origin = Origin::start();
    let bytes = picture::png(1);
    origin.image("http://cdn.example/a.png", bytes.clone());
    let test = Test::new().origin(&origin).document("a.md", "![](http://cdn.example/a.png)\n");
    test.run("archive a.md").expect_code(0);
    for path in ["cache/token", "cache/secret.png", "cache/images/secret.png", "token", "secret.png"] {
        fs::write(test.path(path), SECRET).expect("the folder can be written");
    }
    fs::create_dir_all(test.path("cache/images/ab")).expect("the folder can be written");
    fs::write(test.path("cache/images/ab/token"), SECRET).expect("the folder can be written");
    // A link that leads out, under a name that a blob has.
    let digest = Digest::of(SECRET.as_bytes()).to_string();
    let folder = test.path(&format!("cache/images/{}", &digest[..2]));
    fs::create_dir_all(&folder).expect("the folder can be written");
    std::os::unix::fs::symlink(test.path("token"), folder.join(format!("{digest}.png"))).expect("it is new");
    let kept = Digest::of(&bytes).to_string();
    let mut command = test.command("--format json serve --listen 127.0.0.1:0");
    command.arg("--set").arg("server.readers=all");
    let server = Server::run(test, command);

    let mut all = Vec::new();
    for start in [
        "/images/",
        "/image/",
        "/thumbnails/",
        "/assets/",
        "/api/v1/images/",
        "/api/v1/runs/",
        "/runs/",
        "/",
        "/?",
        "/?url=",
        "/?file://",
        "/file://",
        "/http://",
        "/http:/",
        "/document?path=",
        "/images?document=",
        "/images?find=",
        "/api/v1/explain?image=",
    ] {
        all.extend(targets(start, start == "/images/" || rounds(1) > 1));
    }
    // The image's own name, and what only looks like it.
    let own = format!("/images/{}/{kept}.png", &kept[..2]);
    let (shard, file) = (&kept[..2], format!("{kept}.png"));
    for around in [
        "../images/",
        "x/../",
        "./",
        "%2e/",
        "/",
        "x/",
        "..%2fimages/",
        "%2e%2e/images/",
        "..\\images\\",
        "=",
        "x=",
    ] {
        all.push(format!("/images/{around}{shard}/{file}"));
        all.push(format!("/images/{shard}/{around}{file}"));
    }
    for tail in [
        "/",
        "/..",
        "%00",
        "%00.png",
        "/../token",
        "%2f..%2ftoken",
        ";x",
        "~",
        "::$DATA",
        ".png",
        "%20",
        "%0a",
    ] {
        all.push(format!("{own}{tail}"));
        all.push(format!("/images/{shard}/{kept}{tail}"));
        all.push(format!("/image/{kept}{tail}"));
        all.push(format!("/thumbnails/{kept}/320{tail}"));
    }
    all.push(format!("/images/{}/{digest}.png", &digest[..2]));
    for line in ["GET token", "GET ../token", "GET images/../token", "GET file:///etc/passwd", "GET *"] {
        all.push(line["GET ".len()..].to_owned());
    }
    all.push(own.clone());
    let mut found = 0;
    for target in &all {
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address);
        let answer = raw(server.address, request.as_bytes());
        let text = String::from_utf8_lossy(&answer);
        assert!(
            !text.contains(SECRET) && !text.contains("root:x:0") && !text.contains("SQLite format"),
            "{target}: {text}"
        );
        let statuses = statuses(&answer);
        assert_eq!(statuses.len(), 1, "{target}: {text}");
        let is_image = text.contains("content-type: image/");
        found += usize::from(is_image && *target == own);
        // An image is given under its own name alone, the page for it and what is searched for are pages.
        let is_page =
            ["/document?", "/images?", "/?", "/image/"].iter().any(|start| target.starts_with(start));
        assert!(is_page || is_image || matches!(statuses[0], 400 | 404 | 500), "{target}: {text}");
        let is_small_one = target.starts_with(&format!("/thumbnails/{kept}/320"));
        assert!(!is_image || *target == own || is_small_one, "{target}: {text}");
    }
    println!("web face: {} ways out of the folder: none leads there", all.len());
    assert!(found > 0, "its own name leads to the image");
    assert!(all.len() > 1000);
}
