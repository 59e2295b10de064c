//! How many pages and answers of the API are made at a time: the threads that read for them also read the images.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Made at a time.
const TURNS: usize = 4;
/// Made, or waiting for a turn.
const MOST: usize = 64;

/// Leave to make one.
#[derive(Debug)]
pub(super) struct Turns {
    turns: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

/// Too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// It is over when this is dropped, which is for the thread to do that does the work: whoever asked may be gone by then.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "it is held")] [OwnedSemaphorePermit; 2]);

impl Default for Turns {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(TURNS)), all: Arc::new(Semaphore::new(MOST)) }
    }
}

impl Turns {
    /// Waits for a turn, unless too many do.
    pub(super) async fn take(&self) -> Result<Turn, Full> {
        let place = Arc::clone(&self.all).try_acquire_owned().map_err(|_| Full)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Full)?;
        Ok(Turn([place, turn]))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Waker};

    use super::*;

    fn is_ready(future: Pin<&mut impl Future>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn a_few_are_at_work_some_wait_and_more_are_sent_away() {
        let turns = Turns::default();
        let mut at_work = Vec::new();
        for _ in 0..TURNS {
            at_work.push(turns.take().await.unwrap());
        }
        let mut waiting: Vec<_> = (TURNS..MOST).map(|_| Box::pin(turns.take())).collect();
        assert!(!waiting.iter_mut().any(|take| is_ready(take.as_mut())));
        assert_eq!(turns.take().await.unwrap_err(), Full);
        at_work.pop();
        assert!(waiting.iter_mut().any(|take| is_ready(take.as_mut())));
    }
}
