//! Work on many documents at once, its results taken in order.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Condvar, Mutex};
use std::thread;

/// Items a worker takes at a time. Each chunk wakes the consumer, which takes as long as a few documents.
const CHUNK: usize = 64;
/// How many chunks the fastest worker may be ahead of the consumer, for each worker.
const AHEAD: usize = 3;

/// Calls `work` on every item, on every core, and `consume` on the results in the order of the items. At most
/// a few hundred results wait at a time, whatever the number of items.
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
    let stop = AtomicBool::new(false);
    let consumed = (Mutex::new(0_usize), Condvar::new());
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..workers {
            let sender = sender.clone();
            scope.spawn(|| {
                let sender = sender;
                loop {
                    let chunk = next.fetch_add(1, Ordering::Relaxed);
                    let start = chunk * CHUNK;
                    if start >= items.len() {
                        return;
                    }
                    let (count, changed) = &consumed;
                    let count = count.lock().expect("no holder of the count panics");
                    let wait = changed.wait_while(count, |count| {
                        chunk >= *count + workers * AHEAD && !stop.load(Ordering::Relaxed)
                    });
                    drop(wait.expect("no holder of the count panics"));
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let end = (start + CHUNK).min(items.len());
                    let results: Vec<R> = items[start..end].iter().map(&work).collect();
                    if sender.send((chunk, results)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut due = 0;
        for (chunk, results) in receiver {
            early.insert(chunk, results);
            while let Some(results) = early.remove(&due) {
                due += 1;
                for result in results {
                    if consume(result).is_break() {
                        stop.store(true, Ordering::Relaxed);
                        consumed.1.notify_all();
                        return;
                    }
                }
                *consumed.0.lock().expect("no holder of the count panics") = due;
                consumed.1.notify_all();
            }
        }
    });
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
    fn nothing_to_do_is_done_at_once() {
        in_order(&[], |item: &usize| *item, |_| ControlFlow::Break(()));
    }
}
