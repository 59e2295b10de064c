//! The gallery, asked over raw sockets: what comes from outside is text, every page has its policy, pages follow each
//! other without gaps, and thumbnails are made within limits.

pub(crate) mod browser;
mod thumbnails;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, SystemTime};

use image::ImageFormat;
use imgkeep::digest::Digest;

use crate::serve::client::{Reply, Server};
use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

const POLICY: &str = "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const ALERT: &str = "<script>alert(1)</script>";

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.clone()).expect("pages are UTF-8")
}

fn page(server: &Server, target: &str) -> String {
    let reply = server.ask("GET", target, &[]);
    assert_eq!(reply.status, 200, "{target}: {}", text(&reply));
    text(&reply)
}

/// The values of an attribute, in the order of the page.
fn values(page: &str, attribute: &str) -> Vec<String> {
    let opening = format!(" {attribute}=\"");
    let unescape = |text: &str| text.replace("&#38;", "&").replace("&amp;", "&");
    page.split(&opening).skip(1).map(|rest| unescape(rest.split('"').next().unwrap_or_default())).collect()
}

fn links(page: &str, prefix: &str) -> Vec<String> {
    values(page, "href").into_iter().filter(|link| link.starts_with(prefix)).collect()
}

/// An archive of `count` small images on two hosts, in one document each.
fn many(origin: &Origin, test: &Test, range: std::ops::Range<u64>) {
    for n in range {
        let (host, format, ending) =
            if n.is_multiple_of(3) { ("b", ImageFormat::Gif, "gif") } else { ("a", ImageFormat::Png, "png") };
        let url = format!("http://{host}.example/{n}.{ending}");
        origin.image(&url, picture::sized(format, n, 8, 8));
        test.write(&format!("posts/{n:03}.md"), format!("![]({url})\n"));
    }
}

#[test]
fn pages_follow_each_other_without_gaps_or_repeats_while_images_are_added() {
    let origin = Origin::start();
    let test = Test::new().origin(&origin);
    many(&origin, &test, 0..150);
    test.run("archive posts").expect_code(0);
    let all = |test: &Test| {
        test.blobs().into_keys().map(|digest| format!("/image/{digest}")).collect::<BTreeSet<_>>()
    };
    let before = all(&test);
    let server = Server::start(test, "serve");

    let mut seen = Vec::new();
    let mut next = Some("/images".to_owned());
    let mut pages = Vec::new();
    while let Some(target) = next {
        let page = page(&server, &target);
        seen.extend(links(&page, "/image/"));
        next = links(&page, "/images?older=").pop();
        if pages.is_empty() {
            many(&origin, &server.test, 150..160);
            server.test.run("archive posts").expect_code(0);
        }
        pages.push(target);
    }
    assert_eq!(pages.len(), 3);
    assert_eq!(seen.len(), 150);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), before);

    // Back again: the way to the front ends there, with what came meanwhile.
    let mut found = BTreeSet::new();
    let mut back = pages.pop();
    while let Some(target) = back {
        let page = page(&server, &target);
        found.extend(links(&page, "/image/"));
        back = links(&page, "/images?newer=").pop();
    }
    assert_eq!(found, all(&server.test));
    assert!(page(&server, "/images").contains("160 images"));
}

#[test]
fn filters_let_through_what_they_say() {
    let origin = Origin::start();
    let test = Test::new().origin(&origin);
    many(&origin, &test, 0..30);
    test.run("archive posts").expect_code(0);
    let path = test.path("posts/004.md").to_str().expect("it is UTF-8").to_owned();
    let server = Server::start(test, "serve");
    let check = |query: &str, expected: usize| {
        let page = page(&server, &format!("/images?{query}"));
        assert_eq!(links(&page, "/image/").len(), expected, "{query}");
    };
    check("host=a.example", 20);
    check("host=B.EXAMPLE&type=gif", 10);
    check("host=a.example&type=gif", 0);
    check("host=unknown.example", 0);
    check("type=png&since=2020-01-01&until=2199-12-31", 20);
    check("since=2199-01-01", 0);
    check("until=2020-01-01", 0);
    check("type=&host=&since=nonsense&older=x.y", 30);
    check(&format!("document={path}"), 1);
    check(&format!("document={path}&type=gif"), 0);
    check(&format!("document={path}&host=a.example"), 1);
    check("document=/etc/passwd", 0);
}

#[test]
fn the_field_leads_to_what_is_known() {
    let origin = Origin::start();
    let bytes = picture::png(1);
    origin.image("http://static.1sapp.com/a.png", bytes.clone());
    origin.answer("http://static.1sapp.com/lost.png", Answer::status(404));
    let proxied = "https://cors.zfour.workers.dev/?http://static.1sapp.com/a.png";
    let test = Test::new()
        .origin(&origin)
        .set("fetch.sources", "[\"origin\"]")
        .document("a.md", format!("![]({proxied}) ![](http://static.1sapp.com/lost.png)\n"));
    test.run("archive a.md").expect_code(3);
    let server = Server::start(test, "serve");
    let digest = Digest::of(&bytes).to_string();
    let leads = |wanted: &str, to: &str| {
        let wanted = wanted.replace('%', "%25").replace('?', "%3F").replace('&', "%26").replace(' ', "+");
        let reply = server.ask("GET", &format!("/images?find={wanted}"), &[]);
        assert_eq!((reply.status, reply.field("location")), (303, Some(to)), "{wanted}");
    };
    for name in [&digest, "http://static.1sapp.com/a.png", "https://static.1sapp.com/a.png", proxied] {
        leads(name, &format!("/image/{digest}"));
    }
    leads(&format!(" /images/{}/{digest}.png", &digest[..2]), &format!("/image/{digest}"));
    leads("http://static.1sapp.com/lost.png", "/failures?origin=http%3A//static.1sapp.com/lost.png");
    leads("Static.1sapp.com", "/images?host=static.1sapp.com");
    let unknown = page(&server, "/images?find=%3Cscript%3Ealert(1)%3C/script%3E");
    assert!(unknown.contains("Nothing is known of") && !unknown.contains(ALERT), "{unknown}");
    assert!(page(&server, "/failures?origin=http%3A//static.1sapp.com/lost.png").contains("http_404"));
}

#[test]
fn what_comes_from_outside_is_text_on_every_page() {
    let origin = Origin::start();
    let bytes = picture::png(7);
    // A browser's URL parser leaves `'` and the encoded rest in a path.
    origin.image("http://cdn.example/%3Cscript%3Ealert(1)%3C/script%3E%E5%9B%BE'.png", bytes.clone());
    origin.host("gone.example", |_, _| Answer::status(404));
    let post = "![](<http://cdn.example/%3Cscript%3Ealert(1)%3C/script%3E%E5%9B%BE'.png>)\n\n\
                ![](http://gone.example/'%22%3E%3Cscript%3Ealert(1)%3C/script%3E)\n\n<script>alert(1)</script>\n";
    let test = Test::new().origin(&origin).set("fetch.sources", "[\"origin\"]");
    let folder = test.path("图\u{202e}<script>alert(1)<");
    fs::create_dir_all(folder.join("script>")).expect("the folder can be written");
    let name = OsString::from_vec(b"a\n&\"'\xff.md".to_vec());
    for path in [folder.join("script>").join(name), folder.join("مقال.md")] {
        fs::write(&path, post).expect("the folder can be written");
        let file = File::options().write(true).open(&path).expect("it was written just now");
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).expect("the owner may date a file");
    }
    test.run("archive .").expect_code(3);
    let server = Server::start(test, "serve");
    let digest = Digest::of(&bytes);

    let mut targets: Vec<String> =
        ["/", "/images", "/documents", "/failures", "/failures?reason=http_404", "/runs"]
            .map(str::to_owned)
            .to_vec();
    targets.push(format!("/image/{digest}"));
    let documents = links(&page(&server, "/documents"), "/document?");
    assert_eq!(documents.len(), 2);
    targets.extend(documents.clone());
    targets.extend(links(&page(&server, "/runs"), "/runs/"));
    for target in &targets {
        let reply = server.ask("GET", target, &[]);
        let html = text(&reply);
        assert_eq!(reply.status, 200, "{target}");
        assert!(!html.contains("alert(1)</script") && !html.contains("<script>"), "{target}: {html}");
        assert!(!html.contains("javascript:") && !html.contains(" style="), "{target}");
        for link in values(&html, "href").iter().filter(|link| link.starts_with("http")) {
            assert!(html.contains("rel=\"noreferrer noopener\""), "{target}: {link}");
        }
        for (name, value) in [
            ("content-security-policy", POLICY),
            ("content-type", "text/html; charset=utf-8"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(reply.field(name), Some(value), "{target}: {name}");
        }
    }
    let list = page(&server, "/documents");
    assert!(list.contains("a\\n&#38;&#34;&#39;\\xff.md"), "{list}");
    assert!(list.contains("<bdi class=\"name\">مقال.md</bdi>"), "{list}");
    assert!(page(&server, "/images").contains("<bdi class=\"name\">script&#62;图&#39;.png</bdi>"));
    let odd = documents.iter().find(|link| link.contains("%FF")).expect("its name is no text");
    let document = page(&server, odd);
    assert!(document.contains("imgkeep restore $&#39;"), "{document}");
    assert!(document.contains("<mark>") && document.contains("gone.example"), "{document}");
}

#[test]
fn a_document_is_shown_as_it_was_and_is() {
    let origin = Origin::start();
    origin.image("http://cdn.example/a.png", picture::png(1));
    let test = Test::new().origin(&origin).document("posts/a.md", "one ![](http://cdn.example/a.png) two\n");
    test.write("secret.md", "nobody archived this");
    test.run("archive posts").expect_code(0);
    let path = |name: &str, test: &Test| {
        format!("/document?path={}", test.path(name).to_str().expect("it is UTF-8"))
    };
    let server = Server::start(test, "serve");
    let target = path("posts/a.md", &server.test);
    let kept = page(&server, &target);
    assert!(kept.contains("<mark>http://cdn.example/a.png</mark>"), "{kept}");
    assert!(kept.contains("<mark>../cache/images/"), "{kept}");
    assert!(kept.contains("imgkeep restore "), "{kept}");

    let link = String::from_utf8(server.test.read("posts/a.md")).expect("it is UTF-8");
    server.test.write("posts/a.md", link.replace("two", "three"));
    assert!(page(&server, &target).contains("It was edited since"));
    server.test.run("restore posts").expect_code(0);
    server.test.write("posts/a.md", "one ![](http://cdn.example/a.png) two\n");
    assert!(page(&server, &target).contains("It says what it said before"));
    fs::remove_file(server.test.path("posts/a.md")).expect("it is there");
    assert!(page(&server, &target).contains("It cannot be shown"));

    for unknown in ["secret.md", "posts/../secret.md", "posts", "cache/catalog.db"] {
        let reply = server.ask("GET", &path(unknown, &server.test), &[]);
        assert_eq!(reply.status, 404, "{unknown}");
        assert!(!text(&reply).contains("nobody archived this"));
    }
}

#[test]
fn what_is_not_there_says_so_and_nothing_can_be_ordered_without_a_daemon() {
    let test = Test::new().document("a.md", "nothing\n");
    test.run("archive a.md").expect_code(0);
    let server = Server::start(test, "serve");
    for target in ["/", "/images", "/documents", "/failures", "/runs"] {
        let empty = page(&server, target);
        assert!(empty.contains("class=\"empty\""), "{target}");
    }
    let digest = Digest::of(b"x");
    for target in [
        &format!("/image/{digest}"),
        "/image/x",
        "/image/..%2f",
        "/runs/x",
        "/document",
        "/document?path=",
        "/failures?reason=x",
    ] {
        let reply = server.ask("GET", target, &[]);
        assert_eq!((reply.status, reply.field("content-security-policy")), (404, Some(POLICY)), "{target}");
    }
    let fields = ["Content-Type: application/x-www-form-urlencoded", "Content-Length: 0"];
    assert!(matches!(server.ask("POST", "/retry", &fields).status, 401 | 403 | 422));
    assert_eq!(server.ask("GET", "/retry", &[]).status, 405);
    let head = server.ask("HEAD", "/images", &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn style_and_script_are_the_same_for_ever() {
    let test = Test::new().document("a.md", "nothing\n");
    test.run("archive a.md").expect_code(0);
    let server = Server::start(test, "serve");
    let home = page(&server, "/");
    let mut assets: Vec<String> = links(&home, "/assets/");
    assets.extend(values(&home, "src").into_iter().filter(|source| source.starts_with("/assets/")));
    assets.sort_unstable();
    assets.dedup();
    assert_eq!(assets.len(), 3, "{assets:?}");
    for asset in assets {
        let reply = server.ask("GET", &asset, &[]);
        assert_eq!((reply.status, reply.field("x-content-type-options")), (200, Some("nosniff")));
        assert_eq!(reply.field("cache-control"), Some("public, max-age=31536000, immutable"));
        let etag = reply.field("etag").expect("it has one");
        assert_eq!(server.ask("GET", &asset, &[&format!("If-None-Match: {etag}")]).status, 304);
    }
    assert_eq!(server.ask("GET", "/assets/style.css", &[]).status, 404);
}
