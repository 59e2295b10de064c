//! A real browser in the gallery: Chromium, led by `chromedriver` (Debian's packages `chromium` and `chromium-driver`)
//! over the WebDriver protocol. Where either is missing, this says so and tries nothing.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use image::ImageFormat;
use imgkeep::digest::Digest;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::serve::client::{self, Server};
use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

/// What takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(90);

/// A browser that is led.
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// `None` where there is none. Names of hosts lead nowhere.
    pub(crate) fn start() -> Option<Self> {
        let is_there = |program: &str| Command::new(program).arg("--version").output().is_ok();
        if !is_there("chromium") || !is_there("chromedriver") {
            println!("not tried: there is no chromium, or no chromedriver");
            return None;
        }
        let profile = tempfile::tempdir().expect("a temporary folder can be made");
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .envs(["HOME", "TMPDIR"].map(|name| (name, profile.path())))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("its version was asked for just now");
        let mut said = BufReader::new(driver.stdout.take().expect("it is piped")).lines();
        let port = said.by_ref().map_while(Result::ok).find_map(|line| {
            line.split_once("successfully on port ")?.1.trim_end_matches('.').parse::<u16>().ok()
        });
        std::thread::spawn(move || said.for_each(drop));
        let address = SocketAddr::from(([127, 0, 0, 1], port.expect("it says where it listens")));
        let arguments = [
            // root may not use the sandbox
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-breakpad",
            "--no-first-run",
            "--no-proxy-server",
            "--host-resolver-rules=MAP * ^NOTFOUND, EXCLUDE 127.0.0.1",
            "--window-size=1200,900",
            &format!("--user-data-dir={}", profile.path().display()),
        ]
        .map(str::to_owned);
        let options = json!({ "binary": "/usr/bin/chromium", "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": { "performance": "ALL", "browser": "ALL" },
        } } });
        let mut browser = Self { driver, address, session: String::new(), _profile: profile };
        let session = browser.call("POST", "/session", &wanted);
        session["sessionId"].as_str().expect("it has a name").clone_into(&mut browser.session);
        Some(browser)
    }

    /// A command of the protocol, and its value.
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        let reply = client::on(&mut stream, request.as_bytes());
        let value: Value = serde_json::from_slice(&reply.body).expect("it answers in JSON");
        assert_eq!(reply.status, 200, "{path}: {value}");
        value["value"].clone()
    }

    fn command(&self, name: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}/{name}", self.session), body)
    }

    pub(crate) fn open(&self, url: &str) {
        self.command("url", &json!({ "url": url }));
    }

    pub(crate) fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until a script says something that is true.
    pub(crate) fn wait(&self, script: &str) {
        let start = Instant::now();
        while self.run(script) != json!(true) {
            assert!(
                start.elapsed() < PATIENCE,
                "never: {script}\n{}",
                self.run("return document.body.innerHTML")
            );
            sleep(Duration::from_millis(50));
        }
    }

    fn element(&self, selector: &str) -> String {
        let found = self.command("element", &json!({ "using": "css selector", "value": selector }));
        let id = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str);
        id.expect("an element has an id").to_owned()
    }

    fn click(&self, selector: &str) {
        let id = self.element(selector);
        self.command(&format!("element/{id}/click"), &json!({}));
    }

    fn write(&self, selector: &str, text: &str) {
        let id = self.element(selector);
        self.command(&format!("element/{id}/value"), &json!({ "text": text }));
    }

    /// Waits until every image of the page is shown.
    fn wait_for_images(&self, count: usize) {
        self.run(
            "document.querySelectorAll('img').forEach(image => { image.loading = 'eager'; }); return true",
        );
        self.wait(&format!(
            "const all = [...document.images]; \
             return all.length === {count} && all.every(image => image.complete && image.naturalWidth > 0)"
        ));
    }

    /// The URLs that were asked for since the last call, but those of the browser's own pages.
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = self.command("se/log", &json!({ "type": "performance" }));
        let entries = log.as_array().expect("it is a list").iter().filter_map(|entry| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &message["message"];
            (message["method"] == "Network.requestWillBeSent")
                .then(|| message["params"]["request"]["url"].as_str().map(str::to_owned))?
        });
        entries.filter(|url| !url.starts_with("chrome") && !url.starts_with("data:")).collect()
    }

    /// What the pages did against their policy, or did wrong.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.command("se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().expect("it is a list").iter();
        entries.filter_map(|entry| entry["message"].as_str().map(str::to_owned)).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium is in its group.
        let group = Pid::from_child(&self.driver);
        kill_process_group(group, Signal::KILL).ok();
        self.driver.wait().ok();
    }
}

/// Five images of two hosts and two types, and one that is gone.
fn posts(origin: &Origin) -> Test {
    let mut post = "---\ntitle: 海港\n---\n".to_owned();
    for n in 0..5 {
        let url = format!("http://{}.example/{n}.png", if n < 3 { "a" } else { "b" });
        origin.image(&url, picture::sized(ImageFormat::Png, n, 700, 400));
        post.push_str(&format!("![]({url})\n"));
    }
    let html = "<!doctype html><title>x</title><img src=http://a.example/1.png><img src=http://b.example/icon.gif>\n";
    origin.image("http://b.example/icon.gif", picture::gif(1));
    origin.answer("http://a.example/gone.png", Answer::status(404));
    post.push_str("![](http://a.example/gone.png)\n");
    Test::new()
        .origin(origin)
        .set("fetch.sources", "[\"origin\"]")
        .document("posts/海港.md", post)
        .document("posts/page.html", html)
}

#[test]
fn a_browser_goes_through_the_gallery_and_an_archived_page() {
    let Some(browser) = Browser::start() else { return };
    let origin = Origin::start();
    let test = posts(&origin);
    test.run("archive posts").expect_code(3);
    let server = Server::start(test, "serve");
    let home = format!("http://{}/", server.address);
    let is_at =
        |path: &str| browser.wait(&format!("return (location.pathname + location.search) === '{path}'"));

    browser.open(&home);
    // Six images and the icon.
    browser.wait_for_images(7);
    browser.click("nav a[href='/images']");
    is_at("/images");
    browser.wait_for_images(7);

    // A choice counts at once.
    browser.click("select[name=type] option[value=gif]");
    is_at("/images?type=gif");
    browser.wait_for_images(2);
    browser.click("a.clear");
    is_at("/images");
    browser.write("input[name=host]", "b.example\u{e007}");
    is_at("/images?host=b.example");
    browser.wait_for_images(4);

    // Keys lead to the field, and from image to image.
    browser.run("document.querySelector('.tile').focus(); return true");
    browser.write(".tile", "\u{e014}");
    browser.wait("return document.activeElement === document.querySelectorAll('.tile')[1]");
    browser.write(".tile", "/");
    browser.wait("return document.activeElement.id === 'find'");
    browser.write("#find", "http://a.example/0.png\u{e007}");
    let digest = Digest::of(&picture::sized(ImageFormat::Png, 0, 700, 400)).to_string();
    is_at(&format!("/image/{digest}"));
    browser.wait_for_images(2);
    browser.wait(&format!("return document.getElementById('digest').textContent === '{digest}'"));
    browser.wait("return document.querySelector('[data-copy=digest]').hidden === false");

    browser.click("a.document");
    browser.wait("return document.title.startsWith('海港.md')");
    browser.wait("return document.querySelectorAll('.diff mark').length >= 10");
    browser.click("nav a[href='/failures']");
    is_at("/failures");
    browser.click("details:not(.sign-in) summary");
    browser.wait("return document.querySelector('.attempts').textContent.includes('http_404')");
    browser.wait("return document.querySelector('form[action=\"/retry\"]') === null");

    // Nothing asked anybody else, and no page did what its policy forbids.
    let asked = browser.requests();
    assert!(asked.len() > 20, "{asked:?}");
    assert_eq!(asked.iter().filter(|url| !url.starts_with(&home)).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(browser.complaints(), Vec::<String>::new());

    // An archived page whose links lead to the server.
    server.test.run(&format!("relink posts --link {home}images/")).expect_code(0);
    let page = server.test.path("posts/page.html");
    browser.open(&format!("file://{}", page.display()));
    browser.wait_for_images(2);
    let asked: Vec<String> = browser.requests().into_iter().filter(|url| !url.starts_with("file:")).collect();
    assert!(
        asked.len() >= 2 && asked.iter().all(|url| url.starts_with(&format!("{home}images/"))),
        "{asked:?}"
    );
}

#[test]
fn a_browser_signs_in_asks_again_and_watches_the_run_to_its_end() {
    let Some(browser) = Browser::start() else { return };
    let origin = Origin::start();
    let test = posts(&origin);
    test.run("archive posts").expect_code(3);
    // Not watched, so that nothing but the click asks again.
    let test = test.set("daemon.allow", r#"["posts"]"#);
    let server = Server::start(test, "daemon");
    let token = String::from_utf8(server.test.read("cache/token")).expect("a token is text");
    let home = format!("http://{}/", server.address);
    let found = picture::sized(ImageFormat::Png, 99, 700, 400);
    origin.image("http://a.example/gone.png", found.clone());

    browser.open(&format!("{home}failures"));
    browser.wait("return document.querySelector('form[action=\"/retry\"]') === null");
    browser.click("details.sign-in summary");
    browser.write("#token", token.trim());
    browser.click(".sign-in form button");
    browser.wait("return document.querySelector('form[action=\"/sign-out\"]') !== null");
    browser.open(&format!("{home}failures"));
    browser.click("form[action='/retry'] button");
    browser.wait("return location.pathname.startsWith('/runs/')");
    // The page shows the report by itself once the run is over.
    browser.wait("const state = document.getElementById('state'); return state !== null && state.textContent === 'done'");
    browser.wait("return document.querySelector('[data-events]') === null");
    let digest = Digest::of(&found);
    assert!(server.test.blobs().contains_key(&digest));
    browser.open(&format!("{home}image/{digest}"));
    browser.wait_for_images(2);
    browser.open(&format!("{home}failures"));
    browser.wait("return document.querySelector('.empty') !== null");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let asked = browser.requests();
    assert_eq!(asked.iter().filter(|url| !url.starts_with(&home)).collect::<Vec<_>>(), Vec::<&String>::new());
}
