//! The service: archives what appears and what is ordered, looks after the store.
//!
//! ```text
//! watched folders ─▶ hints ─▶ changes (settle) ─┐
//! orders (API, control socket) ─────────────────┼─▶ loop ─▶ runs, in lanes ─▶ ops::archive
//! signals, clock, catalog (schedule) ───────────┘    └────▶ one chore beside it: scrubbing, garbage
//! ```
//!
//! One loop owns all state and never waits for a disk, so that the service manager hears from it even then; what takes
//! long happens on other threads and reports back. Changes do not wait for orders and for looks through whole folders;
//! chores come last. The error of a run is told, its work is tried again, and the daemon goes on.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::fetch::Fetcher;
use crate::ops::archive::Options;
use crate::ops::runs::{Board, Order};
use crate::ops::stop::Stop;
use crate::ops::{Archive, Reader};

mod backlog;
mod changes;
mod chores;
mod disk;
mod event;
mod keeper;
mod lanes;
pub mod lock;
mod real;
mod schedule;
mod systemd;
mod watch;
mod work;

/// What the daemon goes by; a reload makes a new one.
pub struct Settings {
    /// How documents are read.
    pub reader: Arc<Reader>,
    /// How they are archived.
    pub options: Options,
    /// Who asks for images.
    pub fetcher: Arc<Fetcher>,
    /// Folders to watch, absolute.
    pub watch: Vec<PathBuf>,
    /// Quiet after a change before a document is read.
    pub settle: Duration,
    /// Between two looks at a folder that tells nothing of changes.
    pub poll: Duration,
    /// Between two looks through all folders; zero for never.
    pub reconcile: Duration,
    /// In which the whole store is read again; zero for never.
    pub scrub: Duration,
    /// How long a blob outlives its last reference.
    pub grace: Duration,
    /// Equal for two settings under which documents are archived alike.
    pub fingerprint: String,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { watch, settle, poll, reconcile, scrub, grace, fingerprint, .. } = self;
        f.debug_struct("Settings")
            .field("watch", watch)
            .field("settle", settle)
            .field("poll", poll)
            .field("reconcile", reconcile)
            .field("scrub", scrub)
            .field("grace", grace)
            .field("fingerprint", fingerprint)
            .finish_non_exhaustive()
    }
}

/// Reads the configuration again, and puts it in force wherever else it counts.
pub type Reload = Arc<dyn Fn() -> Result<Settings> + Send + Sync>;

/// A daemon that has not started.
pub struct Daemon {
    /// The store and the catalog.
    pub archive: Arc<Archive>,
    /// Where runs and plans are shown.
    pub board: Arc<Board>,
    /// Where others order something.
    pub orders: UnboundedReceiver<Order>,
    /// What it goes by at first.
    pub settings: Settings,
    /// How it hears of others.
    pub reload: Reload,
    /// Who ends it.
    pub stop: Stop,
}

impl fmt::Debug for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Daemon").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Works until somebody asks the program to stop; by then nothing is half-done.
///
/// # Errors
/// When signals cannot be heard.
pub async fn run(daemon: Daemon) -> Result<()> {
    keeper::Keeper::new(daemon)?.run().await;
    Ok(())
}
