//! Room for so many connections. When there is none left, those that have asked nothing for the longest time leave, so
//! that many who are idle do not keep out one who asks; and where all have asked, those that do not take their answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::serve::activity::{Activity, STUCK};

/// Of so many connections one is told to leave at a time: looking for them takes a while.
const PART: usize = 32;
/// How long it may take to leave before others are told to.
const PAUSE: Duration = Duration::from_millis(50);
/// Whoever is here for a shorter time may have a request on its way.
const WELCOME: Duration = Duration::from_millis(100);

/// For one kind of connections.
#[derive(Debug)]
pub(super) struct Room {
    free: Arc<Semaphore>,
    at_a_time: usize,
    guests: Mutex<Guests>,
}

#[derive(Debug, Default)]
struct Guests {
    by_number: HashMap<u64, Arc<Activity>>,
    next: u64,
}

impl Room {
    pub(super) fn new(connections: usize) -> Self {
        let at_a_time = connections.div_ceil(PART).max(1);
        Self { free: Arc::new(Semaphore::new(connections)), at_a_time, guests: Mutex::default() }
    }

    /// Waits for room for a connection, and makes it.
    pub(super) async fn enter(self: &Arc<Self>, activity: &Arc<Activity>) -> Guest {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                break permit;
            }
            self.make();
            if let Ok(permit) = timeout(PAUSE, Arc::clone(&self.free).acquire_owned()).await {
                break permit.expect("the semaphore is never closed");
            }
        };
        activity.arrived();
        let mut guests = self.guests.lock().expect("no holder of the guests panics");
        let number = guests.next;
        guests.next += 1;
        guests.by_number.insert(number, Arc::clone(activity));
        Guest { room: Arc::clone(self), number, guests: guests.by_number.len(), _permit: permit }
    }

    /// Tells those to leave that have been idle for the longest time, or if none is, stuck.
    fn make(&self) {
        let guests = self.guests.lock().expect("no holder of the guests panics");
        let oldest = |since: fn(&Activity) -> Option<Instant>, least: Duration| {
            let all = guests.by_number.values().filter_map(|activity| Some((since(activity)?, activity)));
            let mut all: Vec<_> = all.filter(|(since, _)| since.elapsed() > least).collect();
            all.sort_unstable_by_key(|(since, _)| *since);
            all
        };
        let mut leaving = oldest(Activity::idle_since, WELCOME);
        if leaving.is_empty() {
            leaving = oldest(Activity::stuck_since, STUCK);
        }
        for (_, activity) in leaving.into_iter().take(self.at_a_time) {
            activity.tell();
        }
    }
}

/// A connection that has room, until this is dropped.
#[derive(Debug)]
pub(super) struct Guest {
    room: Arc<Room>,
    number: u64,
    guests: usize,
    _permit: OwnedSemaphorePermit,
}

impl Guest {
    /// How many there were when it came, with itself.
    pub(super) fn guests(&self) -> usize {
        self.guests
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.room.guests.lock().expect("no holder of the guests panics").by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::activity::Ceased;

    #[tokio::test]
    async fn who_has_been_idle_for_the_longest_time_leaves_first_and_who_is_busy_never() {
        let room = Arc::new(Room::new(3));
        let activity = || Arc::new(Activity::new(Arc::default()));
        let [busy, old, young] = [activity(), activity(), activity()];
        let request = busy.begin();
        let mut guests = Vec::new();
        for activity in [&young, &busy, &old] {
            guests.push(room.enter(activity).await);
        }
        room.make();
        assert!(timeout(Duration::ZERO, old.ceased()).await.is_err(), "it has only come");
        tokio::time::sleep(2 * WELCOME).await;
        // What was asked last is what counts.
        drop(young.begin());
        let new = activity();
        let entering = tokio::spawn({
            let (room, new) = (Arc::clone(&room), Arc::clone(&new));
            async move { room.enter(&new).await }
        });
        assert_eq!(timeout(Duration::from_secs(60), old.ceased()).await, Ok(Ceased::Told));
        assert!(timeout(Duration::ZERO, young.ceased()).await.is_err());
        drop(guests.pop());
        let _new = timeout(Duration::from_secs(60), entering).await.expect("there is room").expect("it ends");
        room.make();
        assert!(
            timeout(Duration::from_millis(20), busy.ceased()).await.is_err(),
            "it has a request under way"
        );
        drop(request);
    }

    #[tokio::test]
    async fn where_all_are_busy_who_does_not_take_his_answer_leaves() {
        let room = Arc::new(Room::new(2));
        let activity = || Arc::new(Activity::new(Arc::default()));
        let [asking, stuck] = [activity(), activity()];
        let mut guests = Vec::new();
        for activity in [&asking, &stuck] {
            guests.push(room.enter(activity).await);
        }
        let requests = [asking.begin(), stuck.begin()];
        stuck.is_blocked();
        room.make();
        assert!(timeout(STUCK / 2, stuck.ceased()).await.is_err(), "perhaps it only pauses");
        tokio::time::sleep(STUCK).await;
        room.make();
        assert_eq!(timeout(Duration::from_secs(4), stuck.ceased()).await, Ok(Ceased::Told));
        assert!(timeout(Duration::from_millis(20), asking.ceased()).await.is_err(), "it waits for us");
        drop(requests);
    }

    #[tokio::test]
    async fn who_had_to_wait_for_room_is_welcome_nevertheless() {
        let room = Arc::new(Room::new(1));
        let late = Arc::new(Activity::new(Arc::default()));
        tokio::time::sleep(2 * WELCOME).await;
        let _guest = room.enter(&late).await;
        assert!(late.idle_since().unwrap().elapsed() < WELCOME);
    }
}
