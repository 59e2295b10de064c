//! What the DOM of a page shows is found, on the pages of the corpus.

use std::collections::BTreeSet;

use imgkeep::document::extract::srcset;
use scraper::{Html, Selector};

use super::{check_spans, cleaned, find, pages};

/// Attributes in which scripts look for the image of an `img`.
const LAZY: [&str; 16] = [
    "data-src",
    "data-original",
    "data-original-src",
    "data-lazy-src",
    "data-lazy",
    "data-actualsrc",
    "data-actual-url",
    "data-echo",
    "data-bg",
    "data-background",
    "data-background-image",
    "data-hi-res-src",
    "data-large-file",
    "data-medium-file",
    "data-orig-file",
    "data-croporisrc",
];

/// What the DOM of a page of the corpus holds and is not found: the page's name ends so, the URL, and why.
const EXPLAINED: [(&str, &str, &str); 0] = [];

/// The image URLs that the DOM of `html` holds, those for browsers without scripts included.
fn dom_images(html: &str) -> BTreeSet<String> {
    let attributes = [
        ("img", "src"),
        ("img", "lowsrc"),
        ("input[type=image i]", "src"),
        ("video", "poster"),
        ("link[rel~=icon i]", "href"),
        ("link[rel~='apple-touch-icon' i]", "href"),
        ("link[rel~='apple-touch-icon-precomposed' i]", "href"),
        ("link[rel~='mask-icon' i]", "href"),
        ("link[rel~='image_src' i]", "href"),
        ("link[rel~=preload i][as=image i]", "href"),
        ("meta[property='og:image' i]", "content"),
        ("meta[property='og:image:url' i]", "content"),
        ("meta[property='og:image:secure_url' i]", "content"),
        ("meta[name='twitter:image' i], meta[property='twitter:image' i]", "content"),
        ("meta[name='twitter:image:src' i]", "content"),
        ("meta[name='msapplication-tileimage' i]", "content"),
        ("meta[itemprop=image i]", "content"),
        ("meta[name=thumbnail i]", "content"),
        ("body, table, td, th, tr", "background"),
        ("svg image", "href"),
    ];
    let page = Html::parse_document(html);
    let values = |css: &str, name: &str| -> Vec<String> {
        let selector = Selector::parse(css).expect("a selector of ours");
        page.select(&selector).filter_map(|element| element.attr(name)).map(str::to_owned).collect()
    };
    let mut urls = BTreeSet::new();
    for (css, name) in attributes {
        urls.extend(values(css, name).iter().filter_map(|url| cleaned(url)));
    }
    for name in LAZY {
        let one_word =
            |url: &String| url.contains('/') && !url.contains(char::is_whitespace) && !url.contains("url(");
        urls.extend(values("img", name).iter().filter(|url| one_word(url)).filter_map(|url| cleaned(url)));
    }
    for (css, name) in [
        ("img, picture source", "srcset"),
        ("img, picture source", "data-srcset"),
        ("img", "data-lazy-srcset"),
        ("link[rel~=preload i][as=image i]", "imagesrcset"),
    ] {
        for set in values(css, name) {
            urls.extend(srcset::candidates(&set).filter_map(|url| cleaned(&set[url])));
        }
    }
    for style in values("[style]", "style") {
        urls.extend(style_images(&style).into_iter().filter_map(|url| cleaned(&url)));
    }
    let noscript = Selector::parse("noscript").expect("a selector of ours");
    for element in page.select(&noscript) {
        urls.extend(dom_images(&element.text().collect::<String>()));
    }
    urls
}

/// What stands in each `url()` of a `style` attribute, read in the plainest way: no escapes, no comments.
fn style_images(style: &str) -> Vec<String> {
    let is_plain = |text: &&str| !text.contains(['\\', '*', '(']);
    let inside = |text: &str| Some(text.split_once(')')?.0.trim().to_owned());
    let tails = style.split("url(").skip(1).filter_map(inside);
    let unquoted = tails.filter_map(|text| {
        let quote = text.chars().next().filter(|char| matches!(char, '"' | '\''));
        match quote {
            Some(quote) => text.strip_prefix(quote)?.strip_suffix(quote).map(str::to_owned),
            None => (!text.contains(char::is_whitespace)).then_some(text),
        }
    });
    unquoted.filter(|text| is_plain(&text.as_str())).collect()
}

#[test]
fn what_the_dom_holds_is_found() {
    let pages = pages();
    println!("{} pages of the corpus", pages.len());
    for (name, html) in pages {
        let found = find(&html);
        check_spans(&html, &found);
        let urls: BTreeSet<_> = found.references.iter().map(|found| found.url.clone()).collect();
        let explained =
            |url: &String| EXPLAINED.iter().any(|(page, known, _)| name.ends_with(page) && url == known);
        let dom = dom_images(&String::from_utf8_lossy(&html));
        let missed: Vec<_> = dom.difference(&urls).filter(|url| !explained(url)).collect();
        assert!(missed.is_empty(), "{name}: {missed:?}");
        println!("{name}: {} references, {} links", found.references.len(), found.links.len());
    }
}

#[test]
fn images_in_styles() {
    let urls = style_images("background: url(a.png), url( 'b c' ); x: url(\"d\")url(data:x,\\29)");
    assert_eq!(urls, ["a.png", "b c", "d"]);
}

#[test]
fn links_of_the_dom_are_found() {
    let selector = Selector::parse("a[href]").unwrap();
    let pages = pages();
    println!("{} pages of the corpus", pages.len());
    for (name, html) in pages {
        let links: BTreeSet<_> = find(&html).links.into_iter().map(|link| link.url).collect();
        let page = Html::parse_document(&String::from_utf8_lossy(&html));
        for url in page.select(&selector).filter_map(|a| cleaned(a.attr("href").unwrap())) {
            let is_absolute = url.starts_with("http://") || url.starts_with("https://");
            assert!(!is_absolute || links.contains(&url), "{name}: `{url}`");
        }
    }
}
