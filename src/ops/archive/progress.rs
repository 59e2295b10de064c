//! How far a run is, for whoever wants to show it.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Counters that only grow; read at any time from any thread.
#[derive(Debug, Default)]
pub struct Progress {
    to_read: AtomicU64,
    documents: AtomicU64,
    images: AtomicU64,
    bytes: AtomicU64,
    failures: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Documents that the run must read.
    pub to_read: u64,
    /// Of these, the ones that are done.
    pub documents: u64,
    /// Images downloaded.
    pub images: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Images that nobody gave.
    pub failures: u64,
}

impl Progress {
    /// Reads the counters.
    #[must_use]
    pub fn now(&self) -> Moment {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Moment {
            to_read: read(&self.to_read),
            documents: read(&self.documents),
            images: read(&self.images),
            bytes: read(&self.bytes),
            failures: read(&self.failures),
        }
    }

    /// Shows what was read of a run elsewhere.
    pub fn show(&self, now: Moment) {
        let pairs = [
            (&self.to_read, now.to_read),
            (&self.documents, now.documents),
            (&self.images, now.images),
            (&self.bytes, now.bytes),
            (&self.failures, now.failures),
        ];
        for (counter, value) in pairs {
            counter.store(value, Ordering::Relaxed);
        }
    }

    pub(super) fn start(&self, to_read: usize) {
        self.to_read.store(to_read as u64, Ordering::Relaxed);
    }

    pub(super) fn documents(&self, finished: u64) {
        self.documents.fetch_add(finished, Ordering::Relaxed);
    }

    pub(super) fn downloaded(&self) {
        self.images.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn received(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}
