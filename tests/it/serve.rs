//! `imgkeep serve`, asked over raw sockets, so that nothing on the way mends a request.

pub(crate) mod client;
mod flood;
mod handed;
mod limits;
mod others;
mod ping;
mod read_only;
mod tls;

use std::fs;
use std::net::TcpStream;

use imgkeep::digest::Digest;

use crate::support::origin::Origin;
use crate::support::{Test, picture};

use client::{Reply, Server, get};

const URL: &str = "http://static.1sapp.com/qupost/c5.jpeg?x=1&y=2";
const PROXIED: &str = "https://cors.zfour.workers.dev/?http://static.1sapp.com/qupost/c5.jpeg?x=1&y=2";

/// An archive of one image that is longer than what is read at a time, and its server.
struct Scene {
    server: Server,
    bytes: Vec<u8>,
    /// `/images/<ab>/<digest>.png`
    path: String,
    etag: String,
}

impl Scene {
    fn new() -> Self {
        Self::with("serve")
    }

    fn with(words: &str) -> Self {
        let origin = Origin::start();
        let bytes = picture::sized(image::ImageFormat::Png, 1, 300, 200);
        assert!(bytes.len() > 150_000);
        origin.image(URL, bytes.clone());
        let test = Test::new().origin(&origin).document("posts/a.md", format!("![]({PROXIED})\n"));
        test.run("archive posts").expect_code(0);
        let digest = Digest::of(&bytes).to_string();
        let path = format!("/images/{}/{digest}.png", &digest[..2]);
        let asked = origin.requests().len();
        let scene = Self { server: Server::start(test, words), bytes, path, etag: format!("\"{digest}\"") };
        assert_eq!(origin.requests().len(), asked, "nobody is asked");
        scene
    }

    fn ask(&self, fields: &[&str]) -> Reply {
        self.server.ask("GET", &self.path, fields)
    }
}

#[test]
fn what_was_archived_is_served_byte_for_byte() {
    let scene = Scene::new();
    let reply = scene.ask(&[]);
    assert_eq!((reply.status, &reply.body), (200, &scene.bytes));
    let length = scene.bytes.len().to_string();
    let digest = scene.etag.trim_matches('"');
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-length", &length),
        ("etag", &scene.etag),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("referrer-policy", "no-referrer"),
        ("content-disposition", &format!("inline; filename=\"{digest}.png\"")),
        (
            "content-security-policy",
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; \
             frame-ancestors 'none'; sandbox",
        ),
    ] {
        assert_eq!(reply.field(name), Some(value), "{name}");
    }
    for name in ["server", "set-cookie", "access-control-allow-origin", "vary", "memento-datetime"] {
        assert_eq!(reply.field(name), None, "{name}");
    }
    assert!(reply.field("last-modified").is_some_and(|date| date.ends_with(" GMT")), "{reply:?}");

    let head = scene.server.ask("HEAD", &scene.path, &[]);
    assert!(head.body.is_empty());
    let but_date =
        |reply: &Reply| reply.fields.iter().filter(|(name, _)| name != "date").cloned().collect::<Vec<_>>();
    assert_eq!((head.status, but_date(&head)), (200, but_date(&reply)));

    let saved = scene.server.ask("GET", &format!("{}?v=1&download", scene.path), &[]);
    let expected = format!("attachment; filename=\"{digest}.png\"");
    assert_eq!(saved.field("content-disposition"), Some(&*expected));
    assert_eq!(saved.body, scene.bytes);
    let shown = scene.server.ask("GET", &format!("{}?x=download&downloads=1", scene.path), &[]);
    assert!(shown.field("content-disposition").is_some_and(|value| value.starts_with("inline")));
}

#[test]
fn every_type_is_served_as_what_its_bytes_are() {
    let origin = Origin::start();
    let svg =
        b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><script>alert(1)</script></svg>";
    let images = [
        ("a.jpg", picture::png(1), "image/png"),
        ("b.png", picture::jpeg(1), "image/jpeg"),
        ("c.jpg", picture::gif(1), "image/gif"),
        ("d.jpg", picture::webp(1), "image/webp"),
        ("e.svg", svg.to_vec(), "image/svg+xml"),
    ];
    let mut post = String::new();
    for (name, bytes, _) in &images {
        origin.image(&format!("http://cdn.example/{name}"), bytes.clone());
        post.push_str(&format!("![](http://cdn.example/{name})\n"));
    }
    let test = Test::new().origin(&origin).document("a.md", post);
    test.run("archive a.md").expect_code(0);
    let server = Server::start(test, "serve");
    for (name, bytes, media_type) in images {
        let reply = server.ask("GET", &format!("/?http://cdn.example/{name}"), &[]);
        assert_eq!((reply.status, reply.field("content-type")), (200, Some(media_type)), "{name}");
        assert_eq!(reply.body, bytes, "{name}");
        assert!(reply.field("content-security-policy").is_some_and(|policy| policy.contains("sandbox")));
    }
}

#[test]
fn conditions_and_ranges_are_answered_as_the_rfc_has_it() {
    let scene = Scene::new();
    let modified = scene.ask(&[]).field("last-modified").unwrap().to_owned();
    let size = scene.bytes.len();
    let none: &[u8] = &[];
    let (whole, etag) = (&scene.bytes[..], &scene.etag);
    let early = "Sun, 06 Nov 1994 08:49:37 GMT";
    let cases: Vec<(Vec<String>, u16, &[u8])> = vec![
        (vec![format!("If-None-Match: {etag}")], 304, none),
        (vec![format!("If-None-Match: W/{etag}, \"x\"")], 304, none),
        (vec!["If-None-Match: *".into()], 304, none),
        (vec!["If-None-Match: \"x\"".into(), format!("If-Modified-Since: {modified}")], 200, whole),
        (vec![format!("If-Modified-Since: {modified}")], 304, none),
        (vec![format!("If-Modified-Since: {early}")], 200, whole),
        (vec![format!("If-Match: {etag}")], 200, whole),
        (vec![format!("If-Match: W/{etag}")], 412, none),
        (vec!["If-Match: \"x\"".into(), format!("If-None-Match: {etag}")], 412, none),
        (vec![format!("If-Unmodified-Since: {early}")], 412, none),
        (vec![format!("If-Unmodified-Since: {modified}")], 200, whole),
        (vec!["Range: bytes=0-0".into()], 206, &whole[..1]),
        (vec!["Range: bytes=5-70000".into()], 206, &whole[5..70_001]),
        (vec!["Range: bytes=70000-".into()], 206, &whole[70_000..]),
        (vec!["Range: bytes=-70000".into()], 206, &whole[size - 70_000..]),
        (vec![format!("Range: bytes=0-{}", u64::MAX)], 206, whole),
        (vec!["Range: bytes=0-0,2-3".into()], 200, whole),
        (vec!["Range: lines=0-0".into()], 200, whole),
        (vec!["Range: bytes=3-2".into()], 200, whole),
        (vec![format!("Range: bytes={size}-")], 416, none),
        (vec!["Range: bytes=-0".into()], 416, none),
        (vec!["Range: bytes=0-4".into(), format!("If-Range: {etag}")], 206, &whole[..5]),
        (vec!["Range: bytes=0-4".into(), format!("If-Range: {modified}")], 206, &whole[..5]),
        (vec!["Range: bytes=0-4".into(), "If-Range: \"x\"".into()], 200, whole),
        (vec![format!("Range: bytes={size}-"), "If-Range: \"x\"".into()], 200, whole),
        (vec!["Range: bytes=0-4".into(), format!("If-Range: {early}")], 200, whole),
        (vec!["Range: bytes=0-4".into(), format!("If-None-Match: {etag}")], 304, none),
        (vec!["Range: bytes=0-4".into(), "If-Match: \"x\"".into()], 412, none),
    ];
    for (fields, status, body) in cases {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let reply = scene.ask(&fields);
        assert_eq!(reply.status, status, "{fields:?}");
        assert!(reply.body == body, "{fields:?}: {} bytes", reply.body.len());
        assert_eq!(reply.field("etag"), Some(&**etag), "{fields:?}");
        let expected = match status {
            206 => {
                let start = memchr::memmem::find(whole, body).unwrap();
                Some(format!("bytes {start}-{}/{size}", start + body.len() - 1))
            }
            416 => Some(format!("bytes */{size}")),
            _ => None,
        };
        assert_eq!(reply.field("content-range"), expected.as_deref(), "{fields:?}");
        let is_lasting = reply.field("cache-control").is_some();
        assert_eq!(is_lasting, status < 400, "{fields:?}");
        assert_eq!(reply.field("content-type").is_some(), matches!(status, 200 | 206), "{fields:?}");
    }
    // a range is for GET alone
    let head = scene.server.ask("HEAD", &scene.path, &["Range: bytes=0-4"]);
    assert_eq!((head.status, head.field("content-length")), (200, Some(&*size.to_string())));
    let head = scene.server.ask("HEAD", &scene.path, &[&format!("If-None-Match: {etag}")]);
    assert_eq!(head.status, 304);
}

#[test]
fn documents_that_nobody_rewrote_get_their_images_from_here() {
    let scene = Scene::new();
    let encoded = "http%3A%2F%2Fstatic.1sapp.com%2Fqupost%2Fc5.jpeg%3Fx%3D1%26y%3D2";
    let bare = "static.1sapp.com/qupost/c5.jpeg?x=1&y=2";
    for (host, target) in [
        ("cors.zfour.workers.dev", format!("/?{URL}")),
        ("cors.zfour.workers.dev:7420", format!("/?{encoded}")),
        ("127.0.0.1", format!("/?{URL}")),
        ("127.0.0.1", format!("/?{encoded}")),
        ("127.0.0.1", format!("/?url={encoded}")),
        ("127.0.0.1", format!("/?url={URL}")),
        ("127.0.0.1", format!("/{URL}")),
        ("127.0.0.1", format!("/http:/{bare}")),
        ("127.0.0.1", format!("/https://{bare}")),
        ("wsrv.nl", format!("/?url={encoded}&w=300")),
        ("images.weserv.nl", "/?url=static.1sapp.com%2Fqupost%2Fc5.jpeg%3Fx%3D1%26y%3D2".to_owned()),
        ("thingproxy.freeboard.io", format!("/fetch/{URL}")),
        ("static.1sapp.com", "/qupost/c5.jpeg?x=1&y=2".to_owned()),
        ("127.0.0.1", PROXIED.replace("https://", "/https://")),
        ("127.0.0.1", PROXIED.replace("https", "http")),
    ] {
        let reply = scene.server.ask_as(host, "GET", &target, &[]);
        assert_eq!(reply.status, 200, "{host} {target}");
        assert!(reply.body == scene.bytes, "{host} {target}");
        assert_eq!(reply.field("link"), Some(&*format!("<{URL}>; rel=\"original\"")));
        assert_eq!(reply.field("cache-status"), Some("imgkeep; hit"));
        assert_eq!(reply.field("cache-control"), Some("public, max-age=3600"));
        assert_eq!(reply.field("etag"), Some(&*scene.etag));
        assert!(reply.field("memento-datetime").is_some_and(|date| date.ends_with(" GMT")));
    }
    let part = scene.server.ask("GET", &format!("/?{URL}"), &["Range: bytes=1-2"]);
    assert_eq!((part.status, &part.body[..]), (206, &scene.bytes[1..3]));
    assert!(part.field("memento-datetime").is_some());
    let known = scene.server.ask("GET", &format!("/?{URL}"), &[&format!("If-None-Match: {}", scene.etag)]);
    assert_eq!((known.status, known.field("cache-status")), (304, Some("imgkeep; hit")));

    for target in [
        "/?http://static.1sapp.com/qupost/other.jpeg",
        "/http://static.1sapp.com/%3Cscript%3Ealert(1)%3C/script%3E",
        "/?url=http://169.254.169.254/latest/meta-data",
        "/?",
        "/no/such/thing",
        "/favicon.ico",
    ] {
        let reply = scene.server.ask("GET", target, &[]);
        assert_eq!((reply.status, &reply.body[..]), (404, &b"not kept\n"[..]), "{target}");
        assert_eq!(reply.field("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(reply.field("cache-status"), Some("imgkeep; detail=not-kept"));
    }
    assert_eq!(scene.server.ask("GET", "/", &[]).status, 200);
}

#[test]
fn the_newest_copy_is_the_one_that_is_shown() {
    let origin = Origin::start();
    let url = "http://cdn.example/a.png";
    origin.image(url, picture::png(1));
    let test = Test::new().origin(&origin).document("a.md", format!("![]({url})"));
    test.run("archive a.md").expect_code(0);
    origin.image(url, picture::png(2));
    test.run("archive a.md --update").expect_code(0);
    let server = Server::start(test, "serve");
    assert_eq!(server.ask("GET", &format!("/{url}"), &[]).body, picture::png(2));
}

#[test]
fn nothing_but_a_blob_is_ever_read() {
    let scene = Scene::new();
    let name = &scene.path["/images/".len()..];
    let digest = &name[3..];
    let longest = "a".repeat(10_000);
    for target in [
        "/images/",
        "/images/..",
        "/images/../VERSION",
        "/images/../catalog.db",
        "/VERSION",
        "/images/%2e%2e/VERSION",
        "/images/%2E%2E%2FVERSION",
        "/images/..%2fVERSION",
        "/images/..%5cVERSION",
        "/images/..\\VERSION",
        "/images/%252e%252e/VERSION",
        "/images/....//VERSION",
        "/images/./../VERSION",
        "//etc/passwd",
        "/etc/passwd",
        "/images//etc/passwd",
        "/images/%2fetc%2fpasswd",
        "/images/%00",
        "/images/../../../../../../../../etc/passwd",
        "/..",
        "/../../etc/passwd",
        "/file:///etc/passwd",
        "/?file:///etc/passwd",
        "/?url=file:///etc/passwd",
        "/images/ab/cd.png",
        &format!("/images/{name}%00"),
        &format!("/images/{name}%00.png"),
        &format!("/images/{name}/"),
        &format!("/images/{name}/.."),
        &format!("/images/x/../{name}"),
        &format!("/images/./{name}"),
        &format!("/images/%2e/{name}"),
        &format!("/images//{name}"),
        &format!("/images/00/{digest}"),
        &format!("/images/{digest}"),
        &format!("/images/{}", name.to_uppercase()),
        &format!("/images/{}", name.replace(".png", ".PNG")),
        &format!("/images/{}", name.replace(".png", ".jpg")),
        &format!("/images/{}", name.replace(".png", "")),
        &format!("/images/{}", name.replace(".png", ".png~")),
        &format!("/images/{}", name.replace('/', "%2f")),
        &format!("/IMAGES/{name}"),
        &format!("/{name}"),
        &format!("/{longest}"),
        &format!("/images/{longest}.png"),
        &format!("/images/ab/{longest}"),
    ] {
        let reply = scene.server.ask("GET", target, &[]);
        assert!(matches!(reply.status, 400 | 404), "{target}: {}", reply.status);
        assert!(reply.body.is_empty() || reply.body == b"not kept\n", "{target}: {reply:?}");
    }
    for line in [
        "GET images HTTP/1.1",
        "GET \0 HTTP/1.1",
        "GET /images/\0 HTTP/1.1",
        "GET  / HTTP/1.1",
        "/ HTTP/1.1",
        "GET / HTTP/3.0",
        "nonsense",
    ] {
        let reply =
            scene.server.exchange(format!("{line}\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes());
        assert!(matches!(reply.status, 400 | 404 | 505), "{line}: {reply:?}");
    }
    for hosts in ["", "Host: a\r\nHost: b\r\n"] {
        let request = format!("GET {} HTTP/1.1\r\n{hosts}\r\n", scene.path);
        assert_eq!(scene.server.exchange(request.as_bytes()).status, 400, "{hosts}");
    }
    let old = format!("GET {} HTTP/1.0\r\n\r\n", scene.path);
    assert_eq!(scene.server.exchange(old.as_bytes()).body, scene.bytes);
    // a file that has a blob's name, but none of a digest
    let folder = scene.server.test.path("cache/images/ab");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("secret.png"), b"secret").unwrap();
    assert_eq!(scene.server.ask("GET", "/images/ab/secret.png", &[]).status, 404);
    // a folder in a blob's place is no blob
    let odd = format!("ab{}", "0".repeat(62));
    fs::create_dir_all(folder.join(format!("{odd}.png"))).unwrap();
    let reply = scene.server.ask("GET", &format!("/images/ab/{odd}.png"), &[]);
    assert_eq!((reply.status, &reply.body[..]), (500, &b"the archive cannot be read\n"[..]));
}

#[test]
fn no_other_method_and_no_content_is_taken() {
    let scene = Scene::new();
    for method in ["PUT", "POST", "DELETE", "PATCH", "TRACE", "PURGE"] {
        for path in [&scene.path, "/healthz", "/no/page", "/?http://cdn.example/a.jpg"] {
            let reply = scene.server.ask(method, path, &[]);
            assert_eq!((reply.status, reply.field("allow")), (405, Some("GET, HEAD, OPTIONS")), "{method}");
        }
    }
    for fields in [
        &["Content-Length: 5"][..],
        &["Transfer-Encoding: chunked"],
        &["Content-Length: 5", "Transfer-Encoding: chunked"],
    ] {
        for method in ["GET", "POST"] {
            let reply = scene.server.ask(method, &scene.path, fields);
            assert!(matches!(reply.status, 400 | 413), "{method} {fields:?}: {reply:?}");
        }
    }
    // what comes behind a head is no second request if the head says that it is content
    let smuggled = format!(
        "GET {0} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nGET {0} HTTP/1.1\r\n\r\n",
        scene.path
    );
    let reply = scene.server.exchange(smuggled.as_bytes());
    assert_eq!((reply.status, &reply.body[..]), (413, &b"no content is taken\n"[..]));
}

#[test]
fn scripts_of_the_named_web_origins_may_read_and_no_others() {
    let plain = Scene::new();
    let evil = "Origin: https://evil.example";
    let reply = plain.ask(&[evil]);
    assert!(reply.fields.iter().all(|(name, _)| !name.starts_with("access-control") && name != "vary"));
    let preflight = ["Origin: https://blog.example", "Access-Control-Request-Method: GET"];
    let reply = plain.server.ask("OPTIONS", &plain.path, &preflight);
    assert_eq!((reply.status, reply.field("access-control-allow-methods")), (204, None));
    assert_eq!(reply.field("allow"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(plain.server.ask("OPTIONS", "*", &[]).status, 204);

    let some = Scene::with("serve --set server.cors=https://blog.example,https://b.example");
    for (origin, allowed) in [
        ("https://blog.example", true),
        ("https://b.example", true),
        ("http://blog.example", false),
        ("https://blog.example.evil.example", false),
        ("https://blog.example:444", false),
        ("null", false),
    ] {
        let field = format!("Origin: {origin}");
        for target in [some.path.clone(), format!("/?{URL}"), "/none".to_owned()] {
            let reply = some.server.ask("GET", &target, &[&field]);
            let expected = allowed.then_some(origin);
            assert_eq!(reply.field("access-control-allow-origin"), expected, "{origin} {target}");
            assert_eq!(reply.field("access-control-allow-credentials"), None);
            assert_eq!(reply.field("vary"), Some("Origin"));
        }
        let reply = some.server.ask("OPTIONS", &some.path, &[&field, preflight[1]]);
        assert_eq!(reply.field("access-control-allow-methods"), allowed.then_some("GET, HEAD"));
    }
    assert_eq!(some.ask(&[]).field("access-control-allow-origin"), None);
    assert_eq!(some.ask(&[]).field("vary"), Some("Origin"));

    let any = Scene::with("serve --set server.cors=*");
    let reply = any.ask(&[evil]);
    assert_eq!((reply.field("access-control-allow-origin"), reply.field("vary")), (Some("*"), None));
}

#[test]
fn health_is_that_store_and_catalog_answer() {
    let scene = Scene::new();
    let reply = scene.server.ask("GET", "/healthz", &[]);
    assert_eq!((reply.status, &reply.body[..]), (200, &b"ok\n"[..]));
    assert_eq!(scene.server.ask("HEAD", "/healthz", &[]).status, 200);
    fs::rename(scene.server.test.path("cache/images"), scene.server.test.path("cache/away")).unwrap();
    assert_eq!(scene.server.ask("GET", "/healthz", &[]).status, 503);
    assert_eq!(scene.ask(&[]).status, 404);
    assert_eq!(scene.server.ask("GET", &format!("/?{URL}"), &[]).status, 404);
    fs::rename(scene.server.test.path("cache/away"), scene.server.test.path("cache/images")).unwrap();
    assert_eq!(scene.server.ask("GET", "/healthz", &[]).status, 200);
}

#[test]
fn one_connection_carries_many_requests() {
    let scene = Scene::new();
    let mut stream = TcpStream::connect(scene.server.address).unwrap();
    for _ in 0..3 {
        let reply = client::on(&mut stream, &get(&scene.path, &[]));
        assert_eq!((reply.status, reply.body.len()), (200, scene.bytes.len()));
        let reply = client::on(&mut stream, &get("/none", &[]));
        assert_eq!(reply.status, 404);
    }
}

#[tokio::test]
async fn http_2_with_prior_knowledge_is_spoken() {
    let scene = Scene::new();
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    let url = format!("http://{}{}", scene.server.address, scene.path);
    let many = (0..20).map(|_| tokio::spawn(client.get(&url).send()));
    for asked in many.collect::<Vec<_>>() {
        let reply = asked.await.unwrap().unwrap();
        assert_eq!((reply.status().as_u16(), reply.version()), (200, reqwest::Version::HTTP_2));
        assert!(reply.bytes().await.unwrap() == scene.bytes);
    }
    let reply = client.get(&url).header("Range", "bytes=1-3").send().await.unwrap();
    assert_eq!(reply.status().as_u16(), 206);
    assert_eq!(&reply.bytes().await.unwrap()[..], &scene.bytes[1..4]);
    let reply = client.head(&url).send().await.unwrap();
    assert_eq!(reply.headers()["content-length"], scene.bytes.len().to_string().as_str());
    let reply = client.post(&url).body("x").send().await.unwrap();
    assert_eq!(reply.status().as_u16(), 413);
}

#[test]
fn there_must_be_an_archive_and_a_free_address() {
    let test = Test::new();
    let outcome = test.run("serve").expect_code(2);
    assert!(outcome.stderr.contains("there is no archive at `cache`"), "{}", outcome.stderr);
    let scene = Scene::new();
    let words = format!("serve --listen {}", scene.server.address);
    let outcome = scene.server.test.run(&words).expect_code(1);
    assert!(outcome.stderr.contains("cannot listen on"), "{}", outcome.stderr);
}
