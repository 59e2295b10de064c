//! `archive --update` and `--follow`: is what is kept the newest, and do the documents use it?

use imgkeep::digest::Digest;
use imgkeep::document::encoding::Encoding;
use serde_json::{Value, json};

use crate::support::Test;
use crate::support::origin::{Answer, Origin};
use crate::support::picture;

const URL: &str = "http://cdn.example/i.jpg";

fn blob(seed: u64) -> String {
    let digest = Digest::of(&picture::jpeg(seed)).to_string();
    format!("{}/{digest}.jpg", &digest[..2])
}

fn text(test: &Test, path: &str) -> String {
    String::from_utf8(test.read(path)).unwrap()
}

/// Runs and returns `updates`, its failures cut off.
fn updates(test: &Test, words: &str) -> Value {
    let mut report = test.run(&format!("archive --format json --update {words}")).expect_code(0).json();
    let mut updates = report["updates"].take();
    updates.as_object_mut().unwrap().remove("failures");
    updates
}

fn numbers(checked: u64, unchanged: u64, changed: u64, gone: u64, followed: u64) -> Value {
    json!({ "checked": checked, "unchanged": unchanged, "changed": changed, "gone": gone, "followed": followed })
}

/// `url` gives this image with an `ETag`, and 304 to whoever has it.
fn tagged(origin: &Origin, url: &str, seed: u64, tag: &str) {
    let tag = tag.to_owned();
    origin.answer_by(url, move |request, _| match request.header("if-none-match") == Some(&tag) {
        true => Answer::status(304),
        false => Answer::image(picture::jpeg(seed)).header("ETag", &tag),
    });
}

fn archived(post: &str) -> (Origin, Test) {
    let origin = Origin::start();
    tagged(&origin, URL, 1, "\"one\"");
    origin.worker("cors.zfour.workers.dev");
    let test = Test::new().origin(&origin).set("fetch.retries", "0").document("posts/a.md", post);
    test.run("archive posts").expect_code(0);
    origin.forget_requests();
    (origin, test)
}

#[test]
fn what_was_not_changed_is_one_request_and_no_body() {
    let (origin, test) = archived(&format!("![]({URL})\n"));
    for n in 0..40 {
        test.write(&format!("posts/{n}.md"), format!("{n} ![]({URL})\n"));
    }
    test.run("archive posts").expect_code(0);
    assert_eq!(origin.requests().len(), 0);
    let before = test.tree("posts");
    let report = test.run("archive posts --update --format json").expect_code(0).json();
    assert_eq!(report["updates"]["unchanged"], 1, "{report}");
    assert_eq!(report["images"]["bytes_downloaded"], 0);
    assert_eq!(origin.requests().len(), 1);
    assert_eq!(origin.requests()[0].header("if-none-match"), Some("\"one\""));
    assert_eq!(test.tree("posts"), before);
    // a run without it asks nobody
    origin.forget_requests();
    test.run("archive posts").expect_code(0);
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn a_changed_image_is_kept_beside_the_old_one() {
    let (origin, test) = archived(&format!("![]({URL})\n"));
    let before = test.tree("posts");
    tagged(&origin, URL, 2, "\"two\"");
    assert_eq!(updates(&test, "posts"), numbers(1, 0, 1, 0, 0));
    assert_eq!(test.tree("posts"), before, "documents stay with what they had");
    assert_eq!(test.blobs().len(), 2);
    test.run("verify").expect_code(0);
    // asked again it is the newest, by its own validator
    origin.forget_requests();
    assert_eq!(updates(&test, "posts"), numbers(1, 1, 0, 0, 0));
    assert_eq!(origin.requests()[0].header("if-none-match"), Some("\"two\""));
    // new documents get the newest, and old ones follow whenever it is said
    test.write("posts/b.md", format!("new ![]({URL})\n"));
    test.run("archive posts").expect_code(0);
    assert!(text(&test, "posts/b.md").contains(&blob(2)));
    assert_eq!(updates(&test, "posts --follow"), numbers(1, 1, 0, 0, 1));
    assert!(text(&test, "posts/a.md").contains(&blob(2)));
    test.run("restore posts").expect_code(0);
    assert_eq!(text(&test, "posts/a.md"), format!("![]({URL})\n"));
}

#[test]
fn links_follow_in_place_and_the_way_back_stays() {
    let proxied = format!("https://cors.zfour.workers.dev/?{URL}");
    let post = format!(
        "---\ncover: '{URL}'\n---\r\n![]({proxied} \"t\") <img src={URL} alt='{URL}'>\n<p style='background:url(\"{proxied}\")'>\u{feff}\n`{URL}`\n"
    );
    let (origin, test) = archived(&post);
    let mtime = |path| test.path(path).metadata().unwrap().modified().unwrap();
    let kept = text(&test, "posts/a.md");
    origin.image(URL, picture::png(2));
    assert_eq!(updates(&test, "posts --follow"), numbers(1, 0, 1, 0, 4));
    let digest = Digest::of(&picture::png(2)).to_string();
    let expected = kept.replace(&blob(1), &format!("{}/{digest}.png", &digest[..2]));
    assert_eq!(text(&test, "posts/a.md"), expected);
    test.run("verify").expect_code(0);
    // twice is once
    let followed = mtime("posts/a.md");
    assert_eq!(updates(&test, "posts --follow"), numbers(1, 1, 0, 0, 0));
    assert_eq!(mtime("posts/a.md"), followed);
    // and a third version, after a person's edit
    test.write("posts/a.md", format!("{expected}edited\n"));
    tagged(&origin, URL, 3, "\"three\"");
    assert_eq!(updates(&test, "posts --follow"), numbers(1, 0, 1, 0, 4));
    test.run("restore posts").expect_code(0);
    assert_eq!(text(&test, "posts/a.md"), format!("{post}edited\n"));
    test.assert_no_litter();
}

#[test]
fn the_style_of_a_link_is_kept_and_the_diff_shows_what_follows() {
    let (origin, test) = archived("nothing\n");
    test.write("posts/b.md", format!("![]({URL})\n"));
    test.run("archive posts --link /images/").expect_code(0);
    tagged(&origin, URL, 2, "\"two\"");
    let shown = test.run("archive posts --update --follow --diff").expect_code(0).stdout;
    let (old, new) = (format!("-![](/images/{})", blob(1)), format!("+![](/images/{})", blob(2)));
    assert!(shown.contains(&old) && shown.contains(&new), "{shown}");
    assert_eq!(text(&test, "posts/b.md"), format!("![](/images/{})\n", blob(2)));
}

#[test]
fn an_origin_that_is_gone_is_told_and_loses_nothing() {
    let (origin, test) = archived(&format!("![]({URL})\n"));
    let before = test.tree("posts");
    for (answer, reason) in [
        (Answer::status(404), "http_404"),
        (Answer::html("a parked domain").header("Content-Type", "image/jpeg"), "not_an_image"),
        (Answer::image(&picture::jpeg(2)[..300]), "truncated"),
    ] {
        origin.answer(URL, answer);
        let report = test.run("archive posts --update --follow --format json").expect_code(0).json();
        assert_eq!(report["updates"]["gone"], 1, "{report}");
        assert_eq!(report["updates"]["failures"][0]["origin"], URL);
        assert_eq!(report["updates"]["failures"][0]["reason"], reason);
        assert_eq!(report["references"]["failed"], 0);
        assert_eq!(test.tree("posts"), before);
        assert_eq!(test.blobs().len(), 1);
    }
    origin.host_down("cdn.example");
    let told = test.run("archive posts --update").expect_code(0).stdout;
    assert!(told.contains("the copies stay"), "{told}");
    // proxies and captures cannot tell whether it changed
    assert!(origin.requests().iter().all(|request| request.host == "cdn.example"));
}

#[test]
fn one_banner_for_many_images_is_no_new_version_of_any() {
    let origin = Origin::start();
    let url = |n| format!("http://cdn.example/{n}.jpg");
    let mut post = String::new();
    for n in 0..6 {
        origin.image(&url(n), picture::jpeg(n));
        post += &format!("![]({})\n", url(n));
    }
    let test = Test::new().origin(&origin).document("posts/a.md", &post);
    test.run("archive posts").expect_code(0);
    let before = test.tree("posts");
    (0..6).for_each(|n| origin.image(&url(n), picture::jpeg(99)));
    assert_eq!(updates(&test, "posts --follow"), numbers(6, 0, 0, 6, 0));
    assert_eq!(test.tree("posts"), before);
    (0..6).for_each(|n| origin.image(&url(n), picture::jpeg(n)));
    assert_eq!(updates(&test, "posts --follow"), numbers(6, 6, 0, 0, 0));
    test.run("restore posts").expect_code(0);
    assert_eq!(text(&test, "posts/a.md"), post);
}

#[test]
fn validators_that_changed_are_remembered_and_those_of_others_mean_nothing() {
    let (origin, test) = archived(&format!("![]({URL})\n"));
    tagged(&origin, URL, 1, "W/\"again\"");
    let report = test.run("archive posts --update --format json").expect_code(0).json();
    assert_eq!((&report["updates"]["unchanged"], &report["images"]["deduplicated"]), (&json!(1), &json!(1)));
    origin.forget_requests();
    assert_eq!(updates(&test, "posts"), numbers(1, 1, 0, 0, 0));
    assert_eq!(origin.requests()[0].header("if-none-match"), Some("W/\"again\""));

    // by date only
    let date = "Tue, 15 Nov 1994 12:45:26 GMT";
    origin.answer(URL, Answer::image(picture::jpeg(1)).header("Last-Modified", date));
    assert_eq!(updates(&test, "posts"), numbers(1, 1, 0, 0, 0));
    origin.forget_requests();
    origin.answer_by(URL, move |request, _| match request.header("if-modified-since") {
        Some(since) if since == date => Answer::status(304),
        _ => Answer::status(500),
    });
    assert_eq!(updates(&test, "posts"), numbers(1, 1, 0, 0, 0));
    assert_eq!(origin.requests()[0].header("if-none-match"), None);
    test.run("verify --rebuild").expect_code(0);
    assert_eq!(updates(&test, "posts"), numbers(1, 1, 0, 0, 0));
}

#[test]
fn an_image_that_a_proxy_gave_is_asked_for_without_the_proxys_validators() {
    let origin = Origin::start();
    tagged(&origin, URL, 1, "\"one\"");
    origin.worker("cors.zfour.workers.dev");
    origin.host_down("cdn.example");
    let post = format!("![](https://cors.zfour.workers.dev/?{URL})\n");
    let test = Test::new().origin(&origin).set("fetch.retries", "0").document("a.md", post);
    test.run("archive a.md").expect_code(0);
    origin.host_up("cdn.example");
    origin.forget_requests();
    assert_eq!(updates(&test, "a.md"), numbers(1, 1, 0, 0, 0));
    let asked = origin.requests();
    assert_eq!((asked[0].url.as_str(), asked[0].header("if-none-match")), (URL, None));
    // the origin's own validator is known from then on
    assert_eq!(updates(&test, "a.md"), numbers(1, 1, 0, 0, 0));
    assert_eq!(origin.requests()[1].header("if-none-match"), Some("\"one\""));
}

#[test]
fn of_two_addresses_of_one_image_only_links_to_the_changed_one_follow() {
    let origin = Origin::start();
    let (a, b) = ("http://a.example/i.jpg?x=1&y=2", "http://b.example/i.jpg?x=1&y=2");
    origin.image(a, picture::jpeg(1));
    origin.image(b, picture::jpeg(1));
    let post = format!("<img src=\"{}\"><img src=\"{b}\">\n", a.replace('&', "&amp;"));
    let test = Test::new().origin(&origin).document("posts/a.html", &post);
    test.run("archive posts").expect_code(0);
    let kept = text(&test, "posts/a.html");
    origin.image(a, picture::jpeg(2));
    // a link that somebody copied may mean either
    test.write("posts/copy.html", format!("copied <img src=\"../cache/images/{}\">\n", blob(1)));
    let report = test.run("archive posts --update --follow --format json").expect_code(3).json();
    assert_eq!(report["updates"]["followed"], 1, "{report}");
    assert_eq!(text(&test, "posts/a.html"), kept.replacen(&blob(1), &blob(2), 1));
    let failure = &report["document_failures"][0];
    assert_eq!(failure["document"], "posts/copy.html");
    assert!(failure["why"].to_string().contains("several addresses"), "{report}");
    assert!(text(&test, "posts/copy.html").contains(&blob(1)));
    test.run("restore posts/a.html").expect_code(0);
    assert_eq!(text(&test, "posts/a.html"), post);
}

#[test]
fn new_references_are_archived_in_the_same_run() {
    let (origin, test) = archived(&format!("![]({URL})\n"));
    tagged(&origin, URL, 2, "\"two\"");
    origin.image("http://cdn.example/new.jpg", picture::jpeg(5));
    let kept = text(&test, "posts/a.md");
    test.write("posts/a.md", format!("{kept}![](http://cdn.example/new.jpg)\n![]({URL})\n"));
    let report = test.run("archive posts --update --follow --format json").expect_code(0).json();
    assert_eq!(report["references"]["archived"], 2, "{report}");
    assert_eq!(report["updates"]["followed"], 1, "{report}");
    assert_eq!(report["updates"]["checked"], 1, "what is new needs no check");
    assert_eq!(origin.count(URL), 1);
    let now = text(&test, "posts/a.md");
    assert_eq!((now.matches(&blob(2)).count(), now.matches(&blob(5)).count()), (2, 1), "{now}");
    test.run("restore posts").expect_code(0);
    assert_eq!(
        text(&test, "posts/a.md"),
        format!("![]({URL})\n![](http://cdn.example/new.jpg)\n![]({URL})\n")
    );
}

#[test]
fn links_in_utf_16_follow_and_go_back() {
    let origin = Origin::start();
    let other = "http://b.example/i.jpg";
    for url in [URL, other] {
        origin.image(url, picture::jpeg(1));
    }
    let post =
        |first: &str| Encoding::Utf16Le.write(format!("\u{feff}图 ![]({first})\r\n<img src='{other}'>\n"));
    let test = Test::new().origin(&origin).document("a.md", post(URL));
    test.run("archive a.md").expect_code(0);
    let kept = Encoding::Utf16Le.read(&test.read("a.md")).into_owned();
    origin.image(URL, picture::jpeg(2));
    assert_eq!(updates(&test, "a.md --follow"), numbers(2, 1, 1, 0, 1));
    let now = test.read("a.md");
    assert_eq!(Encoding::Utf16Le.read(&now), kept.replacen(&blob(1), &blob(2), 1));
    test.run("restore a.md").expect_code(0);
    assert_eq!(test.read("a.md"), post(URL));
}

#[test]
fn documents_that_were_not_rewritten_use_what_is_kept_of_them() {
    let origin = Origin::start();
    tagged(&origin, URL, 1, "\"one\"");
    let test = Test::new().origin(&origin).document("a.md", format!("![]({URL})\n"));
    test.run("archive a.md --no-rewrite").expect_code(0);
    tagged(&origin, URL, 2, "\"two\"");
    assert_eq!(updates(&test, "a.md --no-rewrite"), numbers(1, 0, 1, 0, 0));
    assert_eq!(updates(&test, "a.md"), numbers(1, 1, 0, 0, 0));
    assert_eq!(text(&test, "a.md"), format!("![](cache/images/{})\n", blob(2)));
}

#[test]
fn what_contradicts_itself_is_refused() {
    let (origin, test) = archived(&format!("![]({URL})\n"));
    for words in
        ["--update --dry-run posts", "--follow posts", "--update --follow --no-rewrite posts", "--update -"]
    {
        let outcome = test.run(&format!("archive {words}")).expect_code(2);
        assert!(!outcome.stderr.is_empty(), "{words}");
    }
    assert_eq!(origin.requests().len(), 0);
    assert!(text(&test, "posts/a.md").contains(&blob(1)));
}
