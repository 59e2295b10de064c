//! `imgkeep gc`: removes images that nothing refers to.

use std::io::{self, Write};

use anyhow::Result;
use jiff::Timestamp;
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::print::{Bytes, Count};
use crate::cli::{Context, Format, print, setup};
use crate::ops::gc::{self, Options, Report};

/// Images that are listed.
const SHOWN: usize = 20;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  imgkeep gc --dry-run\n  imgkeep gc")]
pub(super) struct Arguments {
    /// Only say what would be removed: nothing is changed, and no time of grace begins.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let config = &context.config;
    let reader = setup::reader(config)?;
    let archive = setup::existing_archive(config)?;
    let absent = config.daemon.watch.iter().filter(|folder| !folder.is_dir());
    let options = Options {
        grace: config.gc.grace,
        absent: absent.map(std::path::absolute).collect::<io::Result<_>>()?,
        dry_run: arguments.dry_run,
    };
    let report = gc::gc(&reader, &archive, &options, setup::now())?;
    let mut out = io::stdout();
    match context.format {
        Format::Json => {
            let mut value = json!(report);
            value["dry_run"] = json!(arguments.dry_run);
            print::json(&value, &mut out)?;
        }
        Format::Human => human(&report, arguments.dry_run, &mut out)?,
    }
    Ok(if report.unknown.is_empty() { Exit::Done } else { Exit::Incomplete })
}

fn human(report: &Report, dry_run: bool, out: &mut impl Write) -> io::Result<()> {
    let would = if dry_run { "would be " } else { "" };
    for removed in report.removed.iter().take(SHOWN) {
        writeln!(out, "{would}removed  {}", removed.blob)?;
    }
    if report.removed.len() > SHOWN {
        writeln!(out, "and {} more (--format json)", report.removed.len() - SHOWN)?;
    }
    for path in &report.orphaned {
        writeln!(out, "{would}removed  {}: nothing knows it", path.display())?;
    }
    let bytes = report.removed.iter().map(|removed| removed.bytes).sum();
    let count = Count(report.removed.len() as u64, "image");
    let trash =
        if dry_run || report.removed.is_empty() { "" } else { "; for a week they are in the store's trash" };
    writeln!(out, "{count} {would}removed ({}){trash}", Bytes(bytes))?;
    if report.waiting.blobs > 0 {
        let next = report.next.and_then(|at| Timestamp::from_millisecond(at).ok());
        let next = next.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
        writeln!(
            out,
            "{} ({}) that nothing refers to wait for their time: the first goes from {next} on",
            Count(report.waiting.blobs, "image"),
            Bytes(report.waiting.bytes),
        )?;
    }
    if report.gone > 0 {
        writeln!(
            out,
            "{} not where they were: if they were moved, archive them where they are now",
            Count(report.gone, "document")
        )?;
    }
    if report.emptied.blobs > 0 {
        let emptied = Count(report.emptied.blobs, "image");
        writeln!(out, "{emptied} ({}) {would}gone from the trash for good", Bytes(report.emptied.bytes))?;
    }
    if !report.unknown.is_empty() {
        writeln!(
            out,
            "{} in the store that the catalog does not know and the journal does: imgkeep verify --rebuild",
            Count(report.unknown.len() as u64, "image")
        )?;
    }
    Ok(())
}
