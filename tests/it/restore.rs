//! The way back, and what happens to documents that were archived before.

use std::fs;

use crate::archive::{proxied, web};
use crate::support::origin::Origin;
use crate::support::{Test, picture};

#[test]
fn restore_gives_every_byte_and_the_mtime_back() {
    let origin = web(3);
    let post = format!(
        "\u{feff}\n---\ncover: {}\n---\n<img src='{}'>\r\n![]({})",
        proxied(0),
        proxied(1),
        proxied(2)
    );
    let test = Test::new().origin(&origin).document("posts/a.md", &post);
    let mtime = fs::metadata(test.path("posts/a.md")).unwrap().modified().unwrap();
    test.run("archive posts").expect_code(0);
    assert_ne!(test.read("posts/a.md"), post.as_bytes());
    assert_ne!(fs::metadata(test.path("posts/a.md")).unwrap().modified().unwrap(), mtime);
    test.run("restore posts").expect_code(0);
    assert_eq!(test.read("posts/a.md"), post.as_bytes());
    assert_eq!(fs::metadata(test.path("posts/a.md")).unwrap().modified().unwrap(), mtime);
    test.assert_no_litter();
    // and there again, without a request
    origin.forget_requests();
    test.run("archive posts").expect_code(0);
    assert_ne!(test.read("posts/a.md"), post.as_bytes());
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn after_a_persons_edits_every_link_that_is_left_goes_back_and_the_rest_stays() {
    let origin = web(3);
    let post = format!("one ![]({}) two ![]({}) three ![]({})\n", proxied(0), proxied(1), proxied(2));
    let test = Test::new().origin(&origin).document("posts/a.md", &post);
    test.run("archive posts").expect_code(0);
    let text = String::from_utf8(test.read("posts/a.md")).unwrap();
    let gone = text.find(" two").unwrap()..text.find(" three").unwrap();
    let mut edited = text.clone();
    edited.replace_range(gone, " (removed) ");
    edited.insert_str(0, "a new first line\n\n");
    test.write("posts/a.md", &edited);
    test.run("restore posts").expect_code(0);
    let expected =
        format!("a new first line\n\none ![]({}) (removed)  three ![]({})\n", proxied(0), proxied(2));
    assert_eq!(String::from_utf8(test.read("posts/a.md")).unwrap(), expected);
}

#[test]
fn images_added_later_join_the_way_back() {
    let origin = web(2);
    let test = Test::new().origin(&origin).document("a.md", format!("![]({})\n", proxied(0)));
    test.run("archive a.md").expect_code(0);
    let mut text = String::from_utf8(test.read("a.md")).unwrap();
    text.push_str(&format!("![]({})\n", proxied(1)));
    test.write("a.md", &text);
    test.run("archive a.md").expect_code(0);
    assert!(!String::from_utf8(test.read("a.md")).unwrap().contains("http"));
    test.run("restore a.md").expect_code(0);
    assert_eq!(test.read("a.md"), format!("![]({})\n![]({})\n", proxied(0), proxied(1)).as_bytes());
}

#[test]
fn a_moved_and_a_copied_document_find_their_way_back() {
    let origin = web(1);
    let post = format!("![]({})\n", proxied(0));
    let test = Test::new().origin(&origin).document("posts/a.md", &post);
    test.run("archive posts").expect_code(0);
    fs::create_dir(test.path("deeper")).unwrap();
    fs::copy(test.path("posts/a.md"), test.path("deeper/copy.md")).unwrap();
    fs::rename(test.path("posts/a.md"), test.path("moved.md")).unwrap();
    test.run("restore deeper moved.md").expect_code(0);
    assert_eq!(test.read("deeper/copy.md"), post.as_bytes());
    assert_eq!(test.read("moved.md"), post.as_bytes());
}

#[test]
fn a_moved_documents_links_are_led_back_to_the_store_and_its_way_back_goes_along() {
    let origin = web(1);
    let post = format!("![]({})\n", proxied(0));
    let test = Test::new().origin(&origin).document("posts/a.md", &post);
    test.run("archive posts").expect_code(0);
    fs::create_dir_all(test.path("old/2022")).unwrap();
    fs::rename(test.path("posts/a.md"), test.path("old/2022/a.md")).unwrap();
    test.run("archive old").expect_code(0);
    let text = String::from_utf8(test.read("old/2022/a.md")).unwrap();
    assert!(text.contains("](../../cache/images/"), "{text}");
    test.run("verify").expect_code(0);
    test.write("old/2022/a.md", format!("a person was here\n{text}"));
    test.run("restore old").expect_code(0);
    assert_eq!(test.read("old/2022/a.md"), format!("a person was here\n{post}").as_bytes());
}

#[test]
fn a_link_copied_into_another_document_goes_back_to_the_image_itself() {
    let origin = web(1);
    let test = Test::new().origin(&origin).document("posts/a.md", format!("![]({})\n", proxied(0)));
    test.run("archive posts").expect_code(0);
    let text = String::from_utf8(test.read("posts/a.md")).unwrap();
    test.write("posts/copy.md", format!("copied: {text}"));
    test.run("restore posts").expect_code(0);
    assert_eq!(test.read("posts/copy.md"), b"copied: ![](http://cdn.example/0.jpg)\n");
    assert_eq!(test.read("posts/a.md"), format!("![]({})\n", proxied(0)).as_bytes());
}

#[test]
fn a_copy_that_is_gone_is_fetched_again_for_the_next_document() {
    let origin = web(1);
    let test = Test::new().origin(&origin).document("posts/a.md", format!("![]({})\n", proxied(0)));
    test.run("archive posts").expect_code(0);
    fs::remove_dir_all(test.path("cache/images")).unwrap();
    test.write("posts/b.md", format!("b ![]({})\n", proxied(0)));
    origin.forget_requests();
    test.run("archive posts").expect_code(0);
    assert_eq!(origin.requests().len(), 1);
    test.run("verify").expect_code(0);
}

#[test]
fn settings_may_stand_before_and_behind_the_command() {
    let origin = web(1);
    let test = Test::new().origin(&origin).document("a.md", format!("![]({})\n", proxied(0)));
    // where every name leads is given before, and these are given behind
    test.run("archive a.md --set fetch.retries=0 --set rewrite.link=/i/").expect_code(0);
    assert!(String::from_utf8(test.read("a.md")).unwrap().starts_with("![](/i/"));
}

#[test]
fn a_dry_run_of_restore_is_no_run() {
    let origin = web(1);
    let test = Test::new().origin(&origin).document("a.md", format!("![]({})\n", proxied(0)));
    test.run("archive a.md").expect_code(0);
    let runs = test.run("status --format json").json()["runs"].clone();
    test.run("restore a.md --dry-run --diff").expect_code(0);
    test.run("archive a.md").expect_code(0);
    assert_eq!(test.run("status --format json").json()["runs"], runs);
}

#[test]
fn restore_can_be_narrowed_to_an_image_or_a_run() {
    let origin = web(2);
    let post = format!("![]({})\n![]({})\n", proxied(0), proxied(1));
    let test = Test::new().origin(&origin).document("a.md", &post);
    test.run("archive a.md").expect_code(0);
    let archived = test.read("a.md");
    test.run("restore a.md --image http://cdn.example/1.jpg").expect_code(0);
    let text = String::from_utf8(test.read("a.md")).unwrap();
    assert!(!text.contains(&proxied(0)) && text.contains(&proxied(1)), "{text}");
    test.run("archive a.md").expect_code(0);
    assert_eq!(test.read("a.md"), archived);

    let runs = test.run("status --format json").expect_code(0).json()["runs"].clone();
    let last = runs.as_array().unwrap().iter().find(|run| run["command"] == "archive").unwrap().clone();
    test.run(&format!("restore a.md --run {}", last["name"].as_str().unwrap())).expect_code(0);
    let text = String::from_utf8(test.read("a.md")).unwrap();
    assert!(
        !text.contains(&proxied(0)) && text.contains(&proxied(1)),
        "only the second run's link went back: {text}"
    );
    test.run("restore a.md").expect_code(0);
    assert_eq!(test.read("a.md"), post.as_bytes());
    test.run("restore a.md --run 20200101T000000Z-0000").expect_code(2);
}

#[test]
fn relink_changes_the_style_and_keeps_the_way_back() {
    let origin = web(1);
    let post = format!("![]({})\n<img src='{}'>\n", proxied(0), proxied(0));
    let test = Test::new().origin(&origin).document("posts/a.md", &post);
    test.run("archive posts").expect_code(0);
    origin.forget_requests();
    let relative = test.read("posts/a.md");
    test.run("relink posts --link /images/").expect_code(0);
    let text = String::from_utf8(test.read("posts/a.md")).unwrap();
    assert_eq!(text.matches("/images/").count(), 2, "{text}");
    assert!(!text.contains("cache"), "{text}");
    test.run("relink posts --link http://127.0.0.1:7420/images/").expect_code(0);
    test.run("relink posts --link relative").expect_code(0);
    assert_eq!(test.read("posts/a.md"), relative);
    test.run("relink posts --link /i/").expect_code(0);
    test.run("restore posts").expect_code(0);
    assert_eq!(test.read("posts/a.md"), post.as_bytes());
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn the_fragment_of_an_svg_stays_through_every_change() {
    let origin = Origin::start();
    let svg = br#"<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect id="a"/></svg>"#;
    origin.image("http://cdn.example/m.svg", *svg);
    origin.image("http://cdn.example/p.png", picture::png(1));
    let page = "<p style=\"mask: url(http://cdn.example/m.svg#a)\"><img src=http://cdn.example/m.svg#view>\
                <img src=http://cdn.example/p.png#pic_center><svg><use href=http://cdn.example/m.svg#b /></svg>\n";
    let test = Test::new().origin(&origin).document("a.html", page);
    let holds = |fragments: &[&str]| {
        let text = String::from_utf8(test.read("a.html")).unwrap();
        assert!(fragments.iter().all(|fragment| text.contains(&format!(".svg{fragment}"))), "{text}");
        assert!(!text.contains("cdn.example"), "{text}");
    };
    test.run("archive a.html").expect_code(0);
    holds(&["#a)", "#view>", "#b "]);
    test.run("relink a.html --link /images/").expect_code(0);
    holds(&["#a)", "#view>", "#b "]);
    test.run("verify").expect_code(0);
    test.run("restore a.html").expect_code(0);
    assert_eq!(test.read("a.html"), page.as_bytes());
}
