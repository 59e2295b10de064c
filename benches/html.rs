//! How fast references are found in HTML and CSS, and that hostile input takes time in proportion to its
//! size.

use std::hint::black_box;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use imgkeep::document::DocumentKind;
use imgkeep::document::extract::prefilter::may_name_image;
use imgkeep::document::extract::{self, Rules};

const MIB: usize = 1 << 20;

/// The corpus's pages, one after the other; without a corpus, one page of ours over and over.
fn pages() -> Vec<Vec<u8>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/pages"));
    let pages: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| std::fs::read(entry.ok()?.path()).ok())
        .collect();
    if !pages.is_empty() {
        return pages;
    }
    let post = "<div class=\"post\" id=\"p1\"><p style=\"margin: 0\">Some words <b>in bold</b> and more.\n\
        <img src=\"https://h.example/a.jpg?w=1&amp;h=2\" alt=\"a\"></p><a href=\"/next\">next</a></div>\n";
    vec![post.repeat(2000).into_bytes()]
}

fn finding(criterion: &mut Criterion) {
    let rules = Rules::default();
    let mut group = criterion.benchmark_group("html");
    let pages = pages();
    group.throughput(Throughput::Bytes(pages.iter().map(|page| page.len() as u64).sum()));
    group.bench_function("pages", |bencher| {
        bencher.iter(|| {
            for page in &pages {
                black_box(extract::find(page, DocumentKind::Html, &rules));
            }
        });
    });
    let text = "Words without any markup, as a long text file has them.\n".repeat(8 * MIB / 56);
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("text", |bencher| {
        bencher.iter(|| black_box(extract::find(text.as_bytes(), DocumentKind::Html, &rules)));
    });
    // what names nothing is passed by at the cost of looking for one string in it
    group.bench_function("prefilter", |bencher| {
        bencher.iter(|| assert!(!may_name_image(black_box(text.as_bytes()))));
    });
    group.bench_function("memmem", |bencher| {
        bencher.iter(|| assert!(memchr::memmem::find(black_box(text.as_bytes()), b"http").is_none()));
    });
    let css = ".a > b:hover { color: #fff; margin: 0 1px 2em; background: url(a.png) no-repeat }\n"
        .repeat(MIB / 84);
    group.throughput(Throughput::Bytes(css.len() as u64));
    group.bench_function("css", |bencher| {
        bencher.iter(|| black_box(extract::find(css.as_bytes(), DocumentKind::Css, &rules)));
    });
}

/// The throughput of each has to be the same at all sizes.
fn hostile(criterion: &mut Criterion) {
    let rules = Rules::default();
    let mut group = criterion.benchmark_group("hostile");
    group.sample_size(10);
    for (name, before, text) in [
        ("angles", "", "<"),
        ("comments", "", "<!-- >"),
        ("attributes", "<img ", "a=b "),
        ("repeated attributes", "<img ", "src=a "),
        ("unclosed tags", "", "<img src='a"),
        ("scripts in a comment", "<script><!--", "<script></script>"),
        ("noscript", "", "<noscript>"),
        ("ends of nothing", "", "<svg></math>"),
        ("commas", "<img srcset='", ","),
        ("candidates", "<img srcset='", "a (,"),
        ("ampersands", "<img src='", "&a"),
        ("parentheses", "<p style='x:", "("),
        ("bad urls", "<style>x:", "url(a b"),
        ("pages", "", "<iframe srcdoc='<iframe srcdoc=&quot;<img src=a>&quot;>'></iframe>"),
        ("open pages", "", "<iframe srcdoc='<iframe srcdoc=&quot;"),
        ("JSON-LD", "<script type=application/ld+json>[", "{\"url\":[\"\\/a\"],"),
    ] {
        for size in [1, 2, 4, 8] {
            let html = format!("{before}{}'></style></script>", text.repeat(size * MIB / text.len()));
            group.throughput(Throughput::Bytes(html.len() as u64));
            group.bench_with_input(BenchmarkId::new(name, size), &html, |bencher, html| {
                bencher.iter(|| black_box(extract::find(html.as_bytes(), DocumentKind::Html, &rules)));
            });
        }
    }
}

criterion_group!(benches, finding, hostile);
criterion_main!(benches);
