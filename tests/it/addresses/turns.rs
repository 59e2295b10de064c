//! Names whose answers change from one look-up to the next (DNS rebinding), or are good and bad at a time.

use super::cell::within;
use super::{PUBLIC, check, image_of, ip, run, test};
use crate::support::origin::Answer;
use crate::support::rounds::rounds;

use url::Url;

const PRIVATE: [&str; 9] = [
    "127.0.0.1",
    "10.0.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "0.0.0.0",
    "::1",
    "fd00::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
];
const PUBLIC_6: &str = "2606:2800:220:1:248:1893:25c8:1946";

#[test]
fn answers_that_change_never_lead_to_a_private_address() {
    within("addresses::turns::answers_that_change_never_lead_to_a_private_address", |cell| {
        let count = rounds(200);
        let mut post = String::new();
        let (mut good, mut never) = (Vec::new(), Vec::new());
        for number in 0..count {
            let name = format!("n{number}.turns.example");
            let kind = number / 9 % 7;
            // Where nobody listens at the good address, the next one would be tried.
            let port = if matches!(kind, 2 | 3) && number % 2 == 0 { ":8081" } else { "" };
            let url = format!("http://{name}{port}/a.png");
            let (public, private) = (ip(PUBLIC), ip(PRIVATE[number as usize % PRIVATE.len()]));
            let image = image_of(&Url::parse(&url).expect("it is a URL"));
            // Each request needs a connection of its own, and so a look-up.
            cell.world.answer(&url, Answer::image(image.clone()).closing());
            match kind {
                // Good and bad in turns, the good one first: it is had.
                0 => {
                    cell.names.script(&name, &[vec![public], vec![private]], true);
                    good.push(image);
                }
                1 => {
                    cell.names.script(&name, &[vec![private], vec![public]], true);
                }
                2 => {
                    cell.names.set(&name, &[public, private]);
                    never.push(image);
                }
                3 => {
                    cell.names.set(&name, &[private, ip(PUBLIC_6), public]);
                    never.push(image);
                }
                // The first connection breaks, and the name leads elsewhere by then.
                4 => {
                    cell.names.script(&name, &[vec![public], vec![private]], false);
                    cell.world.host_down(&name);
                }
                // It leads to itself, and the name leads elsewhere by then.
                5 => {
                    cell.names.script(&name, &[vec![public], vec![private]], false);
                    let there = Answer::redirect(&format!("http://{name}/b.png")).closing();
                    cell.world.answer(&url, there);
                }
                _ => {
                    cell.names.script(&name, &[vec![ip(PUBLIC_6)], vec![private], vec![]], true);
                    good.push(image);
                }
            }
            post.push_str(&format!("![]({url})\n"));
        }
        let test =
            test(cell).set("fetch.sources", "[\"origin\"]").set("fetch.retries", "2").document("a.md", post);
        run(&test, "archive a.md").expect_code(3);
        let seen = check(cell, "archive", |to| [ip(PUBLIC), ip(PUBLIC_6)].contains(&to.ip()));
        let blobs = test.blobs();
        for image in &good {
            assert!(
                blobs.contains_key(&imgkeep::digest::Digest::of(image)),
                "what is public at first is had"
            );
        }
        for image in &never {
            assert!(!blobs.contains_key(&imgkeep::digest::Digest::of(image)), "one bad answer spoils a name");
        }
        let looked_up = cell.names.take_asked().len() / 2;
        println!(
            "addresses: {count} names that change or are mixed ({}): {looked_up} look-ups, {} connections, 0 to \
             private addresses",
            never.len(),
            seen.values().sum::<usize>()
        );
    });
}
