//! One connection: HTTP/1.1 with keep-alive, or HTTP/2 for a client that begins with its preface (RFC 9113,
//! section 3.3).

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::serve::activity::Ceased;
use crate::serve::body::{Account, Way};
use crate::serve::metrics::Kind;
use crate::serve::outbox::Outbox;
use crate::serve::stream::Stream;
use crate::serve::wire::{Answer, Wire};
use crate::serve::{Accepted, Site, limits, route};

/// The longest head of an HTTP/1.1 request, in bytes: wrapper URLs may be long.
const HEAD_BYTES: usize = 64 * 1024;
/// Header fields of an HTTP/1.1 request.
const HEAD_FIELDS: usize = 100;
/// The same for HTTP/2, with its overhead of 32 bytes a field (RFC 9113, section 6.5.2).
const HEADER_LIST_BYTES: u32 = 64 * 1024;
/// What waits to be sent on one of them, in bytes, before its answer is asked for more.
const STREAM_BYTES: usize = 4 * 1024;
/// Requests that a client took back before they were looked at; with more it is given up (CVE-2023-44487).
const RESETS: usize = 20;
/// Requests that were against the rules; with more it is given up.
const ERRORS: usize = 100;
/// How long a client that has been waited for long enough has to take leave.
const FAREWELL: Duration = Duration::from_millis(500);

/// Answers requests until the client has no more of them, keeps the connection waiting, or `stopping` says so; or others
/// need the room.
pub(super) async fn serve(accepted: Accepted, site: Arc<Site>, mut stopping: watch::Receiver<bool>) {
    // It has its room until this returns.
    let Accepted { activity, stream, certificates, peer, guest, _admitted } = accepted;
    let shaken = async {
        match (stream, certificates) {
            (Stream::Tcp(stream), Some(certificates)) => {
                let stream = certificates.acceptor().accept(stream).await?;
                Ok(Stream::Tls(Box::new(stream)))
            }
            (stream, _) => Ok(stream),
        }
    };
    let stream = tokio::select! {
        shaken = shaken => match shaken {
            Ok(stream) => stream,
            Err(error) => return log(Err(io::Error::into(error))),
        },
        _ = activity.ceased() => return,
        _ = stopping.wait_for(|stopping| *stopping) => return,
    };
    let outbox = Arc::new(Outbox::default());
    let (sent, read) = (Way::Sent(Arc::clone(&outbox)), Way::Read(Arc::new(Account::new(&site.unsent))));
    let sends_files = stream.sends_files();
    let socket = TokioIo::new(Wire::new(stream, Arc::clone(&activity), outbox));
    let clock = Arc::clone(&activity);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let under_way = clock.begin();
        // HTTP/2 has frames around what it sends.
        let is_plain = sends_files && request.version() < Version::HTTP_2;
        let way = if is_plain { &sent } else { &read };
        let found = match route::at_once(&site, &request, way, under_way.start()) {
            Some(response) => Ok(response),
            None => {
                request.extensions_mut().insert(peer);
                Err(Box::pin(route::answer(Arc::clone(&site), request, way.clone())))
            }
        };
        async move {
            let (kind, response) = match found {
                Ok(response) => (Kind::Image, response),
                Err(found) => found.await,
            };
            under_way.answered(kind, response.status());
            Ok::<_, Infallible>(response.map(|body| Answer::new(body, under_way)))
        }
    });
    let protocols = protocols(limits::streams(guest.guests()));
    let mut connection = pin!(protocols.serve_connection(socket, service));
    let patience = tokio::select! {
        biased;
        ended = connection.as_mut() => return log(ended),
        ceased = activity.ceased() => match ceased {
            Ceased::Still => Some(FAREWELL),
            // Somebody waits for the room.
            Ceased::Told => Some(Duration::ZERO),
        },
        // The sender lives as long as connections do.
        _ = stopping.wait_for(|stopping| *stopping) => None,
    };
    connection.as_mut().graceful_shutdown();
    match patience {
        Some(patience) => {
            if let Ok(ended) = timeout(patience, connection).await {
                log(ended);
            }
        }
        None => log(connection.await),
    }
}

/// `streams` are requests at a time over HTTP/2.
fn protocols(streams: u32) -> auto::Builder<TokioExecutor> {
    let mut protocols = auto::Builder::new(TokioExecutor::new());
    // Time is measured by `Activity`; a clock of hyper's own would be wound up for each head.
    protocols.http1().header_read_timeout(None).max_headers(HEAD_FIELDS).max_buf_size(HEAD_BYTES);
    protocols
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams)
        .max_send_buf_size(STREAM_BYTES)
        .max_header_list_size(HEADER_LIST_BYTES)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(ERRORS);
    protocols
}

fn log(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
