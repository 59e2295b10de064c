//! Numbers for Prometheus, in its own text form (version 0.0.4), which all that scrape can read.
//!
//! Made anew each time they are asked for; what takes a look at the whole catalog is [held](summary) for a while.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::header::CONTENT_TYPE;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use rustix::fs::statvfs;
use serde::Serialize;
use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::ops::runs::{Kind, State as RunState, View};
use crate::web::App;
use crate::web::problem::Problem;
use crate::web::summary::summary;

mod process;

const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Adds what somebody counts.
type Register = Box<dyn Fn(&mut Registry) + Send + Sync>;

/// What others count.
#[derive(Default)]
pub(super) struct Counted(Mutex<Vec<Register>>);

impl Counted {
    pub(super) fn add(&self, register: Register) {
        self.0.lock().expect("no holder of the list panics").push(register);
    }

    fn register(&self, registry: &mut Registry) {
        for register in &*self.0.lock().expect("no holder of the list panics") {
            register(registry);
        }
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}

/// Name and value of each label.
type Labels = Vec<(&'static str, String)>;
type Numbers = Family<Labels, Gauge<f64, AtomicU64>>;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/metrics", get(show))
}

async fn show(State(app): State<Arc<App>>) -> Response {
    let Ok(turn) = app.turns.take().await else { return Problem::busy().into_response() };
    let make = move || {
        let text = text(&app);
        drop(turn);
        text
    };
    let text = spawn_blocking(make).await.unwrap_or_else(|error| Err(error.into()));
    match text {
        Ok(text) => ([(CONTENT_TYPE, TYPE)], text).into_response(),
        Err(error) => Problem::of(&error).into_response(),
    }
}

fn text(app: &App) -> Result<String> {
    let mut registry = Registry::default();
    app.counted.register(&mut registry);
    process::register(&mut registry);
    let ours = registry.sub_registry_with_prefix("imgkeep");
    archive(app, ours)?;
    runs(&app.board.runs(), ours);
    planned(app, ours)?;
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(classic(&text))
}

/// OpenMetrics in the older form: there a counter is described by the name that its samples have, units are not told,
/// and nothing tells the end.
fn classic(text: &str) -> String {
    let counter = |line: &str| Some(line.strip_prefix("# TYPE ")?.strip_suffix(" counter")?.to_owned());
    let counters: HashSet<String> = text.lines().filter_map(counter).collect();
    let mut classic = String::with_capacity(text.len());
    for line in text.lines().filter(|line| !line.starts_with("# UNIT ") && *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(kind), Some(name), Some(rest)) if counters.contains(name) => {
                classic.push_str(&format!("# {kind} {name}_total {rest}\n"));
            }
            _ => classic.extend([line, "\n"]),
        }
    }
    classic
}

fn archive(app: &App, registry: &mut Registry) -> Result<()> {
    let summary = summary(app)?;
    let totals = summary.totals;
    let mut gauge = |name: &str, help: &str, value: u64| registry.register(name, help, constant(value));
    gauge("images", "Images that are kept", totals.images);
    gauge("images_bytes", "Length of all kept images", totals.bytes);
    gauge("origins", "Origins that gave an image", totals.origins);
    gauge("documents", "Documents that are known", totals.documents);
    gauge("hosts", "Hosts that gave an image, or did not", summary.hosts.len() as u64);
    gauge("catalog_bytes", "Length of the catalog's files", app.archive.catalog.bytes());
    if let Ok(disk) = statvfs(app.archive.store.root()) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        gauge("store_free_bytes", "Room on the disk of the store", free);
    }
    let references = numbers();
    for (state, count) in [("archived", totals.archived), ("failed", totals.failed)] {
        references.get_or_create(&vec![("state", state.to_owned())]).set(count as f64);
    }
    registry.register("references", "References in documents, by what became of them", references);
    let failures = numbers();
    for (reason, sum) in &summary.reasons {
        failures.get_or_create(&vec![("reason", reason.clone())]).set(sum.images as f64);
    }
    registry.register("failures", "Images that documents want and nobody gave, by reason", failures);
    Ok(())
}

fn runs(runs: &[View], registry: &mut Registry) {
    let (counts, ended, took, succeeded) = (numbers(), numbers(), numbers(), numbers());
    let mut last: BTreeMap<String, &View> = BTreeMap::new();
    for view in runs {
        let kind = word(&view.kind);
        counts.get_or_create(&vec![("kind", kind.clone()), ("state", word(&view.state))]).inc();
        if view.ended.is_some() {
            let last = last.entry(kind).or_insert(view);
            if view.ended > last.ended {
                *last = view;
            }
        }
    }
    for (kind, view) in last {
        let labels = vec![("kind", kind)];
        let end = view.ended.unwrap_or_default();
        ended.get_or_create(&labels).set(seconds(end));
        took.get_or_create(&labels).set(seconds(end - view.started.unwrap_or(end)));
        succeeded.get_or_create(&labels).set(f64::from(u8::from(view.state == RunState::Done)));
    }
    let queued = runs.iter().filter(|view| view.state == RunState::Queued).count();
    registry.register("runs_queued", "Runs that wait for their turn", constant(queued as u64));
    registry.register("runs", "Runs that are remembered since the start, by kind and state", counts);
    registry.register_with_unit("last_run_end_timestamp", "When the last run ended", Unit::Seconds, ended);
    registry.register_with_unit("last_run_duration", "How long the last run took", Unit::Seconds, took);
    registry.register("last_run_success", "Whether the last run came to its end", succeeded);
}

/// What comes by itself, and how far it came.
fn planned(app: &App, registry: &mut Registry) -> Result<()> {
    let (next, last) = (numbers(), numbers());
    for plan in app.board.agenda().planned {
        let labels = vec![("kind", word(&plan.kind))];
        next.get_or_create(&labels).set(seconds(plan.next));
        if let Some(done) = plan.last {
            last.get_or_create(&labels).set(seconds(done));
        }
    }
    registry.register_with_unit("planned_timestamp", "When it comes by itself", Unit::Seconds, next);
    registry.register_with_unit("planned_last_timestamp", "When it came last", Unit::Seconds, last);
    if let Some(scrub) = app.archive.catalog.chore(&word(&Kind::Scrub))? {
        // Blobs are read in order of digest, and digests are spread evenly.
        let reached = scrub.cursor.map_or(0, |reached| {
            let [high, low, ..] = *reached.as_bytes();
            u16::from_be_bytes([high, low])
        });
        let ratio = ConstGauge::new(f64::from(reached) / f64::from(u16::MAX));
        registry.register("scrub_ratio", "How much of the store was read again in this round", ratio);
    }
    Ok(())
}

fn numbers() -> Numbers {
    Numbers::default()
}

fn constant(value: u64) -> ConstGauge<f64> {
    ConstGauge::new(value as f64)
}

/// Milliseconds as seconds.
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

/// A kind or state as it is called in JSON.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_older_form_names_counters_as_their_samples_are_named() {
        let modern = "# HELP cpu_seconds Time.\n# TYPE cpu_seconds counter\n# UNIT cpu_seconds seconds\n\
                      cpu_seconds_total 1.5\n# HELP a b counter\n# TYPE a gauge\na{x=\"# TYPE y counter\"} 2\n# EOF\n";
        let classic = "# HELP cpu_seconds_total Time.\n# TYPE cpu_seconds_total counter\n\
                       cpu_seconds_total 1.5\n# HELP a b counter\n# TYPE a gauge\na{x=\"# TYPE y counter\"} 2\n";
        assert_eq!(super::classic(modern), classic);
    }
}
