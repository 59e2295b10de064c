//! The user's rules at work: what they find, what they leave alone, and that a changed rule is noticed.

use crate::support::origin::Origin;
use crate::support::{Test, picture};

/// The origins that a scan gives, in the order of the documents.
fn origins(test: &Test, words: &str) -> Vec<String> {
    let lines = test.run(&format!("scan {words} --format json")).expect_code(0).json_lines();
    lines.iter().map(|line| line["origin"].as_str().unwrap().to_owned()).collect()
}

const GALLERY: &str = "<x-photo full='http://a.example/1?x&amp;y'></x-photo>\n\
    <p full=\"http://a.example/2\" data-pic=\"http://b.example/3\">\n\
    <img src=\"https://wsrv.nl/?url=http://a.example/4.jpg\">\n\
    <img src=\"https://cors.zfour.workers.dev/?http://c.example/5.jpg\">\n";

#[test]
fn an_attribute_of_one_element_is_found_rewritten_and_restored() {
    let origin = Origin::start();
    origin.image("http://a.example/1?x&y", picture::jpeg(1));
    let page = GALLERY.lines().next().unwrap();
    let markdown = format!("text\n\n{page}\n\n`{page}`\n");
    let test = Test::new()
        .origin(&origin)
        .set("references.elements", "[\"X-Photo[Full]\"]")
        .document("posts/a.html", page)
        .document("posts/b.md", &markdown);
    assert_eq!(origins(&test, "posts"), ["http://a.example/1?x&y"; 2]);
    test.run("archive posts").expect_code(0);
    let blob = test.blobs().keys().next().unwrap().to_string();
    let link = format!("../cache/images/{}/{blob}.jpg", &blob[..2]);
    assert_eq!(
        String::from_utf8(test.read("posts/a.html")).unwrap(),
        format!("<x-photo full='{link}'></x-photo>")
    );
    let rewritten = markdown.replacen("http://a.example/1?x&amp;y", &link, 1);
    assert_eq!(String::from_utf8(test.read("posts/b.md")).unwrap(), rewritten);
    test.run("restore posts").expect_code(0);
    assert_eq!(test.read("posts/a.html"), page.as_bytes());
    assert_eq!(test.read("posts/b.md"), markdown.as_bytes());
}

#[test]
fn hosts_are_included_and_excluded_where_the_image_lives_and_where_it_is_asked_for() {
    let test = Test::new().document("a.html", GALLERY);
    let with = |rule: &str| origins(&test, &format!("a.html --set references.{rule}"));
    assert_eq!(with("include_hosts=a.example"), ["http://a.example/4.jpg"]);
    assert_eq!(with("include_hosts=wsrv.nl,c.example"), ["http://a.example/4.jpg", "http://c.example/5.jpg"]);
    assert_eq!(with("include_hosts=*.workers.dev"), ["http://c.example/5.jpg"]);
    assert_eq!(with("include_hosts=*.a.example"), [""; 0]);
    assert_eq!(with("exclude_hosts=wsrv.nl"), ["http://c.example/5.jpg"]);
    assert_eq!(with("include_hosts=c.example --set references.exclude_hosts=*.workers.dev"), [""; 0]);
}

#[test]
fn families_are_included_and_excluded_and_still_known() {
    let nested = "![](https://wsrv.nl/?url=https%3A%2F%2Fcors.zfour.workers.dev%2F%3Fhttp%3A%2F%2Fd.example%2F6.png)\n\
                  ![](http://e.example/7.png)\n";
    let test = Test::new().document("a.html", GALLERY).document("b.md", nested);
    let (four, five) = ("http://a.example/4.jpg", "http://c.example/5.jpg");
    let (six, seven) = ("http://d.example/6.png", "http://e.example/7.png");
    let with = |rule: &str| origins(&test, &format!("a.html b.md --set references.{rule}"));
    assert_eq!(with("scope=all"), [four, five, six, seven]);
    assert_eq!(with("include_families=weserv"), [four, six]);
    assert_eq!(with("exclude_families=weserv"), [five, seven]);
    assert_eq!(with("exclude_families=cors-zfour"), [four, seven]);
    assert_eq!(with("include_families=weserv --set references.exclude_families=cors-zfour"), [four]);
    let refused = test.run("scan a.html --set references.exclude_families=weserve").expect_code(2);
    assert!(refused.stderr.contains("did you mean `weserv`?"), "{}", refused.stderr);
}

#[test]
fn a_folder_may_have_rules_of_its_own() {
    let test = Test::new()
        .document("imgkeep.toml", "[references]\nexclude_hosts = [\"c.example\"]\n\
            [[overrides]]\nfiles = [\"old/\"]\nelements = [\"x-photo[full]\"]\nexclude_hosts = []\n\
            [[overrides]]\nfiles = [\"*.htm\"]\nscope = \"proxied\"\nattributes = [\"data-pic\"]\nelements = []\n")
        .document("a.html", GALLERY)
        .document("old/deep/a.html", GALLERY)
        .document("old/a.htm", GALLERY);
    let (one, four, five) = ("http://a.example/1?x&y", "http://a.example/4.jpg", "http://c.example/5.jpg");
    assert_eq!(origins(&test, "a.html"), [four]);
    assert_eq!(origins(&test, "old/deep"), [one, four, five]);
    assert_eq!(origins(&test, "old/a.htm"), [four, five]);
    std::os::unix::fs::symlink(test.path("old/deep/a.html"), test.path("link.html")).unwrap();
    assert_eq!(origins(&test, "link.html"), [one, four, five], "the file it leads to counts");
    let stdin = test.run_with_input("scan - --format json", GALLERY.as_bytes()).expect_code(0).json_lines();
    assert_eq!(stdin.len(), 1, "stdin has no folder: {stdin:?}");

    let found = |words: &str| test.run(words).expect_code(0).json()["dry_run"]["references"].clone();
    assert_eq!(found("archive . --dry-run --format json"), 6);
    assert_eq!(found("archive . --dry-run --format json --scope proxied"), 5);
    assert_eq!(found("archive old/a.htm --dry-run --format json --scope all"), 3, "data-pic, too");
}

#[test]
fn a_changed_rule_is_noticed_in_documents_that_did_not_change() {
    let origin = Origin::start();
    origin.image("http://a.example/1?x&y", picture::jpeg(1));
    origin.image("http://a.example/4.jpg", picture::jpeg(4));
    origin.image("http://c.example/5.jpg", picture::jpeg(5));
    let test = Test::new()
        .origin(&origin)
        .document("imgkeep.toml", "references.exclude_families = [\"cors-zfour\"]\n")
        .document("posts/a.html", GALLERY)
        .document("posts/old/a.html", GALLERY);
    let archived = |rules: &str| {
        test.write("imgkeep.toml", rules);
        let report = test.run("archive posts --format json").expect_code(0).json();
        (report["references"]["archived"].clone(), report["documents"]["changed"].clone())
    };
    let nothing = (0.into(), 0.into());
    let first = "references.exclude_families = [\"cors-zfour\"]\n";
    assert_eq!(archived(first), (2.into(), 2.into()));
    assert_eq!(archived(first), nothing);
    let second = format!("{first}[[overrides]]\nfiles = [\"posts/old/\"]\nelements = [\"x-photo[full]\"]\n");
    assert_eq!(archived(&second), (1.into(), 1.into()));
    assert_eq!(archived(&second), nothing);
    let third = format!("{second}exclude_families = []\n");
    assert_eq!(archived(&third), (1.into(), 1.into()));
    assert_eq!(archived(&third), nothing);
    assert_eq!(archived(""), (1.into(), 1.into()));
}

/// A block of the README between two fences, the first line of which starts so.
fn readme(start: &str) -> &'static str {
    let readme = include_str!("../../README.md");
    let block = readme.split("```").skip(1).step_by(2).find(|block| block.contains(start));
    let block = block.unwrap_or_else(|| panic!("`{start}` is in no block of the README"));
    block.split_once('\n').map_or("", |(_, block)| block)
}

#[test]
fn the_readme_shows_what_a_scan_says() {
    let notes = [
        ("posts/notes/in-the-garden.md", include_str!("../../src/demo/posts/notes/in-the-garden.md")),
        ("posts/notes/what-is-left.md", include_str!("../../src/demo/posts/notes/what-is-left.md")),
    ];
    let test = notes.into_iter().fold(Test::new(), |test, (path, text)| test.document(path, text));
    let outcome = test.run("scan posts/notes").expect_code(0);
    let said = format!("$ imgkeep scan posts/notes\n{}{}", outcome.stdout, outcome.stderr);
    assert_eq!(readme("$ imgkeep scan posts/notes"), said);
}

#[test]
fn the_rules_of_the_readme_do_what_it_says() {
    let page = "<gallery-item data-big=http://a.example/1></gallery-item>\n\
                <img src=http://b.mine.example/2>\n\
                <img src=https://wsrv.nl/?url=http://b.mine.example/3>\n";
    let test = Test::new()
        .document("imgkeep.toml", readme("[[overrides]]"))
        .document("a.html", page)
        .document("old/deep/a.html", page);
    assert_eq!(origins(&test, "a.html"), ["http://a.example/1"]);
    assert_eq!(origins(&test, "old"), ["http://b.mine.example/3"]);
}
