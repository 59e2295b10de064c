//! How fast references are found in XML, and that hostile input takes time in proportion to its size.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use imgkeep::document::DocumentKind;
use imgkeep::document::extract::{self, Rules};

const MIB: usize = 1 << 20;

fn feed() -> String {
    let item = "<item>\n<title>A post &amp; its title</title><link>https://h.example/posts/1</link>\n\
        <media:thumbnail url=\"https://h.example/a.jpg?w=1&amp;h=2\"/><pubDate>Mon, 01 Jan 2024</pubDate>\n\
        <description>&lt;p&gt;Some words &lt;b&gt;in bold&lt;/b&gt; and more.&lt;/p&gt;</description>\n\
        <content:encoded><![CDATA[<p>Some words <b>in bold</b> and more.</p>\n\
        <p><img src=\"https://h.example/b.jpg\" alt=\"b\"> and words again</p>]]></content:encoded></item>\n";
    format!(
        "<?xml version='1.0'?><rss version='2.0'><channel>{}</channel></rss>",
        item.repeat(MIB / item.len())
    )
}

fn drawing() -> String {
    let path = "<g id=\"a\" transform=\"translate(1 2)\"><path fill=\"#fff\" d=\"M1 2L3 4C5 6 7 8 9 10Z\"/>\
        <use xlink:href=\"#a\"/></g>\n";
    format!("<svg xmlns='http://www.w3.org/2000/svg'>{}</svg>", path.repeat(MIB / path.len()))
}

fn finding(criterion: &mut Criterion) {
    let rules = Rules::default();
    let mut group = criterion.benchmark_group("xml");
    for (name, xml) in [("feed", feed()), ("drawing", drawing())] {
        group.throughput(Throughput::Bytes(xml.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(extract::find(xml.as_bytes(), DocumentKind::Xml, &rules)));
        });
    }
}

/// The throughput of each has to be the same at all sizes.
fn hostile(criterion: &mut Criterion) {
    let rules = Rules::default();
    let mut group = criterion.benchmark_group("hostile xml");
    group.sample_size(10);
    for (name, before, text) in [
        ("angles", "", "<"),
        ("open elements", "", "<a>"),
        ("ends of nothing", "<a>", "<b></c>"),
        ("namespaces", "", "<a xmlns:b='c'>"),
        ("bases", "", "<a xml:base='http://h/b/'>"),
        ("attributes", "<rss><enclosure ", "a='b' "),
        ("declarations", "<!DOCTYPE a [", "<!ENTITY a 'b'>"),
        ("sections", "<rss><description>", "<![CDATA[a]]>"),
        ("entities", "<rss><description>", "&a;"),
        ("escaped", "<rss><description>", "&lt;"),
    ] {
        for size in [1, 2, 4, 8] {
            let xml = format!("{before}{}", text.repeat(size * MIB / text.len()));
            group.throughput(Throughput::Bytes(xml.len() as u64));
            group.bench_with_input(BenchmarkId::new(name, size), &xml, |bencher, xml| {
                bencher.iter(|| black_box(extract::find(xml.as_bytes(), DocumentKind::Xml, &rules)));
            });
        }
    }
}

criterion_group!(benches, finding, hostile);
criterion_main!(benches);
