//! Waits until nobody is at work on a file.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// The pair that names a file, as `Stat::id` gives it.
type Id = (u64, u64);

/// Sleeps until the youngest of `changes` is `age` old. A time that is further in the future than that
/// says nothing of when the file changed, and is not waited for.
pub(super) fn wait_until_old(changes: impl Iterator<Item = SystemTime>, age: Duration) {
    let now = SystemTime::now();
    let left = |change: SystemTime| match now.duration_since(change) {
        Ok(elapsed) => age.saturating_sub(elapsed),
        Err(ahead) if ahead.duration() < age => age,
        Err(_) => Duration::ZERO,
    };
    sleep(changes.map(left).max().unwrap_or_default());
}

/// Which of `files` are still open for writing after at most `patience`.
pub(super) fn wait_until_closed(files: &HashSet<Id>, patience: Duration) -> HashSet<Id> {
    let start = Instant::now();
    loop {
        let open = open_for_writing(files);
        if open.is_empty() || start.elapsed() >= patience {
            return open;
        }
        sleep(Duration::from_millis(20).min(patience));
    }
}

/// Which of `files` some process holds open for writing (proc_pid_fd(5)). Processes
/// that the system hides from us, other users' mostly, are not seen.
pub(super) fn open_for_writing(files: &HashSet<Id>) -> HashSet<Id> {
    let mut open = HashSet::new();
    if files.is_empty() {
        return open;
    }
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if !process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        for held in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            // The link's own permissions are the access mode it was opened with.
            let is_writer = held.metadata().is_ok_and(|link| link.mode() & 0o200 != 0);
            if !is_writer {
                continue;
            }
            match fs::metadata(held.path()) {
                Ok(file) if files.contains(&(file.dev(), file.ino())) => {
                    open.insert((file.dev(), file.ino()));
                }
                Err(error) if error.kind() == ErrorKind::PermissionDenied => break,
                _ => {}
            }
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::files::stat::Stat;

    #[test]
    fn writers_are_seen_and_readers_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let writer = File::create(&path).unwrap();
        let files = HashSet::from([Stat::of(&path).unwrap().id()]);
        assert_eq!(open_for_writing(&files), files);
        assert_eq!(wait_until_closed(&files, Duration::from_millis(30)), files);
        drop(writer);
        let _reader = File::open(&path).unwrap();
        assert_eq!(wait_until_closed(&files, Duration::ZERO), HashSet::new());
    }

    #[test]
    fn only_the_young_are_waited_for() {
        let check = |change: SystemTime, expected: bool| {
            let start = Instant::now();
            wait_until_old([change].into_iter(), Duration::from_millis(40));
            assert_eq!(start.elapsed() >= Duration::from_millis(30), expected);
        };
        let now = SystemTime::now();
        check(now, true);
        check(now - Duration::from_secs(1), false);
        check(now + Duration::from_secs(3600), false);
    }
}
