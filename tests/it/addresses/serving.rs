//! The server, asked for every row as dead proxies were: it looks up what it has, and asks nobody.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::cell::within;
use super::{PROXY, VARIABLES, check, rows};
use crate::serve::client::Server;
use crate::support::rounds::rounds;
use crate::support::{Test, picture};

/// A name that was a proxy's.
const PROXY_NAME: &str = "cors.zfour.workers.dev";

#[test]
fn the_server_asks_nobody() {
    within("addresses::serving::the_server_asks_nobody", |cell| {
        cell.world.image("http://127.0.0.1:8080/a.png", picture::png(1));
        let test = Test::new()
            .set("fetch.allow_networks", "[\"127.0.0.1/32\"]")
            .document("a.md", "![](http://127.0.0.1:8080/a.png)\n");
        test.run("archive a.md").expect_code(0);
        let mut command = test.command("--format json serve --listen 127.0.0.1:0");
        command.envs(VARIABLES.map(|name| (name, PROXY)));
        let server = Server::run(test, command);
        cell.wire.take();
        let (rows, mut asked) = (rows::all(), 0);
        for (number, row) in rows.iter().enumerate() {
            let encoded = utf8_percent_encode(&row.url, NON_ALPHANUMERIC).to_string();
            let raw: String = row.url.chars().filter(char::is_ascii_graphic).collect();
            let forms = [
                format!("/?{encoded}"),
                format!("/?url={encoded}"),
                format!("/{encoded}"),
                format!("/?{raw}"),
            ];
            for (form, target) in forms.iter().enumerate() {
                // Without rounds each row in one form.
                if rounds(1) == 1 && form != number % forms.len() {
                    continue;
                }
                let host = if number % 8 < 4 { server.address.to_string() } else { PROXY_NAME.to_owned() };
                let reply = server.ask_as(&host, "GET", target, &[]);
                let status = reply.status;
                assert!(matches!(status, 400 | 404 | 414 | 421 | 431), "{} at {host}: {status}", row.id);
                // It does not say which addresses were asked for.
                assert!(status != 404 || reply.body == b"not kept\n", "{}: {:?}", row.id, reply.body);
                asked += 1;
            }
        }
        let own = server.address;
        let seen = check(cell, "serve", |to| to == own);
        assert_eq!(seen.values().sum::<usize>(), asked, "no packet is lost");
        assert_eq!(cell.names.take_asked(), [""; 0], "no name is looked up");
        assert_eq!(server.ask("GET", "/?http://127.0.0.1:8080/a.png", &[]).body, picture::png(1));
        println!("addresses: {asked} requests for {} URLs to the server: it asked nobody", rows.len());
    });
}
