//! `/api/v1/runs`: what is under way, and orders to archive.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{HeaderValue, LOCATION, RETRY_AFTER};
use serde::Serialize;

use crate::ops::archive::contract::Contract;
use crate::ops::runs::bounds::Bounds;
use crate::ops::runs::wire::Wanted;
use crate::ops::runs::{How, Kind, View, Work};
use crate::rewrite::link::LinkStyle;
use crate::web::App;
use crate::web::api::ask::{Changer, Content, Named, blocking};
use crate::web::orders::Refused;
use crate::web::problem::Problem;

/// Paths of one order.
const MOST_PATHS: usize = 10_000;

#[derive(Serialize)]
struct Run {
    #[serde(flatten)]
    view: View,
    report: Option<Contract>,
}

#[derive(Serialize)]
pub(super) struct Runs {
    runs: Vec<View>,
}

pub(super) async fn list(State(app): State<Arc<App>>) -> Json<Runs> {
    Json(Runs { runs: app.board.runs() })
}

pub(super) async fn show(State(app): State<Arc<App>>, Named(id): Named) -> Response {
    let Some(view) = app.board.run(&id) else { return unknown().into_response() };
    let report = view.report.as_deref().map(Contract::from);
    Json(Run { view, report }).into_response()
}

pub(super) async fn cancel(State(app): State<Arc<App>>, _: Changer, Named(id): Named) -> Response {
    let is_cancelled = app.board.cancel(&id);
    match app.board.run(&id) {
        None => unknown().into_response(),
        Some(_) if !is_cancelled => {
            Problem::new(StatusCode::CONFLICT, "the run is over already").into_response()
        }
        Some(view) => (StatusCode::ACCEPTED, Json(view)).into_response(),
    }
}

pub(super) async fn order(
    State(app): State<Arc<App>>,
    Changer(visitor): Changer,
    Content(wanted): Content<Wanted>,
) -> Result<Response, Problem> {
    check(&wanted)?;
    let Wanted { paths, how, .. } = wanted;
    let (paths, bounds) = blocking(&app, move |app| {
        let bounds = app.bounds(visitor);
        Ok((named(paths, bounds.as_ref())?, bounds))
    })
    .await?;
    let work = Work::Archive { paths: paths.clone(), how };
    place(&app, Kind::Archive, paths, work, bounds)
}

/// Hands an order to the daemon, and tells where its run is found.
pub(super) fn place(
    app: &App,
    kind: Kind,
    paths: Vec<PathBuf>,
    work: Work,
    bounds: Option<Bounds>,
) -> Result<Response, Problem> {
    let view = match app.order(kind, paths, work, bounds) {
        Ok(view) => view,
        Err(Refused::TooMany) => return Ok(later("too many runs wait for their turn")),
        Err(Refused::Nobody) => {
            return Err(Problem::new(StatusCode::CONFLICT, "nobody works here: images are only served"));
        }
    };
    let location = HeaderValue::try_from(format!("/api/v1/runs/{}", view.id));
    let mut response = (StatusCode::ACCEPTED, Json(view)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Too much at a time.
pub(super) fn later(why: &str) -> Response {
    let mut response = Problem::new(StatusCode::TOO_MANY_REQUESTS, why).into_response();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

pub(super) fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no run is remembered by this id")
}

/// Whether an order makes sense by itself.
fn check(wanted: &Wanted) -> Result<(), Problem> {
    let wrong = |why: &str| Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why));
    let How { scope, link, no_rewrite, update, follow, retry: _ } = &wanted.how;
    if wanted.paths.is_empty() || wanted.paths.len() > MOST_PATHS {
        return wrong("`paths` names something to archive, and at most 10,000 of it");
    }
    if !wanted.paths.iter().all(|path| path.is_absolute()) {
        return wrong("each of `paths` is absolute");
    }
    if !matches!(scope.as_deref(), None | Some("all" | "proxied")) {
        return wrong("`scope` is `all` or `proxied`");
    }
    if link.as_deref().is_some_and(|link| link.parse::<LinkStyle>().is_err()) {
        return wrong("`link` is `relative` or a prefix that ends where a name may follow");
    }
    if *follow && (!update || *no_rewrite) {
        return wrong("`follow` goes with `update`, and not with `no_rewrite`");
    }
    Ok(())
}

/// What an order by somebody is to name: the paths themselves if they are there, and where there are bounds what they
/// lead to, so that nothing else can be put in their place while the order waits.
fn named(paths: Vec<PathBuf>, bounds: Option<&Bounds>) -> Result<Vec<PathBuf>, Problem> {
    if let Some(bounds) = bounds {
        let found: Option<Vec<PathBuf>> = paths.iter().map(|path| bounds.find(path)).collect();
        // Whether anything is there is told only to those who may have it archived.
        return found.ok_or_else(outside);
    }
    match paths.iter().find(|path| path.canonicalize().is_err()) {
        Some(path) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("there is nothing at `{}`", path.display()),
        )),
        None => Ok(paths),
    }
}

pub(super) fn outside() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "a path is in none of the folders of `daemon.watch` and `daemon.allow`, or not there",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_path_leads_to_is_ordered_and_nothing_outside() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for below in ["posts", "secret"] {
            std::fs::create_dir_all(root.join(below)).unwrap();
        }
        std::os::unix::fs::symlink(root.join("posts"), root.join("in")).unwrap();
        let bounds = Bounds::of(&[root.join("posts")]);
        let check = |paths: &[&str], bounds: Option<&Bounds>, expected: Option<&[&str]>| {
            let below = |paths: &[&str]| paths.iter().map(|path| root.join(path)).collect::<Vec<_>>();
            assert_eq!(named(below(paths), bounds).ok(), expected.map(below), "{paths:?}");
        };
        check(&["posts", "in"], Some(&bounds), Some(&["posts", "posts"]));
        check(&["posts", "secret"], Some(&bounds), None);
        check(&["secret", "in"], None, Some(&["secret", "in"]));
        check(&["none"], None, None);
        check(&["posts/none"], Some(&bounds), None);
    }
}
