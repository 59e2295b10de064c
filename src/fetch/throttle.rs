//! A cap on the bytes a second that all downloads together take.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

/// Shared by all downloads: when the bytes that came so far will have been paid for.
#[derive(Clone, Debug)]
pub(super) struct Throttle(Option<Arc<Meter>>);

#[derive(Debug)]
struct Meter {
    rate: NonZeroU64,
    paid: Mutex<Option<Instant>>,
}

impl Throttle {
    /// `rate` in bytes a second.
    pub(super) fn new(rate: Option<NonZeroU64>) -> Self {
        Self(rate.map(|rate| Arc::new(Meter { rate, paid: Mutex::new(None) })))
    }

    /// Waits until `bytes` that came just now are paid for. Returns how long that took.
    pub(super) async fn pay(&self, bytes: usize) -> Duration {
        let Some(meter) = &self.0 else { return Duration::ZERO };
        let now = Instant::now();
        tokio::time::sleep_until(meter.until(bytes, now)).await;
        now.elapsed()
    }
}

impl Meter {
    /// When `bytes` that came at `now` are paid for.
    fn until(&self, bytes: usize, now: Instant) -> Instant {
        let price = Duration::from_secs_f64(bytes as f64 / self.rate.get() as f64);
        let mut paid = self.paid.lock().expect("nobody who holds the meter panics");
        let until = paid.map_or(now, |paid| paid.max(now)) + price;
        *paid = Some(until);
        until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn together_they_take_no_more_than_the_rate() {
        let throttle = Throttle::new(NonZeroU64::new(1000));
        let (first, other) = (throttle.clone(), throttle);
        let now = Instant::now();
        let until = |throttle: &Throttle, bytes, at| {
            throttle.0.as_ref().unwrap().until(bytes, now + Duration::from_secs(at)) - now
        };
        assert_eq!(until(&first, 500, 0), Duration::from_millis(500));
        assert_eq!(until(&other, 1500, 0), Duration::from_secs(2));
        assert_eq!(until(&first, 1000, 10), Duration::from_secs(11), "what was not used is not saved up");
        assert!(Throttle::new(None).0.is_none());
    }
}
