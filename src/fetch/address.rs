//! Which addresses and names belong to the public internet.
//!
//! Pure: values in, verdicts out. The table follows the IANA special-purpose registries (RFC 6890 and its
//! updates) and refuses more than they do: whatever leads into a relay or a cloud's own services.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 networks that are not for strangers, as (first address, prefix length).
const SPECIAL_V4: [(Ipv4Addr, u32); 19] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),        // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // RFC 1918
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // carrier-grade NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // Azure WireServer
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link local, cloud metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // RFC 1918
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // IETF protocol assignments, Oracle metadata
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // TEST-NET-1
    (Ipv4Addr::new(192, 31, 196, 0), 24),  // AS112
    (Ipv4Addr::new(192, 52, 193, 0), 24),  // AMT
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // RFC 1918
    (Ipv4Addr::new(192, 175, 48, 0), 24),  // AS112
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarking
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // TEST-NET-2
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // TEST-NET-3
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // class E, broadcast
];

/// IPv6 networks inside 2000::/3 that are not for strangers, as (first address, prefix length).
const SPECIAL_V6: [(Ipv6Addr, u32); 5] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments: Teredo, ORCHID, AMT, DRIP
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: a relay leads to any IPv4 address
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48), // AS112
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Suffixes that resolve inside one machine, one network or one overlay only
/// (RFC 6761, RFC 6762 appendix G, RFC 7686, RFC 8375, RFC 9476), lower case.
const PRIVATE_SUFFIXES: [&str; 14] = [
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "home.arpa",
    "onion",
    "i2p",
    "alt",
    "invalid",
];

/// Suffixes of names that are resolved inside an overlay network and nowhere else.
const OVERLAY_SUFFIXES: [&str; 2] = ["onion", "i2p"];

/// Whether `address` is one that anybody on the internet can reach, and so one that a stranger's
/// document may make us ask. An IPv4-mapped IPv6 address is judged as the IPv4 address it leads to.
#[must_use]
pub fn is_global(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_global_v4(address),
        IpAddr::V6(address) => is_global_v6(address),
    }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    !SPECIAL_V4.iter().any(|(network, prefix)| (bits ^ network.to_bits()) >> (32 - prefix) == 0)
}

/// Only 2000::/3 has ever been handed out; the other embeddings of IPv4 (NAT64, compatible, translated) lie
/// outside it.
fn is_global_v6(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    bits >> 125 == 0b001
        && !SPECIAL_V6.iter().any(|(network, prefix)| (bits ^ network.to_bits()) >> (128 - prefix) == 0)
        && isatap(address).is_none_or(is_global_v4)
}

/// The IPv4 address in an ISATAP interface identifier (RFC 5214 section 6.1).
fn isatap(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., high, low] = address.segments();
    let marked = matches!(address.segments(), [_, _, _, _, 0x0000 | 0x0200, 0x5efe, ..]);
    marked.then(|| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

/// Whether `name` can be a name of the public DNS, told without asking: at least two labels of legal length,
/// a top label that starts with a letter, and none of the suffixes kept for private networks and overlays.
///
/// `name` is a host as [`url::Url`] gives it, in lower case; one trailing dot is allowed.
#[must_use]
pub fn is_public_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let Some((_, top)) = name.rsplit_once('.') else { return false };
    name.len() <= 253
        && name.split('.').all(|label| (1..=63).contains(&label.len()))
        && top.starts_with(|first: char| first.is_ascii_alphabetic())
        && !PRIVATE_SUFFIXES.iter().any(|suffix| is_within(name, suffix))
}

/// Whether `name` belongs to an overlay network, which the system's resolver must not even be asked about (RFC 7686).
#[must_use]
pub fn is_overlay_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    OVERLAY_SUFFIXES.iter().any(|suffix| is_within(name, suffix))
}

/// Whether `name` is `suffix` or lies below it, by whole labels.
fn is_within(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(global: bool, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(is_global(address.parse().unwrap()), global, "{address}");
        }
    }

    #[test]
    fn edges_of_the_table() {
        check(
            true,
            &["1.0.0.0", "9.255.255.255", "100.128.0.0", "168.63.129.15", "172.32.0.0", "223.255.255.255"],
        );
        check(false, &["0.255.255.255", "100.127.255.255", "168.63.129.16", "172.31.255.255", "224.0.0.0"]);
        check(
            true,
            &["2001:200::", "2001:db7:ffff::", "2003::", "3ffe::", "::ffff:8.8.8.8", "2400::5efe:808:808"],
        );
        check(false, &["2001:1ff::", "2002:808:808::", "3fff:fff::", "4000::", "1fff::", "::ffff:10.0.0.1"]);
        check(false, &["64:ff9b::808:808", "::8.8.8.8", "2400::5efe:a00:1", "2400::200:5efe:7f00:1"]);
    }

    /// Another hand's table of the same registries: what it refuses, we refuse.
    #[test]
    fn never_laxer_than_ssrf_guard() {
        let mut rng = fastrand::Rng::with_seed(7);
        let check = |address: IpAddr| {
            assert!(ssrf_guard::is_public(address) || !is_global(address), "{address} let through");
        };
        for _ in 0..100_000 {
            let (network, prefix) = SPECIAL_V4[rng.usize(..SPECIAL_V4.len())];
            let inside = network.to_bits() ^ rng.u32(..) >> 1 >> (prefix - 1);
            let near = network.to_bits() ^ 1 << rng.u32(..32);
            for bits in [inside, near, inside.wrapping_sub(1), rng.u32(..)] {
                check(Ipv4Addr::from_bits(bits).into());
                check(Ipv4Addr::from_bits(bits).to_ipv6_mapped().into());
            }
            let (network, prefix) = SPECIAL_V6[rng.usize(..SPECIAL_V6.len())];
            let inside = network.to_bits() ^ rng.u128(..) >> prefix;
            let near = network.to_bits() ^ 1 << rng.u32(..128);
            for bits in [inside, near, inside.wrapping_sub(1), rng.u128(..)] {
                check(Ipv6Addr::from_bits(bits).into());
            }
        }
    }

    #[test]
    fn ordinary_addresses_agree_with_ssrf_guard() {
        let mut rng = fastrand::Rng::with_seed(8);
        let addresses = std::iter::repeat_with(|| IpAddr::V4(Ipv4Addr::from_bits(rng.u32(..))));
        let differ = |address: &IpAddr| ssrf_guard::is_public(*address) != is_global(*address);
        let differences = addresses.take(100_000).filter(differ).count();
        assert!(differences < 10, "{differences} of 100,000 differ");
    }

    #[test]
    fn names() {
        let check = |public, names: &[&str]| {
            for name in names {
                assert_eq!(is_public_name(name), public, "{name}");
            }
        };
        check(true, &["cdn.test", "cdn.test.", "foo_bar.test", "mylocaldomain.test", "internal.cdn.test"]);
        check(true, &["10.cdn.test", "xn--fiqs8s.xn--fiqs8s", "localtest.me", "homelan.org"]);
        check(
            false,
            &["localhost", "a.localhost.", "wpad", "nas.home.arpa", "x.onion", "a..b.com", "..", "", "*"],
        );
        check(false, &["127.0.0.1e0", "host.docker.internal", "printer.local", &"a.".repeat(130)]);
        check(false, &[&format!("{}.com", "a".repeat(64))]);
    }
}
