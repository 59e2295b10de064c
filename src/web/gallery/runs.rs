//! `/runs`: what was done and what is under way.

use std::collections::HashSet;
use std::sync::Arc;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};

use crate::catalog::row::RunRow;
use crate::ops::archive::Report;
use crate::ops::runs::{Kind, State as RunState, View};
use crate::web::App;
use crate::web::access::Visitor;
use crate::web::gallery::page::{self, Chapter, Frame, Problem, now};
use crate::web::gallery::words::{self, Address, Ago, Count, DocumentLink, Lasted, Moment, Number, Size};

/// Runs on the page.
const RUNS: usize = 200;
/// Documents and images that a run's page lists.
const LISTED: usize = 200;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/runs", get(all)).route("/runs/{id}", get(one))
}

/// A run in a list.
#[derive(Debug, Template)]
#[template(path = "parts/run.html")]
pub(super) struct RunLine {
    id: String,
    purpose: String,
    state: &'static str,
    at: Ago,
    lasted: Option<Lasted>,
    summary: String,
}

/// What a run is for, as the heading of its page.
pub(super) fn purpose(kind: Kind) -> &'static str {
    match kind {
        Kind::Archive => "Archive",
        Kind::Change => "Archive what changed",
        Kind::Reconcile => "Look through all folders",
        Kind::Retry => "Ask again",
        Kind::Scrub => "Read images again",
        Kind::Gc => "Remove what nobody shows",
    }
}

fn state(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "queued",
        RunState::Running => "running",
        RunState::Done => "done",
        RunState::Failed => "failed",
    }
}

/// The last runs, those of this process and then those that the catalog remembers.
pub(super) fn last(app: &App, most: usize, now: i64) -> Result<Vec<RunLine>, Problem> {
    let views = app.board.runs();
    let known: HashSet<String> =
        views.iter().filter_map(|view| Some(view.report.as_ref()?.run.clone())).collect();
    let rows = app.archive.catalog.last_runs(most)?;
    let rows = rows.into_iter().filter(|row| !known.contains(&row.name)).map(|row| RunLine::of_row(row, now));
    let lines = views.iter().map(|view| RunLine::of_view(view, now));
    let mut lines: Vec<RunLine> = lines.chain(rows).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.at.at));
    lines.truncate(most);
    Ok(lines)
}

impl HtmlSafe for RunLine {}

impl RunLine {
    fn of_view(view: &View, now: i64) -> Self {
        let summary = match (&view.report, &view.outcome) {
            (Some(report), _) => summary(report),
            (None, Some(outcome)) => outcome.clone(),
            (None, None) => String::new(),
        };
        Self {
            id: view.id.clone(),
            purpose: purpose(view.kind).to_owned(),
            state: state(view.state),
            at: Ago { at: view.started.unwrap_or(view.queued), now },
            lasted: view.started.zip(view.ended).map(|(start, end)| Lasted(end - start)),
            summary,
        }
    }

    fn of_row(row: RunRow, now: i64) -> Self {
        Self {
            id: row.name,
            purpose: command(&row.command),
            state: "done",
            at: Ago { at: row.started, now },
            lasted: None,
            summary: String::new(),
        }
    }
}

fn command(command: &str) -> String {
    if command.is_empty() {
        "A run before the catalog was rebuilt".to_owned()
    } else {
        format!("imgkeep {command}")
    }
}

fn summary(report: &Report) -> String {
    let mut parts = vec![
        format!("{} changed", Count(report.changed, "document")),
        Count(report.images.downloaded, "image").to_string(),
    ];
    if !report.failures.is_empty() {
        let failures = report.failures.iter().filter(|failure| failure.counts()).count();
        parts.push(format!("{} not had", Number(failures as u64)));
    }
    parts.join(", ")
}

#[derive(Debug, Template)]
#[template(path = "runs.html")]
struct RunsPage {
    frame: Frame,
    runs: Vec<RunLine>,
}

#[derive(Debug, Template)]
#[template(path = "run.html")]
struct RunPage {
    frame: Frame,
    id: String,
    purpose: String,
    state: &'static str,
    is_under_way: bool,
    queued: Option<Moment>,
    started: Option<Moment>,
    ended: Option<Moment>,
    lasted: Option<Lasted>,
    outcome: Option<String>,
    paths: Vec<String>,
    /// Documents done and to be read, images, bytes, failures.
    progress: Option<ProgressView>,
    report: Option<ReportView>,
    /// What `restore --run` calls it, if it can be taken back.
    undo: Option<String>,
}

#[derive(Debug)]
struct ProgressView {
    documents: Number,
    to_read: Number,
    images: Number,
    bytes: Size,
    failures: Number,
}

#[derive(Debug)]
struct ReportView {
    numbers: Vec<(&'static str, String)>,
    failures: Vec<(Address, String, &'static str)>,
    refused: Vec<(DocumentLink, String)>,
    more: Number,
}

impl ReportView {
    fn new(report: &Report) -> Self {
        let number = |n| Number(n).to_string();
        let numbers = vec![
            ("documents looked at", number(report.scanned)),
            ("documents changed", number(report.changed)),
            ("references archived", number(report.references.archived)),
            ("already archived", number(report.references.already_archived)),
            ("references failed", number(report.references.failed)),
            ("images downloaded", number(report.images.downloaded)),
            ("received", Size(report.images.bytes_downloaded).to_string()),
            ("stored", Size(report.images.bytes_stored).to_string()),
        ];
        let failed: Vec<_> = report.failures.iter().filter(|failure| failure.counts()).collect();
        let failures = failed.iter().take(LISTED).map(|image| {
            let reason = &image.failure.reason;
            (Address::new(&image.failure.origin), reason.clone(), words::reason(reason))
        });
        let refused = report.documents_failed.iter().take(LISTED);
        let refused = refused.map(|refused| (DocumentLink::new(&refused.document), refused.why.clone()));
        let hidden =
            failed.len().saturating_sub(LISTED) + report.documents_failed.len().saturating_sub(LISTED);
        Self {
            numbers,
            failures: failures.collect(),
            refused: refused.collect(),
            more: Number(hidden as u64),
        }
    }
}

async fn all(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Problem> {
    page::look(&app, move |app| {
        let runs = last(app, RUNS, now())?;
        Ok(page::answer(&RunsPage { frame: Frame::new(app, visitor, Chapter::Runs), runs }))
    })
    .await
}

async fn one(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    page::look(&app, move |app| {
        let frame = Frame::new(app, visitor, Chapter::Runs);
        if let Some(view) = app.board.run(&id) {
            return Ok(page::answer(&RunPage::of_view(frame, &view)));
        }
        let row = app.archive.catalog.run(&id)?;
        let row = row.ok_or(Problem::Unknown("No run of that name is remembered."))?;
        Ok(page::answer(&RunPage::of_row(frame, row)))
    })
    .await
}

impl RunPage {
    fn of_view(frame: Frame, view: &View) -> Self {
        let now = now();
        let moment = |at| Moment(Ago { at, now });
        let is_under_way = matches!(view.state, RunState::Queued | RunState::Running);
        let progress = view.progress;
        let undo = view.report.as_ref().filter(|report| report.changed > 0).map(|report| report.run.clone());
        Self {
            frame,
            id: view.id.clone(),
            purpose: purpose(view.kind).to_owned(),
            state: state(view.state),
            is_under_way,
            queued: Some(moment(view.queued)),
            started: view.started.map(moment),
            ended: view.ended.map(moment),
            lasted: view.started.zip(view.ended).map(|(start, end)| Lasted(end - start)),
            outcome: view.outcome.clone(),
            paths: view
                .paths
                .iter()
                .map(|path| words::spelled(path.as_os_str().as_encoded_bytes()))
                .collect(),
            progress: is_under_way.then_some(ProgressView {
                documents: Number(progress.documents),
                to_read: Number(progress.to_read),
                images: Number(progress.images),
                bytes: Size(progress.bytes),
                failures: Number(progress.failures),
            }),
            report: view.report.as_ref().map(|report| ReportView::new(report)),
            undo,
        }
    }

    fn of_row(frame: Frame, row: RunRow) -> Self {
        let at = Ago { at: row.started, now: now() };
        Self {
            frame,
            id: row.name.clone(),
            purpose: command(&row.command),
            state: "done",
            is_under_way: false,
            queued: None,
            started: (row.started > 0).then_some(Moment(at)),
            ended: None,
            lasted: None,
            outcome: None,
            paths: Vec::new(),
            progress: None,
            report: None,
            undo: Some(row.name),
        }
    }
}
