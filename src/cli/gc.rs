//! `imgkeep gc`: removes images that nothing refers to.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Result, bail};
use jiff::Timestamp;
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::print::{Bytes, Count};
use crate::cli::{Context, Format, print, setup};
use crate::ops::gc::{self, Options, Report};

/// Images that are listed.
const SHOWN: usize = 20;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "What any record of a document refers to is kept, be the document there or not; so is the newest copy of \
                  every image. What is removed is in the trash of the store for a week.\n\nExamples:\n  imgkeep gc --dry-run\n  \
                  imgkeep gc --search drafts/\n  imgkeep gc --forget-gone --dry-run    what only deleted documents used"
)]
pub(super) struct Arguments {
    /// Only say what would be removed: nothing is changed, and no time of grace begins.
    #[arg(long)]
    dry_run: bool,
    /// Remove the images, too, that only documents use which are gone for longer than `gc.grace_days`, and were
    /// missed twice by then. Their way back stays, without the images.
    #[arg(long)]
    forget_gone: bool,
    /// Keep what these documents, or those in these folders, link to or name, known or not.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    search: Vec<PathBuf>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let config = &context.config;
    let reader = setup::reader(config)?;
    let archive = setup::existing_archive(config)?;
    let mut unread = None;
    let entries = setup::entries(&reader, &arguments.search, &mut |path, skip| {
        unread = unread.take().or(skip.is_failure().then_some((path, skip)));
    })?;
    if let Some((path, skip)) = unread {
        bail!("nothing is removed: `{}` may name an image, and {skip}", path.display());
    }
    let folders = config.daemon.watch.iter().chain(&config.daemon.allow);
    let absent = folders.filter(|folder| !folder.is_dir());
    let options = Options {
        grace: config.gc.grace,
        absent: absent.map(std::path::absolute).collect::<io::Result<_>>()?,
        search: entries.iter().map(crate::crawl::Entry::real).collect(),
        forget_gone: arguments.forget_gone,
        dry_run: arguments.dry_run,
    };
    let report = gc::gc(&reader, &archive, &options, setup::now(), &|| false)?;
    let mut out = io::stdout();
    match context.format {
        Format::Json => {
            let mut value = json!(report);
            value["dry_run"] = json!(arguments.dry_run);
            print::json(&value, &mut out)?;
        }
        Format::Human => human(&report, arguments.dry_run, &mut out)?,
    }
    let is_done = report.refused.is_none()
        && report.unreadable.is_empty()
        && report.unknown.is_empty()
        && report.doubtful.is_empty();
    Ok(if is_done { Exit::Done } else { Exit::Incomplete })
}

fn human(report: &Report, dry_run: bool, out: &mut impl Write) -> io::Result<()> {
    if let Some(why) = &report.refused {
        return writeln!(out, "nothing was done: {why}");
    }
    let would = if dry_run { "would be " } else { "" };
    for path in &report.forgotten {
        writeln!(out, "gone     {}: its images {would}removed", path.display())?;
    }
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
    for path in &report.unreadable {
        writeln!(out, "no image was removed: {} cannot be read, and may name one", path.display())?;
    }
    if report.gone > 0 {
        writeln!(
            out,
            "{} not where they were: if they were moved, archive them where they are now",
            Count(report.gone, "document")
        )?;
    }
    if !report.unsure.is_empty() {
        let unsure = Count(report.unsure.len() as u64, "document");
        writeln!(out, "{unsure} of these may be on a disk that is not there, and count")?;
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
    if !report.doubtful.is_empty() {
        writeln!(
            out,
            "{} in the store that the catalog does not know, while a part of the journal cannot be read: they stay",
            Count(report.doubtful.len() as u64, "image")
        )?;
    }
    Ok(())
}
