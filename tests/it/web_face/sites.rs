//! Pages of other sites in a browser of this machine: whatever they send changes nothing, and nothing that only looks does.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::api::client::Daemon;
use crate::support::origin::Origin;
use crate::support::rounds::rounds;
use crate::support::{Test, picture};

fn scene(origin: &Origin) -> Test {
    origin.image("http://cdn.example/a.png", picture::sized(image::ImageFormat::Png, 1, 700, 400));
    Test::new()
        .origin(origin)
        .set("fetch.sources", "[\"origin\"]")
        .set("fetch.retries", "0")
        .set("daemon.allow", "[\"posts\"]")
        .document("posts/a.md", "![](http://cdn.example/a.png) ![](http://gone.example/a.png)\n")
}

/// Each path and method that is described, with something for each parameter.
fn described(daemon: &Daemon, digest: &str, run: &str) -> Vec<(String, String)> {
    let described = daemon.get("/api/v1/openapi.json");
    let mut all = Vec::new();
    for (path, operations) in described["paths"].as_object().expect("there are paths") {
        let path = path.replace("{digest}", digest).replace("{id}", run);
        let path =
            if path.ends_with("/explain") { format!("{path}?image=http://cdn.example/a.png") } else { path };
        for method in operations.as_object().expect("it has methods").keys() {
            all.push((method.to_uppercase(), path.clone()));
        }
    }
    all
}

/// The pages, with what they take.
fn pages(daemon: &Daemon, digest: &str, run: &str) -> Vec<String> {
    let document = daemon.test.path("posts/a.md");
    vec![
        "/".to_owned(),
        "/images".to_owned(),
        "/images?find=x&type=png&host=cdn.example".to_owned(),
        format!("/image/{digest}"),
        format!("/images/{}/{digest}.png", &digest[..2]),
        "/documents".to_owned(),
        format!("/document?path={}", document.display()),
        "/failures".to_owned(),
        "/failures?origin=http://gone.example/a.png".to_owned(),
        "/retry?origin=http://gone.example/a.png".to_owned(),
        "/runs".to_owned(),
        format!("/runs/{run}"),
        "/sign-in?token=x".to_owned(),
        "/sign-out".to_owned(),
        format!("/api/v1/runs?paths={}", document.display()),
        "/api/v1/retries?origin=http://gone.example/a.png".to_owned(),
        "/?http://gone.example/a.png".to_owned(),
        "/http://gone.example/b.png".to_owned(),
    ]
}

/// The runs that somebody ordered.
fn ordered(daemon: &Daemon) -> BTreeSet<String> {
    let runs = daemon.get("/api/v1/runs");
    let runs = runs["runs"].as_array().expect("it is a list").iter();
    let of_orders = runs.filter(|run| run["kind"] == "archive" || run["kind"] == "retry");
    of_orders.map(|run| run["id"].as_str().expect("it has a name").to_owned()).collect()
}

/// A sign-in, as a browser keeps it.
fn cookie(daemon: &Daemon) -> String {
    let ours = format!("Origin: http://{}", daemon.address);
    let form = "Content-Type: application/x-www-form-urlencoded";
    let reply = daemon.ask("POST /sign-in", &[form, &ours], &format!("token={}", daemon.token()));
    assert_eq!(reply.status, 303, "{reply:?}");
    format!(
        "Cookie: {}",
        reply.field("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("there is one")
    )
}

#[test]
fn pages_of_other_sites_order_nothing() {
    let origin = Origin::start();
    let daemon = Daemon::start(scene(&origin));
    let run = daemon.archive_posts();
    daemon.ended(&run);
    let run = run.rsplit('/').next().expect("it has a name").to_owned();
    let digest = daemon.test.blobs().into_keys().next().expect("one was kept").to_string();
    let (cookie, before, asked) = (cookie(&daemon), ordered(&daemon), origin.requests().len());
    let documents = daemon.test.tree("posts");
    let bearer = format!("Authorization: Bearer {}", daemon.token());
    let paths = json!({ "paths": [daemon.test.path("posts")] }).to_string();
    let contents = [
        ("text/plain", paths.as_str()),
        ("application/json", &paths),
        ("application/x-www-form-urlencoded", "origin=http%3A%2F%2Fgone.example%2Fa.png&token=x"),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"origin\"\r\n\r\nhttp://gone.example/a.png\r\n--x--\r\n",
        ),
        ("text/plain;application/json", &paths),
        ("", &paths),
    ];
    let from: [&[&str]; 8] = [
        &["Origin: http://evil.test", "Sec-Fetch-Site: cross-site"],
        &["Origin: https://evil.test"],
        &["Origin: null"],
        &["Origin: http://localhost:1", "Sec-Fetch-Site: same-site"],
        &["Origin: http://localhost.evil.test"],
        &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"],
        &["Sec-Fetch-Site: same-site"],
        &["Origin: file://"],
    ];
    let mut targets: BTreeSet<(String, String)> = described(&daemon, &digest, &run).into_iter().collect();
    for page in pages(&daemon, &digest, &run) {
        targets.insert(("POST".to_owned(), page));
    }
    let (mut tried, mut changing) = (0, 0);
    for (method, path) in targets.iter().filter(|(method, _)| method != "GET" && method != "HEAD") {
        changing += 1;
        for (number, from) in from.iter().enumerate() {
            for (other, (media_type, content)) in contents.iter().enumerate() {
                // Without rounds two contents from each.
                if rounds(1) == 1 && (number + other + changing) % 3 != 0 {
                    continue;
                }
                let media_type = format!("Content-Type: {media_type}");
                // A browser adds the cookie; the token it could only have from whoever knows it.
                let shown = if tried % 2 == 0 { &cookie } else { &bearer };
                let mut fields = vec![media_type.as_str(), shown];
                fields.extend(*from);
                let reply = daemon.ask(&format!("{method} {path}"), &fields, content);
                assert!(
                    matches!(reply.status, 400 | 401 | 403 | 405 | 413),
                    "{method} {path} {fields:?}: {reply:?}"
                );
                let allowed = reply.fields.iter().any(|(name, _)| name.starts_with("access-control"));
                assert!(!allowed, "{method} {path} {fields:?}");
                tried += 1;
            }
        }
    }
    assert!(changing >= 10, "{changing}");
    // Without a word of where it comes from, a cookie does not do for an order either.
    for path in ["/api/v1/runs", "/api/v1/retries", "/retry"] {
        for (media_type, content) in contents {
            let reply = daemon.ask(
                &format!("POST {path}"),
                &[&cookie, &format!("Content-Type: {media_type}")],
                content,
            );
            assert!(matches!(reply.status, 401 | 403), "{path} {media_type}: {reply:?}");
            tried += 1;
        }
    }
    // The sign-in is still there, and nothing was ordered.
    assert_eq!(ordered(&daemon), before);
    assert_eq!((daemon.test.tree("posts"), origin.requests().len()), (documents, asked));
    let ours = format!("Origin: http://{}", daemon.address);
    let form = "Content-Type: application/x-www-form-urlencoded";
    let reply = daemon.ask("POST /retry", &[&cookie, &ours, form], "origin=http://gone.example/a.png");
    assert_eq!(reply.status, 303, "a page of ours may: {reply:?}");
    println!(
        "web face: {tried} requests of other sites to {changing} targets that change something: none did"
    );
}

#[test]
fn looking_changes_nothing() {
    let origin = Origin::start();
    let test = scene(&origin);
    test.run("archive posts").expect_code(3);
    let daemon = Daemon::start(test);
    let digest = daemon.test.blobs().into_keys().next().expect("one was kept").to_string();
    let bearer = format!("Authorization: Bearer {}", daemon.token());
    let cookie = cookie(&daemon);
    let run = daemon.archive_posts();
    daemon.ended(&run);
    let run = run.rsplit('/').next().expect("it has a name").to_owned();
    let (before, asked, documents) = (ordered(&daemon), origin.requests().len(), daemon.test.tree("."));
    let stays = |path: &std::path::Path| {
        let name = path.to_string_lossy();
        !name.ends_with("lock")
            && !name.contains("thumbnails/")
            && !name.contains("catalog.db")
            && !name.contains("journal/")
    };
    let mut targets = described(&daemon, &digest, &run);
    for page in pages(&daemon, &digest, &run) {
        targets.extend(["GET", "HEAD", "OPTIONS", "TRACE"].map(|method| (method.to_owned(), page.clone())));
    }
    let mut tried = 0;
    for (method, path) in targets.iter().filter(|(method, _)| method != "POST" && method != "DELETE") {
        // Some say by a query or a field that another method is meant.
        for (more, query) in [
            ("X-HTTP-Method-Override: POST", ""),
            ("X-HTTP-Method: DELETE", ""),
            ("X-Method-Override: PUT", "_method=POST"),
            ("Content-Type: application/json", "_method=DELETE"),
        ] {
            let shown = if tried % 2 == 0 { &bearer } else { &cookie };
            let mark = if path.contains('?') { '&' } else { '?' };
            let target = if query.is_empty() { path.clone() } else { format!("{path}{mark}{query}") };
            daemon.ask(&format!("{method} {target}"), &[shown, more], "");
            tried += 1;
        }
    }
    assert_eq!(ordered(&daemon), before);
    assert_eq!(origin.requests().len(), asked);
    let of = |tree: std::collections::BTreeMap<std::path::PathBuf, imgkeep::digest::Digest>| {
        tree.into_iter().filter(|(path, _)| stays(path)).collect::<Vec<_>>()
    };
    assert_eq!(of(daemon.test.tree(".")), of(documents));
    let state: Value = daemon.get(&format!("/api/v1/runs/{run}"));
    assert_eq!(state["state"], "done", "{state}");
    println!(
        "web face: {tried} requests that only look, by all paths that are described: nothing was changed"
    );
}
