//! What strangers may send to the server, and what strangers' documents may have it show.

mod headers;
mod hosts;
mod leaks;
mod markup;
mod scripts;
mod sites;
mod smuggling;
mod sockets;
mod strings;
mod tokens;
mod traversal;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends these bytes, and reads all that is said to them until the connection is closed.
fn raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is no zero");
    // What is refused early may not be read to its end.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        // A reset may overtake the answer; silence is none.
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "neither answered nor closed");
    }
    answer
}

/// The statuses of all answers in what a server said. Bodies that hold a status line of their own would be counted, too.
fn statuses(answer: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answer);
    let lines = text.match_indices("HTTP/1.1 ").map(|(at, start)| &text[at + start.len()..]);
    lines.filter_map(|rest| rest.get(..3)?.parse().ok()).collect()
}
