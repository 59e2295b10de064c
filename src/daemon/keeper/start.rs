//! What is started and when, and what follows when it is over.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::{FULL, Keeper, now, task};
use crate::catalog::chores::Chore;
use crate::daemon::chores;
use crate::daemon::disk::{Pause, Room};
use crate::daemon::event::{Event, unless_broken};
use crate::daemon::lanes::Lane;
use crate::daemon::work::{self, Ended, Outcome, Task};
use crate::ops::runs::Kind;

impl Keeper {
    /// Starts what it is time for, if there is room for it.
    pub(super) fn proceed(&mut self) {
        if !self.is_ready {
            return;
        }
        let now = Instant::now();
        if self.missed.again.is_some_and(|again| again <= now) {
            self.ask_what_is_wanted();
        }
        if let Some(task) = self.next_change(now) {
            self.work(Lane::Changes, task);
        }
        if self.lanes.is_free(Lane::Errands, now)
            && let Some(task) = self.next_errand()
        {
            self.work(Lane::Errands, task);
        }
        let due = self.schedule.due(super::now());
        let chore = due.into_iter().find(|kind| matches!(kind, Kind::Scrub | Kind::Gc));
        if let (None, Some(kind), true) = (self.chore, chore, self.lanes.are_empty()) {
            self.start_chore(kind);
        }
    }

    fn next_change(&mut self, now: Instant) -> Option<Task> {
        if self.pause.is_some() || !self.lanes.is_free(Lane::Changes, now) {
            return None;
        }
        let mut paths = self.changes.take(now);
        paths.extend(self.backlog.take(now));
        let watched = &self.settings.watch;
        self.polled.extend(paths.extract_if(.., |path| watched.contains(path)));
        self.held.extend(paths.extract_if(.., |path| self.lanes.hold(path)));
        (!paths.is_empty()).then_some(Task::Look { kind: Kind::Change, paths })
    }

    fn next_errand(&mut self) -> Option<Task> {
        while let Some(order) = self.orders.pop_front() {
            if !self.board.is_queued(&order.id) {
                continue;
            }
            if self.pause.is_some() {
                self.board.fail(&order.id, FULL.to_owned());
                continue;
            }
            match task(order) {
                Ok(task) => return Some(task),
                Err((id, why)) => self.board.fail(&id, why),
            }
        }
        if self.pause.is_some() {
            return None;
        }
        if !self.polled.is_empty() {
            return Some(Task::Look { kind: Kind::Change, paths: std::mem::take(&mut self.polled) });
        }
        let due = self.schedule.due(now());
        if due.contains(&Kind::Reconcile) {
            self.whole.extend(self.settings.watch.iter().cloned());
            self.done(Kind::Reconcile, now());
        }
        if !self.whole.is_empty() {
            return Some(Task::Look { kind: Kind::Reconcile, paths: std::mem::take(&mut self.whole) });
        }
        if due.contains(&Kind::Retry) && !self.missed.is_asking {
            let wanted = self.missed.take();
            if wanted.documents.is_empty() {
                self.ask_what_is_wanted();
                return None;
            }
            self.schedule.want(wanted.next);
            self.done(Kind::Retry, now());
            return Some(Task::Retry { paths: wanted.documents });
        }
        None
    }

    fn work(&mut self, lane: Lane, task: Task) {
        let mut changing = self.changes.waiting();
        if lane == Lane::Errands {
            changing.extend(self.lanes.changing().cloned());
        }
        self.lanes.start(lane, looked_at(&task).cloned().unwrap_or_default(), Instant::now());
        let work = work::Work {
            archive: Arc::clone(&self.archive),
            board: Arc::clone(&self.board),
            settings: Arc::clone(&self.settings),
            handled: Arc::clone(&self.handled),
            roots: self.settings.watch.clone(),
            entering: self.watch.entering(),
            changing,
        };
        let (runtime, same) = (Handle::current(), task.clone());
        self.events.when_done(
            move || Event::Ended(lane, work::run(&work, task, &runtime)),
            move |_| Event::Ended(lane, Ended { task: same, outcome: Outcome::Failed { disk_full: false } }),
        );
    }

    /// A run is over.
    pub(super) fn ended(&mut self, lane: Lane, ended: Ended) {
        let now = Instant::now();
        let paths = self.free(lane, &ended.task);
        if lane == Lane::Changes {
            std::mem::take(&mut self.held).into_iter().for_each(|path| self.changes.heard(path, now));
        }
        let stopped = looked_at(&ended.task).cloned();
        let is_change = matches!(ended.task, Task::Look { kind: Kind::Change, .. });
        let again: Vec<PathBuf> = match (&ended.outcome, ended.task) {
            (Outcome::Done { again, .. }, Task::Look { .. } | Task::Retry { .. }) => again.clone(),
            (Outcome::Failed { .. }, Task::Look { paths, .. }) => paths.into_iter().collect(),
            _ => Vec::new(),
        };
        if let (Outcome::Stopped, Some(stopped)) = (&ended.outcome, &stopped) {
            self.backlog.put_off(stopped.iter().cloned(), now);
        }
        self.backlog.add(again, now);
        self.backlog.settle(&paths);
        match ended.outcome {
            Outcome::Nothing if is_change => {}
            Outcome::Failed { disk_full: true } | Outcome::Done { disk_full: true, .. } => {
                self.halt(Room::of(self.archive.store.root()));
            }
            Outcome::Done { .. } => {
                self.paused_before = None;
                self.ask_what_is_wanted();
            }
            Outcome::Nothing | Outcome::Stopped | Outcome::Failed { .. } => self.ask_what_is_wanted(),
        }
    }

    /// Another run may take its place. Gives the paths that it looked at.
    pub(super) fn free(&mut self, lane: Lane, task: &Task) -> BTreeSet<PathBuf> {
        let paths = looked_at(task).cloned().unwrap_or_default();
        self.lanes.end(lane, &paths);
        paths
    }

    /// Nothing is fetched until there is room.
    pub(super) fn halt(&mut self, room: Option<Room>) {
        if self.pause.is_some() {
            return;
        }
        tracing::error!("the disk is full: nothing is fetched until there is room; what is kept is served");
        self.pause = Some(Pause::begin(room, self.paused_before.take(), Instant::now()));
    }

    fn start_chore(&mut self, kind: Kind) {
        self.chore = Some(kind);
        let work = chores::Work {
            archive: Arc::clone(&self.archive),
            board: Arc::clone(&self.board),
            settings: Arc::clone(&self.settings),
            stop: Arc::clone(&self.stop_chore),
            is_paused: self.pause.is_some(),
            missing: self.watch.missing(),
        };
        let (runtime, sender) = (Handle::current(), self.events.sender());
        // A thread of its own, for its priority does not come back.
        std::thread::spawn(move || {
            let ended = unless_broken(|| chores::run(&work, kind, &runtime));
            let ended = ended.unwrap_or(chores::Ended { kind, at: now() });
            // Nobody hears it when the daemon has stopped.
            let _ = sender.send(Event::ChoreEnded(ended));
        });
    }

    pub(super) fn done(&mut self, kind: Kind, at: i64) {
        self.schedule.done(kind, at);
        let archive = Arc::clone(&self.archive);
        tokio::task::spawn_blocking(move || {
            if let Err(error) =
                archive.catalog.chore_done(chores::name(kind), Chore { done: at, cursor: None })
            {
                tracing::error!(%error, "it is not remembered that something was done");
            }
        });
    }

    /// When there is something to start, if nothing happens before.
    pub(super) fn next_due(&self) -> Option<Instant> {
        if !self.is_ready {
            return None;
        }
        let (clock, now) = (now(), Instant::now());
        let is_free = self.pause.is_none() && self.lanes.is_free(Lane::Errands, now);
        let planned = self.schedule.planned(clock).into_iter().filter_map(|planned| {
            let counts = match planned.kind {
                Kind::Scrub | Kind::Gc => self.chore.is_none() && self.lanes.are_empty(),
                Kind::Retry => is_free && !self.missed.is_asking,
                Kind::Reconcile | Kind::Archive | Kind::Change => is_free,
            };
            let left = u64::try_from(planned.next.saturating_sub(clock)).unwrap_or(0);
            counts.then(|| now + Duration::from_millis(left))
        });
        let changed = self.changes.due().into_iter().chain(self.backlog.due()).min();
        let free = self.lanes.free_at(Lane::Changes, now).filter(|_| self.pause.is_none());
        let changed = changed.zip(free).map(|(changed, free)| changed.max(free));
        changed.into_iter().chain(self.missed.again).chain(planned).min()
    }
}

/// The paths whose changes a run looks at.
fn looked_at(task: &Task) -> Option<&BTreeSet<PathBuf>> {
    match task {
        Task::Look { paths, .. } => Some(paths),
        Task::Retry { .. } | Task::Order { .. } | Task::OrderedRetry { .. } => None,
    }
}
