//! `imgkeep scan`.

use crate::support::Test;

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
fn people_get_line_and_column() {
    let test = Test::new().document("posts/a.txt", POST);
    let outcome = test.run("scan posts").expect_code(0);
    assert!(outcome.stdout.contains("posts/a.txt:4:11  http://cdn.example/head.jpg"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("posts/a.txt:9:11  http://cdn.example/b.png"), "{}", outcome.stdout);
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
