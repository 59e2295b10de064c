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
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::Router;
use hyper::StatusCode;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::catalog::{self, Catalog};
use crate::origin::proxy::Families;
use crate::serve::activity::Activity;
use crate::serve::cors::Cors;
use crate::serve::limits::{Admitted, Limits, Peers};
use crate::serve::listener::{Listener, Peer};
use crate::serve::memory::Memory;
use crate::serve::metrics::Metrics;
use crate::serve::room::{Guest, Room};
use crate::serve::stream::Stream;
use crate::serve::tls::Certificates;
use crate::store::{self, Store};

mod activity;
mod body;
mod connection;
mod cors;
mod image;
mod limits;
pub mod listener;
mod memory;
pub mod metrics;
mod outbox;
pub mod precondition;
mod progress;
pub mod range;
mod room;
pub mod route;
pub(crate) use route::not_kept;
mod stream;
pub mod tls;
mod wire;
pub mod wrapper;

/// Bytes of small blobs that are held unless told otherwise.
const MEMORY: u64 = 24 << 20;
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
    limits: Limits,
    memory: Arc<Memory>,
    metrics: Arc<Metrics>,
    /// Bytes that were read of files and that no client has taken yet.
    unsent: Arc<AtomicUsize>,
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
    /// Scripts of the web origins in `cors` may read what is served; of all, if `*` is among them. Raises the number of files
    /// that this process may have open as far as the system lets it.
    #[must_use]
    pub fn new(store: Arc<Store>, catalog: Arc<Catalog>, families: Families, cors: &[String]) -> Self {
        let limits = Limits::of_process();
        let memory = Arc::new(Memory::new(MEMORY, limits.files));
        let cors = Cors::new(cors);
        let (metrics, unsent) = (Arc::default(), Arc::default());
        Self { store, catalog, families, cors, limits, memory, metrics, unsent, pages: None }
    }

    /// Holds so many bytes of small blobs at hand; 0 for none.
    #[must_use]
    pub fn with_memory(self, bytes: u64) -> Self {
        Self { memory: Arc::new(Memory::new(bytes, self.limits.files)), ..self }
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
    let room = Arc::new(Room::new(site.limits.connections));
    // However many ask over the network, whoever gives orders is heard.
    let reserved = Arc::new(Room::new(limits::CONTROL));
    let peers = Arc::new(Peers::default());
    let (stopping, stopped) = watch::channel(false);
    let (accepted, mut next) = mpsc::channel(1);
    let mut accepting = JoinSet::new();
    for listener in listeners {
        let room = if listener.is_control() { &reserved } else { &room };
        let metrics = site.metrics();
        accepting.spawn(accept(listener, Arc::clone(room), Arc::clone(&peers), metrics, accepted.clone()));
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
        connections.spawn(connection::serve(connection, site, stopped));
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
    activity: Arc<Activity>,
    stream: Stream,
    certificates: Option<Arc<Certificates>>,
    peer: Peer,
    guest: Guest,
    _admitted: Admitted,
}

/// Hands on the connections of one listener, each when there is room for it. One at most is accepted before.
async fn accept(
    listener: Listener,
    room: Arc<Room>,
    peers: Arc<Peers>,
    metrics: Arc<Metrics>,
    accepted: mpsc::Sender<Accepted>,
) {
    loop {
        let (stream, peer, admitted) = loop {
            match listener.accept().await {
                Ok((stream, peer)) => match peers.admit(peer) {
                    Some(admitted) => break (stream, peer, admitted),
                    None => tracing::debug!(?peer, "a client has too many connections"),
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    sleep(BREATH).await;
                }
            }
        };
        let activity = Arc::new(Activity::new(Arc::clone(&metrics)));
        let guest = room.enter(&activity).await;
        let certificates = listener.certificates();
        let connection = Accepted { activity, stream, certificates, peer, guest, _admitted: admitted };
        if accepted.send(connection).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

    use super::*;

    #[tokio::test]
    async fn who_gives_orders_is_heard_however_many_ask_over_the_network() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let store = Arc::new(Store::open(path).unwrap());
        let url = format!("sqlite:{}", path.join("catalog.sqlite").display());
        let catalog = Arc::new(Catalog::open(&url, &path.join("journal")).unwrap());
        let mut site = Site::new(store, catalog, Families::builtin(), &[]);
        // as when all of them are taken
        site.limits.connections = 0;
        let network = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stranger = TcpStream::connect(network.local_addr().unwrap()).await.unwrap();
        let socket = path.join("control.sock");
        let control = Listener::Control(UnixListener::bind(&socket).unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(run(vec![Listener::Tcp(network), control], site, async {
            let _ = stopped.await;
        }));

        let question = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stranger.write_all(question).await.unwrap();
        let mut owner = UnixStream::connect(&socket).await.unwrap();
        owner.write_all(question).await.unwrap();
        let mut answer = String::new();
        timeout(Duration::from_secs(60), owner.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let refused = std::io::ErrorKind::WouldBlock;
        assert_eq!(stranger.try_read(&mut [0]).unwrap_err().kind(), refused, "there was no room");
        stop.send(()).unwrap();
        serving.await.unwrap();
    }
}
