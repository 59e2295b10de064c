//! What is found in XML, row by row; what only looks like it is not.

use super::*;
use crate::document::extract::ElementAttribute;
use crate::document::referrer::Policy;

fn found(xml: &[u8]) -> Found {
    let rules = Rules { attributes: vec!["data-pic".into()], ..Rules::default() };
    let mut found = Found::default();
    find(xml, &rules, &mut found);
    found.references.sort_by_key(|reference| reference.span);
    found
}

/// `expected`: what stands in each span.
fn check(xml: &str, expected: &[&str]) {
    let found = found(xml.as_bytes());
    let raw: Vec<_> = found.references.iter().map(|found| &xml[found.span.range()]).collect();
    assert_eq!(raw, expected, "{xml}");
}

/// The same in a feed of RSS 2.0.
fn check_rss(item: &str, expected: &[&str]) {
    check(&format!("<?xml version='1.0'?>\n<rss version='2.0'><channel>{item}</channel></rss>"), expected);
}

/// The same in a feed of Atom.
fn check_atom(entry: &str, expected: &[&str]) {
    check(&format!("<feed xmlns='http://www.w3.org/2005/Atom'><entry>{entry}</entry></feed>"), expected);
}

/// The same in a drawing.
fn check_svg(svg: &str, expected: &[&str]) {
    let xmlns = "xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink'";
    check(&format!("<svg {xmlns}>{svg}</svg>"), expected);
}

/// The same in a page.
fn check_xhtml(body: &str, expected: &[&str]) {
    check(&format!("<html xmlns='http://www.w3.org/1999/xhtml'><body>{body}</body></html>"), expected);
}

/// What a replacement of the only reference is written as, and that it is read back.
fn check_rewrite(xml: &str, expected: &str) {
    const LINK: &str = "/i/a&b='c'.png";
    let all = found(xml.as_bytes()).references;
    assert_eq!(all.len(), 1, "{all:?} in {xml}");
    let (span, written) = (all[0].span, String::from_utf8(all[0].escapes.encode(LINK)).unwrap());
    let rewritten = format!("{}{written}{}", &xml[..span.start()], &xml[span.end()..]);
    assert_eq!(rewritten, expected);
    let again = found(rewritten.as_bytes()).references;
    assert_eq!(again.len(), 1, "{rewritten}");
    assert_eq!(again[0].url, LINK, "{rewritten}");
}

#[test]
fn rss() {
    check_rss("<item><enclosure url='//h/a' length='1' type='image/jpeg'/></item>", &["//h/a"]);
    check_rss("<enclosure type=\"\" url = \"//h/a.jpg?b&amp;c\" ></enclosure>", &["//h/a.jpg?b&amp;c"]);
    check_rss("<enclosure url='//h/a.mp3' type='audio/mpeg'/><enclosure url='//h/a.mp3'/>", &[]);
    check_rss("<enclosure url='//h/a.png' type='video/mp4'/><enclosure/>", &[]);
    check_rss("<image><url> //h/a\n</url><title>//h/b</title><link>//h/c.png</link></image>", &["//h/a"]);
    check_rss("<url>//h/a.png</url><item><link>//h/b.png</link><guid>//h/c.png</guid></item>", &[]);
    check_rss("<image><url><![CDATA[ //h/a?b&c ]]></url></image>", &["//h/a?b&c"]);
    check_rss("<image><url>//h/<![CDATA[a]]></url></image>", &[]);
    check_rss("<image><url>//h/<!-- x -->a</url></image>", &[]);
    check_rss("<image><url><!-- x -->//h/a&amp;<?x?></url></image>", &["//h/a&amp;"]);
    check_rss("<m:image xmlns:m='urn:x'><m:url>//h/a.png</m:url></m:image>", &[]);
    check_rss("<item xmlns=''><enclosure url='//h/a.png'/></item>", &["//h/a.png"]);
    for root in ["rss xmlns='http://backend.userland.com/rss2'", "rss", "channel"] {
        check(&format!("<{root}><image><url>//h/a</url></image>"), &["//h/a"]);
    }
    check("<a><enclosure url='//h/a.png'/><image><url>//h/b</url></image></a>", &[]);
    check("<enclosure url='//h/a.png'/>", &[]);
}

#[test]
fn rss_of_rdf() {
    let rdf =
        "<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/'>";
    check(
        &format!(
            "{rdf}<channel r:about='//h/'><image r:resource='//h/a.png'/></channel>\
             <image r:about='//h/b.png'><url>//h/c.png</url><link>//h/d.png</link></image>\
             <item r:about='//h/e.png'><link>//h/f.png</link></item></r:RDF>"
        ),
        &["//h/a.png", "//h/b.png", "//h/c.png"],
    );
    check(&format!("{rdf}<image about='//h/a.png' x:about='//h/b.png'/>"), &[]);
    check("<rdf:RDF><image rdf:resource='//h/a.png'/></rdf:RDF>", &["//h/a.png"]);
}

#[test]
fn atom() {
    check_atom("<link rel='enclosure' type='image/png' href='//h/a'/>", &["//h/a"]);
    check_atom(
        "<link rel='enclosure' href='//h/a.png'/><link rel='icon' href='//h/b'/>",
        &["//h/a.png", "//h/b"],
    );
    check_atom("<link rel='http://opds-spec.org/image' type='image/gif' href='//h/a'/>", &["//h/a"]);
    check_atom("<link rel='enclosure' type='audio/mpeg' href='//h/a.png'/>", &[]);
    check_atom("<link href='//h/a.png'/><link rel='alternate' type='image/png' href='//h/b.png'/>", &[]);
    check_atom("<icon>//h/a</icon><logo>\n//h/b </logo><id>//h/c.png</id>", &["//h/a", "//h/b"]);
    check_atom("<icon><![CDATA[//h/a]]></icon>", &["//h/a"]);
    check_atom(
        "<content type='image/png' src='//h/a'/><content type='text/html' src='//h/b.png'/>",
        &["//h/a"],
    );
    check(
        "<rss xmlns:a='http://www.w3.org/2005/Atom'><a:icon>//h/a</a:icon><icon>//h/b</icon></rss>",
        &["//h/a"],
    );
    check("<rss><atom10:logo>//h/a</atom10:logo></rss>", &["//h/a"]);
    check("<feed version='0.3' xmlns='http://purl.org/atom/ns#'><logo>//h/a</logo></feed>", &["//h/a"]);
    check("<feed><icon>//h/a</icon></feed>", &["//h/a"]);
}

#[test]
fn media() {
    for xmlns in
        ["", " xmlns:media='http://search.yahoo.com/mrss/'", " xmlns:media='http://search.yahoo.com/mrss'"]
    {
        check(
            &format!(
                "<rss{xmlns}><media:group><media:content url='//h/a' medium='image'/>\
                 <media:content url='//h/b' type='image/webp'></media:content>\
                 <media:thumbnail url='//h/c'/></media:group></rss>"
            ),
            &["//h/a", "//h/b", "//h/c"],
        );
    }
    check_rss(
        "<media:content url='//h/a.jpg'><media:thumbnail url='//h/b'/></media:content>",
        &["//h/a.jpg", "//h/b"],
    );
    check_rss("<media:content url='//h/a.png' medium='video'/><media:content url='//h/a.mp4'/>", &[]);
    check_rss("<media:content url='//h/a.png' type='video/mp4'/><media:player url='//h/a.png'/>", &[]);
    check_rss("<thumbnail url='//h/a'/><x:thumbnail url='//h/b'/>", &[]);
    check("<rss xmlns:media='urn:other'><media:thumbnail url='//h/a'/></rss>", &[]);
    check("<rss xmlns:m='https://search.yahoo.com/mrss/'><m:thumbnail url='//h/a'/></rss>", &["//h/a"]);
    check(
        "<rss><a xmlns:media='urn:x'><media:thumbnail url='//h/a'/></a><media:thumbnail url='//h/b'/>",
        &["//h/b"],
    );
}

#[test]
fn podcasts_sitemaps_and_the_rest() {
    check_rss("<itunes:link rel='image' type='x' href='//h/a'/><itunes:link href='//h/b.png'/>", &["//h/a"]);
    check_rss("<itunes:image href='//h/a'/><itunes:author>//h/b.png</itunes:author>", &["//h/a"]);
    check(
        "<rss xmlns:i='http://www.itunes.com/dtds/podcast-1.0.dtd'><i:image href='//h/a'/></rss>",
        &["//h/a"],
    );
    check_rss("<googleplay:image href='//h/a'></googleplay:image><image href='//h/b'/>", &["//h/a"]);
    check_rss("<podcast:images srcset='//h/a 3000w,\n //h/b 600w'/>", &["//h/a", "//h/b"]);
    check_rss(
        "<podcast:image href='//h/a'/><podcast:person img='//h/b' href='//h/c.png'/>",
        &["//h/a", "//h/b"],
    );
    check_rss("<webfeeds:cover image='//h/a'/><webfeeds:icon>//h/b</webfeeds:icon>", &["//h/a", "//h/b"]);
    check_rss(
        "<g:image_link>//h/a</g:image_link><g:additional_image_link>//h/b</g:additional_image_link><g:link>//h/c.png</g:link>",
        &["//h/a", "//h/b"],
    );
    check_atom("<author><gd:image src='//h/a'/><gd:extendedProperty src='//h/b.png'/></author>", &["//h/a"]);
    check_rss("<slash:comments>//h/a.png</slash:comments><podcast:chapters url='//h/a.png'/>", &[]);
    check(
        "<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9' \
         xmlns:image='http://www.google.com/schemas/sitemap-image/1.1'><url><loc>//h/a.png</loc>\
         <image:image><image:loc>//h/b&amp;c</image:loc><image:title>//h/d.png</image:title></image:image>\
         <video:video><video:thumbnail_loc>//h/e</video:thumbnail_loc><video:content_loc>//h/f.png</video:content_loc>",
        &["//h/b&amp;c", "//h/e"],
    );
}

#[test]
fn html_as_text() {
    let escaped = "&lt;img src=&quot;//h/a?b&amp;amp;c&quot;&gt;";
    for element in ["description", "content:encoded", "excerpt:encoded", "itunes:summary", "fullitem", "body"]
    {
        check_rss(&format!("<{element}>x {escaped} y</{element}>"), &["//h/a?b&amp;amp;c"]);
        check_rss(
            &format!("<{element}><![CDATA[<img src='//h/a?b&amp;c'>]]></{element}>"),
            &["//h/a?b&amp;c"],
        );
        check_rss(&format!("<{element}>//h/a.png http://h/b.png</{element}>"), &[]);
    }
    check_rss(
        &format!("<title>{escaped}</title><guid>{escaped}</guid><x:encoded>{escaped}</x:encoded>"),
        &[],
    );
    check_rss("<description>&amp;lt;img src='//h/a'&amp;gt;</description>", &[]);
    check_rss("<description>&#60;img src=&#x22;//h/a&#34;&#62;</description>", &["//h/a"]);
    check_rss("<description>&lt;p style='background:url(//h/a)'&gt;</description>", &["//h/a"]);
    check_rss("<description>&lt;!-- &lt;img src='//h/a'&gt; --&gt;</description>", &[]);
    for element in ["content", "summary", "title"] {
        check_atom(&format!("<{element} type='html'>{escaped}</{element}>"), &["//h/a?b&amp;amp;c"]);
        check_atom(&format!("<{element} type='text/html'>{escaped}</{element}>"), &["//h/a?b&amp;amp;c"]);
        check_atom(&format!("<{element}>{escaped}</{element}>"), &[]);
        check_atom(&format!("<{element} type='text'>{escaped}</{element}>"), &[]);
    }
    check_rss(
        &format!("<media:description type='html'>{escaped}</media:description>"),
        &["//h/a?b&amp;amp;c"],
    );
    check_rss(&format!("<media:description type='plain'>{escaped}</media:description>"), &[]);
}

#[test]
fn html_in_several_pieces() {
    check_rss(
        "<description><![CDATA[<p><img src='//h/a'>]]> &lt;img src='//h/b'>\n<![CDATA[<img ]]><![CDATA[src='//h/c'>]]></description>",
        &["//h/a", "//h/b", "//h/c"],
    );
    check_rss(
        "<description><![CDATA[<img src='//h/]]><![CDATA[a'><img src='//h/b'>]]></description>",
        &["//h/b"],
    );
    check_rss("<description><![CDATA[a ]]]]><![CDATA[> <img src='//h/b'>]]></description>", &["//h/b"]);
    check_rss("<description>&lt;img src='//h/&own;a'> &own; &lt;img src='//h/b'></description>", &["//h/b"]);
    check_rss("<description>&lt;img <!-- x -->src='//h/a'></description>", &["//h/a"]);
    check_rss("<description>&lt;img src='//h/a&eacute;'>&nbsp;</description>", &["//h/a&eacute;"]);
}

#[test]
fn markup_in_place() {
    check_atom(
        "<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><img src='//h/a'/><br/></div></content>",
        &["//h/a"],
    );
    check_atom(
        "<content type='xhtml'><xhtml:div><xhtml:img src='//h/a'/><img src='//h/b'/></xhtml:div></content>",
        &["//h/a"],
    );
    check_rss("<h:body xmlns:h='http://www.w3.org/1999/xhtml'><h:img src='//h/a'/></h:body>", &["//h/a"]);
    check_rss("<description><p><img src='//h/a'/></p></description><img src='//h/b'/>", &["//h/a"]);
    check_rss(
        "<description>never closed <enclosure url='//h/a.png'/><image><url>//h/b</url></image>",
        &["//h/a.png", "//h/b"],
    );
    check_atom(
        "<content type='image/svg+xml'><svg xmlns='http://www.w3.org/2000/svg'><image href='//h/a'/></svg></content>",
        &["//h/a"],
    );
}

#[test]
fn svg() {
    check_svg("<image href='//h/a'/><image xlink:href='//h/b' />", &["//h/a", "//h/b"]);
    check_svg(
        "<feImage href='//h/a'/><use xlink:href='//h/b.svg#c'/><use href='#d'/>",
        &["//h/a", "//h/b.svg"],
    );
    check_svg(
        "<feimage href='//h/a'/><IMAGE href='//h/a'/><image HREF='//h/a' src='//h/b' x:href='//h/c'/>",
        &[],
    );
    check_svg("<style>a{mask:url(//h/a?b&amp;c)}</style>", &["//h/a?b&amp;c"]);
    check_svg(
        "<style>/*<![CDATA[*/a{mask:url(//h/a?b&c)}/*]]>*/ b{mask:url(//h/d)}</style>",
        &["//h/a?b&c", "//h/d"],
    );
    check_svg("<style>a{mask:url(//h/<![CDATA[a)}]]></style><style/>a{mask:url(//h/b)}", &[]);
    check_svg("<g style='background:url(&quot;//h/a&quot;)' data-pic='//h/b'/>", &["//h/a", "//h/b"]);
    check_svg("<g cursor='url(//h/a), auto' mask=\"url('//h/b')\"/>", &["//h/a", "//h/b"]);
    check_svg(
        "<g fill='url(#a)' filter='url(//h/a.svg#b)' clip-path='url(//h/a.svg#b)' mask='url(#c)'/>",
        &[],
    );
    check_svg("<script><image href='//h/a'/></script><metadata><image href='//h/b'/></metadata>", &[]);
    check_svg("<!-- <image href='//h/a'/> --><?xml-stylesheet href='//h/a.css'?><text>//h/b.png</text>", &[]);
    check_svg("<title><image href='//h/a'/></title><desc/><image href='//h/b'/>", &["//h/a", "//h/b"]);
    check_svg("<foreignObject><img src='//h/a'/></foreignObject>", &[]);
    check_svg(
        "<foreignObject><p xmlns='http://www.w3.org/1999/xhtml'><img src='//h/a'/></p></foreignObject><img src='//h/b'/>",
        &["//h/a"],
    );
    check("<svg><image href='//h/a'/></svg>", &["//h/a"]);
    check(
        "<svg:svg xmlns:svg='http://www.w3.org/2000/svg'><svg:image href='//h/a'/><image href='//h/b'/></svg:svg>",
        &["//h/a"],
    );
    check(
        "<s xmlns='http://www.w3.org/2000/svg' xmlns:l='http://www.w3.org/1999/xlink'><image l:href='//h/a'/></s>",
        &["//h/a"],
    );
    check("<svg xmlns='urn:x'><image href='//h/a'/></svg>", &[]);
}

#[test]
fn entities_are_never_expanded() {
    let doctype = "<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'http://h/svg11.dtd' [\n\
        <!ENTITY ns_svg 'http://www.w3.org/2000/svg'> <!ENTITY ns_xlink 'http://www.w3.org/1999/xlink'>\n\
        <!ENTITY a \"<image href='//h/no'/>\"> <!-- ]> --> ]>";
    check(
        &format!(
            "{doctype}<svg xmlns='&ns_svg;' xmlns:xlink='&ns_xlink;'><image xlink:href='//h/a&amp;b'/>&a;\
             <image href='//h/&a;'/><image href='&b;c.png'/><image href='//h/&eacute;'/></svg>"
        ),
        &["//h/a&amp;b"],
    );
}

#[test]
fn xhtml() {
    check_xhtml(
        "<img src='//h/a' srcset='//h/b 1x, //h/c 2x' data-src='//h/d'/>",
        &["//h/a", "//h/b", "//h/c", "//h/d"],
    );
    check_xhtml("<script src='//h/x.js'/><style/><title/><textarea/><iframe/><img src='//h/a'/>", &["//h/a"]);
    check_xhtml("<script>if (a<b) '<img src=\"//h/a\"/>'</script><img src='//h/b'/>", &["//h/b"]);
    check_xhtml("<textarea><img src='//h/a'/></textarea><noscript><img src='//h/b'/></noscript>", &["//h/b"]);
    check_xhtml("<style><![CDATA[a{background:url(//h/a?b&c)}]]></style>", &["//h/a?b&c"]);
    check_xhtml("<style><!-- a{background:url(//h/a)} --></style>", &[]);
    check_xhtml("<![CDATA[<img src='//h/a'/>]]>&lt;img src='//h/b'/>", &[]);
    check_xhtml("<IMG src='//h/a'/><img SRC='//h/b'/><image src='//h/c'/>", &[]);
    check_xhtml(
        "<picture><source src='//h/a'/></picture><video poster='//h/b'><source src='//h/c.png'/></video>",
        &["//h/a", "//h/b"],
    );
    check_xhtml("<picture/><source src='//h/a'/>", &[]);
    check_xhtml("<p style='background:url(//h/a)'/><img src='//h/b' src='//h/c'/>", &["//h/a", "//h/b"]);
    check_xhtml(
        "<svg xmlns='http://www.w3.org/2000/svg'><image href='//h/a'/><style>a{}</style></svg>",
        &["//h/a"],
    );
    check("<html><img src='//h/a'/></html>", &["//h/a"]);
    check(
        "<h:html xmlns:h='http://www.w3.org/1999/xhtml'><h:img src='//h/a'/><img src='//h/b'/></h:html>",
        &["//h/a"],
    );
}

#[test]
fn links() {
    let check = |xml: &str, expected: &[&str]| {
        let urls: Vec<_> = found(xml.as_bytes()).links.into_iter().map(|link| link.url).collect();
        assert_eq!(urls, expected, "{xml}");
    };
    check(
        "<svg xmlns:xlink='http://www.w3.org/1999/xlink'><a xlink:href='//h/a'/><a href='b.png'/></svg>",
        &["//h/a", "b.png"],
    );
    check("<html><a href='//h/a&amp;b'>x</a><link rel='next' href='//h/c'/></html>", &["//h/a&b"]);
    check("<rss><description>&lt;a href='//h/a'></description><link>//h/b</link></rss>", &["//h/a"]);
}

#[test]
fn what_the_user_adds() {
    let pair = ElementAttribute { element: "x-photo".into(), attribute: "full".into() };
    let rules = Rules { attributes: vec!["data-pic".into()], elements: vec![pair], ..Rules::default() };
    let xml = "<html><x-photo full='//h/a' data-pic='//h/b' data-pic='//h/c'/><p full='//h/d'/></html>";
    let mut found = Found::default();
    find(xml.as_bytes(), &rules, &mut found);
    let urls: Vec<_> = found.references.iter().map(|found| found.url.as_str()).collect();
    assert_eq!(urls, ["//h/a", "//h/b"]);
}

#[test]
fn referrers() {
    let found = found(
        b"<html><meta name='referrer' content='origin'/><link rel='canonical' href='http://h/'/>\
          <img src='//h/a' referrerpolicy='no-referrer'/><img src='//h/b'/></html>",
    );
    assert_eq!(found.page.as_deref(), Some("http://h/"));
    assert_eq!(found.policy, Policy::named("origin"));
    let policies: Vec<_> = found.policies.iter().map(|(_, policy)| Some(*policy)).collect();
    assert_eq!(policies, [Policy::named("no-referrer")]);
    assert_eq!(found.policies[0].0, found.references[0].span);
}

#[test]
fn replacements() {
    check_rewrite(
        "<rss><itunes:image href='//h/a'/></rss>",
        "<rss><itunes:image href='/i/a&amp;b&#61;&#39;c&#39;.png'/></rss>",
    );
    check_rewrite(
        "<feed><icon> //h/a </icon></feed>",
        "<feed><icon> /i/a&amp;b&#61;&#39;c&#39;.png </icon></feed>",
    );
    check_rewrite(
        "<feed><icon><![CDATA[//h/a]]></icon></feed>",
        "<feed><icon><![CDATA[/i/a&b='c'.png]]></icon></feed>",
    );
    check_rewrite(
        "<rss><description>&lt;img src=&quot;//h/a?b&amp;amp;c&quot;&gt;</description></rss>",
        "<rss><description>&lt;img src=&quot;/i/a&amp;amp;b&amp;#61;&amp;#39;c&amp;#39;.png&quot;&gt;</description></rss>",
    );
    check_rewrite(
        "<rss><description><![CDATA[<img src=//h/a>]]></description></rss>",
        "<rss><description><![CDATA[<img src=/i/a&amp;b&#61;&#39;c&#39;.png>]]></description></rss>",
    );
    check_rewrite(
        "<svg><style>a{mask:url(//h/a)}</style></svg>",
        "<svg><style>a{mask:url(/i/a&amp;b&#61;\\&#39;c\\&#39;.png)}</style></svg>",
    );
    check_rewrite(
        "<svg><style><![CDATA[a{mask:url(//h/a)}]]></style></svg>",
        "<svg><style><![CDATA[a{mask:url(/i/a&b=\\'c\\'.png)}]]></style></svg>",
    );
    check_rewrite("<html><img src=//h/a/></html>", "<html><img src=/i/a&amp;b&#61;&#39;c&#39;.png/></html>");
}

#[test]
fn what_is_broken_does_not_hide_the_rest() {
    check_rss("<item><title>a & b < c</title></i><enclosure url='//h/a.png'/></item>", &["//h/a.png"]);
    check_rss("<enclosure url='//h/a.png' type='x<itunes:image href='//h/b'/>", &["//h/b"]);
    check_rss("<itunes:image href='//h/a><itunes:image href='//h/b'/>", &["//h/b"]);
    check("<rss><image><url>//h/a</link></url></image>", &["//h/a"]);
    check("<rss><image><url>//h/a", &["//h/a"]);
    check("<rss><description>&lt;img src='//h/a'> <![CDATA[<img src='//h/b'>", &["//h/a", "//h/b"]);
    check("text <?xml version='1.0'> <rss><itunes:image href='//h/a'/>", &["//h/a"]);
}

#[test]
fn what_stands_too_deep_is_not_read() {
    let xml = format!(
        "{0}<itunes:image href='//h/a'/>{1}<itunes:image href='//h/b'/>",
        "<a>".repeat(MAX_DEPTH),
        "</a>"
    );
    check(&xml, &["//h/b"]);
}

#[test]
fn bytes_of_any_encoding() {
    let check = |xml: &[u8], url: &str| {
        let found = found(xml).references;
        assert_eq!(
            found.iter().map(|found| found.url.as_str()).collect::<Vec<_>>(),
            [url],
            "{}",
            xml.escape_ascii()
        );
    };
    check(
        b"<rss><title>\x95\x5c \xb3\x7c</title><itunes:image href='//h/\xcd\xff.png'/></rss>",
        "//h/%CD%FF.png",
    );
    check(
        b"<rss><description>\xd5\x40&lt;img alt='\x83\x7b' src='//h/\xb3\x5c'></description></rss>",
        "//h/%B3%5C",
    );
    check(b"\xef\xbb\xbf<rss><a\0/><itunes:image href='//h/a'/>", "//h/a");
}

#[test]
fn bases() {
    let check = |xml: &str, base: Option<&str>, urls: &[&str]| {
        let found = found(xml.as_bytes());
        assert_eq!(found.base.as_deref(), base, "{xml}");
        let all: Vec<_> = found.references.iter().map(|found| found.url.as_str()).collect();
        assert_eq!(all, urls, "{xml}");
    };
    check("<feed xml:base='http://h/b/'><icon>a</icon></feed>", Some("http://h/b/"), &["a"]);
    check("<feed><icon>a</icon></feed>", None, &["a"]);
    check("<feed xml:base='/b/'><icon>a</icon></feed>", None, &["a"]);
    check(
        "<feed><icon>x</icon><entry xml:base='http://h/b/'><icon>a</icon></entry>\
         <entry xml:base='http://h/c/'><content type='html' xml:base='d/'>&lt;img src='e'></content></entry></feed>",
        None,
        &["x", "http://h/b/a", "http://h/c/d/e"],
    );
    check(
        "<feed xml:base='http://h/b/'><entry xml:base='c/'><icon>a</icon><logo>//i/d</logo></entry></feed>",
        Some("http://h/b/"),
        &["http://h/b/c/a", "//i/d"],
    );
    check("<html><base href='http://h/b/'/><img src='a'/></html>", Some("http://h/b/"), &["a"]);
}
