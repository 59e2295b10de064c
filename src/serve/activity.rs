//! Whether anything moves on a connection: what a client may keep waiting, and for how long.
//!
//! One clock for every way to waste a connection, over HTTP/1.1 and HTTP/2 alike: a head that comes byte by byte
//! or stops half-way, silence before or after a request, an answer that is not read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::serve::listener::Stream;
use crate::serve::metrics::Metrics;

/// How long a connection may be without a whole request, from its start or from the last answer on.
const QUIET: Duration = Duration::from_secs(10);
/// How long nothing at all of an answer may be taken.
const STALLED: Duration = Duration::from_secs(30);

/// What one connection is about.
#[derive(Debug)]
pub(super) struct Activity {
    start: Instant,
    /// When something was last sent or asked: milliseconds after `start`.
    last: AtomicU64,
    requests: AtomicUsize,
    /// Whether there is something to send that the client does not take.
    blocked: AtomicBool,
    ended: Notify,
    metrics: Arc<Metrics>,
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.metrics.disconnected();
    }
}

impl Activity {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        metrics.connected();
        let (last, requests, blocked) = (AtomicU64::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        Self { start: Instant::now(), last, requests, blocked, ended: Notify::new(), metrics }
    }

    /// A whole request has come; it is under way until its answer is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Request {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.note();
        Request { activity: Arc::clone(self), start: Instant::now() }
    }

    /// Ends when the connection has been idle or stuck for too long.
    pub(super) async fn ceased(&self) {
        loop {
            // The end of an answer may still wait to be sent when its request has ended.
            let busy = self.requests.load(Ordering::Relaxed) > 0 || self.blocked.load(Ordering::Relaxed);
            let patience = if busy { STALLED } else { QUIET };
            let due = self.start + Duration::from_millis(self.last.load(Ordering::Relaxed)) + patience;
            if due <= Instant::now() {
                return;
            }
            tokio::select! {
                () = sleep_until(due) => {},
                () = self.ended.notified() => {},
            }
        }
    }

    fn note(&self) {
        let elapsed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(elapsed, Ordering::Relaxed);
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(super) struct Request {
    activity: Arc<Activity>,
    start: Instant,
}

impl Drop for Request {
    fn drop(&mut self) {
        let activity = &self.activity;
        activity.note();
        activity.requests.fetch_sub(1, Ordering::Relaxed);
        activity.ended.notify_one();
        activity.metrics.took(self.start.elapsed());
    }
}

/// The body of an answer; its request ends with it.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    _request: Request,
}

impl Answer {
    pub(super) fn new(body: Body, request: Request) -> Self {
        Self { body, _request: request }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // What is read is not sent yet, so it does not count.
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that notes what it sends. What it receives does not count: a byte now and then is no request.
pub(super) struct Watched {
    stream: Box<dyn Stream>,
    activity: Arc<Activity>,
}

impl Watched {
    pub(super) fn new(stream: Box<dyn Stream>, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    fn noted(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.activity.blocked.store(written.is_pending(), Ordering::Relaxed);
        if let Poll::Ready(Ok(bytes @ 1..)) = written {
            self.activity.note();
            self.activity.metrics.sent(bytes);
        }
        written
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.noted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
