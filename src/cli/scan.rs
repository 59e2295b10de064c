//! `imgkeep scan`: the references of documents.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::blob::BlobName;
use crate::cli::exit::{self, Exit};
use crate::cli::print::Count;
use crate::cli::{Context, Format, print, setup};
use crate::crawl::{Entry, Skip};
use crate::ops::Document;
use crate::ops::archive::unfinished;
use crate::ops::scan::scan;
use crate::ops::scan::summary::Summary;
use crate::resolve::Remote;

mod list;
mod table;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgkeep scan posts/ --format json | jq -r .origin | sort -u
  imgkeep scan posts/ --summary
  imgkeep scan posts/ --remote      is a post left that shows a remote image?")]
pub(super) struct Arguments {
    /// Documents, folders of documents, or `-` for stdin.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only totals: by kind of reference, by proxy family, by host.
    #[arg(long)]
    summary: bool,
    /// With `--summary`: every host, not only the most frequent.
    #[arg(long, requires = "summary")]
    all: bool,
    /// List only what `archive` left to do, and exit with code 3 if there is anything.
    #[arg(long)]
    remote: bool,
}

/// What was looked at, and what came of it.
#[derive(Clone, Copy, Default)]
struct Tally {
    /// Documents, read or known to be done.
    looked_at: u64,
    /// Documents that hold references.
    documents: u64,
    references: u64,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let outcome = match arguments.summary {
        true => summarise(context, arguments),
        false => list(context, arguments),
    };
    let (tally, exit) = match outcome {
        // Whoever reads the first lines only has seen that there are some.
        Err(error) if arguments.remote && exit::is_broken_pipe(&error) => return Ok(Exit::Incomplete),
        outcome => outcome?,
    };
    if !context.quiet && (arguments.remote || (context.format == Format::Human && !arguments.summary)) {
        // Nobody is left to tell if stderr is closed.
        let _ = writeln!(io::stderr(), "{}", tally.told(arguments.remote));
    }
    Ok(if arguments.remote && tally.references > 0 { Exit::Incomplete } else { exit })
}

impl Tally {
    fn told(self, is_left: bool) -> String {
        let (references, documents) =
            (Count(self.references, "reference"), Count(self.documents, "document"));
        match (is_left, self.references) {
            (true, 0) => format!("no remote image is left in {}", Count(self.looked_at, "document")),
            (true, _) => format!("{references} left remote in {documents}"),
            (false, _) => format!("{references} in {documents}"),
        }
    }
}

fn list(context: &Context, arguments: &Arguments) -> Result<(Tally, Exit)> {
    let stdout = io::stdout().lock();
    let style = list::Style { has_colours: print::has_colours(&stdout) };
    let mut out = BufWriter::with_capacity(1 << 16, stdout);
    let look = |path: &Path, document: &Document, listed: &[&Remote]| {
        let mut text = Vec::new();
        match context.format {
            Format::Human => list::human(path, document, listed, style, &mut text),
            Format::Json => list::json(path, document, listed, &mut text),
        }
        text
    };
    let mut is_first = true;
    let outcome = each(context, arguments, look, |text| {
        if context.format == Format::Human && !text.is_empty() && !std::mem::take(&mut is_first) {
            out.write_all(b"\n")?;
        }
        out.write_all(&text)
    })?;
    out.flush()?;
    Ok(outcome)
}

fn summarise(context: &Context, arguments: &Arguments) -> Result<(Tally, Exit)> {
    let mut all = Summary::default();
    let look = |_: &Path, _: &Document, listed: &[&Remote]| Summary::of(listed.iter().copied());
    let outcome = each(context, arguments, look, |summary| {
        all.add(summary);
        Ok(())
    })?;
    let most = if arguments.all { usize::MAX } else { table::HOSTS };
    let mut out = io::stdout().lock();
    let written = match context.format {
        Format::Human => table::human(&all, most, &mut out).map_err(Into::into),
        Format::Json => print::json(&table::json(&all, most), &mut out),
    };
    match written {
        // The outcome does not depend on who reads the numbers.
        Err(error) if !exit::is_broken_pipe(&error) => Err(error),
        _ => Ok(outcome),
    }
}

/// Calls `look` for each document with the references that are asked for, and `take` with what came of it, in order.
fn each<T: Send>(
    context: &Context,
    arguments: &Arguments,
    look: impl Fn(&Path, &Document, &[&Remote]) -> T + Sync,
    mut take: impl FnMut(T) -> io::Result<()>,
) -> Result<(Tally, Exit)> {
    let reader = setup::reader(&context.config)?;
    let archive = setup::archive_if_any(&context.config)?;
    let known = |blob: BlobName| {
        archive.as_ref().is_some_and(|archive| archive.catalog.knows(blob.digest).unwrap_or(false))
    };
    let look = |path: &Path, document: &Document| {
        let remote = document.resolved.remote.iter();
        let listed: Vec<&Remote> = remote.filter(|remote| remote.wanted).collect();
        (look(path, document, &listed), listed.len() as u64)
    };
    let mut tally = Tally::default();
    let mut take = |(looked, references): (T, u64)| {
        tally.documents += u64::from(references > 0);
        tally.references += references;
        take(looked)
    };

    let mut exit = Exit::Done;
    let (stdin, paths) = setup::split_stdin(&arguments.paths);
    if stdin {
        let bytes = setup::stdin(&reader)?;
        match reader.resolve(&Entry::unnamed(), &bytes, &known) {
            Ok(resolved) => take(look(Path::new("-"), &Document { bytes, resolved }))?,
            Err(skip) => exit = left_alone(Path::new("-"), &skip, exit),
        }
    }
    let mut entries = setup::entries(&reader, &paths, &mut |path, skip| {
        exit = left_alone(&path, &skip, exit);
    })?;
    let looked_at = entries.len() as u64 + u64::from(stdin);
    if let Some(archive) = archive.as_ref().filter(|_| arguments.remote) {
        entries = unfinished(&reader, archive, entries)?;
    }
    scan(
        &reader,
        &entries,
        &known,
        |entry, document| look(&entry.path, document),
        take,
        |entry: &Entry, skip: Skip| exit = left_alone(&entry.path, &skip, exit),
    )?;
    Ok((Tally { looked_at, ..tally }, exit))
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
