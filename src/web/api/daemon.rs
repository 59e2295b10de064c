//! `/api/v1/daemon`: what the daemon is at, and what comes next. Cheap enough to be asked every second.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::ops::runs::wire::Daemon;
use crate::ops::runs::{State as RunState, View};
use crate::web::App;

pub(super) fn of(app: &App) -> Daemon {
    let runs = app.board.runs();
    let is = |state: RunState| move |view: &&View| view.state == state;
    Daemon {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        fingerprint: app.settings().fingerprint.clone(),
        works: app.orders.as_ref().is_some_and(|orders| !orders.is_closed()),
        agenda: app.board.agenda(),
        running: runs.iter().filter(is(RunState::Running)).cloned().collect(),
        queued: runs.iter().filter(is(RunState::Queued)).count() as u64,
        last: runs.iter().filter(|view| view.ended.is_some()).max_by_key(|view| view.ended).cloned(),
    }
}

pub(super) async fn show(State(app): State<Arc<App>>) -> Json<Daemon> {
    Json(of(&app))
}
