//! A copy from wherever one still exists: other Referers, the other scheme, proxies, the Wayback Machine; and
//! what is no copy although it looks like one.

use std::collections::HashSet;

use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

const IMAGE: &str = "http://cdn.example/i.jpg";

/// The rung that gave the only image.
fn source(test: &Test) -> String {
    let journal = test.tree("cache/journal");
    assert_eq!(journal.len(), 1, "one run kept something");
    let name = journal.keys().next().unwrap();
    let packed = test.read(&format!("cache/journal/{}", name.display()));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&packed[..]), &mut text).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let sources: Vec<_> =
        lines.filter_map(|line| line["snapshot"]["source"].as_str().map(str::to_owned)).collect();
    assert_eq!(sources.len(), 1, "{text}");
    sources[0].clone()
}

fn archived(test: &Test) {
    let report = test.run("archive posts --format json --set fetch.retries=0").expect_code(0).json();
    assert_eq!(report["images"]["downloaded"], 1, "{report}");
}

#[test]
fn the_other_scheme_is_tried() {
    for (url, alive, rung) in [
        ("http://cdn.example/i.jpg", "https://cdn.example/i.jpg", "origin_https"),
        ("https://cdn.example/i.jpg", "http://cdn.example/i.jpg", "origin_http"),
    ] {
        let origin = Origin::start();
        origin.image(alive, picture::jpeg(1));
        let test = Test::new().origin(&origin).document("posts/a.md", format!("![]({url})"));
        archived(&test);
        assert_eq!(source(&test), rung);
    }
}

#[test]
fn the_elements_referrer_policy_comes_first() {
    let origin = Origin::start();
    origin.answer_by(IMAGE, |request, _| match request.header("Referer") {
        Some("http://blog.example/2016/post/") => Answer::image(picture::jpeg(1)),
        _ => Answer::status(403),
    });
    let page = format!(
        "<link rel=canonical href=http://blog.example/2016/post/><img referrerpolicy=unsafe-url src={IMAGE}>"
    );
    let test = Test::new().origin(&origin).document("posts/a.html", page);
    archived(&test);
    assert_eq!(origin.count(IMAGE), 1, "asked rightly at once");
}

#[test]
fn proxies_are_asked_outermost_first_and_then_those_of_the_configuration() {
    let origin = Origin::start();
    origin.image(IMAGE, picture::jpeg(1));
    for host in ["cdn.example", "cors.zfour.workers.dev", "images.weserv.nl"] {
        origin.host_down(host);
    }
    origin.worker("extra.example");
    let test =
        Test::new().origin(&origin).set("fetch.proxies", "[\"https://extra.example/?{url}\"]").document(
            "posts/a.md",
            format!("![](https://cors.zfour.workers.dev/?https://images.weserv.nl/?url={IMAGE})"),
        );
    origin.proxy("extra.example", |request| {
        let url = request.target.split_once('?')?.1.replace("%3A", ":").replace("%2F", "/");
        Some(url)
    });
    archived(&test);
    assert_eq!(source(&test), "configured_proxy");
    let mut hosts: Vec<_> = origin.requests().into_iter().map(|request| request.host).collect();
    hosts.dedup();
    assert_eq!(hosts, ["cdn.example", "cors.zfour.workers.dev", "images.weserv.nl", "extra.example"]);
}

#[test]
fn a_wrapper_that_another_document_knows_is_asked_too() {
    let origin = Origin::start();
    origin.image(IMAGE, picture::jpeg(1));
    origin.host_down("cdn.example");
    origin.host_down("dead.workers.dev");
    origin.worker("cors.zfour.workers.dev");
    let test = Test::new()
        .origin(&origin)
        .document("posts/a.md", format!("![]({IMAGE})"))
        .document("posts/b.md", format!("![](https://cors.zfour.workers.dev/?{IMAGE})"));
    let report = test.run("archive posts --format json --set fetch.retries=0 --set fetch.concurrency=1");
    let report = report.json();
    assert_eq!(report["images"]["downloaded"], 1, "{report}");
    test.run("archive posts").expect_code(0);
    assert_eq!(test.blobs().len(), 1);
}

#[test]
fn the_wayback_machine_is_asked_at_the_documents_date_and_for_raw_bytes() {
    let origin = Origin::start();
    origin.host_down("cdn.example");
    let near = "https://web.archive.org/web/20160504030201id_/http://cdn.example/i.jpg";
    let capture = "https://web.archive.org/web/20160601000000id_/http://cdn.example/i.jpg";
    origin.answer(near, Answer::redirect(capture));
    origin.image(capture, picture::jpeg(1));
    let test = Test::new()
        .origin(&origin)
        .document("posts/a.md", format!("---\ndate: 2016-05-04 03:02:01\n---\n![]({IMAGE})"));
    archived(&test);
    assert_eq!(source(&test), "wayback");
    assert_eq!(origin.count(near), 1);
}

#[test]
fn a_capture_that_is_an_error_page_leads_to_another() {
    let origin = Origin::start();
    origin.answer(IMAGE, Answer::status(404));
    let at = |time: &str| format!("https://web.archive.org/web/{time}id_/http://cdn.example/i.jpg");
    origin.answer(&at("20160504000000"), Answer::html("not in the archive"));
    origin.host("web.archive.org", |request, _| match request.target.starts_with("/cdx/search/cdx?") {
        true => Answer::image(
            *br#"[["timestamp","original","mimetype"],
               ["20120101000000","http://cdn.example/i.jpg","image/jpeg"],
               ["20160504000000","http://cdn.example/i.jpg","text/html"],
               ["20160901000000","http://cdn.example/i.jpg","image/jpeg"]]"#,
        ),
        false => Answer::status(404),
    });
    origin.image(&at("20160901000000"), picture::jpeg(1));
    let test = Test::new().origin(&origin).document("posts/2016-05-04-a.md", format!("![]({IMAGE})"));
    archived(&test);
    assert_eq!(source(&test), "wayback");
    assert_eq!(origin.count(&at("20120101000000")), 0, "the nearest first");
}

#[test]
fn what_worked_for_a_host_comes_first_for_its_next_image() {
    let origin = Origin::start();
    origin.host("cdn.example", |request, _| match request.header("Referer") {
        Some("http://cdn.example/") => Answer::image(picture::jpeg(request.target.len() as u64)),
        _ => Answer::status(403),
    });
    let test = Test::new().origin(&origin).document("posts/a.md", "![](http://cdn.example/i.jpg)");
    archived(&test);
    assert_eq!(origin.requests().len(), 2);
    origin.forget_requests();
    test.write("posts/b.md", "![](http://cdn.example/other.jpg)");
    archived(&test);
    assert_eq!(origin.requests().len(), 1, "{:?}", origin.requests());
    // and is forgotten when it stops working
    origin.host("cdn.example", |request, _| match request.header("Referer") {
        Some(_) => Answer::status(403),
        None => Answer::image(picture::jpeg(request.target.len() as u64)),
    });
    for (name, expected) in [("further", 2), ("farthest", 1)] {
        origin.forget_requests();
        test.write(&format!("posts/{name}.md"), format!("![](http://cdn.example/{name}.jpg)"));
        archived(&test);
        assert_eq!(origin.requests().len(), expected, "{name} {:?}", origin.requests());
    }
}

#[test]
fn one_banner_for_forty_addresses_is_no_image() {
    let origin = Origin::start();
    let banner = picture::jpeg(77);
    origin.host("cdn.example", move |_, _| Answer::image(banner.clone()));
    let mut test = Test::new().origin(&origin);
    for n in 0..40 {
        test = test.document(&format!("posts/{n}.md"), format!("![](http://cdn.example/{n}.jpg)\n"));
    }
    let before = test.tree("posts");
    let report = test.run("archive posts --format json").expect_code(3).json();
    assert_eq!(test.tree("posts"), before, "what was kept too early is put back");
    assert_eq!(report["references"]["failed"], 40, "{report}");
    assert_eq!(report["references"]["archived"], 0);
    let failures = report["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 40);
    assert!(failures.iter().all(|failure| failure["reason"] == "placeholder"), "{report}");
    let asked: Vec<_> = origin
        .requests()
        .into_iter()
        .map(|request| (request.url.clone(), request.header("Referer").map(str::to_owned)))
        .collect();
    assert_eq!(asked.iter().collect::<HashSet<_>>().len(), asked.len(), "nothing is asked twice");
    origin.forget_requests();
    test.run("archive posts").expect_code(3);
    assert_eq!(origin.requests().len(), 0, "{:?}", origin.requests());
}

#[test]
fn a_banner_of_earlier_runs_is_taken_back_and_the_proxy_has_the_image() {
    let origin = Origin::start();
    let banner = picture::jpeg(77);
    origin.host("cdn.example", move |_, _| Answer::image(banner.clone()));
    origin.host("cors.zfour.workers.dev", |request, _| {
        let seed = request.target.bytes().map(u64::from).sum();
        Answer::image(picture::jpeg(seed))
    });
    let post = |n: usize| format!("![](https://cors.zfour.workers.dev/?http://cdn.example/{n}.jpg)\n");
    let test = Test::new().origin(&origin);
    for n in 0..4 {
        test.write(&format!("posts/{n}.md"), post(n));
    }
    let report = test.run("archive posts --format json").expect_code(0).json();
    assert_eq!((&report["images"]["downloaded"], test.blobs().len()), (&4.into(), 1), "nothing shows it yet");
    test.write("posts/4.md", post(4));
    let report = test.run("archive posts --format json").expect_code(0).json();
    assert_eq!(report["references"]["failed"], 0, "{report}");
    assert_eq!(test.blobs().len(), 6, "the banner, and five images from the proxy");
    test.run("verify").expect_code(0);
    for n in 0..5 {
        let text = String::from_utf8(test.read(&format!("posts/{n}.md"))).unwrap();
        assert!(text.contains("cache/images/"), "{text}");
    }
    test.run("restore posts").expect_code(0);
    for n in 0..5 {
        assert_eq!(test.read(&format!("posts/{n}.md")), post(n).as_bytes());
    }
}

#[test]
fn a_placeholder_that_the_user_names_is_none_and_one_that_is_genuine_is_kept() {
    let origin = Origin::start();
    origin.host("cdn.example", |_, _| Answer::image(picture::jpeg(5)));
    let digest = imgkeep::digest::Digest::of(&picture::jpeg(5));
    let test = Test::new().origin(&origin).document("posts/a.md", format!("![]({IMAGE})"));
    let sources = "--set fetch.sources=origin";
    test.run(&format!("archive posts {sources} --set fetch.placeholders={digest}")).expect_code(3);
    assert_eq!(test.blobs().len(), 0);
    let asked = origin.requests().len();
    test.run(&format!("archive posts {sources} --set fetch.placeholders={digest}")).expect_code(3);
    assert_eq!(origin.requests().len(), asked, "before its time");
    // a changed policy reopens what it caused
    test.run(&format!("archive posts {sources} --set fetch.genuine={digest}")).expect_code(0);
    assert_eq!(test.blobs().len(), 1);
    // and what was kept before the user says so goes back
    test.run(&format!("archive posts {sources} --set fetch.placeholders={digest}")).expect_code(3);
    assert_eq!(test.read("posts/a.md"), format!("![]({IMAGE})").as_bytes());
}

#[test]
fn a_changed_limit_reopens_just_what_it_caused() {
    let origin = Origin::start();
    origin.image("http://cdn.example/large.jpg", picture::jpeg(1));
    origin.answer("http://cdn.example/gone.jpg", Answer::status(404));
    let test = Test::new()
        .origin(&origin)
        .set("fetch.sources", "[\"origin\"]")
        .document("posts/a.md", "![](http://cdn.example/large.jpg) ![](http://cdn.example/gone.jpg)");
    test.run("archive posts --set fetch.max_bytes=100").expect_code(3);
    origin.forget_requests();
    test.run("archive posts").expect_code(3);
    let asked: Vec<_> = origin.requests().into_iter().map(|request| request.url).collect();
    assert_eq!(asked, ["http://cdn.example/large.jpg"]);
    assert_eq!(test.blobs().len(), 1);
}

#[test]
fn a_host_that_does_not_answer_is_left_alone_and_the_report_says_so() {
    let origin = Origin::start();
    origin.host_down("cdn.example");
    let post: String = (0..30).map(|n| format!("![](http://cdn.example:8080/{n}.jpg)\n")).collect();
    let test = Test::new()
        .origin(&origin)
        .set("fetch.sources", "[\"origin\"]")
        .set("fetch.retries", "0")
        .document("posts/a.md", post);
    let outcome = test.run("archive posts --format json").expect_code(3);
    let asked = origin.requests().len();
    assert!((5..=10).contains(&asked), "five in a row, and those under way: {asked}");
    assert!(outcome.stderr.contains("left alone"), "{}", outcome.stderr);
    let report = outcome.json();
    assert_eq!(report["failures"].as_array().unwrap().len(), 30);
    assert!(report["failures"].as_array().unwrap().iter().all(|failure| failure["reason"] == "connect"));
    origin.forget_requests();
    test.write("posts/b.md", "![](http://cdn.example:8080/new.jpg)");
    test.run("archive posts").expect_code(3);
    assert_eq!(origin.requests().len(), 0, "the next run leaves it alone as well");
}

#[test]
fn http_and_https_share_one_download() {
    let origin = Origin::start();
    origin.image("http://cdn.example/i.jpg", picture::jpeg(1));
    origin.image("https://cdn.example/i.jpg", picture::jpeg(1));
    let post = "![](http://cdn.example/i.jpg) ![](https://cdn.example/i.jpg) ![](//cdn.example/i.jpg)\n\
                <img src=https://cors.zfour.workers.dev/?https://cdn.example/i.jpg data-original=http://cdn.example/i.jpg>\n";
    let test = Test::new().origin(&origin).document("posts/a.md", post);
    let report = test.run("archive posts --format json").expect_code(0).json();
    assert_eq!(report["references"]["archived"], 5, "{report}");
    assert_eq!(origin.requests().len(), 1, "{:?}", origin.requests());
    test.run("restore posts").expect_code(0);
    assert_eq!(test.read("posts/a.md"), post.as_bytes());
}

#[test]
fn sizes_of_one_image_stay_apart() {
    let origin = Origin::start();
    let urls = [
        "http://cdn.example/i.jpg",
        "http://cdn.example/i.jpg!custom",
        "http://cdn.example/i.jpg~tplv-a-1.image",
        "http://cdn.example/i.jpg?imageView2/2/w/100",
        "http://cdn.example/i-300x200.jpg",
    ];
    for (seed, url) in urls.iter().enumerate() {
        origin.image(url, picture::jpeg(seed as u64));
    }
    let post: String = urls.iter().map(|url| format!("![]({url})\n")).collect();
    let test = Test::new().origin(&origin).document("posts/a.md", post);
    test.run("archive posts").expect_code(0);
    assert_eq!(test.blobs().len(), urls.len());
}

/// A folder as they are found in the wild: of the origins three in ten are dead, of the proxies five, and one
/// image in ten has neither.
#[test]
fn everything_that_exists_somewhere_is_kept_and_nobody_is_asked_before_its_time() {
    const POSTS: usize = 1_000;
    let origin = Origin::start();
    let mut test = Test::new().origin(&origin).set("fetch.retries", "0");
    let mut captured = HashSet::new();
    let mut lost = HashSet::new();
    for n in 0..POSTS {
        let kind = n % 10;
        let (host, proxy) = match kind {
            0 => ("dead-0.example", "dead-0.workers.dev"),
            1 | 2 => ("dead-1.example", "cors.zfour.workers.dev"),
            3..=6 => ("live-0.example", "dead-0.workers.dev"),
            _ => ("live-1.example", "cors.zfour.workers.dev"),
        };
        let url = format!("http://{host}/{n}.jpg");
        origin.image(&url, picture::jpeg(n as u64));
        if kind == 0 && n % 20 == 0 {
            let near = format!("https://web.archive.org/web/20160504000000id_/{url}");
            origin.image(&near, picture::jpeg(n as u64));
            captured.insert(url.clone());
        } else if kind == 0 {
            lost.insert(url.clone());
        }
        test = test.document(
            &format!("posts/{n}.md"),
            format!("---\ndate: 2016-05-04\n---\n![](https://{proxy}/?{url})\n"),
        );
    }
    for host in ["dead-0.example", "dead-1.example", "dead-0.workers.dev"] {
        origin.host_down(host);
    }
    origin.worker("cors.zfour.workers.dev");
    origin.worker("dead-0.workers.dev");
    let report = test.run("archive posts --format json").expect_code(3).json();
    assert_eq!(report["references"]["archived"], POSTS - lost.len(), "{}", report["references"]);
    assert_eq!(report["references"]["failed"], lost.len());
    let failures = report["failures"].as_array().unwrap();
    let failed: HashSet<String> =
        failures.iter().map(|failure| failure["origin"].as_str().unwrap().to_owned()).collect();
    assert_eq!(failed, lost);
    assert!(failures.iter().all(|failure| failure["reason"] == "connect"), "each has its reason");
    assert!(!captured.is_empty() && test.blobs().len() == POSTS - lost.len());
    let mut asked = HashSet::new();
    for request in origin.requests() {
        let key = (request.url.clone(), request.header("Referer").map(str::to_owned));
        assert!(asked.insert(key), "asked twice: {}", request.url);
    }
    for host in ["live-0.example", "live-1.example", "cors.zfour.workers.dev"] {
        assert!(origin.peak(host) <= 6, "{host}: {}", origin.peak(host));
    }
    assert!(origin.peak("web.archive.org") <= 2, "{}", origin.peak("web.archive.org"));
    origin.forget_requests();
    let again = test.run("archive posts --format json").expect_code(3).json();
    assert_eq!(origin.requests().len(), 0, "{:?}", origin.requests());
    assert_eq!(again["references"]["failed"], lost.len());
    assert_eq!(again["documents"]["changed"], 0);
}
