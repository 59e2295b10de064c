//! The HTTP clients: one that resolves names under the guard, and some that the operator pinned to an
//! address.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Once};
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, redirect};

use super::options::Options;
use super::resolve::{Pinned, Resolver};

/// What image elements of browsers send, less the formats that we could not judge.
const ACCEPT: &str = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5";

/// How long an unused connection is kept. Short, for a run over many hosts keeps this long's worth of them
/// open.
const IDLE: Duration = Duration::from_secs(5);

/// An option that fetching cannot start with.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A key of `connect_to` is neither a host, nor a host with a port, nor `*`; or one of `resolve` is no
    /// host.
    #[error("`{host}` is no host")]
    Host {
        /// As configured.
        host: String,
    },
    /// A text of `root_certificates` holds no certificate that can be used.
    #[error("no certificate in number {number} of the root certificates")]
    Certificate {
        /// From 1.
        number: usize,
        /// The client's account, unless the text merely holds none.
        source: Option<reqwest::Error>,
    },
    /// `user_agent` cannot be a header.
    #[error("`{user_agent}` cannot be sent as user agent")]
    UserAgent {
        /// As configured.
        user_agent: String,
    },
    /// The client cannot be made.
    #[error("the HTTP client cannot be set up")]
    Client(#[from] reqwest::Error),
}

/// Every client that requests may need.
pub(super) struct Clients {
    guarded: Client,
    pinned: HashMap<SocketAddr, PinnedClients>,
}

/// Two clients that connect to one address whatever the name.
struct PinnedClients {
    any: Client,
    /// For requests whose `Host` is not their URL's: HTTP/2 takes the authority from the URL.
    http1: Client,
}

impl Clients {
    pub(super) fn new(
        options: &Options,
        resolver: Resolver,
        targets: impl Iterator<Item = SocketAddr>,
    ) -> Result<Self, SetupError> {
        let roots = roots(&options.root_certificates)?;
        let make = |resolver: Arc<dyn Resolve>, http1| client(options, &roots, &resolver, http1);
        let pin = |target| {
            let any = make(Arc::new(Pinned(target)), false)?;
            Ok((target, PinnedClients { any, http1: make(Arc::new(Pinned(target)), true)? }))
        };
        let pinned = targets.map(pin).collect::<Result<_, SetupError>>()?;
        Ok(Self { guarded: make(Arc::new(resolver), false)?, pinned })
    }

    /// Connects where the guard lets it.
    pub(super) fn guarded(&self) -> &Client {
        &self.guarded
    }

    /// Connects to `target`, one of those given at the start.
    pub(super) fn pinned(&self, target: SocketAddr, own_host: bool) -> &Client {
        let clients = self.pinned.get(&target).expect("each target of a rule has its clients");
        if own_host { &clients.http1 } else { &clients.any }
    }
}

fn roots(texts: &[Vec<u8>]) -> Result<Vec<Certificate>, SetupError> {
    let mut roots = Vec::new();
    for (number, text) in (1..).zip(texts) {
        match Certificate::from_pem_bundle(text) {
            Ok(found) if !found.is_empty() => roots.extend(found),
            Ok(_) => return Err(SetupError::Certificate { number, source: None }),
            Err(error) => return Err(SetupError::Certificate { number, source: Some(error) }),
        }
    }
    Ok(roots)
}

/// A client that does nothing of its own accord: no redirects, cookies, environment proxies or decoding.
fn client(
    options: &Options,
    roots: &[Certificate],
    resolver: &Arc<dyn Resolve>,
    http1: bool,
) -> Result<Client, SetupError> {
    let user_agent = HeaderValue::from_str(&options.user_agent)
        .map_err(|_| SetupError::UserAgent { user_agent: options.user_agent.clone() })?;
    let headers = HeaderMap::from_iter([
        (header::ACCEPT, HeaderValue::from_static(ACCEPT)),
        (header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
    ]);
    let builder = || {
        let builder = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .dns_resolver(resolver.clone())
            .connect_timeout(options.connect_timeout)
            .pool_max_idle_per_host(options.per_host)
            .pool_idle_timeout(IDLE)
            .user_agent(user_agent.clone())
            .default_headers(headers.clone());
        if http1 { builder.http1_only() } else { builder }
    };
    let with_system_roots = builder().tls_certs_merge(roots.iter().cloned()).build();
    match with_system_roots {
        Ok(client) => Ok(client),
        // a machine without any certificate can still fetch over http, and from what `roots` vouches for
        Err(error) => {
            static TOLD: Once = Once::new();
            TOLD.call_once(|| tracing::warn!(%error, "the system's root certificates cannot be used"));
            Ok(builder().tls_certs_only(roots.iter().cloned()).build()?)
        }
    }
}
