//! `imgkeep status`: what is kept, what is not, when that is asked for again, and what is gone from the web.

use imgkeep::digest::Digest;
use serde_json::{Value, json};

use crate::support::origin::{Answer, Origin, Request};
use crate::support::{Test, picture};

fn status(test: &Test, words: &str) -> Value {
    test.run(&format!("status {words} --format json")).expect_code(0).json()
}

fn posts(host: &str, count: u64) -> String {
    (0..count).map(|n| format!("![](http://{host}/{n}.jpg)\n")).collect()
}

#[test]
fn failures_are_told_with_everyone_who_was_asked_and_the_next_time() {
    let origin = Origin::start();
    origin.answer("http://cdn.example/1.jpg", Answer::status(410));
    let test = Test::new()
        .origin(&origin)
        .document("a.md", posts("cdn.example", 2))
        .document("b.md", posts("cdn.example", 1));
    test.run("archive a.md b.md").expect_code(3);
    let known = status(&test, "");
    assert_eq!(known["totals"]["failures"], 2);
    let day = 24 * 3_600_000;
    for (reason, days) in [("http_404", 7), ("http_410", 7)] {
        let sum = &known["reasons"][reason];
        assert_eq!((&sum["images"], &sum["due"]["when"]), (&json!(1), &json!("at")), "{known}");
        let failure =
            known["failures"].as_array().unwrap().iter().find(|failure| failure["reason"] == reason);
        let failure = failure.unwrap();
        assert_eq!(failure["due"], sum["due"], "the first rung that is asked again decides");
        let waits = sum["due"]["at"].as_i64().unwrap() - failure["at"].as_i64().unwrap();
        assert!((waits - days * day).abs() < 60_000, "{waits} ms");
    }
    let first =
        known["failures"].as_array().unwrap().iter().find(|one| one["origin"] == "http://cdn.example/0.jpg");
    let here = test.root().canonicalize().unwrap();
    assert_eq!(first.unwrap()["documents"], json!([here.join("a.md"), here.join("b.md")]));
    assert_eq!(known["hosts"][0]["failing"], 2);
    let human = test.run("status").expect_code(0).stdout;
    assert!(human.contains("1  http_410         asked again from 20"), "{human}");
    let human = test.run("status --failures").expect_code(0).stdout;
    for text in [
        "http://cdn.example/1.jpg\n  http_410: status 410",
        "wayback",
        "asked again from",
        "wanted by",
        "2 images not",
    ] {
        assert!(human.contains(text), "`{text}` is not in: {human}");
    }
}

#[test]
fn what_no_document_wants_is_no_failure() {
    let origin = Origin::start();
    origin.image("http://cdn.example/0.jpg", picture::jpeg(0));
    origin.answer("http://pages.example/big.jpg", Answer::html("<h1>a page</h1>"));
    let page = "<a href=\"http://pages.example/big.jpg\"><img src=\"http://cdn.example/0.jpg\"></a>\n";
    let test =
        Test::new().origin(&origin).document("a.html", page).document("b.md", posts("dead.example", 1));
    test.run("archive a.html").expect_code(0);
    let known = status(&test, "");
    assert_eq!((&known["totals"]["failures"], &known["failures"]), (&json!(0), &json!([])));
    let hosts: Vec<_> = known["hosts"].as_array().unwrap().iter().map(|host| &host["host"]).collect();
    assert_eq!(hosts, ["cdn.example"], "the link that led to a page is only remembered");
    test.run("archive b.md").expect_code(3);
    assert_eq!(status(&test, "")["totals"]["failures"], 1);
    test.write("b.md", "no image any more\n");
    test.run("archive b.md").expect_code(0);
    let known = status(&test, "");
    assert_eq!((&known["totals"]["failures"], &known["reasons"]), (&json!(0), &json!({})));
}

#[test]
fn hosts_say_how_they_are_asked_and_until_when_they_are_not() {
    let origin = Origin::start();
    origin.host("busy.example", |_, _| Answer::status(429).header("Retry-After", "3600"));
    origin.host("picky.example", |request: &Request, _| match request.header("referer") {
        Some("http://picky.example/") => Answer::image(picture::jpeg(7)),
        _ => Answer::status(403),
    });
    let test = Test::new()
        .origin(&origin)
        .set("fetch.sources", "[\"origin\"]")
        .document("a.md", posts("busy.example", 1) + &posts("picky.example", 1));
    test.run("archive a.md").expect_code(3);
    let known = status(&test, "");
    let host =
        |name: &str| known["hosts"].as_array().unwrap().iter().find(|host| host["host"] == name).unwrap();
    assert_eq!(host("busy.example")["left_alone"]["reason"], "http_429");
    assert_eq!(host("busy.example")["manner"], Value::Null);
    assert_eq!(host("picky.example")["manner"], "origin from its own site");
    assert_eq!(host("picky.example")["left_alone"], Value::Null);
    let until = host("busy.example")["left_alone"]["until"].as_i64().unwrap();
    assert!(known["reasons"]["http_429"]["due"]["at"].as_i64().unwrap() >= until);
    let human = test.run("status").expect_code(0).stdout;
    assert!(human.contains("busy.example is left alone until 20"), "{human}");
    assert!(human.contains("picky.example is asked first: origin from its own site"), "{human}");
}

#[test]
fn a_placeholder_is_shown_and_the_line_that_it_prints_makes_it_genuine() {
    let origin = Origin::start();
    origin.host("cdn.example", |_, _| Answer::image(picture::png(1)));
    let post = posts("cdn.example", 6);
    let test = Test::new().origin(&origin).set("fetch.sources", "[\"origin\"]").document("a.md", &post);
    test.run("archive a.md").expect_code(3);
    assert_eq!(test.read("a.md"), post.as_bytes());
    let digest = Digest::of(&picture::png(1)).to_string();
    let known = status(&test, "--placeholders");
    assert_eq!(known["placeholders"].as_array().unwrap().len(), 1, "{known}");
    let found = &known["placeholders"][0];
    assert_eq!(
        (&found["digest"], &found["host"], &found["images"]),
        (&json!(digest), &json!("cdn.example"), &json!(6))
    );
    assert_eq!((&found["genuine"], &found["listed"]), (&json!(false), &json!(false)));
    assert!(found["since"].as_i64().unwrap() > 1_700_000_000_000);
    assert_eq!(std::fs::read(found["path"].as_str().unwrap()).unwrap(), picture::png(1), "to look at");
    let human = test.run("status --placeholders").expect_code(0).stdout;
    for text in [
        &digest,
        "given by cdn.example, known since 20",
        "6 images not had",
        "look at it: /",
        "1 placeholder found",
    ] {
        assert!(human.contains(text), "`{text}` is not in: {human}");
    }
    let (_, lines) = human.split_once("archive again:\n").unwrap();
    let lines: Vec<_> = lines.lines().take(2).map(str::trim).collect();
    assert_eq!(lines[0], "[fetch]");
    assert_eq!(found["setting"], format!("fetch.{}", lines[1]));
    test.run("archive a.md").expect_code(3);
    test.write("imgkeep.toml", lines.join("\n"));
    assert_eq!(status(&test, "--placeholders")["placeholders"][0]["genuine"], true);
    assert_eq!(status(&test, "")["reasons"]["placeholder"]["due"]["when"], "next_run");
    let report = test.run("archive a.md --format json").expect_code(0).json();
    assert_eq!(report["references"]["archived"], 6);
    assert_eq!(status(&test, "--placeholders")["placeholders"][0]["images"], 0);
    // and so is another one besides
    let second = Digest::of(b"second").to_string();
    let both = status(&test, &format!("--placeholders --set fetch.genuine=[\"{second}\"]"));
    assert_eq!(both["placeholders"][0]["setting"], format!("fetch.genuine = [\"{second}\", \"{digest}\"]"));
}

#[test]
fn a_single_pixel_is_shown_with_where_it_was() {
    let origin = Origin::start();
    let pixel = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
    origin.image("http://cdn.example/0.jpg", pixel.to_vec());
    let test = Test::new()
        .origin(&origin)
        .set("fetch.sources", "[\"origin\"]")
        .document("a.md", posts("cdn.example", 1));
    test.run("archive a.md").expect_code(3);
    let found = status(&test, "--placeholders")["placeholders"][0].clone();
    assert_eq!(found["digest"], Digest::of(pixel).to_string());
    assert_eq!((&found["path"], &found["example"]), (&Value::Null, &json!("http://cdn.example/0.jpg")));
    let setting = format!("fetch.genuine=[\"{}\"]", Digest::of(pixel));
    test.run(&format!("archive a.md --set {setting}")).expect_code(0);
}

/// An origin with ten kept images of which each has its own fate, and those who were asked.
fn rotten() -> (Origin, Test) {
    let origin = Origin::start();
    let image = |n| Answer::image(picture::jpeg(n)).header("ETag", &format!("\"{n}\""));
    for n in 0..8 {
        origin.answer(&format!("http://cdn.example/{n}.jpg"), image(n));
    }
    origin.answer("http://dead.example/0.jpg", image(8));
    origin.answer("http://gone.example/0.jpg", image(9));
    origin.worker("cors.zfour.workers.dev");
    origin.host_down("gone.example");
    let wrapped = "![](https://cors.zfour.workers.dev/?http://gone.example/0.jpg)\n";
    let test = Test::new()
        .origin(&origin)
        .set("fetch.retries", "0")
        .document("a.md", posts("cdn.example", 8) + &posts("dead.example", 1) + wrapped);
    test.run("archive a.md").expect_code(0);
    origin.host_down("dead.example");
    let answer = |n: u64, answer: Answer| origin.answer(&format!("http://cdn.example/{n}.jpg"), answer);
    answer(1, Answer::image(picture::jpeg(101)).header("ETag", "\"new\""));
    answer(2, Answer::status(404));
    answer(3, Answer::html("this domain is for sale"));
    answer(4, Answer::status(503));
    for n in [5, 6, 7] {
        origin.answer_by(&format!("http://cdn.example/{n}.jpg"), move |request, _| {
            let had = request.header("if-none-match") == Some(&format!("\"{n}\""));
            match (request.method.as_str(), n) {
                ("HEAD", _) => Answer::status(405),
                (_, 5) if had => Answer::status(304),
                // one that does not judge conditions
                (_, 6) => Answer::image(picture::jpeg(6)),
                _ => Answer::status(403),
            }
        });
    }
    origin.forget_requests();
    (origin, test)
}

fn origins(list: &Value) -> Vec<(&str, &str)> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|one| (one["origin"].as_str().unwrap(), one["reason"].as_str().unwrap_or("")))
        .collect()
}

#[test]
fn rot_tells_what_is_gone_and_what_that_saved() {
    let (origin, test) = rotten();
    let before = test.tree(".");
    let known = status(&test, "--rot=all");
    assert_eq!(
        (&known["kept"], &known["asked"], &known["there"]),
        (&json!(10), &json!(10), &json!(3)),
        "{known}"
    );
    assert_eq!(origins(&known["changed"]), [("http://cdn.example/1.jpg", "")]);
    assert_eq!(
        origins(&known["gone"]),
        [
            ("http://cdn.example/2.jpg", "http_404"),
            ("http://cdn.example/3.jpg", "not_an_image"),
            ("http://cdn.example/7.jpg", "http_403"),
            ("http://dead.example/0.jpg", "connect"),
            ("http://gone.example/0.jpg", "connect"),
        ]
    );
    assert_eq!(origins(&known["unknown"]), [("http://cdn.example/4.jpg", "http_503")]);
    let sources: Vec<_> = known["gone"].as_array().unwrap().iter().map(|gone| &gone["source"]).collect();
    assert_eq!(sources, ["origin", "origin", "origin", "origin", "proxy"]);
    let bytes: usize = [2, 3, 7, 8, 9].map(|n| picture::jpeg(n).len()).iter().sum();
    assert_eq!(known["saved"], json!({ "images": 5, "bytes": bytes }));
    assert_eq!(origin.count("http://cdn.example/0.jpg"), 1);
    assert_eq!(origin.count("http://cdn.example/4.jpg"), 1, "no retries");
    assert!(origin.requests().iter().all(|request| !request.host.contains("workers")), "only origins");
    let images = |path: &std::path::Path| {
        path.starts_with("cache/images") || path.extension().is_some_and(|ext| ext == "md")
    };
    let after = test.tree(".");
    assert!(before.iter().filter(|(path, _)| images(path)).eq(after.iter().filter(|(path, _)| images(path))));
    let human = test.run("status --rot all").expect_code(0).stdout;
    for text in [
        "10 of 10 origins with a copy asked today",
        "3  still there",
        "5  gone",
        "saved: 5 images, ",
        "http://gone.example/0.jpg\n    connect, kept 20",
        "1 of the gone were gone before",
        "from proxy",
    ] {
        assert!(human.contains(text), "`{text}` is not in: {human}");
    }
}

#[test]
fn rot_asks_a_sample_and_a_silent_host_not_for_ever() {
    let origin = Origin::start();
    for n in 0..30 {
        origin.image(&format!("http://cdn.example/{n}.jpg"), picture::jpeg(n));
    }
    let test =
        Test::new().origin(&origin).set("fetch.per_host", "1").document("a.md", posts("cdn.example", 30));
    test.run("archive a.md").expect_code(0);
    origin.forget_requests();
    assert_eq!(status(&test, "--rot 7")["asked"], 7);
    assert_eq!(origin.requests().len(), 7);
    assert!(origin.requests().iter().all(|request| request.method == "HEAD"));
    assert_eq!(status(&test, "--rot")["there"], 30);
    test.run("status --rot=none").expect_code(2);
    test.run("status --rot=0").expect_code(2);
    test.run("status --rot --failures").expect_code(2);
    for n in 0..30 {
        let busy = Answer::status(429).header("Retry-After", "3600");
        origin.answer(&format!("http://cdn.example/{n}.jpg"), busy);
    }
    origin.forget_requests();
    let known = status(&test, "--rot=all");
    assert_eq!(known["unknown"].as_array().unwrap().len(), 30, "{known}");
    assert_eq!(origin.requests().len(), 1, "an hour is not waited for");
    origin.host_down("cdn.example");
    origin.forget_requests();
    let known = status(&test, "--rot=all");
    assert_eq!((known["gone"].as_array().unwrap().len(), &known["saved"]["images"]), (30, &json!(30)));
    assert!(origin.requests().len() <= 10, "{} requests", origin.requests().len());
    assert_eq!(test.run("status --rot").expect_code(0).stderr, "");
}
