//! Ctrl-C once lets a run end in good order, which takes a while; twice ends it where it stands.

use std::process;

use anyhow::Result;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::exit::Exit;
use crate::ops::stop::Stop;

/// Runs `work` on this thread to its end; it is given who asks it to stop, whom it hears even if that was before it began to
/// listen. When the user or the system asks the program to stop for the second
/// time, the program ends there and then: documents are whole at any moment, so this is as good as a crash.
///
/// # Errors
/// When signals cannot be heard.
pub(super) fn unless_asked_twice<T>(runtime: &Runtime, work: impl AsyncFnOnce(Stop) -> T) -> Result<T> {
    runtime.block_on(async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let (telling, told) = watch::channel(false);
        // On a thread of its own, for the run may be waiting for a disk.
        tokio::spawn(async move {
            for has_been_asked in [false, true] {
                let is_person = tokio::select! {
                    _ = interrupt.recv() => true,
                    _ = terminate.recv() => false,
                };
                telling.send_replace(true);
                match (has_been_asked, is_person) {
                    (true, _) => {}
                    (false, true) => tracing::warn!("asked to stop; once more stops at once"),
                    // A service manager knows, and asks in its usual way.
                    (false, false) => tracing::info!("asked to stop; once more stops at once"),
                }
            }
            tracing::warn!(
                "stopped at once: each document is wholly old or wholly new; run the same command again to go on"
            );
            process::exit(i32::from(Exit::Interrupted.code()));
        });
        Ok(work(Stop::WhenTold(told)).await)
    })
}
