//! Wrong tokens, counted by who shows them: a token is not to be guessed, and nobody locks out anybody else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::web::access::forwarded::Client;

/// Wrong tries that may follow each other at once.
const TRIES: u32 = 10;
/// One more is granted after so long.
const REFILL: Duration = Duration::from_secs(1);
/// Clients that are counted; the one that was wrong the longest ago makes room.
const MOST: usize = 1024;

/// Of each client that tried in vain of late.
#[derive(Debug, Default)]
pub(super) struct Tries(Mutex<HashMap<IpAddr, Left>>);

#[derive(Clone, Copy, Debug)]
struct Left {
    tries: u32,
    since: Instant,
}

impl Left {
    /// What is left by now.
    fn now(self, now: Instant) -> u32 {
        let refilled = now.duration_since(self.since).as_millis() / REFILL.as_millis();
        self.tries.saturating_add(u32::try_from(refilled).unwrap_or(TRIES)).min(TRIES)
    }
}

impl Tries {
    /// Whether it may show a token now.
    pub(super) fn may_try(&self, client: Client) -> bool {
        let Some(address) = client else { return true };
        self.map().get(&address).is_none_or(|left| left.now(Instant::now()) > 0)
    }

    /// It showed a wrong one.
    pub(super) fn tried(&self, client: Client) {
        let Some(address) = client else { return };
        let now = Instant::now();
        let mut map = self.map();
        if map.len() >= MOST && !map.contains_key(&address) {
            map.retain(|_, left| left.now(now) < TRIES);
            while map.len() >= MOST {
                let oldest = map.iter().min_by_key(|(_, left)| left.since).map(|(address, _)| *address);
                oldest.map(|address| map.remove(&address));
            }
        }
        let tries = map.get(&address).map_or(TRIES, |left| left.now(now));
        map.insert(address, Left { tries: tries.saturating_sub(1), since: now });
    }

    fn map(&self) -> MutexGuard<'_, HashMap<IpAddr, Left>> {
        self.0.lock().expect("no holder of the tries panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: usize) -> Client {
        Some(IpAddr::from(u32::try_from(number).unwrap().to_be_bytes()))
    }

    #[test]
    fn who_is_wrong_too_often_waits_and_nobody_else_does() {
        let tries = Tries::default();
        for _ in 0..TRIES {
            assert!(tries.may_try(client(1)));
            tries.tried(client(1));
        }
        assert!(!tries.may_try(client(1)));
        assert!(tries.may_try(client(2)) && tries.may_try(None));
        tries.map().values_mut().for_each(|left| left.since -= REFILL);
        assert!(tries.may_try(client(1)));
        tries.tried(client(1));
        assert!(!tries.may_try(client(1)), "one was granted");
    }

    #[test]
    fn only_so_many_are_counted() {
        let tries = Tries::default();
        for number in 0..2 * MOST {
            tries.tried(client(number));
            tries.tried(None);
        }
        // Who was granted a try again meanwhile is not counted any more.
        assert!(tries.map().len() <= MOST);
        assert!(tries.map().contains_key(&client(2 * MOST - 1).unwrap()));
    }
}
