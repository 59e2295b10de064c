//! `/api/v1/runs/{id}/events`: one run as it goes, as server-sent events (HTML Standard, section 9.2).
//!
//! `state` at once and on each change, `progress` while numbers grow, and `report` last, if the run has one. A client
//! that lost the connection asks again and gets the state as it is then: what it missed does not matter.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Bytes, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

use crate::ops::archive::Moment;
use crate::ops::archive::contract::Contract;
use crate::ops::runs::{Board, State as RunState, View};
use crate::serve::listener::Peer;
use crate::web::App;
use crate::web::api::ask::Named;
use crate::web::api::runs::{later, unknown};

/// Who may listen at a time, over addresses and over the control socket.
const MOST: usize = 64;
/// Between two looks at the numbers.
const TICK: Duration = Duration::from_millis(250);
/// Silence for longer would be taken for a broken connection.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Room for those who listen. Strangers do not take that of the control socket.
#[derive(Debug)]
pub(in crate::web) struct Listeners {
    all: Arc<Semaphore>,
    control: Arc<Semaphore>,
}

impl Default for Listeners {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(MOST)), control: Arc::new(Semaphore::new(MOST)) }
    }
}

impl Listeners {
    /// Room for one more, if there is any.
    fn admit(&self, peer: Option<Peer>) -> Option<OwnedSemaphorePermit> {
        let room = if matches!(peer, Some(Peer::Control(_))) { &self.control } else { &self.all };
        Arc::clone(room).try_acquire_owned().ok()
    }
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    Named(id): Named,
) -> Response {
    if app.board.run(&id).is_none() {
        return unknown().into_response();
    }
    let Some(permit) = app.listeners.admit(peer.map(|Extension(peer)| peer)) else {
        return later("too many listen already");
    };
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(tell(Arc::clone(&app.board), id, Teller { sender, number: 0 }, permit));
    let mut response = Body::new(Events(receiver)).into_response();
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would hold them back.
    fields.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// Tells of the run until it is over or nobody listens any more.
async fn tell(board: Arc<Board>, id: String, mut teller: Teller, _permit: OwnedSemaphorePermit) {
    let mut changes = board.changes();
    let mut told: Option<View> = None;
    let mut last_word = Instant::now();
    loop {
        changes.mark_unchanged();
        let Some(view) = board.run(&id) else { return };
        let before = told.as_ref();
        let has_moved = before.map_or(Moment::default(), |told| told.progress) != view.progress;
        // Once a run is over nothing grows any more.
        if has_moved && before.is_some() && !teller.send("progress", &view.progress).await {
            return;
        }
        let is_other = before.is_none_or(|told| is_other(told, &view));
        if is_other && !teller.send("state", &view).await {
            return;
        }
        if has_moved || is_other {
            last_word = Instant::now();
        }
        if matches!(view.state, RunState::Done | RunState::Failed) {
            if let Some(report) = &view.report {
                teller.send("report", &Contract::from(&**report)).await;
            }
            return;
        }
        let is_running = view.state == RunState::Running;
        told = Some(view);
        tokio::select! {
            () = sleep(TICK), if is_running => {},
            () = sleep_until(last_word + KEEP_ALIVE) => {
                last_word = Instant::now();
                if !teller.keep_alive().await {
                    return;
                }
            },
            // The board outlives its runs.
            _ = changes.changed() => {},
            () = teller.sender.closed() => return,
        }
    }
}

fn is_other(told: &View, view: &View) -> bool {
    (told.state, told.started, told.ended, &told.outcome)
        != (view.state, view.started, view.ended, &view.outcome)
}

struct Teller {
    sender: mpsc::Sender<Bytes>,
    number: u64,
}

impl Teller {
    /// Whether somebody still listens.
    async fn send(&mut self, event: &str, data: &impl Serialize) -> bool {
        let Ok(data) = serde_json::to_string(data) else { return false };
        self.number += 1;
        // JSON has no line ends.
        let text = format!("id: {}\nevent: {event}\ndata: {data}\n\n", self.number);
        self.sender.send(text.into()).await.is_ok()
    }

    async fn keep_alive(&self) -> bool {
        self.sender.send(Bytes::from_static(b":\n\n")).await.is_ok()
    }
}

/// What was told and not sent yet.
struct Events(mpsc::Receiver<Bytes>);

impl HttpBody for Events {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_do_not_take_the_room_of_the_control_socket() {
        let listeners = Listeners::default();
        let stranger = Some(Peer::Address("127.0.0.1".parse().unwrap()));
        let all: Vec<_> = (0..MOST).map(|_| listeners.admit(stranger).unwrap()).collect();
        assert!(listeners.admit(stranger).is_none() && listeners.admit(Some(Peer::Socket)).is_none());
        let control: Vec<_> = (0..MOST).map(|_| listeners.admit(Some(Peer::Control(0))).unwrap()).collect();
        assert!(listeners.admit(Some(Peer::Control(0))).is_none());
        drop((all, control));
        assert!(listeners.admit(stranger).is_some());
    }
}
