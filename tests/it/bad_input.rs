//! Bad input: one clear line, the right exit code, and nothing lost.

use std::fs;

use crate::support::origin::{Answer, Origin};
use crate::support::{Outcome, Test, picture};

/// Exactly one line on stderr, which names `what`.
fn says(outcome: &Outcome, what: &str) {
    assert_eq!(outcome.stderr.trim_end().lines().count(), 1, "one line: {}", outcome.stderr);
    assert!(outcome.stderr.contains(what), "`{what}` is not in: {}", outcome.stderr);
}

#[test]
fn a_path_that_is_not_there_is_named() {
    let test = Test::new().document("a.md", "x");
    says(&test.run("scan a.md nowhere").expect_code(2), "nowhere");
    says(&test.run("archive nowhere").expect_code(2), "nowhere");
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_name() {
    let test = Test::new().document("a.md", "x").document("imgkeep.toml", "[fetch]\nper_hosts = 3\n");
    says(&test.run("scan a.md").expect_code(2), "per_host");
    let test = Test::new().document("a.md", "x");
    says(&test.run("scan a.md --set fetch.concurency=3").expect_code(2), "concurrency");
}

#[test]
fn usage_errors_exit_with_2() {
    let test = Test::new();
    test.run("frobnicate").expect_code(2);
    test.run("archive").expect_code(2);
    test.run("archive . --link relativ").expect_code(2);
    test.run("restore .").expect_code(2);
}

#[test]
fn a_binary_file_and_one_that_is_too_large_are_skipped_with_a_reason() {
    let origin = Origin::start();
    let test = Test::new().origin(&origin).document("posts/a.txt", [0_u8, 1, 2, 3, 0, 0, 255].repeat(100));
    test.run("archive posts").expect_code(0);
    // one that the user names is missed
    let named = test.run("archive posts/a.txt").expect_code(3);
    assert!(named.stdout.contains("posts/a.txt: it is binary"), "{named:?}");
    let test = Test::new().origin(&origin).document("posts/a.md", "![](http://a.example/a.png)".repeat(100));
    let outcome = test.run("archive posts --set documents.max_bytes=1KiB --format json").expect_code(3);
    let why = outcome.json()["document_failures"][0]["why"].to_string();
    assert!(why.contains("1024") || why.contains("large"), "{why}");
}

#[test]
fn what_is_no_whole_image_is_never_kept() {
    let origin = Origin::start();
    let whole = picture::jpeg(1);
    let cases = [
        ("http_404", Answer::status(404)),
        ("not_an_image", Answer::html("<html>sorry</html>")),
        ("truncated", Answer::image(whole[..whole.len() / 2].to_vec())),
        ("truncated", Answer::image(whole.clone()).content_length(whole.len() as u64 + 100).closing()),
        ("redirect_limit", Answer::redirect("http://a.example/4.jpg")),
        ("blocked_address", Answer::redirect("http://169.254.169.254/latest/meta-data/")),
    ];
    let mut post = String::new();
    for (n, (_, answer)) in cases.iter().enumerate() {
        origin.answer(&format!("http://a.example/{n}.jpg"), answer.clone());
        post.push_str(&format!("![](http://a.example/{n}.jpg)\n"));
    }
    let test = Test::new().origin(&origin).set("fetch.retries", "0").document("posts/a.md", &post);
    let before = test.tree("posts");
    let report = test.run("archive posts --format json").expect_code(3).json();
    for (n, (reason, _)) in cases.iter().enumerate() {
        let origin = format!("http://a.example/{n}.jpg");
        let failures = report["failures"].as_array().unwrap();
        let failure = failures.iter().find(|failure| failure["origin"] == origin.as_str()).unwrap();
        assert_eq!(failure["reason"], *reason, "{failure}");
    }
    assert_eq!(test.blobs().len(), 0);
    assert_eq!(test.tree("posts"), before);
    test.assert_no_litter();
}

#[test]
fn a_private_address_is_never_asked_even_where_every_name_leads_to_the_test_origin() {
    let origin = Origin::start();
    let test = Test::new().origin(&origin).document(
        "a.md",
        "![](http://127.0.0.1/a.png) ![](http://10.0.0.1/a.png) ![](https://wsrv.nl/?url=http%3A%2F%2F169.254.169.254%2Fa.png)\n",
    );
    let report = test.run("archive a.md --format json").expect_code(3).json();
    assert_eq!(origin.requests().len(), 0);
    for failure in report["failures"].as_array().unwrap() {
        assert_eq!(failure["reason"], "blocked_address", "{failure}");
    }
}

#[test]
fn a_later_programs_catalog_and_store_are_refused() {
    let origin = Origin::start();
    let test = Test::new().origin(&origin).document("a.md", "x");
    test.run("archive a.md").expect_code(0);
    fs::write(test.path("cache/VERSION"), "imgkeep store 9\n").unwrap();
    says(&test.run("archive a.md").expect_code(2), "newer imgkeep");
}

#[test]
fn malformed_documents_lose_nothing_and_give_what_they_hold() {
    let origin = Origin::start();
    origin.image("http://a.example/1.png", picture::png(1));
    let broken = b"---\ntitle: 'unclosed\ncover: http://a.example/1.png\n---\n<div <img src=http://a.example/1.png>\xff\xfe <!-- never closed\n";
    let test = Test::new().origin(&origin).document("a.md", broken);
    test.run("archive a.md").expect_code(0);
    test.run("restore a.md").expect_code(0);
    assert_eq!(test.read("a.md"), broken);
}

#[test]
fn verify_names_each_kind_of_damage() {
    let origin = Origin::start();
    for n in 0..3 {
        origin.image(&format!("http://a.example/{n}.png"), picture::png(n));
    }
    let test = Test::new().origin(&origin).document(
        "a.md",
        "![](http://a.example/0.png) ![](http://a.example/1.png) ![](http://a.example/2.png)\n",
    );
    test.run("archive a.md").expect_code(0);
    test.run("verify").expect_code(0);
    let blobs: Vec<_> = test.blobs().into_values().collect();
    fs::remove_file(test.path("cache").join("images").join(&blobs[0])).unwrap();
    fs::write(test.path("cache").join("images").join(&blobs[1]), b"other bytes").unwrap();
    fs::write(test.path("cache/images/stray.txt"), b"x").unwrap();
    let report = test.run("verify --format json").expect_code(3).json();
    let kinds: Vec<_> =
        report["findings"].as_array().unwrap().iter().map(|finding| finding["finding"].to_string()).collect();
    for kind in ["missing", "corrupt", "orphaned", "dangling"] {
        assert!(kinds.iter().any(|found| found.contains(kind)), "{kind} is not in {kinds:?}");
    }
}

#[test]
fn the_catalog_is_made_again_from_the_store() {
    let origin = Origin::start();
    origin.image("http://a.example/1.png", picture::png(1));
    let post = "![](http://a.example/1.png)\n";
    let test = Test::new().origin(&origin).document("a.md", post);
    test.run("archive a.md").expect_code(0);
    for file in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = fs::remove_file(test.path("cache").join(file));
    }
    test.run("verify --rebuild").expect_code(0);
    test.run("restore a.md").expect_code(0);
    assert_eq!(test.read("a.md"), post.as_bytes());
    origin.forget_requests();
    test.run("archive a.md").expect_code(0);
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn a_rebuild_of_nothing_is_no_error() {
    let origin = Origin::start();
    let test = Test::new().origin(&origin).document("a.md", "x");
    test.run("archive a.md").expect_code(0);
    test.run("verify --rebuild").expect_code(0);
}

#[test]
fn stdin_that_is_no_text_comes_out_as_it_went_in() {
    let test = Test::new();
    let outcome = test.run_with_input("archive -", b"\x01\0\x02\0<i");
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(3), "\x01\0\x02\0<i"), "{outcome:?}");
}

#[test]
fn the_audit_finds_what_a_browser_would_still_ask_for() {
    let origin = Origin::start();
    origin.image("http://a.example/1.png", picture::png(1));
    let page = "<img src='http://a.example/1.png' srcset='http://a.example/1.png 2x'><video poster=http://a.example/1.png>";
    let test = Test::new().origin(&origin).document("a.html", page);
    let outcome = test.run("verify --audit a.html").expect_code(3);
    assert!(outcome.stdout.contains("http://a.example/1.png"), "{}", outcome.stdout);
    test.run("archive a.html").expect_code(0);
    test.run("verify --audit a.html").expect_code(0);
}
