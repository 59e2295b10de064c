//! How many may be served at a time, by what the system lets this process have open.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::serve::listener::Peer;

/// Connections at a time, if the system allows for them; the next ones wait to be accepted.
const MOST_CONNECTIONS: usize = 1024;
/// Files at a time that are kept open because they may be asked for again.
const MOST_FILES: usize = 4096;
/// Of one address that is not this machine's. A reverse proxy beside us speaks for everybody.
const MOST_OF_A_PEER: usize = 32;
/// Connections at a time by which orders are given; those of the network cannot take their place.
pub(super) const CONTROL: usize = 32;
/// Requests at a time over one HTTP/2 connection: each takes some 10 KB when its answer is not taken.
const STREAMS: u32 = 32;
/// Where there are many connections a new one may have fewer, so that all together have about so many.
const STREAMS_IN_ALL: usize = 2048;
/// But no fewer than these.
const FEWEST_STREAMS: u32 = 4;
/// What the rest of the process has open.
const RESERVE: usize = 100;
/// Where hardly anything may be open, somebody is served nevertheless.
const LEAST: usize = 4;

/// How many of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) files: usize,
}

impl Limits {
    /// Of this process, whose soft limit on open files is raised to its hard one. Files that are not sockets are
    /// only opened here and by SQLite, and none by number below a limit, as `select` would need.
    pub(super) fn of_process() -> Self {
        let mut limit = getrlimit(Resource::Nofile);
        if limit.current < limit.maximum || limit.maximum.is_none() {
            let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
            match setrlimit(Resource::Nofile, raised) {
                Ok(()) => limit = raised,
                Err(error) => tracing::debug!(%error, "the limit of open files stays"),
            }
        }
        Self::of(limit.current.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX))
    }

    /// One third is for connections, one for files that stay open, one for files that are being sent and do not.
    fn of(descriptors: usize) -> Self {
        let third = (descriptors.saturating_sub(RESERVE + CONTROL) / 3).max(LEAST);
        Self { connections: third.min(MOST_CONNECTIONS), files: third.min(MOST_FILES) }
    }
}

/// How many requests at a time a client may make over HTTP/2, where there are so many connections.
pub(super) fn streams(connections: usize) -> u32 {
    let part = STREAMS_IN_ALL / connections.max(1);
    u32::try_from(part).unwrap_or(STREAMS).clamp(FEWEST_STREAMS, STREAMS)
}

/// How many connections each address has.
#[derive(Debug, Default)]
pub(super) struct Peers(Mutex<HashMap<IpAddr, usize>>);

impl Peers {
    /// Leave for one more connection of `peer`, until it is dropped; `None` if it has too many.
    pub(super) fn admit(self: &Arc<Self>, peer: Peer) -> Option<Admitted> {
        let Some(address) = counted(peer) else { return Some(Admitted(None)) };
        let mut peers = self.0.lock().expect("no holder of the peers panics");
        let count = peers.entry(address).or_default();
        if *count >= MOST_OF_A_PEER {
            return None;
        }
        *count += 1;
        Some(Admitted(Some((Arc::clone(self), address))))
    }
}

/// What one client most likely is: an IPv4 address, or a network of IPv6, of which everybody has a whole one (RFC
/// 6177). `None` for this machine.
fn counted(peer: Peer) -> Option<IpAddr> {
    match peer {
        Peer::Address(address) if address.is_loopback() => None,
        Peer::Address(IpAddr::V6(address)) => {
            Some(IpAddr::from((address.to_bits() >> 64 << 64).to_be_bytes()))
        }
        Peer::Address(address) => Some(address),
        Peer::Socket | Peer::Control(_) => None,
    }
}

/// A connection that counts.
#[derive(Debug)]
pub(super) struct Admitted(Option<(Arc<Peers>, IpAddr)>);

impl Drop for Admitted {
    fn drop(&mut self) {
        let Some((peers, address)) = &self.0 else { return };
        let mut peers = peers.0.lock().expect("no holder of the peers panics");
        if let Some(count) = peers.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                peers.remove(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_what_may_be_open() {
        for (descriptors, connections, files) in
            [(64, LEAST, LEAST), (1024, 297, 297), (4096, 1024, 1321), (usize::MAX, 1024, 4096)]
        {
            assert_eq!(Limits::of(descriptors), Limits { connections, files }, "{descriptors}");
        }
    }

    #[test]
    fn the_more_connections_the_fewer_requests_at_a_time() {
        for (connections, requests) in [(0, 32), (1, 32), (64, 32), (128, 16), (512, 4), (1024, 4)] {
            assert_eq!(streams(connections), requests, "{connections}");
        }
    }

    #[test]
    fn the_soft_limit_is_raised() {
        Limits::of_process();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn no_stranger_takes_all_connections() {
        let peers = Arc::new(Peers::default());
        let peer = |text: &str| Peer::Address(text.parse().unwrap());
        for (one, same, other) in [
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::1", "2001:db8:1:3::1"),
        ] {
            let mut admitted: Vec<_> = (0..MOST_OF_A_PEER).map(|_| peers.admit(peer(one)).unwrap()).collect();
            assert!(peers.admit(peer(same)).is_none());
            assert!(peers.admit(peer(other)).is_some());
            admitted.pop();
            assert!(peers.admit(peer(same)).is_some());
        }
        assert!(peers.0.lock().unwrap().is_empty());
        let local: Vec<_> = (0..1000).map(|_| peers.admit(peer("127.0.0.1"))).collect();
        assert!(local.iter().all(Option::is_some));
        assert!(peers.admit(Peer::Control(0)).is_some());
    }
}
