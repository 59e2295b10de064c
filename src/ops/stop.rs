//! The wish that a run comes to an end.

use tokio::signal::unix::{self, SignalKind};

/// Ends when the user or the system asks the program to stop.
pub(super) async fn signal() {
    let mut terminate = match unix::signal(SignalKind::terminate()) {
        Ok(signal) => signal,
        Err(error) => {
            tracing::warn!(%error, "signals cannot be heard");
            return std::future::pending().await;
        }
    };
    tokio::select! {
        _ = terminate.recv() => {},
        _ = tokio::signal::ctrl_c() => {},
    }
}
