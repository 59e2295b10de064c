//! Ctrl-C once lets a run end in good order, which takes a while; twice ends it where it stands.

use std::future::Future;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// Runs `work` to its end, or to the second time that the user or the system asks the program to stop. Then
/// there is no outcome, and nothing is waited for: the caller is to return to `main`. Documents are whole
/// at any moment, so this is as good as a crash.
///
/// # Errors
/// When signals cannot be heard, or `work` panics.
pub(super) fn unless_asked_twice<T: Send + 'static>(
    runtime: Runtime,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<Option<T>> {
    let outcome = runtime.block_on(async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let task = tokio::spawn(work);
        let second = async {
            for has_been_asked in [false, true] {
                tokio::select! {
                    _ = interrupt.recv() => {},
                    _ = terminate.recv() => {},
                }
                if !has_been_asked {
                    tracing::warn!("asked to stop; once more stops at once");
                }
            }
        };
        tokio::select! {
            outcome = task => outcome.map(Some).context("the run stopped"),
            () = second => Ok(None),
        }
    });
    // What blocks in it would be waited for if it were dropped.
    runtime.shutdown_background();
    outcome
}
