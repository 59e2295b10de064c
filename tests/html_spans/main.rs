//! What is found in HTML, held against other readers of the same bytes: scraper's DOM and lol_html.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use imgkeep::document::DocumentKind;
use imgkeep::document::decoded::is_fetchable;
use imgkeep::document::encoding::Encoding;
use imgkeep::document::extract::{self, Found, Rules};
use imgkeep::document::reference::{Reference, ReferenceKind};
use imgkeep::document::span::Span;
use proptest::prelude::*;
use scraper::{ElementRef, Html, Selector};

mod dom;

/// The saved pages of the corpus by name; none where the corpus is absent.
fn pages() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/pages"));
    let mut pages: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("the folder can be read").path())
        .map(|path| (path.display().to_string(), std::fs::read(&path).expect("a page can be read")))
        .collect();
    pages.sort();
    pages
}

fn find(html: &[u8]) -> Found {
    extract::find(html, DocumentKind::Html, &Rules::default())
}

/// Spans are in order, apart, within the document, and hold no white space at their edges.
fn check_spans(html: &[u8], found: &Found) {
    for list in [&found.references, &found.links] {
        let mut end = 0;
        for Reference { span, url, .. } in list {
            assert!(end <= span.start() && span.end() <= html.len(), "{span:?} after {end}");
            end = span.end();
            let raw = &html[span.range()];
            assert_eq!(raw, raw.trim_ascii());
            assert!(!raw.is_empty() && !url.is_empty());
            let is_plain = std::str::from_utf8(raw).is_ok()
                && !raw.iter().any(|byte| matches!(byte, b'&' | b'\\' | 0 | b'\t' | b'\n' | b'\r'));
            if is_plain {
                assert_eq!(raw, url.as_bytes(), "nothing is written in another way here");
            }
        }
    }
}

/// As a URL parser takes a URL text, if anything is fetched for it.
fn cleaned(url: &str) -> Option<String> {
    let url = url.trim_matches(|char| char <= ' ');
    is_fetchable(url).then(|| url.replace(['\t', '\n', '\r'], ""))
}

/// The URL of what an element shows.
fn shown(element: ElementRef<'_>) -> Option<&str> {
    element.attr(match element.value().name() {
        "img" => "src",
        "video" => "poster",
        _ => "href",
    })
}

/// Where each attribute of each element stands by lol_html, with the names of both; of two attributes with
/// one name the first.
fn lol_html_values(html: &[u8]) -> Vec<(String, String, Range<usize>)> {
    let mut seen = Vec::new();
    let handler = |element: &mut lol_html::html_content::Element<'_, '_>| {
        let mut names = BTreeSet::new();
        for attribute in element.attributes() {
            if let (true, Some(value)) = (names.insert(attribute.name()), attribute.value_source_location()) {
                seen.push((element.tag_name(), attribute.name(), value.bytes()));
            }
        }
        Ok(())
    };
    let settings = lol_html::Settings::new()
        .append_element_content_handler(lol_html::element!("*", handler))
        .with_strict(false);
    let mut rewriter = lol_html::HtmlRewriter::new(settings, |_: &[u8]| {});
    rewriter.write(html).expect("the handler fails on nothing");
    rewriter.end().expect("the handler fails on nothing");
    seen
}

/// The spans of `img src` and `video poster` by lol_html.
fn lol_html_images(html: &[u8]) -> Vec<Range<usize>> {
    // NUL is read as U+FFFD
    let is_edge = |byte: &u8| (1..=b' ').contains(byte);
    let mut images: Vec<_> = lol_html_values(html)
        .into_iter()
        .filter(|(element, name, _)| matches!((&**element, &**name), ("img", "src") | ("video", "poster")))
        .filter_map(|(_, _, value)| {
            let start = value.start + html[value.clone()].iter().take_while(|byte| is_edge(byte)).count();
            let raw = &html[start..value.end];
            let end = value.end - raw.iter().rev().take_while(|byte| is_edge(byte)).count();
            (start < end && is_fetchable(&String::from_utf8_lossy(&html[start..end]))).then_some(start..end)
        })
        .collect();
    images.sort_by_key(|image| image.start);
    images
}

#[test]
fn lol_html_sees_the_same_attributes() {
    let pages = pages();
    println!("{} pages of the corpus", pages.len());
    for (name, html) in pages {
        // to lol_html `noscript` holds text
        let html = String::from_utf8_lossy(&html).replace("noscript", "nxscript").into_bytes();
        let found: Vec<_> = find(&html).references;
        let spans: BTreeSet<_> = found.iter().map(|found| found.span).collect();
        for image in lol_html_images(&html) {
            assert!(spans.contains(&Span::from(image.clone())), "{name}: missed {image:?}");
        }
        let mut values: Vec<_> = lol_html_values(&html).into_iter().map(|(_, _, value)| value).collect();
        values.sort_by_key(|value| value.start);
        let in_attribute =
            |found: &&Reference| !matches!(found.kind, ReferenceKind::CssUrl | ReferenceKind::JsonString);
        for Reference { span, .. } in found.iter().filter(in_attribute) {
            let before = values.partition_point(|value| value.start <= span.start());
            assert!(span.end() <= values[before - 1].end, "{name}: {span:?} is in no attribute");
        }
    }
}

/// Markup to put together at random. No URL stands in it twice in the same way.
const SOUP: [&str; 64] = [
    "<img src=a>",
    "<img src='b",
    "<IMG\tSRC = \"c\" ",
    "<img/src=d/",
    "<img src src=e>",
    "<img alt='>' src=f\n",
    "<video poster=g>",
    "</video>",
    "<video",
    "<p",
    "</p",
    "<p>",
    " src=h",
    " src=",
    "=",
    "=x ",
    " poster='i'",
    ">",
    "/>",
    "/",
    "'",
    "\"",
    " ",
    "\r\n",
    "\0",
    "<",
    "<<",
    "</",
    "</>",
    "<!",
    "<!-",
    "<!--",
    "<!-->",
    "<!--->",
    "--",
    "-->",
    "--!>",
    "!>",
    "<!doctype html>",
    "<?",
    "?>",
    "<![CDATA[",
    "]]>",
    "<script>",
    "<script ",
    "</script>",
    "</script",
    "<style>",
    "</style ",
    "<textarea>",
    "</textarea>",
    "<TITLE>",
    "</title/>",
    "<xmp>",
    "</xmp\n",
    "<iframe>",
    "</iframe>",
    "<noembed>",
    "</noembed>",
    "<div>",
    "</div>",
    "&quot;",
    "\u{e9}",
    "text",
];

/// The same with what stands in other grammars or in foreign content.
const SPICE: [&str; 40] = [
    "<svg>",
    "<svg/>",
    "</svg>",
    "<title>",
    "</title>",
    "<desc>",
    "<foreignObject>",
    "</foreignobject>",
    "<math>",
    "<mi>",
    "</mi>",
    "</math>",
    "<annotation-xml encoding=text/html>",
    "<image href=a.png xlink:href='b.png'>",
    "<use href=a.svg#b />",
    "<picture>",
    "</picture>",
    "<source srcset='a.png 1x, b.png 2x' src=c.png>",
    "<img srcset=\"a.png,&#32;b.png 2x,,\" data-src=' c.png'>",
    "<img srcset='",
    "a.png 1x, ",
    ",",
    "<p style='background:url(a.png)'>",
    "<p style=\"background:url(&quot;a.png&quot;);",
    "content:image-set('a.png' 1x)",
    "<style>p{background:url(a.png)",
    "url(",
    "url('",
    ")",
    "\\",
    "\\75 rl(",
    "{",
    "}",
    ";",
    "/*",
    "*/",
    "<noscript>",
    "</noscript>",
    "<template>",
    "<a href='https://h.example/a.png'>",
];

fn soup(tokens: &'static [&'static str]) -> impl Strategy<Value = String> {
    let more = tokens.len();
    let soup = prop::collection::vec(0..SOUP.len() + more, 0..40).prop_map(move |numbers| {
        numbers
            .into_iter()
            .map(|number| SOUP.get(number).copied().unwrap_or_else(|| tokens[number - SOUP.len()]))
            .collect()
    });
    // With a NUL for every other byte it would be UTF-16.
    soup.prop_filter("bytes", |text: &String| Encoding::of(text.as_bytes()) == Encoding::Bytes)
}

/// Well-nested markup that goes in and out of SVG and MathML.
fn tree() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "text",
        "<image href=a />",
        "<image src=b></image>",
        "<IMG src=c>",
        "<g><circle/></g>",
        "<![CDATA[<img src=d><image href=e />]]>",
        "<style><img src=f></style>",
        "<script><img src=g></script>",
        "<textarea><img src=h></textarea>",
        "<svg/>",
        "<!-- <img src=i> -->",
        "</p>",
    ])
    .prop_map(str::to_owned);
    let elements = prop::sample::select(vec![
        "svg",
        "svg",
        "SVG",
        "math",
        "title",
        "desc",
        "foreignObject",
        "mi",
        "mtext",
        "g",
        "p",
        "div",
        "span",
        "a",
        "annotation-xml",
    ]);
    leaf.prop_recursive(6, 60, 5, move |inner| {
        (elements.clone(), prop::collection::vec(inner, 0..5))
            .prop_map(|(name, children)| format!("<{name}>{}</{name}>", children.concat()))
    })
}

proptest! {
    #[test]
    fn a_browser_reads_foreign_content_alike(tree in tree()) {
        let mut found: Vec<_> = find(tree.as_bytes()).references.into_iter().map(|found| found.url).collect();
        let images = Selector::parse("img, image").unwrap();
        let page = Html::parse_document(&tree);
        let mut seen: Vec<_> = page
            .select(&images)
            .filter_map(shown)
            .map(str::to_owned)
            .collect();
        found.sort();
        seen.sort();
        prop_assert_eq!(found, seen);
    }

    #[test]
    fn lol_html_reads_random_markup_alike(html in soup(&[])) {
        let found = find(html.as_bytes()).references;
        let found: Vec<_> = found.into_iter().map(|found| found.span.range()).collect();
        prop_assert_eq!(found, lol_html_images(html.as_bytes()));
    }

    #[test]
    fn a_browser_reads_random_markup_alike(html in soup(&[])) {
        let found: Vec<_> = find(html.as_bytes()).references.into_iter().map(|found| found.url).collect();
        let images = Selector::parse("img, video").unwrap();
        let page = Html::parse_document(&html);
        let mut seen: Vec<_> = page
            .select(&images)
            .filter_map(shown)
            .filter_map(cleaned)
            .collect();
        // the DOM has them in another order: what stands wrongly in a table comes first
        seen.sort();
        let mut found = found;
        found.sort();
        prop_assert_eq!(found, seen);
    }

    #[test]
    fn any_bytes_can_be_read(html in prop::collection::vec(any::<u8>(), 0..200)) {
        check_spans(&html, &find(&html));
    }

    /// Whatever a link is written in, it is read back as what was written.
    #[test]
    fn a_replacement_is_read_back(html in soup(&SPICE)) {
        const LINK: &str = "/images/a&amp=b'(1).png";
        let found = find(html.as_bytes());
        check_spans(html.as_bytes(), &found);
        let mut replaced = String::new();
        let mut copied = 0;
        for Reference { span, escapes, .. } in &found.references {
            replaced.push_str(&html[copied..span.start()]);
            replaced.push_str(std::str::from_utf8(&escapes.encode(LINK)).unwrap());
            copied = span.end();
        }
        replaced.push_str(&html[copied..]);
        prop_assume!(Encoding::of(replaced.as_bytes()) == Encoding::Bytes);
        let again = find(replaced.as_bytes()).references;
        prop_assert_eq!(again.len(), found.references.len(), "{}", replaced);
        for reference in again {
            prop_assert_eq!(&reference.url, LINK, "{}", replaced);
        }
    }
}

/// Megabytes of what makes careless parsers slow. A parser that looks at a byte more than a few times does
/// not come to the end of this test; `benches/html.rs` has the times.
#[test]
fn hostile_input_is_read_in_linear_time() {
    for text in [
        "<",
        "</",
        "<!--",
        "<!-- >",
        "<![CDATA[",
        "<a ",
        "<img src='",
        "<a x='>",
        "<a b=c ",
        "<p>",
        "<script>",
        "<!--<script>",
        "<noscript>",
        "<noscript></noscript>",
        "<svg>",
        "<svg><title>",
        "</math><svg>",
        "<picture>",
        "<svg><style>",
        "<style>",
        "<p style='(",
        "&",
        "&a",
        "<img srcset=',",
        ",",
        "{",
        "(",
        "url(",
        "\\",
        "/*",
        "'",
        "\"\n",
    ] {
        let many = text.repeat(1_000_000 / text.len());
        for html in [
            many.clone(),
            format!("<svg>{many}"),
            format!("<img srcset='{many}'>"),
            format!("<p style=\"x:(url({many}\">"),
            format!("<img {many} src={many}>"),
        ] {
            let _ = find(html.as_bytes());
        }
        let _ = extract::find(many.as_bytes(), DocumentKind::Css, &Rules::default());
    }
}
