//! `imgkeep explain`: all that is known of one image.

use std::io::{self, Write};

use anyhow::Result;

use crate::catalog::row::Attempt;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::print::{Again, Bytes, When};
use crate::cli::{Context, Format, print, setup};
use crate::ops::explain::json::{json, layers};
use crate::ops::explain::subject::{Unknown, subject};
use crate::ops::explain::{Condition, Explanation, Kept, Step, explain};
use crate::origin::proxy::Unwrapped;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  imgkeep explain 'https://cors.zfour.workers.dev/?http://static.1sapp.com/a.jpg'"
)]
pub(super) struct Arguments {
    /// The image: its URL, proxied or not, a link to the kept copy, or the copy's digest.
    #[arg(value_name = "URL|LINK|DIGEST")]
    image: String,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let reader = setup::reader(&context.config)?;
    let archive = setup::archive_if_any(&context.config)?;
    let rules = setup::Rules::new(&context.config)?;
    let subject = subject(&reader, archive.as_ref(), &arguments.image)
        .map_err(|error| if error.is::<Unknown>() { UsageError::from(error).into() } else { error })?;
    let known = explain(&reader, archive.as_ref(), rules.policy(), &subject, setup::now())?;
    let mut out = io::stdout();
    match context.format {
        Format::Json => print::json(&json(&arguments.image, &subject, &known), &mut out)?,
        Format::Human => human(&subject, &known, &mut out)?,
    }
    Ok(Exit::Done)
}

fn human(subject: &Unwrapped, known: &Explanation, out: &mut impl Write) -> Result<()> {
    writeln!(out, "{}", subject.origin)?;
    for (number, (url, family, leads_to)) in (1..).zip(layers(subject)) {
        writeln!(out, "  {number}. {url}\n     is a wrapper ({family}) of {leads_to}")?;
    }
    if !known.is_wanted {
        writeln!(out, "  left where it is, by `references.scope` or `references.exclude_hosts`")?;
    }
    writeln!(out)?;
    copies(known, out)?;
    match known.kept.first() {
        Some(copy) if copy.is_there => {
            writeln!(out, "\nnobody is asked again, for it is kept; before, one after the other:")?;
        }
        _ => writeln!(out, "\nwho is asked for it, one after the other:")?,
    }
    if known.rungs.is_empty() {
        writeln!(out, "  nobody: see `fetch.sources`")?;
    }
    for (number, step) in (1..).zip(&known.rungs) {
        rung(number, step, out)?;
    }
    if !known.is_public {
        writeln!(out, "  and nobody else: its address is not public")?;
    }
    for host in &known.hosts {
        if let Some(left) = &host.left_alone {
            writeln!(out, "  {} is left alone until {}: {}", host.host, When(left.until), left.reason)?;
        }
        if let Some(manner) = &host.manner {
            writeln!(out, "  images of {} were had before from: {manner}", host.host)?;
        }
    }
    writeln!(out, "\nshown by:")?;
    for document in &known.documents {
        writeln!(out, "  {}", document.display())?;
    }
    if known.documents.is_empty() {
        writeln!(out, "  no document that imgkeep knows")?;
    }
    Ok(())
}

fn copies(known: &Explanation, out: &mut impl Write) -> io::Result<()> {
    for Kept { snapshot, path, is_there } in &known.kept {
        let size = snapshot.width.zip(snapshot.height);
        let size = size.map(|(width, height)| format!(", {width} x {height}")).unwrap_or_default();
        writeln!(out, "kept since {}, {}{size}", When(snapshot.taken), Bytes(snapshot.bytes))?;
        let gone = if *is_there { "" } else { " (the file is gone: the next run asks for it again)" };
        writeln!(out, "  {}{gone}", path.display())?;
        let url = snapshot.url.as_deref().unwrap_or(&snapshot.origin);
        writeln!(out, "  from the {}: {url}", words(&snapshot.source))?;
        if !snapshot.attempts.is_empty() {
            writeln!(out, "  asked before in vain:")?;
        }
        for attempt in &snapshot.attempts {
            writeln!(out, "    {}: {}: {}", words(&attempt.source), attempt.reason, attempt.detail)?;
        }
    }
    for other in &known.same_bytes {
        writeln!(out, "  the same bytes as {other}")?;
    }
    match (&known.failure, known.due) {
        _ if !known.kept.is_empty() => Ok(()),
        (Some(failure), due) => {
            writeln!(out, "not kept: {}: {}", failure.reason, failure.detail)?;
            due.map_or(Ok(()), |due| writeln!(out, "  asked again {}", Again(due)))?;
            match failure.reason.as_str() {
                "placeholder" => writeln!(out, "  if that is the image: imgkeep status --placeholders"),
                _ => Ok(()),
            }
        }
        (None, _) => writeln!(out, "not kept, and never asked for"),
    }
}

fn rung(number: usize, step: &Step, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "  {number}. {}: {}", words(&step.source), step.url)?;
    if let Some(referer) = &step.referer {
        writeln!(out, "     with the Referer {referer}")?;
    }
    if let Some(Attempt { at, reason, detail, passed, tries, .. }) = &step.attempt {
        let tries = if *tries > 1 { format!(" ({tries} runs in a row)") } else { String::new() };
        writeln!(out, "     {}: {reason}: {detail}{tries}", When(*at))?;
        for url in passed {
            writeln!(out, "     led to {url}")?;
        }
    }
    if step.attempt.is_none() && step.due.is_some() && step.source == "wayback" {
        writeln!(out, "     the capture nearest to the date of the document")?;
    }
    if step.gave {
        writeln!(out, "     gave the copy")?;
    }
    let why = match step.condition {
        Some(Condition::Refused) => "only where the one before is refused (401, 403) or gets a placeholder",
        Some(Condition::Redirected) => "not asked: a redirect led there already",
        Some(Condition::Private) => "not asked: the image is at a private address",
        None => "",
    };
    if !why.is_empty() {
        writeln!(out, "     {why}")?;
    }
    match step.due {
        Some(due) if step.attempt.is_some() => writeln!(out, "     asked again {}", Again(due)),
        Some(due) => writeln!(out, "     asked {}", Again(due)),
        None => Ok(()),
    }
}

/// A word of the catalog, for people.
fn words(source: &str) -> String {
    source.replace('_', " ")
}
