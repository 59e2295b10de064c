//! `/api/v1/runs`: what is under way, and orders to archive.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{HeaderValue, LOCATION, RETRY_AFTER};
use serde::Serialize;

use crate::ops::archive::contract::Contract;
use crate::ops::runs::wire::Wanted;
use crate::ops::runs::{How, Kind, Order, State as RunState, View, Work};
use crate::rewrite::link::LinkStyle;
use crate::web::App;
use crate::web::api::ask::{Changer, Content, Named, blocking};
use crate::web::problem::Problem;

/// Orders that may wait at a time.
const MOST_QUEUED: usize = 1_000;
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
    let settings = app.settings();
    let paths = wanted.paths.clone();
    blocking(move || {
        let allowed: Vec<PathBuf> =
            settings.allowed.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
        paths.iter().try_for_each(|path| may_archive(path, (!visitor.any_path).then_some(&allowed)))
    })
    .await?;
    let Wanted { paths, how, .. } = wanted;
    let work = Work::Archive { paths: paths.clone(), how };
    place(&app, Kind::Archive, paths, work)
}

/// Puts an order on the board and hands it to the daemon.
pub(super) fn place(app: &App, kind: Kind, paths: Vec<PathBuf>, work: Work) -> Result<Response, Problem> {
    let nobody = || Problem::new(StatusCode::CONFLICT, "nobody works here: images are only served");
    let orders = app.orders.as_ref().filter(|orders| !orders.is_closed()).ok_or_else(nobody)?;
    let waiting = app.board.runs().iter().filter(|view| view.state == RunState::Queued).count();
    if waiting >= MOST_QUEUED {
        return Ok(later("too many runs wait for their turn"));
    }
    let id = app.board.queue(kind, paths);
    if orders.send(Order { id: id.clone(), work }).is_err() {
        app.board.fail(&id, "nobody works any more".to_owned());
        return Err(nobody());
    }
    let view = app.board.run(&id).ok_or_else(|| anyhow!("an order is on the board until it is done"))?;
    let mut response = (StatusCode::ACCEPTED, Json(view)).into_response();
    if let Ok(location) = HeaderValue::try_from(format!("/api/v1/runs/{id}")) {
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

/// Whether a path may be archived, and is there. `allowed` are canonical folders; `None` stands for all.
fn may_archive(path: &Path, allowed: Option<&Vec<PathBuf>>) -> Result<(), Problem> {
    let found = path.canonicalize();
    let is_below =
        |path: &Path| allowed.is_none_or(|allowed| allowed.iter().any(|folder| path.starts_with(folder)));
    match found {
        Ok(found) if is_below(&found) => Ok(()),
        // Whether anything is there is told only to those who may have it archived.
        Err(_) if allowed.is_none() => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("there is nothing at `{}`", path.display()),
        )),
        Ok(_) | Err(_) => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "a path is in none of the folders of `daemon.watch` and `daemon.allow`, or not there",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_elsewhere_is_not_archived_however_it_is_spelled() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for below in ["posts/sub", "posts2", "secret"] {
            std::fs::create_dir_all(root.join(below)).unwrap();
        }
        std::os::unix::fs::symlink(root.join("secret"), root.join("posts/out")).unwrap();
        std::os::unix::fs::symlink(root.join("posts"), root.join("in")).unwrap();
        let allowed = vec![root.join("posts")];
        for (path, may) in [
            ("posts", true),
            ("posts/sub", true),
            ("posts/sub/..", true),
            ("in/sub", true),
            ("posts/../posts/sub", true),
            ("posts2", false),
            ("posts/..", false),
            ("posts/../secret", false),
            ("posts/out", false),
            ("posts/none", false),
        ] {
            assert_eq!(may_archive(&root.join(path), Some(&allowed)).is_ok(), may, "{path}");
        }
        assert!(may_archive(&root.join("secret"), None).is_ok());
        assert!(may_archive(&root.join("none"), None).is_err());
    }
}
