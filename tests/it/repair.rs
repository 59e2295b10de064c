//! `verify --repair`: what is missing or damaged is had again from wherever the same bytes still are.

use std::fs;

use imgkeep::digest::Digest;
use serde_json::Value;

use crate::support::Test;
use crate::support::origin::{Answer, Origin};
use crate::support::picture;

const ORIGIN: &str = "http://cdn.example/i.jpg?a=1&b=2";
const PROXIED: &str = "https://cors.zfour.workers.dev/?http://cdn.example/i.jpg?a=1&amp;b=2";

fn blob(seed: u64) -> String {
    let digest = Digest::of(&picture::jpeg(seed)).to_string();
    format!("{}/{digest}.jpg", &digest[..2])
}

/// An archive of one image that its origin gave and a document names through a proxy.
fn archived() -> (Origin, Test) {
    let origin = Origin::start();
    origin.image(ORIGIN, picture::jpeg(1));
    origin.worker("cors.zfour.workers.dev");
    let test = Test::new()
        .origin(&origin)
        .set("fetch.retries", "0")
        .document("posts/a.html", format!("<img src=\"{PROXIED}\">\n"));
    test.run("archive posts").expect_code(0);
    origin.forget_requests();
    (origin, test)
}

fn path(test: &Test) -> std::path::PathBuf {
    test.path("cache/images").join(blob(1))
}

fn repair(test: &Test, code: i32) -> Value {
    test.run("verify --repair --format json").expect_code(code).json()
}

#[test]
fn whatever_happened_to_a_blob_its_bytes_come_back() {
    let (origin, test) = archived();
    let whole = picture::jpeg(1);
    let mut flipped = whole.clone();
    flipped[40] ^= 1;
    for damage in [Some(flipped), Some(whole[..whole.len() / 2].to_vec()), Some(Vec::new()), None] {
        match &damage {
            Some(bytes) => fs::write(path(&test), bytes).unwrap(),
            None => fs::remove_file(path(&test)).unwrap(),
        }
        test.run("verify").expect_code(3);
        origin.forget_requests();
        let report = repair(&test, 0);
        assert_eq!(report["repaired"][0]["blob"], blob(1), "{report}");
        assert_eq!(report["repaired"][0]["source"], "origin");
        assert_eq!(report["findings"], serde_json::json!([]));
        assert_eq!(origin.requests().len(), 1);
        assert_eq!(fs::read(path(&test)).unwrap(), whole);
    }
    origin.forget_requests();
    let report = repair(&test, 0);
    assert_eq!(report["repaired"], serde_json::json!([]));
    assert_eq!(origin.requests().len(), 0, "nobody is asked about what is well");
    test.assert_no_litter();
    assert_eq!(test.blobs().len(), 1);
}

#[test]
fn a_dead_origin_is_no_loss_while_the_documents_proxy_lives() {
    let (origin, test) = archived();
    origin.host_down("cdn.example");
    fs::remove_file(path(&test)).unwrap();
    // the document need not be there any more: its record is
    fs::remove_file(test.path("posts/a.html")).unwrap();
    let report = repair(&test, 0);
    assert_eq!(report["repaired"][0]["source"], "proxy", "{report}");
    assert_eq!(test.blobs().len(), 1);
}

#[test]
fn the_wayback_machine_is_asked_where_it_gave_the_image_and_else_near_that_time() {
    // had from the origin, which is gone with its proxy since
    let (origin, test) = archived();
    origin.host_down("cdn.example");
    origin.host_down("cors.zfour.workers.dev");
    origin.host("web.archive.org", |request, _| match request.target.ends_with(&format!("id_/{ORIGIN}")) {
        true => Answer::image(picture::jpeg(1)),
        false => Answer::status(404),
    });
    fs::remove_file(path(&test)).unwrap();
    assert_eq!(repair(&test, 0)["repaired"][0]["source"], "wayback");

    // had from a capture of 2015, and other captures are other images
    let origin = Origin::start();
    let capture = "https://web.archive.org/web/20150101000000id_/http://cdn.example/i.jpg";
    origin.image(capture, picture::jpeg(1));
    origin.host("web.archive.org", move |request, _| match request.target.starts_with("/web/2014") {
        true => Answer::redirect(capture),
        false => Answer::image(picture::jpeg(2)),
    });
    let post = "---\ndate: 2014-12-01\n---\n![](http://cdn.example/i.jpg)\n";
    let test = Test::new().origin(&origin).set("fetch.retries", "0").document("a.md", post);
    test.run("archive a.md").expect_code(0);
    fs::remove_file(path(&test)).unwrap();
    let report = repair(&test, 0);
    assert_eq!(report["repaired"][0]["url"], capture, "{report}");
}

#[test]
fn another_version_is_shown_and_never_swapped_in() {
    let (origin, test) = archived();
    origin.image(ORIGIN, picture::jpeg(2));
    let damaged = b"\xff\xd8\xff damaged".to_vec();
    fs::write(path(&test), &damaged).unwrap();
    let report = repair(&test, 3);
    let different = &report["different"][0];
    assert_eq!(different["blob"], blob(1));
    assert_eq!(different["versions"][0]["digest"], Digest::of(&picture::jpeg(2)).to_string());
    assert_eq!(different["versions"][0]["url"], ORIGIN);
    assert_eq!((&report["repaired"], &report["unrepaired"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    assert_eq!(report["findings"][0]["finding"], "corrupt");
    assert_eq!(fs::read(path(&test)).unwrap(), damaged);
    assert!(!test.path("cache/images").join(blob(2)).exists(), "the other version is not kept");
    let told = test.run("verify --repair").expect_code(3).stdout;
    assert!(told.contains("another version") && told.contains(ORIGIN), "{told}");
    // elsewhere the image is still what it was
    origin.host("web.archive.org", |_, _| Answer::image(picture::jpeg(1)));
    assert_eq!(repair(&test, 0)["repaired"][0]["source"], "wayback");
}

#[test]
fn what_nobody_has_is_told_with_reasons() {
    let (origin, test) = archived();
    origin.answer(ORIGIN, Answer::html("gone"));
    fs::remove_file(path(&test)).unwrap();
    let report = repair(&test, 3);
    let attempts = report["unrepaired"][0]["attempts"].as_array().unwrap();
    assert_eq!(attempts[0]["reason"], "not_an_image", "{report}");
    for source in ["origin", "proxy", "wayback"] {
        assert!(attempts.iter().any(|attempt| attempt["source"] == source), "{report}");
    }
    let findings: Vec<_> = report["findings"].as_array().unwrap().iter().map(|one| &one["finding"]).collect();
    assert_eq!(findings, ["missing", "dangling"]);
    // the limits are those of any download
    origin.image(ORIGIN, picture::jpeg(1));
    let small = test.run("verify --repair --format json --set fetch.max_bytes=100").expect_code(3).json();
    assert_eq!(small["unrepaired"][0]["attempts"][0]["reason"], "too_large", "{small}");
    // and what was said before holds nobody back
    assert_eq!(repair(&test, 0)["repaired"][0]["blob"], blob(1));
}

#[test]
fn a_host_that_was_left_alone_is_asked_nonetheless() {
    let (origin, test) = archived();
    origin.host_down("cdn.example");
    let post: String = (0..6).map(|n| format!("![](http://cdn.example/other/{n}.png)\n")).collect();
    test.write("posts/b.md", post);
    test.run("archive posts --set fetch.sources=[\"origin\"]").expect_code(3);
    origin.host_up("cdn.example");
    fs::remove_file(path(&test)).unwrap();
    assert_eq!(repair(&test, 0)["repaired"][0]["source"], "origin");
}

#[test]
fn one_banner_for_many_images_is_no_version_of_any() {
    let origin = Origin::start();
    let url = |n| format!("http://cdn.example/{n}.jpg");
    let mut post = String::new();
    for n in 0..6 {
        origin.image(&url(n), picture::jpeg(n));
        post += &format!("![]({})\n", url(n));
    }
    let test = Test::new().origin(&origin).document("a.md", post);
    test.run("archive a.md").expect_code(0);
    fs::remove_dir_all(test.path("cache/images")).unwrap();
    for n in 1..6 {
        origin.image(&url(n), picture::png(99));
    }
    let report = repair(&test, 3);
    assert_eq!(report["repaired"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["unrepaired"].as_array().unwrap().len(), 5, "{report}");
    assert_eq!(report["different"], serde_json::json!([]));
    assert_eq!(test.blobs().len(), 1);
}

#[test]
fn an_image_of_two_origins_is_had_from_the_one_that_lives_and_orphans_stay() {
    let origin = Origin::start();
    origin.image("http://a.example/1.jpg", picture::jpeg(1));
    origin.image("http://b.example/2.jpg", picture::jpeg(1));
    let test = Test::new()
        .origin(&origin)
        .document("a.md", "![](http://a.example/1.jpg) ![](http://b.example/2.jpg)\n");
    test.run("archive a.md").expect_code(0);
    origin.answer("http://a.example/1.jpg", Answer::status(404));
    origin.image("https://b.example/2.jpg", picture::jpeg(3));
    fs::remove_file(path(&test)).unwrap();
    let orphan = test.path("cache/images").join(blob(7));
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(&orphan, picture::jpeg(7)).unwrap();
    let report = repair(&test, 3);
    assert_eq!(report["repaired"][0]["url"], "http://b.example/2.jpg");
    assert_eq!(report["findings"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["findings"][0]["finding"], "orphaned");
    assert!(orphan.exists());
}
