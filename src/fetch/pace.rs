//! How often to ask: which of many waiting jobs may start now.
//!
//! Pure: no clock and no waiting; the caller says what time it is and does the sleeping. A job is whatever
//! the caller wants back. Hosts take turns, so one with many jobs does not hold up one with few; within a
//! host the first in is the first out. A job that has another host to ask next, for it climbed a rung of its
//! ladder, is simply pushed again under that host.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The first pause after a host asked for fewer requests without saying for how long. It doubles each time.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
const MAX_PAUSE: Duration = Duration::from_secs(64);

/// What the end of a job tells of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It answered in its usual way, be it with 200 or with 404.
    Fine,
    /// It asked for fewer requests (429, 503), perhaps with a `Retry-After`.
    SlowDown(Option<Duration>),
    /// It did not answer.
    Failed,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<J> {
    /// Start this job, and call [`Pace::done`] for its host when it has ended.
    Start(J),
    /// Nothing may start before this time, unless a running job ends sooner.
    Wait(Instant),
    /// Nothing may start before a running job ends.
    Busy,
    /// No job waits and none runs.
    Idle,
}

/// Jobs that wait, by host. Every call costs O(log n).
pub struct Pace<J> {
    concurrency: usize,
    per_host: usize,
    /// Hosts that take fewer.
    limits: HashMap<String, usize>,
    running: usize,
    waiting: usize,
    hosts: HashMap<Arc<str>, Host<J>>,
    /// Hosts that may start a job, each once, in the order of their turns.
    turns: VecDeque<Arc<str>>,
    /// When to look at a host again. Some alarms are no longer needed by the time they ring.
    alarms: BinaryHeap<Reverse<(Instant, Arc<str>)>>,
    /// Keeps delayed jobs of the same time apart, and in order.
    pushed: u64,
}

struct Host<J> {
    ready: VecDeque<J>,
    delayed: BTreeMap<(Instant, u64), J>,
    running: usize,
    /// Jobs at a time, if it never asked for fewer.
    most: usize,
    /// Jobs at a time: halved at each `SlowDown`, and one more after as many fine ones as it allows.
    limit: usize,
    fine: usize,
    /// The next pause, should the host not name one.
    pause: Duration,
    not_before: Option<Instant>,
    /// Whether it stands in `turns`.
    has_turn: bool,
}

impl<J> Pace<J> {
    /// At most `concurrency` jobs at a time in all and `per_host` for one host, each at least 1.
    #[must_use]
    pub fn new(concurrency: usize, per_host: usize) -> Self {
        Self {
            concurrency: concurrency.max(1),
            per_host: per_host.max(1),
            limits: HashMap::new(),
            running: 0,
            waiting: 0,
            hosts: HashMap::new(),
            turns: VecDeque::new(),
            alarms: BinaryHeap::new(),
            pushed: 0,
        }
    }

    /// At most `most` jobs at a time for `host`, at least 1, if that is fewer than for any host.
    pub fn limit(&mut self, host: &str, most: usize) {
        self.limits.insert(host.to_owned(), most.clamp(1, self.per_host));
    }

    /// Jobs that were pushed and have not been started.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Adds a job for `host`, to be started at `not_before` or later.
    pub fn push(&mut self, host: &str, not_before: Option<Instant>, job: J) {
        let name =
            self.hosts.get_key_value(host).map_or_else(|| Arc::from(host), |(name, _)| Arc::clone(name));
        let most = self.limits.get(host).copied().unwrap_or(self.per_host);
        let entry = self.hosts.entry(Arc::clone(&name)).or_insert_with(|| Host::new(most));
        self.waiting += 1;
        self.pushed += 1;
        match not_before {
            None => entry.ready.push_back(job),
            Some(time) => {
                entry.delayed.insert((time, self.pushed), job);
                self.alarms.push(Reverse((time, Arc::clone(&name))));
            }
        }
        self.offer_turn(&name);
    }

    /// The next job, if one may start at `now`. Times must not run backwards from call to call.
    pub fn next(&mut self, now: Instant) -> Next<J> {
        while self.alarms.peek().is_some_and(|Reverse((time, _))| *time <= now) {
            let Some(Reverse((_, name))) = self.alarms.pop() else { break };
            if let Some(host) = self.hosts.get_mut(&name) {
                host.wake(now);
                self.offer_turn(&name);
            }
        }
        if self.running == self.concurrency {
            return Next::Busy;
        }
        while let Some(name) = self.turns.pop_front() {
            let host = self.hosts.get_mut(&name).expect("a host with a turn has jobs, and so stays");
            host.has_turn = false;
            // it may have been told to slow down since it got its turn
            if !host.may_start() {
                continue;
            }
            let job = host.ready.pop_front().expect("a host that may start has a job");
            host.running += 1;
            self.running += 1;
            self.waiting -= 1;
            self.offer_turn(&name);
            return Next::Start(job);
        }
        match self.alarms.peek() {
            Some(Reverse((time, _))) if self.waiting > 0 => Next::Wait(*time),
            _ if self.running > 0 => Next::Busy,
            _ => Next::Idle,
        }
    }

    /// Says that a job of `host` ended at `now`, and how the host took it.
    pub fn done(&mut self, host: &str, signal: Signal, now: Instant) {
        let Some((name, _)) = self.hosts.get_key_value(host) else { return };
        let name = Arc::clone(name);
        let entry = self.hosts.get_mut(&name).expect("it was just found");
        self.running = self.running.saturating_sub(1);
        entry.running = entry.running.saturating_sub(1);
        match signal {
            Signal::Fine => entry.recover(),
            Signal::Failed => entry.fine = 0,
            Signal::SlowDown(wait) => {
                let until = entry.slow_down(wait, now);
                self.alarms.push(Reverse((until, Arc::clone(&name))));
            }
        }
        if entry.is_forgettable() {
            self.hosts.remove(&name);
        } else {
            self.offer_turn(&name);
        }
    }

    fn offer_turn(&mut self, name: &Arc<str>) {
        if let Some(host) = self.hosts.get_mut(name)
            && !host.has_turn
            && host.may_start()
        {
            host.has_turn = true;
            self.turns.push_back(Arc::clone(name));
        }
    }
}

impl<J> Host<J> {
    fn new(most: usize) -> Self {
        Self {
            ready: VecDeque::new(),
            delayed: BTreeMap::new(),
            running: 0,
            most,
            limit: most,
            fine: 0,
            pause: PAUSE,
            not_before: None,
            has_turn: false,
        }
    }

    fn may_start(&self) -> bool {
        !self.ready.is_empty() && self.running < self.limit && self.not_before.is_none()
    }

    /// Lets go of what waited for a time that has come.
    fn wake(&mut self, now: Instant) {
        if self.not_before.is_some_and(|time| time <= now) {
            self.not_before = None;
        }
        while let Some(entry) = self.delayed.first_entry()
            && entry.key().0 <= now
        {
            self.ready.push_back(entry.remove());
        }
    }

    fn recover(&mut self) {
        self.fine += 1;
        if self.fine >= self.limit {
            self.fine = 0;
            self.limit = (self.limit + 1).min(self.most);
            self.pause = (self.pause / 2).max(PAUSE);
        }
    }

    /// Halves the limit and gives the time until which nothing may start. Answers to requests that were
    /// under way when the host first asked for fewer do not count as asking again.
    fn slow_down(&mut self, wait: Option<Duration>, now: Instant) -> Instant {
        self.fine = 0;
        if self.not_before.is_none_or(|time| time <= now) {
            self.limit = (self.limit / 2).max(1);
            self.not_before = Some(now + self.pause);
            self.pause = (self.pause * 2).min(MAX_PAUSE);
        }
        let until = self.not_before.max(wait.map(|wait| now + wait));
        self.not_before = until;
        until.unwrap_or(now)
    }

    /// Whether nothing would be lost by starting over with this host.
    fn is_forgettable(&self) -> bool {
        self.running == 0
            && self.ready.is_empty()
            && self.delayed.is_empty()
            && self.not_before.is_none()
            && self.limit == self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// Starts all that may start at `now`.
    fn start<J>(pace: &mut Pace<J>, now: Instant) -> Vec<J> {
        std::iter::from_fn(|| match pace.next(now) {
            Next::Start(job) => Some(job),
            Next::Wait(_) | Next::Busy | Next::Idle => None,
        })
        .collect()
    }

    #[test]
    fn hosts_take_turns() {
        let now = Instant::now();
        let mut pace = Pace::new(5, 3);
        for job in ["a1", "a2", "a3", "a4", "a5", "b1", "c1", "c2"] {
            pace.push(&job[..1], None, job);
        }
        assert_eq!(start(&mut pace, now), ["a1", "b1", "c1", "a2", "c2"]);
        assert_eq!(pace.next(now), Next::Busy);
        pace.done("b", Signal::Fine, now);
        assert_eq!(start(&mut pace, now), ["a3"]);
        pace.done("c", Signal::Fine, now);
        assert_eq!(start(&mut pace, now), [""; 0], "a has three under way");
        pace.done("a", Signal::Failed, now);
        assert_eq!(start(&mut pace, now), ["a4"]);
        assert_eq!(pace.waiting(), 1);
    }

    #[test]
    fn a_host_may_take_fewer() {
        let now = Instant::now();
        let mut pace = Pace::new(5, 3);
        pace.limit("a", 1);
        for job in ["a1", "a2", "b1", "b2", "b3", "b4"] {
            pace.push(&job[..1], None, job);
        }
        assert_eq!(start(&mut pace, now), ["a1", "b1", "b2", "b3"]);
        pace.done("a", Signal::Fine, now);
        assert_eq!(start(&mut pace, now), ["a2"]);
    }

    #[test]
    fn limits_hold_and_everything_ends() {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut now = Instant::now();
        let mut pace = Pace::new(20, 4);
        for _ in 0..5000 {
            let hosts = rng.usize(1..60);
            let host = rng.usize(..hosts);
            let delay = rng.bool().then(|| now + Duration::from_millis(rng.u64(..3000)));
            pace.push(&host.to_string(), delay, (host, delay));
        }
        let mut running: Vec<usize> = Vec::new();
        let mut ended = 0;
        loop {
            match pace.next(now) {
                Next::Start((host, not_before)) => {
                    assert!(not_before.is_none_or(|time| time <= now), "too early");
                    running.push(host);
                    assert!(
                        running.len() <= 20 && running.iter().filter(|other| **other == host).count() <= 4
                    );
                }
                Next::Wait(time) => {
                    assert!(time > now, "no waiting for what is past");
                    if running.is_empty() || rng.bool() {
                        now = time;
                    } else {
                        end_one(&mut pace, &mut running, &mut rng, now);
                        ended += 1;
                    }
                }
                Next::Busy => {
                    end_one(&mut pace, &mut running, &mut rng, now);
                    ended += 1;
                }
                Next::Idle => break,
            }
        }
        assert_eq!((ended, pace.waiting(), running.len()), (5000, 0, 0));
    }

    fn end_one<J>(pace: &mut Pace<J>, running: &mut Vec<usize>, rng: &mut fastrand::Rng, now: Instant) {
        let host = running.swap_remove(rng.usize(..running.len()));
        let signal = match rng.u32(..10) {
            0 => Signal::SlowDown(rng.bool().then(|| seconds(rng.u64(..5)))),
            1 => Signal::Failed,
            _ => Signal::Fine,
        };
        pace.done(&host.to_string(), signal, now);
    }

    #[test]
    fn a_host_that_complains_is_left_alone_and_comes_back_by_steps() {
        let now = Instant::now();
        let mut pace = Pace::new(32, 6);
        (0..100).for_each(|job| pace.push("a", None, job));
        assert_eq!(start(&mut pace, now).len(), 6);
        pace.done("a", Signal::SlowDown(Some(seconds(30))), now);
        (0..5).for_each(|_| pace.done("a", Signal::SlowDown(None), now));
        assert_eq!(pace.next(now), Next::Wait(now + seconds(30)));
        assert_eq!(pace.next(now + seconds(29)), Next::Wait(now + seconds(30)));
        let later = now + seconds(30);
        let mut at_a_time = Vec::new();
        for _ in 0..8 {
            let started = start(&mut pace, later).len();
            at_a_time.push(started);
            (0..started).for_each(|_| pace.done("a", Signal::Fine, later));
        }
        assert_eq!(at_a_time, [3, 4, 5, 6, 6, 6, 6, 6]);
    }

    #[test]
    fn pauses_double_while_complaints_go_on() {
        let mut now = Instant::now();
        let mut pace = Pace::new(32, 6);
        (0..20).for_each(|job| pace.push("a", None, job));
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let started = start(&mut pace, now).len();
            (0..started).for_each(|_| pace.done("a", Signal::SlowDown(None), now));
            let Next::Wait(until) = pace.next(now) else { panic!("no pause") };
            pauses.push((started, (until - now).as_secs()));
            now = until;
        }
        assert_eq!(pauses, [(6, 1), (3, 2), (1, 4), (1, 8), (1, 16), (1, 32), (1, 64), (1, 64)]);
    }

    #[test]
    fn a_job_may_come_back_under_another_host() {
        let now = Instant::now();
        let mut pace = Pace::new(1, 1);
        pace.push("origin", None, 1);
        assert_eq!(pace.next(now), Next::Start(1));
        pace.push("proxy", None, 1);
        assert_eq!(pace.next(now), Next::Busy);
        pace.done("origin", Signal::Failed, now);
        assert_eq!(pace.next(now), Next::Start(1));
        pace.done("proxy", Signal::Fine, now);
        assert_eq!(pace.next(now), Next::Idle);
        assert!(pace.hosts.is_empty(), "nothing is remembered of hosts at ease");
    }

    #[test]
    fn a_retry_waits_for_its_time_while_others_go_on() {
        let now = Instant::now();
        let mut pace = Pace::new(2, 2);
        pace.push("a", Some(now + seconds(5)), "late");
        pace.push("a", None, "now");
        assert_eq!(pace.next(now), Next::Start("now"));
        assert_eq!(pace.next(now), Next::Wait(now + seconds(5)));
        assert_eq!(pace.next(now + seconds(5)), Next::Start("late"));
        assert_eq!(pace.next(now + seconds(6)), Next::Busy);
    }

    #[test]
    fn a_hundred_thousand_jobs_are_quick() {
        let now = Instant::now();
        let mut pace = Pace::new(32, 6);
        (0..100_000_u32).for_each(|job| pace.push(&format!("host{}.test", job % 20_000), None, job));
        let mut ended = 0;
        while let Next::Start(job) = pace.next(now) {
            pace.done(&format!("host{}.test", job % 20_000), Signal::Fine, now);
            ended += 1;
        }
        assert_eq!(ended, 100_000);
        assert!(now.elapsed() < seconds(10), "{:?}", now.elapsed());
    }
}
