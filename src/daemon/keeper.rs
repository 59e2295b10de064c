//! The loop.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::catalog::OriginKey;
use crate::catalog::chores::Chore;
use crate::daemon::backlog::Backlog;
use crate::daemon::changes::Changes;
use crate::daemon::disk::{Pause, Room};
use crate::daemon::event::{Event, Events};
use crate::daemon::schedule::{Periods, Schedule};
use crate::daemon::watch::{Hint, Watch};
use crate::daemon::work::{self, Ended, Handled, Outcome, Task};
use crate::daemon::{Daemon, Reload, Settings, chores, systemd};
use crate::ladder::schedule::Policy;
use crate::ops::Archive;
use crate::ops::retry::{self, Wanted};
use crate::ops::runs::{Agenda, Board, Kind, Order, State, Work};
use crate::origin::OriginUrl;

/// How long a run may take to end in good order when the daemon is to stop; what is not kept by then is as after a
/// crash: nothing is lost but the download.
const GRACE: Duration = Duration::from_millis(4_500);
/// An image that was asked for is not asked for again by the schedule before that, whatever the catalog says.
const TRIED: Duration = Duration::from_secs(3600);

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
    /// Likewise, for they tell nothing of changes.
    polled: BTreeSet<PathBuf>,
    orders: VecDeque<Order>,
    schedule: Schedule,
    wanted: Wanted,
    tried: HashMap<OriginKey, Instant>,
    handled: Arc<Handled>,
    is_running: bool,
    is_looking: bool,
    is_asking: bool,
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
            orders: VecDeque::new(),
            schedule,
            wanted: Wanted::default(),
            tried: HashMap::new(),
            handled: Arc::default(),
            is_running: false,
            is_looking: false,
            is_asking: false,
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
            Event::Changed(hints) => hints.into_iter().for_each(|hint| self.hint(hint)),
            Event::Look => self.look(),
            Event::Looked(seen, room) => {
                self.is_looking = false;
                let unseen = self.watch.take(seen, self.settings.poll, Instant::now());
                self.whole.extend(unseen.new);
                self.polled.extend(unseen.polled);
                if !self.is_ready {
                    self.is_ready = true;
                    self.start();
                }
                if self.pause.is_some_and(|pause| pause.is_over(room, Instant::now())) {
                    tracing::warn!("there is room on the disk again, or perhaps enough: going on");
                    self.paused_before = self.pause.take();
                } else if self.pause.is_none() && room.is_some_and(Room::is_short) {
                    self.halt(room);
                }
            }
            Event::Followed(failed) => {
                if let Some((root, why)) = failed {
                    self.watch.poll_from_now_on(&root, why);
                    self.whole.insert(root);
                }
            }
            Event::Order(order) => self.orders.push_back(order),
            Event::Ended(ended) => self.ended(ended),
            Event::ChoreEnded(ended) => {
                self.chore = None;
                self.schedule.done(ended.kind, ended.at);
            }
            Event::Wanted(wanted) => {
                self.is_asking = false;
                let wanted = wanted.unwrap_or_else(|error| {
                    tracing::error!(
                        error = format!("{error:#}"),
                        "it is not known which images are to be asked for again"
                    );
                    Wanted::default()
                });
                let next = if wanted.due.is_empty() { wanted.next } else { Some(now()) };
                self.schedule.want(next);
                self.wanted = wanted;
            }
            Event::Reload => {
                systemd::reloading();
                self.events.reload(&self.reload);
            }
            Event::Reloaded(settings) => self.reloaded(settings),
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
                if let Some(follow) = self.watch.follow(folder.clone(), &self.settings.reader.crawl) {
                    self.events.when_done(move || Event::Followed(follow.follow()));
                }
                self.changes.heard(folder, Instant::now());
            }
            Hint::Gone(_) => self.look(),
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
        self.events.when_done(move || Event::Looked(look.look(), Room::of(&store)));
    }

    fn ended(&mut self, ended: Ended) {
        self.is_running = false;
        let now = Instant::now();
        let again: Vec<PathBuf> = match (&ended.outcome, ended.task) {
            (Outcome::Done { busy }, Task::Look { .. } | Task::Retry { .. }) => busy.clone(),
            (Outcome::Failed { .. }, Task::Look { paths, .. }) => paths.into_iter().collect(),
            _ => Vec::new(),
        };
        self.backlog.add(again, now);
        self.backlog.settle();
        match ended.outcome {
            Outcome::Nothing => {}
            Outcome::Failed { disk_full: true, .. } => self.halt(Room::of(self.archive.store.root())),
            Outcome::Done { .. } => {
                self.paused_before = None;
                self.ask_what_is_wanted();
            }
            Outcome::Stopped | Outcome::Failed { .. } => self.ask_what_is_wanted(),
        }
    }

    /// Nothing is fetched until there is room.
    fn halt(&mut self, room: Option<Room>) {
        tracing::error!("the disk is full: nothing is fetched until there is room; what is kept is served");
        self.pause = Some(Pause::begin(room, self.paused_before.take(), Instant::now()));
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

    fn ask_what_is_wanted(&mut self) {
        if self.is_asking {
            return;
        }
        self.is_asking = true;
        let now = Instant::now();
        self.tried.retain(|_, tried| now.duration_since(*tried) < TRIED);
        let (archive, settings) = (Arc::clone(&self.archive), Arc::clone(&self.settings));
        let (folders, tried) = (self.watch.folders(), self.tried.keys().copied().collect::<BTreeSet<_>>());
        self.events.when_done(move || {
            let options = &settings.options;
            let policy = Policy { fetch: &options.fetch, ladder: &options.ladder, media: &options.limits };
            let inside = |path: &std::path::Path| folders.iter().any(|folder| path.starts_with(folder));
            Event::Wanted(retry::wanted(&archive, policy, self::now(), &inside, &|key| tried.contains(&key)))
        });
    }

    /// Starts what it is time for, if there is room for it.
    fn proceed(&mut self) {
        if !self.is_ready || self.is_running {
            return;
        }
        while let Some(order) = self.orders.pop_front() {
            if !self.board.is_queued(&order.id) {
                continue;
            }
            if self.pause.is_some() {
                self.board.fail(&order.id, FULL.to_owned());
                continue;
            }
            return match task(order) {
                Ok(task) => self.work(task),
                Err((id, why)) => self.board.fail(&id, why),
            };
        }
        if self.pause.is_none()
            && let Some(task) = self.next_task()
        {
            return self.work(task);
        }
        let due = self.schedule.due(now());
        let chore = due.into_iter().find(|kind| matches!(kind, Kind::Scrub | Kind::Gc));
        if let (None, Some(kind)) = (self.chore, chore) {
            self.start_chore(kind);
        }
    }

    fn next_task(&mut self) -> Option<Task> {
        let now = Instant::now();
        let mut paths = self.changes.take(now);
        paths.extend(self.backlog.take(now));
        paths.append(&mut self.polled);
        if !paths.is_empty() {
            return Some(Task::Look { kind: Kind::Change, paths });
        }
        let due = self.schedule.due(self::now());
        if due.contains(&Kind::Reconcile) {
            self.whole.extend(self.watch.folders());
            self.done(Kind::Reconcile, self::now());
        }
        if !self.whole.is_empty() {
            return Some(Task::Look { kind: Kind::Reconcile, paths: std::mem::take(&mut self.whole) });
        }
        if due.contains(&Kind::Retry) && !self.is_asking {
            let wanted = std::mem::take(&mut self.wanted);
            if wanted.documents.is_empty() {
                self.ask_what_is_wanted();
                return None;
            }
            self.schedule.want(wanted.next);
            self.done(Kind::Retry, self::now());
            self.tried.extend(wanted.due.into_iter().map(|key| (key, now)));
            return Some(Task::Retry { paths: wanted.documents });
        }
        None
    }

    fn work(&mut self, task: Task) {
        self.is_running = true;
        let work = work::Work {
            archive: Arc::clone(&self.archive),
            board: Arc::clone(&self.board),
            settings: Arc::clone(&self.settings),
            handled: Arc::clone(&self.handled),
            roots: self.watch.folders(),
            entering: self.watch.entering(),
            changing: self.changes.waiting(),
        };
        let runtime = Handle::current();
        self.events.when_done(move || Event::Ended(work::run(&work, task, &runtime)));
    }

    fn start_chore(&mut self, kind: Kind) {
        self.chore = Some(kind);
        let work = chores::Work {
            archive: Arc::clone(&self.archive),
            board: Arc::clone(&self.board),
            settings: Arc::clone(&self.settings),
            stop: Arc::clone(&self.stop_chore),
            missing: self.watch.missing(),
        };
        let (runtime, sender) = (Handle::current(), self.events.sender());
        // A thread of its own, for its priority does not come back.
        std::thread::spawn(move || {
            let _ = sender.send(Event::ChoreEnded(chores::run(&work, kind, &runtime)));
        });
    }

    fn done(&mut self, kind: Kind, at: i64) {
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
    fn next_due(&self) -> Option<Instant> {
        if !self.is_ready || self.is_running {
            return None;
        }
        let clock = now();
        let now = Instant::now();
        let planned = self.schedule.planned(clock).into_iter().filter_map(|planned| {
            let counts = match planned.kind {
                Kind::Scrub | Kind::Gc => self.chore.is_none(),
                Kind::Retry => self.pause.is_none() && !self.is_asking,
                Kind::Reconcile | Kind::Archive | Kind::Change => self.pause.is_none(),
            };
            let left = u64::try_from(planned.next.saturating_sub(clock)).unwrap_or(0);
            counts.then(|| now + Duration::from_millis(left))
        });
        let changed = self.changes.due().into_iter().chain(self.backlog.due());
        changed.filter(|_| self.pause.is_none()).chain(planned).min()
    }

    /// Publishes what is planned and whether anything is wrong.
    fn show(&mut self) {
        let agenda = Agenda {
            watched: self.watch.agenda(),
            planned: self.schedule.planned(now()),
            paused: self.pause.map(|_| FULL.to_owned()),
            refused_configuration: self.refused.clone(),
        };
        if agenda != self.board.agenda() {
            self.board.plan(|shown| *shown = agenda);
            systemd::status(&self.status());
        }
    }

    /// One line for `systemctl status`.
    fn status(&self) -> String {
        let missing = self.watch.missing().len();
        let mut status = format!("watching {} folders", self.watch.folders().len());
        if missing > 0 {
            status.push_str(&format!(", {missing} are not there"));
        }
        if self.pause.is_some() {
            status.push_str("; ");
            status.push_str(FULL);
        }
        if let Some(why) = &self.refused {
            status.push_str("; the configuration was not taken over: ");
            status.push_str(why);
        }
        status.replace('\n', " ")
    }

    /// Lets the run and the chore at hand end in good order.
    async fn stop(mut self) {
        tracing::info!("stopping");
        systemd::stopping();
        self.stop_chore.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + GRACE;
        while (self.is_running || self.chore.is_some()) && Instant::now() < deadline {
            // One that is only just starting comes onto the board meanwhile.
            for run in self.board.runs() {
                if matches!(run.state, State::Queued | State::Running) {
                    self.board.cancel(&run.id);
                }
            }
            match timeout(Duration::from_millis(50), self.events.next(&mut self.watch, None)).await {
                Ok(Event::Ended(_)) => self.is_running = false,
                Ok(Event::ChoreEnded(_)) => self.chore = None,
                Ok(Event::Pulse) => systemd::alive(),
                Ok(_) | Err(_) => {}
            }
        }
        if self.is_running {
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
