//! One connection: HTTP/1.1 with keep-alive, or HTTP/2 for a client that begins with its preface (RFC 9113,
//! section 3.3).

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::serve::activity::{Activity, Answer, Watched};
use crate::serve::listener::{Peer, Stream};
use crate::serve::{Site, route};

/// The longest head of an HTTP/1.1 request, in bytes: wrapper URLs may be long.
const HEAD_BYTES: usize = 64 * 1024;
/// Header fields of an HTTP/1.1 request.
const HEAD_FIELDS: usize = 100;
/// The same for HTTP/2, with its overhead of 32 bytes a field (RFC 9113, section 6.5.2).
const HEADER_LIST_BYTES: u32 = 64 * 1024;
/// Requests at a time on one HTTP/2 connection.
const STREAMS: u32 = 100;
/// What waits to be sent on one of them, in bytes.
const STREAM_BYTES: usize = 64 * 1024;
/// How long a client that has been waited for long enough has to take leave.
const FAREWELL: Duration = Duration::from_millis(500);

/// Answers requests until the client has no more of them, keeps the connection waiting, or `stopping` says so.
pub(super) async fn serve(
    stream: Box<dyn Stream>,
    peer: Peer,
    site: Arc<Site>,
    mut stopping: watch::Receiver<bool>,
) {
    let activity = Arc::new(Activity::new(site.metrics()));
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let (site, under_way) = (Arc::clone(&site), activity.begin());
        async move {
            let metrics = site.metrics();
            let (kind, response) = route::answer(site, request).await;
            metrics.answered(kind, response.status());
            Ok::<_, Infallible>(response.map(|body: Body| Answer::new(body, under_way)))
        }
    });
    let protocols = protocols();
    let socket = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
    let mut connection = pin!(protocols.serve_connection(socket, service));
    let has_ceased = tokio::select! {
        ended = connection.as_mut() => return log(ended),
        () = activity.ceased() => true,
        // The sender lives as long as connections do.
        _ = stopping.wait_for(|stopping| *stopping) => false,
    };
    connection.as_mut().graceful_shutdown();
    if has_ceased {
        if let Ok(ended) = timeout(FAREWELL, connection).await {
            log(ended);
        }
    } else {
        log(connection.await);
    }
}

fn protocols() -> auto::Builder<TokioExecutor> {
    let mut protocols = auto::Builder::new(TokioExecutor::new());
    protocols.http1().timer(TokioTimer::new()).max_headers(HEAD_FIELDS).max_buf_size(HEAD_BYTES);
    protocols
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_send_buf_size(STREAM_BYTES)
        .max_header_list_size(HEADER_LIST_BYTES);
    protocols
}

fn log(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
