//! Sockets that a service manager opened, and what it is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::serve::Scene;
use crate::serve::client::{self, get};

/// Binds a socket of each kind, as a service manager would, and becomes the program with them.
const MANAGER: &str = "
import os, socket, sys
tcp = socket.socket()
tcp.bind(('127.0.0.1', 0))
tcp.listen()
unix = socket.socket(socket.AF_UNIX)
unix.bind(sys.argv[1])
unix.listen()
print(tcp.getsockname()[1], flush=True)
tcp, unix = os.dup(tcp.fileno()), os.dup(unix.fileno())
tcp, unix = os.dup2(tcp, 30), os.dup2(unix, 31)
os.dup2(tcp, 3), os.dup2(unix, 4)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2')
os.execv(sys.argv[2], sys.argv[2:])
";

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn sockets_that_were_handed_over_are_served_and_the_manager_is_told() {
    let scene = Scene::new();
    let test = &scene.server.test;
    let notified = UnixDatagram::bind(test.path("notify")).unwrap();
    notified.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let told = || {
        let mut message = [0; 1000];
        let length = notified.recv(&mut message).expect("the manager is told");
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    let program = test.command("serve");
    let mut manager = Command::new("python3");
    manager
        .args(["-c", MANAGER])
        .arg(test.path("socket"))
        .arg(program.get_program())
        .args(program.get_args());
    manager.current_dir(test.root()).env("NOTIFY_SOCKET", test.path("notify")).stdout(Stdio::piped());
    let Ok(child) = manager.spawn() else { return println!("not tried: there is no python3") };
    let mut child = Killed(child);
    let ready = told();
    assert!(ready.lines().any(|line| line == "READY=1"), "{ready}");
    assert!(ready.lines().any(|line| line.starts_with("STATUS=serving `")), "{ready}");
    let mut said = vec![0; 200];
    let length = child.0.stdout.as_mut().unwrap().read(&mut said).unwrap();
    let port = String::from_utf8_lossy(&said[..length]).lines().next().unwrap().parse::<u16>().unwrap();

    let request = get(&scene.path, &["Connection: close"]);
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert!(client::on(&mut tcp, &request).body == scene.bytes);
    let mut unix = UnixStream::connect(test.path("socket")).unwrap();
    unix.write_all(&request).unwrap();
    let mut answer = Vec::new();
    unix.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.ends_with(&scene.bytes));

    // Whoever may open it is no owner of the archive, and of nobody is it known that they are on this machine.
    for (host, expected) in [("localhost", "401"), ("evil.test", "421")] {
        let mut unix = UnixStream::connect(test.path("socket")).unwrap();
        let request = format!("GET /api/v1 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        unix.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        unix.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{host}: {answer}");
    }

    kill_process(Pid::from_child(&child.0), Signal::TERM).unwrap();
    let stopping = told();
    assert!(stopping.lines().any(|line| line == "STOPPING=1"), "{stopping}");
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
}

#[test]
fn it_is_started_by_the_first_who_asks() {
    let scene = Scene::new();
    let test = &scene.server.test;
    // Nobody can keep a port free for another; the next free one is most likely still free then.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let program = test.command("serve");
    let mut activator = Command::new("systemd-socket-activate");
    activator.arg(format!("--listen={address}")).arg(program.get_program()).args(program.get_args());
    activator.current_dir(test.root()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(child) = activator.spawn() else {
        return println!("not tried: there is no systemd-socket-activate");
    };
    let _child = Killed(child);
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        sleep(Duration::from_millis(20));
    };
    assert!(client::on(&mut stream, &get(&scene.path, &[])).body == scene.bytes);
}
