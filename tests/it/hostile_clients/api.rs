//! The daemon, by its address and its control socket: contents that do not end, listeners that do not listen.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use crate::api::client::Daemon;
use crate::support::origin::{Answer, Origin};
use crate::support::rounds::rounds;
use crate::support::{Test, picture};

use super::{keep, may_open, withstands};

const URL: &str = "http://cdn.example/a.jpg";

/// A daemon with a run that lasts as long as the test, and the path of the run.
fn scene(origin: &Origin) -> (Daemon, String, String) {
    origin.answer(URL, Answer::image(picture::jpeg(1)).delay(Duration::from_secs(300)));
    let test = Test::new()
        .origin(origin)
        .set("daemon.allow", "[\"posts\"]")
        .set("fetch.timeout_secs", "300")
        .set("fetch.idle_timeout_secs", "290")
        .document("posts/a.md", format!("![]({URL})\n"));
    test.write("other.md", "nothing");
    test.run("archive other.md").expect_code(0);
    let small = keep(&test, 3_000);
    let daemon = Daemon::start(test);
    let run = daemon.archive_posts();
    (daemon, run, small)
}

#[test]
fn contents_without_end() {
    let origin = Origin::start();
    let (daemon, _, small) = scene(&origin);
    let (pid, address) = (daemon.pid(), daemon.address);
    let bearer = format!("Authorization: Bearer {}\r\n", daemon.token());
    let times = if rounds(1) > 1 { 100 } else { 20 };
    for (name, token) in [("contents of those who may order", &*bearer), ("contents of strangers", "")] {
        withstands(name, pid, address, &small, || {
            for framing in ["Content-Length: 9999999999", "Transfer-Encoding: chunked"] {
                for path in ["runs", "retries"] {
                    let mut streams: Vec<_> =
                        (0..times).map(|_| TcpStream::connect(address).unwrap()).collect();
                    for stream in &mut streams {
                        let head = format!(
                            "POST /api/v1/{path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
                             {token}{framing}\r\n\r\n"
                        );
                        stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
                        stream.write_all(head.as_bytes()).unwrap();
                        let chunk = [&b"4000\r\n"[..], &[b'['; 1 << 14], b"\r\n"].concat();
                        // It is refused before that.
                        let _ = (0..500).try_for_each(|_| stream.write_all(&chunk));
                    }
                    for mut stream in streams {
                        let mut answer = Vec::new();
                        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                        // a reset may overtake the answer
                        if let Err(error) = stream.read_to_end(&mut answer) {
                            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it was not answered");
                        }
                        let refused = answer.is_empty() || answer.starts_with(b"HTTP/1.1 4");
                        assert!(refused, "{}", String::from_utf8_lossy(&answer));
                    }
                }
            }
        });
    }
}

#[test]
fn a_thousand_listeners() {
    let origin = Origin::start();
    let (daemon, run, small) = scene(&origin);
    let (pid, address) = (daemon.pid(), daemon.address);
    if !may_open(3_000) {
        return;
    }
    let listen = format!("GET {run}/events HTTP/1.1\r\nHost: {address}\r\n\r\n");
    withstands("1,000 that listen to a run and read nothing", pid, address, &small, || {
        let mut listeners: Vec<_> = (0..1_000).map(|_| TcpStream::connect(address).unwrap()).collect();
        for stream in &mut listeners {
            // Some were idle for so long that others got their room.
            let _ = stream.write_all(listen.as_bytes());
        }
        thread::sleep(Duration::from_secs(2));
        let mut heard = 0;
        for stream in &mut listeners {
            let mut start = [0; 12];
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            if stream.read_exact(&mut start).is_ok() {
                heard += usize::from(start == *b"HTTP/1.1 200");
            }
        }
        assert!((1..=64).contains(&heard), "{heard} listen");
        // Those who give orders are still heard.
        assert_eq!(daemon.ask_by_socket("GET /api/v1/daemon", &[], "").status, 200);
    });
}

#[test]
fn a_crowd_at_the_control_socket() {
    let origin = Origin::start();
    let (daemon, _, small) = scene(&origin);
    let (pid, address) = (daemon.pid(), daemon.address);
    let many = if rounds(1) > 1 { 1_000 } else { 200 };
    if !may_open(3_000) {
        return;
    }
    let path = daemon.test.path("cache/control.sock");
    withstands(&format!("{many} at the control socket"), pid, address, &small, || {
        let crowd: Vec<UnixStream> = (0..many).map(|_| UnixStream::connect(&path).unwrap()).collect();
        assert_eq!(daemon.ask_by_socket("GET /api/v1/daemon", &[], "").status, 200);
        crowd
    });
}
