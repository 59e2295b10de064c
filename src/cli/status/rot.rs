//! `imgkeep status --rot`: which origins are gone today.

use std::io::{self, Write};

use anyhow::Result;
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::print::{Bytes, Count, When};
use crate::cli::{Context, Format, print, setup};
use crate::ops::Archive;
use crate::ops::rot::{Asked, Report, Sample, rot};

/// Origins shown one by one for each answer.
const ROWS: usize = 20;

pub(super) fn run(context: &Context, archive: &Archive, sample: Sample) -> Result<Exit> {
    let fetcher = setup::fetcher(&context.config, &[])?;
    let rules = setup::Rules::new(&context.config)?;
    let runtime = setup::runtime()?;
    let report = runtime.block_on(rot(archive, fetcher, rules.policy(), sample, setup::now()))?;
    let mut out = io::stdout();
    match context.format {
        Format::Json => print::json(
            &json!({
                "kept": report.kept,
                "asked": report.asked(),
                "there": report.there.len(),
                "changed": report.changed,
                "gone": report.gone,
                "unknown": report.unknown,
                "saved": report.saved(),
            }),
            &mut out,
        )?,
        Format::Human => human(&report, &mut out)?,
    }
    Ok(Exit::Done)
}

fn human(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} of {} with a copy asked today", report.asked(), Count(report.kept, "origin"))?;
    writeln!(out, "{:>9}  still there", report.there.len())?;
    writeln!(out, "{:>9}  give other bytes now", report.changed.len())?;
    writeln!(out, "{:>9}  gone", report.gone.len())?;
    writeln!(out, "{:>9}  gave no answer that would tell", report.unknown.len())?;
    let saved = report.saved();
    if saved.images > 0 {
        let images = Count(saved.images, "image");
        writeln!(
            out,
            "saved: {images}, {}, that their own servers do not give any more",
            Bytes(saved.bytes)
        )?;
    }
    let before = report.gone.iter().filter(|gone| !gone.source.starts_with("origin")).count();
    if before > 0 {
        writeln!(out, "{before} of the gone were gone before: a proxy or the Wayback Machine gave the copy")?;
    }
    list("gone", &report.gone, out)?;
    list("not told", &report.unknown, out)?;
    list("changed", &report.changed, out)
}

fn list(title: &str, asked: &[Asked], out: &mut impl Write) -> io::Result<()> {
    if asked.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}:")?;
    for (reason, images) in Report::by_reason(asked) {
        writeln!(out, "{images:>9}  {reason}")?;
    }
    for asked in asked.iter().take(ROWS) {
        let reason = asked.reason.as_deref().map(|reason| format!("{reason}, ")).unwrap_or_default();
        let from = match asked.source.starts_with("origin") {
            true => String::new(),
            false => format!(" from {}", asked.source.replace('_', " ")),
        };
        writeln!(out, "  {}\n    {reason}kept {}{from}", asked.origin, When(asked.taken))?;
    }
    if asked.len() > ROWS {
        writeln!(out, "  and {} more: --format json lists them", asked.len() - ROWS)?;
    }
    Ok(())
}
