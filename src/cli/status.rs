//! `imgkeep status`: what is kept, and what is not.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::Result;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::catalog::row::{Failure, Totals};
use crate::cli::exit::Exit;
use crate::cli::print::{Bytes, Count};
use crate::cli::{Context, Format, print, setup};
use crate::ops::status::{Status, status};

/// Rows shown where nobody asked for all of them.
const ROWS: usize = 20;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  imgkeep status --failures")]
pub(super) struct Arguments {
    /// List every image that nobody gave, with everyone who was asked.
    #[arg(long)]
    failures: bool,
    /// List every document that holds references, with how many are kept.
    #[arg(long, conflicts_with = "failures")]
    documents: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let mut out = io::stdout();
    let Some(archive) = setup::archive_if_any(&context.config)? else {
        let path = context.config.store.path.display();
        match context.format {
            Format::Human => writeln!(out, "nothing is kept yet at `{path}`")?,
            Format::Json => {
                print::json(&json!({ "totals": Totals::default() }), &mut out)?;
            }
        }
        return Ok(Exit::Done);
    };
    let status = status(&archive)?;
    let documents: Vec<Value> = status
        .documents
        .iter()
        .map(|(path, counts)| {
            json!({
                "document": path.to_string_lossy(),
                "found": counts.found,
                "archived": counts.archived,
                "failed": counts.failed,
                "skipped": counts.skipped,
            })
        })
        .collect();
    match context.format {
        Format::Json => print::json(
            &json!({
                "totals": status.totals,
                "hosts": status.hosts,
                "failures": status.failures,
                "documents": documents,
                "runs": status.runs,
            }),
            &mut out,
        )?,
        Format::Human if arguments.documents => {
            writeln!(out, "{:>9} {:>9} {:>9}  document", "kept", "not had", "left")?;
            for (path, counts) in &status.documents {
                let path = path.display();
                writeln!(out, "{:>9} {:>9} {:>9}  {path}", counts.archived, counts.failed, counts.skipped)?;
            }
        }
        Format::Human if arguments.failures => failures(&status.failures, &mut out)?,
        Format::Human => human(&status, &mut out)?,
    }
    Ok(Exit::Done)
}

fn human(status: &Status, out: &mut impl Write) -> io::Result<()> {
    let totals = status.totals;
    writeln!(out, "{} kept, {}", Count(totals.images, "image"), Bytes(totals.bytes))?;
    writeln!(
        out,
        "{} known: {} kept, {} not to be had",
        Count(totals.documents, "document"),
        Count(totals.archived, "reference"),
        totals.failed,
    )?;
    if !status.hosts.is_empty() {
        writeln!(out, "\n{:>9} {:>9} {:>10}  host", "kept", "not had", "size")?;
    }
    for host in status.hosts.iter().take(ROWS) {
        writeln!(
            out,
            "{:>9} {:>9} {:>10}  {}",
            host.kept,
            host.failing,
            Bytes(host.bytes).to_string(),
            host.host
        )?;
    }
    if status.hosts.len() > ROWS {
        writeln!(out, "{:>9} hosts more", status.hosts.len() - ROWS)?;
    }
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for failure in &status.failures {
        *reasons.entry(&failure.reason).or_default() += 1;
    }
    if !reasons.is_empty() {
        writeln!(out, "\nnot had, by reason (imgkeep status --failures lists them):")?;
    }
    for (reason, images) in reasons {
        writeln!(out, "{images:>9}  {reason}")?;
    }
    if !status.runs.is_empty() {
        writeln!(out, "\nlast runs (imgkeep restore PATH --run ID takes one back):")?;
    }
    for run in status.runs.iter().take(5) {
        writeln!(out, "  {}  {}", run.name, run.command)?;
    }
    Ok(())
}

fn failures(failures: &[Failure], out: &mut impl Write) -> io::Result<()> {
    for failure in failures {
        writeln!(out, "{}\n  {}: {}", failure.origin, failure.reason, failure.detail)?;
        for attempt in &failure.attempts {
            let at = Timestamp::from_millisecond(attempt.at).unwrap_or_default();
            let at = at.strftime("%Y-%m-%d %H:%M:%SZ");
            writeln!(out, "    {at}  {:<12} {}\n      {}", attempt.source, attempt.reason, attempt.url)?;
        }
    }
    writeln!(out, "{} not to be had", Count(failures.len() as u64, "image"))
}
