//! What comes by itself, and when: pure, told the time by its caller.
//!
//! Times are the wall clock's, in milliseconds since 1970, and kept in the catalog, so that a restart neither repeats
//! nor forgets anything. A clock that went back shows in a last time that lies ahead: the thing is done once more than
//! needed, and never put off for years.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ops::runs::{Kind, Planned};

/// A slice of scrubbing and a collection of garbage come once a day.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Images that nobody gave are asked for again no sooner than this after the last time.
const BETWEEN_RETRIES: Duration = Duration::from_secs(10 * 60);

/// How often something comes; zero for never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Periods {
    /// Between two looks through all folders.
    pub(super) reconcile: Duration,
    /// In which the whole store is read again.
    pub(super) scrub: Duration,
}

/// What was done when.
#[derive(Debug)]
pub(super) struct Schedule {
    periods: Periods,
    last: BTreeMap<Kind, i64>,
    /// When the first of the images that nobody gave is asked for again.
    wanted: Option<i64>,
}

impl Schedule {
    /// What is planned by the calendar alone.
    pub(super) const CHORES: [Kind; 3] = [Kind::Reconcile, Kind::Scrub, Kind::Gc];

    pub(super) fn new(periods: Periods) -> Self {
        Self { periods, last: BTreeMap::new(), wanted: None }
    }

    pub(super) fn set_periods(&mut self, periods: Periods) {
        self.periods = periods;
    }

    /// It was done then.
    pub(super) fn done(&mut self, kind: Kind, at: i64) {
        self.last.insert(kind, at);
    }

    /// The first of the images that nobody gave is asked for again then; `None` if none is.
    pub(super) fn want(&mut self, at: Option<i64>) {
        self.wanted = at;
    }

    /// What it is time for.
    pub(super) fn due(&self, now: i64) -> Vec<Kind> {
        self.planned(now)
            .into_iter()
            .filter(|planned| planned.next <= now)
            .map(|planned| planned.kind)
            .collect()
    }

    /// What comes by itself, the earliest first.
    pub(super) fn planned(&self, now: i64) -> Vec<Planned> {
        let kinds = [Kind::Reconcile, Kind::Retry, Kind::Scrub, Kind::Gc];
        let planned = kinds.into_iter().filter_map(|kind| {
            let last = self.last.get(&kind).copied();
            Some(Planned { kind, last, next: self.next(kind, last, now)? })
        });
        let mut planned: Vec<Planned> = planned.collect();
        planned.sort_by_key(|planned| planned.next);
        planned
    }

    fn next(&self, kind: Kind, last: Option<i64>, now: i64) -> Option<i64> {
        // A last time that lies ahead was told by a clock that was wrong then, or is wrong now.
        let last = last.filter(|last| *last <= now);
        let after = |period: Duration| last.map_or(now, |last| last.saturating_add(millis(period)));
        match kind {
            Kind::Reconcile => (!self.periods.reconcile.is_zero()).then(|| after(self.periods.reconcile)),
            Kind::Scrub => (!self.periods.scrub.is_zero()).then(|| after(DAY)),
            Kind::Gc => Some(after(DAY)),
            Kind::Retry => self.wanted.map(|wanted| match last {
                Some(_) => wanted.max(after(BETWEEN_RETRIES)),
                None => wanted,
            }),
            Kind::Archive | Kind::Change => None,
        }
    }
}

/// How many days of scrubbing are due at `now` if the last slice was read at `last`: more than one after a pause, but
/// never more than the whole store.
pub(super) fn days_to_scrub(last: Option<i64>, now: i64, whole: Duration) -> u64 {
    let days = whole.as_secs() / DAY.as_secs();
    let passed = last.map_or(1, |last| now.saturating_sub(last).max(0) / millis(DAY));
    u64::try_from(passed).unwrap_or(1).clamp(1, days.max(1))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;
    const HOUR: i64 = 3_600_000;

    fn schedule(reconcile_days: u32, scrub_days: u32) -> Schedule {
        Schedule::new(Periods { reconcile: DAY * reconcile_days, scrub: DAY * scrub_days })
    }

    fn next(schedule: &Schedule, kind: Kind) -> Option<i64> {
        schedule.planned(NOW).into_iter().find(|planned| planned.kind == kind).map(|planned| planned.next)
    }

    #[test]
    fn what_was_never_done_is_due_and_what_was_done_is_in_its_time() {
        let mut schedule = schedule(2, 30);
        assert_eq!(schedule.due(NOW), [Kind::Reconcile, Kind::Scrub, Kind::Gc]);
        Schedule::CHORES.into_iter().for_each(|kind| schedule.done(kind, NOW - HOUR));
        assert_eq!(schedule.due(NOW), []);
        assert_eq!(next(&schedule, Kind::Reconcile), Some(NOW + 47 * HOUR));
        assert_eq!(next(&schedule, Kind::Scrub), Some(NOW + 23 * HOUR));
        assert_eq!(schedule.due(NOW + 23 * HOUR), [Kind::Scrub, Kind::Gc]);
        assert_eq!(schedule.planned(NOW).last().unwrap().kind, Kind::Reconcile);
    }

    #[test]
    fn zero_days_are_never() {
        let schedule = schedule(0, 0);
        assert_eq!(schedule.due(NOW), [Kind::Gc]);
        assert_eq!((next(&schedule, Kind::Reconcile), next(&schedule, Kind::Scrub)), (None, None));
    }

    #[test]
    fn a_clock_that_jumps_puts_nothing_off() {
        let mut schedule = schedule(1, 30);
        Schedule::CHORES.into_iter().for_each(|kind| schedule.done(kind, NOW + 1_000 * 24 * HOUR));
        assert_eq!(schedule.due(NOW), [Kind::Reconcile, Kind::Scrub, Kind::Gc], "it had been years ahead");
        Schedule::CHORES.into_iter().for_each(|kind| schedule.done(kind, NOW));
        assert_eq!(schedule.due(NOW), []);
        assert_eq!(schedule.due(NOW + 1_000 * 24 * HOUR).len(), 3, "it went years ahead");
    }

    #[test]
    fn images_are_asked_for_when_their_time_comes_but_not_all_the_time() {
        let mut schedule = schedule(0, 0);
        assert_eq!(next(&schedule, Kind::Retry), None);
        schedule.want(Some(NOW + HOUR));
        assert_eq!(next(&schedule, Kind::Retry), Some(NOW + HOUR));
        schedule.want(Some(NOW));
        assert!(schedule.due(NOW).contains(&Kind::Retry));
        schedule.done(Kind::Retry, NOW - 60_000);
        assert_eq!(next(&schedule, Kind::Retry), Some(NOW + 9 * 60_000));
    }

    #[test]
    fn scrubbing_catches_up_after_a_pause() {
        let whole = DAY * 30;
        for (last, expected) in [
            (None, 1),
            (Some(NOW - 20 * HOUR), 1),
            (Some(NOW - 73 * HOUR), 3),
            (Some(NOW - 9_000 * HOUR), 30),
            (Some(NOW + 9_000 * HOUR), 1),
        ] {
            assert_eq!(days_to_scrub(last, NOW, whole), expected, "{last:?}");
        }
        assert_eq!(days_to_scrub(Some(NOW - 90 * HOUR), NOW, Duration::ZERO), 1);
    }
}
