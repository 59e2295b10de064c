//! SVG that wants to run, to load, or to grow. It is kept as it came, since it is an image, and nothing in it is resolved: what
//! is served is the same bytes under a policy that lets nothing run or load. What asks a reader for too much is refused.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::Rule::{Kept, Refused};
use super::{Row, row, show};

const CANARY: &str = "http://canary.example/x";

fn svg(name: &str, content: &str) -> Row {
    let text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"9\" \
         height=\"9\">{content}</svg>"
    );
    row(name, text, Kept("image/svg+xml")).said_to_be("image/svg+xml").called("i.svg")
}

#[test]
fn what_is_in_an_svg_is_neither_run_nor_asked_for() {
    let plain = |name: &str, text: String, rule| row(name, text, rule).called("i.svg");
    let zipped = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let kept = || Kept("image/svg+xml");
    let laughs: String = (1..30).map(|n| format!("<!ENTITY l{n} \"&l{};&l{};\">", n - 1, n - 1)).collect();
    let many: String = (0..10_001).map(|n| format!(" a{n}=''")).collect();
    let rows = [
        svg("script", "<script>alert(1)</script>"),
        svg("script from elsewhere", &format!("<script href='{CANARY}' xlink:href='{CANARY}'/>")),
        svg("script in CDATA", "<script><![CDATA[alert(1)]]></script>"),
        svg("handlers", "<g onload='alert(1)' onclick='alert(1)'><set onbegin='alert(1)' attributeName='x'/></g>"),
        svg("HTML inside", "<foreignObject><body xmlns='http://www.w3.org/1999/xhtml'><iframe src='javascript:alert(1)'/><script>alert(1)</script></body></foreignObject>"),
        svg("use", &format!("<use href='{CANARY}#a'/><use xlink:href='data:image/svg+xml,&lt;svg/>#a'/>")),
        svg("images", &format!("<image href='{CANARY}'/><feImage href='{CANARY}'/><image xlink:href='http://169.254.169.254/'/>")),
        svg("style", &format!("<style>@import url({CANARY}); * {{ background: url({CANARY}); }} @font-face {{ src: url({CANARY}) }}</style>")),
        svg("links", "<a href='javascript:alert(1)'><animate attributeName='href' to='javascript:alert(1)'/><text>x</text></a>"),
        svg("a form", &format!("<form xmlns='http://www.w3.org/1999/xhtml' action='{CANARY}'><input/></form>")),
        plain("style sheet", format!("<?xml-stylesheet type='text/xsl' href='{CANARY}'?><svg xmlns='http://www.w3.org/2000/svg'/>"), kept()),
        plain("file as an entity", "<!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><svg xmlns='http://www.w3.org/2000/svg'><text>&x;</text></svg>".into(), kept()),
        plain("URL as an entity", format!("<!DOCTYPE svg [<!ENTITY % p SYSTEM '{CANARY}'> %p; <!ENTITY x SYSTEM '{CANARY}'>]><svg xmlns='http://www.w3.org/2000/svg'><text>&x;</text></svg>"), kept()),
        plain("document type from elsewhere", format!("<!DOCTYPE svg SYSTEM '{CANARY}'><svg xmlns='http://www.w3.org/2000/svg'/>"), kept()),
        plain("a billion laughs", format!("<!DOCTYPE svg [<!ENTITY l0 \"ha\">{laughs}]><svg xmlns='http://www.w3.org/2000/svg'><text>&l29;</text></svg>"), Refused("bomb")),
        plain("a megabyte a thousand times", format!("<!DOCTYPE svg [<!ENTITY a '{}'>]><svg><text>{}</text></svg>", "a".repeat(1 << 20), "&a;".repeat(1_000)), Refused("bomb")),
        plain("10,001 attributes", format!("<svg{many}/>"), Refused("bomb")),
        plain("1,001 elements in each other", format!("<svg>{}{}</svg>", "<g>".repeat(1_000), "</g>".repeat(1_000)), Refused("bomb")),
        plain("a tag of 8 MB", format!("<svg xmlns='http://www.w3.org/2000/svg' a='{}'/>", "a".repeat(8 << 20)), kept()),
        plain("an entity of nobody", "<svg>&nobody;</svg>".into(), Refused("damaged")),
        plain("SVG that calls itself HTML", "<!DOCTYPE html><svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".into(), kept()),
        plain("HTML after a comment", "<!--<svg>--><html><svg/></html>".into(), Refused("not_an_image")),
        plain("two roots", "<svg/><script>alert(1)</script>".into(), Refused("damaged")),
        row("gzip of an SVG", zipped(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), Refused("not_an_image")).called("i.svgz"),
        row("gzip of an endless SVG", zipped(&[b"<svg>".as_slice(), &[b' '; 20 << 20]].concat()), Refused("not_an_image")).called("j.svgz"),
    ];
    show("SVG", &rows);
}
