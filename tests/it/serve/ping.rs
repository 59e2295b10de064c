//! Clients of HTTP/2 that make the server send something without taking anything of an answer.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::serve::Scene;
use crate::serve::flood::frame;
use crate::serve::limits::keep;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

/// A connection on which each answer may have so many bytes at first.
fn open(address: SocketAddr, window: u32) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    let initial_window_size = [&[0, 4], &window.to_be_bytes()[..]].concat();
    stream.write_all(&frame(SETTINGS, 0, 0, &initial_window_size)).unwrap();
    stream
}

/// GET https://a/`path`
fn get(path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).unwrap();
    assert!(length < 127, "a longer one is written in another way");
    let fields = [&[0x82, 0x87, 0x01, 1, b'a', 0x04, length], path.as_bytes()].concat();
    frame(HEADERS, 0x5, 1, &fields)
}

/// Everything the server sends on a connection, frame by frame: the type and the payload. Ends when it is closed.
fn frames(stream: &TcpStream) -> impl Iterator<Item = (u8, Vec<u8>)> + use<> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    std::iter::from_fn(move || {
        let mut head = [0; 9];
        reader.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        reader.read_exact(&mut payload).ok()?;
        Some((head[3], payload))
    })
}

/// Sends PINGs until the server closes the connection. Says how long that took, and how many were acknowledged.
fn ping(mut stream: TcpStream) -> (Duration, usize) {
    let start = Instant::now();
    let frames = frames(&stream);
    let (closed, is_closed) = mpsc::channel();
    let reading = thread::spawn(move || {
        let acknowledged = frames.filter(|(kind, _)| *kind == PING).count();
        let _ = closed.send(());
        acknowledged
    });
    while is_closed.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
        assert!(start.elapsed() < Duration::from_secs(43), "it is still open");
        // It may be closed meanwhile.
        let _ = stream.write_all(&frame(PING, 0, 0, &[7; 8]));
    }
    (start.elapsed(), reading.join().unwrap())
}

/// Takes an answer a little at a time, and PINGs as well.
fn take_slowly(address: SocketAddr, path: &str, length: usize) -> Vec<u8> {
    const STEP: u32 = 4096;
    let mut stream = open(address, STEP);
    stream.write_all(&get(path)).unwrap();
    let mut content = Vec::new();
    for (kind, payload) in frames(&stream) {
        if kind != DATA {
            continue;
        }
        content.extend_from_slice(&payload);
        if content.len() == length {
            break;
        }
        if content.len() % STEP as usize == 0 {
            thread::sleep(Duration::from_secs(4));
            // What it finds closed is seen by the next read.
            let _ = stream.write_all(&frame(PING, 0, 0, &[7; 8]));
            let _ = stream.write_all(&frame(WINDOW_UPDATE, 0, 1, &STEP.to_be_bytes()));
        }
    }
    content
}

#[test]
fn pings_do_not_keep_a_connection_open_and_a_slow_reader_does() {
    let scene = Scene::new();
    let (path, bytes) = keep(&scene, 37_000);
    let (path, address) = (path.as_str(), scene.server.address);
    let expect = |name: &str, (took, acknowledged): (Duration, usize), seconds: Range<u64>| {
        let expected = Duration::from_secs(seconds.start)..Duration::from_secs(seconds.end);
        assert!(expected.contains(&took), "{name} was closed after {took:?}");
        assert!(acknowledged >= 5, "{name} had {acknowledged} answers only");
    };
    thread::scope(|scope| {
        let idle = scope.spawn(move || ping(open(address, 65_535)));
        let closed_window = scope.spawn(move || {
            let mut stream = open(address, 0);
            stream.write_all(&get(path)).unwrap();
            ping(stream)
        });
        let slow = scope.spawn(move || take_slowly(address, path, 37_000));
        expect("who asks nothing", idle.join().unwrap(), 9..15);
        expect("who takes nothing", closed_window.join().unwrap(), 29..40);
        assert!(slow.join().unwrap() == bytes, "a slow reader was cut off");
    });
}
