//! The address guard against the vectors: what must not be asked is not connected to, and all else is.
//!
//! Every name is led to a loopback canary by `connect_to`, so that nothing here touches the network and each
//! connection that the guard lets through is counted. Rows of `../shared/vectors/ssrf.json` where that is, and of
//! `tests/it/addresses/rows.txt`.

#![cfg(test)]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use imgkeep::fetch::{Error, Fetcher, Headers, Options, Reason};
use serde::Deserialize;
use url::Url;

#[derive(Deserialize)]
struct Row {
    id: String,
    url: String,
    expect: String,
    stage: String,
    #[serde(default)]
    resolve: HashMap<String, Vec<IpAddr>>,
    #[serde(default)]
    resolve_seq: HashMap<String, Vec<Vec<IpAddr>>>,
    #[serde(default)]
    redirects: Vec<String>,
    #[serde(default = "found")]
    status: u16,
}

fn found() -> u16 {
    302
}

impl Row {
    fn is_allowed(&self) -> bool {
        self.expect == "allow"
    }
}

/// The rows of these stages; none, and a word about it, where the vectors are not.
fn rows(stages: &[&str]) -> Vec<Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors/ssrf.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("skipped: no `{path}`");
        return Vec::new();
    };
    let rows: Vec<Row> = serde_json::from_str(&text).unwrap();
    rows.into_iter().filter(|row| stages.contains(&row.stage.as_str())).collect()
}

/// Counts connections and answers one request on each: with the next of `redirects`, and 200 after the last.
struct Canary {
    address: SocketAddr,
    hits: Arc<AtomicUsize>,
    redirects: Arc<Mutex<(u16, std::vec::IntoIter<String>)>>,
}

impl Canary {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let canary = Self {
            address: listener.local_addr().unwrap(),
            hits: Arc::default(),
            redirects: Arc::new(Mutex::new((302, Vec::new().into_iter()))),
        };
        let (hits, redirects) = (canary.hits.clone(), canary.redirects.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                hits.fetch_add(1, Ordering::SeqCst);
                let redirects = redirects.clone();
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    if read_head(&mut stream) {
                        let (status, locations) = &mut *redirects.lock().unwrap();
                        let answer = locations.next().map_or_else(
                            || "HTTP/1.1 200 OK\r\n".to_owned(),
                            |location| format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\n"),
                        );
                        let rest = "Content-Length: 0\r\nConnection: close\r\n\r\n";
                        stream.write_all((answer + rest).as_bytes()).unwrap();
                    }
                });
            }
        });
        canary
    }

    /// The connections since the last call.
    fn take_hits(&self) -> usize {
        self.hits.swap(0, Ordering::SeqCst)
    }

    /// Options under which every name leads here.
    fn options(&self) -> Options {
        Options {
            connect_to: [("*".to_owned(), self.address)].into(),
            connect_timeout: Duration::from_secs(2),
            ..Options::default()
        }
    }
}

/// Whether an HTTP request came, and not the first message of TLS.
fn read_head(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_exact(&mut byte).is_err() || byte[0] == 0x16 {
            return false;
        }
        head.push(byte[0]);
    }
    true
}

/// Our own rows: whether one is allowed, its URL, and the answers of DNS for its host.
fn our_rows() -> impl Iterator<Item = (bool, &'static str, Vec<IpAddr>)> {
    let lines = include_str!("it/addresses/rows.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let columns: Vec<_> = line.split('\t').collect();
        // What the operator gives addresses to need not be a public name.
        let is_name = columns[3].starts_with("name: ");
        let answers = columns[2].split(' ').filter(|text| *text != "-" && !is_name);
        (columns[0] == "allow", columns[1], answers.map(|text| text.parse().unwrap()).collect())
    })
}

async fn get(fetcher: &Fetcher, url: &str) -> Result<usize, Reason> {
    let url = Url::parse(url).map_err(|_| Reason::BlockedUrl)?;
    let answer = fetcher.get(&url, &Headers::default()).await;
    answer.map(|answer| answer.hops.len()).map_err(|error: Error| error.reason())
}

fn is_refusal(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::BlockedAddress
            | Reason::BlockedScheme
            | Reason::BlockedPort
            | Reason::BlockedUrl
            | Reason::Dns
    )
}

#[tokio::test]
async fn rows_that_the_url_alone_decides() {
    let canary = Canary::new();
    let fetcher = Fetcher::new(canary.options()).unwrap();
    for row in rows(&["url", "policy"]) {
        let got = get(&fetcher, &row.url).await;
        assert_eq!(canary.take_hits(), usize::from(row.is_allowed()), "{} {got:?}", row.id);
        assert_eq!(got.is_ok(), row.is_allowed(), "{} {got:?}", row.id);
        assert!(got.is_ok() || got.is_err_and(is_refusal), "{} {got:?}", row.id);
    }
}

#[tokio::test]
async fn rows_that_the_answers_of_dns_decide() {
    let canary = Canary::new();
    for row in rows(&["dns"]) {
        // the canary speaks no TLS: over https a hit is all there is to see
        let is_tls = row.url.starts_with("https:");
        for (resolve, allowed) in answers(&row) {
            let fetcher = Fetcher::new(Options { resolve, ..canary.options() }).unwrap();
            let got = get(&fetcher, &row.url).await;
            assert_eq!(canary.take_hits(), usize::from(allowed), "{} {got:?}", row.id);
            match got {
                Ok(_) => assert!(allowed, "{}", row.id),
                Err(Reason::Tls | Reason::Connect) => assert!(allowed && is_tls, "{} {got:?}", row.id),
                Err(reason) => assert!(!allowed && is_refusal(reason), "{} {got:?}", row.id),
            }
        }
    }
}

/// What DNS says at each look-up of a row, and whether a connection may follow. A name that the row does not
/// know has no address.
fn answers(row: &Row) -> Vec<(HashMap<String, Vec<IpAddr>>, bool)> {
    let mut resolve = row.resolve.clone();
    if let Some((host, look_ups)) = row.resolve_seq.iter().next() {
        let last = look_ups.len() - 1;
        let one = |(n, answers): (usize, &Vec<IpAddr>)| ([(host.clone(), answers.clone())].into(), n < last);
        return look_ups.iter().enumerate().map(one).collect();
    }
    if let Some(host) = Url::parse(&row.url).ok().and_then(|url| url.host_str().map(str::to_owned)) {
        resolve.entry(host.trim_end_matches('.').to_owned()).or_default();
    }
    vec![(resolve, row.is_allowed())]
}

#[tokio::test]
async fn rows_of_our_own() {
    let canary = Canary::new();
    let mut resolve = HashMap::new();
    for (_, url, answers) in our_rows().filter(|(_, _, answers)| !answers.is_empty()) {
        let url = Url::parse(url).unwrap();
        resolve.insert(url.domain().unwrap().trim_end_matches('.').to_owned(), answers);
    }
    let fetcher = Fetcher::new(Options { resolve, ..canary.options() }).unwrap();
    let mut count = 0;
    // Where an image is behind a proxy, it is the proxy that is asked: whether it may be told is for others to say.
    for (is_allowed, url, _) in our_rows().filter(|(_, url, _)| !url.contains("wrapped.png")) {
        let got = get(&fetcher, url).await;
        assert_eq!(canary.take_hits() > 0, is_allowed, "{url} {got:?}");
        assert!(is_allowed || got.is_err_and(is_refusal), "{url} {got:?}");
        count += 1;
    }
    assert!(count > 400, "{count}");
}

#[tokio::test]
async fn rows_that_a_redirect_decides() {
    for row in rows(&["redirect"]) {
        let canary = Canary::new();
        // the canary speaks no TLS: hops over https are served as hops over http
        let plain = row.redirects.iter().map(|location| location.replacen("https://", "http://", 1));
        *canary.redirects.lock().unwrap() = (row.status, plain.collect::<Vec<_>>().into_iter());
        let fetcher = Fetcher::new(Options { resolve: row.resolve.clone(), ..canary.options() }).unwrap();
        let got = get(&fetcher, &row.url).await;
        if row.is_allowed() {
            assert_eq!(got, Ok(row.redirects.len()), "{}", row.id);
            assert_eq!(canary.take_hits(), row.redirects.len() + 1, "{}", row.id);
        } else {
            let refused = got.is_err_and(|reason| is_refusal(reason) || reason == Reason::RedirectLimit);
            assert!(refused, "{} {got:?}", row.id);
            // each hop before the refused one, which is the last that the row has, or the eleventh
            assert_eq!(canary.take_hits(), row.redirects.len().min(11), "{} {got:?}", row.id);
        }
    }
}

#[tokio::test]
async fn exempted_is_exactly_what_the_operator_lists() {
    let canary = Canary::new();
    let allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
    let fetcher = Fetcher::new(Options { allow_networks, ..Options::default() }).unwrap();
    let port = canary.address.port();
    assert_eq!(get(&fetcher, &format!("http://127.0.0.1:{port}/")).await, Ok(0));
    assert_eq!(canary.take_hits(), 1);
    for host in ["[::1]", "10.0.0.1", "a.onion", "0.0.0.0"] {
        let got = get(&fetcher, &format!("http://{host}:{port}/")).await;
        assert_eq!(got, Err(Reason::BlockedAddress), "{host}");
    }
    assert_eq!(get(&fetcher, "http://127.0.0.1:6379/").await, Err(Reason::BlockedPort));
    assert_eq!(canary.take_hits(), 0);
}

#[tokio::test]
async fn names_that_the_operator_gave_need_not_be_public() {
    let canary = Canary::new();
    let port = canary.address.port();
    let connect_to = [("nas.local".to_owned(), canary.address)].into();
    let resolve = [("wiki".to_owned(), vec![IpAddr::from([127, 0, 0, 1])])].into();
    let options = Options { connect_to, resolve, ..Options::default() };
    let fetcher = Fetcher::new(options.clone()).unwrap();
    assert_eq!(get(&fetcher, "http://nas.local/").await, Ok(0));
    assert_eq!(get(&fetcher, "http://other.local/").await, Err(Reason::BlockedAddress));
    assert_eq!(get(&fetcher, &format!("http://wiki:{port}/")).await, Err(Reason::BlockedAddress));
    assert_eq!(canary.take_hits(), 1);
    let allow_networks = vec!["127.0.0.1/32".parse().unwrap()];
    let fetcher = Fetcher::new(Options { allow_networks, ..options }).unwrap();
    assert_eq!(get(&fetcher, &format!("http://wiki:{port}/")).await, Ok(0));
}

/// Runs other tests of this file again with every proxy variable set to a canary, which nobody may ask.
#[test]
fn proxies_of_the_environment_are_not_asked() {
    let canary = Canary::new();
    let proxy = format!("http://{}", canary.address);
    let variables = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "exempted_is_exactly_what_the_operator_lists",
            "rows_that_the_answers_of_dns_decide",
        ])
        .envs(variables.map(|name| (name, proxy.as_str())))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(canary.take_hits(), 0);
}
