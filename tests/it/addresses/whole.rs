//! All rows in one document, and all that the program does with it: archive, ask again, compare, repair, watch.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use imgkeep::digest::Digest;
use percent_encoding::percent_decode_str;

use super::cell::{Cell, within};
use super::rows::{self, Row};
use super::{OTHERS, allowed_by, check, digest_of, document, ip, play, proxied, run, test};
use crate::api::client::Daemon;
use crate::support::rounds::rounds;

/// What takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Panics unless each line of a document was rewritten whose row is allowed, and no other. Lines of the same URL are alike.
fn check_lines(rows: &[Row], before: &str, after: &str) {
    let allowed: BTreeSet<&str> =
        rows.iter().filter(|row| row.is_allowed()).map(|row| row.url.as_str()).collect();
    for (row, (before, after)) in rows.iter().zip(before.lines().zip(after.lines())) {
        assert_eq!(before != after, allowed.contains(row.url.as_str()), "{}: {after}", row.id);
    }
}

/// Panics when a third party was told of an address that is not public.
fn check_told(cell: &Cell, rows: &[Row]) -> usize {
    let is_public = |row: &&Row| {
        // Public until a redirect leads elsewhere, or a name that nobody knows.
        !row.redirects.is_empty() || row.resolve.values().all(Vec::is_empty) && row.may_be_looked_up()
    };
    let public: Vec<&Row> = rows.iter().filter(is_public).collect();
    let mut told = 0;
    for request in cell.world.requests() {
        if OTHERS.iter().any(|(name, _)| request.host == *name) {
            let url = percent_decode_str(&request.url).decode_utf8_lossy().into_owned();
            assert!(public.iter().any(|row| url.ends_with(&row.url)), "told: {url}");
            told += 1;
        }
    }
    told
}

#[test]
fn a_run_over_every_row_asks_only_whom_it_may() {
    within("addresses::whole::a_run_over_every_row_asks_only_whom_it_may", |cell| {
        let rows = rows::all();
        play(cell, &rows);
        let before = document(&rows);
        let test = test(cell).document("rows.html", &before);
        let outcome = run(&test, "--format json archive rows.html").expect_code(3);
        let may = allowed_by(&rows);
        let seen = check(cell, "archive", |to| may.contains(&to));
        let connections: usize = seen.values().sum();
        assert!(connections >= cell.world.opened_connections(), "the tap lost packets");

        let allowed: Vec<&Row> = rows.iter().filter(|row| row.is_allowed()).collect();
        let kept: BTreeSet<Digest> = test.blobs().into_keys().collect();
        let missing: Vec<_> =
            allowed.iter().filter(|row| !kept.contains(&digest_of(row))).map(|row| &row.id).collect();
        assert!(missing.is_empty(), "not kept: {missing:?}\n{}", outcome.stdout);
        assert_eq!(kept, allowed.iter().map(|row| digest_of(row)).collect(), "kept, and not to be had");
        check_lines(&rows, &before, &String::from_utf8_lossy(&test.read("rows.html")));
        let told = check_told(cell, &rows);
        assert!(told > 0, "third parties are asked for what is public");
        // What is known to be nobody's name is not even looked up.
        let private: BTreeSet<String> =
            rows.iter().filter(|row| row.id.contains("(name: ")).filter_map(Row::name).collect();
        assert!(private.len() > 15);
        let asked = cell.names.take_asked();
        assert_eq!(asked.iter().filter(|name| private.contains(*name)).collect::<Vec<_>>(), [""; 0]);
        println!(
            "addresses: {} rows, {} to be refused: {connections} connections, none of them to an address that is \
             refused or to the proxy of the environment; {} images kept",
            rows.len(),
            rows.len() - allowed.len(),
            kept.len()
        );
    });
}

/// What was public is not any more: each run after that asks nobody by a name.
#[test]
fn later_runs_trust_no_address_of_an_earlier_one() {
    within("addresses::whole::later_runs_trust_no_address_of_an_earlier_one", |cell| {
        let rows: Vec<Row> = rows::ours().into_iter().filter(Row::is_allowed).collect();
        play(cell, &rows);
        let test = test(cell)
            .set("fetch.retries", "1")
            .document("rows.html", document(&rows))
            .document("wanted.html", "<img src=\"http://later.rows.test/a.png\">\n");
        run(&test, "archive rows.html").expect_code(0);
        run(&test, "archive wanted.html").expect_code(3);
        cell.wire.take();
        let literals: BTreeSet<IpAddr> =
            rows.iter().filter(|row| row.name().is_none()).flat_map(Row::may_ask).map(|(ip, _)| ip).collect();
        assert!(literals.len() > 40);
        let (mut asked, mut runs) = (0, 0);
        let turns = rounds(2) as usize;
        for (index, answer) in
            ["127.0.0.1", "::1", "169.254.169.254", "10.0.0.1"].iter().take(turns).enumerate()
        {
            cell.names.all(&[ip(answer)]);
            // Something to repair, to be had by its name alone, and something by its address.
            for blob in test.blobs().into_values().skip(index).step_by(5) {
                fs::write(&blob, "damaged").expect("it is ours");
            }
            for words in [
                "verify --repair",
                "archive wanted.html --retry",
                "archive rows.html --update",
                "status --rot=all",
                "archive rows.html wanted.html",
                "scan rows.html --remote",
                "explain http://n56.rows.test/a.png",
                "status",
            ] {
                run(&test, words);
                let seen = check(cell, words, |to| literals.contains(&to.ip()));
                asked += seen.values().sum::<usize>();
                runs += 1;
            }
            // For the next turn all is there again.
            play(cell, &rows);
            run(&test, "verify --repair").expect_code(0);
            cell.wire.take();
        }
        assert!(asked > 100, "what is public by its address is asked again");
        println!(
            "addresses: {runs} later runs with names that lead elsewhere: {asked} connections, all to public addresses"
        );
    });
}

#[test]
fn a_daemon_asks_only_whom_it_may() {
    within("addresses::whole::a_daemon_asks_only_whom_it_may", |cell| {
        let rows = rows::ours();
        play(cell, &rows);
        let before = document(&rows);
        let test = test(cell)
            .document("posts/rows.html", &before)
            .set("daemon.watch", "[\"posts\"]")
            .set("fetch.retries", "1");
        let command = proxied(&test, "--format json daemon --listen 127.0.0.1:0");
        let daemon = Daemon::of(test, command);
        let start = Instant::now();
        while String::from_utf8_lossy(&daemon.test.read("posts/rows.html")) == before {
            assert!(start.elapsed() < PATIENCE, "it archives nothing");
            sleep(Duration::from_millis(50));
        }
        check_lines(&rows, &before, &String::from_utf8_lossy(&daemon.test.read("posts/rows.html")));
        let own = daemon.address;
        let may = allowed_by(&rows);
        let seen = check(cell, "daemon", |to| to == own || may.contains(&to));
        println!("addresses: a daemon over {} rows: {} addresses asked, all public", rows.len(), seen.len());
    });
}
