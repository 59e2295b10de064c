//! Servers that lie, drip, flood and hang, each on a port of its own and without an HTTP library, so that they can. Each row
//! says what a run makes of one; and while all of them are asked at a time, documents stay as they were, memory is bounded,
//! nothing is left behind, and honest servers are asked as if there were no others.

pub(crate) mod frames;
mod http2;
mod liars;
mod rows;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::origin::{Answer, Origin};
use crate::support::rounds::rounds;
use crate::support::{Test, picture};

use liars::Liar;
use rows::Row;

/// Resident at the most while 64 hostile servers are asked at a time, in KiB.
const MOST: u64 = 150 << 10;
/// A run that takes longer hangs, whatever the machine: seconds that one server may take, for each attempt and a few times over.
const LONGEST: Duration = Duration::from_secs(100);

/// Takes all of `rows`, those that are about time within a short one and the others within a long one: a machine that is
/// busy must not be taken for a server that is slow.
fn ask_all(what: &str, scheme: &str, rows: Vec<Row>, root: Option<&str>) {
    let (slow, quick): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.reasons.contains(&"timeout"));
    for (what, rows, seconds) in [(format!("{what}, slow"), slow, 8), (what.to_owned(), quick, 60)] {
        if !rows.is_empty() {
            ask(&what, scheme, rows, root, seconds);
        }
    }
}

/// Takes `rows` in one run, and ten honest images. The rows are asked by `scheme`; `root` vouches for those of https.
fn ask(what: &str, scheme: &str, rows: Vec<Row>, root: Option<&str>, seconds: u32) {
    let origin = Origin::start();
    let mut test = Test::new()
        .set("fetch.sources", "[\"origin\"]")
        .set("fetch.retries", "0")
        .set("fetch.concurrency", "64")
        .set("fetch.timeout_secs", &seconds.to_string())
        .set("fetch.idle_timeout_secs", &(seconds / 2).min(15).to_string())
        .set("fetch.connect_timeout_secs", &(seconds / 2).to_string())
        .set("fetch.max_bytes", "8MiB")
        .connect_to("honest.example", origin.address());
    if let Some(root) = root {
        test.write("root.pem", root);
        test = test.set("fetch.root_certificates", "[\"root.pem\"]");
    }
    let mut expected = BTreeMap::new();
    let mut liars = Vec::new();
    for (number, row) in rows.into_iter().enumerate() {
        let host = format!("h{number}.example");
        let url = format!("{scheme}://{host}/i.png");
        let liar = Liar::start(row.lies);
        test = test.connect_to(&host, liar.address);
        test.write(&format!("posts/{number}.md"), format!("![]({url})\n"));
        liars.push(liar);
        expected.insert(url, (number, row.name, row.reasons));
    }
    for number in 0..10 {
        let url = format!("http://honest.example/{number}.jpg");
        origin.answer(&url, Answer::image(picture::jpeg(number)).delay(Duration::from_millis(50)));
        test.write(&format!("posts/honest-{number}.md"), format!("![]({url})\n"));
    }
    let before = test.tree("posts");
    let start = Instant::now();
    let outcome = test.run("archive posts --format json").expect_code(3);
    let took = start.elapsed();
    let report = outcome.json();
    let failures: BTreeMap<&str, &serde_json::Value> = report["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| (failure["origin"].as_str().unwrap(), failure))
        .collect();
    let after = test.tree("posts");
    let mut kept = 10;
    let mut wrong = Vec::new();
    for (url, (number, name, reasons)) in &expected {
        let reason = failures.get(&**url).map_or("", |failure| failure["reason"].as_str().unwrap());
        if !reasons.contains(&reason) {
            wrong.push(format!("{name}: {reason:?} is not one of {reasons:?}: {:?}", failures.get(&**url)));
        }
        let path = std::path::Path::new(&format!("{number}.md")).to_owned();
        assert_eq!(before[&path] == after[&path], !reason.is_empty(), "{name}: the document");
        kept += usize::from(reason.is_empty());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for number in 0..10 {
        let path = std::path::Path::new(&format!("honest-{number}.md")).to_owned();
        assert!(before[&path] != after[&path], "an honest server was not asked");
    }
    assert_eq!(test.blobs().len(), kept, "no half of an image is kept");
    test.assert_no_litter();
    println!(
        "hostile servers, {what}: {} at a time, {:.1} s, {} MiB, 10 of 10 honest images, documents as they were",
        expected.len(),
        took.as_secs_f64(),
        outcome.peak >> 10
    );
    assert!(took < LONGEST, "{took:?}");
    assert!(outcome.peak < MOST, "{} KiB", outcome.peak);
    drop(liars);
}

#[test]
fn over_http_1() {
    ask_all("HTTP/1.1", "http", rows::http_1(), None);
}

/// What ends with TLS: a handshake that never comes, and noise in its place.
#[test]
fn over_what_is_no_tls() {
    ask_all("no TLS", "https", rows::no_tls(), None);
}

#[test]
fn over_http_2() {
    let (rows, root) = http2::rows();
    ask_all("HTTP/2", "https", rows, Some(&root));
}

/// C-15: many images of a slow host, few of a fast one.
#[test]
fn a_slow_host_does_not_keep_others_waiting() {
    let (slow, fast) = (if rounds(1) > 1 { 1_000 } else { 60 }, 10);
    let origin = Origin::start();
    let answer = |request: &crate::support::origin::Request, pause| {
        let seed = request.target.trim_matches(['/', '.', 'j', 'p', 'g']).parse().unwrap();
        Answer::image(picture::jpeg(seed)).delay(pause)
    };
    origin.host("slow.example", move |request, _| answer(request, Duration::from_millis(200)));
    origin.host("fast.example", move |request, _| answer(request, Duration::ZERO));
    let mut post: String = (0..slow).map(|n| format!("![](http://slow.example/{n}.jpg)\n")).collect();
    post.extend((0..fast).map(|n| format!("![](http://fast.example/{}.jpg)\n", 10_000 + n)));
    let test = Test::new().origin(&origin).document("posts/a.md", post);
    test.run("archive posts").expect_code(0);
    let requests = origin.requests();
    let last = requests.iter().rposition(|request| request.host == "fast.example").unwrap();
    let before = requests[..last].iter().filter(|request| request.host == "slow.example").count();
    println!(
        "hostile servers: the last image of a fast host was asked for before {} of {slow} of a slow one",
        slow - before
    );
    assert!(before < slow / 2, "{before} of {slow} came first");
    assert!(origin.peak("slow.example") <= 6);
    assert_eq!(test.blobs().len(), slow + fast);
}

/// C-16: other bytes whenever they are asked for.
#[test]
fn a_host_that_gives_another_image_each_time_is_asked_once() {
    let origin = Origin::start();
    origin.host("ads.example", |_, nth| Answer::image(picture::jpeg(nth as u64)));
    let post = "![](http://ads.example/banner.jpg) ![](http://ads.example/banner.jpg)\n";
    let test = Test::new().origin(&origin).document("a.md", post).document("b.md", post);
    test.run("archive a.md b.md").expect_code(0);
    let (documents, asked) = (test.tree("."), origin.requests().len());
    assert_eq!((asked, test.blobs().len()), (1, 1));
    test.run("archive a.md b.md").expect_code(0);
    assert_eq!(origin.requests().len(), asked);
    for name in ["a.md", "b.md"] {
        let path = std::path::Path::new(name);
        assert_eq!(test.tree(".")[path], documents[path], "{name} was written again");
    }
}
