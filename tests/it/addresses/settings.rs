//! What the operator allows, and not a bit more.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use url::{Host, Url};

use super::cell::{Cell, within};
use super::rows::{self, Row};
use super::wire::Start;
use super::{PUBLIC, allowed_by, check, document, image_of, ip, play, test};
use crate::api::client::Daemon;
use crate::support::Test;

/// Archives all rows with these settings.
fn archive(cell: &Cell, rows: &[Row], settings: &[(&str, &str)]) -> Test {
    play(cell, rows);
    let mut test = test(cell)
        .set("fetch.sources", "[\"origin\"]")
        .set("fetch.retries", "0")
        .document("rows.html", document(rows));
    for (key, value) in settings {
        test = test.set(key, value);
    }
    test.run("archive rows.html").expect_code(3);
    test
}

fn within_network(seen: &BTreeMap<Start, usize>, network: &str) -> usize {
    let network: IpNet = network.parse().expect("it is a network");
    seen.keys().filter(|start| matches!(start, Start::Tcp(to) if network.contains(&to.ip()))).count()
}

#[test]
fn an_exempted_network_is_exempted_and_no_other() {
    within("addresses::settings::an_exempted_network_is_exempted_and_no_other", |cell| {
        let rows = rows::ours();
        let may = allowed_by(&rows);
        for (network, least) in [("127.0.0.0/8", 2), ("10.0.0.0/8", 2), ("::1/128", 1), ("fd00::/8", 1)] {
            archive(cell, &rows, &[("fetch.allow_networks", &format!("[\"{network}\"]"))]);
            let exempted: IpNet = network.parse().expect("it is a network");
            let seen = check(cell, network, |to| {
                // Ports of other services stay refused.
                may.contains(&to) || exempted.contains(&to.ip()) && [80, 443, 8080, 8443].contains(&to.port())
            });
            let count = within_network(&seen, network);
            assert!(count >= least, "{network} is exempted: {count} addresses");
        }
        println!("addresses: {} rows under each of 4 exempted networks: no other was opened", rows.len());
    });
}

#[test]
fn a_denied_network_is_denied_whatever_else_is_said() {
    within("addresses::settings::a_denied_network_is_denied_whatever_else_is_said", |cell| {
        let rows = rows::ours();
        let may = allowed_by(&rows);
        let settings = [
            ("fetch.deny_networks", "[\"93.184.216.0/24\"]"),
            ("fetch.allow_networks", "[\"93.184.216.34/32\"]"),
        ];
        archive(cell, &rows, &settings);
        let seen = check(cell, "deny", |to| may.contains(&to));
        assert_eq!(within_network(&seen, "93.184.216.0/24"), 0, "{seen:?}");
        assert!(seen.len() > 40, "all others are asked");
    });
}

#[test]
fn names_that_are_led_elsewhere_open_no_address() {
    within("addresses::settings::names_that_are_led_elsewhere_open_no_address", |cell| {
        let rows = rows::all();
        let target = SocketAddr::from(([127, 0, 0, 1], 8080));
        cell.world.forget_requests();
        archive(cell, &rows, &[("fetch.connect_to", "{ \"*\" = \"127.0.0.1:8080\" }")]);
        let seen = check(cell, "connect_to", |to| to == target);
        assert_eq!(seen.len(), 1);
        // What reached it was asked for by a public name or address.
        let may: Vec<IpAddr> = allowed_by(&rows).into_iter().map(|to| to.ip()).collect();
        let mut hosts = 0;
        for request in cell.world.requests() {
            let host = Host::parse(&request.host).expect("it is a host");
            let address = match host {
                Host::Ipv4(address) => IpAddr::from(address),
                Host::Ipv6(address) => IpAddr::from(address).to_canonical(),
                Host::Domain(_) => continue,
            };
            assert!(may.contains(&address), "{}", request.url);
            hosts += 1;
        }
        assert!(hosts > 50, "{hosts}");
        println!(
            "addresses: {} rows with every name led to 127.0.0.1: no private address was let through",
            rows.len()
        );
    });
}

#[test]
fn a_name_that_is_led_elsewhere_leads_no_other_there() {
    within("addresses::settings::a_name_that_is_led_elsewhere_leads_no_other_there", |cell| {
        let post = "![](http://nas.local/a.png) ![](http://other.local/a.png) ![](http://127.0.0.1:8080/a.png) \
                    ![](http://wiki/a.png) ![](http://wiki2/a.png) ![](http://nas.local:81/a.png) \
                    ![](http://x.nas.local/a.png) ![](http://10.0.0.5/a.png) ![](http://10.0.0.6/a.png)\n";
        let target = SocketAddr::from(([127, 0, 0, 1], 8080));
        let archive = |settings: &[(&str, &str)]| {
            let mut test = test(cell).set("fetch.sources", "[\"origin\"]").set("fetch.retries", "0");
            for (key, value) in settings {
                test = test.set(key, value);
            }
            test.write("a.md", post);
            test.run("archive a.md").expect_code(3);
        };
        let led = ("fetch.connect_to", "{ \"nas.local\" = \"127.0.0.1:8080\" }");
        let known = ("fetch.resolve", "{ wiki = [\"10.0.0.5\"], wiki2 = [\"10.0.0.6\"] }");
        archive(&[led, known]);
        let seen = check(cell, "connect_to", |to| to == target);
        assert_eq!(seen.len(), 1, "the name that was led there");
        // What the operator says of a name is judged like any answer.
        archive(&[known, ("fetch.allow_networks", "[\"10.0.0.5/32\"]")]);
        let seen = check(cell, "resolve", |to| to.ip() == ip("10.0.0.5"));
        assert!(!seen.is_empty());
    });
}

/// A resolver that fails, is silent or says nothing opens nothing.
#[test]
fn without_an_answer_nobody_is_asked() {
    within("addresses::settings::without_an_answer_nobody_is_asked", |cell| {
        let rows: Vec<Row> = rows::ours().into_iter().filter(|row| row.name().is_some()).collect();
        play(cell, &rows);
        let test = test(cell).set("fetch.sources", "[\"origin\"]").set("fetch.retries", "0");
        test.write("rows.html", document(&rows));
        // Names that have no address at all.
        cell.names.all(&[]);
        test.run("archive rows.html").expect_code(3);
        check(cell, "no answers", |_| false);
        // Nobody knows a name, and one answer that is no answer.
        cell.names.break_down();
        test.run("archive rows.html --retry").expect_code(3);
        check(cell, "broken answers", |_| false);
        cell.names.all(&[ip(PUBLIC)]);
        test.run("archive rows.html --retry").expect_code(3);
        assert!(!check(cell, "answers", |to| to.ip() == ip(PUBLIC)).is_empty());
    });
}

/// A document may name the very server that archives it; it is not asked, whatever network is exempted.
#[test]
fn a_daemon_does_not_ask_itself() {
    within("addresses::settings::a_daemon_does_not_ask_itself", |cell| {
        let kept = Url::parse("http://127.0.0.1:8080/kept.png").expect("it is a URL");
        for (listen, own) in [("127.0.0.1:7420", "127.0.0.1"), ("0.0.0.0:7421", "203.0.114.9")] {
            let port = listen.rsplit(':').next().expect("it has a port");
            cell.names.set("me.example", &[ip(own)]);
            cell.world.image(kept.as_str(), image_of(&kept));
            let before = format!(
                "![](http://{own}:{port}/a.png) ![](http://me.example:{port}/b.png) ![]({kept}) ![](http://[::ffff:{own}]:{port}/c.png)\n"
            );
            let test = test(cell)
                .set("fetch.sources", "[\"origin\"]")
                .set("fetch.retries", "0")
                .set("fetch.allow_networks", "[\"127.0.0.0/8\"]")
                .set("daemon.watch", "[\"posts\"]")
                .document("posts/a.md", &before);
            let command = test.command(&format!("--format json daemon --listen {listen}"));
            let daemon = Daemon::of(test, command);
            let start = Instant::now();
            while daemon.test.read("posts/a.md") == before.as_bytes() {
                assert!(start.elapsed() < Duration::from_secs(120), "it archives nothing");
                sleep(Duration::from_millis(50));
            }
            let seen = check(cell, "daemon", |to| to.port() == 8080);
            assert_eq!(seen.len(), 1, "{seen:?}");
        }
    });
}
