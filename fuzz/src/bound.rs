//! How much time and memory reading may take.

use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;

use super::Property;

/// Counts what is allocated.
#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// For what is small, as all that is fuzzed is: the promise for a megabyte.
const TIME: Duration = Duration::from_secs(1);

/// What reading an input of `length` bytes may take, in bytes.
#[must_use]
pub fn memory(length: usize) -> usize {
    (64 << 20) + 10 * length
}

/// Holds `bytes` to `property` and measures it.
///
/// # Panics
/// If it takes more than a second of a core, or more than 64 MiB and ten times the input.
pub fn within_bounds(bytes: &[u8], property: Property) {
    let started = Instant::now();
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    property(bytes);
    let peak = ALLOCATED.peak_usage().saturating_sub(before);
    assert!(peak <= memory(bytes.len()), "{peak} bytes of memory for an input of {}", bytes.len());
    if started.elapsed() > TIME {
        let spent = on_a_core(|| property(bytes));
        assert!(spent <= TIME, "{spent:?} for an input of {} bytes", bytes.len());
    }
}

/// The time that this thread was on a core, so that others on the machine do not count.
fn on_a_core(work: impl FnOnce()) -> Duration {
    let started = core_time();
    work();
    core_time() - started
}

/// How long this thread was on a core.
///
/// # Panics
/// Where the system does not tell.
#[must_use]
pub fn core_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells");
    Duration::from_nanos(text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0))
}
