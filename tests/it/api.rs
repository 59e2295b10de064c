//! What a daemon answers to programs and lets them order, over raw sockets.

mod access;
pub(crate) mod client;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

use client::Daemon;

/// A folder of documents with an image each, and one that nobody gives.
fn posts(origin: &Origin, documents: u32) -> Test {
    let mut test = Test::new().origin(origin).set("fetch.sources", "[\"origin\"]").set("fetch.retries", "0");
    for number in 0..documents {
        let url = format!("http://cdn.example/{number}.jpg");
        origin.image(&url, picture::jpeg(number.into()));
        let text = format!("![]({url}) ![](http://gone.example/{number}.jpg)\n");
        test = test.document(&format!("posts/{number}.md"), text);
    }
    test.set("daemon.allow", "[\"posts\"]")
}

#[test]
fn a_run_is_ordered_followed_and_reported() {
    let origin = Origin::start();
    let test = posts(&origin, 2);
    origin.answer("http://cdn.example/0.jpg", Answer::image(picture::jpeg(0)).delay(Duration::from_secs(1)));
    let daemon = Daemon::start(test);
    let run = daemon.archive_posts();
    let reply = daemon.ask(&format!("GET {run}/events"), &["Last-Event-ID: 7"], "");
    assert_eq!(reply.field("content-type"), Some("text/event-stream"));
    let events = reply.events();
    let states: Vec<&Value> =
        events.iter().filter(|(name, _)| name == "state").map(|(_, data)| &data["state"]).collect();
    assert_eq!(events[0].0, "state");
    assert_eq!(states.last(), Some(&&json!("done")));
    assert!(events.iter().any(|(name, data)| name == "progress" && data["to_read"] == 2), "{events:?}");
    let (name, report) = events.last().unwrap();
    assert_eq!((name.as_str(), &report["references"]["archived"]), ("report", &json!(2)));
    let run = daemon.get(&run);
    assert_eq!((&run["state"], &run["report"]), (&json!("done"), report));
    // Asked afterwards, all is told at once.
    let id = run["id"].as_str().unwrap();
    let again = daemon.ask(&format!("GET /api/v1/runs/{id}/events"), &[], "");
    assert_eq!(again.events().last().unwrap().1, *report);
    let runs = daemon.get("/api/v1/runs");
    assert!(runs["runs"].as_array().unwrap().iter().any(|listed| listed["id"] == id), "{runs}");
}

#[test]
fn an_image_that_nobody_gave_is_asked_for_again_on_order() {
    let origin = Origin::start();
    let daemon = Daemon::start(posts(&origin, 1));
    daemon.ended(&daemon.archive_posts());
    let (url, other) = ("http://gone.example/0.jpg", "http://gone.example/other.jpg");
    assert_eq!(daemon.get("/api/v1/failures")["failures"][0]["origin"], url);
    let reply = daemon.order("POST /api/v1/retries", &json!({ "origin": url }));
    assert_eq!(reply.status, 202, "{reply:?}");
    assert_eq!(reply.json()["kind"], "retry");
    daemon.ended(reply.field("location").unwrap());
    assert_eq!(daemon.order("POST /api/v1/retries", &json!({ "origin": other })).status, 404);
}

#[test]
fn a_run_is_cancelled() {
    let origin = Origin::start();
    let test = posts(&origin, 1);
    origin.answer("http://cdn.example/0.jpg", Answer::image(picture::jpeg(0)).delay(Duration::from_secs(50)));
    let daemon = Daemon::start(test);
    let (run, waiting) = (daemon.archive_posts(), daemon.archive_posts());
    for run in [&waiting, &run] {
        assert_eq!(daemon.order(&format!("DELETE {run}"), &Value::Null).status, 202);
    }
    assert_eq!(daemon.ended(&waiting)["outcome"], "cancelled before it started");
    assert_eq!(daemon.ended(&run)["state"], "failed");
    assert_eq!(daemon.order(&format!("DELETE {run}"), &Value::Null).status, 409);
    assert_eq!(daemon.order("DELETE /api/v1/runs/none", &Value::Null).status, 404);
}

#[test]
fn lists_come_in_parts() {
    let origin = Origin::start();
    let daemon = Daemon::start(posts(&origin, 5));
    daemon.ended(&daemon.archive_posts());
    for (list, name) in [("images", "digest"), ("documents", "document"), ("failures", "origin")] {
        let (mut found, mut cursor, mut parts) = (Vec::new(), String::new(), 0);
        loop {
            let part = daemon.get(&format!("/api/v1/{list}?limit=2{cursor}"));
            let entries = part[list].as_array().unwrap();
            found.extend(entries.iter().map(|entry| entry[name].as_str().unwrap().to_owned()));
            parts += 1;
            let Some(next) = part["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        found.sort_unstable();
        found.dedup();
        assert_eq!((found.len(), parts), (5, 3), "{list}");
    }
    let count =
        |filter: &str| daemon.get(&format!("/api/v1/images?{filter}"))["images"].as_array().unwrap().len();
    assert_eq!(count("host=CDN.example&type=jpg"), 5);
    assert_eq!(count("host=gone.example"), 0);
    assert_eq!(count("type=png"), 0);
    assert_eq!(count("after=1000&before=99999999999999"), 5);
    assert_eq!(count("before=1000"), 0);
    let image = daemon.get("/api/v1/images?limit=1")["images"][0].clone();
    let one = daemon.get(&format!("/api/v1/images/{}", image["digest"].as_str().unwrap()));
    assert_eq!((&one["given"], &one["there"]), (&image["given"], &json!(true)));
    assert_eq!(one["documents"].as_array().unwrap().len(), 1);
    let bytes = daemon.ask(&format!("GET {}", image["path"].as_str().unwrap()), &[], "");
    assert_eq!((bytes.status, bytes.body.len() as u64), (200, image["bytes"].as_u64().unwrap()));
    let explained = daemon.get("/api/v1/explain?image=http://gone.example/1.jpg");
    assert_eq!(explained["failure"]["reason"], "http_404");
    let status = daemon.get("/api/v1/status");
    assert_eq!(
        (&status["totals"]["images"], &status["reasons"]["http_404"]["images"]),
        (&json!(5), &json!(5))
    );
    assert_eq!(status["daemon"]["works"], true);
}

#[test]
fn what_is_asked_in_vain_is_told_as_a_problem() {
    let daemon = Daemon::start(Test::new().document("posts/a.md", "").set("daemon.allow", "[\"posts\"]"));
    let long = format!("{{\"paths\":[\"/{}\"]}}", "x".repeat(300_000));
    let (json, posts) = ("application/json", daemon.test.path("posts"));
    let how = |how: &str| format!("{{\"paths\":[{posts:?}],\"how\":{how}}}");
    for (line, media_type, content, expected) in [
        ("GET /api", "", "", 404),
        ("GET /api/v2", "", "", 404),
        ("GET /api/v1/runs/none", "", "", 404),
        ("GET /api/v1/runs/none/events", "", "", 404),
        ("GET /api/v1/images/../status", "", "", 404),
        ("GET /api/v1/images/%FF", "", "", 400),
        ("GET /api/v1/images?limit=1001", "", "", 400),
        ("GET /api/v1/images?type=exe", "", "", 400),
        ("GET /api/v1/documents?cursor=x", "", "", 400),
        ("GET /api/v1/explain", "", "", 400),
        ("GET /api/v1/explain?image=x", "", "", 404),
        ("DELETE /api/v1/status", "", "", 405),
        ("PATCH /api/v1/runs", "", "", 405),
        ("POST /api/v1/runs", "", "{}", 415),
        ("POST /api/v1/runs", "text/plain", "{}", 415),
        ("POST /api/v1/runs", "application/x-www-form-urlencoded", "paths=x", 415),
        ("POST /api/v1/runs", json, "{", 400),
        ("POST /api/v1/runs", json, "{}", 422),
        ("POST /api/v1/runs", json, "{\"paths\":[]}", 422),
        ("POST /api/v1/runs", json, "{\"paths\":[\"posts\"]}", 422),
        ("POST /api/v1/runs", json, "{\"paths\":[\"/\"],\"wat\":1}", 422),
        ("POST /api/v1/runs", json, &how("{\"scope\":\"some\"}"), 422),
        ("POST /api/v1/runs", json, &how("{\"link\":\"nowhere\"}"), 422),
        ("POST /api/v1/runs", json, &how("{\"follow\":true}"), 422),
        ("POST /api/v1/runs", json, "{\"paths\":[\"/etc\"]}", 403),
        ("POST /api/v1/runs", json, "{\"paths\":[\"/not/there\"]}", 403),
        ("POST /api/v1/runs", json, &long, 413),
        ("POST /api/v1/retries", json, "{\"origin\":\"\"}", 404),
    ] {
        let bearer = format!("Authorization: Bearer {}", daemon.token());
        let media_type = format!("Content-Type: {media_type}");
        let reply = daemon.ask(line, &[&bearer, &media_type], content);
        assert_eq!(reply.status, expected, "{line} {reply:?}");
        assert_eq!(reply.field("content-type"), Some("application/problem+json"), "{line}");
        assert_eq!(reply.json()["status"], expected);
        assert_eq!(reply.field("allow").is_some(), expected == 405, "{line}");
        let said = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(!said.contains(daemon.test.root().to_str().unwrap()), "{said}");
    }
    let runs = daemon.get("/api/v1/runs");
    let is_ordered = |run: &Value| run["kind"] == "archive" || run["kind"] == "retry";
    assert!(!runs["runs"].as_array().unwrap().iter().any(is_ordered), "nothing was ordered: {runs}");
}

#[test]
fn where_images_are_only_served_nothing_is_ordered() {
    let origin = Origin::start();
    let test = posts(&origin, 1).document("token", "sixteen-and-more\n");
    test.run("archive posts").expect_code(3);
    let command = test.command("--format json serve --listen 127.0.0.1:0 --set server.token_file=token");
    let server = Daemon::of(test, command);
    assert_eq!(server.get("/api/v1")["works"], false);
    assert_eq!(server.get("/api/v1/images")["images"].as_array().unwrap().len(), 1);
    let fields = ["Authorization: Bearer sixteen-and-more", "Content-Type: application/json"];
    let order = json!({ "paths": [server.test.path("posts")] }).to_string();
    assert_eq!(server.ask("POST /api/v1/runs", &fields, &order).status, 409);
    assert!(!server.test.path("cache/token").exists() && !server.test.path("cache/control.sock").exists());
}

#[test]
fn numbers_and_health_are_told() {
    let origin = Origin::start();
    let daemon = Daemon::start(posts(&origin, 2));
    daemon.ended(&daemon.archive_posts());
    let reply = daemon.ask("GET /metrics", &[], "");
    let text = String::from_utf8(reply.body.clone()).unwrap();
    for line in [
        "imgkeep_images 2.0",
        "imgkeep_failures{reason=\"http_404\"} 2.0",
        "imgkeep_runs{kind=\"archive\",state=\"done\"} 1.0",
        "imgkeep_last_run_success{kind=\"archive\"} 1.0",
        "imgkeep_runs_queued 0.0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    assert!(text.contains("# TYPE process_cpu_seconds_total counter\n"), "{text}");
    assert_eq!(daemon.ask("GET /healthz", &[], "").status, 200);
    std::fs::rename(daemon.test.path("cache/images"), daemon.test.path("cache/away")).unwrap();
    assert_eq!(daemon.ask("GET /healthz", &[], "").status, 503);
}

#[test]
fn everything_described_is_there() {
    let daemon = Daemon::start(Test::new());
    let described = daemon.get("/api/v1/openapi.json");
    assert_eq!(described["openapi"], "3.1.0");
    for (path, operations) in described["paths"].as_object().unwrap() {
        if path.contains('{') || path.ends_with("explain") {
            continue;
        }
        for method in operations.as_object().unwrap().keys() {
            let reply = daemon.ask(&format!("{} {path}", method.to_uppercase()), &[], "");
            let expected = if method == "post" { 401 } else { 200 };
            assert_eq!(reply.status, expected, "{method} {path}");
        }
    }
    for (_, link) in daemon.get("/api/v1")["links"].as_object().unwrap() {
        assert!(described["paths"].get(link.as_str().unwrap()).is_some(), "{link} is not described");
    }
}

/// A document outside the folders that may be archived, with an image that nobody gives, known to the archive.
fn with_secret(test: Test) -> Test {
    let text = "![](http://gone.example/secret.jpg) ![](http://cdn.example/0.jpg)\n";
    let test = test.document("secret/s.md", text);
    test.run("archive secret --no-rewrite").expect_code(3);
    test
}

#[test]
fn retries_stay_in_the_folders_that_may_be_archived() {
    let origin = Origin::start();
    let daemon = Daemon::start(with_secret(posts(&origin, 1)));
    let before = daemon.test.read("secret/s.md");
    let wanted = json!({ "origin": "http://gone.example/secret.jpg" });
    let reply = daemon.order("POST /api/v1/retries", &wanted);
    assert_eq!(reply.status, 403, "{reply:?}");
    assert_eq!(daemon.test.read("secret/s.md"), before);
    // One that documents on either side want is asked for, for the one that may be archived.
    daemon.test.write("posts/both.md", "![](http://gone.example/secret.jpg)\n");
    daemon.ended(&daemon.archive_posts());
    origin.image("http://gone.example/secret.jpg", picture::jpeg(77));
    let reply = daemon.order("POST /api/v1/retries", &wanted);
    assert_eq!(reply.status, 202, "{reply:?}");
    let run = daemon.ended(reply.field("location").unwrap());
    assert_eq!((&run["state"], &run["report"]["documents"]["scanned"]), (&json!("done"), &json!(1)), "{run}");
    assert_eq!(daemon.test.read("secret/s.md"), before);
    // Its owner may have anything archived.
    daemon.test.write("secret/s.md", "![](http://gone.example/another.jpg) ![](http://cdn.example/0.jpg)\n");
    daemon.test.run("archive secret --no-rewrite --local").expect_code(3);
    let wanted = json!({ "origin": "http://gone.example/another.jpg" }).to_string();
    let reply = daemon.ask_by_socket("POST /api/v1/retries", &["Content-Type: application/json"], &wanted);
    assert_eq!(reply.status, 202, "{reply:?}");
    daemon.ended(reply.field("location").unwrap());
    assert!(!String::from_utf8(daemon.test.read("secret/s.md")).unwrap().contains("cdn.example"));
}

#[test]
fn an_order_does_not_leave_its_folder_whatever_is_put_there_meanwhile() {
    let origin = Origin::start();
    let test = with_secret(posts(&origin, 1)).document("posts/sub/a.md", "nothing\n");
    let before = test.read("secret/s.md");
    // A link to a file is followed, and this one leads out.
    std::os::unix::fs::symlink("../secret/s.md", test.path("posts/link.md")).unwrap();
    let slow = "http://cdn.example/slow.jpg";
    test.write("posts/slow.md", &*format!("![]({slow})\n"));
    origin.answer(slow, Answer::image(picture::jpeg(9)).delay(Duration::from_secs(3)));
    let daemon = Daemon::start(test);
    let first = daemon.archive_posts();
    let order = |path: &str| {
        let reply = daemon.order("POST /api/v1/runs", &json!({ "paths": [daemon.test.path(path)] }));
        assert_eq!(reply.status, 202, "{reply:?}");
        reply.field("location").unwrap().to_owned()
    };
    let waiting = order("posts/sub");
    let start = Instant::now();
    while origin.count(slow) == 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "it is never asked for");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(daemon.get(&waiting)["state"], "queued");
    std::fs::rename(daemon.test.path("posts/sub"), daemon.test.path("away")).unwrap();
    std::os::unix::fs::symlink("../secret", daemon.test.path("posts/sub")).unwrap();
    let run = daemon.ended(&waiting);
    assert_eq!(run["state"], "failed", "{run}");
    let run = daemon.ended(&first);
    assert_eq!(run["report"]["documents"]["scanned"], 3, "all but the link: {run}");
    assert_eq!(daemon.test.read("secret/s.md"), before);
}
