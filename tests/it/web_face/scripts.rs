//! A real browser before all of it: no script of a stranger runs, on a page of the gallery or in an image.

use std::thread::sleep;
use std::time::{Duration, Instant};

use imgkeep::digest::Digest;

use super::markup;
use crate::gallery::browser::Browser;
use crate::serve::client::Server;
use crate::support::origin::{Answer, Origin};
use crate::support::rounds::rounds;
use crate::support::{Test, picture};

/// Not every image runs something in every browser: so long is waited for one that does.
const LULL: Duration = Duration::from_secs(3);

/// A place that only a script, or what a script would make, asks for.
fn canary(origin: &Origin) -> String {
    format!("http://{}/ran", origin.address())
}

/// How often it was asked for.
fn ran(origin: &Origin) -> usize {
    origin.requests().iter().filter(|request| request.target.starts_with("/ran")).count()
}

/// Images that would run something, each with its name. `call` is a script.
fn images(origin: &Origin) -> Vec<(String, Vec<u8>)> {
    let place = canary(origin);
    let call = format!(
        "document.documentElement.setAttribute('data-ran','1');new Image().src='{place}';fetch('{place}',{{mode:'no-cors'}});location='{place}'"
    );
    let attribute = call.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let svg = |inner: &str, more: &str| {
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"40\" height=\"40\" {more}>{inner}<rect width=\"9\" height=\"9\"/></svg>").into_bytes()
    };
    let mut all: Vec<(String, Vec<u8>)> = [
        ("script", svg(&format!("<script>{call}</script>"), "")),
        ("cdata", svg(&format!("<script><![CDATA[{call}]]></script>"), "")),
        ("onload", svg("", &format!("onload=\"{attribute}\""))),
        ("animate", svg(&format!("<animate attributeName=\"x\" dur=\"1ms\" onbegin=\"{attribute}\" onend=\"{attribute}\"/>"), "")),
        ("foreign", svg(&format!("<foreignObject width=\"9\" height=\"9\"><body xmlns=\"http://www.w3.org/1999/xhtml\" onload=\"{attribute}\"><script>{call}</script><img src=\"x\" onerror=\"{attribute}\"/><iframe srcdoc=\"&lt;script>{attribute}&lt;/script>\"/></body></foreignObject>"), "")),
        ("remote", svg(&format!("<image href=\"{place}.png\" width=\"9\" height=\"9\"/><use href=\"{place}.svg#x\"/><style>@import url({place}.css);*{{background:url({place}.gif)}}</style><script href=\"{place}.js\"/>"), "")),
        ("link", svg(&format!("<a href=\"javascript:{attribute}\"><rect width=\"40\" height=\"40\"/></a>"), "")),
        ("data", svg(&format!("<use href=\"data:image/svg+xml,&lt;svg id='x' xmlns='http://www.w3.org/2000/svg' onload='{attribute}'/>#x\"/>"), "")),
        ("refresh", svg(&format!("<meta xmlns=\"http://www.w3.org/1999/xhtml\" http-equiv=\"refresh\" content=\"0;url={place}\"/>"), "")),
        ("sheet", [format!("<?xml version=\"1.0\"?><?xml-stylesheet href=\"{place}.xsl\" type=\"text/xsl\"?>").into_bytes(), svg("", "")].concat()),
    ]
    .map(|(name, bytes)| (format!("{name}.svg"), bytes))
    .into();
    // A page or a script behind an image, and one within.
    let page =
        format!("<html><body><script>{call}</script><img src=x onerror=\"{attribute}\"></body></html>");
    for (name, bytes) in [
        ("p.png", picture::png(7)),
        ("p.jpg", picture::jpeg(7)),
        ("p.gif", picture::gif(7)),
        ("p.webp", picture::webp(7)),
    ] {
        let mut behind = bytes.clone();
        behind.extend(page.as_bytes());
        all.push((format!("behind-{name}"), behind));
    }
    let mut gif = picture::gif(8);
    gif.pop();
    // A comment of a GIF, in parts of 255 bytes at the most, before its end.
    gif.extend([0x21, 0xfe]);
    for part in page.as_bytes().chunks(255) {
        gif.push(u8::try_from(part.len()).expect("it is short"));
        gif.extend(part);
    }
    gif.extend([0, 0x3b]);
    all.push(("comment.gif".to_owned(), gif));
    let mut jpeg = picture::jpeg(8);
    let length = u16::try_from(page.len() + 2).expect("it is short").to_be_bytes();
    jpeg.splice(2..2, [&[0xff, 0xfe][..], &length, page.as_bytes()].concat());
    all.push(("comment.jpg".to_owned(), jpeg));
    all
}

#[test]
fn no_script_of_a_stranger_runs_on_a_page() {
    let Some(browser) = Browser::start() else { return };
    let origin = Origin::start();
    let daemon = markup::scene(&origin);
    let mut pages = markup::crawl(&daemon, &[], |_| true, |_, _| ());
    // Of pages that are all alike a few are enough.
    for start in ["/document?", "/image/", "/images?", "/failures?", "/runs/"] {
        let alike: Vec<String> = pages.iter().filter(|page| page.starts_with(start)).cloned().collect();
        let step = alike.len().div_ceil(rounds(6) as usize).max(1);
        for (at, page) in alike.iter().enumerate() {
            if at % step != 0 {
                pages.remove(page);
            }
        }
    }
    for script in super::strings::SCRIPTS.iter().step_by(8) {
        let value = percent_encoding::utf8_percent_encode(script, percent_encoding::NON_ALPHANUMERIC);
        pages.insert(format!("/images?find={value}"));
    }
    browser.complaints();
    browser.requests();
    let home = format!("http://{}", daemon.address);
    for page in &pages {
        browser.open(&format!("{home}{page}"));
        let counted = "return window.xss === undefined && document.querySelector('[data-ran]') === null";
        browser.wait(counted);
    }
    // What a page would not have done by its policy is told as well: there was nothing.
    let complaints: Vec<String> =
        browser.complaints().into_iter().filter(|line| !line.contains("[DOM] Password forms")).collect();
    assert_eq!(complaints, Vec::<String>::new());
    let asked = browser.requests();
    let elsewhere: Vec<_> = asked.iter().filter(|url| !url.starts_with(&home)).collect();
    assert_eq!(elsewhere, Vec::<&String>::new());
    println!(
        "web face: Chromium on {} pages full of script: 0 ran, 0 complaints, {} requests, all to us",
        pages.len(),
        asked.len()
    );
}

#[test]
fn no_script_in_an_image_runs() {
    let Some(browser) = Browser::start() else { return };
    let origin = Origin::start();
    let images = images(&origin);
    let mut post = String::new();
    for (name, bytes) in &images {
        origin.image(&format!("http://cdn.example/{name}"), bytes.clone());
        post.push_str(&format!("![](http://cdn.example/{name})\n"));
        // The same from a server that has no policy, to see that the browser would run it.
        let kind = if name.ends_with(".svg") { "image/svg+xml" } else { "text/html" };
        let plain = format!("http://{}/plain/{name}", origin.address());
        origin.answer(&plain, Answer::image(bytes.clone()).header("Content-Type", kind));
    }
    let test = Test::new().origin(&origin).set("fetch.sources", "[\"origin\"]").document("a.md", post);
    test.run("archive a.md");
    let kept = test.blobs();
    let server = Server::start(test, "serve");
    let address = origin.address();
    let (mut opened, mut host) = (0, "<!doctype html><title>host</title>".to_owned());
    let mut urls = Vec::new();
    for (name, bytes) in &images {
        let Some(file) = kept.get(&Digest::of(bytes)) else { continue };
        let file = file.file_name().and_then(|name| name.to_str()).expect("it is hex");
        let image = format!("http://{}/images/{}/{file}", server.address, &file[..2]);
        let proxied = format!("http://{}/?http://cdn.example/{name}", server.address);
        host.push_str(&format!(
            "<img src='{image}'><object data='{image}'></object><object data='{image}' type='image/svg+xml'></object>\
             <iframe src='{image}'></iframe><iframe src='{proxied}'></iframe><embed src='{image}'>\
             <embed src='{image}' type='text/html'><script src='{image}'></script><script type=module src='{image}'></script>\
             <link rel=stylesheet href='{image}'><svg><use href='{image}#x'/><image href='{image}'/></svg>\n"
        ));
        urls.extend([image, proxied]);
    }
    // A page of somebody who wants the images to run.
    origin.answer(&format!("http://{address}/host"), Answer::html(&host));
    urls.push(format!("http://{address}/host"));
    for url in &urls {
        browser.open(url);
        opened += 1;
        let left = "return document.documentElement.hasAttribute('data-ran') || location.pathname === '/ran'";
        assert_eq!(browser.run(left), serde_json::json!(false), "{url} ran");
    }
    // The canary sings where nothing holds it back; by then all that was asked for before has come.
    let mut without = 0;
    for (name, _) in &images {
        let before = ran(&origin);
        if without == 0 {
            assert_eq!(before, 0, "something ran");
        }
        browser.open(&format!("http://{address}/plain/{name}"));
        let start = Instant::now();
        let expected = !["link.svg", "refresh.svg", "data.svg"].contains(&name.as_str());
        while expected && ran(&origin) == before && start.elapsed() < LULL {
            sleep(Duration::from_millis(20));
        }
        without += usize::from(ran(&origin) > before);
    }
    assert!(without >= 8, "{without}");
    assert!(kept.len() >= 10, "{} of {} were kept", kept.len(), images.len());
    println!(
        "web face: Chromium before {} images with script, {opened} times, and in {} elements: 0 ran; {without} of them do elsewhere",
        kept.len(),
        kept.len() * 12
    );
}
