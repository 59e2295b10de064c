//! The runs of one process: what is under way, what waits, what came of the last ones.
//!
//! The daemon writes it, the gallery, the API and `imgkeep status` read it. Nothing here is on disk: what a run kept
//! and changed is in the catalog, under the run's name.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::ops::archive::{Moment, Progress, Report};
use crate::ops::lossy;
use crate::ops::runs::bounds::Bounds;
use crate::ops::stop::Stop;

pub mod bounds;
pub mod wire;

/// Runs that are remembered after their end.
const REMEMBERED: usize = 100;

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody asked for it.
    Archive,
    /// A document appeared or was changed.
    Change,
    /// All watched folders are looked through, as nobody tells of every change.
    Reconcile,
    /// Images that nobody gave are asked for again.
    Retry,
    /// A part of the store is read again.
    Scrub,
    /// Images that nothing refers to are removed.
    Gc,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// It is under way.
    Running,
    /// It is over; its report says what it did.
    Done,
    /// It broke off, or was stopped.
    Failed,
}

/// One run, as it is now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct View {
    /// Its name in this process: a time and four random hex digits.
    pub id: String,
    /// What it is for.
    pub kind: Kind,
    /// Where it is.
    pub state: State,
    /// The documents and folders it looks at.
    #[serde(serialize_with = "lossy::all")]
    pub paths: Vec<PathBuf>,
    /// When it was asked for, in milliseconds since 1970.
    pub queued: i64,
    /// When it started, likewise.
    pub started: Option<i64>,
    /// When it ended, likewise.
    pub ended: Option<i64>,
    /// How far it is.
    pub progress: Moment,
    /// What an archiving run did.
    #[serde(skip)]
    pub report: Option<Arc<Report>>,
    /// In a line what another run did, or why this one failed.
    pub outcome: Option<String>,
}

/// What is planned, and whether anything is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agenda {
    /// Each watched folder.
    pub watched: Vec<Watched>,
    /// What comes by itself, and when; the earliest first.
    pub planned: Vec<Planned>,
    /// Why nothing is fetched at the moment, such as a full disk.
    pub paused: Option<String>,
    /// Why a changed configuration is not in force.
    pub refused_configuration: Option<String>,
}

/// A watched folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// As it is configured.
    #[serde(serialize_with = "lossy::one")]
    pub folder: PathBuf,
    /// How changes in it are noticed: `events`, `polling`, or `missing` while it is not there.
    pub how: String,
    /// Why it is not `events`.
    pub why: Option<String>,
}

/// Something that comes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// What.
    pub kind: Kind,
    /// When it was done last, in milliseconds since 1970.
    pub last: Option<i64>,
    /// When it is done next, likewise.
    pub next: i64,
}

/// What somebody wants done, for the daemon to do in its turn.
#[derive(Debug)]
pub struct Order {
    /// The run on the board.
    pub id: String,
    /// What is to be done.
    pub work: Work,
}

/// What can be ordered.
#[derive(Debug)]
pub enum Work {
    /// As `imgkeep archive` does it.
    Archive {
        /// Absolute.
        paths: Vec<PathBuf>,
        /// As on the command line.
        how: How,
    },
    /// The documents that want this image are archived, and everybody is asked for it.
    Retry {
        /// The image's own URL.
        origin: String,
    },
}

/// The options of `imgkeep archive` that can be ordered; what is `None` is as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct How {
    /// `all` or `proxied`.
    pub scope: Option<String>,
    /// `relative`, or a prefix.
    pub link: Option<String>,
    /// Keep the images and leave the documents as they are.
    pub no_rewrite: bool,
    /// Ask everybody now.
    pub retry: bool,
    /// Ask whether kept images were changed.
    pub update: bool,
    /// Point documents at those that were.
    pub follow: bool,
}

/// The runs of this process.
#[derive(Debug)]
pub struct Board {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The newest first.
    runs: VecDeque<Entry>,
    agenda: Agenda,
}

#[derive(Debug)]
struct Entry {
    view: View,
    progress: Arc<Progress>,
    stop: watch::Sender<bool>,
    /// What it may not leave; `None` where it may go anywhere.
    bounds: Option<Bounds>,
}

impl Entry {
    fn is_over(&self) -> bool {
        matches!(self.view.state, State::Done | State::Failed)
    }

    fn now(&self) -> View {
        View { progress: self.progress.now(), ..self.view.clone() }
    }
}

impl Default for Board {
    fn default() -> Self {
        Self { inner: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl Board {
    /// Notes a run that waits for its turn; gives its id.
    pub fn queue(&self, kind: Kind, paths: Vec<PathBuf>) -> String {
        self.queue_within(kind, paths, None)
    }

    /// The same for a run that may not leave `bounds`.
    pub fn queue_within(&self, kind: Kind, paths: Vec<PathBuf>, bounds: Option<Bounds>) -> String {
        let now = Timestamp::now();
        let id = format!("{}-{:04x}", now.strftime("%Y%m%dT%H%M%SZ"), fastrand::u16(..));
        let view = View {
            id: id.clone(),
            kind,
            state: State::Queued,
            paths,
            queued: now.as_millisecond(),
            started: None,
            ended: None,
            progress: Moment::default(),
            report: None,
            outcome: None,
        };
        {
            let mut inner = self.inner();
            let (progress, stop) = (Arc::default(), watch::Sender::new(false));
            inner.runs.push_front(Entry { view, progress, stop, bounds });
            let mut over = 0;
            inner.runs.retain(|run| {
                over += usize::from(run.is_over());
                !run.is_over() || over <= REMEMBERED
            });
        }
        self.tell();
        id
    }

    /// The run starts; its progress is read from what is returned. One that was cancelled does not start any more:
    /// see [`Self::is_queued`].
    pub fn start(&self, id: &str) -> Arc<Progress> {
        let mut progress = Arc::default();
        self.change(id, |run| {
            run.view.state = State::Running;
            run.view.started = Some(Timestamp::now().as_millisecond());
            progress = Arc::clone(&run.progress);
        });
        progress
    }

    /// Whether the run waits for its turn; not when it was cancelled meanwhile.
    #[must_use]
    pub fn is_queued(&self, id: &str) -> bool {
        self.inner().runs.iter().any(|run| run.view.id == id && run.view.state == State::Queued)
    }

    /// What the run may not leave, which holds whatever became of its paths meanwhile.
    #[must_use]
    pub fn bounds_of(&self, id: &str) -> Option<Bounds> {
        self.inner().runs.iter().find(|run| run.view.id == id)?.bounds.clone()
    }

    /// What ends the run before its end.
    #[must_use]
    pub fn stop_of(&self, id: &str) -> Stop {
        let inner = self.inner();
        let run = inner.runs.iter().find(|run| run.view.id == id);
        Stop::WhenTold(run.map_or_else(|| watch::channel(false).1, |run| run.stop.subscribe()))
    }

    /// Asks the run to stop; one that waits for its turn is over at once. `false` for one that is over, or is none.
    pub fn cancel(&self, id: &str) -> bool {
        let mut is_cancelled = false;
        self.change(id, |run| {
            is_cancelled = true;
            run.stop.send_replace(true);
            if run.view.state == State::Queued {
                run.view.state = State::Failed;
                run.view.ended = Some(Timestamp::now().as_millisecond());
                run.view.outcome = Some("cancelled before it started".to_owned());
            }
        });
        is_cancelled
    }

    /// An archiving run is over.
    pub fn report(&self, id: &str, report: Report) {
        self.end(id, if report.interrupted { State::Failed } else { State::Done }, |view| {
            view.outcome = report.interrupted.then(|| "stopped before its end".to_owned());
            view.report = Some(Arc::new(report));
        });
    }

    /// Another run is over.
    pub fn done(&self, id: &str, outcome: String) {
        self.end(id, State::Done, |view| view.outcome = Some(outcome));
    }

    /// A run broke off.
    pub fn fail(&self, id: &str, why: String) {
        self.end(id, State::Failed, |view| view.outcome = Some(why));
    }

    /// One run, if it is remembered.
    #[must_use]
    pub fn run(&self, id: &str) -> Option<View> {
        self.inner().runs.iter().find(|run| run.view.id == id).map(Entry::now)
    }

    /// All that are remembered, the newest first.
    #[must_use]
    pub fn runs(&self) -> Vec<View> {
        self.inner().runs.iter().map(Entry::now).collect()
    }

    /// What is planned.
    #[must_use]
    pub fn agenda(&self) -> Agenda {
        self.inner().agenda.clone()
    }

    /// Changes what is planned.
    pub fn plan(&self, change: impl FnOnce(&mut Agenda)) {
        change(&mut self.inner().agenda);
        self.tell();
    }

    /// A count that grows whenever a run or the agenda changes its state; progress in numbers is not told, look at it
    /// now and then.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn end(&self, id: &str, state: State, change: impl FnOnce(&mut View)) {
        self.change(id, |run| {
            run.view.state = state;
            run.view.ended = Some(Timestamp::now().as_millisecond());
            change(&mut run.view);
        });
    }

    /// Changes a run that is not over.
    fn change(&self, id: &str, change: impl FnOnce(&mut Entry)) {
        {
            let mut inner = self.inner();
            if let Some(run) = inner.runs.iter_mut().find(|run| run.view.id == id && !run.is_over()) {
                change(run);
            }
        }
        self.tell();
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of the board panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_seen_from_its_order_to_its_end() {
        let board = Board::default();
        let mut changes = board.changes();
        let id = board.queue(Kind::Archive, vec!["/posts".into()]);
        assert_eq!(board.run(&id).unwrap().state, State::Queued);
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        board.start(&id);
        assert_eq!(board.run(&id).unwrap().state, State::Running);
        board.report(&id, Report::looked_at(3));
        let view = board.run(&id).unwrap();
        assert_eq!((view.state, view.report.unwrap().scanned), (State::Done, 3));
        assert!(view.started >= Some(view.queued) && view.ended >= view.started);
        assert!(changes.has_changed().unwrap());
        assert!(board.run("another").is_none());
    }

    #[tokio::test]
    async fn a_run_is_cancelled_while_it_waits_and_while_it_works() {
        let board = Board::default();
        let (waits, works) = (board.queue(Kind::Archive, Vec::new()), board.queue(Kind::Archive, Vec::new()));
        board.start(&works);
        assert!(board.is_queued(&waits) && !board.is_queued(&works));
        for id in [&waits, &works] {
            assert!(board.cancel(id));
            board.stop_of(id).asked().await;
        }
        assert_eq!(board.run(&waits).unwrap().state, State::Failed);
        assert_eq!(board.run(&works).unwrap().state, State::Running, "it is asked, and ends in good order");
        board.start(&waits);
        assert_eq!(board.run(&waits).unwrap().state, State::Failed, "what was cancelled stays so");
        board.report(&works, Report { interrupted: true, ..Report::looked_at(1) });
        assert_eq!(board.run(&works).unwrap().state, State::Failed);
        assert!(!board.cancel(&works) && !board.cancel("another"));
    }

    #[test]
    fn what_is_over_is_forgotten_in_time_and_what_is_not_never() {
        let board = Board::default();
        let first = board.queue(Kind::Change, Vec::new());
        for _ in 0..2 * REMEMBERED {
            let id = board.queue(Kind::Gc, Vec::new());
            board.done(&id, String::new());
        }
        assert!(board.run(&first).is_some());
        assert!(board.runs().len() <= REMEMBERED + 2);
    }
}
