//! Input that is built to hurt, for every parser: what a megabyte of it costs must not depend on how many
//! there are.
//!
//! Prints the milliseconds of a core a megabyte at 1, 2, 4 and 8 MB and the last by the first, worst of all
//! rows at the end. `cargo bench --bench hostile -- yaml` runs the rows whose names hold `yaml`. Another parser is one
//! more list in [`rows`].

use std::hint::black_box;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use imgkeep::document::DocumentKind;
use imgkeep::document::DocumentKind::{Css, Html, Markdown};
use imgkeep::document::extract::{self, Rules};
use imgkeep::origin::proxy::Families;
use imgkeep::resolve::{Resolver, Wanted};

const MIB: usize = 1 << 20;
const SIZES: [usize; 4] = [1, 2, 4, 8];

/// A row whose first megabyte takes longer is not tried with more.
const TOO_SLOW: Duration = Duration::from_secs(4);

/// How long a row is measured at least.
const ENOUGH: Duration = Duration::from_millis(60);

/// A row is measured no more often than that: some take next to nothing.
const MOST_RUNS: u32 = 500;

struct Row {
    group: &'static str,
    name: String,
    kind: DocumentKind,
    make: Box<dyn Fn(usize) -> Vec<u8>>,
}

/// Rows of one part over and over, between a start and an end. `parts` stand between `·`; the name is the part.
fn repeated(
    group: &'static str,
    kind: DocumentKind,
    start: &'static str,
    parts: &'static str,
    end: &'static str,
) -> impl Iterator<Item = Row> {
    parts.split('·').map(move |part| Row {
        group,
        name: format!("{part:?}"),
        kind,
        make: Box::new(move |size| [start, &part.repeat(size / part.len()), end].concat().into_bytes()),
    })
}

/// A row whose parts differ by their number.
fn numbered(
    group: &'static str,
    kind: DocumentKind,
    name: &str,
    start: &'static str,
    write: impl Fn(usize, &mut String) + 'static,
    end: &'static str,
) -> Row {
    let make = move |size: usize| {
        let mut text = String::from(start);
        for number in 0.. {
            if text.len() >= size {
                break;
            }
            write(number, &mut text);
        }
        text.push_str(end);
        text.into_bytes()
    };
    Row { group, name: name.to_owned(), kind, make: Box::new(make) }
}

fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    let _ = std::fmt::Write::write_fmt(text, more);
}

const BODY: &str = "[·]·![·](·![](·![a](·![a](<·![a](/b.png \"·![a](/b.png)·![a][b]·[a](·[a]: b\n·[a]:\n·[\\·*·_·\
    *a_ ·**a *a ·a**b·~~·`·`a·` `` ·\\·\\`·&·&a·&#x·<·<a ·<a b='·</·<!--·<!-- -·<!·<?·<![CDATA[·<!A·\
    <b>·<pre>·<code></code>·<script>·<div>\n\n·<p>\n·<a:·<a@·> ·>·- ·* a\n·1. ·- a\n\n·|·|-|\n·\
    a|b\n-|-\n·    a\n\n·\r";

const TAGS: &str = "{%·{% ·{{·{{<·{·%}·{% img ·{% img \"·{% img a='·{% img http://h/a ·{% img http://h/a.png %}·\
    {{< img src=`·{% raw %}·{% endraw %}·{% codeblock %}·{% gallery a,/b,";

const FLOW: &str = "[·]·{·}·{a: ·a: [·a: {·- ·? ·: ·'·\"·a: b\n·a: &a b\n·a: *a\n·&a ·!t ·a: |\n·a: >-\n ·#·\\·\
    --- a\n·a:\n- b\n·\t";

const MARKUP: &str = "<·</·<!--·<!-- >·<!-- -·<![CDATA[·<a ·<a b=c ·<img src='·<a x='>·<p>·<div>·<script>·\
    <script><!--·<!--<script>·<noscript>·<noscript></noscript>·<style>·<svg>·<svg><title>·\
    </math><svg>·<svg><desc>·<math><mi>·<picture>·<table><tr>·<template>·<svg><style>·<p style='(·&·\
    &a·\"·'·=·<title>";

const STYLES: &str = "(·)·{·}·[·\\·\\75 ·/*·*/·'·\"\n·url(·url( ·url('·image-set(·@import ·a{b:·--x:url(a)";

/// Time that this process spent on a core, so that others on the machine do not count; or what passed on the
/// wall, where the system does not tell.
enum Clock {
    Core(Duration),
    Wall(Instant),
}

impl Clock {
    fn start() -> Self {
        Self::core().map_or_else(|| Self::Wall(Instant::now()), Self::Core)
    }

    fn core() -> Option<Duration> {
        let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
        Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
    }

    fn elapsed(&self) -> Duration {
        match self {
            Self::Core(start) => Self::core().unwrap_or_default().saturating_sub(*start),
            Self::Wall(start) => start.elapsed(),
        }
    }
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(repeated("markdown", Markdown, "![a](/b.png)\n\n", BODY, ""));
    rows.extend(repeated("inline", Markdown, "text [x] ", BODY, " \n\n![a](/b.png)"));
    rows.extend(repeated("in tags", Markdown, "a `b` [x]\n", TAGS, " ![a](/b.png)"));
    rows.extend(repeated("yaml", Markdown, "---\ncover: /a.png\n", FLOW, "\n---\nbody"));
    rows.extend(repeated("yaml list", Markdown, "---\ncover: [", FLOW, "]\n---\nbody"));
    rows.extend(repeated(
        "toml",
        Markdown,
        "+++\ncover = '/a.png'\n",
        "[·a=[·a={a=·[[a]]\n·a.·'·\"\"\"·\\·a = 1\n·[a.b]\n",
        "\n+++\n",
    ));
    rows.extend(repeated("json", Markdown, "{\"cover\": ", "[·{\"a\":·\"·\\·1,·[],", "}\n"));
    rows.extend(repeated("html", Html, "", MARKUP, ""));
    rows.extend(repeated("svg", Html, "<svg>", MARKUP, ""));
    rows.extend(repeated("srcset", Html, "<img srcset='", ",·a,·a (,·a 1x,· ·a 1w 1x ·(·&#44;", "'>"));
    rows.extend(repeated("attributes", Html, "<img ", "a ·a=b ·src=a ·data-src='a' ·/·=·'", ">"));
    rows.extend(repeated("style", Html, "<p style=\"x:", STYLES, "\">"));
    rows.extend(repeated("css", Css, "", STYLES, ""));
    rows.push(numbered(
        "attributes",
        Html,
        "of many names",
        "<img ",
        |number, text| add(text, format_args!("a{number}=b ")),
        ">",
    ));
    rows.push(numbered(
        "markdown",
        Markdown,
        "backticks of growing lengths",
        "a ",
        |number, text| {
            text.push_str(&"`".repeat(number % 2000));
            text.push('a');
        },
        "",
    ));
    rows.push(numbered(
        "markdown",
        Markdown,
        "definitions and their images",
        "",
        |number, text| {
            add(text, format_args!("![{number}]\n\n[{number}]: /{number}.png\n\n"));
        },
        "",
    ));
    rows.push(numbered(
        "markdown",
        Markdown,
        "images of one definition",
        "[x]: /a.png\n\n",
        |_, text| text.push_str("![x] "),
        "",
    ));
    rows.push(numbered(
        "markdown",
        Markdown,
        "images of one long definition",
        "",
        |number, text| {
            if number == 0 {
                add(text, format_args!("[x]: /{}.png\n\n", "a".repeat(50_000)));
            }
            text.push_str("![x] ");
        },
        "",
    ));
    rows.push(numbered(
        "markdown",
        Markdown,
        "footnotes",
        "",
        |number, text| add(text, format_args!("[^{number}] [^{number}]: a\n\n")),
        "",
    ));
    rows.push(numbered(
        "markdown",
        Markdown,
        "lists ever deeper",
        "",
        |number, text| {
            add(text, format_args!("{}- a\n", "  ".repeat(number % 500)));
        },
        "",
    ));
    rows.push(numbered(
        "markdown",
        Markdown,
        "quotes ever deeper",
        "",
        |number, text| {
            add(text, format_args!("{} a\n", ">".repeat(number % 500)));
        },
        "",
    ));
    rows.push(numbered(
        "markdown",
        Markdown,
        "a wide table",
        "",
        |number, text| match number {
            0 => add(text, format_args!("{}\n{}\n", "|a".repeat(10_000), "|-".repeat(10_000))),
            _ => text.push_str("|\n"),
        },
        "",
    ));
    rows.push(numbered(
        "markdown",
        Markdown,
        "images in links",
        "",
        |_, text| text.push_str("[![a](/b.png)](http://h/c)"),
        "",
    ));
    rows.push(numbered(
        "markdown",
        Markdown,
        "links to what is shown",
        "",
        |number, text| {
            add(text, format_args!("[![a](http://h/{number})](http://h/{number})\n"));
        },
        "",
    ));
    rows.push(numbered(
        "yaml",
        Markdown,
        "anchors and aliases",
        "---\n",
        |number, text| {
            add(text, format_args!("k{number}: &a{number} /a.png\ncover: *a{number}\n"));
        },
        "---\n",
    ));
    rows.push(numbered(
        "yaml",
        Markdown,
        "keys ever deeper",
        "---\n",
        |number, text| {
            add(text, format_args!("{}a:\n", " ".repeat(number % 500)));
        },
        "---\n",
    ));
    rows.push(numbered(
        "yaml",
        Markdown,
        "documents",
        "---\na: b\n",
        |_, text| text.push_str("--- \na: b\n"),
        "---\n",
    ));
    rows.push(numbered(
        "toml",
        Markdown,
        "tables",
        "+++\n",
        |number, text| add(text, format_args!("[t{number}]\nimage='/a.png'\n")),
        "+++\n",
    ));
    rows.push(numbered(
        "json",
        Markdown,
        "members",
        "{",
        |number, text| add(text, format_args!("\"a{number}\": [1], ")),
        "\"z\": 1}\n",
    ));
    rows.push(numbered(
        "html",
        Html,
        "links to what is shown",
        "",
        |number, text| {
            add(text, format_args!("<a href=http://h/{number}><img src=http://h/{number}></a>"));
        },
        "",
    ));
    let legacy = |row: Row| Row {
        group: "not utf-8",
        name: format!("{} {}", row.group, row.name),
        kind: row.kind,
        make: Box::new(move |size| {
            let mut bytes = b"\xb3\x5c\xa5\x5c\xbb\x5b \xa4\xa4\xa4\xe5\n\n".to_vec();
            bytes.extend((row.make)(size));
            bytes
        }),
    };
    let parts = "![a](·[a]: b\n·`a·\\·![\u{ff}](/\u{ff}.png)";
    rows.extend(repeated("markdown", Markdown, "", parts, "").map(legacy));
    rows.extend(repeated("html", Html, "", "<img src='\u{ff}'>·&a·\u{ff}\\", "").map(legacy));
    rows
}

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let rules = Rules::default();
    let resolver = Resolver { families: Families::builtin() };
    let mut worst: Vec<(f64, String)> = Vec::new();
    for row in rows() {
        let name = format!("{}: {}", row.group, row.name);
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let mut costs = Vec::new();
        for size in SIZES {
            let bytes = (row.make)(size * MIB);
            // the system's clock of a core ticks every few milliseconds
            let clock = Clock::start();
            let mut runs = 0;
            while runs == 0 || (clock.elapsed() < ENOUGH && runs < MOST_RUNS) {
                let found = extract::find(black_box(&bytes), row.kind, &rules);
                black_box(resolver.resolve(found, &Wanted::default(), &|_, _| true));
                runs += 1;
            }
            let spent = clock.elapsed() / runs;
            costs.push(spent.as_secs_f64() * 1000.0 / (bytes.len() as f64 / MIB as f64));
            if spent > TOO_SLOW {
                break;
            }
        }
        let ratio = costs[costs.len() - 1] / costs[0];
        let ratio = if costs.len() < SIZES.len() { f64::INFINITY } else { ratio };
        let cells: String = costs.iter().map(|cost| format!("{cost:>9.2}")).collect();
        writeln!(out, "{ratio:>6.2} {cells:<36} {name}")?;
        worst.push((ratio, name));
    }
    worst.sort_by(|one, other| other.0.total_cmp(&one.0));
    writeln!(out, "\nworst, the cost of a megabyte at 8 MB by that at 1 MB:")?;
    for (ratio, name) in worst.iter().take(10) {
        writeln!(out, "{ratio:>6.2} {name}")?;
    }
    Ok(())
}
