//! Every write and flush of a run is logged below the file system, and the disk is looked at as a power cut after each
//! flush would have left it: with all that was written before, and with any half of what was written after.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::disk::{Disk, FileSystem, Mount, can_cut, said};
use super::write_log::{Logger, WriteLog};
use crate::crash::scene::deed::Deed;
use crate::crash::scene::{Scene, Size, copy};
use crate::crash::tally::go_on;
use crate::support::rounds::rounds;

const SIZE: Size = Size { documents: 20, images: 24, pause: Duration::from_millis(120) };
/// How many moments are looked at by default.
const MOMENTS: usize = 5;

fn can_log() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let [image, log, exported] = ["image", "log", "exported"].map(|name| folder.path().join(name));
    File::create(&image).and_then(|file| file.set_len(1 << 20)).unwrap();
    said("a log of writes", &Logger::start(&image, &log, &exported).map(Logger::stop))
}

/// A run that was logged.
struct Recording {
    before: Disk,
    after: PathBuf,
    log: WriteLog,
    /// Documents that the program said were done, and how long the log was by then.
    said: BTreeMap<PathBuf, u64>,
    /// How long it was when the program ended.
    ended: u64,
}

fn record(scene: &Scene, system: FileSystem, folder: &Path) -> Recording {
    let [before, disk, log, exported] = ["before", "disk", "log", "exported"].map(|name| folder.join(name));
    let before = Disk::new(system, &before, |point| copy(&scene.start(), point).expect("there is room"));
    let disk = before.copy(&disk);
    let logger = Logger::start(&disk.image, &log, &exported).expect("it was tried");
    let mount = Mount::try_new(&exported, &scene.test.root(), system).expect("it was tried");
    let mut command = scene.command();
    let mut run = command.env("IMGKEEP_LOG", "imgkeep=info").stderr(Stdio::piped()).spawn().unwrap();
    let length = || log.metadata().unwrap().len();
    let mut said = BTreeMap::new();
    for line in BufReader::new(run.stderr.take().unwrap()).lines() {
        let (line, length) = (line.unwrap(), length());
        let document = line.split_once("rewritten document=").and_then(|(_, rest)| rest.split(' ').next());
        if let Some((_, document)) = document.and_then(|path| path.split_once("posts/")) {
            said.insert(PathBuf::from(document), length);
        }
    }
    assert!(run.wait().unwrap().success());
    let ended = length();
    mount.unmount();
    logger.stop();
    Recording { before, after: disk.image, log: WriteLog::open(&log), said, ended }
}

/// A disk that is played forward.
struct Replay<'a> {
    scene: &'a Scene,
    recording: &'a Recording,
    folder: &'a Path,
    /// Documents that were new at an earlier moment.
    done: BTreeSet<PathBuf>,
    looked: u32,
}

impl Replay<'_> {
    /// Looks at a copy of `disk`, on which requests up to `length` of the log are made, as after a power cut.
    fn look(&mut self, disk: &Disk, length: u64, when: &str) {
        let (scene, recording) = (self.scene, self.recording);
        let copy = disk.copy(&self.folder.join("copy"));
        let mount = copy.mount(&scene.test.root());
        scene.check(when);
        let done = scene.new_documents();
        let lost: Vec<_> = self.done.difference(&done).collect();
        assert!(lost.is_empty(), "{when}: {lost:?} were new at an earlier moment");
        for (document, said) in &recording.said {
            let is_there = *said > length || done.contains(document);
            assert!(is_there, "{when}: {} is lost, and was said to be done", document.display());
        }
        if recording.ended <= length {
            scene.assert_done(when);
        }
        go_on(scene, self.looked, when);
        mount.unmount();
        self.done = done;
        self.looked += 1;
    }
}

fn holds_at_every_flush(system: FileSystem, deed: Deed) {
    if !can_cut(system) || !can_log() {
        return;
    }
    let scene = Scene::new(deed, SIZE);
    let folder = tempfile::tempdir().unwrap();
    let recording = record(&scene, system, folder.path());
    let entries = &recording.log.entries;
    let flushes = entries.iter().filter(|entry| entry.is_flush()).count();
    let is_full = rounds(1) > 1;
    let every = if is_full { 1 } else { flushes.div_ceil(MOMENTS) };
    let disk = recording.before.copy(&folder.path().join("replayed"));
    let file = File::options().read(true).write(true).open(&disk.image).unwrap();
    let mut replay = Replay {
        scene: &scene,
        recording: &recording,
        folder: folder.path(),
        done: BTreeSet::new(),
        looked: 0,
    };
    let mut told: BTreeSet<u64> = recording.said.values().copied().chain([recording.ended]).collect();
    let (mut nth, mut torn, mut promises) = (0, 0, 0);
    for (index, entry) in entries.iter().enumerate() {
        // Something was promised when the log was so long.
        if told.first().is_some_and(|length| entry.end() > *length) {
            let length = told.pop_first().unwrap();
            replay.look(&disk, length, &format!("{system:?}, {}: when it was promised", deed.words()));
            promises += 1;
        }
        recording.log.replay(entry, &file);
        if !entry.is_flush() {
            continue;
        }
        nth += 1;
        if nth % every != 0 {
            continue;
        }
        let when = format!("{system:?}, {}: flush {nth} of {flushes}", deed.words());
        replay.look(&disk, entry.end(), &when);
        if is_full || nth % (every * 4) == 0 {
            let half = disk.copy(&folder.path().join("half"));
            let file = File::options().write(true).open(&half.image).unwrap();
            let later = entries[index + 1..].iter().take_while(|entry| !entry.is_flush());
            let some = later.filter(|_| fastrand::bool());
            some.for_each(|entry| recording.log.replay(entry, &file));
            // What it shows may be lost again.
            let done = replay.done.clone();
            replay.look(&half, entry.end(), &format!("{when} and half of what follows"));
            replay.done = done;
            torn += 1;
        }
    }
    let replayed = fs::read(&disk.image).unwrap() == fs::read(&recording.after).unwrap();
    assert!(replayed, "the log does not tell all that was written");
    println!(
        "{system:?}, {}: {} requests with {flushes} flushes; {} of these looked at, {torn} with half of what \
         follows, and {promises} moments at which something was said to be done; 0 lost",
        deed.words(),
        entries.len(),
        flushes / every,
    );
    assert!(flushes >= 10 && promises > 0, "only {flushes} flushes, {promises} promises");
}

#[test]
fn archive_on_ext4() {
    holds_at_every_flush(FileSystem::Ext4, Deed::Archive);
}

#[test]
fn archive_on_xfs() {
    holds_at_every_flush(FileSystem::Xfs, Deed::Archive);
}

#[test]
fn restore_on_ext4() {
    holds_at_every_flush(FileSystem::Ext4, Deed::Restore);
}

#[test]
fn follow_on_xfs() {
    holds_at_every_flush(FileSystem::Xfs, Deed::Follow);
}

#[test]
fn gc_on_ext4() {
    holds_at_every_flush(FileSystem::Ext4, Deed::Collect);
}

#[test]
fn repair_on_xfs() {
    holds_at_every_flush(FileSystem::Xfs, Deed::Repair);
}
