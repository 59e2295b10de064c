//! `imgkeep scan`: the references of documents.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::blob::BlobName;
use crate::cli::exit::Exit;
use crate::cli::{Context, Format, setup};
use crate::crawl::{Entry, Skip};
use crate::document::lines::Lines;
use crate::ops::Document;
use crate::ops::scan::scan;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  imgkeep scan posts/ --format json | jq -r .origin | sort -u")]
pub(super) struct Arguments {
    /// Documents, folders of documents, or `-` for stdin.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let reader = setup::reader(&context.config)?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let render = |path: &Path, document: &Document, out: &mut Vec<u8>| match context.format {
        Format::Human => human(path, document, out),
        Format::Json => json(path, document, out),
    };
    let mut exit = Exit::Done;
    let archive = setup::archive_if_any(&context.config)?;
    let known = |blob: BlobName| {
        archive.as_ref().is_some_and(|archive| archive.catalog.knows(blob.digest).unwrap_or(false))
    };
    let (stdin, paths) = setup::split_stdin(&arguments.paths);
    if stdin {
        let bytes = setup::stdin(&reader)?;
        match reader.resolve(&Entry::unnamed(), &bytes, &known) {
            Ok(resolved) => {
                let mut rendered = Vec::new();
                render(Path::new("-"), &Document { bytes, resolved }, &mut rendered);
                out.write_all(&rendered)?;
            }
            Err(skip) => exit = left_alone(Path::new("-"), &skip, exit),
        }
    }
    let entries = setup::entries(&reader, &paths, &mut |path, skip| {
        exit = left_alone(&path, &skip, exit);
    })?;
    scan(
        &reader,
        &entries,
        &known,
        |entry, document, out| render(&entry.path, document, out),
        |rendered| out.write_all(rendered),
        |entry: &Entry, skip: Skip| exit = left_alone(&entry.path, &skip, exit),
    )?;
    out.flush()?;
    Ok(exit)
}

fn left_alone(path: &Path, skip: &Skip, exit: Exit) -> Exit {
    if skip.is_failure() {
        tracing::warn!(document = %path.display(), "left alone: {skip}");
        Exit::Incomplete
    } else {
        tracing::info!(document = %path.display(), "left alone: {skip}");
        exit
    }
}

/// A reference as the contract writes it, one on a line. Written by hand: a scan writes ten times as much as
/// it finds, and most of it is text that needs no escape.
fn json(path: &Path, document: &Document, out: &mut Vec<u8>) {
    let mut name = Vec::new();
    string(&path.to_string_lossy(), &mut name);
    out.reserve(document.resolved.remote.len() * (USUAL_LINE + name.len()));
    for remote in document.resolved.remote.iter().filter(|remote| remote.wanted) {
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

/// `document:line:column origin`, as [`Lines`] counts them.
fn human(path: &Path, document: &Document, out: &mut Vec<u8>) {
    let name = path.to_string_lossy();
    let mut lines = Lines::new(&document.bytes);
    for remote in document.resolved.remote.iter().filter(|remote| remote.wanted) {
        let (line, column) = lines.place(remote.reference.span.start());
        out.extend_from_slice(name.as_bytes());
        write!(out, ":{line}:{column}  ").expect("a vector takes every byte");
        out.extend_from_slice(remote.origin.as_str().as_bytes());
        for (index, wrapper) in remote.wrappers.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b"  (behind " } else { b", " });
            out.extend_from_slice(wrapper.family.as_bytes());
        }
        out.extend_from_slice(if remote.wrappers.is_empty() { b"\n" } else { b")\n" });
    }
}
