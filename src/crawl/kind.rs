//! What kind of document a file is: by its name, else by its bytes.

use std::path::Path;

use crate::crawl::Skip;
use crate::document::DocumentKind;
use crate::document::encoding::Encoding;
use crate::document::extract::json_feed;

/// What a file's extension says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A document of this kind.
    Kind(DocumentKind),
    /// Perhaps a document: its bytes tell.
    ByBytes,
    /// JSON, which is a document if its bytes are a feed.
    Json,
    /// No document, unless the user says so.
    Foreign,
}

impl Known {
    /// The kind, if the extension tells it.
    #[must_use]
    pub fn document(self) -> Option<DocumentKind> {
        match self {
            Self::Kind(kind) => Some(kind),
            Self::ByBytes | Self::Json | Self::Foreign => None,
        }
    }
}

/// Every extension that means a document, in lower case.
const EXTENSIONS: [(&str, Known); 13] = [
    ("html", Known::Kind(DocumentKind::Html)),
    ("htm", Known::Kind(DocumentKind::Html)),
    ("xhtml", Known::Kind(DocumentKind::Xml)),
    ("md", Known::Kind(DocumentKind::Markdown)),
    ("markdown", Known::Kind(DocumentKind::Markdown)),
    ("mdx", Known::Kind(DocumentKind::Markdown)),
    ("css", Known::Kind(DocumentKind::Css)),
    ("txt", Known::ByBytes),
    ("svg", Known::Kind(DocumentKind::Xml)),
    ("xml", Known::Kind(DocumentKind::Xml)),
    ("rss", Known::Kind(DocumentKind::Xml)),
    ("atom", Known::Kind(DocumentKind::Xml)),
    ("json", Known::Json),
];

/// What the name of a file says.
#[must_use]
pub fn of_name(path: &Path) -> Known {
    let Some(extension) = path.extension() else { return Known::ByBytes };
    let known = EXTENSIONS.iter().find(|(name, _)| extension.eq_ignore_ascii_case(name));
    known.map_or(Known::Foreign, |(_, known)| *known)
}

/// The kind of a document that is to be read: by its name, else by its bytes. Binary bytes are no document,
/// whatever they are called.
pub fn of(path: &Path, bytes: &[u8]) -> Result<DocumentKind, Skip> {
    if let Some((_, looks_like)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(Skip::Binary { looks_like });
    }
    match Encoding::of(bytes) {
        Encoding::Bytes => of_text(path, bytes),
        encoding @ (Encoding::Utf16Le | Encoding::Utf16Be) => {
            let text = encoding.read(bytes);
            // of random units one in thirty is half a character
            let (chars, broken) = text.chars().take(SAMPLE).fold((0, 0), |(chars, broken), char| {
                (chars + 1, broken + usize::from(char == char::REPLACEMENT_CHARACTER))
            });
            match broken * 64 > chars {
                true => Err(Skip::Binary { looks_like: UNKNOWN }),
                false => of_text(path, text.as_bytes()),
            }
        }
    }
}

fn of_text(path: &Path, bytes: &[u8]) -> Result<DocumentKind, Skip> {
    if is_binary(bytes) {
        return Err(Skip::Binary { looks_like: UNKNOWN });
    }
    match of_name(path) {
        Known::Kind(kind) => Ok(kind),
        Known::Json if json_feed::is_feed(bytes) => Ok(DocumentKind::Json),
        Known::Json => Err(Skip::NotAFeed),
        Known::ByBytes | Known::Foreign => Ok(by_markup(bytes)),
    }
}

/// How much of a file is looked at.
const SAMPLE: usize = 8 * 1024;

/// Formats that may pass for text in their first bytes, or whose name helps the user.
const MAGIC: [(&[u8], &str); 14] = [
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"RIFF", "RIFF"),
    (b"PK\x03\x04", "ZIP"),
    (b"%PDF-", "PDF"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"\xfd7zXZ\0", "XZ"),
    (b"BZh", "bzip2"),
    (b"\x7fELF", "ELF"),
    (b"SQLite format 3\0", "SQLite"),
    (b"wOF", "font"),
];

/// What a file is called that is neither text nor known by its first bytes.
const UNKNOWN: &str = "unknown";

/// Whether bytes are no text. Text in no encoding that is read here has control characters but for white space and
/// escape; of other bytes one in ten is one.
fn is_binary(bytes: &[u8]) -> bool {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    controls(sample) * 32 > sample.len()
}

/// Counts without a branch and in one byte for each stretch, so that the compiler takes many bytes at a time.
fn controls(bytes: &[u8]) -> usize {
    let counted = |byte: u8| {
        let is_white = (byte == b'\t') | (byte == b'\n') | (byte == b'\x0c') | (byte == b'\r');
        let is_escape = (byte == b'\x1a') | (byte == b'\x1b');
        u8::from(((byte < b' ') & !is_white & !is_escape) | (byte == b'\x7f'))
    };
    let stretches = bytes.chunks(128);
    stretches.map(|stretch| usize::from(stretch.iter().map(|byte| counted(*byte)).sum::<u8>())).sum()
}

/// A page starts as a page, XML with its declaration or as a feed, and a JSON Feed says what it is; all other
/// text may hold Markdown, which takes any text. XHTML is XML where it says both that it is XML and what its
/// names mean.
fn by_markup(bytes: &[u8]) -> DocumentKind {
    let mut rest = skip_space(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    let is_xml = has_prefix(rest, "<?xml");
    let mut is_page = false;
    loop {
        if is_xml && let Some(after) = after(rest, "<?", b"?>") {
            rest = skip_space(after);
        } else if let Some(after) = after(rest, "<!--", b"-->") {
            rest = skip_space(after);
        } else if !is_page && let Some(after) = after(rest, "<!doctype html", b">") {
            is_page = true;
            rest = skip_space(after);
        } else {
            break;
        }
    }
    let starts_with = |starts: &[&str]| starts.iter().any(|start| has_prefix(rest, start));
    let is_xhtml = || {
        after(rest, "<html", b">").is_some_and(|after| {
            let tag = &rest[..rest.len() - after.len()];
            memchr::memmem::find(tag, b"xmlns").is_some()
        })
    };
    is_page |= starts_with(&["<html", "<head", "<body"]);
    if is_page && !(is_xml && is_xhtml()) {
        DocumentKind::Html
    } else if json_feed::is_feed(bytes) {
        DocumentKind::Json
    } else if is_xml || starts_with(&["<rss ", "<rss>", "<feed ", "<rdf:rdf "]) {
        DocumentKind::Xml
    } else {
        DocumentKind::Markdown
    }
}

fn skip_space(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii_start()
}

fn has_prefix(bytes: &[u8], prefix: &str) -> bool {
    bytes.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// What follows a construct that starts here, if one does and is closed.
fn after<'a>(bytes: &'a [u8], open: &str, close: &[u8]) -> Option<&'a [u8]> {
    let inside = has_prefix(bytes, open).then(|| &bytes[open.len()..])?;
    memchr::memmem::find(inside, close).map(|end| &inside[end + close.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_and_else_the_bytes() {
        let check = |name: &str, bytes: &[u8], expected: Result<DocumentKind, &str>| {
            let found = of(Path::new(name), bytes).map_err(|skip| skip.reason());
            assert_eq!(found, expected, "{name} {:?}", String::from_utf8_lossy(bytes));
        };
        let (html, xml, markdown, css) = (
            Ok(DocumentKind::Html),
            Ok(DocumentKind::Xml),
            Ok(DocumentKind::Markdown),
            Ok(DocumentKind::Css),
        );
        check("a.md", b"", markdown);
        check("a.HTM", b"plain", html);
        check("a.css", b"", css);
        check("a.txt", b"\n\n---\ntitle: x\n---\n<p>", markdown);
        check("a.txt", b"plain", markdown);
        check("a.txt", b"\xef\xbb\xbf \n<!-- x --><!DOCTYPE html>", html);
        check("a.txt", b"<!-- x --><div>", markdown);
        check("a.txt", b"<!-- never closed <html>", markdown);
        check("README", b"# Title", markdown);
        check("page", b"<HTML lang=en>", html);
        check("page", b"<?xml version='1.0'?>\n<!DOCTYPE html>", html);
        check("page", b"<?xml version='1.0'?><!DOCTYPE html PUBLIC 'x' 'y'><html lang='en'>", html);
        check("page", b"<?xml version='1.0'?><!DOCTYPE html PUBLIC 'x' 'y'>\n<html\nxmlns='x'>", xml);
        check("page", b"<!DOCTYPE html><html xmlns='x'>", html);
        check("a.html", b"<?xml version='1.0'?><html xmlns='x'>", html);
        check("a.xhtml", b"<html>", xml);
        check("feed", b"<?xml version='1.0'?>\n<rss>", xml);
        check("feed", b"<?xml version='1.0'?><?xml-stylesheet?><!-- x --><x>", xml);
        check("a.txt", b"\n<rss version='2.0'>", xml);
        check("a.txt", b"<feed xmlns='x'>", xml);
        check("a.txt", b"<svg xmlns='x'>", markdown);
        for name in ["a.svg", "a.XML", "a.rss", "a.atom"] {
            check(name, b"plain", xml);
        }
        let feed = b"{\"version\": \"https://jsonfeed.org/version/1.1\"}";
        check("a.json", feed, Ok(DocumentKind::Json));
        check("feed", feed, Ok(DocumentKind::Json));
        check("a.md", feed, markdown);
        check("package.JSON", b"{\"version\": \"1.0\"}", Err("not_a_feed"));
        check("a.json", b"", Err("not_a_feed"));
        check("a.txt", b"{\"version\": \"1.0\"}", markdown);
        check("a.njk", b"text", markdown);
        check("a.md", b"\xff\xfe#\0", markdown);
        check("a.txt", b"\xfe\xff\0#", markdown);
        check("a.txt", b"#\0 \0t\0", markdown);
        check("a.txt", b"\xff\xfe<\0h\0t\0m\0l\0>\0", html);
        check("a", b"\0<\0B\0o\0d\0y\0>", html);
        check("a.json", b"\0{\0}", Err("not_a_feed"));
        check("a.md", b"\x01\0\x02\0#\0#\0", Err("binary"));
        check("a.md", b"\x89PNG\r\n\x1a\n\0\0", Err("binary"));
        check("a.html", b"%PDF-1.7\n%text", Err("binary"));
        check("a.md", b"a stray \0 in much text that goes on and on", markdown);
        check("a.md", "\u{4f60}\u{597d}".as_bytes(), markdown);
        check("a.md", b"\xc4\xe3\xba\xc3 GBK, \x1b$B ISO-2022-JP", markdown);
    }

    #[test]
    fn controls_are_counted() {
        let all: Vec<u8> = (0..=u8::MAX).cycle().take(3 * 256).collect();
        assert_eq!(controls(&all), 3 * (32 + 1 - 6));
        assert_eq!(controls(&[0; 1000]), 1000);
        assert_eq!(controls(b"\t\n\r\x0c\x1b\x1a"), 0);
    }

    #[test]
    fn random_bytes_are_binary() {
        let mut random = fastrand::Rng::with_seed(7);
        let bytes: Vec<u8> = (0..2000).map(|_| random.u8(1..)).collect();
        assert_eq!(of(Path::new("a"), &bytes).map_err(|skip| skip.reason()), Err("binary"));
        let marked = [b"\xff\xfe", bytes.as_slice()].concat();
        assert_eq!(of(Path::new("a"), &marked).map_err(|skip| skip.reason()), Err("binary"));
    }
}
