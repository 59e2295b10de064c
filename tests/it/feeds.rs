//! Feeds, drawings and XHTML, there and back.

use imgkeep::digest::Digest;

use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

fn url(n: u64) -> String {
    format!("http://cdn.example/{n}.jpg")
}

/// Archives a document that shows images 0 to `count`, compares it with `expected` of the links of those, and
/// restores it.
fn there_and_back(name: &str, count: u64, document: impl Fn(&dyn Fn(u64) -> String) -> String) {
    let origin = Origin::start();
    for n in 0..count {
        origin.image(&url(n), picture::jpeg(n));
    }
    let before = document(&url);
    let path = format!("site/{name}");
    let test = Test::new().origin(&origin).document(&path, &before);
    let report = test.run("archive site --format json").expect_code(0).json();
    assert_eq!(report["references"]["archived"], count, "{report}");
    let link = |n| {
        let digest = Digest::of(&picture::jpeg(n)).to_string();
        format!("../cache/images/{}/{digest}.jpg", &digest[..2])
    };
    assert_eq!(String::from_utf8(test.read(&path)).unwrap(), document(&link));
    test.run(&format!("verify --audit {path}")).expect_code(0);
    test.run("restore site").expect_code(0);
    assert_eq!(String::from_utf8(test.read(&path)).unwrap(), before);
    test.assert_no_litter();
}

#[test]
fn a_feed() {
    there_and_back("feed.xml", 6, |url| {
        format!(
            "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
             <rss version=\"2.0\" xmlns:media=\"http://search.yahoo.com/mrss/\">\r\n\
             <channel><image><url>\n  {}\n</url><link>http://cdn.example/page.jpg</link></image>\r\n\
             <item><enclosure url='{}' length='0' type=\"image/jpeg\"/>\r\n\
             <description>&lt;img src=&quot;{}&quot; alt=&quot;&amp;amp;&quot;&gt; http://cdn.example/text.jpg</description>\r\n\
             <content:encoded><![CDATA[<p style='background:url({})'><img src={} >]]></content:encoded>\r\n\
             <media:group><media:thumbnail url=\"{}\" /></media:group><!-- <enclosure url='http://cdn.example/no.jpg'/> -->\r\n\
             </item></channel>\r\n</rss>",
            url(0),
            url(1),
            url(2),
            url(3),
            url(4),
            url(5)
        )
    });
}

#[test]
fn a_drawing() {
    there_and_back("drawing.svg", 4, |url| {
        format!(
            "<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'http://h.example/svg11.dtd' [\n\
             <!ENTITY ns_svg 'http://www.w3.org/2000/svg'>\n<!ENTITY no '<image href=\"http://cdn.example/no.jpg\"/>'>\n]>\n\
             <svg xmlns=\"&ns_svg;\" xmlns:xlink='http://www.w3.org/1999/xlink'>\n\
             <style>/*<![CDATA[*/ rect {{ background: url(\"{}\") }} /*]]>*/</style>\n\
             <image xlink:href=\"{}\" width=\"10\"/><g style=\"cursor:url('{}')\" fill=\"url(#a)\"/>\n\
             <foreignObject><p xmlns='http://www.w3.org/1999/xhtml'><img src='{}'/></p></foreignObject>&no;\n</svg>\n",
            url(0),
            url(1),
            url(2),
            url(3)
        )
    });
}

#[test]
fn a_page_in_xml() {
    for name in ["page.xhtml", "page.txt"] {
        there_and_back(name, 3, |url| {
            format!(
                "<?xml version='1.0'?>\n<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\"><head><title/>\n\
                 <script src=\"a.js\"/><style/></head>\n<body><textarea/><img src=\"{}\" srcset='{} 2x' alt=\"\"/>\n\
                 <svg xmlns=\"http://www.w3.org/2000/svg\"><image href='{}'/></svg></body></html>\n",
                url(0),
                url(1),
                url(2)
            )
        });
    }
}

/// As Jekyll writes them: each entry has its own base.
#[test]
fn a_feed_whose_base_is_elsewhere_waits_for_links_that_lead_home() {
    let origin = Origin::start();
    for n in 0..3 {
        origin.image(&format!("http://blog.example/{n}/a.jpg"), picture::jpeg(n));
    }
    let entry = |n: u64, url: &str| {
        format!(
            "<entry><content type=\"html\" xml:base=\"http://blog.example/{n}/\">&lt;img src='{url}'&gt;</content></entry>\n"
        )
    };
    let feed = |urls: [&str; 3]| {
        let entries: String = (0..).zip(urls).map(|(n, url)| entry(n, url)).collect();
        format!("<feed xmlns=\"http://www.w3.org/2005/Atom\"><icon>/icon.png</icon>{entries}</feed>\n")
    };
    let before = feed(["a.jpg", "../1/a.jpg", "http://blog.example/2/a.jpg"]);
    let test = Test::new().origin(&origin).document("feed.xml", &before);
    test.run("archive feed.xml").expect_code(3);
    assert_eq!(String::from_utf8(test.read("feed.xml")).unwrap(), before);
    test.run("archive feed.xml --link http://home.example/i/").expect_code(0);
    let link = |n| {
        let digest = Digest::of(&picture::jpeg(n)).to_string();
        format!("http://home.example/i/{}/{digest}.jpg", &digest[..2])
    };
    let expected = feed([&link(0), &link(1), &link(2)]);
    assert_eq!(String::from_utf8(test.read("feed.xml")).unwrap(), expected);
    test.run("restore feed.xml").expect_code(0);
    assert_eq!(String::from_utf8(test.read("feed.xml")).unwrap(), before);
}

#[test]
fn kept_drawings_are_no_documents_and_unknown_xml_is_no_failure() {
    let origin = Origin::start();
    let svg = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>\
        <image href='http://cdn.example/never.jpg'/></svg>";
    origin.answer("http://cdn.example/a.svg", Answer::image(svg.as_bytes().to_vec()));
    let test = Test::new()
        .origin(&origin)
        .document("a.md", "![](http://cdn.example/a.svg)\n")
        .document("pom.xml", "<project><url>http://cdn.example/b.png</url></project>")
        .document("empty.xml", "")
        .document("broken.xml", "<a <b c='http://cdn.example/c.png");
    let report = test.run("archive . --format json").expect_code(0).json();
    assert_eq!(
        report["documents"],
        serde_json::json!({ "scanned": 4, "changed": 1, "failed": 0 }),
        "{report}"
    );
    let report = test.run("archive . --format json").expect_code(0).json();
    assert_eq!(report["references"]["found"], 1, "{report}");
    assert_eq!(test.blobs().len(), 1);
    assert_eq!(origin.count("http://cdn.example/never.jpg"), 0);
}
