//! Whether there is room for images.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::statvfs;

/// With less than this nothing is fetched, so that others on the disk still find a little.
const RESERVE: u64 = 32 << 20;
/// On a small disk it is this part of it.
const PART: u64 = 50;
/// Room that is worth another try after there was too little.
const WORTH_A_TRY: u64 = 1 << 20;

/// Free bytes of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    free: u64,
    whole: u64,
}

impl Room {
    /// On the disk of `path`; `None` where the system does not say.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let disk = statvfs(path).ok()?;
        Some(Self {
            free: disk.f_bavail.saturating_mul(disk.f_frsize),
            whole: disk.f_blocks.saturating_mul(disk.f_frsize),
        })
    }

    /// Whether there is less than the reserve. A file system that has no size is never full.
    pub(super) fn is_short(self) -> bool {
        self.whole > 0 && self.free < RESERVE.min(self.whole / PART)
    }
}

/// A time in which nothing is fetched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    /// How much room there was when it began.
    free: u64,
    /// When it ends even if there is no more room than that.
    until: Instant,
    /// How long it was to last.
    length: Duration,
}

impl Pause {
    const FIRST: Duration = Duration::from_secs(60);
    const LONGEST: Duration = Duration::from_secs(3600);

    /// Begins at `now`; `before` is the pause that ended in vain.
    pub(super) fn begin(room: Option<Room>, before: Option<Self>, now: Instant) -> Self {
        let length = before.map_or(Self::FIRST, |before| (before.length * 2).min(Self::LONGEST));
        Self { free: room.map_or(0, |room| room.free), until: now + length, length }
    }

    /// Whether it is over.
    pub(super) fn is_over(self, room: Option<Room>, now: Instant) -> bool {
        match room {
            Some(room) if room.is_short() => false,
            Some(room) => room.free >= self.free.saturating_add(WORTH_A_TRY) || now >= self.until,
            None => now >= self.until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_short_of_room_by_its_size() {
        let check = |free, whole, expected| {
            assert_eq!(Room { free, whole }.is_short(), expected, "{free} of {whole}");
        };
        check(0, 0, false);
        check(31 << 20, 1 << 40, true);
        check(33 << 20, 1 << 40, false);
        check(300 << 10, 8 << 20, false);
        check(100 << 10, 8 << 20, true);
        assert!(Room::of(Path::new("/")).unwrap().whole > 0);
    }

    #[test]
    fn a_pause_ends_when_there_is_room_or_in_time() {
        let (now, whole) = (Instant::now(), 8 << 20);
        let room = |free| Some(Room { free, whole });
        let pause = Pause::begin(room(1 << 20), None, now);
        assert!(!pause.is_over(room(1 << 20), now));
        assert!(pause.is_over(room(2 << 20), now), "somebody made room");
        assert!(pause.is_over(room(1 << 20), now + Pause::FIRST), "perhaps it is enough for others");
        assert!(!pause.is_over(room(0), now + Pause::FIRST));
        let again = Pause::begin(room(1 << 20), Some(pause), now);
        assert!(!again.is_over(room(1 << 20), now + Pause::FIRST));
    }
}
