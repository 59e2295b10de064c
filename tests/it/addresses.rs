//! Whom the program asks, and whom never, in a network of its own where every address answers: each packet that goes out
//! is seen, so that what must not be asked is known to be left in peace.

mod cell;
mod hosts;
mod names;
mod redirects;
mod rows;
mod serving;
mod settings;
mod turns;
mod whole;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use imgkeep::digest::Digest;
use url::{Position, Url};

use crate::support::origin::Answer;
use crate::support::{Outcome, Test, picture};

use cell::Cell;
use rows::Row;
use wire::Start;

/// Every variable by which a program is told of a proxy.
const VARIABLES: [&str; 6] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
const PROXY: &str = "http://127.0.0.1:3128";
/// Third parties that are there to be asked: a proxy of the configuration, the Wayback Machine, proxies of documents.
const OTHERS: [(&str, &str); 7] = [
    ("proxy.example", "151.101.1.1"),
    ("web.archive.org", "207.241.237.3"),
    ("cors.zfour.workers.dev", "104.16.1.1"),
    ("images.weserv.nl", "104.16.1.2"),
    ("wsrv.nl", "104.16.1.3"),
    ("i0.wp.com", "192.0.77.2"),
    ("thingproxy.freeboard.io", "104.16.1.4"),
];
const PUBLIC: &str = "93.184.216.34";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("it is an address")
}

/// An image, another one for each URL.
fn image_of(url: &Url) -> Vec<u8> {
    // One image has one picture over either scheme.
    let name = &url[Position::BeforeHost..Position::AfterQuery];
    let digest = Digest::of(name.as_bytes()).to_string();
    picture::png(u64::from_str_radix(&digest[..15], 16).expect("it is hex"))
}

/// The image that an allowed row leads to.
fn digest_of(row: &Row) -> Digest {
    Digest::of(&image_of(row.hops().last().expect("what is allowed is a URL")))
}

/// Has the name server and the servers play the rows.
fn play(cell: &Cell, rows: &[Row]) {
    for (name, address) in OTHERS {
        cell.names.set(name, &[ip(address)]);
    }
    for row in rows {
        for (name, answers) in &row.resolve {
            cell.names.set(name, answers);
        }
        for (name, answers) in &row.resolve_seq {
            cell.names.script(name, answers, false);
            // So that it is asked again, and looked up again.
            cell.world.host_down(name);
        }
        let hops = row.hops();
        for (index, url) in hops.iter().enumerate() {
            match row.redirects.get(index) {
                Some(location) => cell.world.answer(url.as_str(), Answer::redirect_by(row.status, location)),
                // One that leads to itself has no image.
                None if hops[..index].contains(url) => {}
                None => cell.world.image(url.as_str(), image_of(url)),
            }
        }
    }
}

/// A document of the rows, one a line.
fn document(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let url = row.url.replace('&', "&amp;").replace('"', "&quot;").replace('\n', "&#10;");
        format!("<p><img src=\"{url}\"></p>\n")
    };
    rows.iter().map(line).collect()
}

/// Whom the rows allow to be asked.
fn allowed_by(rows: &[Row]) -> BTreeSet<SocketAddr> {
    let others = OTHERS.iter().map(|(_, address)| (ip(address), 443));
    let asked = rows.iter().flat_map(Row::may_ask).chain(others);
    asked
        .flat_map(|(address, port)| {
            // Where one scheme fails, the other is tried.
            let other = match port {
                80 => 443,
                443 => 80,
                port => port,
            };
            [port, other].map(|port| SocketAddr::new(address, port))
        })
        .collect()
}

/// Panics if anybody was asked since the last time whom `may` does not name. Returns how often each was.
fn check(cell: &Cell, of: &str, may: impl Fn(SocketAddr) -> bool) -> BTreeMap<Start, usize> {
    let seen = cell.wire.take();
    let bad: Vec<_> = seen.iter().filter(|(start, _)| !matches!(start, Start::Tcp(to) if may(*to))).collect();
    assert!(bad.is_empty(), "{of}: asked without leave: {bad:?}");
    seen
}

/// A folder whose runs trust the servers of the cell, and may ask third parties.
fn test(cell: &Cell) -> Test {
    let test = Test::new();
    let pem = test.path("root.pem");
    fs::write(&pem, cell.world.root_certificate()).expect("the folder can be written");
    test.set("fetch.root_certificates", &format!("[{:?}]", pem.to_str().expect("it is UTF-8")))
        .set("fetch.proxies", "[\"https://proxy.example/?url={url}\"]")
}

/// A command under whose environment every request would go through a proxy.
fn proxied(test: &Test, words: &str) -> Command {
    let mut command = test.command(words);
    command.envs(VARIABLES.map(|name| (name, PROXY))).env("NO_PROXY", "").env("no_proxy", "");
    command
}

fn run(test: &Test, words: &str) -> Outcome {
    Outcome::of_command(proxied(test, words))
}
