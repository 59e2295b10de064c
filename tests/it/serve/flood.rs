//! Clients that want the server to be busy with them and with nobody else.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::{fs, iter, thread};

use crate::serve::Scene;
use crate::serve::client::Server;
use crate::support::Test;

/// The field `name` of /proc/PID/status, in KiB.
fn memory(scene: &Scene, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", scene.server.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches(|other: char| !other.is_ascii_digit()).parse().unwrap()
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
pub(super) fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(content);
    frame
}

fn open_http_2(scene: &Scene) -> TcpStream {
    let mut stream = TcpStream::connect(scene.server.address).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&frame(4, 0, 0, b"")).unwrap();
    stream
}

/// Whether the server ends the connection before it has taken all of it.
fn is_refused(stream: &mut TcpStream, mut frames: impl Iterator<Item = Vec<u8>>) -> bool {
    let mut reading = stream.try_clone().unwrap();
    let reader = thread::spawn(move || {
        // closed in one way or the other
        let _ = io::copy(&mut reading, &mut io::sink());
    });
    let refused = loop {
        let many: Vec<u8> = frames.by_ref().take(1000).flatten().collect();
        if many.is_empty() {
            break false;
        }
        if stream.write_all(&many).is_err() {
            break true;
        }
    };
    // A server that goes on serving ends it here.
    let _ = stream.shutdown(Shutdown::Both);
    reader.join().unwrap();
    refused
}

/// CVE-2023-44487, and MadeYouReset: requests that are taken back at once, by the client or by what it does wrong.
#[test]
fn requests_that_are_taken_back_at_once_end_the_connection() {
    let scene = Scene::new();
    let request = |stream| {
        // GET http / with the authority `a`
        frame(1, 0x5, stream, &[0x82, 0x86, 0x84, 0x01, 1, b'a'])
    };
    assert_eq!(scene.ask(&[]).status, 200);
    let before = memory(&scene, "VmRSS:");
    let streams = || (0..1_000_000_u32).map(|n| 2 * n + 1);
    let cancel = |stream| frame(3, 0, stream, &8_u32.to_be_bytes());
    // A window that grows by nothing is an error of the stream.
    let mistake = |stream| frame(8, 0, stream, &0_u32.to_be_bytes());
    let cancelled = streams().flat_map(|stream| [request(stream), cancel(stream)]);
    let mistaken = streams().flat_map(|stream| [request(stream), mistake(stream)]);
    for (name, refused) in [
        ("cancelled", is_refused(&mut open_http_2(&scene), cancelled)),
        ("mistaken", is_refused(&mut open_http_2(&scene), mistaken)),
    ] {
        assert!(refused, "{name}: it never had enough");
        assert_eq!(scene.ask(&[]).status, 200);
    }
    let grown = memory(&scene, "VmHWM:").saturating_sub(before);
    assert!(grown < 20 * 1024, "{grown} KiB");
}

/// CVE-2024-27316: a head that never ends.
#[test]
fn a_head_without_end_is_given_up() {
    let scene = Scene::new();
    assert_eq!(scene.ask(&[]).status, 200);
    let before = memory(&scene, "VmRSS:");
    let mut attacker = open_http_2(&scene);
    let head = frame(1, 0, 1, &[0x82, 0x86, 0x84, 0x01, 1, b'a']);
    // fields that are not put into the table: `x: ` and a hundred letters
    let mut field = vec![0, 1, b'x', 100];
    field.extend_from_slice(&[b'a'; 100]);
    let more = frame(9, 0, 1, &field.repeat(100));
    let frames = iter::once(head).chain(iter::repeat_n(more, 10_000));
    assert!(is_refused(&mut attacker, frames), "100 MB of a head were taken");
    assert_eq!(scene.ask(&[]).status, 200);
    let grown = memory(&scene, "VmHWM:").saturating_sub(before);
    assert!(grown < 20 * 1024, "{grown} KiB");
}

#[test]
fn idle_clients_make_room_for_others() {
    let Scene { server, path, .. } = Scene::new();
    // 10 connections are left of so many files.
    let command = server.test.command("serve --format json --listen 127.0.0.1:0");
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -n 162; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args());
    limited.current_dir(server.test.root()).stdout(Stdio::piped());
    let limited = Server::run(Test::new(), limited);
    let mut busy = TcpStream::connect(limited.address).unwrap();
    busy.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").unwrap();
    let mut idle: Vec<TcpStream> = (0..25).map(|_| TcpStream::connect(limited.address).unwrap()).collect();
    assert_eq!(limited.ask("GET", &path, &[]).status, 200);
    let is_open = |stream: &mut TcpStream| {
        stream.set_nonblocking(true).unwrap();
        stream.read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    };
    assert!(!is_open(&mut busy), "it said half of a head, and was there first");
    let open = idle.iter_mut().map(is_open).filter(|open| *open).count();
    assert!(open <= 10, "{open} are open: there are more connections than files for them");
    assert!(is_open(idle.last_mut().unwrap()), "those who came last are still here");
}
