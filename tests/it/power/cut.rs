//! The file system is shut down in the middle of a run, and mounted again.

use std::fs::{self, File};
use std::ops::Range;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use super::disk::{Disk, FileSystem, can_cut};
use crate::crash::scene::deed::Deed;
use crate::crash::scene::{Scene, Size, copy};
use crate::crash::tally::{Moment, Tally, go_on, until};
use crate::support::rounds::rounds;

const DEEDS: [Deed; 6] =
    [Deed::Archive, Deed::Restore, Deed::Relink, Deed::Collect, Deed::Repair, Deed::Follow];

/// How long a run may take to notice that its disk is gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Few enough for each file to be synced by itself, and so many that their file system is.
const SIZES: [Size; 2] = [
    Size { documents: 12, images: 12, pause: Duration::from_millis(250) },
    Size { documents: 50, images: 80, pause: Duration::from_millis(40) },
];

/// What it ended with, if it does.
fn end(mut child: Child) -> Option<i32> {
    let cut = Instant::now();
    while cut.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// A cut for each number of `rounds`, in every eighth of them just after the program said that all was done.
fn survives_cuts(system: FileSystem, deed: Deed, size: Size, rounds: Range<u32>) -> Tally {
    if rounds.is_empty() {
        return Tally::default();
    }
    let scene = Scene::new(deed, size);
    let folder = tempfile::tempdir().unwrap();
    let before = Disk::new(system, &folder.path().join("before"), |point| {
        copy(&scene.start(), point).expect("there is room");
    });
    let mut tally = Tally::default();
    for round in rounds {
        let disk = before.copy(&folder.path().join("disk"));
        let mount = disk.mount(&scene.test.root());
        let moment = match round % 8 {
            0 => Moment::AfterStart(Duration::MAX),
            _ => Moment::random(&scene, round),
        };
        let run = until(&scene, moment);
        mount.cut();
        let code = end(run.child);
        mount.unmount();
        let mount = disk.mount(&scene.test.root());
        let when = format!("{system:?}, {} {round}, cut {moment:?} of {:?}", deed.words(), scene.took);
        tally.count(&scene, run.had_ended, &when);
        // Whatever it noticed of the cut: what it says is done is done.
        if code == Some(0) {
            scene.assert_done(&when);
        }
        assert!(round % 8 != 0 || code == Some(0), "{when}: {code:?}");
        go_on(&scene, round, &when);
        mount.unmount();
    }
    tally
}

fn survives(system: FileSystem) {
    if !can_cut(system) {
        return;
    }
    let rounds = rounds(6);
    let mut all = Tally::default();
    let deeds = DEEDS.len() as u32;
    for (index, deed) in (0..).zip(DEEDS) {
        let share = rounds / deeds + u32::from(index < rounds % deeds);
        // Both sizes where there are rounds for it.
        let large = if share > 4 { share / 2 } else { 0 };
        let first = index;
        let middle = first + share - large;
        all.add(&survives_cuts(system, deed, SIZES[0], first..middle));
        all.add(&survives_cuts(system, deed, SIZES[1], middle..middle + large));
    }
    println!("{system:?}: {rounds} power cuts: {all}");
    assert!(all.untouched + all.late < rounds, "no cut fell into the work");
}

#[test]
fn ext4() {
    survives(FileSystem::Ext4);
}

#[test]
fn xfs() {
    survives(FileSystem::Xfs);
}

/// Else the tests above would prove nothing.
#[test]
fn what_was_not_synced_is_lost() {
    for system in [FileSystem::Ext4, FileSystem::Xfs].into_iter().filter(|system| can_cut(*system)) {
        let folder = tempfile::tempdir().unwrap();
        let point = folder.path().join("mounted");
        fs::create_dir(&point).unwrap();
        let disk = Disk::new(system, &folder.path().join("disk"), |_| {});
        let mount = disk.mount(&point);
        let [synced, renamed, written] = ["synced", "renamed", "written"].map(|name| point.join(name));
        let sync = |path| File::open(path).and_then(|file| file.sync_all()).unwrap();
        fs::write(&synced, "synced").unwrap();
        sync(&synced);
        sync(&point);
        fs::write(&renamed, "new").unwrap();
        sync(&renamed);
        fs::rename(&renamed, &synced).unwrap();
        fs::write(&written, "written").unwrap();
        mount.cut();
        assert!(fs::write(point.join("late"), "late").is_err(), "{system:?} goes on");
        mount.unmount();
        let mount = disk.mount(&point);
        assert_eq!(fs::read_to_string(&synced).unwrap(), "synced", "{system:?} renamed without a sync");
        assert_eq!(fs::read_to_string(&renamed).unwrap(), "new", "{system:?}");
        assert!(fs::read(&written).is_ok_and(|bytes| bytes.is_empty()) || !written.exists(), "{system:?}");
        mount.unmount();
    }
}
