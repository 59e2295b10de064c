//! Documents, addresses and servers that are full of markup: on every page it is text, and no element or attribute is there
//! that the templates do not have.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use scraper::{Html, Selector};
use serde_json::json;

use super::strings::SCRIPTS;
use crate::api::client::Daemon;
use crate::support::origin::{Answer, Origin};
use crate::support::rounds::rounds;
use crate::support::{Test, picture};

/// Elements and attributes that a template, or what it is filled with, may have.
pub(super) struct Known {
    elements: BTreeSet<String>,
    attributes: BTreeSet<String>,
}

impl Known {
    /// Of the templates of this checkout.
    pub(super) fn read() -> Self {
        let mut text = String::new();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("it is there") {
                let path = entry.expect("it can be read").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    text.push_str(&fs::read_to_string(path).expect("it is text"));
                }
            }
        }
        let is_name = |char: &char| char.is_ascii_alphanumeric() || *char == '-';
        let elements =
            text.split('<').skip(1).map(|rest| rest.chars().take_while(is_name).collect::<String>());
        let before = |text: &str| {
            text.chars().rev().take_while(is_name).collect::<Vec<_>>().into_iter().rev().collect()
        };
        let mut attributes: BTreeSet<String> = text.split("=\"").map(before).collect();
        // Those without a value, and of times.
        let bare = [
            "alt",
            "autofocus",
            "defer",
            "download",
            "hidden",
            "open",
            "required",
            "selected",
            "datetime",
            "title",
        ];
        attributes.extend(bare.map(str::to_owned));
        let mut elements: BTreeSet<String> = elements.collect();
        elements.extend(["time", "tbody"].map(str::to_owned));
        attributes.remove("");
        elements.remove("");
        assert!(elements.len() > 30 && !elements.contains("iframe") && !attributes.contains("style"));
        assert!(!attributes.iter().any(|name| name.starts_with("on")), "{attributes:?}");
        Self { elements, attributes }
    }

    /// Panics when a page has anything else.
    pub(super) fn check(&self, what: &str, html: &str) {
        let page = Html::parse_document(html);
        let all = Selector::parse("*").expect("it is a selector");
        let mut scripts = 0;
        for element in page.select(&all) {
            let (name, value) = (element.value().name(), element.value());
            assert!(self.elements.contains(name), "{what}: <{name}> in {html}");
            for (attribute, text) in value.attrs() {
                assert!(self.attributes.contains(attribute), "{what}: <{name} {attribute}={text:?}>");
                assert!(!attribute.starts_with("on"), "{what}: <{name} {attribute}={text:?}>");
                if ["href", "src", "action", "srcset", "data-events"].contains(&attribute) {
                    let is_ours = text.starts_with('/') && !text.starts_with("//");
                    let leads_out = name == "a"
                        && attribute == "href"
                        && (text.starts_with("http://") || text.starts_with("https://"))
                        && value.attr("rel").is_some_and(|rel| rel.contains("noreferrer"));
                    assert!(is_ours || leads_out || text == "#main", "{what}: <{name} {attribute}={text:?}>");
                }
            }
            match name {
                "script" => {
                    scripts += 1;
                    assert!(
                        value.attr("src").is_some_and(|src| src.starts_with("/assets/script-")),
                        "{what}"
                    );
                    assert_eq!(element.text().collect::<String>(), "", "{what}");
                }
                "link" => {
                    assert!(value.attr("href").is_some_and(|href| href.starts_with("/assets/")), "{what}");
                }
                "meta" => {
                    let refresh = value.attr("http-equiv").map(|_| value.attr("content"));
                    assert!(refresh.is_none_or(|content| content == Some("2")), "{what}");
                }
                _ => {}
            }
        }
        assert!(scripts <= 1, "{what}: {scripts} scripts");
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A daemon over documents whose names, texts and addresses hold all of the scripts, and servers that say them, too.
pub(super) fn scene(origin: &Origin) -> Daemon {
    let mut test = Test::new().origin(origin).set("fetch.sources", "[\"origin\"]").set("fetch.retries", "0");
    let mut folders = Vec::new();
    for (number, script) in SCRIPTS.iter().enumerate() {
        let good =
            format!("http://c{number}.example/{number}?{}", script.replace(['\t', '\u{0b}', '\u{0c}'], ""));
        let bytes = if number % 9 == 0 {
            let title = script.replace('&', "&amp;").replace('<', "&lt;");
            format!(
                "<svg xmlns='http://www.w3.org/2000/svg' width='40' height='40'><title>{title}</title></svg>"
            )
            .into_bytes()
        } else {
            picture::png(number as u64)
        };
        let header: String = script.chars().filter(|char| ('\u{20}'..'\u{7f}').contains(char)).collect();
        origin.answer(
            &good,
            Answer::image(bytes)
                .header("ETag", &format!("\"{}\"", header.replace('"', "")))
                .header("Last-Modified", &header)
                .header("Content-Type", &header),
        );
        let bad =
            format!("http://gone.example/{number}/{script}#{script}").replace(['\t', '\u{0b}', '\u{0c}'], "");
        let answer = match number % 5 {
            0 => Answer::status(404),
            1 => Answer::html(script),
            2 => Answer::redirect(&format!("http://{script}/")),
            3 => Answer::redirect(&format!("javascript:{header}")),
            _ => Answer::verbatim(format!("HTTP/1.1 {header}\r\n\r\n")),
        };
        origin.answer(&bad, answer);
        let escape = |text: &str| text.replace('&', "&amp;").replace('"', "&quot;");
        let text = format!(
            "---\ntitle: '{0}'\ncover: '{1}'\n---\n{0}\n<img alt=\"{2}\" src=\"{3}\"> {0} <img src=\"{4}\" alt='{0}'>\n\n{0}\n",
            script.replace('\'', "''"),
            good.replace('\'', "''"),
            escape(script),
            escape(&good),
            escape(&bad),
        );
        // A slash parts folders.
        let name = script.replace('/', "\u{2215}");
        let folder = format!("posts/{}", &name.chars().take(40).collect::<String>());
        test = test.document(&format!("{folder}/{name}.md"), text);
        folders.push(folder);
    }
    let path = |folder: &String| format!("{:?}", test.path(folder).to_str().expect("it is UTF-8"));
    let allowed: Vec<String> = folders.iter().take(6).map(path).collect();
    let test = test
        .set(
            "daemon.watch",
            &format!("[{}]", allowed.join(", ")).replace("\\u{b}", "\\u000b").replace("\\u{c}", "\\u000c"),
        )
        .set("daemon.allow", "[\"posts\"]");
    let outcome = test.run("archive posts --no-rewrite").expect_code(3);
    assert!(!outcome.stdout.is_empty());
    let daemon = Daemon::start(test);
    daemon.ended(&daemon.archive_posts());
    for folder in folders.iter().take(4) {
        let reply = daemon.order("POST /api/v1/runs", &json!({ "paths": [daemon.test.path(folder)] }));
        assert_eq!(reply.status, 202, "{reply:?}");
        daemon.ended(reply.field("location").expect("it says where the run is"));
    }
    daemon
}

/// The links of a page that lead to others of ours.
fn links(html: &str) -> Vec<String> {
    let page = Html::parse_document(html);
    let all = Selector::parse("a[href]").expect("it is a selector");
    let hrefs = page.select(&all).filter_map(|element| element.value().attr("href"));
    hrefs.filter(|href| href.starts_with('/') && !href.starts_with("/images/")).map(str::to_owned).collect()
}

/// Every page that links lead to from the first on.
pub(super) fn crawl(
    daemon: &Daemon,
    fields: &[&str],
    is_wanted: impl Fn(&str) -> bool,
    mut see: impl FnMut(&str, &str),
) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut wanted = vec!["/".to_owned(), "/sign-in".to_owned()];
    while let Some(target) = wanted.pop() {
        if !seen.insert(target.clone()) {
            continue;
        }
        let reply = daemon.ask(&format!("GET {target}"), fields, "");
        assert_eq!(reply.status, 200, "{target}");
        let html = String::from_utf8(reply.body).expect("pages are UTF-8");
        see(&target, &html);
        wanted.extend(links(&html).into_iter().filter(|link| !seen.contains(link) && is_wanted(link)));
    }
    seen
}

#[test]
fn markup_of_strangers_is_text_on_every_page() {
    let origin = Origin::start();
    let daemon = scene(&origin);
    let known = Known::read();
    let mut shown: BTreeSet<&str> = BTreeSet::new();
    let bearer = format!("Authorization: Bearer {}", daemon.token());
    let mut pages = 0;
    // Who may change something has more on a page, and none that is made of what strangers say but on these.
    let most = |target: &str| !target.starts_with("/document?") && !target.starts_with("/image/");
    for fields in [&[][..], &[bearer.as_str()]] {
        let is_wanted = |target: &str| fields.is_empty() || most(target);
        pages += crawl(&daemon, fields, is_wanted, |target, html| {
            known.check(target, html);
            let text: String = Html::parse_document(html).root_element().text().collect();
            shown.extend(SCRIPTS.iter().filter(|script| text.contains(**script)));
        })
        .len();
    }
    // They are there to be read, as what they are. Those with controls are spelled out.
    assert!(shown.len() > 50, "{} are shown: {shown:?}", shown.len());
    assert!(pages > 150, "{pages}");
    // What a link or a form may bring.
    let mut asked = 0;
    // Without rounds every third.
    for script in SCRIPTS.iter().step_by(if rounds(1) > 1 { 1 } else { 3 }) {
        let value = encoded(script);
        for target in [
            format!("/images?find={value}"),
            format!("/images?host={value}"),
            format!("/images?document={value}"),
            format!("/images?type={value}&since={value}&until={value}&older={value}&newer={value}"),
            format!("/image/{value}"),
            format!("/document?path={value}"),
            format!("/document?path=/{value}/{value}"),
            format!("/documents?after={value}"),
            format!("/failures?reason={value}"),
            format!("/failures?origin={value}"),
            format!("/failures?origin=http://x.example/{value}"),
            format!("/failures?reason=http_404&after={value}"),
            format!("/runs/{value}"),
            format!("/sign-in?{value}={value}"),
            format!("/thumbnails/{value}/320"),
            format!("/assets/{value}"),
            format!("/none/{value}"),
        ] {
            let reply = daemon.ask(&format!("GET {target}"), &[], "");
            let html = String::from_utf8_lossy(&reply.body);
            match reply.field("content-type") {
                Some(kind) if kind.starts_with("text/html") => known.check(&target, &html),
                kind => {
                    assert!(!html.contains("xss"), "{target}: {kind:?} {html}");
                }
            }
            asked += 1;
        }
        // What is told to programs is no page, whatever it holds.
        for target in [
            format!("/api/v1/explain?image={value}"),
            format!("/api/v1/images/{value}"),
            format!("/api/v1/runs/{value}"),
        ] {
            let reply = daemon.ask(&format!("GET {target}"), &[], "");
            let kind = reply.field("content-type").expect("it has a type");
            assert!(kind == "application/json" || kind == "application/problem+json", "{target}: {kind}");
            assert_eq!(reply.field("x-content-type-options"), Some("nosniff"), "{target}");
            asked += 1;
        }
    }
    println!(
        "web face: {} strings of script in names, texts, addresses and answers of servers: text on {pages} pages and in \
         {asked} answers",
        SCRIPTS.len()
    );
}
