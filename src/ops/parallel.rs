//! Work on many documents at once, its results taken in order.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Items a worker takes at a time. Each chunk wakes the consumer, which takes as long as a few documents.
const CHUNK: usize = 64;
/// How many chunks the fastest worker may be ahead of the consumer, for each worker.
const AHEAD: usize = 3;

/// Calls `work` on every item, on every core, and `consume` on the results in the order of the items. At most
/// a few hundred results wait at a time, whatever the number of items.
///
/// # Panics
/// If `work` or `consume` panics.
pub(super) fn in_order<T, R>(
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    mut consume: impl FnMut(R) -> ControlFlow<()>,
) where
    T: Sync,
    R: Send,
{
    let workers =
        thread::available_parallelism().map_or(1, NonZero::get).min(items.len().div_ceil(CHUNK)).max(1);
    let next = AtomicUsize::new(0);
    let pace = Pace { state: Mutex::new(State::default()), changed: Condvar::new() };
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..workers {
            let sender = sender.clone();
            scope.spawn(|| {
                let sender = sender;
                // Ends all if `work` panics: its chunk never comes, and nobody must wait for it.
                let end = EndOnPanic(&pace);
                loop {
                    let chunk = next.fetch_add(1, Ordering::Relaxed);
                    let start = chunk * CHUNK;
                    if start >= items.len() || !pace.wait_for_turn(chunk, workers * AHEAD) {
                        return drop(end);
                    }
                    let stop = (start + CHUNK).min(items.len());
                    let results: Vec<R> = items[start..stop].iter().map(&work).collect();
                    if sender.send((chunk, results)).is_err() {
                        return drop(end);
                    }
                }
            });
        }
        drop(sender);
        let end = EndOnPanic(&pace);
        let mut early = BTreeMap::new();
        let mut due = 0;
        for (chunk, results) in receiver {
            early.insert(chunk, results);
            while let Some(results) = early.remove(&due) {
                due += 1;
                if results.into_iter().any(|result| consume(result).is_break()) {
                    return pace.end();
                }
                pace.consumed(due);
            }
        }
        drop(end);
    });
}

/// Keeps the workers near the consumer.
struct Pace {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Chunks that were consumed.
    consumed: usize,
    end: bool,
}

impl Pace {
    /// Waits until `chunk` is at most `ahead` chunks away; `false` if there is nothing more to do.
    fn wait_for_turn(&self, chunk: usize, ahead: usize) -> bool {
        let too_far = |state: &mut State| chunk >= state.consumed + ahead && !state.end;
        !self.changed.wait_while(self.lock(), too_far).unwrap_or_else(PoisonError::into_inner).end
    }

    fn consumed(&self, chunks: usize) {
        self.lock().consumed = chunks;
        self.changed.notify_all();
    }

    fn end(&self) {
        self.lock().end = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct EndOnPanic<'a>(&'a Pace);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..10_000).collect();
        let mut got = Vec::new();
        in_order(
            &items,
            |item| item * 2,
            |result| {
                got.push(result);
                ControlFlow::Continue(())
            },
        );
        assert_eq!(got, items.iter().map(|item| item * 2).collect::<Vec<_>>());
    }

    #[test]
    fn a_consumer_may_stop_early() {
        let items: Vec<usize> = (0..100_000).collect();
        let mut seen = 0;
        in_order(
            &items,
            |item| *item,
            |_| {
                seen += 1;
                if seen == 100 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        assert_eq!(seen, 100);
    }

    #[test]
    fn stopping_early_never_hangs() {
        let items: Vec<usize> = (0..2_000).collect();
        for stop_at in 0..2_000 {
            let mut seen = 0;
            in_order(
                &items,
                |item| *item,
                |_| {
                    seen += 1;
                    if seen > stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                },
            );
        }
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_ends_the_work_instead_of_hanging() {
        let items: Vec<usize> = (0..100_000).collect();
        in_order(&items, |item| assert_ne!(*item, 5), |()| ControlFlow::Continue(()));
    }

    #[test]
    fn nothing_to_do_is_done_at_once() {
        in_order(&[], |item: &usize| *item, |_| ControlFlow::Break(()));
    }
}
