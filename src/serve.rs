//! The kept images over HTTP, and in place of the proxies that documents still ask.
//!
//! ```text
//! connection ── request ─▶ route ─┬─ /images/<ab>/<digest>.<ext> ─▶ image ─▶ body
//!  (limits, time)                 └─ all else ─▶ wrapper: which copy of which origin ─▶ image ─▶ body
//! ```
//!
//! Reads the store and the catalog and changes neither. It never asks anybody for anything: a request for
//! what is not kept is a 404, so no stranger can use this server as a proxy.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::catalog::{self, Catalog};
use crate::origin::proxy::Families;
use crate::serve::cors::Cors;
use crate::store::{self, Store};

mod activity;
mod body;
mod connection;
mod cors;
mod image;
mod precondition;
mod range;
mod route;
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
}

impl Site {
    /// Scripts of the web origins in `cors` may read what is served; of all, if `*` is among them.
    #[must_use]
    pub fn new(store: Arc<Store>, catalog: Arc<Catalog>, families: Families, cors: &[String]) -> Self {
        Self { store, catalog, families, cors: Cors::new(cors) }
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

/// Serves `site` to those who connect to `listener` until `stop` ends. Answers that are under way then have
/// three seconds to be finished.
pub async fn run(listener: TcpListener, site: Site, stop: impl Future<Output = ()>) {
    let site = Arc::new(site);
    let free = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let (stream, permit) = tokio::select! {
            accepted = accept(&listener, &free) => accepted,
            () = &mut stop => break,
        };
        while connections.try_join_next().is_some() {}
        let (site, stopped) = (Arc::clone(&site), stopped.clone());
        connections.spawn(async move {
            connection::serve(stream, site, stopped).await;
            drop(permit);
        });
    }
    drop(listener);
    stopping.send_replace(true);
    let finished = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, finished).await.is_err() {
        tracing::warn!(connections = connections.len(), "answers that take too long are cut off");
        connections.shutdown().await;
    }
}

/// The next connection, when there is room for one.
async fn accept(listener: &TcpListener, free: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let permit = Arc::clone(free).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(BREATH).await;
            }
        }
    }
}
