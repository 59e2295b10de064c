//! `imgkeep restore`: the way back.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Value, json};

use crate::catalog::OriginKey;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::print::Count;
use crate::cli::{Context, Format, print, setup};
use crate::digest::Digest;
use crate::ops::Archive;
use crate::ops::change::{Options, Report};
use crate::ops::restore::{Selection, restore};
use crate::origin::proxy::Families;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  imgkeep restore posts/2022/04/lost.md")]
pub(super) struct Arguments {
    /// Documents or folders of documents.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only links to this image: its digest, or its URL, proxied or not.
    #[arg(long, value_name = "DIGEST|URL")]
    image: Option<String>,
    /// Only links that this run wrote (`imgkeep status` lists the runs).
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Show the change as a unified diff.
    #[arg(long)]
    diff: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let config = &context.config;
    let reader = setup::reader(config)?;
    let archive = setup::existing_archive(config)?;
    let images = arguments.image.as_ref().map(|image| digests(&archive, &reader.resolver.families, image));
    if let Some(run) = &arguments.run
        && !archive.catalog.runs()?.iter().any(|known| known.name == *run)
    {
        return Err(UsageError::because(format!("there is no run `{run}`: `imgkeep status` lists the runs")));
    }
    let selection = Selection { images: images.transpose()?, run: arguments.run.clone() };
    let (entries, early) = setup::documents(&reader, &archive, &arguments.paths, arguments.dry_run)?;
    let options =
        Options { replace: config.replace_options(), dry_run: arguments.dry_run, diffs: arguments.diff };
    let mut report = restore(&reader, &archive, &entries, &selection, &options);
    report.failed.extend(early);
    let verb = if arguments.dry_run { "would be restored" } else { "restored" };
    print_report(context, report, "restored", verb)
}

/// The images that a digest or URL stands for.
fn digests(archive: &Archive, families: &Families, image: &str) -> Result<Vec<Digest>> {
    if let Ok(digest) = image.parse() {
        return Ok(vec![digest]);
    }
    let unwrapped = families.unwrap(image);
    let unwrapped = unwrapped
        .map_err(|error| UsageError::because(format!("`{image}` is no digest and no URL: {error}")))?;
    let kept = archive.catalog.snapshots_of(OriginKey::of(&unwrapped.origin))?;
    if kept.is_empty() {
        return Err(UsageError::because(format!("nothing is kept of `{}`", unwrapped.origin)));
    }
    Ok(kept)
}

/// The report of a command that changes kept links.
///
/// # Errors
/// What ended the command before its end, once the rest is told.
pub(super) fn print_report(context: &Context, report: Report, key: &str, verb: &str) -> Result<Exit> {
    let mut out = io::stdout();
    match context.format {
        Format::Json => {
            let failures: Vec<Value> = report
                .failed
                .iter()
                .map(|(document, why)| json!({ "document": document.to_string_lossy(), "why": why }))
                .collect();
            let value = json!({
                "documents": { "scanned": report.scanned, "changed": report.changed, "failed": failures.len() },
                "links": { key: report.links, "unknown": report.unknown },
                "failures": failures,
            });
            print::json(&value, &mut out)?;
        }
        Format::Human => {
            print::diffs(&report.diffs, &mut out)?;
            let (links, documents) = (Count(report.links, "link"), Count(report.changed, "document"));
            writeln!(out, "{links} {verb} in {documents} of {}", report.scanned)?;
            if report.unknown > 0 {
                writeln!(out, "{}: no record says what stood there", Count(report.unknown, "link"))?;
            }
            for (document, why) in &report.failed {
                writeln!(out, "left as it is: {}: {why}", document.display())?;
            }
        }
    }
    out.flush()?;
    if let Some(error) = report.broke_off {
        return Err(error);
    }
    Ok(if report.failed.is_empty() && report.unknown == 0 { Exit::Done } else { Exit::Incomplete })
}
