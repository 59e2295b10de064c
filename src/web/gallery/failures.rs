//! `/failures`: images that documents want and nobody gave, and the order to ask again.

use std::path::PathBuf;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Deserialize;

use crate::catalog::OriginKey;
use crate::catalog::gallery::FailurePlace;
use crate::catalog::row::Failure;
use crate::ladder::hosts::Hosts;
use crate::ladder::schedule::Due;
use crate::ops::runs::{Kind, Work};
use crate::ops::status;
use crate::origin::OriginUrl;
use crate::web::App;
use crate::web::access::Visitor;
use crate::web::gallery::image::AttemptView;
use crate::web::gallery::overview::ReasonLine;
use crate::web::gallery::page::{self, Chapter, Frame, Problem, Query, now};
use crate::web::gallery::words::{Address, Ago, DocumentLink, Moment, Number, in_query, spelled};
use crate::web::orders::Refused;

/// Failures that the page of one reason shows, and those of each reason on the page of all.
const OF_ONE: usize = 50;
const OF_EACH: usize = 8;
/// Documents that are named with a failure.
const DOCUMENTS: usize = 8;

const UNKNOWN: Problem = Problem::Unknown("No document wants that image, or somebody gave it.");

const OUTSIDE: Problem = Problem::Refused(
    "The documents that want it are in none of the folders of daemon.watch and daemon.allow: archive them by hand.",
);

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/failures", get(failures)).route("/retry", post(retry))
}

#[derive(Debug, Template)]
#[template(path = "failures.html")]
struct FailuresPage {
    frame: Frame,
    groups: Vec<Group>,
    /// Whether the page is about one reason or one image.
    is_part: bool,
}

/// Failures of one reason.
#[derive(Debug)]
struct Group {
    line: ReasonLine,
    failures: Vec<FailureView>,
    /// Where the next ones are.
    next: Option<String>,
}

#[derive(Debug)]
struct FailureView {
    origin: Address,
    /// The origin as it is, for the order.
    url: String,
    at: Ago,
    detail: String,
    again: Again,
    attempts: Vec<AttemptView>,
    documents: Vec<DocumentLink>,
    more_documents: Number,
}

/// When somebody is asked again.
#[derive(Debug)]
enum Again {
    NextRun,
    At(Moment),
    Settings(&'static [&'static str]),
}

async fn failures(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::new(query.as_deref());
    page::look(&app, move |app| {
        let frame = Frame::new(app, visitor, Chapter::Failures);
        let looker = Looker::new(app)?;
        let groups = match (query.text("origin"), query.text("reason")) {
            (Some(origin), _) => vec![looker.one(origin)?],
            (None, Some(reason)) => vec![looker.group(reason, place(&query), OF_ONE)?.ok_or(UNKNOWN)?],
            (None, None) => looker.all()?,
        };
        let is_part = query.text("origin").is_some() || query.text("reason").is_some();
        Ok(page::answer(&FailuresPage { frame, groups, is_part }))
    })
    .await
}

fn place(query: &Query) -> Option<FailurePlace> {
    let (at, key) = query.text("after")?.split_once('.')?;
    let key = u128::from_str_radix(key, 16).ok()?;
    Some(FailurePlace { at: at.parse().ok()?, key: key.to_be_bytes() })
}

/// What it takes to say what is known of failures.
struct Looker<'a> {
    app: &'a App,
    hosts: Hosts,
    now: i64,
}

impl<'a> Looker<'a> {
    fn new(app: &'a App) -> Result<Self, Problem> {
        Ok(Self { app, hosts: Hosts::new(app.archive.catalog.known_hosts()?), now: now() })
    }

    fn all(&self) -> Result<Vec<Group>, Problem> {
        let reasons = self.app.archive.catalog.reason_sums()?;
        let groups = reasons.iter().map(|sum| self.group(&sum.reason, None, OF_EACH));
        Ok(groups.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// `None` if nothing failed for that reason.
    fn group(
        &self,
        reason: &str,
        after: Option<FailurePlace>,
        most: usize,
    ) -> Result<Option<Group>, Problem> {
        let catalog = &self.app.archive.catalog;
        let Some(sum) = catalog.reason_sums()?.into_iter().find(|sum| sum.reason == reason) else {
            return Ok(None);
        };
        let mut found = catalog.failures_of(reason, after, most + 1)?;
        let has_more = found.len() > most;
        found.truncate(most);
        let next = found.last().filter(|_| has_more).map(|(place, _)| {
            let key = u128::from_be_bytes(place.key);
            format!("/failures?reason={}&after={}.{key:x}", in_query(reason.as_bytes()), place.at)
        });
        let failures = found.iter().map(|(_, failure)| self.view(failure)).collect::<Result<_, _>>()?;
        Ok(Some(Group { line: ReasonLine::new(&sum), failures, next }))
    }

    fn one(&self, origin: &str) -> Result<Group, Problem> {
        let catalog = &self.app.archive.catalog;
        let key = OriginKey::of(&OriginUrl::parse(origin).map_err(|_| UNKNOWN)?);
        let failure = catalog.failure(key)?.ok_or(UNKNOWN)?;
        let sums = catalog.reason_sums()?;
        let sum = sums.into_iter().find(|sum| sum.reason == failure.reason).ok_or(UNKNOWN)?;
        Ok(Group { line: ReasonLine::new(&sum), failures: vec![self.view(&failure)?], next: None })
    }

    fn view(&self, failure: &Failure) -> Result<FailureView, Problem> {
        let archive = &self.app.archive;
        let documents = match OriginUrl::parse(&failure.origin) {
            Ok(origin) => archive.catalog.wanted_by(OriginKey::of(&origin))?,
            Err(_) => Vec::new(),
        };
        let settings = self.app.settings();
        let due = status::due(failure, &self.hosts, settings.policy(), self.now);
        Ok(FailureView {
            origin: Address::new(&failure.origin),
            url: failure.origin.clone(),
            at: Ago { at: failure.at, now: self.now },
            detail: spelled(failure.detail.as_bytes()),
            again: match due {
                None | Some(Due::NextRun) => Again::NextRun,
                Some(Due::At { at }) => Again::At(Moment(Ago { at, now: self.now })),
                Some(Due::Settings { settings }) => Again::Settings(settings),
            },
            attempts: failure.attempts.iter().map(|attempt| AttemptView::new(attempt, self.now)).collect(),
            more_documents: Number(documents.len().saturating_sub(DOCUMENTS) as u64),
            documents: documents
                .iter()
                .take(DOCUMENTS)
                .map(|name| DocumentLink::new(&archive.path_of(name)))
                .collect(),
        })
    }
}

/// The form.
#[derive(Debug, Deserialize)]
struct Retry {
    origin: String,
}

/// Orders that everybody is asked again, and leads to the run.
async fn retry(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Form(Retry { origin }): Form<Retry>,
) -> Result<Response, Problem> {
    if !visitor.may_change {
        return Err(Problem::Refused("Sign in first: only who has the daemon's token may order a run."));
    }
    page::look(&app, move |app| {
        let catalog = &app.archive.catalog;
        let key = OriginKey::of(&OriginUrl::parse(&origin).map_err(|_| UNKNOWN)?);
        if !catalog.is_missing(key)? {
            return Err(UNKNOWN);
        }
        let documents = catalog.wanted_by(key)?;
        let mut paths: Vec<PathBuf> = documents.iter().map(|name| app.archive.path_of(name)).collect();
        let bounds = app.bounds(visitor);
        if let Some(bounds) = &bounds {
            paths.retain(|path| bounds.find(path).is_some());
        }
        if paths.is_empty() {
            return Err(OUTSIDE);
        }
        match app.order(Kind::Retry, paths, Work::Retry { origin }, bounds) {
            Ok(view) => Ok(Redirect::to(&format!("/runs/{}", view.id)).into_response()),
            Err(Refused::Nobody) => {
                Err(Problem::Refused("No daemon is at work here, so nobody can be asked."))
            }
            Err(Refused::TooMany) => Err(Problem::Busy("Too many runs wait for their turn already.")),
        }
    })
    .await
}
