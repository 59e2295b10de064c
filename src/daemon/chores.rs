//! What is done beside the runs, one at a time and with the least priority: scrubbing, and collecting garbage.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use rustix::process::setpriority_process;
use tokio::runtime::Handle;

use crate::catalog::chores::Chore;
use crate::daemon::real::real;
use crate::daemon::{Settings, schedule};
use crate::ops::archive::{Options, Progress};
use crate::ops::runs::{Board, Kind};
use crate::ops::{Archive, gc, repair, scrub};

/// The least priority (setpriority(2)); the disk goes by it, too.
const LEAST: i32 = 19;

/// How a chore ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) kind: Kind,
    /// When it was done, in milliseconds since 1970.
    pub(super) at: i64,
}

/// All that a chore needs.
pub(super) struct Work {
    pub(super) archive: Arc<Archive>,
    pub(super) board: Arc<Board>,
    pub(super) settings: Arc<Settings>,
    /// Set once it is to end.
    pub(super) stop: Arc<AtomicBool>,
    /// Whether nothing is to be fetched.
    pub(super) is_paused: bool,
    /// Watched folders that are not there: nobody knows whether their documents are.
    pub(super) missing: Vec<PathBuf>,
}

/// The name of a chore in the catalog.
pub(super) fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Archive => "archive",
        Kind::Change => "change",
        Kind::Reconcile => "reconcile",
        Kind::Retry => "retry",
        Kind::Scrub => "scrub",
        Kind::Gc => "gc",
    }
}

/// Does it, on this thread.
pub(super) fn run(work: &Work, kind: Kind, runtime: &Handle) -> Ended {
    if let Err(error) = setpriority_process(None, LEAST) {
        tracing::warn!(%error, "a chore has the priority of everything else");
    }
    let id = work.board.queue(kind, Vec::new());
    work.board.start(&id);
    let at = jiff::Timestamp::now().as_millisecond();
    let done = match kind {
        Kind::Scrub => work.scrub(at, &id, runtime),
        Kind::Gc => work.gc(at),
        Kind::Archive | Kind::Change | Kind::Reconcile | Kind::Retry => Ok("it is no chore".to_owned()),
    };
    match done {
        Ok(outcome) => {
            tracing::info!(chore = name(kind), %outcome, "done");
            work.board.done(&id, outcome);
        }
        Err(error) => {
            let why = format!("{error:#}");
            tracing::error!(chore = name(kind), error = %why, "it broke off");
            work.board.fail(&id, why);
        }
    }
    Ended { kind, at }
}

impl Work {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The folders that are not there, by their names and by where these lead: the catalog goes by that.
    fn absent(&self) -> Vec<PathBuf> {
        self.missing.iter().flat_map(|folder| [folder.clone(), real(folder)]).collect()
    }

    fn gc(&self, at: i64) -> Result<String> {
        let options =
            gc::Options { grace: self.settings.grace, absent: self.absent(), ..gc::Options::default() };
        let report = gc::gc(&self.settings.reader, &self.archive, &options, at, &|| self.is_stopped())?;
        // A clock that is behind leaves no trace.
        if report.refused.is_none() && !report.interrupted {
            self.archive.catalog.chore_done(name(Kind::Gc), Chore { done: at, cursor: None })?;
        }
        Ok(report.to_string())
    }

    /// Reads a slice of the store, and fetches again what is not as it was.
    fn scrub(&self, at: i64, id: &str, runtime: &Handle) -> Result<String> {
        let catalog = &self.archive.catalog;
        let before = catalog.chore(name(Kind::Scrub))?;
        let whole = self.settings.scrub;
        let days = schedule::days_to_scrub(before.map(|chore| chore.done), at, whole);
        let slice = scrub::Slice {
            after: before.and_then(|chore| chore.cursor),
            days,
            of_days: whole.as_secs() / (24 * 3600),
        };
        let scrubbed = scrub::scrub(&self.archive, &slice, &|| self.is_stopped())?;
        // A slice that is cut off is not done; the next one begins where it ended.
        let done = if self.is_stopped() { before.map(|chore| chore.done) } else { Some(at) };
        if let Some(done) = done {
            catalog.chore_done(name(Kind::Scrub), Chore { done, cursor: scrubbed.reached })?;
        }
        let mut outcome = scrubbed.to_string();
        if scrubbed.found.findings.is_empty() || self.is_stopped() {
            return Ok(outcome);
        }
        for finding in &scrubbed.found.findings {
            tracing::error!(%finding, "a kept image is not as it was");
        }
        if self.is_paused {
            outcome.push_str(", not fetched again for want of room on the disk");
            return Ok(outcome);
        }
        let options =
            Options { rewrite: false, stop: self.board.stop_of(id), ..self.settings.options.clone() };
        let (reader, fetcher) = (Arc::clone(&self.settings.reader), Arc::clone(&self.settings.fetcher));
        let progress = Arc::new(Progress::default());
        let archive = Arc::clone(&self.archive);
        let repair = repair::repair(reader, archive, fetcher, options, progress, scrubbed.found);
        // On the runtime's own threads: those that it starts from here would have the least priority, too, and keep it.
        let (_, report) = runtime.block_on(runtime.spawn(repair))??;
        if let Some(error) = report.broke_off {
            return Err(error);
        }
        for repaired in &report.repaired {
            tracing::warn!(blob = %repaired.blob, source = %repaired.source, "fetched again");
        }
        let lost: Vec<String> =
            report.different.iter().chain(&report.unrepaired).map(|lost| lost.blob.to_string()).collect();
        for blob in &lost {
            tracing::error!(%blob, "nobody gives it any more: see `imgkeep verify --repair`");
        }
        outcome.push_str(&format!(", {} fetched again", report.repaired.len()));
        if !lost.is_empty() {
            outcome.push_str(&format!(", not to be had: {}", lost.join(", ")));
        }
        Ok(outcome)
    }
}
