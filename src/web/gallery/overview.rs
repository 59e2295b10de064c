//! `/`: what is kept, what died since, what could not be had, and what comes next.

use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant};

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};

use crate::catalog::gallery::{Filter, HostSums, Page, ReasonSum};
use crate::catalog::row::Totals;
use crate::ladder::hosts::Hosts;
use crate::ops::runs::Agenda;
use crate::web::App;
use crate::web::access::Visitor;
use crate::web::gallery::page::{self, Chapter, Frame, Problem, now};
use crate::web::gallery::runs::{self, RunLine};
use crate::web::gallery::tile::TileView;
use crate::web::gallery::words::{self, Ago, Count, Number, Size, in_query, spelled};

/// Sums are made anew when they are so many times older than it took to make them.
const PATIENCE: u32 = 20;
/// But not older than this.
const OLDEST: Duration = Duration::from_secs(60);
/// Images, hosts and runs that the overview shows.
const NEWEST: usize = 12;
const HOSTS: usize = 10;
const RUNS: usize = 5;

/// What takes a look at every image, remembered for a while.
#[derive(Debug, Default)]
pub(in crate::web) struct Sums {
    counted: RwLock<Option<Arc<Counted>>>,
    counting: Mutex<()>,
}

/// The sums, as they were at one time.
#[derive(Debug)]
pub(super) struct Counted {
    at: Instant,
    took: Duration,
    pub(super) totals: Totals,
    pub(super) rescued: (u64, u64),
    pub(super) hosts: Vec<HostSums>,
    pub(super) types: Vec<(String, u64)>,
    pub(super) reasons: Vec<ReasonSum>,
}

impl Sums {
    pub(super) fn get(&self, app: &App) -> Result<Arc<Counted>, Problem> {
        let last = || self.counted.read().unwrap_or_else(PoisonError::into_inner).clone();
        let known = last();
        if let Some(known) = known.clone().filter(|known| known.is_fresh()) {
            return Ok(known);
        }
        // While one counts, others make do with what was; the first ones wait.
        let _counting = match (self.counting.try_lock(), known) {
            (Ok(counting), _) => counting,
            (Err(TryLockError::WouldBlock), Some(known)) => return Ok(known),
            (Err(_), _) => self.counting.lock().unwrap_or_else(PoisonError::into_inner),
        };
        if let Some(known) = last().filter(|known| known.is_fresh()) {
            return Ok(known);
        }
        let counted = Arc::new(Counted::count(app)?);
        *self.counted.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&counted));
        Ok(counted)
    }
}

impl Counted {
    fn count(app: &App) -> Result<Self, Problem> {
        let catalog = &app.archive.catalog;
        let start = Instant::now();
        let mut counted = Self {
            at: start,
            took: Duration::ZERO,
            totals: catalog.totals()?,
            rescued: catalog.rescued()?,
            hosts: catalog.host_sums()?,
            types: catalog.type_sums()?,
            reasons: catalog.reason_sums()?,
        };
        counted.at = Instant::now();
        counted.took = start.elapsed();
        Ok(counted)
    }

    fn is_fresh(&self) -> bool {
        self.at.elapsed() < OLDEST.min(self.took * PATIENCE)
    }
}

#[derive(Debug, Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    images: Number,
    bytes: Size,
    documents: Number,
    references: Number,
    hosts_count: Number,
    failing: Number,
    rescued: Count,
    rescued_bytes: Size,
    has_rescued: bool,
    newest: Vec<TileView>,
    died: Vec<HostLine>,
    hosts: Vec<HostLine>,
    reasons: Vec<ReasonLine>,
    agenda: Option<AgendaView>,
    runs: Vec<RunLine>,
}

/// A host, as far as it matters here.
#[derive(Debug)]
struct HostLine {
    host: String,
    query: String,
    images: Number,
    rescued: Number,
    failing: Number,
    left_alone: Option<(String, Ago)>,
}

#[derive(Debug)]
pub(super) struct ReasonLine {
    pub(super) reason: String,
    pub(super) means: &'static str,
    pub(super) images: Number,
}

impl ReasonLine {
    pub(super) fn new(sum: &ReasonSum) -> Self {
        Self { reason: sum.reason.clone(), means: words::reason(&sum.reason), images: Number(sum.images) }
    }
}

#[derive(Debug)]
struct AgendaView {
    watched: Vec<(String, String, Option<String>)>,
    planned: Vec<(&'static str, Ago, Option<Ago>)>,
    paused: Option<String>,
    refused: Option<String>,
}

impl AgendaView {
    fn new(agenda: Agenda, now: i64) -> Self {
        let watched = agenda.watched.into_iter().map(|watched| {
            let folder = spelled(watched.folder.as_os_str().as_encoded_bytes());
            (folder, watched.how, watched.why)
        });
        let planned = agenda.planned.into_iter().map(|planned| {
            let ago = |at| Ago { at, now };
            (runs::purpose(planned.kind), ago(planned.next), planned.last.map(ago))
        });
        Self {
            watched: watched.collect(),
            planned: planned.collect(),
            paused: agenda.paused,
            refused: agenda.refused_configuration,
        }
    }
}

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/", get(overview))
}

async fn overview(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Problem> {
    page::look(&app, move |app| {
        let catalog = &app.archive.catalog;
        let now = now();
        let sums = app.sums.get(app)?;
        let known = Hosts::new(catalog.known_hosts()?);
        let line = |host: &HostSums| HostLine {
            host: host.host.clone(),
            query: in_query(host.host.as_bytes()),
            images: Number(host.images),
            rescued: Number(host.rescued),
            failing: Number(host.failing),
            left_alone: known
                .closed_anywhere(&host.host, now)
                .map(|(reason, until)| (reason.to_string(), Ago { at: until, now })),
        };
        // Whose images would be lost by now, those with the most first.
        let is_down =
            |host: &&HostLine| host.images.0 > 0 && (host.rescued.0 > 0 || host.left_alone.is_some());
        let lines: Vec<HostLine> = sums.hosts.iter().map(line).collect();
        let died = lines.iter().filter(is_down).map(|line| line.host.clone()).take(HOSTS);
        let died: Vec<String> = died.collect();
        let (died, others): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| died.contains(&line.host));
        let newest = catalog.tiles(&Filter::default(), Page::First, NEWEST)?;
        let Totals { images, bytes, documents, archived, failures, .. } = sums.totals;
        Ok(page::answer(&Overview {
            frame: Frame::new(app, visitor, Chapter::Overview),
            images: Number(images),
            bytes: Size(bytes),
            documents: Number(documents),
            references: Number(archived),
            hosts_count: Number(sums.hosts.len() as u64),
            failing: Number(failures),
            rescued: Count(sums.rescued.0, "image"),
            rescued_bytes: Size(sums.rescued.1),
            has_rescued: sums.rescued.0 > 0,
            newest: newest.iter().map(|tile| TileView::new(catalog, tile)).collect::<Result<_, _>>()?,
            died,
            hosts: others.into_iter().filter(|host| host.images.0 > 0).take(HOSTS).collect(),
            reasons: sums.reasons.iter().map(ReasonLine::new).collect(),
            agenda: app.orders.is_some().then(|| AgendaView::new(app.board.agenda(), now)),
            runs: runs::last(app, RUNS, now)?,
        }))
    })
    .await
}
