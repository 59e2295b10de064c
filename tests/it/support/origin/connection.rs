//! One connection: plain or TLS, one request after another.

use std::io::{self, Read, Write};
use std::iter;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};
use socket2::SockRef;

use super::World;
use super::answer::{Answer, End, Framing};
use super::request::Request;

/// The first byte of a TLS record that holds a ClientHello (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 0x16;
const MOST_HEAD: usize = 1 << 20;
const PIECE: usize = 64 << 10;

/// What follows an answer on its connection.
#[derive(Clone, Copy)]
enum Then {
    Next,
    /// An orderly end: over TLS, one that is announced (close_notify).
    Close,
    /// The end of the connection and no word of it, as when a server dies.
    Cut,
    Reset,
}

/// Accepts until the world stops, each connection on a thread of its own.
pub(super) fn accept(listener: &TcpListener, world: &Arc<World>) {
    for stream in listener.incoming() {
        if world.stopping.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let world = Arc::clone(world);
        thread::spawn(move || {
            {
                let mut state = world.state();
                state.opened += 1;
                state.open += 1;
            }
            // a client that goes away in the middle is none of the origin's business
            drop(converse(stream, &world));
            world.state().open -= 1;
        });
    }
}

fn converse(stream: TcpStream, world: &Arc<World>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut first = [0];
    if stream.peek(&mut first)? == 0 {
        return Ok(());
    }
    let socket = stream.try_clone()?;
    if first[0] == HANDSHAKE {
        let connection = ServerConnection::new(world.authority.config()).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        let then = answer_all(&mut stream, "https", world)?;
        if matches!(then, Then::Close) {
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        leave(then, &socket)
    } else {
        let mut stream = stream;
        let then = answer_all(&mut stream, "http", world)?;
        leave(then, &socket)
    }
}

/// Makes the close that follows a reset, when that is what follows (SO_LINGER of zero seconds).
fn leave(then: Then, socket: &TcpStream) -> io::Result<()> {
    match then {
        Then::Reset => SockRef::from(socket).set_linger(Some(Duration::ZERO)),
        Then::Next | Then::Close | Then::Cut => Ok(()),
    }
}

fn answer_all(stream: &mut (impl Read + Write), scheme: &str, world: &Arc<World>) -> io::Result<Then> {
    let mut read = Vec::new();
    while let Some(head) = next_head(stream, &mut read)? {
        let Some(request) = Request::parse(&head, scheme) else {
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
            return Ok(Then::Close);
        };
        let busy = Busy::new(Arc::clone(world), &request.host);
        let Some(answer) = world.respond(&request) else { return Ok(Then::Cut) };
        match send(stream, &answer, request.method == "HEAD", busy)? {
            Then::Next => {}
            then => return Ok(then),
        }
    }
    Ok(Then::Close)
}

/// The next request's head, without the empty line; `read` keeps what came after it. `None` at the end.
fn next_head(stream: &mut impl Read, read: &mut Vec<u8>) -> io::Result<Option<String>> {
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            read.drain(..end + 4);
            return Ok(Some(head));
        }
        let count = stream.read(&mut piece)?;
        if count == 0 || read.len() > MOST_HEAD {
            return Ok(None);
        }
        read.extend_from_slice(&piece[..count]);
    }
}

fn send(stream: &mut (impl Read + Write), answer: &Answer, head_only: bool, busy: Busy) -> io::Result<Then> {
    thread::sleep(answer.delay);
    let body: &[u8] = if head_only { &[] } else { &answer.body };
    let (shown, then) = match answer.end {
        End::KeepAlive => (body.len(), Then::Next),
        End::Close => (body.len(), Then::Close),
        End::CutAfter(bytes) | End::StallAfter(bytes) => (bytes, Then::Cut),
        End::ResetAfter(bytes) => (bytes, Then::Reset),
    };
    let (shown, rounds) =
        if answer.endless && !head_only { (body, usize::MAX) } else { (&body[..shown.min(body.len())], 1) };
    let (size, pause) = answer.drip.map_or((PIECE, Duration::ZERO), |drip| (drip.bytes, drip.pause));

    let mut pending = answer.head();
    let mut pieces = iter::repeat_n(shown, rounds).flat_map(|body| body.chunks(size)).peekable();
    while let Some(piece) = pieces.next() {
        if pause > Duration::ZERO {
            flush(stream, &mut pending)?;
            thread::sleep(pause);
        }
        frame(&mut pending, piece, answer.framing);
        if pieces.peek().is_some() {
            flush(stream, &mut pending)?;
        }
    }
    if matches!(answer.framing, Framing::Chunked) && shown.len() == body.len() && !head_only {
        pending.extend_from_slice(b"0\r\n\r\n");
    }
    // A client that has the last byte may ask again before this thread runs on, so the request ends first.
    drop(busy);
    flush(stream, &mut pending)?;
    if let End::StallAfter(_) = answer.end {
        io::copy(stream, &mut io::sink())?;
    }
    Ok(then)
}

fn flush(stream: &mut impl Write, pending: &mut Vec<u8>) -> io::Result<()> {
    stream.write_all(pending)?;
    pending.clear();
    stream.flush()
}

fn frame(out: &mut Vec<u8>, piece: &[u8], framing: Framing) {
    match framing {
        Framing::Chunked | Framing::Unterminated => {
            out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            out.extend_from_slice(piece);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Length | Framing::Claim(_) | Framing::UntilClose | Framing::Verbatim => {
            out.extend_from_slice(piece);
        }
    }
}

/// Counts a request among those of its host that are being answered, while it lives.
struct Busy {
    world: Arc<World>,
    host: String,
}

impl Busy {
    fn new(world: Arc<World>, host: &str) -> Self {
        let mut state = world.state();
        let load = state.loads.entry(host.to_owned()).or_default();
        load.now += 1;
        load.peak = load.peak.max(load.now);
        drop(state);
        Self { world, host: host.to_owned() }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(load) = self.world.state().loads.get_mut(&self.host) {
            // zero when the loads were forgotten while this request was being answered
            load.now = load.now.saturating_sub(1);
        }
    }
}
