//! The kept images over HTTP, and in place of the proxies that documents still ask.
//!
//! ```text
//! connection ── request ─▶ route ─┬─ /images/<ab>/<digest>.<ext> ─▶ image ─▶ body
//!  (limits, time)                 └─ all else ─▶ wrapper: which copy of which origin ─▶ image ─▶ body
//! ```
//!
//! Whoever runs it may add [pages](Site::with_pages) of their own, which get what is neither. It reads the store and the catalog and changes
//! neither. It never asks anybody for anything: a request for
//! what is not kept is a 404, so no stranger can use this server as a proxy.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::catalog::{self, Catalog};
use crate::origin::proxy::Families;
use crate::serve::cors::Cors;
use crate::serve::listener::{Listener, Peer, Stream};
use crate::serve::metrics::Metrics;
use crate::store::{self, Store};

mod activity;
mod body;
mod connection;
mod cors;
mod image;
pub mod listener;
pub mod metrics;
mod precondition;
mod range;
mod route;
pub(crate) use route::not_kept;
mod wrapper;

/// Connections at a time; the next ones wait to be accepted. Each may have a file open besides its socket, and
/// a process may commonly have 1,024 in all.
const MOST_CONNECTIONS: usize = 448;
/// How long answers under way may take when the server is asked to stop.
const GRACE: Duration = Duration::from_secs(3);
/// A pause after a connection could not be accepted, most likely for want of file descriptors.
const BREATH: Duration = Duration::from_millis(100);

/// What is served.
#[derive(Debug)]
pub struct Site {
    store: Arc<Store>,
    catalog: Arc<Catalog>,
    families: Families,
    cors: Cors,
    metrics: Arc<Metrics>,
    pages: Option<Pages>,
}

/// What is answered besides images.
#[derive(Debug)]
struct Pages {
    /// Whether a path is one of theirs.
    own: fn(&str) -> bool,
    router: Router,
}

impl Site {
    /// Scripts of the web origins in `cors` may read what is served; of all, if `*` is among them.
    #[must_use]
    pub fn new(store: Arc<Store>, catalog: Arc<Catalog>, families: Families, cors: &[String]) -> Self {
        Self { store, catalog, families, cors: Cors::new(cors), metrics: Arc::default(), pages: None }
    }

    /// What this server counts.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Has `router` answer for the paths that are its `own`, unless a request is meant for a proxy. It gets the body of
    /// a request, and among its extensions the [`Peer`]; which hosts it answers for is its own to judge.
    #[must_use]
    pub fn with_pages(self, own: fn(&str) -> bool, router: Router) -> Self {
        Self { pages: Some(Pages { own, router }), ..self }
    }
}

/// Why a request could not be answered. Clients hear of the status and of nothing else.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
}

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Self::Store(_) | Self::Catalog(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Serves `site` to those who connect to one of `listeners` until `stop` ends. Answers that are under way then have
/// three seconds to be finished.
pub async fn run(listeners: Vec<Listener>, site: Site, stop: impl Future<Output = ()>) {
    let site = Arc::new(site);
    let free = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let (stopping, stopped) = watch::channel(false);
    let (accepted, mut next) = mpsc::channel(1);
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(listener, Arc::clone(&free), accepted.clone()));
    }
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let connection = tokio::select! {
            Some(connection) = next.recv() => connection,
            () = &mut stop => break,
        };
        while connections.try_join_next().is_some() {}
        let (site, stopped) = (Arc::clone(&site), stopped.clone());
        connections.spawn(async move {
            connection::serve(connection.stream, connection.peer, site, stopped).await;
            drop(connection.permit);
        });
    }
    accepting.shutdown().await;
    stopping.send_replace(true);
    let finished = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, finished).await.is_err() {
        tracing::warn!(connections = connections.len(), "answers that take too long are cut off");
        connections.shutdown().await;
    }
}

/// A connection that there is room for.
struct Accepted {
    stream: Box<dyn Stream>,
    peer: Peer,
    permit: OwnedSemaphorePermit,
}

/// Hands on the connections of one listener, each when there is room for it.
async fn accept(listener: Listener, free: Arc<Semaphore>, accepted: mpsc::Sender<Accepted>) {
    loop {
        let permit = Arc::clone(&free).acquire_owned().await.expect("the semaphore is never closed");
        let connection = loop {
            match listener.accept().await {
                Ok((stream, peer)) => break Accepted { stream, peer, permit },
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    sleep(BREATH).await;
                }
            }
        };
        if accepted.send(connection).await.is_err() {
            return;
        }
    }
}
