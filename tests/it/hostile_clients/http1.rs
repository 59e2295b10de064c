//! Clients of HTTP/1.1 that send too much, or in a way that two readers would take for two things.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use crate::serve::client::get;
use crate::support::rounds::rounds;

use super::{Victim, send, withstands};

/// All that comes back until the connection is closed, however.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut read = Vec::new();
    if let Err(error) = stream.read_to_end(&mut read) {
        assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "it is still open");
    }
    read
}

fn statuses(answers: &[u8]) -> Vec<&[u8]> {
    memchr::memmem::find_iter(answers, b"HTTP/1.1 ").map(|at| &answers[at + 9..at + 12]).collect()
}

#[test]
fn heads_bodies_ranges_and_pipelines() {
    let victim = Victim::new();
    let (pid, address, small) = (victim.server.child.id(), victim.address(), &victim.small);
    let times = if rounds(1) > 1 { 100 } else { 20 };
    let run = |name: &str, attack: &dyn Fn()| withstands(name, pid, address, small, attack);
    let each = |bytes: &[u8], count: usize| {
        let mut streams: Vec<_> = (0..times).map(|_| TcpStream::connect(address).unwrap()).collect();
        for stream in &mut streams {
            send(stream, b"GET / HTTP/1.1\r\nHost: a\r\n", 1);
            send(stream, bytes, count);
        }
        for mut stream in streams {
            let answers = rest(&mut stream);
            // a reset may overtake the answer
            assert!(matches!(statuses(&answers)[..], [] | [b"400" | b"413" | b"431"]), "{answers:?}");
        }
    };
    run("10,000 fields", &|| each(&b"X: a\r\n".repeat(100), 100));
    run("a field of 1 MB", &|| each(&[b'a'; 1 << 14], 64));
    run("bodies that nobody wants", &|| {
        for head in ["Content-Length: 9999999999\r\n", "Transfer-Encoding: chunked\r\n"] {
            let mut stream = TcpStream::connect(address).unwrap();
            write!(stream, "POST {small} HTTP/1.1\r\nHost: a\r\n{head}\r\n").unwrap();
            send(&mut stream, &[&b"4000\r\n"[..], &[b'a'; 1 << 14], b"\r\n"].concat(), 1_000);
            let answers = rest(&mut stream);
            assert!(matches!(statuses(&answers)[..], [] | [b"405" | b"413"]), "{answers:?}");
        }
    });
    run("ranges", &|| {
        let many: String = (0..1_000).map(|n| format!("{n}-{n},")).collect();
        let overlapping = "0-,".repeat(1_000);
        for (range, status, length) in [
            (format!("bytes={many}"), 200, 3_000),
            (format!("bytes={overlapping}"), 200, 3_000),
            (format!("bytes=0-{}", u128::from(u64::MAX) + 1), 206, 3_000),
            ("bytes=-0".into(), 416, 0),
            (format!("bytes=-{}", u64::MAX), 206, 3_000),
            ("bytes=-".into(), 200, 3_000),
            (format!("bytes={}-{}", u64::MAX, u64::MAX), 416, 0),
        ] {
            for _ in 0..times {
                let reply = victim.server.ask("GET", small, &[&format!("Range: {range}")]);
                assert_eq!(
                    (reply.status, reply.body.len()),
                    (status, length),
                    "{}",
                    &range[..range.len().min(40)]
                );
            }
        }
    });
    run("10,000 requests at once", &|| {
        let mut stream = TcpStream::connect(address).unwrap();
        let mut sending = stream.try_clone().unwrap();
        let last = get("/none", &["Connection: close"]);
        let requests = [get(small, &["If-None-Match: *"]).repeat(9_999), last].concat();
        thread::spawn(move || send(&mut sending, &requests, 1));
        let answers = rest(&mut stream);
        let statuses = statuses(&answers);
        assert!(
            statuses.len() == 10_000 && statuses.iter().take(9_999).all(|status| status == b"304"),
            "{}",
            statuses.len()
        );
    });
    run("10,000 requests for 24 MiB whose answers nobody reads", &|| {
        let mut streams: Vec<_> = (0..times).map(|_| TcpStream::connect(address).unwrap()).collect();
        for stream in &mut streams {
            stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
            let _ = stream.write_all(&get(&victim.large, &[]).repeat(10_000 / times));
        }
        thread::sleep(Duration::from_secs(2));
    });
    run("requests that can be read in two ways", &|| {
        let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
        let length = hidden.len();
        for fields in [
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
            format!("Content-Length: {length}\r\nContent-Length: 0\r\n"),
            format!("Content-Length: {length}, 0\r\n"),
            format!("Content-Length: +{length}\r\n"),
            "Transfer-Encoding: xchunked\r\n".into(),
            "Transfer-Encoding: chunked, identity\r\n".into(),
            "Transfer-Encoding : chunked\r\n".into(),
            " Transfer-Encoding: chunked\r\n".into(),
            "Transfer-Encoding:\x0bchunked\r\n".into(),
            format!("Content-Length\0: {length}\r\n"),
        ] {
            let mut stream = TcpStream::connect(address).unwrap();
            write!(stream, "GET /healthz HTTP/1.1\r\nHost: a\r\n{fields}\r\n0\r\n\r\n{hidden}").unwrap();
            let _ = stream.shutdown(Shutdown::Write);
            let answers = rest(&mut stream);
            let statuses = statuses(&answers);
            assert!(
                statuses.len() <= 1 && statuses.first().is_none_or(|status| status[0] == b'4'),
                "{fields:?}: {statuses:?}"
            );
        }
    });
}
