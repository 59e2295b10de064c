//! Every state of HTML's tokenizer (section 13.2.5) meets every kind of byte, and a tag comes after: what is
//! found must be what a browser's DOM shows, with exact spans.
//!
//! The classes of inputs are those of the html5lib tokenizer tests, here as products of small parts.

use imgkeep::document::DocumentKind;
use imgkeep::document::decoded::is_fetchable;
use imgkeep::document::extract::{self, Rules};
use imgkeep::document::reference::ReferenceKind;
use scraper::{Html, Selector};

/// Texts after which the tokenizer is in a state of its own.
const STATES: [&str; 78] = [
    "",
    "<",
    "</",
    "<i",
    "<img",
    "</img",
    "<img ",
    "<img src",
    "<img src ",
    "<img src=",
    "<img src= ",
    "<img src=\"",
    "<img src='",
    "<img src=a",
    "<img src=\"a\"",
    "<img src='a'",
    "<img src='a' ",
    "<img src='a' x",
    "<img src='a' x ",
    "<img src='a' x=",
    "<img src='a' x=\"",
    "<img /",
    "<img src=a /",
    "<img src=a/",
    "<!",
    "<!x",
    "<?",
    "</ ",
    "</>",
    "<!-",
    "<!--",
    "<!---",
    "<!--x",
    "<!--x<",
    "<!--x<!",
    "<!--x<!-",
    "<!--x<!--",
    "<!--x-",
    "<!--x--",
    "<!--x--!",
    "<!d",
    "<!DOCTYPE",
    "<!DOCTYPE ",
    "<!DOCTYPE a",
    "<!DOCTYPE a ",
    "<!DOCTYPE a PUBLIC",
    "<!DOCTYPE a PUBLIC ",
    "<!DOCTYPE a PUBLIC \"",
    "<!DOCTYPE a PUBLIC '",
    "<!DOCTYPE a PUBLIC 'x'",
    "<!DOCTYPE a PUBLIC 'x' '",
    "<!DOCTYPE a SYSTEM \"",
    "<!DOCTYPE a SYSTEM 'x' x",
    "<![CDATA",
    "<![CDATA[",
    "<svg><![CDATA[",
    "<svg><![CDATA[x]",
    "<svg><![CDATA[x]]",
    "<title>",
    "<title>x<",
    "<title>x</",
    "<title>x</title",
    "<textarea>x</textarea ",
    "<style>",
    "<style>x</style/",
    "<script>",
    "<script>x<",
    "<script>x</script",
    "<script><!",
    "<script><!-",
    "<script><!--",
    "<script><!--x-",
    "<script><!--x--",
    "<script><!--x<script",
    "<script><!--x<script>",
    "<script><!--x<script>-",
    "<script><!--x<script></script",
    "<plaintext>",
];

/// What may come next: each class of bytes that the states tell apart.
const NEXT: [&str; 42] = [
    "",
    ">",
    "/",
    "/>",
    " ",
    "\t",
    "\n",
    "\x0c",
    "\r\n",
    "\r",
    "=",
    "\"",
    "'",
    "`",
    "<",
    "-",
    "--",
    "-->",
    "--!>",
    "!",
    "?",
    "]",
    "]]>",
    "x",
    "X",
    "\0",
    "&",
    "&amp;",
    "&#x62;",
    "&lt",
    "&#0;",
    "&notit;",
    "&noti",
    "é",
    "图",
    "\u{feff}",
    "script>",
    "</script>",
    "<script>",
    "</title>",
    "</style>",
    "src=b",
];

/// What is behind, in which a browser may see an image.
const BEHIND: [&str; 4] = [
    "<img src=c.png>",
    " src=d.png><img src='e f'>",
    "\"'--></title></textarea></style></script><img src=\"g&amp;h\">",
    "]]><p x='>'/><img/src=i>",
];

fn check(html: &str, images: &Selector) {
    let found = extract::find(html.as_bytes(), DocumentKind::Html, &Rules::default()).references;
    let mut end = 0;
    for reference in &found {
        assert!(end <= reference.span.start(), "{html:?}");
        end = reference.span.end();
        let raw = &html[reference.span.range()];
        assert_eq!(raw, raw.trim_matches([' ', '\t', '\n', '\r', '\x0c']), "{html:?}");
        if !raw.contains(['&', '\\', '\0', '\t', '\n', '\r']) {
            assert_eq!(raw, reference.url, "{html:?}");
        }
        assert_eq!(reference.kind, ReferenceKind::HtmlAttribute);
    }
    let mut found: Vec<_> = found.into_iter().map(|reference| reference.url).collect();
    let page = Html::parse_document(html);
    let shown = page.select(images).filter_map(|image| image.attr("src"));
    let trimmed = shown.map(|url| url.trim_matches(|char| char <= ' ').replace(['\t', '\n', '\r'], ""));
    let mut shown: Vec<_> = trimmed.filter(|url| is_fetchable(url)).collect();
    found.sort();
    shown.sort();
    assert_eq!(found, shown, "{html:?}");
}

#[test]
fn every_state_meets_every_byte() {
    let images = Selector::parse("img").unwrap();
    for state in STATES {
        for next in NEXT {
            check(&format!("{state}{next}"), &images);
            for behind in BEHIND {
                check(&format!("{state}{next}{behind}"), &images);
            }
        }
    }
}
