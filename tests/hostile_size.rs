//! A megabyte of what makes careless readers slow or greedy, for every grammar: it is read in a time and a memory that
//! tell a reader which looks at each byte a few times from one which does not. `benches/hostile.rs` has the figures.

use std::fs;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use imgkeep::document::DocumentKind::{self, Css, Html, Json, Markdown, Xml};
use imgkeep::document::extract::{self, Rules};
use imgkeep::origin::proxy::Families;
use imgkeep::resolve::{Resolver, Wanted};
use properties::bound::core_time;

#[path = "../fuzz/src/lib.rs"]
pub mod properties;

const SIZE: usize = 1 << 20;

/// A second is promised, of the program as it is built for use. A build without optimisation takes ten times as long.
const TIME: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 1 });

/// What the program itself takes: its code, the table of families, the input.
const PROGRAM: usize = 32 << 20;

/// What does not come back by then hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// The memory of the process is measured, so one row is read at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Holds the work to the bounds, in a thread that a hang leaves behind.
fn bounded(name: &str, work: impl FnOnce() + Send + 'static) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (done, waiting) = mpsc::channel();
    fs::write("/proc/self/clear_refs", "5").expect("Linux starts over with the peak");
    let reading = thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let started = core_time();
        work();
        done.send(core_time() - started)
    });
    drop(reading.expect("a thread can be started"));
    let time = waiting.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{name}: {error}"));
    let memory = peak();
    println!("{:>7.3} s {:>4} MiB {name}", time.as_secs_f64(), memory >> 20);
    assert!(time <= TIME, "{time:?} for {name}");
    assert!(memory <= properties::bound::memory(SIZE) + PROGRAM, "{memory} bytes of memory for {name}");
}

/// The most that was resident since the peak was set back.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells the peak");
    let kilobytes = line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number of kilobytes");
    kilobytes << 10
}

/// Each of `parts` over and over, between a start and an end.
fn repeated(kind: DocumentKind, start: &'static str, parts: &[&'static str], end: &'static str) {
    for part in parts {
        let document = [start, &part.repeat((SIZE - start.len() - end.len()) / part.len()), end].concat();
        bounded(&format!("{kind:?} {start:?} {part:?} {end:?}"), move || {
            let found = extract::find(document.as_bytes(), kind, &Rules::default());
            let resolver = Resolver { families: Families::builtin() };
            let _ = resolver.resolve(found, &Wanted::default(), &|_, _| true);
        });
    }
}

#[test]
fn a_megabyte_of_every_grammar_is_read_within_its_bounds() {
    repeated(
        Html,
        "",
        &["<", "<a ", "<!--", "<p>", "<script><!--", "<svg><title>", "<noscript>", "&", "<img src=a>"],
        "",
    );
    repeated(Html, "<img ", &["a=b ", "src=a ", "data-src=//h/a "], ">");
    repeated(Html, "<img srcset='", &[",", "a, ", "//h, ", "a (", "("], "'>");
    repeated(Html, "<p style=\"x:", &["url(", "(", "\\", "url(//h/a) "], "\">");
    repeated(
        Html,
        "",
        &["<iframe srcdoc='<iframe srcdoc=\"", "<a href=//h/a>", "<template>", "<table><tr>"],
        "",
    );
    repeated(Css, "", &["(", "{", "\\75 ", "/*", "url(", "a{b:url(//h/a)}", "'", "image-set("], "");
    repeated(
        Xml,
        "<rss xmlns:a='b'>",
        &[
            "<a>",
            "<a b='c' ",
            "&lt;",
            "<![CDATA[",
            "<!--",
            "<a xmlns:b='c'>",
            "<image><url>//h/a</url></image>",
        ],
        "",
    );
    repeated(Xml, "<!DOCTYPE a [", &["<!ENTITY a 'b'>", "[", "<!--"], "]><rss/>");
    repeated(
        Markdown,
        "text [x] ",
        &[
            "[",
            "![",
            "![a](",
            "![a](<",
            "`",
            "*a_ ",
            "> ",
            "- ",
            "<a ",
            "[a]: b\n",
            "![](//h/a)",
            "|a",
            "&#x",
            "~~",
        ],
        "\n\n![a](/b.png)",
    );
    repeated(Markdown, "a\n", &["{%", "{% img ", "{{<", "{% raw %}", "{% img //h/a %}"], "");
    repeated(Markdown, "---\ncover: ", &["[", "{a: ", "- ", "? ", "&a ", "'", "\"\\"], "\n---\n");
    repeated(Markdown, "---\ncover: [", &["//h/a, ", "*a, "], "]\n---\n");
    repeated(Markdown, "+++\ncover = ", &["[", "{a=", "'", "\"\"\"", "a."], "\n+++\n");
    repeated(Markdown, "{\"cover\": ", &["[", "{\"a\":", "\"a\","], "}\n\n");
    repeated(Json, "{\"items\":[", &["[", "{\"content_html\":\"<", "{\"image\":\"//h/a\"},", "\\"], "]}");
}

#[test]
fn a_megabyte_of_an_address_is_unwrapped_within_the_bounds() {
    for (start, part) in [
        ("https://a.example/?url=", "https%3A%2F%2Fa.example%2F%3Furl%3D"),
        ("https://cors.zfour.workers.dev/?", "https://cors.zfour.workers.dev/?"),
        ("https://i0.wp.com/", "i0.wp.com/"),
        ("https://a.example/", "https/"),
        ("https://a.example/?u=", "%25"),
        ("https://a.example/?", "u=a&"),
        ("https://a.example/", "aHR0cHM6Ly9h"),
        ("https://a.example/?", "http://h/"),
        ("https://urldefense.com/v3/__https://a.example/", "*"),
        ("https://a.example/", "../"),
        ("//", "a."),
        ("https://a.example/?u=", "&amp;"),
    ] {
        let text = [start, &part.repeat((SIZE - start.len()) / part.len())].concat();
        bounded(&format!("{start:?} {part:?}"), move || {
            let _ = Families::builtin().unwrap(&text);
        });
    }
}

#[test]
fn a_megabyte_of_an_image_is_walked_within_the_bounds() {
    for (start, part) in [
        (
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x02\x08\x02\0\0\0\xfd\xd4\x9a\x73".as_slice(),
            b"\0\0\0\0tEXt\xa7\x7a\x5e\x1b".as_slice(),
        ),
        (b"\xff\xd8", b"\xff\xe1\0\x02"),
        (b"\xff\xd8\xff\xda\0\x02", b"\xff\xd0"),
        (b"GIF89a\x02\0\x02\0\0\0\0", b",\0\0\0\0\x01\0\x01\0\0\x02\x01a\0"),
        (b"GIF89a\x02\0\x02\0\0\0\0!\xfe", b"\x01a"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", b"\0\0\0\x08free"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf\0\x10\0\0meta\0\0\0\0", b"\0\0\0\x08iprp"),
        (b"\0\0\x01\0\xff\xff", b"\x01\x01\0\0\x01\0\x18\0\x01\0\0\0\0\0\0\0"),
        (b"II*\0\x08\0\0\0", b"\xff\xff\0\x01\x04\0"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", b"<g>"),
        (b"<svg ", b"a='b' "),
        (b"<!DOCTYPE svg [", b"<!ENTITY a '&b;'>"),
        (b"<svg>", b"&a;"),
    ] {
        let bytes = [start, &part.repeat((SIZE - start.len()) / part.len())].concat();
        bounded(&format!("{} {}", start.escape_ascii(), part.escape_ascii()), move || {
            let _ = imgkeep::media::inspect(std::io::Cursor::new(bytes), &imgkeep::media::Limits::default());
        });
    }
}
