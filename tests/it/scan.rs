//! `imgkeep scan`.

use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

const POST: &str = "
---
title: 'a post'
headimg: 'https://cors.zfour.workers.dev/?http://cdn.example/head.jpg'
---

<p><img src=\"https://cors.zfour.workers.dev/?http://cdn.example/a.jpg?x=1&amp;y=2\"></p>

![direct](http://cdn.example/b.png \"title\") and `![code](http://cdn.example/code.png)`
";

#[test]
fn a_reference_is_a_line_of_json_with_its_exact_span() {
    let test = Test::new().document("posts/a.txt", POST);
    let lines = test.run("scan posts --format json").expect_code(0).json_lines();
    let origins: Vec<_> = lines.iter().map(|line| line["origin"].as_str().unwrap()).collect();
    assert_eq!(
        origins,
        ["http://cdn.example/head.jpg", "http://cdn.example/a.jpg?x=1&y=2", "http://cdn.example/b.png"]
    );
    let contexts: Vec<_> = lines.iter().map(|line| line["context"].as_str().unwrap()).collect();
    assert_eq!(contexts, ["yaml_scalar", "html_attribute", "markdown_image"]);
    for line in &lines {
        let start = usize::try_from(line["start"].as_u64().unwrap()).unwrap();
        let end = usize::try_from(line["end"].as_u64().unwrap()).unwrap();
        assert_eq!(&POST[start..end], line["raw"], "the bytes at the span");
        assert_eq!(line["document"], "posts/a.txt");
    }
    assert_eq!(lines[1]["raw"], "https://cors.zfour.workers.dev/?http://cdn.example/a.jpg?x=1&amp;y=2");
    assert_eq!(lines[1]["url"], "https://cors.zfour.workers.dev/?http://cdn.example/a.jpg?x=1&y=2");
    assert_eq!(lines[1]["proxies"], serde_json::json!(["cors-zfour"]));
    assert_eq!(lines[2]["proxies"], serde_json::json!([]));
}

#[test]
fn people_get_a_block_for_each_document_with_line_and_column() {
    let test = Test::new()
        .document("posts/a.txt", POST)
        .document("posts/b.md", "nothing")
        .document("posts/c.md", "![](https://wsrv.nl/?url=https%3A%2F%2Fcors.zfour.workers.dev%2F%3Fhttp%3A%2F%2Fcdn.example%2Fc.png)");
    let outcome = test.run("scan ./posts").expect_code(0);
    let expected = "\
./posts/a.txt
  4:11  yaml_scalar     http://cdn.example/head.jpg  (behind cors-zfour)
  7:14  html_attribute  http://cdn.example/a.jpg?x=1&y=2  (behind cors-zfour)
  9:11  markdown_image  http://cdn.example/b.png

./posts/c.md
  1:5  markdown_image  http://cdn.example/c.png  (behind weserv, cors-zfour)
";
    assert_eq!(outcome.stdout, expected);
    assert_eq!(outcome.stderr, "4 references in 2 documents\n");
    let quiet = test.run("scan ./posts -q").expect_code(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), (expected, ""));
    let one = test.run_with_input("scan -", b"![](http://h/a.png)").expect_code(0);
    assert_eq!(one.stdout, "-\n  1:5  markdown_image  http://h/a.png\n");
    assert_eq!(one.stderr, "1 reference in 1 document\n");
}

#[test]
fn a_scan_changes_nothing_and_makes_nothing() {
    let test = Test::new().document("posts/a.txt", POST);
    let before = test.tree(".");
    test.run("scan posts").expect_code(0);
    test.run("archive posts --dry-run").expect_code(0);
    assert_eq!(test.tree("."), before);
}

#[test]
fn a_document_may_come_from_stdin() {
    let test = Test::new();
    let lines = test.run_with_input("scan - --format json", POST.as_bytes()).expect_code(0).json_lines();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["document"], "-");
}

#[test]
fn json_is_a_document_if_it_is_a_feed() {
    let feed = r#"{"version":"https:\/\/jsonfeed.org\/version\/1.1","icon":"http:\/\/cdn.example\/a.png"}"#;
    let test = Test::new().document("posts/feed.json", feed).document("posts/package.json", "{}");
    let outcome = test.run("scan posts --format json").expect_code(0);
    assert_eq!(outcome.stderr, "", "other JSON is passed by");
    let lines = outcome.json_lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (&lines[0]["raw"], &lines[0]["context"]),
        (&r"http:\/\/cdn.example\/a.png".into(), &"json_string".into())
    );
    let named = test.run("scan posts/package.json").expect_code(3);
    assert!(named.stderr.contains("it is JSON, but no JSON Feed"), "{}", named.stderr);
}

#[test]
fn scope_and_excluded_hosts_narrow_it() {
    let test = Test::new().document("posts/a.txt", POST);
    let origins = |words: &str| test.run(words).expect_code(0).json_lines().len();
    assert_eq!(origins("scan posts --format json --set references.scope=proxied"), 2);
    assert_eq!(origins("scan posts --format json --set references.exclude_hosts=[\"cdn.example\"]"), 0);
}

#[test]
fn a_summary_counts_references_origins_and_documents() {
    let test = Test::new().document("posts/a.txt", POST).document("posts/b.md", POST).document("c.md", "");
    let outcome = test.run("scan posts c.md --summary").expect_code(0);
    let expected = "\
6 references to 3 origins in 2 documents

references    origins  documents  kind
         2          1          2  html_attribute
         2          1          2  markdown_image
         2          1          2  yaml_scalar

references    origins  documents  proxy family
         4          2          2  cors-zfour
         2          1          2  (no proxy)

references    origins  documents  host
         6          3          2  cdn.example
";
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), (expected, ""));
    let row = |name: &str, references: u64, origins: u64| serde_json::json!({ "name": name, "references": references, "origins": origins, "documents": 2 });
    let json = test.run("scan posts c.md --summary --format json").expect_code(0).json();
    assert_eq!(
        json,
        serde_json::json!({
            "references": 6, "origins": 3, "documents": 2, "origins_are_exact": true,
            "kinds": [row("html_attribute", 2, 1), row("markdown_image", 2, 1), row("yaml_scalar", 2, 1)],
            "proxies": [row("cors-zfour", 4, 2)],
            "direct": { "references": 2, "origins": 1, "documents": 2 },
            "hosts": [row("cdn.example", 6, 3)],
            "other_hosts": { "hosts": 0, "references": 0, "origins": 0 },
        })
    );
    let nothing = test.run("scan c.md --summary").expect_code(0);
    assert_eq!(nothing.stdout, "0 references to 0 origins in 0 documents\n");
}

#[test]
fn a_summary_shows_the_most_frequent_hosts_and_counts_the_rest() {
    let image = |host: u32, name: u32| format!("![](http://h{host:02}.example/{name}.png)\n");
    let document: String = (0..25).flat_map(|host| (0..=host).map(move |name| image(host, name))).collect();
    let test = Test::new().document("a.md", document);
    let json = test.run("scan a.md --summary --format json").expect_code(0).json();
    let names: Vec<_> = json["hosts"].as_array().unwrap().iter().map(|row| row["name"].clone()).collect();
    let expected: Vec<_> = (5..25).rev().map(|host| format!("h{host:02}.example")).collect();
    assert_eq!(names, expected);
    assert_eq!(json["other_hosts"], serde_json::json!({ "hosts": 5, "references": 15, "origins": 15 }));
    let human = test.run("scan a.md --summary").expect_code(0).stdout;
    assert!(human.ends_with("\n        15         15             5 more hosts\n"), "{human}");
    let all = test.run("scan a.md --summary --all --format json").expect_code(0).json();
    assert_eq!(all["hosts"].as_array().unwrap().len(), 25);
    assert_eq!(all["other_hosts"]["hosts"], 0);
    test.run("scan a.md --all").expect_code(2);
}

#[test]
fn what_is_left_remote_after_an_archive_fails_a_check() {
    let origin = Origin::start();
    origin.image("http://cdn.example/head.jpg", picture::jpeg(1));
    origin.image("http://cdn.example/a.jpg?x=1&y=2", picture::jpeg(2));
    origin.image("http://cdn.example/b.png", picture::jpeg(3));
    origin.answer("http://wiki.example/File:a.jpg", Answer::html("<!doctype html><title>a page</title>"));
    let test = Test::new()
        .origin(&origin)
        .document("posts/a.txt", POST)
        .document("posts/b.html", "<a href=http://wiki.example/File:a.jpg>about it</a>");
    let left = test.run("scan posts --remote").expect_code(3);
    assert_eq!(left.stderr, "4 references left remote in 2 documents\n");
    assert_eq!(left.stdout.lines().filter(|line| line.starts_with("  ")).count(), 4);
    assert_eq!(test.run("scan posts --remote --format json").expect_code(3).json_lines().len(), 4);
    let summary = test.run("scan posts --remote --summary --format json").expect_code(3).json();
    assert_eq!(summary["references"], 4);

    test.run("archive posts").expect_code(0);
    let none = test.run("scan posts --remote").expect_code(0);
    assert_eq!(
        (none.stdout.as_str(), none.stderr.as_str()),
        ("", "no remote image is left in 2 documents\n")
    );
    assert_eq!(test.run("scan posts --remote --format json").expect_code(0).stdout, "");
    assert_eq!(test.run("scan posts --remote -q").expect_code(0).stderr, "");
    let summary = test.run("scan posts --remote --summary").expect_code(0).stdout;
    assert_eq!(summary, "0 references to 0 origins in 0 documents\n");

    test.write("posts/new.md", "![](http://new.example/1.png) ![](http://other.example/2.png)");
    test.run("scan posts --remote").expect_code(3);
    let unwanted = "--set references.exclude_hosts=new.example,other.example";
    test.run(&format!("scan posts/new.md --remote {unwanted}")).expect_code(0);
    test.run("scan posts/new.md --remote --set references.scope=proxied").expect_code(0);
}

#[test]
fn a_reader_that_goes_away_is_no_error_but_what_it_saw_counts() {
    let documents = (0..200).fold(Test::new(), |test, number| {
        test.document(&format!("posts/{number}.md"), "![](http://cdn.example/a.png)\n".repeat(100))
    });
    for (words, code) in [
        ("scan posts -q", 0),
        ("scan posts -q --format json", 0),
        ("scan posts -q --summary", 0),
        ("scan posts -q --remote", 3),
        ("scan posts -q --remote --summary", 3),
        ("scan posts -q --remote --summary --set references.include_hosts=other.example", 0),
    ] {
        let mut run = documents.command(words).spawn().unwrap();
        drop(run.stdout.take());
        drop(run.stdin.take());
        let outcome = run.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&outcome.stderr);
        assert_eq!((outcome.status.code(), said.as_ref()), (Some(code), ""), "{words}");
    }
}

/// The five real posts: 27 references to 21 origins, all proxied, in three documents.
#[test]
fn the_real_posts_hold_what_a_person_counts_in_them() {
    let Some(posts) = Test::shared("corpus/posts") else { return };
    let test = Test::new();
    let outcome = test.run(&format!("scan {} --format json", posts.display())).expect_code(0);
    assert_eq!(outcome.stderr, "", "nothing about them deserves a warning");
    let lines = outcome.json_lines();
    let distinct = |key: &str| {
        let values: std::collections::BTreeSet<_> = lines.iter().map(|line| line[key].to_string()).collect();
        values.len()
    };
    assert_eq!(lines.len(), 27);
    assert_eq!(distinct("origin"), 21);
    assert_eq!(distinct("document"), 3);
    assert!(lines.iter().all(|line| line["proxies"] == serde_json::json!(["cors-zfour"])));
}

#[test]
fn every_span_of_the_real_pages_holds_its_raw_text() {
    let Some(pages) = Test::shared("corpus/pages") else { return };
    let lines =
        Test::new().run(&format!("scan {} --format json", pages.display())).expect_code(0).json_lines();
    assert!(lines.len() > 300, "{}", lines.len());
    for line in lines {
        let bytes = std::fs::read(line["document"].as_str().unwrap()).unwrap();
        let at = |key: &str| usize::try_from(line[key].as_u64().unwrap()).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes[at("start")..at("end")]), line["raw"].as_str().unwrap());
    }
}
