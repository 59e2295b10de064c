//! A body on its way, held to the limits.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use reqwest::header::{self, HeaderMap, HeaderName};
use reqwest::{Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use super::coding::{Decoder, Fault};
use super::error::Error;
use super::options::Options;
use super::throttle::Throttle;

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
    /// Leave to use that decoder.
    _turn: Option<OwnedSemaphorePermit>,
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
    pub(super) async fn new(
        response: Response,
        final_url: Url,
        hops: Vec<Url>,
        limits: Limits,
        throttle: Throttle,
        large: &Arc<Semaphore>,
    ) -> Result<Self, Error> {
        if response.content_length().is_some_and(|length| length > limits.max_bytes) {
            return Err(Error::TooLarge { limit: limits.max_bytes });
        }
        let decoder = decoder(response.headers())?;
        let turn = match &decoder {
            Some(decoder) if decoder.is_large() => {
                let late = |_| Error::Timeout {
                    host: final_url.host_str().unwrap_or_default().to_owned(),
                    limit: limits.total,
                };
                // It is never closed.
                timeout_at(limits.deadline, Arc::clone(large).acquire_owned()).await.map_err(late)?.ok()
            }
            _ => None,
        };
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
            _turn: turn,
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
            self.sent += bytes.len() as u64;
            if self.sent > self.limits.max_bytes {
                return Err(Error::TooLarge { limit: self.limits.max_bytes });
            }
            if self.decoder.is_some() {
                self.coded = bytes;
            } else if !bytes.is_empty() {
                self.given += bytes.len() as u64;
                return Ok(Some(bytes));
            }
        }
        let Some(mut decoder) = self.decoder.take() else { return Ok(None) };
        let room = self.limits.max_bytes - self.given;
        let rest = decoder.finish(room).map_err(|fault| self.fault(fault))?;
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

    /// Waits for bytes as they were sent, no longer than the limits of time allow.
    async fn receive(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let start = Instant::now();
            let left = self.limits.deadline.saturating_duration_since(start);
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
                    return Ok(Some(bytes));
                }
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(error)) => return Err(Error::Truncated { source: error.without_url().into() }),
                Err(_) => self.judge_the_time()?,
            }
        }
    }

    /// Called when no byte came within some limit.
    fn judge_the_time(&mut self) -> Result<(), Error> {
        let Limits { idle, min_rate, rate_window, total, deadline, .. } = self.limits;
        let host = || self.final_url.host_str().unwrap_or_default().to_owned();
        if Instant::now() >= deadline {
            return Err(Error::Timeout { host: host(), limit: total });
        }
        if self.silent >= idle {
            return Err(Error::Timeout { host: host(), limit: idle });
        }
        if self.waited >= rate_window {
            if (self.in_window as f64) < min_rate as f64 * self.waited.as_secs_f64() {
                return Err(Error::TooSlow { host: host(), rate: min_rate });
            }
            (self.waited, self.in_window) = (Duration::ZERO, 0);
        }
        Ok(())
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
