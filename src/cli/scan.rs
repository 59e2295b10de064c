//! `imgkeep scan`: the references of documents.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use crate::blob::BlobName;
use crate::cli::exit::Exit;
use crate::cli::{Context, Format, setup};
use crate::crawl::{Entry, Skip};
use crate::document::reference::ReferenceKind;
use crate::ops::Document;
use crate::ops::scan::scan;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  imgkeep scan posts/ --format json | jq -r .origin | sort -u")]
pub(super) struct Arguments {
    /// Documents, folders of documents, or `-` for stdin.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// A reference as the contract writes it.
#[derive(Serialize)]
struct Line<'a> {
    document: &'a str,
    start: usize,
    end: usize,
    context: ReferenceKind,
    raw: &'a str,
    url: &'a str,
    origin: &'a str,
    proxies: &'a [&'a str],
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

fn json(path: &Path, document: &Document, out: &mut Vec<u8>) {
    let name = path.to_string_lossy();
    for remote in document.resolved.remote.iter().filter(|remote| remote.wanted) {
        let span = remote.reference.span;
        let proxies: Vec<&str> = remote.wrappers.iter().map(|wrapper| &*wrapper.family).collect();
        let line = Line {
            document: &name,
            start: span.start(),
            end: span.end(),
            context: remote.reference.kind,
            raw: &String::from_utf8_lossy(&document.bytes[span.range()]),
            url: &remote.url,
            origin: remote.origin.as_str(),
            proxies: &proxies,
        };
        serde_json::to_writer(&mut *out, &line)
            .expect("a vector takes every byte, and the line is plain text");
        out.push(b'\n');
    }
}

/// `document:line:column origin`, lines and columns from 1, columns in bytes.
fn human(path: &Path, document: &Document, out: &mut Vec<u8>) {
    let (mut line, mut line_start, mut counted) = (1, 0, 0);
    for remote in document.resolved.remote.iter().filter(|remote| remote.wanted) {
        let start = remote.reference.span.start();
        for end in memchr::memchr_iter(b'\n', &document.bytes[counted..start]) {
            line += 1;
            line_start = counted + end + 1;
        }
        counted = start;
        let via: Vec<&str> = remote.wrappers.iter().map(|wrapper| &*wrapper.family).collect();
        let via = if via.is_empty() { String::new() } else { format!("  (behind {})", via.join(", ")) };
        let column = start - line_start + 1;
        writeln!(out, "{}:{line}:{column}  {}{via}", path.display(), remote.origin)
            .expect("a vector takes every byte");
    }
}
