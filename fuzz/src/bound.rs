//! How much time and memory reading may take.

use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;

use super::Property;

/// Counts what is allocated.
#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// What any input may take.
const MEMORY: usize = 64 << 20;
/// What each byte of it may take besides.
const MEMORY_PER_BYTE: usize = 10;
/// For what is small, as all that is fuzzed is: the promise for a megabyte.
const TIME: Duration = Duration::from_secs(1);

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
    let most = MEMORY + MEMORY_PER_BYTE * bytes.len();
    assert!(peak <= most, "{peak} bytes of memory for an input of {}", bytes.len());
    if started.elapsed() > TIME {
        let spent = on_a_core(|| property(bytes));
        assert!(spent <= TIME, "{spent:?} for an input of {} bytes", bytes.len());
    }
}

/// The time that this thread was on a core, so that others on the machine do not count.
fn on_a_core(work: impl FnOnce()) -> Duration {
    let clock = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells");
        Duration::from_nanos(text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0))
    };
    let started = clock();
    work();
    clock() - started
}
