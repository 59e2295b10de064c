//! `imgkeep relink`: another link style, no download.

use std::path::PathBuf;

use anyhow::Result;

use crate::cli::exit::Exit;
use crate::cli::{Context, restore, setup};
use crate::ops::change::Options;
use crate::ops::relink::relink;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  imgkeep relink posts/ --link /images/")]
pub(super) struct Arguments {
    /// Documents or folders of documents.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How documents point at kept images: `relative`, or a prefix such as `/images/`.
    #[arg(long, required = true, value_name = "relative|PREFIX")]
    link: String,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Show the change as a unified diff.
    #[arg(long)]
    diff: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let config = &context.config;
    let style = setup::link(config, Some(&arguments.link))?;
    let reader = setup::reader(config)?;
    let archive = setup::existing_archive(config)?;
    let (entries, early) = setup::documents(&reader, &archive, &arguments.paths, arguments.dry_run)?;
    let options =
        Options { replace: config.replace_options(), dry_run: arguments.dry_run, diffs: arguments.diff };
    let mut report = relink(&reader, &archive, &entries, &style, &options);
    report.failed.extend(early);
    let verb = if arguments.dry_run { "would be relinked" } else { "relinked" };
    restore::print_report(context, report, "relinked", verb)
}
