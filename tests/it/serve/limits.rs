//! Clients that keep the server waiting, and the end of it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use imgkeep::digest::Digest;
use rustix::process::{Pid, Signal, kill_process};

use crate::serve::Scene;
use crate::serve::client::{self, get};

/// Waits until the server closes a connection, and says how long that took.
fn until_closed(stream: &mut TcpStream) -> Duration {
    let start = Instant::now();
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("it is still open"),
        // closed in one way or the other
        _ => start.elapsed(),
    }
}

#[test]
fn a_connection_without_a_whole_request_is_closed_after_ten_seconds() {
    let scene = Scene::new();
    let address = scene.server.address;
    let begun = |bytes: &'static [u8]| {
        move |address: SocketAddr| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(bytes).unwrap();
            until_closed(&mut stream)
        }
    };
    let drip = |address: SocketAddr| {
        let mut stream = TcpStream::connect(address).unwrap();
        let mut dripping = stream.try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                for byte in b"GET / HTTP/1.1\r\nX: ".iter().chain([b'a'; 100].iter()) {
                    if dripping.write_all(&[*byte]).is_err() {
                        break;
                    }
                    sleep(Duration::from_millis(200));
                }
            });
            until_closed(&mut stream)
        })
    };
    let after_one = |address: SocketAddr| {
        let mut stream = TcpStream::connect(address).unwrap();
        sleep(Duration::from_secs(3));
        assert_eq!(client::on(&mut stream, &get("/none", &[])).status, 404);
        stream.write_all(b"GET / HTTP/1.1\r\nHost").unwrap();
        until_closed(&mut stream)
    };
    thread::scope(|scope| {
        let slow = [
            scope.spawn(move || begun(b"")(address)),
            scope.spawn(move || begun(b"P")(address)),
            scope.spawn(move || begun(b"GET / HTTP/1.1\r\nHost: a\r\n")(address)),
            scope.spawn(move || begun(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")(address)),
            scope.spawn(move || begun(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")(address)),
            scope.spawn(move || drip(address)),
            scope.spawn(move || after_one(address)),
        ];
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) {
            let asked = Instant::now();
            assert_eq!(scene.ask(&[]).status, 200);
            assert!(asked.elapsed() < Duration::from_secs(5), "others are not kept waiting");
            sleep(Duration::from_millis(100));
        }
        for (index, slow) in slow.into_iter().enumerate() {
            let took = slow.join().unwrap();
            let expected = Duration::from_secs(9)..Duration::from_secs(13);
            assert!(expected.contains(&took), "client {index} was closed after {took:?}");
        }
    });
}

/// A blob of so many bytes, under its own digest.
pub(super) fn keep(scene: &Scene, size: usize) -> (String, Vec<u8>) {
    let mut bytes = vec![0; size];
    fastrand::Rng::with_seed(7).fill(&mut bytes);
    let digest = Digest::of(&bytes).to_string();
    let path = format!("images/{}/{digest}.png", &digest[..2]);
    let file = scene.server.test.path(&format!("cache/{path}"));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, &bytes).unwrap();
    (format!("/{path}"), bytes)
}

#[test]
fn an_answer_that_nobody_reads_is_given_up_and_a_slow_reader_gets_it_whole() {
    let scene = Scene::new();
    let (path, bytes) = keep(&scene, 24 << 20);
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let mut stream = TcpStream::connect(scene.server.address).unwrap();
            stream.write_all(&get(&path, &["Connection: close"])).unwrap();
            let mut read = Vec::new();
            let mut chunk = vec![0; 1 << 20];
            loop {
                let length = stream.read(&mut chunk).unwrap();
                if length == 0 {
                    return read;
                }
                read.extend_from_slice(&chunk[..length]);
                sleep(Duration::from_secs_f64(length as f64 / 1e6));
            }
        });
        let mut stuck = TcpStream::connect(scene.server.address).unwrap();
        stuck.write_all(&get(&path, &[])).unwrap();
        sleep(Duration::from_secs(34));
        let mut read = Vec::new();
        // closed in one way or the other
        let _ = stuck.read_to_end(&mut read);
        assert!(read.len() < bytes.len(), "{} bytes were sent to nobody", read.len());
        assert!(slow.join().unwrap().ends_with(&bytes), "it was cut off");
    });
}

/// Whatever the system holds for a client, one of these answers has its end still in the server.
#[test]
fn the_end_of_an_answer_waits_for_its_reader_as_its_start_does() {
    let scene = Scene::new();
    let (path, bytes) = keep(&scene, 8 << 20);
    thread::scope(|scope| {
        for length in (1..=110).map(|n| n * 50_000) {
            let (path, bytes, address) = (&path, &bytes, scene.server.address);
            scope.spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                let range = format!("Range: bytes=0-{}", length - 1);
                stream.write_all(&get(path, &[&range, "Connection: close"])).unwrap();
                sleep(Duration::from_secs(14));
                let mut read = Vec::new();
                stream.read_to_end(&mut read).unwrap();
                assert!(read.ends_with(&bytes[..length]), "{length} bytes were cut off");
            });
        }
    });
}

#[test]
fn heads_have_limits() {
    let scene = Scene::new();
    let long = format!("X: {}", "a".repeat(70_000));
    assert_eq!(scene.ask(&[&long]).status, 431);
    let many: Vec<String> = (0..120).map(|n| format!("X-{n}: a")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(scene.ask(&many).status, 431);
    let long = format!("/?http://cdn.example/{}.jpg", "a".repeat(30_000));
    assert_eq!(scene.server.ask("GET", &long, &[]).status, 404);
    let longer = format!("/?http://cdn.example/{}.jpg", "a".repeat(70_000));
    assert!(matches!(scene.server.ask("GET", &longer, &[]).status, 414 | 431));
}

#[test]
fn asked_to_stop_it_finishes_what_is_under_way() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut scene = Scene::new();
        let (path, bytes) = keep(&scene, 24 << 20);
        let mut idle = TcpStream::connect(scene.server.address).unwrap();
        assert_eq!(client::on(&mut idle, &get("/none", &[])).status, 404);
        let mut busy = TcpStream::connect(scene.server.address).unwrap();
        busy.write_all(&get(&path, &[])).unwrap();
        let mut first = vec![0; 1000];
        busy.read_exact(&mut first).unwrap();

        kill_process(Pid::from_child(&scene.server.child), signal).unwrap();
        assert!(until_closed(&mut idle) < Duration::from_secs(2), "nobody waits for an idle client");
        assert!(TcpStream::connect(scene.server.address).is_err(), "no new ones");
        let mut rest = Vec::new();
        busy.read_to_end(&mut rest).unwrap();
        assert!(rest.ends_with(&bytes[bytes.len() - 1000..]), "the answer was cut off");
        assert_eq!(first.len() + rest.len() - body_start(&first), bytes.len());
        assert_eq!(scene.server.child.wait().unwrap().code(), Some(0));
    }
}

fn body_start(head: &[u8]) -> usize {
    memchr::memmem::find(head, b"\r\n\r\n").unwrap() + 4
}

#[test]
fn a_client_that_hangs_does_not_keep_it_from_stopping() {
    let mut scene = Scene::new();
    let (path, _) = keep(&scene, 24 << 20);
    let mut stuck = TcpStream::connect(scene.server.address).unwrap();
    stuck.write_all(&get(&path, &[])).unwrap();
    let mut half = TcpStream::connect(scene.server.address).unwrap();
    half.write_all(b"GET / HT").unwrap();
    assert_eq!(scene.ask(&[]).status, 200);
    let asked = Instant::now();
    kill_process(Pid::from_child(&scene.server.child), Signal::TERM).unwrap();
    assert_eq!(scene.server.child.wait().unwrap().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}
