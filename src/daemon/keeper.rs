//! The loop.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::timeout;

use crate::catalog::OriginKey;
use crate::daemon::backlog::Backlog;
use crate::daemon::changes::Changes;
use crate::daemon::disk::{Pause, Room};
use crate::daemon::event::{Event, Events};
use crate::daemon::lanes::Lanes;
use crate::daemon::schedule::{Periods, Schedule};
use crate::daemon::watch::{Hint, Watch};
use crate::daemon::work::{Handled, Task};
use crate::daemon::{Daemon, Reload, Settings, chores, systemd};
use crate::ops::Archive;
use crate::ops::runs::{Board, Kind, Order, State, Work};
use crate::origin::OriginUrl;

mod show;
mod start;
mod wanted;

use wanted::Missed;

/// How long a run may take to end in good order when the daemon is to stop; what is not kept by then is as after a
/// crash: nothing is lost but the download.
const GRACE: Duration = Duration::from_millis(4_500);

/// The daemon at work.
pub(super) struct Keeper {
    archive: Arc<Archive>,
    board: Arc<Board>,
    settings: Arc<Settings>,
    reload: Reload,
    events: Events,
    watch: Watch,
    changes: Changes,
    /// What is tried again.
    backlog: Backlog,
    /// Folders to look through as a whole.
    whole: BTreeSet<PathBuf>,
    /// Likewise, for something in them may have changed that nobody tells of.
    polled: BTreeSet<PathBuf>,
    /// What was changed while a run is at work on it.
    held: BTreeSet<PathBuf>,
    /// New folders that are to be watched: all that came since the last walk to such are walked to together.
    appeared: BTreeSet<PathBuf>,
    orders: VecDeque<Order>,
    schedule: Schedule,
    missed: Missed,
    handled: Arc<Handled>,
    lanes: Lanes,
    is_looking: bool,
    is_following: bool,
    is_reloading: bool,
    /// It was asked for once more while it was read.
    reloads_again: bool,
    is_ready: bool,
    chore: Option<Kind>,
    stop_chore: Arc<AtomicBool>,
    pause: Option<Pause>,
    /// The pause before the run at hand.
    paused_before: Option<Pause>,
    refused: Option<String>,
}

impl Keeper {
    pub(super) fn new(daemon: Daemon) -> Result<Self> {
        let (events, daemon) = Events::new(daemon)?;
        let Daemon { archive, board, settings, reload, .. } = daemon;
        let mut schedule = Schedule::new(periods(&settings));
        for kind in Schedule::CHORES.into_iter().chain([Kind::Retry]) {
            if let Some(chore) = archive.catalog.chore(chores::name(kind))? {
                schedule.done(kind, chore.done);
            }
        }
        let mut watch = Watch::new();
        watch.set(&settings.watch);
        Ok(Self {
            events,
            watch,
            changes: Changes::new(settings.settle),
            backlog: Backlog::default(),
            whole: BTreeSet::new(),
            polled: BTreeSet::new(),
            held: BTreeSet::new(),
            appeared: BTreeSet::new(),
            orders: VecDeque::new(),
            schedule,
            missed: Missed::default(),
            handled: Arc::default(),
            lanes: Lanes::default(),
            is_looking: false,
            is_following: false,
            is_reloading: false,
            reloads_again: false,
            is_ready: false,
            chore: None,
            stop_chore: Arc::default(),
            pause: None,
            paused_before: None,
            refused: None,
            archive,
            board,
            settings: Arc::new(settings),
            reload,
        })
    }

    pub(super) async fn run(mut self) {
        loop {
            let due = self.next_due();
            match self.events.next(&mut self.watch, due).await {
                Event::Pulse => systemd::alive(),
                Event::Stop => return self.stop().await,
                event => {
                    let shows = !matches!(event, Event::Look | Event::Changed(_));
                    self.take(event);
                    self.proceed();
                    if shows {
                        self.show();
                    }
                }
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Changed(hints) => {
                hints.into_iter().for_each(|hint| self.hint(hint));
                self.follow();
            }
            Event::Look => self.look(),
            Event::Looked(seen, room) => {
                self.is_looking = false;
                let now = Instant::now();
                match seen.map(|seen| self.watch.take(seen, self.settings.poll, now)) {
                    Some(Some(unseen)) => {
                        self.whole.extend(unseen.new);
                        self.polled.extend(unseen.polled);
                        if !self.is_ready {
                            self.is_ready = true;
                            self.start();
                        }
                    }
                    Some(None) => self.look(),
                    // It broke down: the next one comes in its time.
                    None => {}
                }
                if self.pause.is_some_and(|pause| pause.is_over(room, Instant::now())) {
                    tracing::warn!("there is room on the disk again, or perhaps enough: going on");
                    self.paused_before = self.pause.take();
                } else if self.pause.is_none() && room.is_some_and(Room::is_short) {
                    self.halt(room);
                }
            }
            Event::Followed(failed) => {
                self.is_following = false;
                for (root, why) in failed {
                    self.watch.poll_from_now_on(&root, why);
                    self.whole.insert(root);
                }
                self.follow();
            }
            Event::Order(order) => self.orders.push_back(order),
            Event::Ended(lane, ended) => self.ended(lane, ended),
            Event::ChoreEnded(ended) => {
                self.chore = None;
                self.schedule.done(ended.kind, ended.at);
            }
            Event::Wanted(wanted) => self.answered(wanted),
            Event::Reload => self.reload(),
            Event::Reloaded(settings) => {
                self.is_reloading = false;
                self.reloaded(settings);
                if std::mem::take(&mut self.reloads_again) {
                    self.reload();
                }
            }
            Event::Due | Event::Pulse | Event::Stop => {}
        }
    }

    /// The watched folders that are there are known for the first time.
    fn start(&mut self) {
        self.whole.extend(self.watch.folders());
        self.done(Kind::Reconcile, now());
        self.ask_what_is_wanted();
        systemd::ready(&self.status());
        tracing::info!(folders = self.watch.watched_folders(), "at work");
    }

    fn hint(&mut self, hint: Hint) {
        match hint {
            Hint::Changed(path) => self.changes.heard(path, Instant::now()),
            Hint::Appeared(folder) => {
                self.changes.heard(folder.clone(), Instant::now());
                self.appeared.insert(folder);
            }
            Hint::Gone(folder) => {
                self.watch.gone(&folder);
                self.look();
            }
            Hint::Overflow => {
                tracing::warn!(
                    "there were more changes than the system tells of: all folders are looked through"
                );
                self.look_through_all();
            }
        }
        if self.changes.are_many() {
            self.look_through_all();
        }
    }

    /// Watches the folders that are new, unless it is doing so.
    fn follow(&mut self) {
        if self.is_following || self.appeared.is_empty() {
            return;
        }
        let appeared = std::mem::take(&mut self.appeared);
        if let Some(follow) = self.watch.follow(appeared, &self.settings.reader.crawl) {
            self.is_following = true;
            self.events.when_done(move || Event::Followed(follow.follow()), |_| Event::Followed(Vec::new()));
        }
    }

    /// One at a time, or else an older one could come in last.
    fn reload(&mut self) {
        systemd::reloading();
        if self.is_reloading {
            self.reloads_again = true;
            return;
        }
        self.is_reloading = true;
        self.events.reload(&self.reload);
    }

    /// All folders, once they are quiet.
    fn look_through_all(&mut self) {
        for folder in self.watch.folders() {
            self.changes.forget(&folder);
            self.changes.heard(folder, Instant::now());
        }
    }

    fn look(&mut self) {
        if self.is_looking {
            return;
        }
        self.is_looking = true;
        let look = self.watch.look(&self.settings.reader.crawl);
        let store = self.archive.store.root().to_owned();
        self.events.when_done(
            move || Event::Looked(Some(look.look()), Room::of(&store)),
            |_| Event::Looked(None, None),
        );
    }

    fn reloaded(&mut self, settings: Result<Box<Settings>>) {
        match settings {
            Ok(settings) => {
                tracing::info!("the configuration was read again and is in force");
                self.refused = None;
                let is_other = settings.fingerprint != self.settings.fingerprint;
                self.settings = Arc::new(*settings);
                self.watch.set(&self.settings.watch);
                self.changes.set_settle(self.settings.settle);
                self.schedule.set_periods(periods(&self.settings));
                if is_other {
                    self.handled.clear();
                    self.watch.renew();
                }
                self.look();
                self.ask_what_is_wanted();
            }
            Err(error) => {
                let why = format!("{error:#}");
                tracing::error!(error = %why, "the configuration is not taken over; the old one stays in force");
                self.refused = Some(why);
            }
        }
        systemd::ready(&self.status());
    }

    /// Lets the runs and the chore at hand end in good order.
    async fn stop(mut self) {
        tracing::info!("stopping");
        systemd::stopping();
        self.stop_chore.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + GRACE;
        while (!self.lanes.are_empty() || self.chore.is_some()) && Instant::now() < deadline {
            // One that is only just starting comes onto the board meanwhile.
            for run in self.board.runs() {
                if matches!(run.state, State::Queued | State::Running) {
                    self.board.cancel(&run.id);
                }
            }
            match timeout(Duration::from_millis(50), self.events.next(&mut self.watch, None)).await {
                Ok(Event::Ended(lane, ended)) => drop(self.free(lane, &ended.task)),
                Ok(Event::ChoreEnded(_)) => self.chore = None,
                Ok(Event::Pulse) => systemd::alive(),
                Ok(_) | Err(_) => {}
            }
        }
        if !self.lanes.are_empty() {
            tracing::warn!("a run is cut off: each document is wholly old or wholly new");
        }
    }
}

/// Why nothing is fetched.
const FULL: &str = "the disk is full: nothing is fetched until there is room";

/// What an order asks for, or the run that cannot be, and why.
fn task(order: Order) -> Result<Task, (String, String)> {
    let id = order.id;
    match order.work {
        Work::Archive { paths, how } => Ok(Task::Order { id, paths, how }),
        Work::Retry { origin } => match OriginUrl::parse(&origin) {
            Ok(origin) => Ok(Task::OrderedRetry { id, origin: OriginKey::of(&origin) }),
            Err(error) => Err((id, format!("`{origin}`: {error}"))),
        },
    }
}

fn periods(settings: &Settings) -> Periods {
    Periods { reconcile: settings.reconcile, scrub: settings.scrub }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
