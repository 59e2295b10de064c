//! Clients of HTTP/2 that make much of few bytes. What ends a connection by its own rules is in `serve/flood.rs`.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::hostile_servers::frames::{
    DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame,
};
use crate::support::rounds::rounds;

use super::{GROWTH, Victim, may_open, send, withstands, withstands_within};

/// A connection on which all windows are as large as can be.
fn open(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let widest = 0x7FFF_FFFF_u32;
    let greeting = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, &[&[0, 4], &widest.to_be_bytes()[..]].concat()),
        frame(WINDOW_UPDATE, 0, 0, &(widest - 65_535).to_be_bytes()),
    ];
    stream.write_all(&greeting.concat()).unwrap();
    stream
}

/// `method` is its number in the static table: 2 is GET, 3 is POST.
fn request(method: u8, path: &str, flags: u8, stream: u32) -> Vec<u8> {
    let length = u8::try_from(path.len()).expect("it is short");
    let head = [&[0x80 | method, 0x87, 0x01, 1, b'a', 0x04, length], path.as_bytes()].concat();
    frame(HEADERS, END_HEADERS | flags, stream, &head)
}

fn streams() -> impl Iterator<Item = u32> {
    (0..).map(|number| 2 * number + 1)
}

#[test]
fn frames_in_floods() {
    let victim = Victim::new();
    let (pid, address, small) = (victim.server.child.id(), victim.address(), &victim.small);
    let thousands = if rounds(1) > 1 { 1_000 } else { 50 };
    let flood = |name: &str, first: Vec<u8>, frames: Vec<u8>| {
        withstands(name, pid, address, small, || {
            let mut streams: Vec<_> = (0..4).map(|_| open(address)).collect();
            for stream in &mut streams {
                send(stream, &first, 1);
            }
            thread::scope(|scope| {
                for stream in &mut streams {
                    // It may be refused at any time; nothing that comes back is read.
                    scope.spawn(|| send(stream, &frames, thousands));
                }
            });
        });
    };
    let post = || request(3, "/healthz", 0, 1);
    flood("empty DATA", post(), frame(DATA, 0, 1, b"").repeat(1_000));
    flood("padded DATA", post(), frame(DATA, 8, 1, &[9; 10]).repeat(1_000));
    flood("PING", Vec::new(), frame(PING, 0, 0, &[7; 8]).repeat(1_000));
    flood("SETTINGS", Vec::new(), frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9]).repeat(1_000));
    flood("WINDOW_UPDATE", post(), frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes()).repeat(1_000));
    flood("PRIORITY", Vec::new(), frame(PRIORITY, 0, 3, &[0, 0, 0, 5, 16]).repeat(1_000));
    // A field of 4,000 bytes is put into the table once and named 15,000 times: 60 MB in each head.
    let large = [&[0x40, 1, b'x', 0x7F, 0xA1, 0x1E][..], &[b'a'; 4_000]].concat();
    let bombs: Vec<u8> = streams()
        .take(50)
        .flat_map(|stream| {
            let head = [&[0x82, 0x87, 0x84, 0x01, 1, b'a'][..], &large, &[0xBE; 12_000]].concat();
            frame(HEADERS, END_HEADERS | END_STREAM, stream, &head)
        })
        .collect();
    flood("HPACK", Vec::new(), bombs);
    withstands("rapid reset", pid, address, small, || {
        let mut stream = open(address);
        let many: Vec<u8> = streams()
            .take(1_000 * thousands)
            .flat_map(|stream| {
                let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
                [request(2, small, END_STREAM, stream), reset].concat()
            })
            .collect();
        assert!(!send(&mut stream, &many, 1), "it never had enough");
    });
}

/// As many answers as there may be, on many connections, and none of them is taken.
#[test]
fn answers_that_nobody_takes() {
    let victim = Victim::new();
    let (pid, address) = (victim.server.child.id(), victim.address());
    // `imgkeep-serve.service` may have 256 MiB, and has less than 50 to begin with.
    let (many, growth): (usize, u64) = if rounds(1) > 1 { (1_000, 150 << 10) } else { (64, GROWTH) };
    if !may_open(many as u64 + 2_000) {
        return;
    }
    let name = format!("{} answers of 24 MiB on {many} connections that nobody takes", many * 32);
    withstands_within(growth, &name, pid, address, &victim.small, || {
        let asked: Vec<u8> =
            streams().take(32).flat_map(|stream| request(2, &victim.large, END_STREAM, stream)).collect();
        let mut connections: Vec<_> = (0..many).map(|_| open(address)).collect();
        for stream in &mut connections {
            // Else it takes a while until the buffers of the system are full.
            SockRef::from(&*stream).set_recv_buffer_size(4_096).unwrap();
            send(stream, &asked, 1);
        }
        thread::sleep(Duration::from_secs(4));
        // They stay: the server ends them.
        connections
    });
}
