//! The wish that a run comes to an end.

use tokio::signal::unix::{self, SignalKind};
use tokio::sync::watch;

/// Who may end a run before its end.
#[derive(Clone, Debug, Default)]
pub enum Stop {
    /// Whoever may send this process a signal: the run is the process.
    #[default]
    OnSignal,
    /// Who holds the sender, by sending `true`: the run is one of many in a process. A sender that is gone asks for
    /// nothing.
    WhenTold(watch::Receiver<bool>),
}

impl Stop {
    /// Ends when somebody asks the run to stop.
    pub async fn asked(&self) {
        match self {
            Self::OnSignal => signal().await,
            Self::WhenTold(told) => {
                if told.clone().wait_for(|told| *told).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

/// Ends when the user or the system asks the program to stop.
pub async fn signal() {
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
