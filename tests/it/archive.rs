//! `imgkeep archive`: the whole road.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::Duration;

use imgkeep::digest::Digest;

use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

/// An origin with `count` images at `http://cdn.example/<n>.jpg`, and a worker in front of everything.
pub(crate) fn web(count: u64) -> Origin {
    let origin = Origin::start();
    for n in 0..count {
        origin.image(&format!("http://cdn.example/{n}.jpg"), picture::jpeg(n));
    }
    origin.worker("cors.zfour.workers.dev");
    origin
}

pub(crate) fn proxied(n: u64) -> String {
    format!("https://cors.zfour.workers.dev/?http://cdn.example/{n}.jpg")
}

#[test]
fn images_are_kept_and_only_the_urls_change() {
    let origin = web(2);
    let post = format!(
        "\n---\nheadimg: '{}'\n---\n\n<img src=\"{}\">\r\n\n![x]({} 'y')\n\n<img src=\"/local.png\">\n",
        proxied(0),
        proxied(1),
        proxied(0)
    );
    let test = Test::new().origin(&origin).document("posts/a.md", &post);
    let report = test.run("archive posts --format json").expect_code(0).json();
    assert_eq!(report["documents"], serde_json::json!({ "scanned": 1, "changed": 1, "failed": 0 }));
    assert_eq!(
        report["references"],
        serde_json::json!({ "found": 3, "proxied": 3, "archived": 3, "already_archived": 0, "failed": 0, "skipped": 0 })
    );
    assert_eq!(report["images"]["downloaded"], 2);
    assert_eq!(report["failures"], serde_json::json!([]));

    let blobs = test.blobs();
    let link = |n| {
        let digest = Digest::of(&picture::jpeg(n)).to_string();
        assert!(blobs.keys().any(|blob| blob.to_string() == digest));
        format!("../cache/images/{}/{digest}.jpg", &digest[..2])
    };
    let expected = post.replace(&proxied(0), &link(0)).replace(&proxied(1), &link(1));
    assert_eq!(String::from_utf8(test.read("posts/a.md")).unwrap(), expected);
    assert!(test.path("posts").join(link(0)).is_file(), "the link leads to the image");
    assert_eq!(origin.count("http://cdn.example/0.jpg"), 1, "one request for two references");
    test.run("verify --pixels").expect_code(0);
    test.assert_no_litter();
}

#[test]
fn a_second_run_asks_nobody_opens_nothing_and_changes_nothing() {
    let origin = web(2);
    let test = Test::new()
        .origin(&origin)
        .document("posts/a.md", format!("![]({})\n", proxied(0)))
        .document("posts/b.md", "no image\n");
    test.run("archive posts").expect_code(0);
    origin.forget_requests();
    let before = test.tree("posts");
    // without the permission to read them, opening them would fail the run (but for root)
    let report = test.run("archive posts --format json").expect_code(0).json();
    assert_eq!(report["references"]["found"], 1);
    assert_eq!(report["references"]["already_archived"], 1);
    assert_eq!(report["documents"]["changed"], 0);
    assert_eq!(origin.requests().len(), 0);
    assert_eq!(test.tree("posts"), before);
}

#[test]
fn a_dead_origin_is_had_through_the_proxy_the_document_used() {
    let origin = web(1);
    // The worker still reaches it; nobody else does.
    origin.host_down("cdn.example");
    let test = Test::new().origin(&origin).document("a.md", format!("![]({})\n", proxied(0)));
    let report = test.run("archive a.md --format json --set fetch.retries=0").expect_code(0).json();
    assert_eq!(report["references"]["archived"], 1);
    test.run("restore a.md").expect_code(0);
}

#[test]
fn with_origin_and_proxy_dead_nothing_changes_and_the_report_says_why() {
    let origin = web(1);
    origin.host_down("cdn.example");
    origin.host_down("cors.zfour.workers.dev");
    let test = Test::new().origin(&origin).document("posts/a.md", format!("![]({})\n", proxied(0)));
    let before = test.tree("posts");
    let report = test.run("archive posts --format json --set fetch.retries=0").expect_code(3).json();
    assert_eq!(test.tree("posts"), before);
    assert_eq!(report["references"]["failed"], 1);
    let failure = &report["failures"][0];
    assert_eq!(failure["origin"], "http://cdn.example/0.jpg");
    assert_eq!(failure["url"], proxied(0));
    assert_eq!(failure["documents"], serde_json::json!(["posts/a.md"]));
    assert_eq!(failure["reason"], "connect");
    assert!(failure["attempts"].as_array().unwrap().len() >= 2, "{failure}");
    // it lives again: a run before its time asks nobody, unless it is told to
    origin.host_up("cdn.example");
    origin.forget_requests();
    let report = test.run("archive posts --format json").expect_code(3).json();
    assert_eq!(report["failures"][0]["reason"], "connect");
    assert_eq!(origin.requests().len(), 0);
    test.run("archive posts --retry").expect_code(0);
}

#[test]
fn a_host_that_asks_for_a_long_pause_is_left_alone_for_the_run() {
    let origin = Origin::start();
    let mut post = String::new();
    for n in 0..20 {
        let answer = Answer::status(429).header("Retry-After", "3600");
        origin.answer(&format!("http://cdn.example/{n}.jpg"), answer);
        post.push_str(&format!("![](http://cdn.example/{n}.jpg)\n"));
    }
    let test = Test::new().origin(&origin).document("a.md", &post).set("fetch.per_host", "1");
    let report = test.run("archive a.md --format json").expect_code(3).json();
    let failures = report["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 20);
    assert!(failures.iter().all(|failure| failure["reason"] == "http_429"), "{report}");
    let asked = origin.requests().iter().filter(|request| request.url.starts_with("http://")).count();
    assert_eq!(asked, 1, "the others were not asked for");
}

#[test]
fn a_host_that_is_busy_for_a_moment_is_asked_again() {
    let origin = Origin::start();
    origin.answers(
        "http://cdn.example/0.jpg",
        [
            Answer::status(503),
            Answer::status(503).header("Retry-After", "1"),
            Answer::image(picture::jpeg(0)),
        ],
    );
    let test = Test::new().origin(&origin).document("a.md", "![](http://cdn.example/0.jpg)\n");
    test.run("archive a.md").expect_code(0);
    assert_eq!(origin.count("http://cdn.example/0.jpg"), 3);
    let status = test.run("status --documents").expect_code(0).stdout;
    assert!(status.contains("a.md"), "{status}");
}

#[test]
fn one_image_in_forty_documents_is_one_request_and_one_blob() {
    let origin = web(1);
    let mut test = Test::new().origin(&origin);
    for n in 0..40 {
        test = test.document(&format!("posts/{n}.md"), format!("post {n} ![]({})\n", proxied(0)));
    }
    let report = test.run("archive posts --format json").expect_code(0).json();
    assert_eq!(report["documents"]["changed"], 40);
    assert_eq!(origin.requests().len(), 1);
    assert_eq!(test.blobs().len(), 1);
}

#[test]
fn two_origins_with_the_same_bytes_are_one_blob() {
    let origin = Origin::start();
    origin.image("http://a.example/1.png", picture::png(1));
    origin.image("http://b.example/2.png", picture::png(1));
    let test = Test::new()
        .origin(&origin)
        .document("a.md", "![](http://a.example/1.png) ![](http://b.example/2.png)\n");
    let report = test.run("archive a.md --format json").expect_code(0).json();
    assert_eq!(report["images"]["downloaded"], 2);
    assert_eq!(report["images"]["deduplicated"], 1);
    assert_eq!(test.blobs().len(), 1);
    test.run("restore a.md").expect_code(0);
    assert_eq!(test.read("a.md"), b"![](http://a.example/1.png) ![](http://b.example/2.png)\n");
}

#[test]
fn fifty_references_to_one_image_and_a_document_of_twenty_megabytes() {
    let origin = web(1);
    let line = format!("<p>text text text <img src=\"{}\"> text</p>\n", proxied(0));
    let filler = "<p>0123456789 abcdefghijklmnopqrstuvwxyz</p>\n".repeat(9_000);
    let document = format!("{line}{filler}").repeat(50);
    assert!(document.len() > 20_000_000);
    let test = Test::new().origin(&origin).document("big.html", &document);
    let report = test.run("archive big.html --format json").expect_code(0).json();
    assert_eq!(report["references"]["archived"], 50);
    assert_eq!(origin.requests().len(), 1);
    test.run("restore big.html").expect_code(0);
    assert!(test.read("big.html") == document.as_bytes());
}

#[test]
fn no_rewrite_keeps_images_and_touches_no_document() {
    let origin = web(1);
    let test = Test::new().origin(&origin).document("posts/a.md", format!("![]({})\n", proxied(0)));
    let before = test.tree("posts");
    test.run("archive posts --no-rewrite").expect_code(0);
    assert_eq!(test.tree("posts"), before);
    assert_eq!(test.blobs().len(), 1);
    origin.forget_requests();
    test.run("archive posts").expect_code(0);
    assert_ne!(test.tree("posts"), before, "a run that rewrites is not fooled by one that did not");
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn a_document_from_stdin_comes_out_on_stdout() {
    let origin = web(1);
    let test = Test::new().origin(&origin);
    let outcome =
        test.run_with_input("archive -", format!("![]({})\n", proxied(0)).as_bytes()).expect_code(0);
    let digest = Digest::of(&picture::jpeg(0)).to_string();
    assert_eq!(outcome.stdout, format!("![](cache/images/{}/{digest}.jpg)\n", &digest[..2]));
}

#[test]
fn the_diff_shows_what_is_and_what_would_be_changed() {
    let origin = web(1);
    let test = Test::new().origin(&origin).document("posts/a.md", format!("one\n![]({})\ntwo\n", proxied(0)));
    let planned = test.run("archive posts --dry-run --diff").expect_code(0).stdout;
    assert!(planned.contains(&format!("-![]({})", proxied(0))), "{planned}");
    let done = test.run("archive posts --diff").expect_code(0).stdout;
    assert!(done.contains("--- a/posts/a.md\n+++ b/posts/a.md\n@@ -1,3 +1,3 @@\n one\n-![]("), "{done}");
    assert!(done.contains("+![](../cache/images/"), "{done}");
}

#[test]
fn a_link_in_a_list_of_a_tag_begins_as_a_url_does() {
    let origin = web(2);
    let text = format!("{{{{< gallery \"{},{}\" >}}}}\n", proxied(0), proxied(1));
    let test = Test::new().origin(&origin).document("a.md", &text);
    let planned = test.run("archive a.md --dry-run --diff").expect_code(0).stdout;
    assert!(
        planned.contains("+{{< gallery \"cache/images/<digest>,./cache/images/<digest>\" >}}"),
        "{planned}"
    );
    test.run("archive a.md").expect_code(0);
    let images = [0, 1].map(|number| Digest::of(&picture::jpeg(number)).to_string());
    let links = images.map(|digest| format!("cache/images/{}/{digest}.jpg", &digest[..2]));
    assert_eq!(
        test.read("a.md"),
        format!("{{{{< gallery \"{},./{}\" >}}}}\n", links[0], links[1]).as_bytes()
    );
    test.run("verify").expect_code(0);
    // what is there before a scheme is no folder
    test.run("relink a.md --link file:///srv/images/").expect_code(0);
    let written = String::from_utf8(test.read("a.md")).unwrap();
    assert_eq!(written.matches("file:///srv/images/").count(), 2);
    assert!(!written.contains("./"), "{written}");
    test.run("restore a.md").expect_code(0);
    assert_eq!(test.read("a.md"), text.as_bytes());
}

#[test]
fn a_link_prefix_is_written_as_it_is() {
    let origin = web(1);
    let test = Test::new().origin(&origin).document("posts/a.md", format!("![]({})\n", proxied(0)));
    test.run("archive posts --link /images/").expect_code(0);
    let digest = Digest::of(&picture::jpeg(0)).to_string();
    assert_eq!(test.read("posts/a.md"), format!("![](/images/{}/{digest}.jpg)\n", &digest[..2]).as_bytes());
    // kept links are not references to be archived again
    let report = test.run("archive posts --link /images/ --format json").expect_code(0).json();
    assert_eq!(report["references"]["already_archived"], 1);
}

#[test]
fn scope_proxied_leaves_direct_images_alone() {
    let origin = web(2);
    let test = Test::new()
        .origin(&origin)
        .document("a.md", format!("![]({}) ![](http://cdn.example/1.jpg)\n", proxied(0)));
    let report = test.run("archive a.md --scope proxied --format json").expect_code(0).json();
    assert_eq!((&report["references"]["archived"], &report["references"]["skipped"]), (&1.into(), &1.into()));
    assert!(String::from_utf8(test.read("a.md")).unwrap().contains("![](http://cdn.example/1.jpg)"));
}

#[test]
fn a_symlink_stays_and_its_document_is_rewritten() {
    let origin = web(1);
    let test = Test::new().origin(&origin).document("real/a.md", format!("![]({})\n", proxied(0)));
    fs::create_dir(test.path("posts")).unwrap();
    symlink("../real/a.md", test.path("posts/link.md")).unwrap();
    test.run("archive posts").expect_code(0);
    assert!(fs::symlink_metadata(test.path("posts/link.md")).unwrap().is_symlink());
    assert!(String::from_utf8(test.read("real/a.md")).unwrap().contains("../cache/images/"));
}

#[test]
fn mode_stays_and_what_a_rename_would_spoil_is_left_alone_and_reported() {
    let origin = web(1);
    let post = format!("![]({})\n", proxied(0));
    let test = Test::new()
        .origin(&origin)
        .document("posts/mode.md", &post)
        .document("posts/read-only.md", &post)
        .document("posts/linked.md", &post);
    fs::set_permissions(test.path("posts/mode.md"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(test.path("posts/read-only.md"), fs::Permissions::from_mode(0o444)).unwrap();
    fs::hard_link(test.path("posts/linked.md"), test.path("other name")).unwrap();
    let report = test.run("archive posts --format json").expect_code(3).json();
    assert_eq!(report["documents"], serde_json::json!({ "scanned": 3, "changed": 1, "failed": 2 }));
    assert_eq!(fs::metadata(test.path("posts/mode.md")).unwrap().mode() & 0o777, 0o640);
    assert_eq!(test.read("posts/read-only.md"), post.as_bytes());
    assert_eq!(test.read("posts/linked.md"), post.as_bytes());
    assert_eq!(fs::metadata(test.path("posts/linked.md")).unwrap().nlink(), 2);
    test.run("archive posts/linked.md --set rewrite.in_place=true").expect_code(0);
    assert_eq!(fs::metadata(test.path("posts/linked.md")).unwrap().nlink(), 2);
    assert_ne!(test.read("other name"), post.as_bytes());
    test.assert_no_litter();
}

#[test]
fn a_document_edited_while_its_image_is_on_the_way_keeps_the_edit() {
    let origin = web(1);
    origin.answer(
        "http://cdn.example/0.jpg",
        Answer::image(picture::jpeg(0)).delay(Duration::from_millis(900)),
    );
    let test = Test::new().origin(&origin).document("posts/a.md", format!("![]({})\n", proxied(0)));
    let mut run = test.command("archive posts").spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    test.write("posts/a.md", format!("edited meanwhile\n![]({})\n", proxied(0)));
    assert_eq!(run.wait().unwrap().code(), Some(0));
    let text = String::from_utf8(test.read("posts/a.md")).unwrap();
    assert!(text.starts_with("edited meanwhile\n![](../cache/images/"), "{text}");
    test.run("restore posts").expect_code(0);
    assert_eq!(test.read("posts/a.md"), format!("edited meanwhile\n![]({})\n", proxied(0)).as_bytes());
}

#[test]
fn two_runs_at_once_on_one_folder_do_the_work_once_and_right() {
    let origin = web(20);
    let mut test = Test::new().origin(&origin);
    for n in 0..60 {
        test = test.document(
            &format!("posts/{n}.md"),
            format!("![]({}) ![]({})\n", proxied(n % 20), proxied((n + 1) % 20)),
        );
    }
    let before = test.tree("posts");
    let runs: Vec<_> = (0..2).map(|_| test.command("archive posts").spawn().unwrap()).collect();
    for mut run in runs {
        assert_eq!(run.wait().unwrap().code(), Some(0));
    }
    test.run("verify").expect_code(0);
    test.assert_no_litter();
    test.run("restore posts").expect_code(0);
    assert_eq!(test.tree("posts"), before);
}

#[test]
fn a_lightbox_link_follows_its_image_and_a_link_to_a_page_stays() {
    let origin = web(1);
    origin.answer("http://cdn.example/File:x.jpg", Answer::html("a page about a picture"));
    let post = format!(
        "<a href=\"http://cdn.example/0.jpg\"><img src=\"{}\"></a>\n<a href=\"http://cdn.example/File:x.jpg\">x</a>\n",
        proxied(0)
    );
    let test = Test::new().origin(&origin).document("a.html", &post);
    let report = test.run("archive a.html --format json").expect_code(0).json();
    assert_eq!(report["references"]["archived"], 2);
    assert_eq!(report["references"]["skipped"], 1);
    assert!(
        String::from_utf8(test.read("a.html")).unwrap().contains("href=\"http://cdn.example/File:x.jpg\"")
    );
    test.run("restore a.html").expect_code(0);
    assert_eq!(test.read("a.html"), post.as_bytes());
}

/// The five real posts against a local origin that plays `static.1sapp.com` and the worker.
#[test]
fn the_real_posts_are_archived_and_restored() {
    let Some(posts) = Test::shared("corpus/posts") else { return };
    for scene in ["all live", "the origin is dead", "both are dead"] {
        let origin = Origin::start();
        let mut test = Test::new().origin(&origin).set("fetch.retries", "0");
        for file in fs::read_dir(&posts).unwrap() {
            let file = file.unwrap();
            test = test.document(
                &format!("posts/{}", file.file_name().to_str().unwrap()),
                fs::read(file.path()).unwrap(),
            );
        }
        let before = test.tree("posts");
        let lines = test.run("scan posts --format json").expect_code(0).json_lines();
        let image = |url: &str| {
            picture::jpeg(url.bytes().map(u64::from).fold(7, |hash, byte| hash.wrapping_mul(31) + byte % 97))
        };
        for line in &lines {
            let url = line["origin"].as_str().unwrap();
            origin.image(url, image(url));
        }
        match scene {
            "the origin is dead" => {
                origin.worker("cors.zfour.workers.dev");
                origin.host_down("static.1sapp.com");
            }
            "both are dead" => {
                origin.host_down("cors.zfour.workers.dev");
                origin.host_down("static.1sapp.com");
            }
            _ => origin.worker("cors.zfour.workers.dev"),
        }
        if scene == "both are dead" {
            let report = test.run("archive posts --format json").expect_code(3).json();
            assert_eq!(report["failures"].as_array().unwrap().len(), 21);
            assert_eq!(test.tree("posts"), before);
            continue;
        }
        let report = test.run("archive posts --format json").expect_code(0).json();
        assert_eq!(report["references"]["archived"], 27, "{scene}");
        assert_eq!(report["documents"]["changed"], 3);
        assert_eq!(test.blobs().len(), 21);
        test.run("verify").expect_code(0);
        origin.forget_requests();
        test.run("archive posts").expect_code(0);
        assert_eq!(origin.requests().len(), 0);
        test.run("restore posts").expect_code(0);
        assert_eq!(test.tree("posts"), before);
    }
}
