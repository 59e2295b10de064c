//! A real browser asks an archived page's own site for all images, and nobody else.
//!
//! `browser/index.html` has every kind of reference that a browser follows. Chromium (Debian's package of that
//! name) opens it before and after `archive`; every host leads to the origin, which logs each request. Where
//! Chromium is missing, this says so and tries nothing.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use imgkeep::digest::Digest;
use percent_encoding::percent_decode_str;
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::support::origin::{Answer, Origin, Request};
use crate::support::{Test, picture};

const PAGE: &str = "http://page.example/posts/index.html";
const DOCUMENTS: [(&str, &str); 6] = [
    ("posts/index.html", include_str!("browser/index.html")),
    ("posts/css/style.css", include_str!("browser/css/style.css")),
    ("posts/css/imported.css", include_str!("browser/css/imported.css")),
    ("posts/based/elsewhere.html", include_str!("browser/based/elsewhere.html")),
    ("posts/based/site.html", include_str!("browser/based/site.html")),
    ("posts/based/folder.html", include_str!("browser/based/folder.html")),
];
/// A browser that takes longer hangs, or does not ask for something that it should.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whom Chromium asks whatever page it shows; these have no address.
const ITS_OWN: [&str; 4] = ["google.com", "googleapis.com", "gstatic.com", "gvt1.com"];

#[test]
fn a_browser_is_shown_every_image_of_an_archived_page_and_asks_for_no_remote_one() {
    if Command::new("chromium").arg("--version").output().is_err() {
        println!("not tried: there is no chromium");
        return;
    }
    let test = Test::new();
    let origin = web(test.root());
    let test = test.origin(&origin);
    for (path, text) in DOCUMENTS {
        test.write(path, text);
    }
    let shown = named("shown.example");
    let sprites = named("sprite.example");

    let before = visit(&origin, |requests| remote_images(requests).len() >= shown.len());
    assert_eq!(remote_images(&before.requests), shown);
    assert_eq!(local_images(&before.requests), BTreeSet::new());
    assert_eq!(before.not_shown(), Vec::<String>::new());

    test.run("archive posts/based/elsewhere.html --link http://page.example/cache/images/").expect_code(0);
    test.run("archive posts/based/site.html --link /cache/images/").expect_code(0);
    test.run("archive posts").expect_code(0);

    let kept: BTreeSet<_> = shown.union(&sprites).map(|name| path_of(&picture_of(name))).collect();
    let after = visit(&origin, |requests| local_images(requests).len() >= kept.len());
    let remote = after.requests.iter().filter(|request| !is_page(request));
    assert_eq!(remote.map(|request| request.url.as_str()).collect::<Vec<_>>(), Vec::<&str>::new());
    assert_eq!(remote_images(&after.requests), BTreeSet::new());
    assert_eq!(local_images(&after.requests), kept);
    assert_eq!(after.not_shown(), Vec::<String>::new());
    assert!(after.widths.len() > 50, "{:?}", after.widths);

    test.run("restore posts").expect_code(0);
    for (path, text) in DOCUMENTS {
        assert_eq!(test.read(path), text.as_bytes(), "{path}");
    }
}

/// The page's own host, and all others: each has an image under every name.
fn web(root: PathBuf) -> Origin {
    let origin = Origin::start();
    for host in ["shown.example", "spare.example", "sprite.example"] {
        origin.host(host, |request, _| match names(&request.url, &request.host).pop_first() {
            Some(name) => image(&picture_of(&name)),
            None => Answer::status(404),
        });
    }
    origin.worker("cors.zfour.workers.dev");
    for host in ["images.weserv.nl", "wsrv.nl", "i0.wp.com"] {
        origin.proxy(host, |request| {
            let name = names(&request.url, "shown.example").pop_first()?;
            Some(format!("http://shown.example/{name}"))
        });
    }
    origin.host("page.example", move |request, _| serve(&root, request));
    origin
}

/// The page as it is on disk, and at its end the script that measures it.
fn serve(root: &Path, request: &Request) -> Answer {
    let path = request.target.split('?').next().unwrap_or_default();
    if let ("/_next/image", Some(name)) = (path, names(&request.url, "shown.example").pop_first()) {
        return image(&picture_of(&name));
    }
    let Ok(bytes) = fs::read(root.join(path.trim_start_matches('/'))) else { return Answer::status(404) };
    match Path::new(path).extension().and_then(|extension| extension.to_str()) {
        Some("html") => {
            let page = String::from_utf8(bytes).expect("the page is UTF-8");
            Answer::html(&format!("{page}<script>{}</script>", include_str!("browser/measure.js")))
        }
        Some("css") => Answer::html(&String::from_utf8(bytes).expect("the sheet is UTF-8"))
            .header("Content-Type", "text/css"),
        _ => image(&bytes),
    }
}

fn image(bytes: &[u8]) -> Answer {
    let answer = Answer::image(bytes);
    if bytes.starts_with(b"<svg") { answer.header("Content-Type", "image/svg+xml") } else { answer }
}

/// The image of that name: no two are the same.
fn picture_of(name: &str) -> Vec<u8> {
    let seed = name.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    match name.rsplit_once('.') {
        Some((_, "svg")) => format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="32" height="24"><title>{name}</title><rect id="part" width="9" height="9"/></svg>"#
        )
        .into_bytes(),
        Some((_, "webp")) => picture::webp(seed),
        _ => picture::png(seed),
    }
}

/// Where the store keeps these bytes.
fn path_of(bytes: &[u8]) -> String {
    let digest = Digest::of(bytes).to_string();
    let extension = match bytes {
        [b'<', ..] => "svg",
        [b'R', ..] => "webp",
        _ => "png",
    };
    format!("/cache/images/{}/{digest}.{extension}", &digest[..2])
}

/// The names of the images of `host` in the documents.
fn named(host: &str) -> BTreeSet<String> {
    DOCUMENTS.iter().flat_map(|(_, text)| names(text, host)).collect()
}

/// The names of the images of `host` in `text`, whatever stands around them.
fn names(text: &str, host: &str) -> BTreeSet<String> {
    let text = percent_decode_str(text).decode_utf8_lossy().replace('\\', "/");
    let is_of_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | ',' | '.');
    text.split(&format!("{host}/"))
        .skip(1)
        .map(|rest| rest.chars().take_while(|char| is_of_name(*char)).collect::<String>())
        .filter(|name| name.contains('.'))
        .collect()
}

struct Visit {
    requests: Vec<Request>,
    /// Each image that the page shows, and its natural width in pixels: 0 when it did not load.
    widths: Vec<(String, u32)>,
}

impl Visit {
    fn not_shown(&self) -> Vec<String> {
        self.widths.iter().filter(|(_, width)| *width == 0).map(|(url, _)| url.clone()).collect()
    }
}

/// Shows the page until it has measured itself and the requests are all that are waited for: prefetching
/// waits until the page is idle.
fn visit(origin: &Origin, is_done: impl Fn(&[Request]) -> bool) -> Visit {
    origin.forget_requests();
    let browser = Browser::open(origin, PAGE);
    let start = Instant::now();
    loop {
        let requests = origin.requests();
        let widths = requests.iter().find_map(measured);
        let is_late = start.elapsed() > PATIENCE;
        if let Some(widths) = widths
            && (is_late || is_done(&requests))
        {
            drop(browser);
            return Visit { requests: origin.requests(), widths };
        }
        assert!(!is_late, "the page did not measure itself: {requests:#?}");
        sleep(Duration::from_millis(20));
    }
}

fn measured(request: &Request) -> Option<Vec<(String, u32)>> {
    let json = request.target.strip_prefix("/measured?")?;
    let json = percent_decode_str(json).decode_utf8().expect("it was encoded by the script");
    Some(serde_json::from_str(&json).expect("it was written by the script"))
}

fn is_page(request: &Request) -> bool {
    request.host == "page.example"
}

/// The names of what was asked for where the documents said at first, by way of a proxy or not.
fn remote_images(requests: &[Request]) -> BTreeSet<String> {
    let hosts = ["shown.example", "spare.example", "sprite.example"];
    requests
        .iter()
        .filter(|request| !request.target.starts_with("/measured?"))
        .flat_map(|request| hosts.into_iter().flat_map(|host| names(&request.url, host)))
        .collect()
}

/// The paths of what was asked for in the store.
fn local_images(requests: &[Request]) -> BTreeSet<String> {
    let targets = requests.iter().filter(|request| is_page(request)).map(|request| &request.target);
    targets.filter(|target| target.starts_with("/cache/")).cloned().collect()
}

/// A headless Chromium that reaches every host at the origin; it ends when dropped.
struct Browser {
    process: Child,
    _profile: TempDir,
}

impl Browser {
    fn open(origin: &Origin, url: &str) -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder can be made");
        let mut names: Vec<_> = ITS_OWN.iter().map(|site| format!("MAP *.{site} ^NOTFOUND")).collect();
        names.push(format!("MAP * {}", origin.address()));
        let process = Command::new("chromium")
            // root may not use the sandbox
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-breakpad", "--no-first-run"])
            .args(["--no-proxy-server", "--ignore-certificate-errors"])
            // the page stays on http, where images may be, too
            .arg("--disable-features=HttpsUpgrades")
            .args(["--force-device-scale-factor=1", "--window-size=1200,3000"])
            .arg(format!("--host-resolver-rules={}", names.join(",")))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            // what it keeps elsewhere goes with the profile
            .envs(["HOME", "TMPDIR"].map(|name| (name, profile.path())))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("its version was asked for just now");
        Self { process, _profile: profile }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // its helpers are in its group
        let group = Pid::from_child(&self.process);
        kill_process_group(group, Signal::KILL).ok();
        self.process.wait().ok();
    }
}
