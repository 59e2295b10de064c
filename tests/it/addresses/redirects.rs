//! Redirects by each status to each form of an address, and what looks like one.

use super::cell::within;
use super::rows::{self, Row};
use super::{PUBLIC, check, digest_of, ip, play, run, test};
use crate::support::origin::Answer;
use crate::support::rounds::rounds;

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

#[test]
fn no_redirect_leads_to_a_private_address() {
    within("addresses::redirects::no_redirect_leads_to_a_private_address", |cell| {
        let forms: Vec<Row> = rows::ours().into_iter().filter(|row| row.url.is_ascii()).collect();
        play(cell, &forms);
        let allowed = super::allowed_by(&forms);
        // Each form once by some status, or with five rounds by each.
        let rounds = rounds(1).min(5) as usize;
        let (mut post, mut refused) = (String::new(), 0);
        for round in 0..rounds {
            for (index, form) in forms.iter().enumerate() {
                let host = format!("r{round}-{index}.hops.example");
                cell.names.set(&host, &[ip(PUBLIC)]);
                let url = format!("http://{host}/a.png");
                let status = STATUSES[(index + round) % STATUSES.len()];
                cell.world.answer(&url, Answer::redirect_by(status, &form.url).closing());
                post.push_str(&format!("<img src=\"{url}\">\n"));
                refused += usize::from(!form.is_allowed());
            }
        }
        // What browsers might follow, and nobody here does.
        let to = "http://169.254.169.254/latest/";
        let page =
            format!("<meta http-equiv=refresh content=\"0; url={to}\"><script>location='{to}'</script>");
        for (index, answer) in [
            Answer::html(&page).header("Refresh", &format!("0; url={to}")),
            Answer::status(302).header("Refresh", &format!("0; url={to}")),
            Answer::status(300).header("Location", to),
            Answer::status(304).header("Location", to),
            Answer::status(305).header("Location", to),
            Answer::status(201).header("Location", to),
            Answer::status(401).header("Location", to),
            Answer::html(&page)
                .header("Content-Location", to)
                .header("Link", &format!("<{to}>; rel=preload")),
            Answer::status(302).header("Location", "http://r0-0.hops.example@169.254.169.254/"),
            Answer::status(302).header("Location", "//169.254.169.254/"),
            Answer::status(302).header("Location", "\\\\169.254.169.254\\"),
            Answer::status(302).header("Location", "/\\169.254.169.254/"),
        ]
        .into_iter()
        .enumerate()
        {
            let host = format!("x{index}.hops.example");
            cell.names.set(&host, &[ip(PUBLIC)]);
            cell.world.answer(&format!("http://{host}/a.png"), answer);
            post.push_str(&format!("<img src=\"http://{host}/a.png\">\n"));
        }
        let test = test(cell)
            .set("fetch.sources", "[\"origin\"]")
            .set("fetch.retries", "0")
            .document("a.html", post);
        run(&test, "archive a.html").expect_code(3);
        let seen = check(cell, "archive", |to| allowed.contains(&to) || to.ip() == ip(PUBLIC));
        let blobs = test.blobs();
        for form in forms.iter().filter(|form| form.is_allowed()) {
            assert!(blobs.contains_key(&digest_of(form)), "{} may be led to", form.id);
        }
        println!(
            "addresses: {refused} redirects by {STATUSES:?} to be refused: {} connections, none to a private address",
            seen.values().sum::<usize>()
        );
    });
}
