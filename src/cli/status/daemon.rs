//! What the daemon of the store is at, if one answers.

use std::io::{self, Write};

use anyhow::Result;
use tokio::runtime;

use crate::cli::print::{Bytes, Count, When};
use crate::cli::service::Service;
use crate::config::Config;
use crate::ops::runs::wire::Daemon;
use crate::ops::runs::{Kind, View};

/// Asks it; `None` if there is none, or if it does not answer, which is logged.
pub(super) fn ask(config: &Config) -> Result<Option<Daemon>> {
    let Some(service) = Service::of(config) else { return Ok(None) };
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(service.daemon()).unwrap_or_else(|error| {
        tracing::warn!("the daemon cannot be asked: {error:#}");
        None
    }))
}

pub(super) fn human(daemon: &Daemon, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nthe daemon, version {}, is at work:", daemon.version)?;
    for watched in &daemon.agenda.watched {
        let why = watched.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        writeln!(out, "  watches {} ({}{why})", watched.folder.display(), watched.how)?;
    }
    if let Some(why) = &daemon.agenda.paused {
        writeln!(out, "  fetches nothing at the moment: {why}")?;
    }
    if let Some(why) = &daemon.agenda.refused_configuration {
        writeln!(out, "  goes by its earlier configuration: {why}")?;
    }
    for view in &daemon.running {
        running(view, out)?;
    }
    if daemon.queued > 0 {
        writeln!(out, "  {} to come", Count(daemon.queued, "run"))?;
    }
    if let Some(view) = &daemon.last {
        let (kind, ended) = (word(view.kind), When(view.ended.unwrap_or_default()));
        let outcome = view.outcome.as_deref().map(|outcome| format!(": {outcome}")).unwrap_or_default();
        writeln!(out, "  last run: {kind}, ended {ended}{outcome}")?;
    }
    for planned in &daemon.agenda.planned {
        let last = planned.last.map(|last| format!(", last at {}", When(last))).unwrap_or_default();
        writeln!(out, "  {}: next at {}{last}", word(planned.kind), When(planned.next))?;
    }
    Ok(())
}

fn running(view: &View, out: &mut impl Write) -> io::Result<()> {
    let now = &view.progress;
    write!(out, "  now: {}", word(view.kind))?;
    if let [path] = &*view.paths {
        write!(out, " of {}", path.display())?;
    }
    if now.to_read > 0 {
        write!(out, ", {} of {}", now.documents, Count(now.to_read, "document"))?;
    }
    if now.images > 0 {
        write!(out, ", {} ({})", Count(now.images, "image"), Bytes(now.bytes))?;
    }
    writeln!(out)
}

/// What a run is for, in words.
fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Archive => "archiving on order",
        Kind::Change => "archiving what was changed",
        Kind::Reconcile => "a look through all watched folders",
        Kind::Retry => "asking again for what nobody gave",
        Kind::Scrub => "reading a part of the store again",
        Kind::Gc => "removing what nothing refers to",
    }
}
