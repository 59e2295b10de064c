//! What is found in XML, held against quick-xml on what is well-formed, and against itself on what is not.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use imgkeep::document::DocumentKind;
use imgkeep::document::extract::{self, Found, Rules};
use imgkeep::document::reference::Reference;
use proptest::prelude::*;
use quick_xml::NsReader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;

const XHTML: &str = "http://www.w3.org/1999/xhtml";
const SVG: &str = "http://www.w3.org/2000/svg";
const MEDIA: &str = "http://search.yahoo.com/mrss/";
const ITUNES: &str = "http://www.itunes.com/dtds/podcast-1.0.dtd";
const WEBFEEDS: &str = "http://webfeeds.org/rss/1.0";

/// Namespaces, elements, and the attribute that is an image whatever else the element says.
const IMAGES: [(&str, &str, &str); 6] = [
    (XHTML, "img", "src"),
    (SVG, "image", "href"),
    (SVG, "feImage", "href"),
    (MEDIA, "thumbnail", "url"),
    (ITUNES, "image", "href"),
    (WEBFEEDS, "cover", "image"),
];

fn find(xml: &[u8]) -> Found {
    extract::find(xml, DocumentKind::Xml, &Rules::default())
}

/// Every span is inside, after the one before it, and holds something.
fn check_spans(xml: &[u8], found: &Found) {
    for list in [&found.references, &found.links] {
        let mut end = 0;
        for Reference { span, url, .. } in list {
            assert!(end <= span.start() && span.start() < span.end() && span.end() <= xml.len());
            assert!(!url.is_empty());
            end = span.end();
        }
    }
}

/// The images of [`IMAGES`] as quick-xml sees them, in order; `None` if the document is not well-formed.
fn quick_xml_images(xml: &str) -> Option<Vec<String>> {
    let mut reader = NsReader::from_str(xml);
    let mut images = Vec::new();
    let mut see = |namespace: ResolveResult<'_>, tag: &BytesStart<'_>| {
        let ResolveResult::Bound(namespace) = namespace else { return };
        let names = IMAGES
            .into_iter()
            .filter(|(uri, element, _)| *uri == namespace.as_ref() && *element == tag.local_name().as_ref());
        for (_, _, name) in names {
            let attribute = tag.attributes().flatten().find(|attribute| attribute.key.into_inner() == name);
            let value = |value: &str| unescape(value).expect("it knows its own entities").into_owned();
            images.extend(attribute.map(|attribute| value(&attribute.value)));
        }
    };
    loop {
        match reader.read_resolved_event().ok()? {
            (namespace, Event::Start(tag) | Event::Empty(tag)) => see(namespace, &tag),
            (_, Event::Eof) => return Some(images),
            _ => {}
        }
    }
}

/// Well-nested elements whose prefixes change what they mean.
fn tree() -> impl Strategy<Value = String> {
    let leaf = (0..12, 0..100_u32).prop_map(|(form, n)| match form {
        0 => "text &amp; more\n".to_owned(),
        1 => format!("<!-- <img src='//h/{n}'/> -->"),
        2 => format!("<![CDATA[<img src='//h/{n}'/>]]>"),
        3 => format!("<?x <img src='//h/{n}'/> ?>"),
        4 => format!("<img src='//h/{n}?a&amp;b'/>"),
        5 => format!("<a:img src = \"//h/{n}?a&#38;'b\" alt='>'\n></a:img>"),
        6 => format!("<b:image x='1' href='//h/{n}'/>"),
        7 => format!("<image href='//h/{n}'/>"),
        8 => format!("<a:thumbnail url='//h/{n}'/>"),
        9 => format!("<thumbnail url='//h/{n}'/>"),
        10 => format!("<b:feImage href='//h/{n}'/>"),
        _ => format!("<cover image='//h/{n}' url='//h/{n}' href='//h/{n}'/>"),
    });
    let declared = prop::sample::select(vec!["", "", "", "xmlns", "xmlns:a", "xmlns:b"]);
    let uri = prop::sample::select(vec![XHTML, SVG, MEDIA, ITUNES, WEBFEEDS, "urn:x"]);
    leaf.prop_recursive(6, 60, 5, move |inner| {
        let name = prop::sample::select(vec!["a:x", "b:x", "x", "a:y", "y"]);
        (name, declared.clone(), uri.clone(), prop::collection::vec(inner, 0..5)).prop_map(
            |(name, declared, uri, children)| match declared {
                "" => format!("<{name}>{}</{name}>", children.concat()),
                _ => format!("<{name} {declared}=\"{uri}\">{}</{name}>", children.concat()),
            },
        )
    })
}

/// Markup to put together at random.
const SOUP: [&str; 64] = [
    "<rss>",
    "</rss>",
    "<feed>",
    "<channel>",
    "<item>",
    "</item>",
    "<image>",
    "</image>",
    "<url>",
    "</url>",
    "<url> //h/a </url>",
    "<icon>",
    "</icon>",
    "<description>",
    "</description>",
    "<content:encoded>",
    "</content:encoded>",
    "<content type='html'>",
    "</content>",
    "<media:thumbnail url='//h/b'/>",
    "<enclosure url=\"//h/c.png\" ",
    "<itunes:image href=//h/d/>",
    "<podcast:images srcset='//h/e 1w, //h/f?a,b 2w'/>",
    "<svg xmlns='http://www.w3.org/2000/svg'>",
    "</svg>",
    "<image href='//h/g'/>",
    "<style>",
    "</style>",
    "a{background:url(//h/i)}",
    "a{background:url('//h/j')}",
    "<html xmlns='http://www.w3.org/1999/xhtml'>",
    "</html>",
    "<img src='//h/k' style=\"background:url(&quot;//h/l&quot;)\"/>",
    "<script>",
    "</script>",
    "<xhtml:p>",
    "<p/>",
    "&lt;img src=&quot;//h/m&quot;&gt;",
    "&lt;img src='",
    "<img src='//h/n'>",
    "<img src=//h/o>",
    "<![CDATA[",
    "]]>",
    "]]",
    "<!--",
    "-->",
    "<?x",
    "?>",
    "<?xml version='1.0'?>",
    "<!DOCTYPE a [",
    "<!ENTITY b 'c'>",
    "]>",
    "&b;",
    "&amp;",
    "&",
    "<",
    ">",
    "/>",
    "'",
    "\"",
    " ",
    "//h/p",
    "\u{56fe}",
    "\r\n",
];

fn soup() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(SOUP.to_vec()), 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn quick_xml_sees_the_same_images(tree in tree()) {
        let tree = format!("<r>{tree}</r>");
        let found: Vec<_> = find(tree.as_bytes()).references.into_iter().map(|found| found.url).collect();
        prop_assert_eq!(Some(found), quick_xml_images(&tree), "{}", tree);
    }

    #[test]
    fn any_bytes_can_be_read(xml in prop::collection::vec(any::<u8>(), 0..200)) {
        check_spans(&xml, &find(&xml));
    }

    /// Whatever a link is written in, it is read back as what was written.
    #[test]
    fn a_replacement_is_read_back(xml in soup()) {
        const LINK: &str = "/images/a&amp=b'(1).png";
        let found = find(xml.as_bytes());
        check_spans(xml.as_bytes(), &found);
        let mut replaced = String::new();
        let mut copied = 0;
        for Reference { span, escapes, .. } in &found.references {
            replaced.push_str(&xml[copied..span.start()]);
            replaced.push_str(&String::from_utf8(escapes.encode(LINK)).unwrap());
            copied = span.end();
        }
        replaced.push_str(&xml[copied..]);
        let again = find(replaced.as_bytes()).references;
        prop_assert_eq!(again.len(), found.references.len(), "{}\n{}", xml, replaced);
        for reference in again {
            prop_assert_eq!(&reference.url, LINK, "{}", replaced);
        }
    }

    /// In a two-byte encoding the second byte may be any of `@A-Z[\]^_a-z{|}~`.
    #[test]
    fn second_bytes_are_no_markup(pairs in prop::collection::vec((0x81..0xfe_u8, 0x40..0x7f_u8), 0..30)) {
        let text: Vec<u8> = pairs.into_iter().flat_map(|(lead, trail)| [lead, trail]).collect();
        let mut xml = b"<rss><a b='".to_vec();
        xml.extend(&text);
        xml.extend(b"'/><title>");
        xml.extend(&text);
        xml.extend(b"</title><description>");
        xml.extend(&text);
        xml.extend(b"&lt;img alt='");
        xml.extend(&text);
        xml.extend(b"' src='//h/a'&gt;</description><itunes:image href='//h/b'/></rss>");
        let found = find(&xml);
        check_spans(&xml, &found);
        let urls: BTreeSet<_> = found.references.into_iter().map(|found| found.url).collect();
        prop_assert_eq!(urls, BTreeSet::from(["//h/a".to_owned(), "//h/b".to_owned()]));
    }
}

/// The generator above makes what it is meant to make.
#[test]
fn quick_xml_sees_images_at_all() {
    let xml = format!(
        "<r xmlns='{SVG}' xmlns:a='{XHTML}'><image href='a&amp;b'/><a:img src='c'/><img src='d'/></r>"
    );
    assert_eq!(quick_xml_images(&xml), Some(vec!["a&b".to_owned(), "c".to_owned()]));
}

/// Much of what makes careless parsers slow. One that looks at a byte more than a few times does not
/// come to the end of this test in time; `benches/xml.rs` has the times.
#[test]
fn hostile_input_is_read_in_linear_time() {
    for text in [
        "<",
        "</",
        "<a>",
        "<a><b></c>",
        "</a>",
        "<a b='",
        "<a b=\"' ",
        "<a b='c' ",
        "b='c' ",
        "<a xmlns:b='c'>",
        "<b:a xmlns:b='c'/>",
        "<a xml:base='http://h/b/'>",
        "<a xml:base='b/'>",
        "<!DOCTYPE a [",
        "<!DOCTYPE a ",
        "<!",
        "<!--",
        "<![CDATA[",
        "<![CDATA[]]>",
        "<?x",
        "<?xml ",
        "&",
        "&a",
        "&a;",
        "&#1;",
        "&amp;",
        "]]>",
        "<description>",
        "<description>&lt;",
        "&lt;img src='//h/a'&gt;",
        "<![CDATA[<img src='//h/a'>]]>",
        "<!-- x -->y",
        "<html xmlns='http://www.w3.org/1999/xhtml'><style>",
        "src='a' ",
        "\u{e9}",
    ] {
        let many = text.repeat(400_000 / text.len());
        for xml in [
            many.clone(),
            format!("<rss><description>{many}"),
            format!("<rss><description><![CDATA[{many}"),
            format!("<html xmlns='{XHTML}'><img {many}/><style>{many}"),
            format!("<!DOCTYPE a [{many}"),
        ] {
            let start = Instant::now();
            let _ = find(xml.as_bytes());
            assert!(start.elapsed() < Duration::from_secs(10), "{text}");
        }
    }
}
