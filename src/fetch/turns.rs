//! How many runs of one process may ask a host at a time, together.
//!
//! Each run [paces](super::pace) itself; a host sees them all. Turns are taken in order, so that a long run does not keep a short one
//! from a host.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Hosts that are held on to before those are forgotten that nobody asks.
const HELD: usize = 1_000;

/// Shared by all runs.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<String, Arc<Semaphore>>>);

/// Leave to ask a host, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Waits until fewer than `most` have a turn at `host`.
    pub(super) async fn take(&self, host: &str, most: usize) -> Turn {
        let permit = self.host(host, most).acquire_owned().await;
        // It is never closed.
        Turn { _permit: permit.ok() }
    }

    fn host(&self, host: &str, most: usize) -> Arc<Semaphore> {
        let mut hosts = self.0.lock().expect("no holder of the turns panics");
        if hosts.len() >= HELD {
            hosts.retain(|_, turns| Arc::strong_count(turns) > 1);
        }
        Arc::clone(hosts.entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(most.max(1)))))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_host_is_asked_by_so_many_at_a_time_whoever_they_are() {
        let turns = Turns::default();
        let now = Duration::from_millis(20);
        let first = turns.take("a.example", 2).await;
        let _second = turns.take("a.example", 2).await;
        assert!(timeout(now, turns.take("a.example", 2)).await.is_err());
        let _other = turns.take("b.example", 2).await;
        drop(first);
        timeout(Duration::from_secs(60), turns.take("a.example", 2)).await.unwrap();
        for host in 0..2 * HELD {
            drop(turns.take(&host.to_string(), 1).await);
        }
        assert!(turns.0.lock().unwrap().len() <= HELD);
        assert!(turns.0.lock().unwrap().contains_key("a.example"), "somebody has a turn there");
    }
}
