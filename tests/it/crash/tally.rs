//! When a run was cut short, and what came of all the times.

use std::fmt;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use super::scene::Scene;

const SHORTEST: Duration = Duration::from_millis(2);

/// A run that was disturbed at a moment.
pub(crate) struct Disturbed {
    pub(crate) child: Child,
    /// Whether it had come to its end before.
    pub(crate) had_ended: bool,
}

/// When a run is cut short.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// So long after its start; once it has ended if that comes first.
    AfterStart(Duration),
    /// So long after it was seen to write.
    AfterFirstWrite(Duration),
}

impl Moment {
    /// Any moment of the run with even rounds, any of those in which it writes with odd ones, or a little later.
    pub(crate) fn random(scene: &Scene, round: u32) -> Self {
        let part = fastrand::f64() * 1.02;
        match round % 2 {
            0 => Self::AfterStart(scene.took.mul_f64(part)),
            _ => Self::AfterFirstWrite(scene.wrote.mul_f64(part)),
        }
    }
}

/// Runs the deed of `scene` until `moment`.
pub(crate) fn until(scene: &Scene, moment: Moment) -> Disturbed {
    let start = Instant::now();
    let mut child = scene.command().spawn().expect("the program was built");
    match moment {
        Moment::AfterStart(moment) => {
            while start.elapsed() < moment && child.try_wait().expect("it is our child").is_none() {
                thread::sleep(SHORTEST.min(moment.saturating_sub(start.elapsed())));
            }
        }
        Moment::AfterFirstWrite(moment) => {
            scene.wait_for_a_write(&mut child);
            thread::sleep(moment);
        }
    }
    let had_ended = child.try_wait().expect("it is our child").is_some();
    Disturbed { child, had_ended }
}

/// How often what came of it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rounds: u32,
    /// Nothing was written yet.
    pub(crate) untouched: u32,
    /// Some of the work was done, and some was not.
    pub(crate) amid: u32,
    /// All was done, but the program was still there.
    pub(crate) done: u32,
    /// The program had ended.
    pub(crate) late: u32,
}

impl Tally {
    /// Counts a run of which `done` things were done when it was `when`.
    pub(crate) fn count(&mut self, scene: &Scene, had_ended: bool, when: &str) {
        let done = scene.check(when);
        self.rounds += 1;
        let kind = match done {
            _ if had_ended => &mut self.late,
            0 if scene.is_untouched() => &mut self.untouched,
            done if done == scene.work() => &mut self.done,
            _ => &mut self.amid,
        };
        *kind += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.rounds += other.rounds;
        self.untouched += other.untouched;
        self.amid += other.amid;
        self.done += other.done;
        self.late += other.late;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { untouched, amid, done, late, .. } = self;
        write!(
            f,
            "{amid} amid the work, {untouched} before anything was written, {done} after the last of it, {late} after the end; 0 lost"
        )
    }
}

/// One of the three ways to go on from where a run was cut short, in turn: all of them lead to the originals.
pub(crate) fn go_on(scene: &Scene, round: u32, when: &str) {
    match round % 3 {
        1 if scene.has_catalog() => scene.go_back(&format!("{when}, led back at once")),
        2 if scene.has_catalog() => scene.rebuild_and_go_back(&format!("{when}, the catalog made again")),
        _ => scene.finish(&format!("{when}, finished")),
    }
}
