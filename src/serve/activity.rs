//! Whether anything moves on a connection: what a client may keep waiting, and for how long.
//!
//! One clock for every way to waste a connection, over HTTP/1.1 and HTTP/2 alike: a handshake or a head that comes byte by
//! byte or stops half-way, silence before or after a request, content that is not sent, an answer that is not read. What
//! HTTP/2 has sent besides answers does not stop it. Where there is no [room](super::room) for another connection, those that ask
//! nothing are not waited for so long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::serve::metrics::{Kind, Metrics};

/// How long a connection may be without a whole request, from its start or from the last answer on.
pub(super) const QUIET: Duration = Duration::from_secs(10);
/// How long nothing at all of an answer may be taken, or sent by those who make one.
const STALLED: Duration = Duration::from_secs(30);
/// How long nothing of an answer may be taken where somebody else needs the room.
pub(super) const STUCK: Duration = Duration::from_secs(5);

/// What one connection is about.
#[derive(Debug)]
pub(super) struct Activity {
    start: Instant,
    /// When something was last asked, or some of an answer sent: milliseconds after `start`.
    last: AtomicU64,
    requests: AtomicUsize,
    /// Of these, how many have answers that only the client has to take.
    leaving: AtomicUsize,
    /// Whether there is something to send that the client does not take.
    blocked: AtomicBool,
    /// Somebody else needs the room.
    told: Notify,
    metrics: Arc<Metrics>,
}

/// Why there is no more to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ceased {
    /// Nothing moved for too long.
    Still,
    /// It was told to make room.
    Told,
}

impl Activity {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        metrics.connected();
        let (last, requests, blocked) = (AtomicU64::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        let (leaving, told) = (AtomicUsize::new(0), Notify::new());
        Self { start: Instant::now(), last, requests, leaving, blocked, told, metrics }
    }

    /// There is room for it: from now on it may take its time.
    pub(super) fn arrived(&self) {
        self.note(Instant::now());
    }

    /// A whole request has come; it is under way until its answer is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Request {
        let now = Instant::now();
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.note(now);
        Request { activity: Arc::clone(self), start: now, is_leaving: AtomicBool::new(false) }
    }

    /// The client has taken so many bytes, and whether some were of an answer: all else is no reason to wait for it.
    pub(super) fn sent(&self, bytes: usize, is_progress: bool) {
        self.blocked.store(false, Ordering::Relaxed);
        self.metrics.sent(bytes);
        if is_progress {
            self.note(Instant::now());
        }
    }

    /// The client does not take what there is to send.
    pub(super) fn is_blocked(&self) {
        self.blocked.store(true, Ordering::Relaxed);
    }

    /// Ends when the connection has been idle or stuck for too long, or has to make room.
    pub(super) async fn ceased(&self) -> Ceased {
        loop {
            let patience = if self.is_busy() { STALLED } else { QUIET };
            let left = (self.since() + patience).saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ceased::Still;
            }
            // Nobody tells of a request that ends meanwhile; what is idle from then on is not due before this is over.
            tokio::select! {
                () = sleep(left.min(QUIET)) => {}
                // A request may have come in the last moment.
                () = self.told.notified() => if !self.is_busy() || self.is_stuck() { return Ceased::Told },
            }
        }
    }

    /// Since when there has been no request, if there is none.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        (!self.is_busy()).then(|| self.since())
    }

    /// Since when the client has taken nothing, if that is all that keeps the connection busy.
    pub(super) fn stuck_since(&self) -> Option<Instant> {
        let is_left_to_it = self.blocked.load(Ordering::Relaxed)
            || self.requests.load(Ordering::Relaxed) == self.leaving.load(Ordering::Relaxed);
        (self.is_busy() && is_left_to_it).then(|| self.since())
    }

    fn is_stuck(&self) -> bool {
        self.stuck_since().is_some_and(|since| since.elapsed() > STUCK)
    }

    /// Has the connection make room for another one, unless it is busy by then, and not stuck.
    pub(super) fn tell(&self) {
        self.told.notify_one();
    }

    /// The end of an answer may still wait to be sent when its request has ended.
    fn is_busy(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0 || self.blocked.load(Ordering::Relaxed)
    }

    fn since(&self) -> Instant {
        self.start + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }

    fn note(&self, now: Instant) {
        let elapsed = now.duration_since(self.start).as_millis();
        self.last.store(u64::try_from(elapsed).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.metrics.disconnected();
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(super) struct Request {
    activity: Arc<Activity>,
    start: Instant,
    is_leaving: AtomicBool,
}

impl Request {
    /// When it had come whole.
    pub(super) fn start(&self) -> Instant {
        self.start
    }

    /// What it is answered with.
    pub(super) fn answered(&self, kind: Kind, status: StatusCode) {
        self.activity.metrics.answered(kind, status);
        // A page may still be in the making.
        if kind != Kind::Page && !self.is_leaving.swap(true, Ordering::Relaxed) {
            self.activity.leaving.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let now = Instant::now();
        self.activity.note(now);
        self.activity.requests.fetch_sub(1, Ordering::Relaxed);
        if *self.is_leaving.get_mut() {
            self.activity.leaving.fetch_sub(1, Ordering::Relaxed);
        }
        self.activity.metrics.took(now.duration_since(self.start));
    }
}
