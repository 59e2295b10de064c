//! What ends the work of a thread.

use std::sync::atomic::{AtomicBool, Ordering};

/// Sets its flag when it goes, even by a panic: a scope waits for its threads, and they for the flag.
pub(crate) struct SetsInTheEnd<'a>(pub(crate) &'a AtomicBool);

impl Drop for SetsInTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
