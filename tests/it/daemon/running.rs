//! A daemon that runs, and what it says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::Test;

/// What takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(90);

/// `imgkeep daemon` on a free port of loopback; killed when dropped.
pub(crate) struct Daemon {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    said: Arc<Mutex<String>>,
}

impl Daemon {
    /// Starts it and waits until it is at work.
    pub(crate) fn start(test: &Test) -> Self {
        let daemon = Self::start_with(&mut test.command("--format json daemon --listen 127.0.0.1:0"));
        until("it is at work", || daemon.said().contains("at work"));
        daemon
    }

    /// Starts it in this way, and waits until it listens.
    pub(crate) fn start_with(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the program was built");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let said = Arc::new(Mutex::new(String::new()));
        let saying = Arc::clone(&said);
        thread::spawn(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|read| read > 0) {
                saying.lock().unwrap().push_str(&line);
                line.clear();
            }
        });
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a pipe can be read");
        let said_first: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{error} in `{line}`: {}", said.lock().unwrap()));
        let address = said_first["listen"].as_str().and_then(|text| text.parse().ok());
        Self { child, address: address.expect("it is an address"), said }
    }

    /// All that it logged so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub(crate) fn get(&self, target: &str) -> Value {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        let request = format!("GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).expect("it is read");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("it answers");
        let (_, body) = reply.split_once("\r\n\r\n").expect("there is a body");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {reply}"))
    }

    /// The runs that archive, the newest first.
    pub(crate) fn runs(&self) -> Vec<Value> {
        let runs = self.get("/api/v1/runs")["runs"].as_array().expect("it is a list").clone();
        let chores = ["scrub", "gc"];
        runs.into_iter().filter(|run| chores.iter().all(|chore| run["kind"] != *chore)).collect()
    }

    /// The runs of one kind that went well.
    pub(crate) fn done(&self, kind: &str) -> usize {
        let runs = self.get("/api/v1/runs")["runs"].as_array().expect("it is a list").clone();
        runs.iter().filter(|run| run["kind"] == kind && run["state"] == "done").count()
    }

    pub(crate) fn agenda(&self) -> Value {
        self.get("/api/v1/daemon")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end: {}", self.said());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it as a service manager does, and says how long that took.
    pub(crate) fn stop(&mut self) -> Duration {
        let start = Instant::now();
        self.signal(Signal::TERM);
        let status = self.wait();
        assert!(status.success(), "{status}: {}", self.said());
        start.elapsed()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("the daemon said:\n{}", self.said());
        }
    }
}

/// Waits for something to come true.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not so after {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
