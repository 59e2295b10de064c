//! The daemon of a store, as its control socket has it: HTTP/1.1 over a socket of this machine.

use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::body::{Body, to_bytes};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use crate::config::Config;
use crate::ops::runs::wire::Daemon;
use crate::web::control;

/// A daemon that takes longer to say anything is stuck.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read as a whole, in bytes.
const ANSWER_BYTES: usize = 64 << 20;
/// The longest event, likewise; a report names every image that failed.
const EVENT_BYTES: usize = 1 << 30;

/// Where the daemon of a store is found.
pub(super) struct Service {
    root: PathBuf,
}

/// An answer whose head has come.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    content: Incoming,
}

impl Service {
    /// Of the configured store; `None` if no daemon has, or left, its socket there.
    pub(super) fn of(config: &Config) -> Option<Self> {
        Self::at(config.store.path.clone())
    }

    /// The same of the store at `root`.
    pub(super) fn at(root: PathBuf) -> Option<Self> {
        control::is_there(&root).then_some(Self { root })
    }

    /// What the daemon is at; `None` if none answers.
    pub(super) async fn daemon(&self) -> Result<Option<Daemon>> {
        match self.ask(Method::GET, "/api/v1/daemon", None).await? {
            Some(answer) if answer.status == StatusCode::OK => answer.json().await.map(Some),
            _ => Ok(None),
        }
    }

    /// Asks it for something; `None` if nobody is there.
    pub(super) async fn ask(
        &self,
        method: Method,
        target: &str,
        content: Option<&Value>,
    ) -> Result<Option<Answer>> {
        timeout(PATIENCE, self.exchange(method, target, content))
            .await
            .context("the daemon does not answer")?
    }

    async fn exchange(
        &self,
        method: Method,
        target: &str,
        content: Option<&Value>,
    ) -> Result<Option<Answer>> {
        let Some(stream) = control::connect(&self.root).await? else { return Ok(None) };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the daemon broke");
            }
        });
        let request = Request::builder().method(method).uri(target).header(HOST, "localhost");
        let request = match content {
            Some(content) => request
                .header(CONTENT_TYPE, "application/json")
                .body(Body::from(serde_json::to_vec(content)?))?,
            None => request.body(Body::empty())?,
        };
        let (head, content) = sender.send_request(request).await?.into_parts();
        Ok(Some(Answer { status: head.status, content }))
    }
}

impl Answer {
    /// All of it, which is JSON.
    pub(super) async fn json<T: DeserializeOwned>(self) -> Result<T> {
        let read = timeout(PATIENCE, to_bytes(Body::new(self.content), ANSWER_BYTES));
        let bytes = read.await.context("the daemon does not finish its answer")??;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// What a refusal says of its reason.
    pub(super) async fn why(self) -> String {
        let status = self.status;
        let problem: Option<Value> = self.json().await.ok();
        let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str());
        detail.map_or_else(|| status.to_string(), str::to_owned)
    }

    /// It as a stream of events.
    pub(super) fn events(self) -> Events {
        Events { content: self.content, read: Vec::new(), searched: 0 }
    }
}

/// Server-sent events (HTML Standard, section 9.2), as the daemon writes them: a line each for `event` and `data`.
pub(super) struct Events {
    content: Incoming,
    read: Vec<u8>,
    /// So much of `read` holds no end of an event.
    searched: usize,
}

impl Events {
    /// The next one, by name and data; `None` at the end. Nothing is lost when this is dropped half-way.
    pub(super) async fn next(&mut self) -> Result<Option<(String, String)>> {
        loop {
            while let Some(end) = memchr::memmem::find(&self.read[self.searched..], b"\n\n") {
                let end = self.searched + end;
                let event = parse(&String::from_utf8_lossy(&self.read[..end]));
                self.read.drain(..end + 2);
                self.searched = 0;
                if event.is_some() {
                    return Ok(event);
                }
            }
            self.searched = self.read.len().saturating_sub(1);
            anyhow::ensure!(self.read.len() <= EVENT_BYTES, "the daemon tells too much at once");
            match poll_fn(|context| Pin::new(&mut self.content).poll_frame(context)).await {
                Some(frame) => self.read.extend(frame?.into_data().unwrap_or_default()),
                None => return Ok(None),
            }
        }
    }
}

/// `None` for a comment.
fn parse(text: &str) -> Option<(String, String)> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Some((field("event")?.to_owned(), field("data")?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_from_comments() {
        let event = |name: &str, data: &str| Some((name.to_owned(), data.to_owned()));
        assert_eq!(
            parse("id: 1\nevent: state\ndata: {\"a\":\"event: x\"}"),
            event("state", "{\"a\":\"event: x\"}")
        );
        assert_eq!(parse(":"), None);
        assert_eq!(parse(""), None);
    }
}
