//! Whatever stands where a host should: the address that is asked is the one that was judged.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use fastrand::Rng;
use hyper::Uri;
use imgkeep::fetch::guard::Guard;
use imgkeep::fetch::{Error, Fetcher, Headers, Options};
use url::{Host, Url};

use super::cell::within;
use super::wire::Start;
use super::{PUBLIC, ip};
use crate::support::rounds::rounds;

const PIECES: [&str; 52] = [
    "127",
    "0x7f",
    "0177",
    "10",
    "0",
    "1",
    "8",
    "255",
    "256",
    "0x",
    "169.254.169.254",
    "192.168",
    "8.8.8.8",
    "2130706433",
    "0x7f000001",
    ".",
    ".",
    ".",
    "。",
    "．",
    "①",
    "⑦",
    "２",
    "𝟏",
    "[",
    "]",
    ":",
    "::",
    "::1",
    "ffff",
    "::ffff:",
    "fe80",
    "64:ff9b::",
    "2002:",
    "%",
    "%25",
    "%2e",
    "%31",
    "%00",
    "@",
    "#",
    "?",
    "\\",
    "/",
    "localhost",
    "a",
    "example",
    "\t",
    "\u{200b}",
    "ß",
    "-",
    "_",
];

fn host(rng: &mut Rng) -> String {
    let mut host = String::new();
    for _ in 0..rng.usize(1..9) {
        match rng.u8(..12) {
            0 => host.push(char::from(rng.u8(1..128))),
            1 => host.push_str(&rng.u32(..).to_string()),
            2 => host.push_str(&Ipv4Addr::from_bits(rng.u32(..)).to_string()),
            3 => host.push_str(&format!("[{}]", Ipv6Addr::from_bits(rng.u128(..) >> rng.u32(..128)))),
            _ => host.push_str(PIECES[rng.usize(..PIECES.len())]),
        }
    }
    host
}

/// What the guard judges: an address, or nothing if it is a name.
fn judged(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

#[test]
fn the_client_reads_a_host_as_the_guard_does() {
    let (mut rng, guard) = (Rng::with_seed(12), Guard::default());
    let (cases, mut urls, mut let_through) = (rounds(100) * 1000, 0, 0);
    for _ in 0..cases {
        let Ok(url) = Url::parse(&format!("http://{}/", host(&mut rng))) else { continue };
        urls += 1;
        if guard.check_url(&url).is_err() {
            continue;
        }
        // What the client takes the URL for, and whether it sees an address in it.
        let Ok(uri) = url.as_str().parse::<Uri>() else { continue };
        let_through += 1;
        let seen = uri.host().expect("it has a host").trim_start_matches('[').trim_end_matches(']');
        assert_eq!(seen.parse::<IpAddr>().ok(), judged(&url), "{url}");
        assert!(judged(&url).is_none_or(ssrf_guard::is_public), "{url}");
    }
    assert!(let_through > cases / 1000, "{let_through} of {cases}");
    println!("addresses: {cases} hosts, {urls} of them in a URL, {let_through} let through: all read alike");
}

#[test]
fn the_address_that_is_asked_is_the_one_that_was_judged() {
    within("addresses::hosts::the_address_that_is_asked_is_the_one_that_was_judged", |cell| {
        cell.names.all(&[ip(PUBLIC)]);
        let options = Options {
            connect_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            ..Options::default()
        };
        let runtime = tokio::runtime::Runtime::new().expect("threads can be made");
        let fetcher = Fetcher::new(options).expect("these are the usual ones");
        let mut rng = Rng::with_seed(13);
        let (cases, mut asked, mut addresses) = (rounds(40) * 100, 0, BTreeSet::new());
        for _ in 0..cases / 100 {
            let mut may = BTreeSet::from([ip(PUBLIC)]);
            let mut expected = BTreeSet::new();
            for _ in 0..100 {
                let Ok(url) = Url::parse(&format!("http://{}/", host(&mut rng))) else { continue };
                let got = runtime.block_on(fetcher.get(&url, &Headers::default()));
                let Some(address) = judged(&url).map(|address| address.to_canonical()) else { continue };
                if ssrf_guard::is_public(address) {
                    may.insert(address);
                    // A server answered it, so it was asked.
                    if matches!(got, Err(Error::Status { .. })) {
                        expected.insert(address);
                    }
                }
            }
            let seen = cell.wire.take();
            for start in seen.keys() {
                let Start::Tcp(to) = start else { panic!("{start:?}") };
                assert!(may.contains(&to.ip()), "{to} was asked, and never judged");
                addresses.insert(to.ip());
            }
            // Perhaps on a connection that was open.
            assert!(expected.is_subset(&addresses), "{expected:?}, and seen were {seen:?}");
            asked += seen.values().sum::<usize>();
        }
        assert!(asked > 0 && addresses.len() > 10, "{asked}");
        println!(
            "addresses: {cases} random hosts: {asked} connections to {} addresses, each the one that was judged",
            addresses.len()
        );
    });
}
