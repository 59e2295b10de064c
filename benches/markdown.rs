//! Finding in posts of 4 KB with ten proxied images each, and in input that is built to hurt.
//!
//! `posts/*` says bytes per second over 1,000 posts. In `hostile/*` time must grow like the input.

use std::fmt::Write;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use imgkeep::document::DocumentKind;
use imgkeep::document::extract::{self, Rules};

const POSTS: usize = 1_000;

/// A sentence of 180 bytes, as text between two images.
const TEXT: &str = "面对近期严峻的疫情防控形势，各级党组织和广大党员干部发挥战斗堡垒和先锋模范作用，冲锋在前，共同守护家园，全力以赴。";

fn url(post: usize, image: usize) -> String {
    format!(
        "https://cors.zfour.workers.dev/?http://static.1sapp.com/qupost/images/2022/04/07/{post}{image}water.jpg"
    )
}

fn post(number: usize, image: impl Fn(&str) -> String) -> String {
    let mut post = format!(
        "\n---\ntitle: 'Post {number}'\ncategories: \n - one\n - two\nheadimg: '{0}'\nauthor: someone\ncomments: false\ndate: Thu, 07 Apr 2022 06:38:50 GMT\nthumbnail: '{0}'\n---\n\n",
        url(number, 0)
    );
    for index in 0..8 {
        let _ = write!(post, "{}", image(&url(number, index)));
    }
    post
}

fn posts(image: impl Fn(&str) -> String) -> Vec<String> {
    (0..POSTS).map(|number| post(number, &image)).collect()
}

fn bench_posts(c: &mut Criterion) {
    let rules = Rules::default();
    let kinds = [
        ("html", posts(|url| format!("<p>{TEXT}</p><p><img src=\"{url}\" alt=\"\"></p><p>{TEXT}<br></p>"))),
        (
            "html_lines",
            posts(|url| format!("<p>{TEXT}</p>\n\n<p><img src=\"{url}\" alt=\"\"></p>\n\n{TEXT}\n\n")),
        ),
        ("markdown", posts(|url| format!("{TEXT}\n\n![图]({url} \"title\")\n\n{TEXT}\n\n"))),
        (
            "mixed",
            posts(|url| format!("## {TEXT}\n\n- `code` <img src=\"{url}\" />\n- [link](/x)\n\n{TEXT}\n\n")),
        ),
        ("text", posts(|_| format!("{TEXT}\n\n{TEXT}\n\n"))),
    ];
    let mut group = c.benchmark_group("posts");
    group.sample_size(20);
    for (name, posts) in &kinds {
        let bytes: usize = posts.iter().map(String::len).sum();
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), posts, |b, posts| {
            b.iter(|| {
                let found = |post: &String| {
                    extract::find(post.as_bytes(), DocumentKind::Markdown, &rules).references.len()
                };
                black_box(posts.iter().map(found).sum::<usize>())
            });
        });
    }
    group.finish();
}

fn bench_hostile(c: &mut Criterion) {
    let rules = Rules::default();
    let mut group = c.benchmark_group("hostile");
    group.sample_size(10);
    let bodies = [
        "[",
        "![",
        "![a](",
        "```\n",
        "> ",
        "* a\n",
        "1. ",
        "<a ",
        "<!--",
        "<code></code>",
        "[a]: b\n",
        "![a][b]",
    ];
    let yaml = ["a: [", "{a: ", "a: b\n", "- ", "'", "a: &a b\n", "a: |\n", "x "];
    let bodies = bodies.map(|part| ("body", part, "![a](/b.png)\n\n", ""));
    let yaml = yaml.map(|part| ("yaml", part, "---\ncover: /a.png\n", "\n---\n"));
    for (place, part, start, end) in bodies.into_iter().chain(yaml) {
        for size in [1 << 20, 1 << 21, 1 << 22] {
            let text = format!("{start}{}{end}", part.repeat(size / part.len()));
            group.throughput(Throughput::Bytes(size as u64));
            let name = format!("{place} {part:?}");
            group.bench_with_input(BenchmarkId::new(name, size), &text, |b, text| {
                b.iter(|| extract::find(black_box(text.as_bytes()), DocumentKind::Markdown, &rules));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench_posts, bench_hostile);
criterion_main!(benches);
