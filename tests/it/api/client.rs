//! A running daemon, and clients that send what they are told, over TCP and over its control socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::Test;

/// What takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// `imgkeep daemon` on a free port of loopback; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) test: Test,
    _stdout: BufReader<ChildStdout>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Daemon {
    pub(crate) fn start(test: Test) -> Self {
        let command = test.command("--format json daemon --listen 127.0.0.1:0");
        Self::of(test, command)
    }

    /// The same for another command that serves.
    pub(crate) fn of(test: Test, mut command: Command) -> Self {
        command.stderr(Stdio::null());
        Self::of_logged(test, command)
    }

    /// The same, with stderr as the command has it.
    pub(crate) fn of_logged(test: Test, mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program was built");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a pipe can be read");
        let said: Value = serde_json::from_str(&line).expect("it says where it listens");
        let address = said["listen"].as_str().and_then(|text| text.parse().ok()).expect("it is an address");
        Self { child, address, test, _stdout: stdout }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The text of the token that it made.
    pub(crate) fn token(&self) -> String {
        String::from_utf8(self.test.read("cache/token")).expect("it is text").trim().to_owned()
    }

    /// One request on a connection of its own. The first of `fields` may be another Host.
    pub(crate) fn ask(&self, line: &str, fields: &[&str], content: &str) -> Reply {
        self.ask_at(&self.address.to_string(), line, fields, content)
    }

    pub(crate) fn ask_at(&self, host: &str, line: &str, fields: &[&str], content: &str) -> Reply {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is no zero");
        exchange(stream, &request(host, line, fields, content))
    }

    pub(crate) fn get(&self, target: &str) -> Value {
        self.ask(&format!("GET {target}"), &[], "").json()
    }

    /// An order with the token.
    pub(crate) fn order(&self, line: &str, content: &Value) -> Reply {
        let bearer = format!("Authorization: Bearer {}", self.token());
        self.ask(line, &[&bearer, "Content-Type: application/json"], &content.to_string())
    }

    /// Orders the folder `posts` to be archived; returns the run's path.
    pub(crate) fn archive_posts(&self) -> String {
        let reply = self.order("POST /api/v1/runs", &json!({ "paths": [self.test.path("posts")] }));
        assert_eq!(reply.status, 202, "{reply:?}");
        reply.field("location").expect("it says where the run is").to_owned()
    }

    /// One request over the control socket.
    pub(crate) fn ask_by_socket(&self, line: &str, fields: &[&str], content: &str) -> Reply {
        let stream = UnixStream::connect(self.test.path("cache/control.sock")).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is no zero");
        exchange(stream, &request("whatever", line, fields, content))
    }

    /// Waits until the run at `path` is over, and returns it.
    pub(crate) fn ended(&self, path: &str) -> Value {
        let start = Instant::now();
        loop {
            let run = self.get(path);
            if matches!(run["state"].as_str(), Some("done" | "failed")) {
                return run;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end: {run}");
            sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it is our child");
        self.child.wait().expect("it is our child");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn request(host: &str, line: &str, fields: &[&str], content: &str) -> Vec<u8> {
    let mut request = format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for field in fields {
        request.push_str(&format!("{field}\r\n"));
    }
    if !content.is_empty() {
        request.push_str(&format!("Content-Length: {}\r\n", content.len()));
    }
    request.push_str("\r\n");
    request.push_str(content);
    request.into_bytes()
}

/// Sends, and reads until the connection is closed. What is refused early may not be read to its end.
fn exchange(mut stream: impl Read + Write, request: &[u8]) -> Reply {
    let sent = stream.write_all(request);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else { panic!("no answer: {sent:?} {read:?}") };
    let head = String::from_utf8(answer[..end].to_vec()).expect("a head is ASCII");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let pair = |line: &str| {
        let (name, value) = line.split_once(':').expect("it is a field");
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let fields: Vec<_> = lines.map(pair).collect();
    let mut reply =
        Reply { status: status.expect("it has a status"), fields, body: answer.split_off(end + 4) };
    if reply.field("transfer-encoding") == Some("chunked") {
        reply.body = dechunked(&reply.body);
    }
    reply
}

/// RFC 9112, section 7.1.
fn dechunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|window| window == b"\r\n").expect("a chunk has a size");
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
}

impl Reply {
    /// The value of a field that is there once.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values =
            self.fields.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} is there twice");
        value
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Its body as server-sent events: name and data of each.
    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        let text = std::str::from_utf8(&self.body).expect("events are UTF-8");
        let event = |text: &str| {
            let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
            let data = serde_json::from_str(field("data: ")?).expect("it is JSON");
            Some((field("event: ")?.to_owned(), data))
        };
        text.split("\n\n").filter_map(event).collect()
    }
}
