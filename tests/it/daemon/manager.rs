//! The environment of a systemd unit, imitated.

use std::fs;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::running::{Daemon, until};
use super::{POST, is_archived, scene};
use crate::support::Test;

/// What the service manager is told.
struct Manager {
    told: Arc<Mutex<Vec<String>>>,
}

impl Manager {
    fn listen(socket: UnixDatagram) -> Self {
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let telling = Arc::clone(&told);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                telling.lock().unwrap().extend(text.lines().map(str::to_owned));
            }
        });
        Self { told }
    }

    fn count(&self, start: &str) -> usize {
        self.told.lock().unwrap().iter().filter(|line| line.starts_with(start)).count()
    }
}

#[test]
fn the_manager_is_told_of_the_whole_life() {
    let (_origin, test) = scene();
    test.write("posts/a.md", POST);
    let path = test.root().join("notify");
    let manager = Manager::listen(UnixDatagram::bind(&path).unwrap());
    let mut command = test.command("--format json daemon --listen 127.0.0.1:0");
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000");
    let mut daemon = Daemon::start_with(&mut command);
    until("it is ready", || manager.count("READY=1") == 1);
    assert!(manager.count("STATUS=watching 1 folder") >= 1, "{:?}", manager.told);
    until("it is alive", || manager.count("WATCHDOG=1") >= 5);
    daemon.signal(Signal::HUP);
    until("it is ready again", || manager.count("READY=1") == 2);
    let told = manager.told.lock().unwrap().clone();
    let at = |line: &str| told.iter().position(|told| told.starts_with(line)).unwrap();
    assert!(at("RELOADING=1") < at("MONOTONIC_USEC="), "{told:?}");
    daemon.stop();
    assert_eq!(manager.count("STOPPING=1"), 1);
}

#[test]
fn a_manager_in_the_abstract_is_told_too() {
    let (_origin, test) = scene();
    let name = format!("imgkeep-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = Manager::listen(UnixDatagram::bind_addr(&address).unwrap());
    let mut command = test.command("--format json daemon --listen 127.0.0.1:0");
    command.env("NOTIFY_SOCKET", format!("@{name}"));
    let mut daemon = Daemon::start_with(&mut command);
    until("it is ready", || manager.count("READY=1") == 1);
    daemon.stop();
    until("it says that it stops", || manager.count("STOPPING=1") == 1);
    assert_eq!(manager.count("WATCHDOG=1"), 0, "nobody asked for it");
}

/// Hands the socket to what is run, as sd_listen_fds(3) has it: as descriptor 3.
fn activated(test: &Test, listener: &TcpListener, words: &str) -> Command {
    let program = test.command(words);
    let script = "import os, sys\nos.dup2(int(sys.argv[1]), 3)\nos.environ['LISTEN_FDS'] = '1'\n\
                  os.environ['LISTEN_PID'] = str(os.getpid())\nos.set_inheritable(3, True)\n\
                  os.execv(sys.argv[2], sys.argv[2:])\n";
    let shell = format!("exec python3 -c \"$1\" 9 \"$2\" \"${{@:3}}\" 9<&{}", listener.as_raw_fd());
    let mut command = Command::new("bash");
    command.args(["-c", &shell, "bash", script]).arg(program.get_program()).args(program.get_args());
    command.current_dir(test.root()).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", test.root());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn sockets_that_the_manager_opened_are_served() {
    let (_origin, test) = scene();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Descriptors of this process are closed when another program takes its place, but for this one.
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).unwrap();
    let daemon = Daemon::start_with(&mut activated(&test, &listener, "--format json daemon"));
    assert_eq!(daemon.address, listener.local_addr().unwrap());
    assert!(daemon.agenda()["watched"].is_array());
    drop(daemon);
    let serving = Daemon::start_with(&mut activated(&test, &listener, "--format json serve"));
    assert_eq!(serving.address, listener.local_addr().unwrap());
    assert!(serving.get("/api/v1/runs")["runs"].is_array());
}

#[test]
fn the_state_directory_is_the_store_unless_it_is_said_otherwise() {
    let (_origin, test) = scene();
    test.write("posts/a.md", POST);
    let state = test.root().join("state");
    fs::create_dir(&state).unwrap();
    let mut command = test.command("--format json daemon --listen 127.0.0.1:0");
    command.env("STATE_DIRECTORY", format!("{}:/elsewhere", state.display()));
    let mut daemon = Daemon::start_with(&mut command);
    until("it is archived", || is_archived(&test, "posts/a.md"));
    assert!(state.join("catalog.db").is_file() && !test.path("cache").exists());
    daemon.stop();
    let mut command = test.command("--set store.path=mine status");
    let status = command.env("STATE_DIRECTORY", &state).output().unwrap();
    assert_eq!(status.status.code(), Some(0), "{}", String::from_utf8_lossy(&status.stderr));
    assert!(!String::from_utf8_lossy(&status.stdout).contains("cdn.example"));
}

#[test]
fn the_journal_is_given_priorities_and_no_times() {
    let (_origin, test) = scene();
    let log = test.root().join("log");
    let file = fs::File::create(&log).unwrap();
    let stat = rustix::fs::fstat(&file).unwrap();
    let mut command = test.command("daemon --listen 127.0.0.1:0");
    command.env("JOURNAL_STREAM", format!("{}:{}", stat.st_dev, stat.st_ino));
    let mut child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
    let said = || fs::read_to_string(&log).unwrap();
    until("it is at work", || said().contains("at work"));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    thread::sleep(Duration::from_millis(10));
    let said = said();
    assert!(said.lines().all(|line| line.starts_with('<') && line.as_bytes()[2] == b'>'), "{said}");
    assert!(said.contains("\n<6>at work") || said.starts_with("<6>"), "{said}");
    assert!(said.contains("<4>there is no such folder"), "{said}");
}
