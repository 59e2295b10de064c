//! A megabyte of what makes careless readers slow or greedy, for every grammar: it is read in a time and a memory that
//! tell a reader which looks at each byte a few times from one which does not. `benches/hostile.rs` has the figures.

use std::io::{Cursor, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use imgkeep::document::DocumentKind::{self, Css, Html, Json, Markdown, Xml};
use imgkeep::document::extract::{self, Rules};
use imgkeep::media::{Limits, inspect};
use imgkeep::origin::proxy::Families;
use imgkeep::resolve::{Resolver, Wanted};
use properties::bound::{self, core_time};

#[path = "../fuzz/src/lib.rs"]
pub mod properties;

const SIZE: usize = 1 << 20;

/// A second is promised, of the program as it is built for use. A build without optimisation takes several times as long.
const TIME: Duration = Duration::from_secs(if cfg!(debug_assertions) { 5 } else { 1 });

/// What does not come back by then hangs.
const PATIENCE: Duration = Duration::from_secs(180);

/// Says to a process of this program which row it is to read.
const ROW: &str = "HOSTILE_SIZE_ROW";

/// The rows of a test, each in a process of its own: what was taken for one is not there for the next.
struct Rows {
    test: &'static str,
    only: Option<usize>,
    next: usize,
}

impl Rows {
    fn of(test: &'static str) -> Self {
        let only = env::var(ROW).ok().map(|row| row.parse().expect("this program said a number"));
        Self { test, only, next: 0 }
    }

    /// One row: what is read is made first, and not counted.
    #[expect(clippy::print_stdout, reason = "how a row tells its figures")]
    fn row<T>(&mut self, name: &str, make: impl FnOnce() -> T, read: impl FnOnce(T)) {
        let row = self.next;
        self.next += 1;
        match self.only {
            None => self.hold(row, name),
            Some(only) if only == row => {
                let input = make();
                let (started, before) = (core_time(), resident("VmRSS:"));
                read(input);
                let memory = resident("VmHWM:").saturating_sub(before);
                println!("\n{} {memory}", (core_time() - started).as_nanos());
            }
            Some(_) => {}
        }
    }

    /// Holds the row to the bounds.
    #[expect(clippy::print_stdout, reason = "the figures, for whoever asks for them")]
    fn hold(&self, row: usize, name: &str) {
        let program = env::current_exe().expect("this program has a name");
        let mut reading = Command::new(program)
            .args(["--exact", self.test, "--nocapture", "--test-threads=1"])
            .env(ROW, row.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be started");
        let started = Instant::now();
        while reading.try_wait().expect("it can be waited for").is_none() {
            if started.elapsed() > PATIENCE {
                reading.kill().expect("it can be ended");
                reading.wait().expect("it can be waited for");
                panic!("{name} hangs");
            }
            thread::sleep(Duration::from_millis(2));
        }
        let mut said = String::new();
        reading.stdout.take().expect("it is piped").read_to_string(&mut said).expect("it says text");
        let numbers = said.lines().find_map(|line| line.split_once(' ')?.0.parse::<u64>().ok().map(|_| line));
        let (time, memory) =
            numbers.and_then(|line| line.split_once(' ')).unwrap_or_else(|| panic!("{name}: {said}"));
        let time = Duration::from_nanos(time.parse().expect("nanoseconds"));
        let memory: usize = memory.parse().expect("bytes");
        println!("{:>7.3} s {:>4} MiB {name}", time.as_secs_f64(), memory >> 20);
        assert!(time <= TIME, "{time:?} for {name}");
        assert!(memory <= bound::memory(SIZE), "{memory} bytes of memory for {name}");
    }

    /// Each of `parts` over and over, between a start and an end.
    fn repeated(&mut self, kind: DocumentKind, start: &str, parts: &[&str], end: &str) {
        for part in parts {
            let make = || [start, &part.repeat((SIZE - start.len() - end.len()) / part.len()), end].concat();
            self.row(&format!("{kind:?} {start:?} {part:?} {end:?}"), make, |document| {
                let found = extract::find(document.as_bytes(), kind, &Rules::default());
                let resolver = Resolver { families: Families::builtin() };
                let _ = resolver.resolve(found, &Wanted::default(), &|_, _| true);
            });
        }
    }
}

/// A line of the system's account of this process, in bytes.
fn resident(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux tells this, too");
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().expect("a number of kilobytes");
    kilobytes << 10
}

#[test]
fn a_megabyte_of_every_grammar_is_read_within_its_bounds() {
    let mut rows = Rows::of("a_megabyte_of_every_grammar_is_read_within_its_bounds");
    rows.repeated(
        Html,
        "",
        &["<", "<a ", "<!--", "<p>", "<script><!--", "<svg><title>", "<noscript>", "&", "<img src=a>"],
        "",
    );
    rows.repeated(Html, "<img ", &["a=b ", "src=a ", "data-src=//h/a "], ">");
    rows.repeated(Html, "<img srcset='", &[",", "a, ", "//h, ", "a (", "("], "'>");
    rows.repeated(Html, "<p style=\"x:", &["url(", "(", "\\", "url(//h/a) "], "\">");
    rows.repeated(
        Html,
        "",
        &["<iframe srcdoc='<iframe srcdoc=\"", "<a href=//h/a>", "<template>", "<table><tr>"],
        "",
    );
    rows.repeated(Css, "", &["(", "{", "\\75 ", "/*", "url(", "a{b:url(//h/a)}", "'", "image-set("], "");
    rows.repeated(
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
    rows.repeated(Xml, "<!DOCTYPE a [", &["<!ENTITY a 'b'>", "[", "<!--"], "]><rss/>");
    rows.repeated(
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
    rows.repeated(Markdown, "a\n", &["{%", "{% img ", "{{<", "{% raw %}", "{% img //h/a %}"], "");
    rows.repeated(Markdown, "---\ncover: ", &["[", "{a: ", "- ", "? ", "&a ", "'", "\"\\"], "\n---\n");
    rows.repeated(Markdown, "---\ncover: [", &["//h/a, ", "*a, "], "]\n---\n");
    rows.repeated(Markdown, "+++\ncover = ", &["[", "{a=", "'", "\"\"\"", "a."], "\n+++\n");
    rows.repeated(Markdown, "{\"cover\": ", &["[", "{\"a\":", "\"a\","], "}\n\n");
    rows.repeated(
        Json,
        "{\"items\":[",
        &["[", "{\"content_html\":\"<", "{\"image\":\"//h/a\"},", "\\"],
        "]}",
    );
}

#[test]
fn a_megabyte_of_an_address_is_unwrapped_within_the_bounds() {
    let mut rows = Rows::of("a_megabyte_of_an_address_is_unwrapped_within_the_bounds");
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
        ("http://", "a."),
        ("https://cors.zfour.workers.dev/?http://", "i0.wp.com."),
        ("https://a.example/?u=", "&amp;"),
    ] {
        let make = || [start, &part.repeat((SIZE - start.len()) / part.len())].concat();
        rows.row(&format!("{start:?} {part:?}"), make, |text| {
            let _ = Families::builtin().unwrap(&text);
        });
    }
}

#[test]
fn a_megabyte_of_an_image_is_walked_within_the_bounds() {
    let mut rows = Rows::of("a_megabyte_of_an_image_is_walked_within_the_bounds");
    for (start, part) in [
        (
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x02\x08\x02\0\0\0\xfd\xd4\x9a\x73".as_slice(),
            b"\0\0\0\0tEXt\x96\x42\xc5\x85".as_slice(),
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
        let make = || [start, &part.repeat((SIZE - start.len()) / part.len())].concat();
        rows.row(&format!("{} {}", start.escape_ascii(), part.escape_ascii()), make, |bytes| {
            let _ = inspect(Cursor::new(bytes), &Limits::default());
        });
    }
}
