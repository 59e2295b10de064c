//! Clients that want the server's memory, its connections or its time, and one in between that only wants an image: it is
//! served throughout, memory stays bounded, and when they are gone, or have been sent away, their sockets are too.

mod api;
mod crowds;
mod http1;
mod http2;
mod tools;

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use imgkeep::digest::Digest;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::serve::client::{Server, get, on};
use crate::support::Test;
use crate::support::memory::memory;

/// How much more memory an attack may cost, in KiB.
const GROWTH: u64 = 50 << 10;
/// In which all sockets are closed again: nobody is waited for longer than 30 seconds.
const GONE: Duration = Duration::from_secs(100);
/// What is large: nobody's buffers hold it.
const LARGE: usize = 24 << 20;

/// A server with a small image and a large one.
struct Victim {
    server: Server,
    small: String,
    large: String,
}

impl Victim {
    fn new() -> Self {
        let test = archive();
        let (small, large) = (keep(&test, 3_000), keep(&test, LARGE));
        Self { server: Server::start(test, "serve"), small, large }
    }

    fn address(&self) -> SocketAddr {
        self.server.address
    }
}

fn archive() -> Test {
    let test = Test::new().document("a.md", "nothing");
    test.run("archive a.md").expect_code(0);
    test
}

/// A blob of so many bytes, under its own digest; its path.
fn keep(test: &Test, size: usize) -> String {
    let mut bytes = vec![0; size];
    fastrand::Rng::with_seed(7).fill(&mut bytes);
    let digest = Digest::of(&bytes).to_string();
    let path = format!("images/{}/{digest}.png", &digest[..2]);
    let file = test.path(&format!("cache/{path}"));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, &bytes).unwrap();
    format!("/{path}")
}

/// Runs `attack` while somebody asks `address` for the image at `path`, and holds the process `pid` to all of the above.
/// What `attack` returns is let go once the sockets are counted.
fn withstands<T>(name: &str, pid: u32, address: SocketAddr, path: &str, attack: impl FnOnce() -> T) {
    withstands_within(GROWTH, name, pid, address, path, attack);
}

/// The same, where it may cost `growth` KiB.
fn withstands_within<T>(
    growth: u64,
    name: &str,
    pid: u32,
    address: SocketAddr,
    path: &str,
    attack: impl FnOnce() -> T,
) {
    assert_eq!(on(&mut TcpStream::connect(address).unwrap(), &get(path, &["Connection: close"])).status, 200);
    settled(pid, 0);
    let (sockets, before) = (sockets(pid), memory(pid, "VmRSS").unwrap());
    // What was most so far is forgotten (proc(5)).
    fs::write(Path::new("/proc").join(pid.to_string()).join("clear_refs"), "5").unwrap();
    let over = AtomicBool::new(false);
    let (mut latencies, held) = thread::scope(|scope| {
        let bystander = scope.spawn(|| bystander(address, path, &over));
        let attack = catch_unwind(AssertUnwindSafe(attack));
        // Whoever came in the end is served as well.
        thread::sleep(Duration::from_millis(300));
        over.store(true, Ordering::Relaxed);
        let latencies = bystander.join().expect("the bystander is served");
        (latencies, attack.unwrap_or_else(|panic| resume_unwind(panic)))
    });
    let peak = memory(pid, "VmHWM").expect("it is alive");
    let start = Instant::now();
    let left = settled(pid, sockets);
    latencies.sort_unstable();
    let milliseconds = |latency: Duration| latency.as_secs_f64() * 1000.0;
    println!(
        "hostile clients, {name}: {} KiB more, {} requests of others served, median {:.1} ms, slowest {:.1} ms; sockets \
         gone after {:.1} s",
        peak.saturating_sub(before),
        latencies.len(),
        milliseconds(latencies[latencies.len() / 2]),
        milliseconds(*latencies.last().unwrap()),
        start.elapsed().as_secs_f64(),
    );
    assert!(left <= sockets, "{name}: {left} sockets are left of {sockets} before");
    assert!(peak.saturating_sub(before) < growth, "{name}: {} KiB more than {before}", peak - before);
    drop(held);
}

/// Asks for `path` again and again; each time it gets it.
fn bystander(address: SocketAddr, path: &str, over: &AtomicBool) -> Vec<Duration> {
    let mut latencies = Vec::new();
    while !over.load(Ordering::Relaxed) || latencies.is_empty() {
        let start = Instant::now();
        let mut stream = TcpStream::connect(address).expect("it listens");
        let reply = on(&mut stream, &get(path, &["Connection: close"]));
        assert_eq!(reply.status, 200);
        latencies.push(start.elapsed());
        thread::sleep(Duration::from_millis(10));
    }
    latencies
}

/// Sockets that a process has open.
fn sockets(pid: u32) -> usize {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("it is alive");
    // It may be closed meanwhile.
    let target = |file: std::io::Result<fs::DirEntry>| fs::read_link(file.ok()?.path()).ok();
    files
        .filter_map(target)
        .filter(|target| target.as_os_str().as_encoded_bytes().starts_with(b"socket:"))
        .count()
}

/// Waits until the process has no more than so many sockets, or they do not get fewer; how many it has then. With `most`
/// at 0 it only waits for the number to stay.
fn settled(pid: u32, most: usize) -> usize {
    let start = Instant::now();
    let mut before = usize::MAX;
    loop {
        let now = sockets(pid);
        if now <= most || (most == 0 && now == before) || start.elapsed() > GONE {
            return now;
        }
        before = now;
        thread::sleep(Duration::from_millis(100));
    }
}

/// A connection from one of many addresses of this machine.
fn connect(address: SocketAddr, number: usize) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are files left");
    let [high, low] = u16::try_from(number / 200).unwrap().to_be_bytes();
    let from = SocketAddr::from((IpAddr::V4(Ipv4Addr::new(127, 1, high, low)), 0));
    // One that has no free port left takes any address.
    let _ = socket.bind(&from.into());
    socket.connect(&address.into()).expect("it listens");
    socket.into()
}

/// Lets this process have so many files open. Where the system does not, says so, and is `false`.
#[must_use]
fn may_open(files: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    if let Some(most) = limit.maximum.filter(|most| *most < files) {
        println!("not tried: {files} files are to be open, and {most} may be");
        return false;
    }
    if limit.current.is_some_and(|current| current < files) {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised).expect("it is no more than is allowed");
    }
    true
}

/// Sends the same until it is not taken any more, or so often. Nobody reads what comes back.
fn send(stream: &mut TcpStream, bytes: &[u8], times: usize) -> bool {
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    (0..times).all(|_| stream.write_all(bytes).is_ok())
}
