//! One GET, streamed, and never to an address that must not be asked.
//!
//! [`Fetcher`] follows redirects itself, so that each hop passes the [`guard`] anew, and hands out the body
//! of the final 200 chunk by chunk within the limits of size and time. Nothing here repeats or spaces
//! requests: [`ladder`](crate::ladder) says whom to ask, [`pace`] how often, [`retry`] when again; the caller puts them
//! together. Environment proxies and cookies are never used. What the bytes are is for others to judge.

pub mod address;
mod answer;
mod client;
mod coding;
mod error;
pub mod guard;
mod options;
pub mod pace;
mod port;
mod reason;
mod resolve;
pub mod retry;
mod route;
mod throttle;
mod turns;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use reqwest::header::{self, HeaderValue};
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use answer::{Large, Limits};
use client::Clients;
use error::shortened;
use guard::{Guard, Refusal};
use resolve::Resolver;
use route::Routes;
use throttle::Throttle;
use turns::Turns;

pub use answer::{Answer, Received};
pub use client::SetupError;
pub use error::Error;
pub use options::Options;
pub use port::Ports;
pub use reason::{ParseError, Reason};
pub use turns::Turn;

/// Fetches, and keeps connections open in between. Made once and shared by reference.
pub struct Fetcher {
    options: Options,
    guard: Arc<Guard>,
    routes: Routes,
    resolver: Resolver,
    clients: Clients,
    throttle: Throttle,
    turns: Turns,
    large: Large,
}

/// What a request says besides what every request says.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// Sent without fragment and credentials, and not over http when it is https itself.
    pub referer: Option<Url>,
    /// Whether only the head of the answer is wanted (RFC 9110 section 9.3.2).
    pub head_only: bool,
    /// Validators of a copy that is had already, as [`Received`] has them: the answer is status 304, an
    /// [`Error::Status`], if they still hold (RFC 9110 section 13.1).
    pub had: Option<Validators>,
}

/// What tells whether a copy is still the newest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`, quotes included.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

impl Fetcher {
    /// Makes a fetcher that keeps to `options`. Needs a Tokio runtime only once it fetches.
    ///
    /// # Errors
    /// An option that cannot be used.
    pub fn new(options: Options) -> Result<Self, SetupError> {
        let routes = Routes::new(&options.connect_to).map_err(|host| SetupError::Host { host })?;
        let entry = |(host, answers): (&String, &Vec<IpAddr>)| {
            let name = route::host(host).ok_or_else(|| SetupError::Host { host: host.clone() })?;
            Ok((name, answers.clone()))
        };
        let table = options.resolve.iter().map(entry).collect::<Result<HashMap<_, _>, SetupError>>()?;
        let guard = Arc::new(Guard {
            allow: options.allow_networks.clone(),
            deny: options.deny_networks.clone(),
            own: options.own.clone(),
            ports: options.ports.clone(),
            named: table.keys().chain(routes.hosts()).cloned().collect(),
        });
        let (table, lookup) = (Arc::new(table), resolve::system());
        let resolver = Resolver { guard: guard.clone(), table, lookup };
        let clients = Clients::new(&options, resolver.clone(), routes.targets())?;
        let throttle = Throttle::new(options.bandwidth);
        let (turns, large) = (Turns::default(), Large::default());
        Ok(Self { options, guard, routes, resolver, clients, throttle, turns, large })
    }

    /// Waits for leave to ask `host`: at most `most` have it at a time, of all runs together.
    pub async fn turn(&self, host: &str, most: usize) -> Turn {
        self.turns.take(host, most).await
    }

    /// Asks for `url` and follows where it leads. The answer is always a 200.
    ///
    /// # Errors
    /// Any [`Error`] but those that only a body can make.
    pub async fn get(&self, url: &Url, headers: &Headers) -> Result<Answer, Error> {
        self.get_noting(url, headers, &mut Vec::new()).await
    }

    /// The same; `passed` gets every URL that a redirect led to, whatever came of it.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn get_noting(
        &self,
        url: &Url,
        headers: &Headers,
        passed: &mut Vec<Url>,
    ) -> Result<Answer, Error> {
        let deadline = Instant::now() + self.options.timeout;
        let mut url = url.clone();
        url.set_fragment(None);
        let mut hops = Vec::new();
        loop {
            let response = self.ask(&url, headers, hops.len(), deadline).await?;
            let Some(next) = next_hop(&response, &url)? else {
                return match response.status() {
                    StatusCode::OK => {
                        let limits = Limits::new(&self.options, deadline);
                        let throttle = self.throttle.clone();
                        Answer::new(response, url, hops, limits, throttle, self.large.clone())
                    }
                    status => Err(Error::Status { status, retry_after: retry::after(response.headers()) }),
                };
            };
            hops.push(std::mem::replace(&mut url, next));
            if hops.len() > self.options.max_redirects || hops.contains(&url) {
                return Err(Error::Redirects { url: shortened(url.as_str()) });
            }
            passed.push(url.clone());
        }
    }

    /// One request to one hop, as far as the head of the answer.
    async fn ask(
        &self,
        url: &Url,
        headers: &Headers,
        hop: usize,
        deadline: Instant,
    ) -> Result<Response, Error> {
        let blocked = |refusal: Refusal| Error::Blocked { url: shortened(url.as_str()), hop, refusal };
        self.guard.check_url(url).map_err(blocked)?;
        let target = self.routes.find(url);
        if target.is_none() {
            self.check_port(url, hop, deadline).await?;
        }
        let (client, sent, host) = match target {
            None => (self.clients.guarded(), url.clone(), None),
            Some(target) => {
                self.check_known_answers(url, hop)?;
                let (sent, host) = route::redirected(url, target);
                (self.clients.pinned(target, host.is_some()), sent, host)
            }
        };
        let mut request = if headers.head_only { client.head(sent) } else { client.get(sent) };
        if let Some(had) = &headers.had {
            let validators =
                [(header::IF_NONE_MATCH, &had.etag), (header::IF_MODIFIED_SINCE, &had.last_modified)];
            for (name, value) in validators {
                // What a server sent as text with broken bytes is no validator any more.
                let value = value.as_ref().and_then(|value| HeaderValue::from_str(value).ok());
                request =
                    value.into_iter().fold(request, |request, value| request.header(name.clone(), value));
            }
        }
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        if let Some(referer) = headers.referer.as_ref().and_then(|referer| told(referer, url)) {
            request = request.header(header::REFERER, referer.as_str());
        }
        let patience = self.options.connect_timeout + self.options.idle_timeout;
        let left = deadline.saturating_duration_since(Instant::now());
        let response = timeout(left.min(patience), request.send()).await.map_err(|_| Error::Timeout {
            host: url.host_str().unwrap_or_default().to_owned(),
            limit: if left <= patience { self.options.timeout } else { self.options.idle_timeout },
        })?;
        let response =
            response.map_err(|error| Error::from_client(error, url, hop, self.options.connect_timeout))?;
        if target.is_none()
            && let Some(peer) = response.remote_addr()
        {
            self.guard.check_address(peer.ip(), Some(peer.port())).map_err(blocked)?;
        }
        Ok(response)
    }

    /// Where we listen ourselves at the port that is asked at, it matters which address a name has: that is looked up
    /// first, for as long as a connection may take to be made. Should it have another one by the time of the request, its
    /// answer is refused.
    async fn check_port(&self, url: &Url, hop: usize, deadline: Instant) -> Result<(), Error> {
        let (Some(Host::Domain(name)), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Ok(());
        };
        if !self.guard.own.iter().any(|own| own.port() == port) {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let patience = left.min(self.options.connect_timeout);
        let late = |_| Error::Timeout { host: name.to_owned(), limit: self.options.connect_timeout };
        let found = timeout(patience, self.resolver.addresses(name.to_owned())).await.map_err(late)?;
        let judge = |address| self.guard.check_address(address, Some(port));
        // What cannot be looked up cannot be asked either.
        found.unwrap_or_default().into_iter().try_for_each(judge).map_err(|refusal| Error::Blocked {
            url: shortened(url.as_str()),
            hop,
            refusal,
        })
    }

    /// Where `connect_to` decides where a name is, the operator's own answers for it are judged nonetheless.
    fn check_known_answers(&self, url: &Url, hop: usize) -> Result<(), Error> {
        let Some(Host::Domain(name)) = url.host() else { return Ok(()) };
        match self.resolver.known(name) {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(resolve::Error::Refused(refusal))) => {
                Err(Error::Blocked { url: shortened(url.as_str()), hop, refusal })
            }
            Some(Err(resolve::Error::Unknown { name, .. })) => Err(Error::Dns { host: name, source: None }),
        }
    }
}

/// Where a redirect leads, or `None` if the answer is none. Other than 301, 302, 303, 307 and 308 nothing is
/// followed, and `Refresh` never.
fn next_hop(response: &Response, url: &Url) -> Result<Option<Url>, Error> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(header::LOCATION) else { return Ok(None) };
    let location = location_text(location);
    let mut next = url.join(&location).map_err(|_| Error::BadRedirect { location: shortened(&location) })?;
    next.set_fragment(None);
    Ok(Some(next))
}

/// A `Location` as text. Bytes in another encoding than UTF-8 go back to the server as they came,
/// percent-encoded.
fn location_text(location: &HeaderValue) -> String {
    match std::str::from_utf8(location.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => percent_encoding::percent_encode(location.as_bytes(), &percent_encoding::AsciiSet::EMPTY)
            .to_string(),
    }
}

/// What of `referer` the server of `url` may be told (RFC 9110 section 10.1.3).
fn told(referer: &Url, url: &Url) -> Option<Url> {
    let mut told = referer.clone();
    told.set_fragment(None);
    let bare = told.set_username("").and_then(|()| told.set_password(None));
    (bare.is_ok() && (referer.scheme() != "https" || url.scheme() == "https")).then_some(told)
}

#[cfg(test)]
mod tests;
