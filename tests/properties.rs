//! What must hold for any document: only spans change, the way back is exact, and a second look finds nothing to do.

use std::path::Path;

use imgkeep::blob::BlobName;
use imgkeep::digest::Digest;
use imgkeep::document::DocumentKind;
use imgkeep::document::encoding::Encoding;
use imgkeep::document::extract::prefilter::may_name_image;
use imgkeep::document::extract::{self, Rules};
use imgkeep::document::span::Span;
use imgkeep::document::splice::Patch;
use imgkeep::media::MediaType;
use imgkeep::ops::audit::remote_images;
use imgkeep::origin::proxy::Families;
use imgkeep::resolve::{Resolved, Resolver, Wanted};
use imgkeep::rewrite::link::LinkStyle;
use imgkeep::rewrite::{self, Planned, Standing, align};
use proptest::prelude::*;

fn resolver() -> Resolver {
    Resolver { families: Families::builtin() }
}

fn look(resolver: &Resolver, bytes: &[u8], kind: DocumentKind) -> Resolved {
    resolver.resolve(extract::find(bytes, kind, &Rules::default()), &Wanted::default(), &|_, _| true)
}

/// Rewrites as `archive` would if every image were to be had.
fn archive(resolver: &Resolver, bytes: &[u8], kind: DocumentKind, style: &LinkStyle) -> Planned {
    let answers = look(resolver, bytes, kind).remote.into_iter().map(|remote| {
        let digest = Digest::of(remote.origin.as_str().as_bytes());
        let blob = BlobName { digest, media_type: MediaType::Jpeg };
        let link = style.link(
            Path::new("/blog/posts & notes/(1)"),
            Path::new("/blog/ca'che/images"),
            blob,
            remote.url(),
        );
        (remote.reference, blob, link)
    });
    rewrite::plan(bytes, &[], Vec::new(), answers.collect(), "run")
}

fn check(resolver: &Resolver, bytes: &[u8], kind: DocumentKind, style: &LinkStyle) {
    let before = look(resolver, bytes, kind);
    let planned = archive(resolver, bytes, kind, style);
    // outside the spans nothing changes
    let mut at = (0, 0);
    for (edit, landing) in planned.patch.edits().iter().zip(planned.patch.landings()) {
        assert_eq!(bytes[at.0..edit.span.start()], planned.after[at.1..landing.start()]);
        at = (edit.span.end(), landing.end());
    }
    assert_eq!(bytes[at.0..], planned.after[at.1..]);
    // a second look sees each link as ours and nothing else to do
    let after = look(resolver, &planned.after, kind);
    assert!(
        after.remote.is_empty(),
        "{:?} is left in {:?}",
        after.remote,
        String::from_utf8_lossy(&planned.after)
    );
    let spans: Vec<Span> = planned.links.iter().map(|link| link.span).collect();
    let found: Vec<_> = after.kept.iter().map(|link| (link.span, link.blob)).collect();
    let new: Vec<Span> = found.iter().map(|(span, _)| *span).filter(|span| spans.contains(span)).collect();
    assert_eq!(new, spans, "{:?}", String::from_utf8_lossy(&planned.after));
    // the way back, by the record and by alignment
    let standing: Vec<Standing> = planned
        .links
        .iter()
        .map(|link| Standing { span: link.span, blob: link.blob, original: Some(link.original.clone()) })
        .collect();
    assert_eq!(rewrite::undo(&planned.after, &standing).apply(&planned.after), bytes);
    if before.kept.is_empty() {
        let aligned = align(&found, &planned.links);
        assert_eq!(rewrite::undo(&planned.after, &aligned).apply(&planned.after), bytes);
    }
}

fn url() -> impl Strategy<Value = String> {
    let name = "[a-z]{1,6}(%20|_|-|\\+)?[a-z0-9]{0,4}";
    (prop::sample::select(vec!["jpg", "png", "webp"]), name, 0..7).prop_map(|(extension, name, form)| {
        let image = format!("cdn.example/{name}.{extension}");
        match form {
            0 => format!("http://{image}"),
            1 => format!("https://cors.zfour.workers.dev/?http://{image}"),
            2 => format!("https://wsrv.nl/?url={image}&amp;w=300"),
            3 => format!("https://i0.wp.com/{image}?resize=3"),
            4 => format!("//{image}?a=1&amp;b=2"),
            5 => format!("https://cors.zfour.workers.dev/?https://i1.wp.com/{image}"),
            _ => format!("/local/{name}.{extension}"),
        }
    })
}

fn piece() -> impl Strategy<Value = String> {
    (0..29, url(), url()).prop_map(|(form, a, b)| match form {
        0 => format!("<img src=\"{a}\" alt='x'>"),
        1 => format!("<IMG SRC={a} >"),
        2 => format!("<img data-original='{a}' srcset=\"{a} 1x,\n {b} 2x\">"),
        3 => format!("<picture><source srcset='{a}'><img src={b}></picture>"),
        4 => format!("<video poster=\"{a}\"></video>"),
        5 => format!("<a href=\"{a}\"><img src=\"{b}\"></a>"),
        6 => format!("<p style=\"background:url('{a}') no-repeat, url({b})\">"),
        7 => format!("<style>\n.x {{ background: url( \"{a}\" ) }}\n</style>"),
        8 => format!("\n![alt]({a})\n"),
        9 => format!("![a]({a} \"t\") and [![b](<{b}>)](http://page.example/)"),
        10 => format!("\n\n![x][ref]\n\n[ref]: {a} 'title'\n\n"),
        11 => format!("`![code]({a})`"),
        12 => format!("\n```\n![code]({a})\n```\n"),
        13 => format!("<!-- <img src=\"{a}\"> -->"),
        14 => "中文 text \r\n\r\n* list\n".to_owned(),
        15 => "<div>\n\n</div>\n".to_owned(),
        16 => "\\![not]( [a](b \\` ".to_owned(),
        17 => format!("<script>var a = \"{a}\"</script>"),
        18 => format!("<noscript><img src='{a}'></noscript>"),
        19 => format!("<link rel='shortcut icon' href={a}>"),
        20 => format!("<meta property=og:image content='{a}'>"),
        21 => format!("<iframe srcdoc=\"<img src='{}'>\"></iframe>", a.replace('&', "&amp;")),
        22 => format!(
            "\n<script type='application/ld+json'>{{\"image\":[\"{}\"]}}</script>\n",
            a.replace("&amp;", "&").replace('/', "\\/")
        ),
        23 => format!("<p style=\"background:url(&quot;{a}&quot;)\">😀"),
        24 => format!("{{% img left {a} 100 'a title' %}}"),
        25 => format!("\n\n{{{{< figure src=\"{a}\" link=`{b}` >}}}}\n\n"),
        26 => format!("{{% codeblock %}} {{% image {a} %}} ![a]({b}) {{% endcodeblock %}}"),
        27 => format!("{{{{< gallery {a} '{b}' >}}}}"),
        _ => "\t\0 &amp; <b <c> ]]> ".to_owned(),
    })
}

fn front_matter() -> impl Strategy<Value = String> {
    (0..6, url(), url()).prop_map(|(form, a, b)| {
        let (a, b) = (a.replace("&amp;", "&"), b.replace("&amp;", "&"));
        match form {
            0 => String::new(),
            1 => format!("\n---\ntitle: x\nheadimg: '{a}'\nimages:\n - {b}\n - \"{a}\"\n---\n"),
            2 => format!("\u{feff}---\r\ncover: {{ image: {a} }}\r\n---\r\n"),
            3 => format!("+++\ntitle = 'x'\nimage = \"{a}\"\n[cover]\nimage = '{b}'\n+++\n"),
            4 => format!("{{\n \"cover\": \"{a}\"\n}}\n\n"),
            _ => format!("---\nbroken: 'x\ncover: {a}\n---\n"),
        }
    })
}

/// A piece of a feed, with a drawing and a page in it.
fn xml_piece() -> impl Strategy<Value = String> {
    (0..22, url(), url()).prop_map(|(form, a, b)| {
        let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        match form {
            0 => format!("<enclosure url=\"{a}\" type='image/jpeg' length='1'/>"),
            1 => format!("<media:group><media:thumbnail url='{a}'/><media:content url='{b}' medium='image'/></media:group>"),
            2 => format!("<itunes:image href='{a}'></itunes:image>"),
            3 => format!("<image><url>\n {a} </url><link>{b}</link></image>"),
            4 => format!("<image><url><![CDATA[{}]]></url></image>", a.replace("&amp;", "&")),
            5 => format!("<a:icon xmlns:a='http://www.w3.org/2005/Atom'>{a}</a:icon>"),
            6 => format!("<description>{}</description>", escaped(&format!("<p><img src=\"{a}\"> & <img src='{b}'>"))),
            7 => format!("<content:encoded><![CDATA[<img src=\"{a}\" srcset='{b} 2x'>]]></content:encoded>"),
            8 => format!("<description><![CDATA[<img src={a}>]]> and <![CDATA[<img src='{b}'>]]></description>"),
            9 => format!("<description>{}</description>", escaped(&format!("<p style=\"background:url('{a}')\">"))),
            10 => format!("<xhtml:div><xhtml:img src='{a}'/><xhtml:video poster=\"{b}\"/></xhtml:div>"),
            11 => format!("<svg xmlns='http://www.w3.org/2000/svg'><image href='{a}'/><style>a{{mask:url({b})}}</style></svg>"),
            12 => format!("<svg:style><![CDATA[a {{ mask: url(\"{}\") }}]]></svg:style>", a.replace("&amp;", "&")),
            13 => format!("<!-- <itunes:image href='{a}'/> --><?x <itunes:image href='{b}'/> ?>"),
            14 => format!("<title>{a}</title><guid>{b}</guid><link>{a}</link>"),
            15 => format!("<podcast:images srcset='{a} 1w,{b} 2w'/>"),
            16 => "<item><title>中文 &amp; &nbsp;</title></item>\r\n".to_owned(),
            17 => "</item>".to_owned(),
            18 => "<item>".to_owned(),
            19 => "<![CDATA[ ]]]> &own; ]]>".to_owned(),
            20 => format!("<itunes:image href='{a} <x>"),
            _ => "\t\0 &amp; <b <c> ]]> ".to_owned(),
        }
    })
}

fn css_piece() -> impl Strategy<Value = String> {
    (0..12, url(), url()).prop_map(|(form, a, b)| match form {
        0 => format!("a {{ background: url({a}) }}\n"),
        1 => format!("a{{BACKGROUND:URL( \"{a}\" ),url('{b}')}}"),
        2 => format!("@media print {{ a::before {{ content: url({a}) }} }}\r\n"),
        3 => format!("a {{ background-image: image-set(\"{a}\" 1x, url({b}) 2x) }}"),
        4 => format!(":root {{ --logo: url({a}); --x: {b} }}"),
        5 => format!("@import url({a}); @font-face {{ src: url({b}) }}"),
        6 => format!("/* url({a}) */ a {{ cursor: url({b}), auto }}"),
        7 => format!("a {{ background: url({}) }}", a.replace('/', "\\/")),
        8 => format!("a {{ background: url(\"{}\") }}", a.replace('h', "\\68 ")),
        9 => format!("a {{ mask: url({a}); filter: url({b}#x) "),
        10 => format!("a {{ background: url('{a} \n b: url({b}) }}"),
        _ => "} ) \0 '\u{7f} \\".to_owned(),
    })
}

fn style() -> impl Strategy<Value = LinkStyle> {
    prop::sample::select(vec![
        LinkStyle::Relative,
        LinkStyle::Prefix("/images/".into()),
        LinkStyle::Prefix("http://127.0.0.1:7420/images/?a=1&b='x'/".into()),
    ])
}

proptest! {
    #[test]
    fn a_generated_document_comes_back(
        head in front_matter(),
        pieces in prop::collection::vec(piece(), 0..12),
        style in style(),
        html in any::<bool>(),
    ) {
        let resolver = resolver();
        let body = pieces.concat();
        let (text, kind) = if html { (body, DocumentKind::Html) } else { (head + &body, DocumentKind::Markdown) };
        check(&resolver, text.as_bytes(), kind, &style);
    }

    #[test]
    fn a_generated_style_sheet_comes_back(pieces in prop::collection::vec(css_piece(), 0..12), style in style()) {
        check(&resolver(), pieces.concat().as_bytes(), DocumentKind::Css, &style);
    }

    #[test]
    fn a_generated_feed_of_xml_comes_back(pieces in prop::collection::vec(xml_piece(), 0..12), style in style()) {
        let text = format!("<?xml version='1.0'?>\n<rss version='2.0'><channel>{}</channel></rss>\n", pieces.concat());
        check(&resolver(), text.as_bytes(), DocumentKind::Xml, &style);
    }

    /// The second opinion on XML.
    #[test]
    fn what_a_feed_shows_is_found(pieces in prop::collection::vec(xml_piece(), 0..12)) {
        let text = format!("<rss version='2.0'><channel>{}</channel></rss>", pieces.concat());
        let resolved = look(&resolver(), text.as_bytes(), DocumentKind::Xml);
        let found: Vec<&str> = resolved.remote.iter().map(imgkeep::resolve::Remote::url).collect();
        for url in remote_images(text.as_bytes(), DocumentKind::Xml) {
            prop_assert!(found.contains(&url.as_str()), "{} is not among {:?} in {}", url, found, text);
        }
    }

    #[test]
    fn a_generated_feed_comes_back(
        pieces in prop::collection::vec(piece(), 0..12),
        image in url(),
        style in style(),
        slashes in any::<bool>(),
    ) {
        let html = serde_json::to_string(&pieces.concat()).unwrap();
        let mut text = format!(r#"{{"icon":"{image}","items":[{{"content_html":{html},"image":"{image}"}}]}}"#);
        if slashes {
            text = text.replace('/', "\\/");
        }
        check(&resolver(), text.as_bytes(), DocumentKind::Json, &style);
    }

    #[test]
    fn a_generated_document_in_utf_16_comes_back(
        head in front_matter(),
        pieces in prop::collection::vec(piece(), 0..12),
        style in style(),
        html in any::<bool>(),
        big_endian in any::<bool>(),
    ) {
        let encoding = if big_endian { Encoding::Utf16Be } else { Encoding::Utf16Le };
        let body = pieces.concat();
        let (text, kind) = if html { (body, DocumentKind::Html) } else { (head + &body, DocumentKind::Markdown) };
        check(&resolver(), &encoding.write(format!("\u{feff}{text}")), kind, &style);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic_and_an_empty_patch_changes_none(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for kind in [DocumentKind::Html, DocumentKind::Xml, DocumentKind::Markdown, DocumentKind::Css, DocumentKind::Json] {
            for mark in [b"".as_slice(), b"\xff\xfe", b"\xfe\xff"] {
                let bytes = [mark, &bytes].concat();
                let found = extract::find(&bytes, kind, &Rules::default());
                for reference in found.references.iter().chain(&found.links) {
                    prop_assert!(reference.span.end() <= bytes.len());
                }
            }
        }
        let patch = Patch::new(Digest::of(&bytes), Vec::new()).unwrap();
        prop_assert_eq!(patch.apply(&bytes), bytes);
    }

    /// What the prefilter lets pass names nothing, in whatever kind of document.
    #[test]
    fn what_the_prefilter_rules_out_names_nothing(parts in prop::collection::vec(prop::sample::select(vec![
        "<img src='", "'>", "<img srcset=", "<p style='background:url(", ")'>", "![a](", ")", "{% img ", " %}", "---\n", "cover: ", "a{b:url(",
        "ht", "tp", "s", ":", "/", "?", "\n", "\t", " ", "\\", "&", "amp;", "#47;", "sol;", "colon;", "lt;", "\0", "=", "%2F", "%3A", "%68",
        "h.example", "b.png", "_next", "image", "url=", "300x200", "aHR0cHM6Ly9hLmV4YW1wbGUvYi5wbmc", "thumb.php", "<base href=", ">",
        "ba", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.png",
    ]), 0..16)) {
        let text = parts.concat();
        if !may_name_image(text.as_bytes()) {
            for kind in [DocumentKind::Html, DocumentKind::Markdown, DocumentKind::Css] {
                let resolved = look(&resolver(), text.as_bytes(), kind);
                prop_assert!(resolved.remote.is_empty() && resolved.kept.is_empty(), "{:?} {:?}", text, resolved);
            }
        }
    }

    /// The second opinion: what a DOM shows as an image, the span finder finds.
    #[test]
    fn what_a_dom_shows_is_found(pieces in prop::collection::vec(piece(), 0..12)) {
        let text = pieces.concat();
        let resolved = look(&resolver(), text.as_bytes(), DocumentKind::Html);
        let found: Vec<&str> = resolved.remote.iter().map(imgkeep::resolve::Remote::url).collect();
        for url in remote_images(text.as_bytes(), DocumentKind::Html) {
            prop_assert!(found.contains(&url.as_str()), "{} is not among {:?} in {}", url, found, text);
        }
    }
}
