//! The archive in sums. To add them up takes a look at everything, so they are held for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::catalog::row::{RunRow, Totals};
use crate::ops::status::{HostState, Reasons, Status, status};
use crate::web::App;

/// They are held at least for so long.
const SHORTEST: Duration = Duration::from_secs(1);
/// And so many times longer than it took to make them.
const TIMES: u32 = 20;
/// Runs that are told of.
const RUNS: usize = 100;

/// What [`status`] says, but for what is one by one.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) totals: Totals,
    pub(super) hosts: Vec<HostState>,
    pub(super) reasons: BTreeMap<String, Reasons>,
    /// Runs that changed something, the newest first.
    pub(super) runs: Vec<RunRow>,
}

/// The last one that was made.
#[derive(Debug, Default)]
pub(super) struct Summaries(Mutex<Option<Held>>);

#[derive(Debug)]
struct Held {
    until: Instant,
    summary: Arc<Summary>,
}

/// The archive in sums, as it is or was a short while ago. Blocks.
///
/// # Errors
/// When the catalog fails.
pub(super) fn summary(app: &App) -> Result<Arc<Summary>> {
    // Whoever else wants it waits for it: it is made once.
    let mut held = app.summaries.0.lock().expect("no holder of the summary panics");
    if let Some(Held { until, summary }) = &*held
        && *until > Instant::now()
    {
        return Ok(Arc::clone(summary));
    }
    let started = Instant::now();
    let now = jiff::Timestamp::now().as_millisecond();
    let Status { totals, hosts, reasons, mut runs, .. } = status(&app.archive, app.settings().policy(), now)?;
    runs.truncate(RUNS);
    let summary = Arc::new(Summary { totals, hosts, reasons, runs });
    let until = Instant::now() + SHORTEST.max(started.elapsed() * TIMES);
    *held = Some(Held { until, summary: Arc::clone(&summary) });
    Ok(summary)
}
