//! Who is answered, and who may order changes: the attacks that a server on loopback has to expect.

use std::os::unix::fs::MetadataExt;

use serde_json::json;

use crate::api::client::Daemon;
use crate::support::Test;

fn daemon() -> Daemon {
    Daemon::start(Test::new().document("posts/a.md", "").set("daemon.allow", "[\"posts\"]"))
}

fn order(daemon: &Daemon) -> String {
    json!({ "paths": [daemon.test.path("posts")] }).to_string()
}

#[test]
fn foreign_names_are_not_answered() {
    let daemon = daemon();
    let port = daemon.address.port();
    for (host, expected) in [
        ("localhost".to_owned(), 200),
        (format!("localhost:{port}"), 200),
        (format!("127.0.0.1:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        ("evil.test".to_owned(), 421),
        (format!("evil.test:{port}"), 421),
        ("127.0.0.1.nip.io".to_owned(), 421),
        ("localhost.evil.test".to_owned(), 421),
        ("192.0.2.1".to_owned(), 421),
        ("user@localhost".to_owned(), 421),
    ] {
        for path in ["/api/v1", "/", "/metrics", "/sign-in"] {
            let reply = daemon.ask_at(&host, &format!("GET {path}"), &[], "");
            assert_eq!(reply.status, expected, "{host} {path}");
        }
    }
    assert_eq!(daemon.ask("GET http://evil.test/api/v1", &[], "").status, 421, "the target's name counts");
    assert_eq!(daemon.ask("GET /api/v1", &["Host: localhost"], "").status, 400, "two names are none");
    // Whatever its name: images are for everybody.
    assert_eq!(daemon.ask_at("evil.test", "GET /healthz", &[], "").status, 200);
}

#[test]
fn pages_of_other_sites_change_nothing() {
    let daemon = daemon();
    let (order, bearer) = (order(&daemon), format!("Authorization: Bearer {}", daemon.token()));
    let json = "Content-Type: application/json";
    let ours = format!("Origin: http://{}", daemon.address);
    for (fields, expected) in [
        (vec![bearer.as_str(), json], 202),
        (vec![&bearer, json, &ours], 202),
        (vec![&bearer, json, "Sec-Fetch-Site: same-origin"], 202),
        (vec![&bearer, json, "Sec-Fetch-Site: none"], 202),
        (vec![&bearer, json, "Origin: http://evil.test"], 403),
        (vec![&bearer, json, "Origin: null"], 403),
        (vec![&bearer, json, "Origin: http://localhost:1"], 403),
        (vec![&bearer, json, "Sec-Fetch-Site: cross-site"], 403),
        (vec![&bearer, json, "Sec-Fetch-Site: same-site"], 403),
        (vec![&bearer, json, &ours, "Sec-Fetch-Site: cross-site"], 403),
        (vec![json], 401),
        (vec![json, &ours], 401),
        (vec!["Content-Type: text/plain"], 401),
        (vec!["Content-Type: text/plain", "Origin: http://evil.test"], 403),
        (vec![&bearer, "Content-Type: text/plain"], 415),
    ] {
        assert_eq!(daemon.ask("POST /api/v1/runs", &fields, &order).status, expected, "{fields:?}");
    }
    // What a browser asks before it lets a script of another site send JSON.
    let asks = ["Origin: http://evil.test", "Access-Control-Request-Method: POST"];
    let reply = daemon.ask("OPTIONS /api/v1/runs", &asks, "");
    assert_eq!(reply.status, 403);
    for target in ["/api/v1", "/", "/api/v1/images"] {
        let reply = daemon.ask(&format!("GET {target}"), &["Origin: http://evil.test"], "");
        assert_eq!(reply.field("access-control-allow-origin"), None, "{target}");
        assert_eq!(reply.field("x-content-type-options"), Some("nosniff"), "{target}");
        assert_eq!(reply.field("cross-origin-resource-policy"), Some("same-origin"), "{target}");
    }
}

#[test]
fn only_the_token_is_the_token() {
    let daemon = daemon();
    let (order, token) = (order(&daemon), daemon.token());
    for (shown, expected) in [
        (format!("Bearer {token}"), 202),
        (format!("bearer  {token}"), 202),
        ("Bearer wrong".to_owned(), 401),
        ("Bearer".to_owned(), 401),
        ("Bearer ".to_owned(), 401),
        (format!("Bearer {}", &token[..token.len() - 1]), 401),
        (format!("Bearer {token}x"), 401),
        (format!("Bearer {}", token.to_uppercase()), 401),
        (format!("Basic {token}"), 401),
        (token.clone(), 401),
        (format!("Bearer {}", "x".repeat(10_000)), 401),
        (format!("Bearer {}", "x".repeat(1 << 20)), 431),
    ] {
        let fields = [&*format!("Authorization: {shown}"), "Content-Type: application/json"];
        let reply = daemon.ask("POST /api/v1/runs", &fields, &order);
        assert_eq!(reply.status, expected, "{}", &shown[..shown.len().min(60)]);
        assert_eq!(reply.field("www-authenticate").is_some(), expected == 401);
        if expected == 401 && shown.starts_with("Bearer") {
            let read = daemon.ask("GET /api/v1", &fields[..1], "");
            assert_eq!(read.status, 401, "a wrong token is no token");
        }
    }
    let path = daemon.test.path("cache/token");
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    let test = Test::new().document("token", "short\n").set("server.token_file", "token");
    let refused = test.run("daemon --listen 127.0.0.1:0").expect_code(2);
    assert!(
        refused.stderr.contains("holds no token") && !refused.stderr.contains("short"),
        "{}",
        refused.stderr
    );
}

#[test]
fn who_signed_in_may_send_forms_and_nothing_else() {
    let daemon = daemon();
    let ours = format!("Origin: http://{}", daemon.address);
    let form = "Content-Type: application/x-www-form-urlencoded";
    let page = daemon.ask("GET /sign-in", &[], "");
    assert_eq!((page.status, page.field("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.field("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let sign_in =
        |token: &str, origin: &str| daemon.ask("POST /sign-in", &[form, origin], &format!("token={token}"));
    assert_eq!(sign_in("wrong", &ours).status, 403);
    assert_eq!(sign_in(&daemon.token(), "Origin: http://evil.test").status, 403);
    let reply = sign_in(&daemon.token(), &ours);
    assert_eq!((reply.status, reply.field("location")), (303, Some("/")));
    let cookie = reply.field("set-cookie").unwrap();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());

    // A proxy before us speaks TLS, and the browser says so.
    let secure = sign_in(&daemon.token(), &ours.replace("http:", "https:"));
    assert!(secure.field("set-cookie").unwrap().ends_with("; Path=/; Secure"), "{secure:?}");

    // There is no such form, which only those are told who may send one.
    let send = |fields: &[&str]| daemon.ask("POST /retry/none", fields, "").status;
    assert_eq!(send(&[&cookie, &ours]), 404);
    assert_eq!(send(&[&cookie]), 403);
    assert_eq!(send(&[&cookie, "Origin: null"]), 403);
    assert_eq!(send(&[&ours]), 401);
    let order = order(&daemon);
    let reply = daemon.ask("POST /api/v1/runs", &[&cookie, &ours, "Content-Type: application/json"], &order);
    assert_eq!(reply.status, 401, "the API takes no cookie");

    let reply = daemon.ask("POST /sign-out", &[&cookie, &ours], "");
    assert_eq!(reply.status, 303);
    assert_eq!(send(&[&cookie, &ours]), 401, "the session is over");
    let statuses: Vec<u16> = (0..20).map(|_| sign_in("wrong", &ours).status).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    let elsewhere = daemon.ask(
        "POST /sign-in",
        &[form, &ours, "X-Forwarded-For: 192.0.2.1"],
        &format!("token={}", daemon.token()),
    );
    assert_eq!(elsewhere.status, 303, "nobody else is locked out");
}

#[test]
fn readers_are_whom_the_configuration_says() {
    let test = Test::new().set("server.readers", "none").set("server.hosts", "[\"images.example\"]");
    let daemon = Daemon::start(test);
    let bearer = format!("Authorization: Bearer {}", daemon.token());
    for path in ["/api/v1", "/metrics", "/"] {
        let line = format!("GET {path}");
        let refused = daemon.ask(&line, &[], "");
        assert_eq!((refused.status, refused.field("www-authenticate").is_some()), (401, true), "{path}");
        assert_eq!(daemon.ask(&line, &[&bearer], "").status, 200, "{path}");
    }
    assert_eq!(daemon.ask_at("images.example", "GET /api/v1", &[&bearer], "").status, 200);
    assert_eq!(daemon.ask("GET /sign-in", &[], "").status, 200, "how else could one sign in?");
    assert_eq!(daemon.ask("GET /healthz", &[], "").status, 200);
    assert_eq!(daemon.ask_by_socket("GET /api/v1", &[], "").status, 200);
}

#[test]
fn who_comes_through_a_proxy_is_not_on_this_machine() {
    let daemon = daemon();
    for path in ["/api/v1", "/metrics", "/", "/documents"] {
        for (field, expected) in
            [("Accept: */*", 200), ("X-Forwarded-For: 127.0.0.1", 401), ("Via: 1.1 a", 401)]
        {
            assert_eq!(
                daemon.ask_at("localhost", &format!("GET {path}"), &[field], "").status,
                expected,
                "{path}"
            );
        }
    }
    assert_eq!(daemon.ask_at("localhost", "GET /healthz", &["Via: 1.1 a"], "").status, 200);
}

#[test]
fn pages_take_what_they_say_they_take() {
    let daemon = daemon();
    for method in ["PUT", "TRACE", "OPTIONS"] {
        let reply = daemon.ask(&format!("{method} /documents"), &[], "");
        assert_eq!((reply.status, reply.field("allow")), (405, Some("GET,HEAD")), "{method}");
    }
    let foreign = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"];
    assert_eq!(daemon.ask("GET /documents", &foreign, "").status, 403);
}
