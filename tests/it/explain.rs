//! `imgkeep explain`: all that is known of one image, without asking anybody.

use std::fs;

use imgkeep::digest::Digest;
use serde_json::{Value, json};

use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

const IMAGE: &str = "http://cdn.example/a.jpg";
const WRAPPED: &str = "https://cors.zfour.workers.dev/?http://cdn.example/a.jpg";

fn explain(test: &Test, words: &str) -> Value {
    test.run(&format!("explain {words} --format json")).expect_code(0).json()
}

/// The sources of all rungs, those with a Referer marked.
fn rungs(known: &Value) -> Vec<String> {
    let rungs = known["rungs"].as_array().unwrap().iter();
    let word = |rung: &Value| {
        let referer = rung["referer"].as_str().map(|referer| format!(" from {referer}")).unwrap_or_default();
        format!("{}{referer}", rung["source"].as_str().unwrap())
    };
    rungs.map(word).collect()
}

fn rung<'a>(known: &'a Value, source: &str) -> &'a Value {
    known["rungs"].as_array().unwrap().iter().find(|rung| rung["source"] == source).unwrap()
}

#[test]
fn without_an_archive_it_unwraps_and_names_the_rungs_and_makes_nothing() {
    let test = Test::new();
    let url = "https://wsrv.nl/?url=https://cors.zfour.workers.dev/?http://cdn.example/a.jpg";
    let known = explain(&test, url);
    assert_eq!(known["origin"], IMAGE);
    assert_eq!(
        known["layers"],
        json!([
            { "url": url, "family": "weserv", "leads_to": WRAPPED },
            { "url": WRAPPED, "family": "cors-zfour", "leads_to": IMAGE },
        ])
    );
    let all = ["origin", "origin from http://cdn.example/", "origin_https", "proxy", "proxy", "wayback"];
    assert_eq!(rungs(&known), all);
    assert_eq!(known["rungs"][1]["condition"], "refused");
    assert_eq!(known["rungs"][3]["url"], url);
    assert_eq!(known["rungs"][4]["url"], WRAPPED);
    assert_eq!(known["due"], json!({ "when": "next_run" }));
    assert_eq!(
        (&known["kept"], &known["failure"], &known["documents"]),
        (&json!([]), &Value::Null, &json!([]))
    );
    let human = test.run(&format!("explain {url}")).expect_code(0).stdout;
    for text in [
        "1. https://wsrv.nl/?url=",
        "(weserv) of https://cors.zfour.workers.dev/?http",
        "2. https://cors.zfour.workers.dev/?http",
        "(cors-zfour) of http://cdn.example/a.jpg",
        "not kept, and never asked for",
        "2. origin: http://cdn.example/a.jpg\n     with the Referer http://cdn.example/\n     only where",
    ] {
        assert!(human.contains(text), "`{text}` is not in: {human}");
    }
    assert!(test.tree(".").is_empty());
}

#[test]
fn the_configuration_says_whom_to_ask() {
    let test = Test::new();
    let known = explain(&test, &format!("{WRAPPED} --set fetch.sources=[\"wayback\",\"origin\"]"));
    assert_eq!(rungs(&known)[..2], ["wayback", "origin"]);
    let known = explain(&test, &format!("{IMAGE} --set fetch.sources=[\"proxy\"]"));
    assert_eq!((rungs(&known).len(), &known["due"]), (0, &Value::Null));
    let known = explain(&test, &format!("{IMAGE} --set references.exclude_hosts=cdn.example"));
    assert_eq!((&known["wanted"], &explain(&test, IMAGE)["wanted"]), (&json!(false), &json!(true)));
    for private in ["http://192.168.1.9/a.jpg", "https://wsrv.nl/?url=http://nas.local/a.jpg"] {
        let known = explain(&test, private);
        assert_eq!(known["public"], false);
        assert!(rungs(&known).iter().all(|rung| rung.starts_with("origin")), "{known}");
    }
}

#[test]
fn what_is_no_url_is_told_in_one_line() {
    let test = Test::new().document("a.md", "no image\n");
    let archived = Test::new().document("a.md", "no image\n");
    archived.run("archive a.md").expect_code(0);
    let digest = Digest::of(b"x").to_string();
    let link = format!("../cache/images/{}/{digest}.jpg", &digest[..2]);
    for text in ["nonsense", "/a.png", "data:image/png,x", "http://", "mailto:a@b.example", &digest, &link] {
        for test in [&test, &archived] {
            let outcome = test.run(&format!("explain {text}")).expect_code(2);
            assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
            assert!(outcome.stderr.contains(text) || outcome.stderr.contains(&digest), "{}", outcome.stderr);
            assert_eq!(outcome.stdout, "");
        }
    }
}

#[test]
fn a_copy_is_found_by_every_name_and_says_who_gave_it() {
    let origin = Origin::start();
    origin.image(IMAGE, picture::jpeg(1));
    origin.image("http://cdn.example/same.jpg", picture::jpeg(1));
    origin.worker("cors.zfour.workers.dev");
    origin.host_down("cdn.example");
    let post = format!("![]({WRAPPED})\n");
    let test = Test::new()
        .origin(&origin)
        .set("fetch.retries", "0")
        .document("posts/a.md", &post)
        .document("posts/b.md", &post)
        .document("c.md", "![](https://cors.zfour.workers.dev/?http://cdn.example/same.jpg)\n");
    test.run("archive posts c.md").expect_code(0);
    origin.forget_requests();
    let digest = Digest::of(&picture::jpeg(1)).to_string();
    let link = format!("../cache/images/{}/{digest}.jpg", &digest[..2]);
    let known = explain(&test, WRAPPED);
    let kept = &known["kept"][0];
    assert_eq!(known["kept"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&kept["digest"], &kept["source"], &kept["url"]),
        (&json!(digest), &json!("proxy"), &json!(WRAPPED))
    );
    assert_eq!(fs::read(kept["path"].as_str().unwrap()).unwrap(), picture::jpeg(1));
    assert_eq!((&kept["there"], &kept["width"]), (&json!(true), &json!(32)));
    let asked = kept["attempts"].as_array().unwrap();
    assert_eq!((&asked[0]["source"], &asked[0]["reason"]), (&json!("origin"), &json!("connect")));
    assert_eq!(known["same_bytes"], json!(["http://cdn.example/same.jpg"]));
    assert_eq!((&known["failure"], &known["due"]), (&Value::Null, &Value::Null));
    assert_eq!(rung(&known, "proxy")["gave"], true);
    assert_eq!(rung(&known, "origin")["attempt"]["reason"], "connect");
    assert_eq!(known["hosts"][0]["manner"], "proxy cors.zfour.workers.dev");
    assert_eq!(known["documents"].as_array().unwrap().len(), 3, "the same bytes are one link: {known}");

    for other in [IMAGE, "https://cdn.example/a.jpg"] {
        let other = explain(&test, other);
        assert_eq!((&other["kept"], &other["documents"]), (&known["kept"], &known["documents"]));
        assert_eq!(rung(&other, "proxy")["url"], WRAPPED, "known from who gave it");
    }
    for name in [&digest, &link] {
        let by_digest = explain(&test, name);
        assert_eq!(by_digest["kept"][0]["digest"], kept["digest"]);
    }
    let human = test.run(&format!("explain {IMAGE}")).expect_code(0).stdout;
    for text in
        ["kept since 20", "from the proxy: https://cors", "origin: connect:", "gave the copy", "a.md\n"]
    {
        assert!(human.contains(text), "`{text}` is not in: {human}");
    }
    // a document that has its URL again, one that is gone, and one that was edited
    test.run("restore posts/a.md").expect_code(0);
    assert_eq!(explain(&test, IMAGE)["documents"].as_array().unwrap().len(), 3, "it shows it still");
    test.write("posts/a.md", "no image\n");
    fs::remove_file(test.path("c.md")).unwrap();
    let edited = String::from_utf8(test.read("posts/b.md")).unwrap();
    test.write("posts/b.md", format!("a new line\n{edited}"));
    let documents = explain(&test, IMAGE)["documents"].clone();
    assert_eq!(documents, json!([test.path("posts/b.md").canonicalize().unwrap()]));
    // a copy whose file is gone is asked for again
    fs::remove_dir_all(test.path("cache/images")).unwrap();
    let known = explain(&test, IMAGE);
    assert_eq!(known["kept"][0]["there"], false);
    assert_eq!(rung(&known, "origin")["due"], json!({ "when": "next_run" }), "what was said before is past");
    assert_eq!(origin.requests().len(), 0, "nobody was asked");
}

#[test]
fn a_failure_says_what_each_rung_said_and_when_it_is_asked_again() {
    let origin = Origin::start();
    origin.answer(IMAGE, Answer::status(403));
    origin.answer("https://cdn.example/a.jpg", Answer::redirect("https://moved.example/gone.jpg"));
    origin.worker("cors.zfour.workers.dev");
    let post = format!("---\ndate: 2016-05-04\n---\n![]({WRAPPED})\n");
    let test = Test::new().origin(&origin).document("posts/a.md", post);
    test.run("archive posts").expect_code(3);
    origin.forget_requests();
    let before = test.tree("posts");
    let known = explain(&test, IMAGE);
    assert_eq!((&known["kept"], &known["failure"]["reason"]), (&json!([]), &json!("http_403")));
    let all = ["origin", "origin from http://cdn.example/", "origin_https", "proxy", "wayback"];
    assert_eq!(rungs(&known)[..5], all);
    assert!(known["rungs"].as_array().unwrap().iter().all(|rung| rung["attempt"].is_object()), "{known}");
    assert_eq!(rung(&known, "origin_https")["attempt"]["passed"], json!(["https://moved.example/gone.jpg"]));
    assert_eq!(rung(&known, "proxy")["url"], WRAPPED, "the document says so");
    let capture = "https://web.archive.org/web/20160504000000id_/http://cdn.example/a.jpg";
    assert_eq!(rung(&known, "wayback")["url"], capture);
    let week = 7 * 24 * 3_600_000;
    let attempt = &rung(&known, "origin")["attempt"];
    assert_eq!(known["due"]["when"], "at");
    assert_eq!(rung(&known, "origin")["due"]["at"].as_i64().unwrap(), attempt["at"].as_i64().unwrap() + week);
    assert_eq!(known["documents"], json!([test.path("posts/a.md").canonicalize().unwrap()]));
    // what a refusal came from may change
    let other = explain(&test, &format!("{IMAGE} --set fetch.site=https://blog.example"));
    assert_eq!(rung(&other, "origin")["due"]["when"], "next_run");
    assert_eq!(rung(&other, "origin_https")["due"]["when"], "at");
    assert!(rungs(&other).contains(&"origin from https://blog.example/".to_owned()), "{other}");
    let human = test.run(&format!("explain {IMAGE}")).expect_code(0).stdout;
    for text in
        ["not kept: http_403: status 403", "led to https://moved.example/gone.jpg", "asked again from 20"]
    {
        assert!(human.contains(text), "`{text}` is not in: {human}");
    }
    // no document wants it any more
    test.write("posts/a.md", "no image\n");
    assert_eq!(explain(&test, IMAGE)["documents"], json!([]));
    test.write("posts/a.md", format!("---\ndate: 2016-05-04\n---\n![]({WRAPPED})\n"));
    assert_eq!(test.tree("posts"), before);
    assert_eq!(origin.requests().len(), 0, "nobody was asked");
}

#[test]
fn what_waits_for_a_setting_says_which() {
    let origin = Origin::start();
    origin.image(IMAGE, picture::jpeg(1));
    let test = Test::new()
        .origin(&origin)
        .set("fetch.sources", "[\"origin\"]")
        .document("a.md", format!("![]({IMAGE})\n"));
    test.run("archive a.md --set fetch.max_bytes=100").expect_code(3);
    let known = explain(&test, &format!("{IMAGE} --set fetch.max_bytes=100"));
    let origin_due = &rung(&known, "origin")["due"];
    assert_eq!(*origin_due, json!({ "when": "settings", "settings": ["fetch.max_bytes"] }));
    let human = test.run(&format!("explain {IMAGE} --set fetch.max_bytes=100")).expect_code(0).stdout;
    assert!(human.contains("asked again once `fetch.max_bytes` changes"), "{human}");
    assert_eq!(rung(&explain(&test, IMAGE), "origin")["due"]["when"], "next_run");
    test.run("archive a.md").expect_code(0);
}

#[test]
fn a_host_that_is_left_alone_is_named_with_its_time() {
    let origin = Origin::start();
    origin.host("cdn.example", |_, _| Answer::status(429).header("Retry-After", "3600"));
    let test = Test::new()
        .origin(&origin)
        .set("fetch.sources", "[\"origin\"]")
        .document("a.md", format!("![]({IMAGE})\n![](http://cdn.example/b.jpg)\n"));
    test.run("archive a.md").expect_code(3);
    let known = explain(&test, IMAGE);
    let host = &known["hosts"][0];
    assert_eq!((&host["host"], &host["left_alone"]["reason"]), (&json!("cdn.example"), &json!("http_429")));
    let until = host["left_alone"]["until"].as_i64().unwrap();
    assert!(known["due"]["at"].as_i64().unwrap() >= until, "{known}");
    // one that was never asked for has to wait, too
    let other = explain(&test, "http://cdn.example/new.jpg");
    assert_eq!(other["due"], json!({ "when": "at", "at": until }));
    let human = test.run(&format!("explain {IMAGE}")).expect_code(0).stdout;
    assert!(human.contains("cdn.example is left alone until 20"), "{human}");
}

#[test]
fn the_manner_that_helped_before_comes_first() {
    let origin = Origin::start();
    origin.host("cdn.example", |request, _| match request.header("referer") {
        Some(_) if request.target == "/a.jpg" => Answer::image(picture::jpeg(1)),
        Some(_) => Answer::status(404),
        None => Answer::status(403),
    });
    let test = Test::new()
        .origin(&origin)
        .set("fetch.sources", "[\"origin\"]")
        .document("a.md", format!("![]({IMAGE})\n"))
        .document("b.md", "![](http://cdn.example/b.jpg)\n");
    test.run("archive a.md").expect_code(0);
    let known = explain(&test, IMAGE);
    let own = "origin from http://cdn.example/";
    assert_eq!(rungs(&known), [own, "origin", "origin_https"]);
    assert_eq!((&known["rungs"][0]["gave"], &known["rungs"][1]["gave"]), (&json!(true), &json!(false)));
    test.run("archive b.md").expect_code(3);
    let known = explain(&test, "http://cdn.example/b.jpg");
    assert_eq!(known["rungs"].as_array().unwrap().len(), 3);
    assert_eq!(rung(&known, "origin_https")["attempt"]["reason"], "http_403");
    assert_eq!(test.run("explain http://cdn.example/b.jpg").expect_code(0).stderr, "");
}

#[test]
fn a_placeholder_says_where_more_is_said() {
    let origin = Origin::start();
    origin.host("cdn.example", |_, _| Answer::image(picture::png(1)));
    let post: String = (0..5).map(|n| format!("![](http://cdn.example/{n}.png)\n")).collect();
    let test = Test::new().origin(&origin).set("fetch.sources", "[\"origin\"]").document("a.md", post);
    test.run("archive a.md").expect_code(3);
    let human = test.run("explain http://cdn.example/2.png").expect_code(0).stdout;
    assert!(human.contains("not kept: placeholder"), "{human}");
    assert!(human.contains("imgkeep status --placeholders"), "{human}");
    let digest = Digest::of(&picture::png(1));
    let outcome = test.run(&format!("explain {digest}")).expect_code(2);
    assert!(outcome.stderr.contains("imgkeep status --placeholders"), "{}", outcome.stderr);
}

/// What a name's address showed in one run holds in the next: the proxies are not told of it then either.
#[test]
fn an_origin_at_a_private_address_stays_nobody_elses_business() {
    let origin = Origin::start();
    origin.image(IMAGE, picture::jpeg(1));
    origin.worker("cors.zfour.workers.dev");
    let test = Test::new()
        .origin(&origin)
        .set("fetch.resolve", "{ \"cdn.example\" = [\"10.0.0.7\"] }")
        .document("a.md", format!("![]({WRAPPED})\n"));
    for _ in 0..4 {
        test.run("archive a.md").expect_code(3);
    }
    assert_eq!(origin.requests().len(), 0);
    let known = explain(&test, WRAPPED);
    assert_eq!(known["failure"]["reason"], "blocked_address");
    for source in ["proxy", "wayback"] {
        let rung = rung(&known, source);
        assert_eq!((&rung["condition"], &rung["due"]), (&json!("private"), &Value::Null), "{known}");
    }
}
