//! `imgkeep archive`: the whole job.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::exit::{Exit, UsageError};
use crate::cli::print::{Bytes, Count, shell};
use crate::cli::progress::Display;
use crate::cli::{Context, Format, print, setup, stop};
use crate::config::{self, Config};
use crate::ops::archive::contract::Contract;
use crate::ops::archive::{self, Options, Progress, Report, UnarchivedImage, Update, Updates};
use crate::ops::stop::Stop;
use crate::ops::{Archive, Reader, preview, stdin};
use crate::resolve::Scope;
use crate::rewrite::link::LinkStyle;

mod hand_over;

/// Failures shown one by one for each reason.
const EXAMPLES: usize = 3;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  imgkeep archive posts/ --diff\n  imgkeep restore posts/        takes it back"
)]
pub(super) struct Arguments {
    /// Documents, folders of documents, or `-` for a document on stdin that comes out on stdout.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only say what would be done: no request, no change.
    #[arg(long)]
    dry_run: bool,
    /// Show what is, or with `--dry-run` would be, changed as a unified diff.
    #[arg(long)]
    diff: bool,
    /// Keep the images, and leave the documents as they are.
    #[arg(long, conflicts_with = "diff")]
    no_rewrite: bool,
    /// Archive all references, or only those behind a proxy.
    #[arg(long, value_name = "SCOPE")]
    scope: Option<ScopeName>,
    /// Ask again for images that nobody gave, also those whose time has not come.
    #[arg(long)]
    retry: bool,
    /// Ask whether the images that the documents use were changed where they came from; keep the new ones, too.
    #[arg(long)]
    update: bool,
    /// Point the documents at images that were changed; `restore` takes it back.
    #[arg(long, requires = "update", conflicts_with = "no_rewrite")]
    follow: bool,
    /// How documents point at kept images: `relative`, or a prefix such as `/images/`.
    #[arg(long, value_name = "relative|PREFIX")]
    link: Option<String>,
    /// Do it here, even if a daemon is at work on the store, which would do it otherwise.
    #[arg(long)]
    local: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ScopeName {
    All,
    Proxied,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let config = &context.config;
    let link = setup::link(config, arguments.link.as_deref())?;
    let mut reader = setup::reader(config)?;
    reader.link = link.clone();
    match arguments.scope {
        Some(ScopeName::All) => reader.rules.set_scope(Scope::All),
        Some(ScopeName::Proxied) => reader.rules.set_scope(Scope::Proxied),
        None => {}
    }
    let options = Options {
        diffs: arguments.diff,
        retry: arguments.retry,
        update: match (arguments.update, arguments.follow) {
            (_, true) => Update::Follow,
            (true, false) => Update::Keep,
            (false, false) => Update::No,
        },
        ..options(config, link, !arguments.no_rewrite)?
    };
    let (stdin, paths) = setup::split_stdin(&arguments.paths);
    if stdin && (!paths.is_empty() || arguments.dry_run || arguments.diff) {
        return Err(UsageError::because(
            "`-` stands alone: stdin is one document, and stdout the rewritten one",
        ));
    }
    if arguments.update && (stdin || arguments.dry_run) {
        return Err(UsageError::because(
            "`--update` asks servers about the documents' kept images: not with `--dry-run`, which asks nobody, and not for stdin",
        ));
    }
    let mut skipped = Vec::new();
    let mut skip = |path, skip| skipped.push((path, skip));
    if arguments.dry_run {
        let entries = setup::entries(&reader, &paths, &mut skip)?;
        let archive = setup::archive_if_any(config)?;
        let images = config.store.path.join("images");
        let mut report = preview::preview(&reader, archive.as_ref(), &images, &entries, &options)?;
        report.skip_all(skipped);
        return preview_report(context, &report, arguments);
    }
    // A path that is not there is told before a store is made.
    setup::check(&paths)?;
    if let Some(report) = hand_over::hand_over(context, arguments, stdin)? {
        print_report(context, &report, arguments, &mut io::stdout())?;
        return Ok(exit(&report));
    }
    let archive = Arc::new(setup::archive(config)?);
    // The catalog is read while the folders are walked: most runs do little else.
    let known = thread::spawn({
        let catalog = Arc::clone(&archive.catalog);
        move || catalog.documents()
    });
    let entries = setup::swept_entries(&reader, &archive, &paths, &mut skip)?;
    let known = known.join().map_err(|_| anyhow::anyhow!("the thread that reads the catalog stopped"))??;
    let work = Work {
        reader: Arc::new(reader),
        archive,
        fetcher: setup::fetcher(config, &[])?,
        progress: Arc::new(Progress::default()),
    };
    let runtime = setup::runtime()?;
    let display = Display::start(Arc::clone(&work.progress), context.quiet);
    if stdin {
        let bytes = setup::stdin(&work.reader)?;
        let folder = std::env::current_dir()?;
        let Work { reader, archive, fetcher, progress } = work;
        let outcome = stop::unless_asked_twice(&runtime, async |stop| {
            let options = Options { stop, ..options };
            stdin::archive(reader, archive, fetcher, bytes, &folder, options, progress).await
        });
        drop(display);
        let (document, report) = outcome??;
        io::stdout().write_all(&document)?;
        print_report(context, &report, arguments, &mut io::stderr())?;
        return Ok(exit(&report));
    }
    let Work { reader, archive, fetcher, progress } = work;
    let outcome = stop::unless_asked_twice(&runtime, async |stop| {
        let options = Options { stop, ..options };
        archive::archive(reader, archive, fetcher, entries, known, options, progress).await
    });
    drop(display);
    let mut report = outcome??;
    report.skip_all(skipped);
    print_report(context, &report, arguments, &mut io::stdout())?;
    match report.broke_off.take() {
        Some(error) => Err(error),
        None => Ok(exit(&report)),
    }
}

/// What a configuration means for a run; no diffs.
pub(super) fn options(config: &Config, link: LinkStyle, rewrite: bool) -> Result<Options> {
    Ok(Options {
        link,
        rewrite,
        replace: config.replace_options(),
        limits: config.media_limits(),
        fetch: config.fetch_options()?,
        ladder: config.ladder_options(),
        retry: false,
        update: Update::No,
        window: 2_000,
        plans: 5,
        diffs: false,
        stop: Stop::default(),
    })
}

/// What the closing report says of the command itself.
pub(super) struct Shown {
    /// The paths, as the shell takes them.
    pub(super) paths: String,
    /// Whether documents were pointed at kept images.
    pub(super) rewrite: bool,
}

struct Work {
    reader: Arc<Reader>,
    archive: Arc<Archive>,
    fetcher: Arc<crate::fetch::Fetcher>,
    progress: Arc<Progress>,
}

fn exit(report: &Report) -> Exit {
    match (report.interrupted, report.is_complete()) {
        (true, _) => Exit::Fatal,
        (false, true) => Exit::Done,
        (false, false) => Exit::Incomplete,
    }
}

fn print_report(
    context: &Context,
    report: &Report,
    arguments: &Arguments,
    out: &mut (impl Write + io::IsTerminal),
) -> Result<()> {
    match context.format {
        Format::Json => {
            let mut value = report_json(report)?;
            if arguments.diff {
                value["diffs"] = report.diffs.iter().map(|diff| String::from_utf8_lossy(diff)).collect();
            }
            print::json(&value, out)?;
        }
        Format::Human => {
            print::diffs(&report.diffs, out)?;
            human(report, &Shown { paths: paths(&arguments.paths), rewrite: !arguments.no_rewrite }, out)?;
        }
    }
    Ok(out.flush()?)
}

/// The contract's report.
fn report_json(report: &Report) -> Result<Value> {
    Ok(serde_json::to_value(Contract::from(report))?)
}

/// The closing report.
pub(super) fn human(report: &Report, shown: &Shown, out: &mut impl Write) -> io::Result<()> {
    let references = report.references;
    let images = report.images;
    writeln!(
        out,
        "{} looked at, {} changed, in {:.1} s",
        Count(report.scanned, "document"),
        report.changed,
        report.elapsed.as_secs_f64(),
    )?;
    let behind = if references.proxied > 0 {
        format!(" ({} behind a proxy)", references.proxied)
    } else {
        String::new()
    };
    writeln!(out, "{} found{behind}", Count(references.found, "reference"))?;
    let rows = [
        (
            references.archived,
            if shown.rewrite { "archived now" } else { "kept, documents left as they are" },
        ),
        (references.already_archived, "archived before"),
        (
            references.skipped,
            "left alone (by the rules in [references], by --scope, or since they lead to no image)",
        ),
        (references.failed, "could not be archived; they keep their URL"),
    ];
    for (count, what) in rows.into_iter().filter(|(count, _)| *count > 0) {
        writeln!(out, "{count:>8}  {what}")?;
    }
    if images.downloaded > 0 {
        write!(out, "{} downloaded ({})", Count(images.downloaded, "image"), Bytes(images.bytes_downloaded))?;
        let same = images.deduplicated;
        let same = if same > 0 { format!(", {same} of them the same as another") } else { String::new() };
        writeln!(out, ", {} new in the store{same}", Bytes(images.bytes_stored))?;
    }
    report.updates.iter().try_for_each(|updates| updated(updates, out))?;
    failures(report, out)?;
    if report.interrupted {
        writeln!(
            out,
            "stopped before the end: what was downloaded is kept; run the same command again to go on"
        )?;
    }
    if report.changed > 0 {
        writeln!(out, "to take it back: imgkeep restore {}", shown.paths)?;
    }
    Ok(())
}

fn updated(updates: &Updates, out: &mut impl Write) -> io::Result<()> {
    let Updates { unchanged, changed, gone, followed, failures, .. } = updates;
    writeln!(out, "{} asked again", Count(updates.checked, "kept image"))?;
    let rows = [
        (*unchanged, "are as they were"),
        (*changed, "were changed: the new ones are kept beside the old"),
        (*gone, "were not given this time: the copies stay"),
        (*followed, "links point at newer copies now"),
    ];
    for (count, what) in rows.into_iter().filter(|(count, _)| *count > 0) {
        writeln!(out, "{count:>8}  {what}")?;
    }
    for failure in failures.iter().take(EXAMPLES) {
        writeln!(out, "    {}: {}", failure.origin, failure.detail)?;
    }
    if failures.len() > EXAMPLES {
        writeln!(out, "    and {} more (--format json)", failures.len() - EXAMPLES)?;
    }
    Ok(())
}

fn failures(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let mut by_reason: BTreeMap<&str, Vec<&UnarchivedImage>> = BTreeMap::new();
    for image in report.failures.iter().filter(|image| image.counts()) {
        by_reason.entry(&image.failure.reason).or_default().push(image);
    }
    if !by_reason.is_empty() {
        writeln!(out, "not archived:")?;
    }
    for (reason, images) in &by_reason {
        writeln!(out, "  {reason} ({})", Count(images.len() as u64, "image"))?;
        for image in images.iter().take(EXAMPLES) {
            let document = image.documents.first().map(|path| path.display().to_string()).unwrap_or_default();
            writeln!(out, "    {}  in {document}\n      {}", image.failure.origin, image.failure.detail)?;
        }
        if images.len() > EXAMPLES {
            writeln!(out, "    and {} more", images.len() - EXAMPLES)?;
        }
    }
    if !by_reason.is_empty() {
        writeln!(out, "every image, whom was asked and what they said: imgkeep status --failures")?;
    }
    for failure in &report.documents_failed {
        writeln!(out, "left as it is: {}: {}", failure.document.display(), failure.why)?;
    }
    Ok(())
}

fn paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| shell(Path::new(path))).collect::<Vec<_>>().join(" ")
}

fn preview_report(context: &Context, report: &preview::Preview, arguments: &Arguments) -> Result<Exit> {
    let mut out = io::stdout();
    let planned = &report.report;
    match context.format {
        Format::Json => {
            let mut value = report_json(planned)?;
            value["dry_run"] = json!({
                "documents": report.documents,
                "references": report.references,
                "images": report.images,
            });
            print::json(&value, &mut out)?;
        }
        Format::Human => {
            print::diffs(&planned.diffs, &mut out)?;
            let found = Count(planned.references.found, "reference");
            writeln!(out, "{} looked at, {found} found", Count(planned.scanned, "document"))?;
            writeln!(
                out,
                "would ask for {}, and change {} in {}",
                Count(report.images, "image"),
                Count(report.references, "reference"),
                Count(report.documents, "document"),
            )?;
            if arguments.diff && report.images > 0 {
                writeln!(
                    out,
                    "links to `{}` stand for images whose digest is not known yet",
                    preview::STAND_IN
                )?;
            }
            failures(planned, &mut out)?;
        }
    }
    Ok(if planned.documents_failed.is_empty() { Exit::Done } else { Exit::Incomplete })
}

impl From<config::Scope> for Scope {
    fn from(scope: config::Scope) -> Self {
        match scope {
            config::Scope::All => Self::All,
            config::Scope::Proxied => Self::Proxied,
        }
    }
}
