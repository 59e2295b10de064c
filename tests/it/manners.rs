//! How hosts are asked: with what, how fast, and when they are left alone.

use std::time::{Duration, Instant};

use crate::support::origin::{Answer, Certificate, Origin};
use crate::support::{Test, picture};

#[test]
fn cookies_are_not_kept() {
    let origin = Origin::start();
    origin.host("cdn.example", |request, _| match request.target.as_str() {
        "/0.jpg" => Answer::redirect("/there/0.jpg").header("Set-Cookie", "who=you; Path=/"),
        _ => {
            Answer::image(picture::jpeg(request.target.len() as u64)).header("Set-Cookie", "who=you; Path=/")
        }
    });
    let post = "![](http://cdn.example/0.jpg) ![](http://cdn.example/further.jpg)";
    let test = Test::new().origin(&origin).set("fetch.concurrency", "1").document("posts/a.md", post);
    test.run("archive posts").expect_code(0);
    let requests = origin.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.header("Cookie").is_none()), "{requests:?}");
}

#[test]
fn all_downloads_together_take_no_more_than_the_bandwidth() {
    let origin = Origin::start();
    let images: Vec<Vec<u8>> =
        (0..4).map(|seed| picture::sized(image::ImageFormat::Bmp, seed, 100, 100)).collect();
    let bytes: usize = images.iter().map(Vec::len).sum();
    let mut post = String::new();
    for (n, image) in images.into_iter().enumerate() {
        let url = format!("http://cdn-{n}.example/{n}.bmp");
        origin.image(&url, image);
        post.push_str(&format!("![]({url})\n"));
    }
    let test = Test::new().origin(&origin).document("posts/a.md", post);
    let start = Instant::now();
    // That it takes longer than a download may is our own doing, and no fault of a server.
    test.run("archive posts --set fetch.bandwidth=50KiB --set fetch.timeout_secs=1").expect_code(0);
    let least = Duration::from_secs_f64(bytes as f64 / 51_200.0);
    assert!(least > Duration::from_secs(2), "{bytes} bytes are too few to tell");
    assert!(start.elapsed() >= least, "{:?}", start.elapsed());
    assert_eq!(test.blobs().len(), 4);
}

#[test]
fn a_host_that_asks_for_a_day_is_left_alone_for_a_day() {
    let origin = Origin::start();
    origin.host("cdn.example", |_, _| Answer::status(429).header("Retry-After", "86400"));
    let post: String = (0..4).map(|n| format!("![](http://cdn.example:8080/{n}.jpg)\n")).collect();
    let test = Test::new()
        .origin(&origin)
        .set("fetch.sources", "[\"origin\"]")
        .set("fetch.per_host", "1")
        .document("posts/a.md", post);
    test.run("archive posts").expect_code(3);
    assert_eq!(origin.requests().len(), 1, "one answer is enough");
    let status = test.run("status --format json").expect_code(0).json();
    let now = jiff::Timestamp::now().as_millisecond();
    let until = status["hosts"][0]["left_alone"]["until"].as_i64().unwrap_or_else(|| panic!("{status}"));
    assert!((until - now - 86_400_000).abs() < 120_000, "{status}");
    test.run("archive posts").expect_code(3);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn one_missing_image_does_not_unlearn_how_a_host_is_asked() {
    let origin = Origin::start();
    origin.host("cdn.example", |request, _| match request.header("Referer") {
        Some("http://cdn.example/") if request.target == "/gone.jpg" => Answer::status(404),
        Some("http://cdn.example/") => Answer::image(picture::jpeg(request.target.len() as u64)),
        _ => Answer::status(403),
    });
    let test = Test::new().origin(&origin).set("fetch.sources", "[\"origin\"]");
    test.write("posts/a.md", "![](http://cdn.example/i.jpg)");
    test.run("archive posts").expect_code(0);
    test.write("posts/b.md", "![](http://cdn.example/gone.jpg)");
    test.run("archive posts").expect_code(3);
    origin.forget_requests();
    test.write("posts/c.md", "![](http://cdn.example/another.jpg)");
    test.run("archive posts").expect_code(3);
    assert_eq!(origin.requests().len(), 1, "{:?}", origin.requests());
}

#[test]
fn a_wrapper_that_comes_later_is_asked_whoever_is_known_to_be_dead() {
    let origin = Origin::start();
    origin.worker("cors.zfour.workers.dev");
    let test = Test::new().origin(&origin).set("fetch.sources", "[\"origin\", \"proxy\"]");
    for n in 0..20 {
        test.write(&format!("posts/{n}-a.md"), format!("![](http://cdn.example/{n}.jpg)"));
    }
    origin.host("cdn.example", |_, _| Answer::status(404));
    test.run("archive posts").expect_code(3);
    // The proxy has kept what the host has no more.
    for n in 0..20 {
        let wrapped = format!("https://cors.zfour.workers.dev/?http://cdn.example/{n}.jpg");
        origin.image(&wrapped, picture::jpeg(n));
        test.write(&format!("posts/{n}-b.md"), format!("![]({wrapped})"));
    }
    let report = test.run("archive posts --format json").json();
    assert_eq!(report["images"]["downloaded"], 20, "{report}");
    test.run("archive posts").expect_code(0);
}

#[test]
fn a_host_that_answers_at_one_port_only_is_asked_there() {
    let post: String = (0..40).map(|n| format!("![](http://cdn.example/{n}.jpg)\n")).collect();
    let settings = "--format json --set fetch.sources=origin --set fetch.retries=0";
    // What is missing there is asked for by https, where nobody can be trusted.
    let origin = Origin::start();
    origin.certificate("cdn.example", Certificate::UnknownAuthority);
    origin.host("cdn.example", |_, _| Answer::status(404));
    for n in 30..40 {
        origin.image(&format!("http://cdn.example/{n}.jpg"), picture::jpeg(n));
    }
    let test = Test::new().origin(&origin).document("posts/a.md", &post);
    let report = test.run(&format!("archive posts {settings}")).expect_code(3).json();
    assert_eq!(report["references"]["archived"], 10, "{report}");
    let status = test.run("status --format json").expect_code(0).json();
    assert_eq!(status["hosts"][0]["left_alone"]["reason"], "tls", "{status}");
    origin.image("http://cdn.example/new.jpg", picture::jpeg(99));
    test.write("posts/b.md", "![](http://cdn.example/new.jpg)");
    test.run(&format!("archive posts/b.md {settings}")).expect_code(0);
    // And the other way round: nothing but noise without TLS.
    let origin = Origin::start();
    origin.host("cdn.example", |request, _| match request.url.starts_with("https:") {
        true => Answer::image(picture::jpeg(request.target.bytes().map(u64::from).sum::<u64>() * 1_000)),
        false => Answer::verbatim("noise\r\n\r\n"),
    });
    let test = Test::new().origin(&origin).set("fetch.placeholder_urls", "0").document("posts/a.md", &post);
    let report = test.run(&format!("archive posts {settings}")).expect_code(0).json();
    assert_eq!(report["references"]["archived"], 40, "{report}");
    let by_http = origin.requests().iter().filter(|request| request.url.starts_with("http:")).count();
    assert!(by_http < 20, "{by_http}: what is learned is used");
}
