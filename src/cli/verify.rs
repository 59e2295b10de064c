//! `imgkeep verify`: is everything as it should be?

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::print::Count;
use crate::cli::progress::Display;
use crate::cli::{Context, Format, print, setup, stop};
use crate::crawl;
use crate::ops::archive::{Options, Progress};
use crate::ops::audit::{self, remote_images};
use crate::ops::rebuild;
use crate::ops::repair::{self, Lost, Repaired, Version};
use crate::ops::verify::{self, Finding};
use crate::ops::{Archive, Reader};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  imgkeep verify\n  imgkeep verify --repair\n  imgkeep verify --audit public/    what would a browser still ask others for?"
)]
pub(super) struct Arguments {
    /// Instead, list the remote images that a browser would still ask for in these documents or folders.
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with = "rebuild")]
    audit: Vec<PathBuf>,
    /// First make the catalog again from the store's journal: origins, snapshots and the way back.
    #[arg(long)]
    rebuild: bool,
    /// Fetch missing and damaged copies again, from wherever they were had; only the same bytes are taken. A damaged
    /// catalog is made again first.
    #[arg(long, conflicts_with = "audit")]
    repair: bool,
    /// Decode every image too: finds those that are whole and cannot be drawn.
    #[arg(long)]
    pixels: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    if !arguments.audit.is_empty() {
        return audit(context, &arguments.audit);
    }
    let reader = setup::reader(&context.config)?;
    let mut archive = match arguments.rebuild {
        true => {
            setup::check_archive(&context.config)?;
            rebuilt(context)?
        }
        false => setup::existing_archive(&context.config)?,
    };
    let limits = context.config.media_limits();
    let verified = |archive: &Archive| verify::verify(&reader, archive, arguments.pixels.then_some(&limits));
    let mut report = verified(&archive)?;
    let flaw = report.findings.iter().find_map(|finding| match finding {
        Finding::Catalog { why } => Some(why),
        _ => None,
    });
    if let Some(why) = flaw.filter(|_| arguments.repair) {
        tracing::warn!("the catalog is damaged ({why}): it is made again from the journal");
        // Nobody sets aside what is open.
        drop(archive);
        archive = rebuilt(context)?;
        report = verified(&archive)?;
    }
    let mut broke_off = None;
    let (report, repair) = match arguments.repair {
        false => (report, None),
        true => {
            let (report, mut repair) = repaired(context, reader, archive, report)?;
            broke_off = repair.broke_off.take();
            (report, Some(repair))
        }
    };
    let mut out = io::stdout();
    match context.format {
        Format::Json => {
            let mut value = json!({
                "blobs": report.blobs,
                "documents": report.documents,
                "links": report.links,
                "findings": report.findings,
            });
            if let Some(repair) = &repair {
                value["repaired"] = json!(repair.repaired);
                value["different"] = json!(repair.different);
                value["unrepaired"] = json!(repair.unrepaired);
            }
            print::json(&value, &mut out)?;
        }
        Format::Human => {
            repair.iter().try_for_each(|repair| describe_repair(repair, &mut out))?;
            human(&report, &mut out)?;
        }
    }
    if let Some(error) = broke_off {
        return Err(error);
    }
    Ok(match repair {
        Some(repair) if repair.interrupted => Exit::Fatal,
        _ if report.findings.is_empty() => Exit::Done,
        _ => Exit::Incomplete,
    })
}

/// Makes the catalog again from the journal.
fn rebuilt(context: &Context) -> Result<Archive> {
    let (archive, read) = rebuild::anew(&context.config.store.path, &context.config.catalog.url)?;
    tracing::info!(lines = read.lines, "the catalog was made again from the journal");
    Ok(archive)
}

/// Asks for what is missing or damaged.
fn repaired(
    context: &Context,
    reader: Reader,
    archive: Archive,
    found: verify::Report,
) -> Result<(verify::Report, repair::Report)> {
    let config = &context.config;
    let options = super::archive::options(config, setup::link(config, None)?, false)?;
    let progress = Arc::new(Progress::default());
    let display = Display::start(Arc::clone(&progress), context.quiet);
    let fetcher = setup::fetcher(config, &[])?;
    let outcome = stop::unless_asked_twice(&setup::runtime()?, async |stop| {
        let options = Options { stop, ..options };
        repair::repair(Arc::new(reader), Arc::new(archive), fetcher, options, progress, found).await
    });
    drop(display);
    outcome?
}

fn human(report: &verify::Report, out: &mut impl Write) -> io::Result<()> {
    for finding in &report.findings {
        writeln!(out, "{finding}")?;
    }
    let verdict = match report.findings.len() as u64 {
        0 => "all is well".to_owned(),
        found => format!("{} to look at", Count(found, "finding")),
    };
    writeln!(
        out,
        "{} and {} in {} checked: {verdict}",
        Count(report.blobs, "kept image"),
        Count(report.links, "link"),
        Count(report.documents, "document"),
    )
}

fn describe_repair(repair: &repair::Report, out: &mut impl Write) -> io::Result<()> {
    for Repaired { blob, source, url } in &repair.repaired {
        writeln!(out, "repaired  {blob}: {source}, {url}")?;
    }
    for Lost { blob, versions, .. } in &repair.different {
        writeln!(out, "different {blob}: what is there now is another version, which was not taken")?;
        for Version { digest, url } in versions {
            writeln!(out, "            {digest} at {url}")?;
        }
    }
    for Lost { blob, attempts, .. } in &repair.unrepaired {
        let nobody = if attempts.is_empty() { ": no record says where it came from" } else { "" };
        writeln!(out, "not to be had {blob}{nobody}")?;
        for attempt in attempts {
            writeln!(out, "            {}: {}: {}", attempt.source, attempt.url, attempt.detail)?;
        }
    }
    if repair.interrupted {
        writeln!(out, "stopped before the end: run the same command again to go on")?;
    }
    Ok(())
}

/// Lists what a browser would still ask other servers for.
fn audit(context: &Context, paths: &[PathBuf]) -> Result<Exit> {
    let reader = setup::reader(&context.config)?;
    let mut exit = Exit::Done;
    let mut skipped = Vec::new();
    let entries = setup::entries(&reader, paths, &mut |path, skip| skipped.push((path, skip)))?;
    for (path, skip) in skipped.into_iter().filter(|(_, skip)| skip.is_failure()) {
        tracing::warn!(document = %path.display(), "not audited: {skip}");
        exit = Exit::Incomplete;
    }
    let mut out = io::stdout();
    for entry in entries {
        let path = entry.path.display();
        let bytes = match crawl::read(&entry, audit::MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(skip) => {
                tracing::warn!(document = %path, "not audited: {skip}");
                exit = Exit::Incomplete;
                continue;
            }
        };
        let Ok(kind) = entry.kind_of(&bytes) else { continue };
        for url in remote_images(&bytes, kind) {
            exit = Exit::Incomplete;
            match context.format {
                Format::Human => writeln!(out, "{path}: {url}")?,
                Format::Json => print::json(&json!({ "document": path.to_string(), "url": url }), &mut out)?,
            }
        }
    }
    Ok(exit)
}
