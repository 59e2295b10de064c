//! What fetching can be told, and what it does when told nothing.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::time::Duration;

use ipnet::IpNet;

use super::port::Ports;

/// The `[fetch]` table. The default of each field is the one that the manual gives.
#[derive(Clone, Debug)]
pub struct Options {
    /// Downloads at a time in all; [`super::pace::Pace`] keeps to it.
    pub concurrency: usize,
    /// Downloads at a time from one host.
    pub per_host: usize,
    /// A whole download, redirects and body included.
    pub timeout: Duration,
    /// Name look-up, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Between two arrivals of bytes, and for an answer to begin.
    pub idle_timeout: Duration,
    /// Bytes a second that must arrive on average over each `rate_window` of waiting.
    pub min_rate: u64,
    /// See `min_rate`.
    pub rate_window: Duration,
    /// The largest body in bytes, counted as sent and again with its content coding undone.
    pub max_bytes: u64,
    /// Redirects followed for one download.
    pub max_redirects: usize,
    /// Further attempts after a transient failure.
    pub retries: u32,
    /// Bytes a second that all downloads together may take; `None` for as many as come.
    pub bandwidth: Option<NonZeroU64>,
    /// Exempted from the address guard, exactly these.
    pub allow_networks: Vec<IpNet>,
    /// Refused, whatever else holds.
    pub deny_networks: Vec<IpNet>,
    /// Where this program itself listens: refused, whatever else holds.
    pub own: Vec<SocketAddr>,
    /// Ports that a URL may name.
    pub ports: Ports,
    /// Where connections for `host`, `host:port` or `*` really go. The operator's word, so the target is not
    /// guarded; a private address written in a URL stays refused.
    pub connect_to: HashMap<String, SocketAddr>,
    /// Answers instead of DNS, by host, guarded like DNS answers.
    pub resolve: HashMap<String, Vec<IpAddr>>,
    /// PEM texts of authorities trusted besides the system's; each may hold several.
    pub root_certificates: Vec<Vec<u8>>,
    /// The `User-Agent` header.
    pub user_agent: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: 32,
            per_host: 6,
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(15),
            min_rate: 1000,
            rate_window: Duration::from_secs(20),
            max_bytes: 64 * 1024 * 1024,
            max_redirects: 10,
            retries: 3,
            bandwidth: None,
            allow_networks: Vec::new(),
            deny_networks: Vec::new(),
            own: Vec::new(),
            ports: Ports::default(),
            connect_to: HashMap::new(),
            resolve: HashMap::new(),
            root_certificates: Vec::new(),
            user_agent: concat!("imgkeep/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
