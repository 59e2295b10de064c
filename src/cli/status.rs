//! `imgkeep status`: what is kept, and what is not.

use std::io::{self, Write};

use anyhow::Result;
use serde_json::{Value, json};

use crate::catalog::row::Totals;
use crate::cli::exit::Exit;
use crate::cli::print::{Again, Bytes, Count, When};
use crate::cli::{Context, Format, print, setup};
use crate::ops::rot::Sample;
use crate::ops::status::{HostState, Missing, Status, status};

mod daemon;
mod placeholders;
mod rot;

/// Rows shown where nobody asked for all of them.
const ROWS: usize = 20;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  imgkeep status --failures\n  imgkeep status --rot=all      which kept images are gone from their own servers?"
)]
#[group(multiple = false)]
pub(super) struct Arguments {
    /// List every image that nobody gave, with everyone who was asked and when they are asked again.
    #[arg(long)]
    failures: bool,
    /// List every document that holds references, with how many are kept.
    #[arg(long)]
    documents: bool,
    /// List what was taken for a placeholder, and how to say that it is none.
    #[arg(long)]
    placeholders: bool,
    /// Ask the servers of so many kept images, or of all, whether they still have them.
    #[arg(long, value_name = "N|all", num_args = 0..=1, default_missing_value = "100")]
    rot: Option<Sample>,
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
    if let Some(sample) = arguments.rot {
        return rot::run(context, &archive, sample);
    }
    if arguments.placeholders {
        return placeholders::run(context, &archive);
    }
    let rules = setup::Rules::new(&context.config)?;
    let status = status(&archive, rules.policy(), setup::now())?;
    let daemon = daemon::ask(&context.config)?;
    match context.format {
        Format::Json => {
            let mut value = value(&status);
            if let Some(daemon) = &daemon {
                value["daemon"] = json!(daemon);
            }
            print::json(&value, &mut out)?;
        }
        Format::Human if arguments.documents => {
            writeln!(out, "{:>9} {:>9} {:>9}  document", "kept", "not had", "left")?;
            for (path, counts) in &status.documents {
                let path = path.display();
                writeln!(out, "{:>9} {:>9} {:>9}  {path}", counts.archived, counts.failed, counts.skipped)?;
            }
        }
        Format::Human if arguments.failures => failures(&status.failures, &mut out)?,
        Format::Human => {
            human(&status, &mut out)?;
            if let Some(daemon) = &daemon {
                daemon::human(daemon, &mut out)?;
            }
        }
    }
    Ok(Exit::Done)
}

fn value(status: &Status) -> Value {
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
    json!({
        "totals": status.totals,
        "hosts": status.hosts,
        "failures": status.failures,
        "reasons": status.reasons,
        "documents": documents,
        "runs": status.runs,
    })
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
    hosts(&status.hosts, out)?;
    if !status.reasons.is_empty() {
        writeln!(out, "\nnot had, by reason (imgkeep status --failures lists them):")?;
    }
    for (reason, sum) in &status.reasons {
        let again = sum.due.map(|due| format!("asked again {}", Again(due))).unwrap_or_default();
        writeln!(out, "{:>9}  {reason:<16} {again}", sum.images)?;
    }
    if status.reasons.contains_key("placeholder") {
        writeln!(out, "what was taken for a placeholder: imgkeep status --placeholders")?;
    }
    if !status.runs.is_empty() {
        writeln!(out, "\nlast runs (imgkeep restore PATH --run ID takes one back):")?;
    }
    for run in status.runs.iter().take(5) {
        writeln!(out, "  {}  {}", run.name, run.command)?;
    }
    Ok(())
}

fn hosts(hosts: &[HostState], out: &mut impl Write) -> io::Result<()> {
    let (with_images, others): (Vec<_>, Vec<_>) =
        hosts.iter().partition(|host| host.row.kept + host.row.failing > 0);
    if !with_images.is_empty() {
        writeln!(out, "\n{:>9} {:>9} {:>10}  host", "kept", "not had", "size")?;
    }
    for host in with_images.iter().take(ROWS) {
        let row = &host.row;
        let size = Bytes(row.bytes).to_string();
        writeln!(out, "{:>9} {:>9} {size:>10}  {}", row.kept, row.failing, row.host)?;
    }
    if with_images.len() > ROWS {
        writeln!(out, "{:>9} hosts more", with_images.len() - ROWS)?;
    }
    let asked_otherwise = |host: &&&HostState| host.left_alone.is_some() || host.manner.is_some();
    let notable: Vec<_> = with_images.iter().chain(&others).filter(asked_otherwise).collect();
    if !notable.is_empty() {
        writeln!(out, "\nhosts that are left alone, or asked in a way of their own:")?;
    }
    for host in notable.iter().take(ROWS) {
        if let Some(left) = &host.left_alone {
            let until = When(left.until);
            writeln!(out, "  {} is left alone until {until}: {}", host.row.host, left.reason)?;
        }
        if let Some(manner) = &host.manner {
            writeln!(out, "  {} is asked first: {manner}", host.row.host)?;
        }
    }
    if notable.len() > ROWS {
        writeln!(out, "  and {} more: --format json lists them", notable.len() - ROWS)?;
    }
    Ok(())
}

fn failures(failures: &[Missing], out: &mut impl Write) -> io::Result<()> {
    for missing in failures {
        let failure = &missing.failure;
        writeln!(out, "{}\n  {}: {}", failure.origin, failure.reason, failure.detail)?;
        for attempt in failure.last_attempts() {
            let (at, source) = (When(attempt.at), attempt.source.replace('_', " "));
            writeln!(out, "    {at}  {source:<16} {}\n      {}", attempt.reason, attempt.url)?;
            if let Some(referer) = &attempt.referer {
                writeln!(out, "      with the Referer {referer}")?;
            }
        }
        if let Some(due) = missing.due {
            writeln!(out, "  asked again {}", Again(due))?;
        }
        for document in &missing.documents {
            writeln!(out, "  wanted by {}", document.display())?;
        }
    }
    writeln!(out, "{} not to be had", Count(failures.len() as u64, "image"))
}
