//! Whom a proxy asks for: what it says itself of the request it passes on.

use std::net::{IpAddr, Ipv4Addr};

use hyper::HeaderMap;
use hyper::http::request::Parts;

use crate::serve::listener::Peer;

/// Fields that proxies add (RFC 7239; RFC 9110, section 7.6.3; the rest by custom).
const FIELDS: [&str; 5] = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/// Who asks, as far as it can be told apart from others: `None` for the control socket, whose users are known.
pub(super) type Client = Option<IpAddr>;

/// Whether the request was passed on by a proxy, so that its peer is not who asks.
pub(super) fn is_forwarded(fields: &HeaderMap) -> bool {
    FIELDS.iter().any(|name| fields.contains_key(*name))
}

/// Who asks. A proxy on this machine is believed in what it added to `X-Forwarded-For`, which stands last; for who may
/// look it counts for nothing.
pub(super) fn client(head: &Parts) -> Client {
    let address = match head.extensions.get::<Peer>() {
        Some(Peer::Control(_)) => return None,
        Some(Peer::Address(address)) if !address.is_loopback() => Some(*address),
        Some(Peer::Address(address)) => Some(last(&head.headers).unwrap_or(*address)),
        Some(Peer::Socket) | None => last(&head.headers),
    };
    // One network of IPv6 is one client, as everybody has a whole one (RFC 6177).
    Some(match address.unwrap_or(Ipv4Addr::UNSPECIFIED.into()) {
        IpAddr::V6(address) => IpAddr::from((address.to_bits() >> 64 << 64).to_be_bytes()),
        address @ IpAddr::V4(_) => address,
    })
}

fn last(fields: &HeaderMap) -> Option<IpAddr> {
    let field = fields.get_all("x-forwarded-for").into_iter().next_back()?.to_str().ok()?;
    field.rsplit(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proxy_of_this_machine_is_believed() {
        let check = |peer: Peer, fields: &[&str], expected: &str| {
            let mut request = hyper::Request::builder();
            for field in fields {
                request = request.header("x-forwarded-for", *field);
            }
            let mut head = request.body(()).unwrap().into_parts().0;
            head.extensions.insert(peer);
            assert_eq!(client(&head), expected.parse().ok(), "{peer:?} {fields:?}");
        };
        let peer = |text: &str| Peer::Address(text.parse().unwrap());
        check(peer("127.0.0.1"), &[], "127.0.0.1");
        check(peer("127.0.0.1"), &["192.0.2.1"], "192.0.2.1");
        check(peer("::1"), &["127.0.0.1", "192.0.2.1, 192.0.2.2"], "192.0.2.2");
        check(peer("127.0.0.1"), &["nonsense"], "127.0.0.1");
        check(peer("198.51.100.1"), &["192.0.2.1"], "198.51.100.1");
        check(peer("2001:db8:1:2:3::4"), &[], "2001:db8:1:2::");
        check(Peer::Socket, &["192.0.2.1"], "192.0.2.1");
        check(Peer::Socket, &[], "0.0.0.0");
        check(Peer::Control(0), &["192.0.2.1"], "nobody");
    }
}
