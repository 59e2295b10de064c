//! All that can happen to the daemon.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep_until};

use crate::daemon::chores;
use crate::daemon::disk::Room;
use crate::daemon::lanes::Lane;
use crate::daemon::systemd;
use crate::daemon::watch::{Hint, Sight, Watch};
use crate::daemon::work::Ended;
use crate::daemon::{Daemon, Reload, Settings};
use crate::ops::retry::Wanted;
use crate::ops::runs::Order;
use crate::ops::stop::Stop;

/// Between two looks whether the watched folders are there.
const LOOK: Duration = Duration::from_secs(3);
/// The wall clock may jump: it is looked at this often, whatever is planned.
const CLOCK: Duration = Duration::from_secs(600);

/// Something that happened.
#[derive(Debug)]
pub(super) enum Event {
    /// The system tells of changes.
    Changed(Vec<Hint>),
    /// Time to see whether the watched folders are there.
    Look,
    /// What was seen of them, if anything, and of the disk.
    Looked(Option<Sight>, Option<Room>),
    /// New folders are watched, or could not be: then the watched folders that they lie in, and why.
    Followed(Vec<(PathBuf, String)>),
    /// Somebody wants something done.
    Order(Order),
    /// A run is over, in this lane.
    Ended(Lane, Ended),
    /// A chore is over.
    ChoreEnded(chores::Ended),
    /// Which images are asked for again, and when.
    Wanted(Result<Wanted>),
    /// The time has come for something that was planned.
    Due,
    /// The service manager waits for a sign of life.
    Pulse,
    /// The configuration is to be read again.
    Reload,
    /// It was read.
    Reloaded(Result<Box<Settings>>),
    /// The end.
    Stop,
}

/// Where events come from, but for the watched folders.
#[derive(Debug)]
pub(super) struct Events {
    orders: UnboundedReceiver<Order>,
    own: UnboundedReceiver<Event>,
    sender: UnboundedSender<Event>,
    reload: Signal,
    stop: Stop,
    is_stopping: bool,
    look: Interval,
    pulse: Option<Interval>,
    open: bool,
}

impl Events {
    /// Takes the orders out of `daemon`.
    pub(super) fn new(daemon: Daemon) -> Result<(Self, Daemon)> {
        let (sender, own) = unbounded_channel();
        let every = |period| {
            let mut interval = interval(period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        let (none, orders) = (unbounded_channel().1, daemon.orders);
        let stop = daemon.stop.clone();
        let events = Self {
            orders,
            own,
            sender,
            reload: signal(SignalKind::hangup())?,
            stop,
            is_stopping: false,
            look: every(LOOK),
            pulse: systemd::pulse().map(every),
            open: true,
        };
        Ok((events, Daemon { orders: none, ..daemon }))
    }

    /// Where those report who work on other threads.
    pub(super) fn sender(&self) -> UnboundedSender<Event> {
        self.sender.clone()
    }

    /// Does `work` on a thread of its own, and has what it makes of it happen; `broken` if it panics, so that nobody waits
    /// for it for ever.
    pub(super) fn when_done(
        &self,
        work: impl FnOnce() -> Event + Send + 'static,
        broken: impl FnOnce(anyhow::Error) -> Event + Send + 'static,
    ) {
        let sender = self.sender();
        tokio::task::spawn_blocking(move || {
            // Nobody hears it when the daemon has stopped.
            let _ = sender.send(unless_broken(work).unwrap_or_else(broken));
        });
    }

    /// Has the configuration read again.
    pub(super) fn reload(&self, reload: &Reload) {
        let reload = Reload::clone(reload);
        let read = move || Event::Reloaded(reload().map(Box::new));
        self.when_done(read, |error| Event::Reloaded(Err(error)));
    }

    /// Waits for what happens next, at the latest until `due`.
    pub(super) async fn next(&mut self, watch: &mut Watch, due: Option<Instant>) -> Event {
        let latest = Instant::now() + CLOCK;
        let due = due.map_or(latest, |due| due.min(latest));
        let pulse = async {
            match &mut self.pulse {
                Some(pulse) => pulse.tick().await,
                None => pending().await,
            }
        };
        tokio::select! {
            // A sign of life is not to be late for all the work there is.
            biased;
            _ = pulse => Event::Pulse,
            // Once: it stays said.
            () = self.stop.asked(), if !self.is_stopping => {
                self.is_stopping = true;
                Event::Stop
            }
            Some(event) = self.own.recv() => event,
            order = self.orders.recv(), if self.open => match order {
                Some(order) => Event::Order(order),
                None => {
                    self.open = false;
                    Event::Due
                }
            },
            _ = self.reload.recv() => Event::Reload,
            _ = self.look.tick() => Event::Look,
            () = sleep_until(due.into()) => Event::Due,
            hints = watch.next() => Event::Changed(hints),
        }
    }
}

/// What `work` makes of it, or an error if it panics: one mistake of ours is not to end everything else, nor to be waited
/// for.
pub(super) fn unless_broken<T>(work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let what = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        tracing::error!(what, "broke down: this is a mistake in imgkeep");
        anyhow!("broke down: {what}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_like_any_other() {
        assert_eq!(unless_broken(|| 7).unwrap(), 7);
        let error = unless_broken(|| assert_eq!(1, 2, "no sum")).unwrap_err();
        assert!(error.to_string().contains("no sum"), "{error}");
    }
}
