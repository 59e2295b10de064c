//! Killed at each system call that changes the disk, one by one, by `strace`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::scene::deed::Deed;
use super::scene::{Scene, Size};
use super::tally::go_on;
use crate::support::rounds::rounds;

/// The system calls by which the program changes the disk.
const CALLS: &[&str] = &[
    "renameat2",
    "rename",
    "fsync",
    "fdatasync",
    "syncfs",
    "unlink",
    "unlinkat",
    "pwrite64",
    "write",
    "ftruncate",
    "mkdir",
];
/// Those between which it does so, for the full size.
const MORE_CALLS: &[&str] = &["openat", "fchmod", "utimensat", "flock", "close"];
/// No run of these few documents makes more of one call than this; by default the first of them are enough.
const MOST: u32 = 2_000;
const FIRST: u32 = 20;
const SIZE: Size = Size { documents: 10, images: 8, pause: Duration::ZERO };

/// `command` on one core with one worker, so that calls come in about the same order each time, killed at the `nth` call
/// of `call` in any of its threads: whether it was.
fn killed(command: &Command, call: &str, nth: u32) -> bool {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    strace.args(["-e", &format!("inject={call}:signal=KILL:when={nth}")]);
    if Path::new("/usr/bin/taskset").exists() {
        strace.args(["taskset", "-c", "0"]);
    }
    strace.arg(command.get_program()).args(command.get_args());
    strace.env_clear();
    for (name, value) in command.get_envs() {
        value.map(|value| strace.env(name, value));
    }
    strace.env("PATH", std::env::var_os("PATH").unwrap()).env("TOKIO_WORKER_THREADS", "1");
    if let Some(folder) = command.get_current_dir() {
        strace.current_dir(folder);
    }
    let status = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    // Else the program's own exit code.
    status.code().is_none()
}

fn has_strace() -> bool {
    // Tracing may be forbidden where it is installed.
    let tried = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let has = tried.is_ok_and(|status| status.success());
    if !has {
        println!("not tried: there is no strace that works; `crash::random` kills all the same");
    }
    has
}

fn survives_every_step(deed: Deed) {
    if !has_strace() {
        return;
    }
    let scene = Scene::new(deed, SIZE);
    // Every one in the full size, else ever fewer the further the run is; most of what a run is there for is in the first.
    let is_full = rounds(1) > 1;
    let (more, most) = if is_full { (MORE_CALLS, MOST) } else { (&[][..], FIRST) };
    let mut kills = 0;
    for call in CALLS.iter().chain(more) {
        let mut nth = 1;
        while nth < most {
            scene.reset();
            if !killed(&scene.command(), call, nth) {
                break;
            }
            kills += 1;
            let when = format!("{} killed at {call} number {nth}", deed.words());
            scene.check(&when);
            go_on(&scene, kills, &when);
            nth = match deed {
                _ if is_full => nth + 1,
                Deed::Archive => nth * 2,
                _ => nth * 4,
            };
        }
    }
    println!("{}: {kills} kills, each at another system call, 0 lost", deed.words());
    assert!(kills >= 10, "only {kills} kills: the calls that change the disk are others now");
}

#[test]
fn archive() {
    survives_every_step(Deed::Archive);
}

#[test]
fn restore() {
    survives_every_step(Deed::Restore);
}

#[test]
fn relink() {
    survives_every_step(Deed::Relink);
}

#[test]
fn follow() {
    survives_every_step(Deed::Follow);
}

#[test]
fn recall() {
    survives_every_step(Deed::Recall);
}

#[test]
fn repair() {
    survives_every_step(Deed::Repair);
}

#[test]
fn gc() {
    survives_every_step(Deed::Collect);
}
