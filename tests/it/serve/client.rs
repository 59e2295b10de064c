//! A running server, and a client that sends what it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command};
use std::time::Duration;

use serde_json::Value;

use crate::support::Test;

/// An answer that takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// `imgkeep serve` on a free port of loopback; killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) test: Test,
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(test: Test, words: &str) -> Self {
        let command = test.command(&format!("--format json {words} --listen 127.0.0.1:0"));
        Self::run(test, command)
    }

    /// The same by another command, which says where it listens as JSON.
    pub(crate) fn run(test: Test, mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program was built");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a pipe can be read");
        let said: Value = serde_json::from_str(&line).expect("it says where it listens");
        let address = said["listen"].as_str().and_then(|text| text.parse().ok()).expect("it is an address");
        Self { child, address, test, _stdout: stdout }
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, method: &str, target: &str, fields: &[&str]) -> Reply {
        self.ask_as(&self.address.to_string(), method, target, fields)
    }

    /// The same, with another Host.
    pub(crate) fn ask_as(&self, host: &str, method: &str, target: &str, fields: &[&str]) -> Reply {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        for field in fields {
            request.push_str(&format!("{field}\r\n"));
        }
        request.push_str("\r\n");
        self.exchange(request.as_bytes())
    }

    /// Sends these bytes and reads one answer.
    pub(crate) fn exchange(&self, request: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        on(&mut stream, request)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A GET that leaves the connection open.
pub(crate) fn get(target: &str, fields: &[&str]) -> Vec<u8> {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
}

/// Sends `request` on a connection and reads the answer, as long as its head says.
pub(crate) fn on(stream: &mut TcpStream, request: &[u8]) -> Reply {
    stream.set_read_timeout(Some(PATIENCE)).expect("it is no zero");
    stream.write_all(request).expect("it is read");
    let is_head = request.starts_with(b"HEAD");
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).expect("it answers");
        String::from_utf8(line).expect("a head is ASCII").trim_end().to_owned()
    };
    let status = line();
    let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
    let mut fields = Vec::new();
    loop {
        let line = line();
        let Some((name, value)) = line.split_once(':') else { break };
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut reply = Reply { status: status.expect("it has a status line"), fields, body: Vec::new() };
    let length = reply.field("content-length").map_or(0, |length| length.parse().expect("it is a number"));
    if !is_head && reply.status != 304 {
        reply.body.resize(length, 0);
        reader.read_exact(&mut reply.body).expect("it sends what it says");
    }
    reply
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
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
}
