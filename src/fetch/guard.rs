//! Whom never to ask.
//!
//! A document is written by strangers: what it names must not make us speak to machines that only we can
//! reach. The guard judges a URL before it is used, and every address before it is connected to. It asks
//! nobody itself.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ipnet::IpNet;
use url::{Host, Url};

use super::address::{is_global, is_overlay_name, is_public_name};
use super::port::Ports;
use super::reason::Reason;

/// Longer URLs are refused, in bytes: nothing that serves images needs them.
const MAX_URL: usize = 8 * 1024;

/// The rules, fixed when fetching starts.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Networks exempted from the address table.
    pub allow: Vec<IpNet>,
    /// Networks refused besides those of the table. Stronger than `allow`.
    pub deny: Vec<IpNet>,
    /// Where this program itself listens. Stronger than `allow`.
    pub own: Vec<SocketAddr>,
    /// Ports that a URL may name.
    pub ports: Ports,
    /// Names that the operator gave addresses to, lower case and without trailing dot: they need not look
    /// public.
    pub named: HashSet<String>,
}

/// Why the guard said no.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    /// Neither http nor https.
    #[error("scheme `{scheme}` is not fetched")]
    Scheme {
        /// Without the colon.
        scheme: String,
    },
    /// A port where something other than a web server listens.
    #[error("port {port} is not a web port")]
    Port {
        /// As the URL says, or its scheme's.
        port: u16,
    },
    /// User name or password in the URL.
    #[error("the URL carries credentials")]
    Credentials,
    /// More than 8 KiB.
    #[error("the URL is {length} bytes long")]
    Length {
        /// In bytes.
        length: usize,
    },
    /// A name that does not belong to the public DNS.
    #[error("`{name}` is not a public name")]
    Name {
        /// As the URL says.
        name: String,
    },
    /// An address that is not globally routable, or that the operator denies.
    #[error("`{address}` is not a public address")]
    Address {
        /// What the URL says or the name resolves to.
        address: IpAddr,
    },
}

impl Refusal {
    /// The word for it in reports.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Scheme { .. } => Reason::BlockedScheme,
            Self::Port { .. } => Reason::BlockedPort,
            Self::Credentials | Self::Length { .. } => Reason::BlockedUrl,
            Self::Name { .. } | Self::Address { .. } => Reason::BlockedAddress,
        }
    }
}

impl Guard {
    /// Judges all that can be told from the URL alone; its name may still resolve to a refused address.
    ///
    /// # Errors
    /// The first rule that the URL breaks.
    pub fn check_url(&self, url: &Url) -> Result<(), Refusal> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme { scheme: url.scheme().to_owned() });
        }
        if url.as_str().len() > MAX_URL {
            return Err(Refusal::Length { length: url.as_str().len() });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        let port = url.port_or_known_default().expect("http and https have default ports");
        if !self.ports.allow(port) {
            return Err(Refusal::Port { port });
        }
        match url.host().expect("http and https URLs have hosts") {
            Host::Ipv4(address) => self.check_address(address.into(), Some(port)),
            Host::Ipv6(address) => self.check_address(address.into(), Some(port)),
            Host::Domain(name) if is_public_name(name) || self.named.contains(bare(name)) => Ok(()),
            // Networks that the operator opened may have names of their own; the addresses are judged all the same.
            Host::Domain(name) if !self.allow.is_empty() && !is_overlay_name(name) => Ok(()),
            Host::Domain(name) => Err(Refusal::Name { name: name.to_owned() }),
        }
    }

    /// Judges an address that is about to be connected to at `port`, as far as that is known, or was.
    ///
    /// # Errors
    /// [`Refusal::Address`], and no other.
    pub fn check_address(&self, address: IpAddr, port: Option<u16>) -> Result<(), Refusal> {
        let canonical = address.to_canonical();
        let within = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&canonical));
        let is_allowed = !within(&self.deny) && (within(&self.allow) || is_global(canonical));
        if is_allowed && !port.is_some_and(|port| self.is_own(canonical, port)) {
            Ok(())
        } else {
            Err(Refusal::Address { address })
        }
    }

    fn is_own(&self, address: IpAddr, port: u16) -> bool {
        self.own.iter().filter(|own| own.port() == port).any(|own| {
            let own = own.ip().to_canonical();
            own == address || own.is_unspecified() && is_here(address)
        })
    }
}

/// Whether `address` is one of this machine, or may be: only there can one listen. What leads here is sent from the very
/// address that it is sent to, unless that is not the first of its network; then one can listen there, which tells nothing
/// where one can do so at an address that nobody has. Nothing is sent to find out.
fn is_here(address: IpAddr) -> bool {
    let (any, nobody): (IpAddr, IpAddr) = match address {
        // For documentation only (RFC 5737, RFC 3849).
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        IpAddr::V6(_) => {
            (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 1).into())
        }
    };
    let sent_from = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((address, 9))?;
        Ok::<_, io::Error>(socket.local_addr()?.ip())
    };
    let is_elsewhere = |error: io::Error| error.kind() == io::ErrorKind::AddrNotAvailable;
    address.is_loopback()
        || sent_from().is_ok_and(|from| from == address)
        || !UdpSocket::bind((address, 0)).is_err_and(is_elsewhere) && UdpSocket::bind((nobody, 0)).is_err()
}

/// A host name without the dot that ends a fully qualified one.
pub(super) fn bare(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(guard: &Guard, url: &str) -> Option<Reason> {
        guard.check_url(&Url::parse(url).unwrap()).err().map(|refusal| refusal.reason())
    }

    #[test]
    fn each_rule_has_its_word() {
        let check = |url: &str, expected| assert_eq!(reason(&Guard::default(), url), expected, "{url}");
        check("https://cdn.test:8080/a.png", None);
        check("ftp://cdn.test/", Some(Reason::BlockedScheme));
        check("http://cdn.test:22/", Some(Reason::BlockedPort));
        check("http://cdn.test:0/", Some(Reason::BlockedPort));
        check("http://me@cdn.test/", Some(Reason::BlockedUrl));
        check(&format!("http://cdn.test/{}", "a".repeat(9000)), Some(Reason::BlockedUrl));
        check("http://intranet/", Some(Reason::BlockedAddress));
        check("http://0x7f.1/", Some(Reason::BlockedAddress));
        check("http://[::ffff:10.0.0.1]/", Some(Reason::BlockedAddress));
    }

    #[test]
    fn the_operator_may_exempt_exactly_a_network() {
        let allow = vec!["127.0.0.0/8".parse().unwrap()];
        let guard = Guard { allow, named: HashSet::from(["nas".to_owned()]), ..Guard::default() };
        let check = |url: &str, expected| assert_eq!(reason(&guard, url), expected, "{url}");
        check("http://127.0.0.1:8080/", None);
        check("http://[::ffff:127.0.0.1]/", None);
        check("http://nas/", None);
        check("http://nas./", None);
        check("http://127.0.0.1:6379/", Some(Reason::BlockedPort));
        check("http://[::1]/", Some(Reason::BlockedAddress));
        check("http://10.0.0.1/", Some(Reason::BlockedAddress));
        // whatever it resolves to is judged
        check("http://wiki/", None);
        check("http://x.onion/", Some(Reason::BlockedAddress));
    }

    #[test]
    fn nobody_asks_himself() {
        let allow = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let check = |own: &str, url: &str, is_own: bool| {
            let own = vec![own.parse().unwrap()];
            let guard = Guard { allow: allow.clone(), own, ..Guard::default() };
            assert_eq!(reason(&guard, url), is_own.then_some(Reason::BlockedAddress), "{url}");
        };
        check("127.0.0.1:7420", "http://127.0.0.1:7420/", true);
        check("127.0.0.1:7420", "http://[::ffff:127.0.0.1]:7420/", true);
        check("127.0.0.1:7420", "http://127.0.0.1:7421/", false);
        check("127.0.0.1:7420", "http://127.0.0.2:7420/", false);
        check("0.0.0.0:80", "http://127.0.0.1/", true);
        check("[::]:80", "http://[::1]/", true);
        check("[::]:80", "http://127.0.0.1/", true);
        check("0.0.0.0:80", "http://127.9.9.9/", true);
        check("[::1]:80", "http://127.0.0.1/", false);
        check("[::]:80", "http://93.184.216.34/", false);
    }

    #[test]
    fn what_is_denied_stays_denied() {
        let net = |text: &str| vec![text.parse().unwrap()];
        let guard = Guard { allow: net("93.184.0.0/16"), deny: net("93.184.216.0/24"), ..Guard::default() };
        assert_eq!(reason(&guard, "http://93.184.216.34/"), Some(Reason::BlockedAddress));
        assert_eq!(reason(&guard, "http://93.184.217.34/"), None);
    }
}
