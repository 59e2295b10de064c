//! A body on its way, held to the limits.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use reqwest::header::{self, HeaderMap, HeaderName};
use reqwest::{Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use url::Url;

use super::coding::{Decoder, Fault};
use super::error::Error;
use super::options::Options;
use super::throttle::Throttle;

/// Bodies at a time, of either kind, whose coding takes much memory to undo.
const AT_A_TIME: usize = 2;
/// So much of such a body, as sent, is held until the rest of it has come.
const GATHERED: usize = 1 << 20;

/// Leave to decode what takes much memory. Whoever has all of a body needs it for a moment only, and does not wait for
/// those who depend on a server meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Large {
    whole: Arc<Semaphore>,
    streamed: Arc<Semaphore>,
}

impl Default for Large {
    fn default() -> Self {
        let semaphore = || Arc::new(Semaphore::new(AT_A_TIME));
        Self { whole: semaphore(), streamed: semaphore() }
    }
}

/// A 200 whose body is still to be read. The bytes are only whole once [`Self::chunk`] gave `None`.
pub struct Answer {
    /// Always 200.
    pub status: StatusCode,
    /// The URL that answered.
    pub final_url: Url,
    /// The URLs that redirected, in the order they were asked.
    pub hops: Vec<Url>,
    /// Bytes that [`Self::chunk`] will give in all, if that is known.
    pub content_length: Option<u64>,
    /// What is worth keeping of the headers.
    pub headers: Received,
    response: Response,
    decoder: Option<Decoder>,
    /// Received, and not decoded yet.
    coded: Bytes,
    large: Large,
    /// Leave to use that decoder, where it needs one.
    turn: Option<OwnedSemaphorePermit>,
    /// All was received.
    has_ended: bool,
    limits: Limits,
    throttle: Throttle,
    /// Bytes as sent, and as given with the coding undone.
    sent: u64,
    given: u64,
    /// Since the last byte came; only time in which we waited for bytes.
    silent: Duration,
    /// The running window of the minimum rate.
    waited: Duration,
    in_window: u64,
}

/// Headers of an answer, as text with invalid UTF-8 replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// `Content-Type`, which need not be true.
    pub content_type: Option<String>,
    /// `Content-Length` of a body that is not coded; where only the head was asked for, of the one that there
    /// would be (RFC 9110 section 8.6).
    pub content_length: Option<u64>,
    /// `ETag`, quotes included.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
    /// `Date`.
    pub date: Option<String>,
}

/// The part of the options that a body is held to.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    max_bytes: u64,
    idle: Duration,
    min_rate: u64,
    rate_window: Duration,
    total: Duration,
    deadline: Instant,
}

impl Limits {
    pub(super) fn new(options: &Options, deadline: Instant) -> Self {
        Self {
            max_bytes: options.max_bytes,
            idle: options.idle_timeout,
            min_rate: options.min_rate,
            rate_window: options.rate_window,
            total: options.timeout,
            deadline,
        }
    }
}

impl Answer {
    /// `large` gives leave to decode what takes much memory.
    pub(super) fn new(
        response: Response,
        final_url: Url,
        hops: Vec<Url>,
        limits: Limits,
        throttle: Throttle,
        large: Large,
    ) -> Result<Self, Error> {
        if response.content_length().is_some_and(|length| length > limits.max_bytes) {
            return Err(Error::TooLarge { limit: limits.max_bytes });
        }
        let decoder = decoder(response.headers())?;
        let content_length = if decoder.is_none() { response.content_length() } else { None };
        Ok(Self {
            status: response.status(),
            final_url,
            hops,
            content_length,
            headers: Received::new(response.headers()),
            response,
            decoder,
            coded: Bytes::new(),
            large,
            turn: None,
            has_ended: false,
            limits,
            throttle,
            sent: 0,
            given: 0,
            silent: Duration::ZERO,
            waited: Duration::ZERO,
            in_window: 0,
        })
    }

    /// The next bytes of the body, or `None` after the last of a body that is complete by its framing.
    /// (A body that only the end of the connection ends cannot be told from half of one.)
    ///
    /// # Errors
    /// Whatever ends the download early; it cannot go on afterwards.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(plain) = self.decode()?.filter(|plain| !plain.is_empty()) {
                return Ok(Some(plain));
            }
            if !self.coded.is_empty() {
                continue;
            }
            let Some(bytes) = self.receive().await? else { break };
            if self.decoder.is_some() {
                self.coded = self.gather(bytes).await?;
            } else if !bytes.is_empty() {
                self.given += bytes.len() as u64;
                return Ok(Some(bytes));
            }
        }
        let Some(mut decoder) = self.decoder.take() else { return Ok(None) };
        let room = self.limits.max_bytes - self.given;
        let rest = decoder.finish(room).map_err(|fault| self.fault(fault))?;
        self.turn = None;
        Ok(if rest.is_empty() { None } else { Some(rest.into()) })
    }

    /// Bytes given so far, the coding undone.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.given
    }

    /// Undoes the coding of some of what was received: what a little of it stands for may be large.
    fn decode(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(decoder) = &mut self.decoder else { return Ok(None) };
        if self.coded.is_empty() && !decoder.has_more() {
            return Ok(None);
        }
        let room = self.limits.max_bytes - self.given;
        let decoded = decoder.decode(&self.coded, room).map_err(|fault| self.fault(fault))?;
        self.coded = self.coded.slice(decoded.taken..);
        self.given += decoded.plain.len() as u64;
        Ok(Some(decoded.plain.into()))
    }

    /// Where decoding takes much memory, waits for leave to decode what begins with `coded`, and until all of it is there
    /// if it is not too much: while one waits for a server nobody else has to wait.
    async fn gather(&mut self, coded: Bytes) -> Result<Bytes, Error> {
        let is_large = |first: &u8| self.decoder.as_ref().is_some_and(|decoder| decoder.is_large(*first));
        if self.turn.is_some() || !coded.first().is_some_and(is_large) {
            return Ok(coded);
        }
        let mut gathered = coded.to_vec();
        while gathered.len() < GATHERED
            && let Some(more) = self.receive().await?
        {
            gathered.extend_from_slice(&more);
        }
        let turns = if self.has_ended { &self.large.whole } else { &self.large.streamed };
        let (start, limit) = (Instant::now(), self.limits.total);
        let turn = timeout(limit, Arc::clone(turns).acquire_owned()).await;
        // Neither is ever closed.
        self.turn = turn.map_err(|_| self.late(limit))?.ok();
        // That others took their time is not the server's fault.
        self.limits.deadline += start.elapsed();
        Ok(gathered.into())
    }

    /// Waits for bytes as they were sent, no longer than the limits of time allow.
    async fn receive(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.has_ended {
            let start = Instant::now();
            let left = self.limits.deadline.saturating_duration_since(start);
            // What is there already is had without waiting, which could go on for ever.
            if left.is_zero() {
                return Err(self.late(self.limits.total));
            }
            let patience = left
                .min(self.limits.idle.saturating_sub(self.silent))
                .min(self.limits.rate_window.saturating_sub(self.waited));
            let received = timeout(patience, self.response.chunk()).await;
            self.silent += start.elapsed();
            self.waited += start.elapsed();
            match received {
                Ok(Ok(Some(bytes))) => {
                    self.silent = Duration::ZERO;
                    // Our own patience is not the server's fault.
                    self.limits.deadline += self.throttle.pay(bytes.len()).await;
                    self.in_window += bytes.len() as u64;
                    self.sent += bytes.len() as u64;
                    if self.sent > self.limits.max_bytes {
                        return Err(Error::TooLarge { limit: self.limits.max_bytes });
                    }
                    return Ok(Some(bytes));
                }
                Ok(Ok(None)) => self.has_ended = true,
                Ok(Err(error)) => return Err(Error::Truncated { source: error.without_url().into() }),
                Err(_) => self.judge_the_time()?,
            }
        }
        Ok(None)
    }

    /// Called when no byte came within some limit.
    fn judge_the_time(&mut self) -> Result<(), Error> {
        let Limits { idle, min_rate, rate_window, total, deadline, .. } = self.limits;
        if Instant::now() >= deadline {
            return Err(self.late(total));
        }
        if self.silent >= idle {
            return Err(self.late(idle));
        }
        if self.waited >= rate_window {
            if (self.in_window as f64) < min_rate as f64 * self.waited.as_secs_f64() {
                return Err(Error::TooSlow { host: self.host(), rate: min_rate });
            }
            (self.waited, self.in_window) = (Duration::ZERO, 0);
        }
        Ok(())
    }

    fn late(&self, limit: Duration) -> Error {
        Error::Timeout { host: self.host(), limit }
    }

    fn host(&self) -> String {
        self.final_url.host_str().unwrap_or_default().to_owned()
    }

    fn fault(&self, fault: Fault) -> Error {
        match fault {
            Fault::TooLarge => Error::TooLarge { limit: self.limits.max_bytes },
            Fault::Broken(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Error::Truncated { source: error.into() }
            }
            Fault::Broken(_) => {
                Error::Encoding { coding: text(self.response.headers(), &header::CONTENT_ENCODING) }
            }
        }
    }
}

impl Received {
    fn new(headers: &HeaderMap) -> Self {
        let get = |name| Some(text(headers, &name)).filter(|text| !text.is_empty());
        let is_plain = !headers.contains_key(header::CONTENT_ENCODING);
        let length = get(header::CONTENT_LENGTH).and_then(|length| length.trim().parse().ok());
        Self {
            content_type: get(header::CONTENT_TYPE),
            content_length: length.filter(|_| is_plain),
            etag: get(header::ETAG),
            last_modified: get(header::LAST_MODIFIED),
            date: get(header::DATE),
        }
    }
}

/// The decoder that the headers ask for, if any.
fn decoder(headers: &HeaderMap) -> Result<Option<Decoder>, Error> {
    let several = headers.get_all(header::CONTENT_ENCODING).iter().count() > 1;
    let coding = text(headers, &header::CONTENT_ENCODING);
    match coding.trim() {
        _ if several => Err(Error::Encoding { coding }),
        "" => Ok(None),
        identity if identity.eq_ignore_ascii_case("identity") => Ok(None),
        other => Decoder::new(other).map(Some).ok_or(Error::Encoding { coding }),
    }
}

/// A header's text, at most 1 KiB of it; empty if it is not there.
fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    let bytes = headers.get(name).map(header::HeaderValue::as_bytes).unwrap_or_default();
    String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).into_owned()
}
