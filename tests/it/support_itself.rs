//! The origin and the builder are tools; here they are tried alone, with plain sockets and another client.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use image::ImageFormat;

use crate::support::origin::{Answer, Certificate, Origin};
use crate::support::{Outcome, Test, picture};

/// Asks with a plain socket, and gives back all that came until the end of the connection, and how it ended.
fn ask(origin: &Origin, method: &str, url: &str) -> (String, Option<ErrorKind>) {
    let (host, target) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(origin.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    write!(stream, "{method} /{target} HTTP/1.1\r\nHost: {host}\r\nReferer: http://blog.example/\r\n\r\n")
        .unwrap();
    // An origin that resets may have done so by now.
    let _ = stream.shutdown(Shutdown::Write);
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return (String::from_utf8_lossy(&bytes).into_owned(), None),
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) => return (String::from_utf8_lossy(&bytes).into_owned(), Some(error.kind())),
        }
        if bytes.len() > 1 << 20 {
            return ("more than a megabyte".into(), None);
        }
    }
}

fn get(origin: &Origin, url: &str) -> String {
    ask(origin, "GET", url).0
}

#[test]
fn each_fault_goes_over_the_wire_as_told() {
    let origin = Origin::start();
    let mut count = 0;
    let mut check = |answer: Answer, expected: &str, end: Option<ErrorKind>| {
        count += 1;
        let url = format!("http://faults.example/{count}");
        origin.answer(&url, answer);
        assert_eq!(ask(&origin, "GET", &url), (expected.to_owned(), end));
    };
    let text = || Answer::html("0123456789").header("Content-Type", "text/plain");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";

    check(text(), &format!("{head}Content-Length: 10\r\n\r\n0123456789"), None);
    check(
        text().closing(),
        &format!("{head}Connection: close\r\nContent-Length: 10\r\n\r\n0123456789"),
        None,
    );
    check(text().content_length(99), &format!("{head}Content-Length: 99\r\n\r\n0123456789"), None);
    check(text().content_length(3), &format!("{head}Content-Length: 3\r\n\r\n0123456789"), None);
    check(text().until_close(), &format!("{head}\r\n0123456789"), None);
    check(
        text().chunked(),
        &format!("{head}Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n"),
        None,
    );
    check(
        text().unterminated().drip(5, Duration::from_millis(1)),
        &format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n"),
        None,
    );
    check(text().cut_after(4), &format!("{head}Content-Length: 10\r\n\r\n0123"), None);
    check(
        text().reset_after(4),
        &format!("{head}Content-Length: 10\r\n\r\n0123"),
        Some(ErrorKind::ConnectionReset),
    );
    check(Answer::verbatim("noise"), "noise", None);
    check(text().endless(), "more than a megabyte", None);
    check(text().chunked().endless(), "more than a megabyte", None);
    check(
        Answer::redirect("../else where"),
        "HTTP/1.1 302 Found\r\nContent-Type: text/html; charset=utf-8\r\nLocation: ../else where\r\n\
         Content-Length: 46\r\n\r\n<!DOCTYPE html><title>302</title><h1>302</h1>\n",
        None,
    );
}

#[test]
fn a_stalled_answer_ends_when_the_client_goes() {
    let origin = Origin::start();
    origin.answer("http://slow.example/a", Answer::html("0123456789").stall_after(4));
    let mut stream = TcpStream::connect(origin.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: slow.example\r\n\r\n").unwrap();
    let mut read = Vec::new();
    assert_eq!(stream.read_to_end(&mut read).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(read.ends_with(b"\r\n\r\n0123"), "{read:?}");
    assert_eq!(origin.open_connections(), 1);
    drop(stream);
    within_a_second(|| origin.open_connections() == 0);
}

#[test]
fn delays_and_drips_take_their_time() {
    let origin = Origin::start();
    let pause = Duration::from_millis(40);
    origin.answer("http://slow.example/late", Answer::html("late").delay(pause));
    origin.answer("http://slow.example/drip", Answer::html("drip").drip(1, pause / 4));
    for url in ["http://slow.example/late", "http://slow.example/drip"] {
        let start = Instant::now();
        assert!(get(&origin, url).starts_with("HTTP/1.1 200"));
        assert!(start.elapsed() >= pause, "{url} took {:?}", start.elapsed());
    }
}

#[test]
fn answers_come_in_their_order_and_the_last_one_stays() {
    let origin = Origin::start();
    let url = "http://flaky.example/a.gif";
    let busy = Answer::status(429).header("Retry-After", "1");
    origin.answers(url, [Answer::status(503), busy, Answer::image(picture::gif(1))]);
    let statuses: Vec<_> = (0..4).map(|_| get(&origin, url)[9..12].to_owned()).collect();
    assert_eq!(statuses, ["503", "429", "200", "200"]);
    assert_eq!(origin.count(url), 4);
    origin.forget_requests();
    assert_eq!(origin.count(url), 0);
    assert!(get(&origin, url).starts_with("HTTP/1.1 503"));
}

#[test]
fn an_answer_may_depend_on_the_request() {
    let origin = Origin::start();
    origin.answer_by("http://guarded.example/a", |request, _| match request.header("referer") {
        Some("http://blog.example/") => Answer::html("welcome"),
        _ => Answer::status(403),
    });
    origin.host("banner.example", |request, nth| Answer::html(&format!("{} {nth}", request.target)));
    assert!(get(&origin, "http://guarded.example/a").ends_with("welcome"));
    assert!(get(&origin, "http://banner.example/x?y").ends_with("/x?y 0"));
    assert!(get(&origin, "http://nobody.example/").starts_with("HTTP/1.1 404"));
    let (head, _) = ask(&origin, "HEAD", "http://guarded.example/a");
    assert!(head.contains("Content-Length: 7\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let asked: Vec<_> = origin.requests().into_iter().map(|request| (request.method, request.url)).collect();
    assert_eq!(asked[3], ("HEAD".to_owned(), "http://guarded.example/a".to_owned()));
}

#[test]
fn a_proxy_answers_what_the_inner_url_would() {
    let origin = Origin::start();
    let image = "http://static.example/a.txt?x=1";
    origin.answer(image, Answer::html("the image"));
    origin.worker("worker.example");
    origin.proxy("weserv.example", |request| request.query("url"));
    origin.proxy("loop.example", |request| Some(request.url.clone()));
    for (url, expected) in [
        (format!("http://worker.example/?{image}"), "the image"),
        (format!("http://worker.example/?http://worker.example/?{image}"), "the image"),
        (
            "http://weserv.example/?w=9&url=http%3A%2F%2Fstatic.example%2Fa.txt%3Fx%3D1".to_owned(),
            "the image",
        ),
        ("http://worker.example/?http://static.example/b".to_owned(), "<h1>404</h1>\n"),
        ("http://worker.example/".to_owned(), "<h1>400</h1>\n"),
        ("http://loop.example/".to_owned(), "<h1>508</h1>\n"),
    ] {
        assert!(get(&origin, &url).ends_with(expected), "{url}");
    }
    assert_eq!(origin.count(image), 0);

    origin.host_down("static.example");
    assert_eq!(get(&origin, image), "");
    assert_eq!(origin.count(image), 1);
    assert!(get(&origin, &format!("http://worker.example/?{image}")).ends_with("the image"));
    origin.host_down("worker.example");
    assert_eq!(get(&origin, &format!("http://worker.example/?{image}")), "");
    origin.host_up("static.example");
    assert!(get(&origin, image).ends_with("the image"));
}

#[test]
fn concurrency_is_counted_by_host_and_connections_are_kept_alive() {
    let origin = Origin::start();
    origin.host("busy.example", |_, _| Answer::html("x").delay(Duration::from_millis(50)));
    thread::scope(|scope| {
        for client in 0..5 {
            let origin = &origin;
            scope.spawn(move || get(origin, &format!("http://busy.example/{client}")));
        }
    });
    assert_eq!((origin.peak("busy.example"), origin.peak("idle.example")), (5, 0));
    assert_eq!(origin.opened_connections(), 5);

    let mut stream = TcpStream::connect(origin.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: busy.example\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nx") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
    }
    assert_eq!(origin.opened_connections(), 6);
}

#[tokio::test]
async fn tls_is_trusted_by_its_root_and_refused_when_it_is_bad() {
    let origin = Origin::start();
    let port = origin.address().port();
    let root = reqwest::Certificate::from_pem(origin.root_certificate().as_bytes()).unwrap();
    let hosts = ["good.example", "old.example", "other.example", "stranger.example"];
    let mut client = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
    for host in hosts {
        client = client.resolve(host, SocketAddr::from(([127, 0, 0, 1], port)));
        origin.image(&format!("https://{host}:{port}/a.png"), picture::png(1));
    }
    let client = client.build().unwrap();
    origin.certificate("old.example", Certificate::Expired);
    origin.certificate("other.example", Certificate::WrongName);
    origin.certificate("stranger.example", Certificate::UnknownAuthority);
    let packed = Answer::image(picture::png(1)).gzip().until_close();
    origin.answer(&format!("https://good.example:{port}/packed"), packed);

    let good = client.get(format!("https://good.example:{port}/a.png")).send().await.unwrap();
    assert_eq!(good.headers()["content-type"], "image/png");
    assert_eq!(good.bytes().await.unwrap(), picture::png(1));
    let packed = client.get(format!("https://good.example:{port}/packed")).send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert!(packed.bytes().await.unwrap().starts_with(&[0x1f, 0x8b]));
    // without a length, only the announced end tells a whole body from one that was cut
    let cut = Answer::image(picture::png(1)).until_close().cut_after(50);
    origin.answer(&format!("https://good.example:{port}/cut"), cut);
    let cut = client.get(format!("https://good.example:{port}/cut")).send().await.unwrap();
    assert!(cut.bytes().await.is_err());
    for host in &hosts[1..] {
        let refused = client.get(format!("https://{host}:{port}/a.png")).send().await;
        assert!(refused.unwrap_err().is_connect(), "{host}");
    }
    // a scheme is part of a route
    let plain = client.get(format!("http://good.example:{port}/a.png")).send().await.unwrap();
    assert_eq!(plain.status(), 404);
}

#[test]
fn pictures_are_true_and_differ_by_seed() {
    let mut seen = HashSet::new();
    for seed in 0..3 {
        for (bytes, format) in [
            (picture::jpeg(seed), ImageFormat::Jpeg),
            (picture::png(seed), ImageFormat::Png),
            (picture::gif(seed), ImageFormat::Gif),
            (picture::webp(seed), ImageFormat::WebP),
            (picture::sized(ImageFormat::Png, seed, 80, 80), ImageFormat::Png),
        ] {
            assert_eq!(image::guess_format(&bytes).unwrap(), format);
            image::load_from_memory(&bytes).unwrap();
            assert!(seen.insert(bytes), "seed {seed}");
        }
    }
}

#[test]
fn a_test_has_a_folder_with_old_documents_and_a_clean_environment() {
    let origin = Origin::start();
    let test = Test::new()
        .origin(&origin)
        .connect_to("closed.example", SocketAddr::from(([127, 0, 0, 1], 1)))
        .set("fetch.retries", "0")
        .document("posts/a.md", "![](http://a.example/a.png)");
    let age =
        SystemTime::now().duration_since(test.path("posts/a.md").metadata().unwrap().modified().unwrap());
    assert!(age.unwrap() > Duration::from_secs(60));
    assert_eq!(test.read("posts/a.md"), b"![](http://a.example/a.png)");

    let command = test.command("archive posts");
    let args: Vec<_> = command.get_args().map(|arg| arg.to_str().unwrap()).collect();
    let pem = format!("fetch.root_certificates=[{:?}]", test.root().with_file_name("root.pem"));
    let port = origin.address().port();
    let pairs =
        format!(r#"fetch.connect_to={{ "*" = "127.0.0.1:{port}", "closed.example" = "127.0.0.1:1" }}"#);
    assert_eq!(args, ["--set", &pairs, "--set", &pem, "--set", "fetch.retries=0", "archive", "posts"]);
    assert_eq!(command.get_current_dir(), Some(test.root().as_path()));

    let before = test.tree(".");
    test.run("--help").expect_code(0);
    test.run_with_input("--help", &[b'x'; 1 << 20]).expect_code(0);
    assert_eq!(test.tree("."), before);
    test.write("posts/a.md", "changed");
    assert_ne!(test.tree("."), before);
}

#[test]
fn the_store_is_checked_and_litter_is_found() {
    let test = Test::new();
    assert!(test.blobs().is_empty());
    let digest = imgkeep::digest::Digest::of(b"blob").to_string();
    let path = format!("cache/images/{}/{digest}.png", &digest[..2]);
    test.write(&path, "blob");
    assert_eq!(test.blobs().into_values().collect::<Vec<_>>(), [test.path(&path)]);
    test.assert_no_litter();

    let panics = |deed: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(deed)).is_err();
    test.write(&path, "other bytes");
    assert!(panics(&|| drop(test.blobs())));
    test.write("posts/.imgkeep-0123-a.md", "");
    assert!(panics(&|| test.assert_no_litter()));
}

#[test]
fn an_outcome_gives_its_json() {
    let outcome =
        |stdout: &str| Outcome { code: Some(3), stdout: stdout.into(), stderr: String::new(), peak: 0 };
    assert_eq!(outcome("{\"a\":\n1}\n").expect_code(3).json()["a"], 1);
    assert_eq!(outcome("{\"a\":1}\n{\"a\":2}\n").json_lines()[1]["a"], 2);
}

fn within_a_second(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(1);
    while !holds() {
        assert!(Instant::now() < deadline, "not within a second");
        thread::sleep(Duration::from_millis(5));
    }
}
