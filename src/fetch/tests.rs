//! Hostile and honest servers on loopback: what becomes of each answer.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::*;

/// A server that says what it is told, however wrong. It counts connections and keeps the heads of requests.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

/// `answer` gets the path and the connection, and says whether the connection stays open.
fn serve(answer: impl Fn(&str, &mut TcpStream) -> bool + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server {
        address: listener.local_addr().unwrap(),
        connections: Arc::default(),
        heads: Arc::default(),
    };
    let (connections, heads, answer) = (server.connections.clone(), server.heads.clone(), Arc::new(answer));
    thread::spawn(move || {
        for stream in listener.incoming() {
            connections.fetch_add(1, Ordering::SeqCst);
            let (heads, answer, mut stream) = (heads.clone(), answer.clone(), stream.unwrap());
            thread::spawn(move || {
                while let Some(head) = head(&mut stream) {
                    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                    heads.lock().unwrap().push(head);
                    if !answer(&path, &mut stream) {
                        break;
                    }
                }
            });
        }
    });
    server
}

fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).to_ascii_lowercase())
}

/// Sends; a client that has gone is no matter.
fn say(stream: &mut TcpStream, bytes: impl AsRef<[u8]>) -> bool {
    stream.write_all(bytes.as_ref()).is_ok()
}

/// Sends `piece` again and again until the client goes.
fn drip(stream: &mut TcpStream, piece: &[u8], every: Duration) {
    while say(stream, piece) {
        thread::sleep(every);
    }
}

const TICK: Duration = Duration::from_millis(50);

/// Small limits, and every name on `server`.
fn options(server: &Server) -> Options {
    Options {
        timeout: Duration::from_secs(4),
        connect_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_millis(1500),
        min_rate: 1000,
        rate_window: Duration::from_secs(2),
        max_bytes: 100_000,
        connect_to: [("*".to_owned(), server.address)].into(),
        ..Options::default()
    }
}

async fn body(fetcher: &Fetcher, url: &str) -> Result<Vec<u8>, Error> {
    let mut answer = fetcher.get(&url.parse().unwrap(), &Headers::default()).await?;
    let mut body = Vec::new();
    while let Some(bytes) = answer.chunk().await? {
        body.extend_from_slice(&bytes);
    }
    assert!(answer.content_length.is_none_or(|length| length == body.len() as u64), "{url}");
    Ok(body)
}

/// The bodies of one server, by path.
fn hostile(path: &str, stream: &mut TcpStream) -> bool {
    let ok = "HTTP/1.1 200 OK\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let coded = |coding: &str, body: &[u8]| {
        let head = format!("{ok}Content-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    match path {
        "/whole" => return say(stream, format!("{ok}Content-Length: 5\r\n\r\nwhole")),
        "/chunked" => return say(stream, format!("{chunked}2\r\nwh\r\n3\r\nole\r\n0\r\n\r\n")),
        "/until-close" => say(stream, format!("{ok}\r\nwhole")),
        "/bare" => say(stream, "HTTP/1.1 200\r\n\r\n"),
        "/gzip" => return say(stream, coded("gzip", &gzip(b"whole"))),
        "/deflate" => return say(stream, coded("deflate", &gzip(b"whole")[10..14 + 3])),
        "/identity" => return say(stream, coded("Identity", b"whole")),
        "/short" => say(stream, format!("{ok}Content-Length: 50\r\n\r\nwhole")),
        "/unterminated" => say(stream, format!("{chunked}5\r\nwhole\r\n")),
        "/mid-chunk" => say(stream, format!("{chunked}50\r\nwhole")),
        "/half-gzip" => say(stream, coded("gzip", &gzip(&[7; 3000])[..20])),
        "/no-gzip" => say(stream, coded("gzip", &[b'w'; 100])),
        "/br" => say(stream, coded("br", b"whole")),
        "/twice" => say(stream, coded("gzip, gzip", b"whole")),
        "/bomb" => say(stream, coded("gzip", &gzip(&vec![0; 10_000_000]))),
        "/huge" => say(stream, format!("{ok}Content-Length: 100001\r\n\r\n")),
        "/endless" => {
            say(stream, format!("{ok}\r\n"));
            drip(stream, &[7; 4096], Duration::ZERO);
            false
        }
        "/endless-chunks" => {
            say(stream, chunked);
            drip(stream, b"5\r\nwhole\r\n", Duration::ZERO);
            false
        }
        "/stall" => {
            say(stream, format!("{ok}Content-Length: 50\r\n\r\nwhole"));
            thread::sleep(TICK * 80);
            false
        }
        "/silence" => {
            thread::sleep(TICK * 80);
            false
        }
        "/drip" => {
            say(stream, format!("{ok}Content-Length: 5000\r\n\r\n"));
            drip(stream, b"w", TICK);
            false
        }
        "/steady" => {
            say(stream, format!("{ok}\r\n"));
            drip(stream, &[7; 400], TICK);
            false
        }
        "/slow-head" => {
            say(stream, ok);
            drip(stream, b"X-A: b\r\n", TICK);
            false
        }
        "/gone" => false,
        "/noise" => say(stream, "SSH-2.0-OpenSSH_9.2\r\n"),
        "/old" => say(stream, "whole\n"),
        "/headers" => say(stream, format!("{ok}X-A: {}\r\n\r\n", "b".repeat(1 << 20))),
        "/lengths" => say(stream, format!("{ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\nwhole")),
        "/plus" => say(stream, format!("{ok}Content-Length: +5\r\n\r\nwhole")),
        status => {
            let status = &status[1..4];
            let length = if status == "204" { "" } else { "Content-Length: 5\r\n" };
            return say(stream, format!("HTTP/1.1 {status} X\r\nRetry-After: 7\r\n{length}\r\nwhole"));
        }
    };
    false
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_its_end() {
    let server = serve(hostile);
    let fetcher = Arc::new(Fetcher::new(options(&server)).unwrap());
    let mut checks = tokio::task::JoinSet::new();
    let mut check = |path: &'static str, expected: Result<&'static str, &'static str>| {
        let fetcher = fetcher.clone();
        checks.spawn(async move {
            let result = body(&fetcher, &format!("http://{}.test/{path}", path.replace('/', ""))).await;
            let (got, detail) = match &result {
                Ok(body) => (Ok(String::from_utf8_lossy(body).into_owned()), String::new()),
                Err(error) => (Err(error.reason().to_string()), error.detail()),
            };
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(got, expected, "{path}: {detail}");
        });
    };
    for whole in ["whole", "chunked", "until-close", "gzip", "deflate", "identity"] {
        check(whole, Ok("whole"));
    }
    check("bare", Ok(""));
    for (word, paths) in [
        ("truncated", &["short", "unterminated", "mid-chunk", "half-gzip"][..]),
        ("encoding", &["no-gzip", "br", "twice"]),
        ("too_large", &["huge", "endless", "endless-chunks", "bomb"]),
        ("timeout", &["stall", "silence", "slow-head", "steady"]),
        ("too_slow", &["drip"]),
        ("connect", &["gone"]),
        ("protocol", &["noise", "old", "headers", "lengths", "plus"]),
    ] {
        for path in paths {
            check(path, Err(word));
        }
    }
    checks.join_all().await;
    for status in ["204", "206", "304", "404", "429", "503"] {
        let error = body(&fetcher, &format!("http://status.test/{status}")).await.unwrap_err();
        assert_eq!(error.reason().to_string(), format!("http_{status}"));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }
}

#[tokio::test]
async fn a_reset_in_the_middle_is_no_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 10]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nwho").unwrap();
        // to close with part of the request unread is to reset
        thread::sleep(TICK * 4);
    });
    let options = Options { connect_to: [("*".to_owned(), address)].into(), ..Options::default() };
    let error = body(&Fetcher::new(options).unwrap(), "http://a.test/").await.unwrap_err();
    assert_eq!(error.reason(), Reason::Truncated, "{}", error.detail());
    assert!(error.is_transient());
}

#[tokio::test]
async fn connections_that_do_not_come_about() {
    let at = |address| Options { connect_to: [("*".to_owned(), address)].into(), ..Options::default() };
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = plain.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = plain.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
    });
    let error = body(&Fetcher::new(at(address)).unwrap(), "https://a.test/").await.unwrap_err();
    assert_eq!(error.reason(), Reason::Tls, "{}", error.detail());

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = body(&Fetcher::new(at(closed)).unwrap(), "http://a.test/").await.unwrap_err();
    assert_eq!(error.reason(), Reason::Connect, "{}", error.detail());
    assert!(!error.is_transient());
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = serve(hostile);
    let fetcher = Fetcher::new(options(&server)).unwrap();
    for _ in 0..3 {
        assert_eq!(body(&fetcher, "http://a.test/whole").await.unwrap(), b"whole");
        assert!(body(&fetcher, "http://a.test/404").await.is_err());
        assert_eq!(body(&fetcher, "http://a.test/gzip").await.unwrap(), b"whole");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    assert_eq!(server.heads.lock().unwrap().len(), 9);
}

#[tokio::test]
async fn a_request_says_what_it_should_and_no_more() {
    let server =
        serve(|_, stream| say(stream, "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 0\r\n\r\n"));
    let fetcher = Fetcher::new(options(&server)).unwrap();
    let referer = |text: &str| Headers { referer: Some(text.parse().unwrap()), ..Headers::default() };
    let url = "http://a.test:8080/i.png?a=%2F#part".parse().unwrap();
    let answer = fetcher.get(&url, &referer("http://me:pw@a.test/#part")).await.unwrap();
    assert_eq!(answer.headers.etag.as_deref(), Some("\"e\""));
    assert_eq!(
        (answer.final_url.as_str(), answer.content_length),
        ("http://a.test:8080/i.png?a=%2F", Some(0))
    );
    fetcher.get(&"http://8.8.8.8/".parse().unwrap(), &referer("https://a.test/")).await.unwrap();
    let heads = server.heads.lock().unwrap();
    let lines: Vec<&str> = heads[0].lines().collect();
    assert_eq!(lines[0], "get /i.png?a=%2f http/1.1");
    for line in ["host: a.test:8080", "accept-encoding: identity", "referer: http://a.test/"] {
        assert!(lines.contains(&line), "{line} in {lines:?}");
    }
    assert!(lines.iter().any(|line| line.starts_with("user-agent: imgkeep/")), "{lines:?}");
    assert!(heads[1].contains("\r\nhost: 8.8.8.8\r\n") && !heads[1].contains("referer"), "{}", heads[1]);
}

/// The URL library and the HTTP client do not agree on which bytes need an escape.
#[tokio::test]
async fn no_byte_of_a_url_stops_the_request() {
    let server = serve(hostile);
    let fetcher = Fetcher::new(options(&server)).unwrap();
    for byte in (0_u8..=255).map(char::from) {
        for url in [format!("http://a.test/200{byte}x"), format!("http://a.test/200?{byte}x")] {
            let got = fetcher.get(&Url::parse(&url).unwrap(), &Headers::default()).await;
            assert!(got.is_ok(), "{url:?}: {:?}", got.err());
        }
    }
}

#[tokio::test]
async fn redirects_are_followed_so_far() {
    let server = serve(|path, stream| {
        let location: Vec<u8> = match path {
            "/end" => {
                return say(stream, "HTTP/1.1 200 OK\r\nRefresh: 0; url=/a\r\nContent-Length: 0\r\n\r\n");
            }
            "/loop" => b"/back".into(),
            "/back" => b"/loop#again".into(),
            "/none" => return say(stream, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"),
            "/bad" => b"http://".into(),
            "/utf-8" => "/\u{56fe}".into(),
            "/gbk" => b"/\xcd\xbc".into(),
            "/0" | "/%e5%9b%be" | "/%cd%bc" => b"/end".into(),
            number => format!("/{}", number[1..].parse::<u32>().unwrap() - 1).into(),
        };
        let head = b"HTTP/1.1 302 Found\r\nContent-Length: 5\r\nLocation: ";
        say(stream, [head, &location[..], b"\r\n\r\nwhole"].concat())
    });
    let fetcher = Fetcher::new(options(&server)).unwrap();
    let check = async |path: &str, expected: Result<usize, &str>| {
        let url = format!("http://a.test{path}").parse().unwrap();
        let got = fetcher.get(&url, &Headers::default()).await;
        let got = got.map(|answer| answer.hops.len()).map_err(|error| error.reason().to_string());
        assert_eq!(got, expected.map_err(str::to_owned), "{path}");
    };
    check("/end", Ok(0)).await;
    check("/0", Ok(1)).await;
    check("/9", Ok(10)).await;
    check("/10", Err("redirect_limit")).await;
    check("/loop", Err("redirect_limit")).await;
    check("/none", Err("http_302")).await;
    check("/bad", Err("blocked_url")).await;
    check("/utf-8", Ok(2)).await;
    check("/gbk", Ok(2)).await;
    assert_eq!(server.connections.load(Ordering::SeqCst), 1, "redirects do not cost connections");
}

/// A name server that changes its mind gains nothing: what was judged is what is connected to.
#[tokio::test]
async fn rebinding_reaches_nobody() {
    let canary = TcpListener::bind("127.0.0.1:0").unwrap();
    canary.set_nonblocking(true).unwrap();
    let mut fetcher = Fetcher::new(Options::default()).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    fetcher.resolver.lookup = Arc::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(Ok(vec!["127.0.0.1".parse().unwrap()])))
    });
    fetcher.clients = Clients::new(&fetcher.options, fetcher.resolver.clone(), std::iter::empty()).unwrap();
    let url = format!("http://rebind.test:{}/", canary.local_addr().unwrap().port());
    for _ in 0..20 {
        let error = body(&fetcher, &url).await.unwrap_err();
        assert_eq!(error.reason(), Reason::BlockedAddress, "{}", error.detail());
        assert!(error.is_private());
    }
    assert_eq!(asked.load(Ordering::SeqCst), 20);
    assert_eq!(canary.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn options_that_cannot_be_used() {
    let check = |options: Options, message: &str| {
        let error = Fetcher::new(options).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some(message));
    };
    let connect_to = [("a b".to_owned(), SocketAddr::from(([127, 0, 0, 1], 1)))].into();
    check(Options { connect_to, ..Options::default() }, "`a b` is no host");
    let resolve = [("a/b".to_owned(), Vec::new())].into();
    check(Options { resolve, ..Options::default() }, "`a/b` is no host");
    let root_certificates = vec![b"nothing".to_vec()];
    check(
        Options { root_certificates, ..Options::default() },
        "no certificate in number 1 of the root certificates",
    );
    let user_agent = "a\nb".to_owned();
    check(Options { user_agent, ..Options::default() }, "`a\nb` cannot be sent as user agent");
}

/// Whatever is wrong with the look-up of a name, nobody is asked.
#[tokio::test]
async fn without_a_good_answer_of_the_resolver_nobody_is_asked() {
    let server = serve(|_, _| false);
    let port = server.address.port();
    let private = || vec![server.address.ip()];
    let lookups: [(&str, resolve::Lookup); 6] = [
        ("an error", Arc::new(|_| Box::pin(async { Err(std::io::Error::other("SERVFAIL")) }))),
        ("nothing", Arc::new(|_| Box::pin(async { Ok(Vec::new()) }))),
        ("a panic", Arc::new(|_| panic!("the resolver is broken"))),
        ("a panic later", Arc::new(|_| Box::pin(async { panic!("the resolver is broken") }))),
        ("silence", Arc::new(|_| Box::pin(std::future::pending()))),
        ("what is private", {
            let answer = private();
            Arc::new(move |_| Box::pin(std::future::ready(Ok(answer.clone()))))
        }),
    ];
    for (what, lookup) in lookups {
        let options = Options { connect_timeout: Duration::from_millis(200), ..Options::default() };
        let mut fetcher = Fetcher::new(options.clone()).unwrap();
        fetcher.resolver.lookup = lookup;
        fetcher.clients = Clients::new(&options, fetcher.resolver.clone(), std::iter::empty()).unwrap();
        let url = Url::parse(&format!("http://cdn.example:{port}/a.png")).unwrap();
        let asked = tokio::spawn(async move { fetcher.get(&url, &Headers::default()).await.map(drop) }).await;
        assert!(!matches!(asked, Ok(Ok(()))), "{what}");
        assert_eq!(server.connections.load(Ordering::SeqCst), 0, "{what}");
    }
}

/// Brotli with a window of 16 MiB that stores (RFC 7932 section 9).
fn wide(plain: &[u8]) -> Vec<u8> {
    let head = 0x0F | ((plain.len() as u32 - 1) << 3 | 1 << 19) << 4;
    [&head.to_le_bytes()[..3], plain, &[3]].concat()
}

#[tokio::test]
async fn slow_bodies_that_take_much_memory_keep_nobody_waiting() {
    let server = serve(|path, stream| {
        let body = wide(b"whole");
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: {}\r\n\r\n", body.len());
        say(stream, head);
        if path == "/slow" {
            say(stream, &body[..4]);
            thread::sleep(Duration::from_secs(60));
            return false;
        }
        say(stream, body)
    });
    let timeout = Duration::from_secs(60);
    let limits = Options { timeout, idle_timeout: timeout, rate_window: timeout, ..options(&server) };
    let fetcher = Arc::new(Fetcher::new(limits).unwrap());
    let slow: Vec<_> = (0..6)
        .map(|_| {
            let fetcher = Arc::clone(&fetcher);
            tokio::spawn(async move { body(&fetcher, "http://cdn.test/slow").await })
        })
        .collect();
    let asked = || server.heads.lock().unwrap().len();
    while asked() < slow.len() {
        tokio::time::sleep(TICK).await;
    }
    tokio::time::sleep(TICK).await;
    assert_eq!(body(&fetcher, "http://cdn.test/quick").await.unwrap(), b"whole");
    for slow in slow {
        assert!(!slow.is_finished(), "it still waits for its server");
        slow.abort();
    }
}

#[tokio::test]
async fn a_look_up_takes_no_longer_than_a_connection() {
    let server = serve(|_, _| false);
    let own = vec!["127.0.0.1:80".parse().unwrap()];
    let mut fetcher = Fetcher::new(Options { own, connect_to: HashMap::new(), ..options(&server) }).unwrap();
    fetcher.resolver.lookup = Arc::new(|_| Box::pin(std::future::pending()));
    let error = body(&fetcher, "http://cdn.test/").await.unwrap_err();
    assert!(
        matches!(&error, Error::Timeout { limit, .. } if *limit == Duration::from_secs(1)),
        "{}",
        error.reason()
    );
}
