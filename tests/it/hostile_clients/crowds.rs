//! Many clients that do next to nothing.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::serve::client::{Server, get};
use socket2::SockRef;

use crate::support::Test;
use crate::support::rounds::rounds;

use super::{Victim, archive, connect, keep, may_open, sockets, withstands};

/// More than may be connected at a time, which is 1,024.
fn many() -> usize {
    if rounds(1) > 1 { 10_000 } else { 1_500 }
}

/// Two large crowds at a time are more than one process may have open.
static LARGE: Mutex<()> = Mutex::new(());

fn crowd(name: &str, first: &[u8], stay: Duration) {
    let _alone = (many() > 1_500).then(|| LARGE.lock().unwrap_or_else(PoisonError::into_inner));
    let victim = Victim::new();
    let (pid, address, many) = (victim.server.child.id(), victim.address(), many());
    if !may_open(many as u64 + 2_000) {
        return;
    }
    withstands(&format!("{many} that {name}"), pid, address, &victim.small, || {
        let mut crowd = Vec::new();
        for number in 0..many {
            let mut stream = connect(address, number);
            let _ = stream.write_all(first);
            crowd.push(stream);
        }
        // What it takes in at all, it has taken in by then.
        thread::sleep(Duration::from_secs(1));
        let open = sockets(pid);
        assert!(open < 1_024 + 30, "{open} sockets are open");
        let start = Instant::now();
        while start.elapsed() < stay {
            for stream in &mut crowd {
                // Most of them are closed by now.
                let _ = stream.write_all(&first[..first.len().min(1)]);
            }
            thread::sleep(Duration::from_millis(500));
        }
        // Nobody hangs up (a half-open connection looks the same): the server does.
        crowd
    });
}

#[test]
fn idle() {
    crowd("say nothing", b"", Duration::ZERO);
}

#[test]
fn halves_of_heads() {
    crowd(
        "say half of a head and a byte now and then",
        b"XGET / HTTP/1.1\r\nHost: a\r\n",
        Duration::from_secs(3),
    );
}

#[test]
fn half_a_preface() {
    crowd("begin to speak HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0", Duration::ZERO);
}

/// They are busy, and take all the room that there is: others get some when they have taken nothing for five seconds.
#[test]
fn readers_that_do_not_read() {
    let victim = Victim::new();
    let many = 1_500;
    if !may_open(many as u64 + 2_000) {
        return;
    }
    let (pid, address) = (victim.server.child.id(), victim.address());
    let before = tcp_memory();
    withstands(&format!("{many} that read nothing"), pid, address, &victim.small, || {
        let crowd = (0..many)
            .map(|number| {
                let mut stream = connect(address, number);
                // Else most of the image goes into buffers of the system.
                SockRef::from(&stream).set_recv_buffer_size(4_096).unwrap();
                stream.write_all(&get(&victim.large, &[])).unwrap();
                stream
            })
            .collect::<Vec<TcpStream>>();
        // Somebody asks when there is no room any more.
        thread::sleep(Duration::from_secs(1));
        let held = tcp_memory().saturating_sub(before);
        println!("hostile clients: the system holds {} KiB for {many} that read nothing", held >> 10);
        assert!(held < many as u64 * (256 << 10), "{held} bytes are held by the system");
        crowd
    });
}

/// What the system holds for all connections of the machine, in bytes, where a page is 4 KiB (`proc_net(5)`).
fn tcp_memory() -> u64 {
    let sockets = fs::read_to_string("/proc/net/sockstat").unwrap();
    let tcp = sockets.lines().find(|line| line.starts_with("TCP:")).unwrap();
    let pages: u64 = tcp.split(' ').next_back().unwrap().parse().unwrap();
    pages * 4_096
}

/// A process that may have 64 files open.
#[test]
fn hardly_any_files() {
    let test = archive();
    let small = keep(&test, 3_000);
    let command = test.command("serve --format json --listen 127.0.0.1:0");
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(test.root())
        .stdout(Stdio::piped());
    let limited = Server::run(Test::new(), limited);
    let (pid, address) = (limited.child.id(), limited.address);
    withstands("300 at 64 files", pid, address, &small, || {
        let crowd: Vec<TcpStream> = (0..300).map(|number| connect(address, number)).collect();
        thread::sleep(Duration::from_secs(1));
        crowd
    });
    drop(test);
}
