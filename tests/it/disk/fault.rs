//! System calls that fail when they are told to: `strace` gives them back an error instead of making them.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::support::Outcome;

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which call fails, how, and when: `7` is the seventh of a thread, `7+` that and all later ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) call: &'static str,
    pub(super) error: &'static str,
    pub(super) when: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} number {}", self.error, self.call, self.when)
    }
}

/// A call as `strace` wrote it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// Of one thread, from 1.
    pub(super) number: u32,
    /// The call and its answer; open files with their paths.
    pub(super) text: String,
}

impl Call {
    /// Whether it is about something below `root`, where relative paths begin.
    pub(super) fn is_below(&self, root: &Path) -> bool {
        let relative = |text: &str| {
            let path = text.split('"').nth(1).unwrap_or_default();
            path.starts_with("cache") || path.starts_with("posts")
        };
        // Rust takes it for a bug when a folder cannot be closed.
        let is_folder =
            |text: &str| text.split('>').next().is_some_and(|text| Path::new(text).extension().is_none());
        if self.text.starts_with("close(") && is_folder(&self.text) {
            return false;
        }
        let root = root.to_str().expect("it is UTF-8");
        // Which folder a relative path begins in is of no concern.
        let text = self
            .text
            .split_once("AT_FDCWD<")
            .map_or(&*self.text, |(_, rest)| rest.split_once('>').map_or(rest, |(_, rest)| rest));
        text.contains(root) || relative(text)
    }

    fn was_injected(&self) -> bool {
        self.text.ends_with("(INJECTED)")
    }
}

/// Whether system calls can be made to fail here.
pub(super) fn has_strace() -> bool {
    let tried = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let has = tried.is_ok_and(|status| status.success());
    if !has {
        println!("not tried: there is no strace, or nothing may be traced");
    }
    has
}

/// Runs `command` and lists its calls of one kind.
pub(super) fn listed(command: &Command, call: &str) -> (Outcome, Vec<Call>) {
    traced(command, call, &[])
}

/// Runs `command` with a fault; lists the calls that failed by it.
pub(super) fn injected(command: &Command, fault: &Fault) -> (Outcome, Vec<Call>) {
    let Fault { call, error, when } = fault;
    let (outcome, calls) = traced(command, call, &[format!("inject={call}:error={error}:when={when}")]);
    (outcome, calls.into_iter().filter(Call::was_injected).collect())
}

fn traced(command: &Command, call: &str, more: &[String]) -> (Outcome, Vec<Call>) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = |name: &str| folder.path().join(name);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-y", "-s", "0", "--seccomp-bpf", "-e", "signal=none"]);
    strace.args(["-e", &format!("trace={call}")]).arg("-o").arg(file("log"));
    for expression in more {
        strace.args(["-e", expression]);
    }
    // Every thread counts its own calls: with few threads the count means the same every time.
    strace.args(["taskset", "-c", "0"]);
    strace.arg(command.get_program()).args(command.get_args());
    strace.env_clear().env("TOKIO_WORKER_THREADS", "1");
    for (name, value) in command.get_envs() {
        value.map(|value| strace.env(name, value));
    }
    strace.env("PATH", std::env::var_os("PATH").expect("tests have one"));
    if let Some(folder) = command.get_current_dir() {
        strace.current_dir(folder);
    }
    let (out, err) = (File::create(file("out")), File::create(file("err")));
    strace.stdin(Stdio::null()).process_group(0);
    strace.stdout(out.expect("the folder can be written")).stderr(err.expect("the folder can be written"));
    let code = end(&mut strace.spawn().expect("strace is there"));
    let read = |name| String::from_utf8_lossy(&fs::read(file(name)).unwrap_or_default()).into_owned();
    (Outcome { code, stdout: read("out"), stderr: read("err"), peak: 0 }, parse(&read("log")))
}

/// The exit code; `None` for a program that hangs, and is killed with all that it started.
fn end(child: &mut Child) -> Option<i32> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return status.code();
        }
        thread::sleep(Duration::from_millis(2));
    }
    kill_process_group(Pid::from_child(child), Signal::KILL).expect("it is our group");
    child.wait().expect("it is our child");
    None
}

/// The calls of a log; one that another thread's call interrupted stands there in two parts.
fn parse(log: &str) -> Vec<Call> {
    let mut begun: HashMap<&str, String> = HashMap::new();
    let mut count: HashMap<&str, u32> = HashMap::new();
    let mut calls = Vec::new();
    for line in log.lines() {
        let Some((thread, text)) = line.split_once(' ') else { continue };
        let text = text.trim();
        if let Some(start) = text.strip_suffix("<unfinished ...>") {
            begun.insert(thread, start.trim_end().to_owned());
            continue;
        }
        let text = match text.strip_prefix("<... ") {
            Some(rest) => {
                let end = rest.split_once("resumed>").map_or("", |(_, end)| end);
                begun.remove(thread).unwrap_or_default() + end
            }
            None => text.to_owned(),
        };
        if text.starts_with("+++") || text.starts_with("---") {
            continue;
        }
        let number = count.entry(thread).or_default();
        *number += 1;
        calls.push(Call { number: *number, text });
    }
    calls
}

/// The numbers of the calls that are about something below `root`, whichever thread makes them.
pub(super) fn numbers(calls: &[Call], root: &Path) -> BTreeSet<u32> {
    let others: BTreeSet<u32> =
        calls.iter().filter(|call| !call.is_below(root)).map(|call| call.number).collect();
    let ours: BTreeSet<u32> = calls.iter().map(|call| call.number).collect();
    ours.difference(&others).copied().collect()
}
