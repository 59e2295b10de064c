//! What a stranger can learn of the machine, and of what is kept.

use imgkeep::digest::Digest;

use super::raw;
use crate::api::client::Daemon;
use crate::support::origin::Origin;
use crate::support::{Test, picture};

#[test]
fn strangers_learn_neither_paths_nor_versions_nor_names() {
    let origin = Origin::start();
    let bytes = picture::png(1);
    origin.image("http://cdn.example/private-name.png", bytes.clone());
    let post = "![](http://cdn.example/private-name.png) ![](http://gone.example/private-name.png)\n";
    let test = Test::new()
        .origin(&origin)
        .set("fetch.sources", "[\"origin\"]")
        .set("fetch.retries", "0")
        .set("daemon.allow", "[\"posts\"]")
        .document("posts/private-name.md", post);
    test.run("archive posts").expect_code(3);
    let daemon = Daemon::start(test);
    let digest = Digest::of(&bytes).to_string();
    let root = daemon.test.root();
    let root = root.to_str().expect("it is UTF-8");
    let run = daemon.archive_posts();
    daemon.ended(&run);
    let paths = [
        "/".to_owned(),
        "/images".to_owned(),
        format!("/image/{digest}"),
        format!("/thumbnails/{digest}/320"),
        "/documents".to_owned(),
        format!("/document?path={root}/posts/private-name.md"),
        "/failures".to_owned(),
        "/runs".to_owned(),
        run.replace("/api/v1", ""),
        run.clone(),
        format!("{run}/events"),
        "/metrics".to_owned(),
        "/sign-in".to_owned(),
        "/healthz".to_owned(),
        "/api".to_owned(),
        "/api/v1".to_owned(),
        "/api/v1/openapi.json".to_owned(),
        "/api/v1/status".to_owned(),
        "/api/v1/daemon".to_owned(),
        "/api/v1/images".to_owned(),
        format!("/api/v1/images/{digest}"),
        "/api/v1/documents".to_owned(),
        "/api/v1/failures".to_owned(),
        "/api/v1/explain?image=http://cdn.example/private-name.png".to_owned(),
        "/api/v1/runs".to_owned(),
        "/none".to_owned(),
        "/assets/none".to_owned(),
        "/images/".to_owned(),
        "/images/ab/".to_owned(),
        format!("/images/{}/", &digest[..2]),
        format!("/images/{}/{digest}.png", &digest[..2]),
        "/favicon.ico".to_owned(),
        "/robots.txt".to_owned(),
        "/.well-known/security.txt".to_owned(),
        "/.git/config".to_owned(),
        "/server-status".to_owned(),
        "/debug/pprof".to_owned(),
        "/actuator/env".to_owned(),
    ];
    let mut tried = 0;
    // Somebody afar, by way of a proxy; somebody who asks for another name; and nonsense.
    for who in [
        "X-Forwarded-For: 198.51.100.7",
        "Via: 1.1 proxy",
        "X-Forwarded-For: 198.51.100.7\r\nAuthorization: Bearer wrong",
    ] {
        for path in &paths {
            for method in ["GET", "POST", "DELETE", "OPTIONS", "PUT"] {
                for host in ["localhost", "evil.test"] {
                    let request = format!(
                        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{who}\r\n\r\n"
                    );
                    let answer = raw(daemon.address, request.as_bytes());
                    let text = String::from_utf8_lossy(&answer);
                    let (head, body) = text.split_once("\r\n\r\n").expect("there is an answer");
                    let what = format!("{method} {path} {host} {who}");
                    for secret in [
                        root,
                        "/tmp/",
                        "private-name",
                        env!("CARGO_PKG_VERSION"),
                        "sqlite",
                        ".rs:",
                        "panicked",
                    ] {
                        assert!(!text.contains(secret), "{what}: {secret}: {text}");
                    }
                    let names: Vec<String> = head
                        .lines()
                        .skip(1)
                        .filter_map(|line| Some(line.split_once(':')?.0.to_lowercase()))
                        .collect();
                    for name in ["server", "x-powered-by", "set-cookie"] {
                        assert!(!names.iter().any(|found| found == name), "{what}: {head}");
                    }
                    // Only whole names of images lead to one.
                    let is_own = path.ends_with(".png") && path.starts_with("/images/") && method == "GET";
                    assert_eq!(body.contains("PNG"), is_own, "{what}");
                    assert!(!body.contains(&digest) || is_own, "{what}: {body}");
                    tried += 1;
                }
            }
        }
    }
    println!("web face: {tried} requests of strangers: no path, version, name or digest");
}

#[test]
fn images_are_found_by_their_whole_names_only() {
    let origin = Origin::start();
    let bytes = picture::png(1);
    origin.image("http://cdn.example/a.png", bytes.clone());
    let test = Test::new().origin(&origin).document("a.md", "![](http://cdn.example/a.png)\n");
    test.run("archive a.md").expect_code(0);
    let server = crate::serve::client::Server::start(test, "serve");
    let digest = Digest::of(&bytes).to_string();
    let folder = &digest[..2];
    assert_eq!(server.ask("GET", &format!("/images/{folder}/{digest}.png"), &[]).status, 200);
    let absent = server.ask("GET", &format!("/images/00/{}.png", "0".repeat(64)), &[]);
    for length in 0..64 {
        // As much of the name as is guessed, and the rest wrong, or missing, or anything.
        let (start, rest) = digest.split_at(length);
        let wrong = if rest.starts_with('0') { '1' } else { '0' };
        for name in [
            format!("{start}{wrong}{}", &rest[1..]),
            start.to_owned(),
            format!("{start}*"),
            format!("{start}%"),
            format!("{start}_{}", &rest[1..]),
        ] {
            let reply = server.ask("GET", &format!("/images/{folder}/{name}.png"), &[]);
            assert_eq!((reply.status, &reply.body), (404, &absent.body), "{name}");
            // One answer is as the other, save the time.
            let but_date = |fields: &[(String, String)]| {
                fields.iter().filter(|(name, _)| name != "date").cloned().collect::<Vec<_>>()
            };
            assert_eq!(but_date(&reply.fields), but_date(&absent.fields), "{name}");
        }
    }
}
