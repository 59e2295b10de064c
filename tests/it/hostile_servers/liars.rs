//! A server that does one thing to whoever connects.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Longer nobody is lied to: who has not gone by then hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// What a server does on a connection. An error is a client that has gone.
pub(super) type Lies = Arc<dyn Fn(&mut TcpStream) -> io::Result<()> + Send + Sync>;

/// Stops listening when dropped.
pub(super) struct Liar {
    pub(super) address: SocketAddr,
    stopping: Arc<AtomicBool>,
}

impl Liar {
    pub(super) fn start(lies: Lies) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(mut stream), lies) = (stream, Arc::clone(&lies)) else { continue };
                thread::spawn(move || {
                    let patience = stream.set_write_timeout(Some(PATIENCE));
                    let patience = patience.and(stream.set_read_timeout(Some(PATIENCE)));
                    // Whoever has had enough goes.
                    let _ = patience.and_then(|()| lies(&mut stream));
                });
            }
        });
        Self { address, stopping }
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // wakes the thread that waits for a connection
        drop(TcpStream::connect(self.address));
    }
}

/// Reads a request up to the empty line.
pub(super) fn request(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Sends the same again and again until nobody takes it any more.
pub(super) fn flood(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        stream.write_all(bytes)?;
    }
    Ok(())
}

/// One byte after the other.
pub(super) fn drip(stream: &mut impl Write, byte: u8, pause: Duration) -> io::Result<()> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        stream.write_all(&[byte])?;
        stream.flush()?;
        thread::sleep(pause);
    }
    Ok(())
}

/// Says nothing until the client goes.
pub(super) fn wait(stream: &mut impl Read) -> io::Result<()> {
    io::copy(stream, &mut io::sink()).map(drop)
}
