//! References one by one: for people, and as the contract writes them.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use crate::document::lines::Lines;
use crate::ops::Document;
use crate::resolve::Remote;

/// How people get them.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) has_colours: bool,
}

impl Style {
    /// Writes `text` between a code of ECMA-48's SGR (section 8.3.117) and the end of it.
    fn write(self, code: &str, text: impl Display, out: &mut Vec<u8>) {
        let written = match self.has_colours {
            true => write!(out, "\x1b[{code}m{text}\x1b[0m"),
            false => write!(out, "{text}"),
        };
        written.expect("a vector takes every byte");
    }
}

const BOLD: &str = "1";
const GREEN: &str = "32";
const CYAN: &str = "36";
const DIM: &str = "2";

/// The document, and a line for each reference below it: line and column from 1, columns in bytes; the kind;
/// the origin; the wrappers, outermost first. Nothing of a document without references.
pub(super) fn human(path: &Path, document: &Document, listed: &[&Remote], style: Style, out: &mut Vec<u8>) {
    let Some(widest) = listed.iter().map(|remote| remote.reference.kind.name().len()).max() else { return };
    style.write(BOLD, path.display(), out);
    out.push(b'\n');
    let places: Vec<String> = places(document, listed);
    let longest = places.iter().map(String::len).max().unwrap_or_default();
    for (remote, place) in listed.iter().zip(&places) {
        out.extend_from_slice(b"  ");
        style.write(GREEN, format_args!("{place:<longest$}"), out);
        out.extend_from_slice(b"  ");
        style.write(CYAN, format_args!("{:<widest$}", remote.reference.kind.name()), out);
        out.extend_from_slice(b"  ");
        out.extend_from_slice(remote.origin.as_str().as_bytes());
        if !remote.wrappers.is_empty() {
            let names: Vec<&str> = remote.wrappers.iter().map(|wrapper| &*wrapper.family).collect();
            out.extend_from_slice(b"  ");
            style.write(DIM, format_args!("(behind {})", names.join(", ")), out);
        }
        out.push(b'\n');
    }
}

/// `line:column` of each reference. They come in the order in which they stand.
fn places(document: &Document, listed: &[&Remote]) -> Vec<String> {
    let mut lines = Lines::new(&document.bytes);
    let place = |remote: &&Remote| {
        let (line, column) = lines.place(remote.reference.span.start());
        format!("{line}:{column}")
    };
    listed.iter().map(place).collect()
}

/// A reference as the contract writes it, one on a line. Written by hand: a scan writes ten times as much as
/// it finds, and most of it is text that needs no escape.
pub(super) fn json(path: &Path, document: &Document, listed: &[&Remote], out: &mut Vec<u8>) {
    let mut name = Vec::new();
    string(&path.to_string_lossy(), &mut name);
    out.reserve(listed.len() * (USUAL_LINE + name.len()));
    for remote in listed {
        let span = remote.reference.span;
        let raw = &document.bytes[span.range()];
        out.extend_from_slice(b"{\"document\":");
        out.extend_from_slice(&name);
        for (name, number) in [(&b",\"start\":"[..], span.start()), (b",\"end\":", span.end())] {
            out.extend_from_slice(name);
            serde_json::to_writer(&mut *out, &number).expect("a vector takes every byte");
        }
        let raw = remote.reference.escapes.encoding().read(raw);
        for (name, text) in [
            ("context", remote.reference.kind.name()),
            ("raw", &raw),
            ("url", remote.url()),
            ("origin", remote.origin.as_str()),
        ] {
            for part in [",\"", name, "\":"] {
                out.extend_from_slice(part.as_bytes());
            }
            string(text, out);
        }
        out.extend_from_slice(b",\"proxies\":[");
        for (index, wrapper) in remote.wrappers.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            string(&wrapper.family, out);
        }
        out.extend_from_slice(b"]}\n");
    }
}

/// Bytes of a line besides the document's name, so that most documents' lines are written without being moved.
const USUAL_LINE: usize = 420;

/// `text` as a JSON string.
fn string(text: &str, out: &mut Vec<u8>) {
    let needs_escape = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\');
    // Without a branch, so that the compiler takes many bytes at a time.
    if text.bytes().fold(false, |any, byte| any | needs_escape(byte)) {
        serde_json::to_writer(out, text).expect("a vector takes every byte, and text is a JSON string");
    } else {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
}
