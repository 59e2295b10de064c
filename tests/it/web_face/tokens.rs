//! The token: who has it may order, so it is nowhere but in its file.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use serde_json::json;

use crate::api::client::Daemon;
use crate::support::Test;

const WRONG: &str = "a-wrong-token-of-somebody-else";

fn scene() -> Test {
    Test::new().document("posts/a.md", "").set("daemon.allow", "[\"posts\"]")
}

#[test]
fn nothing_but_the_whole_token_is_the_token() {
    let daemon = Daemon::start(scene());
    let token = daemon.token();
    let order = json!({ "paths": [daemon.test.path("posts")] }).to_string();
    let try_it = |client: usize, shown: &str| {
        // Each wrong try from another client, so that none is refused for their number.
        let from = format!("X-Forwarded-For: 198.51.{}.{}", client / 250, client % 250);
        let bearer = format!("Authorization: Bearer {shown}");
        daemon.ask("POST /api/v1/runs", &["Content-Type: application/json", &from, &bearer], &order).status
    };
    let mut wrong: Vec<String> = (0..token.len()).map(|length| token[..length].to_owned()).collect();
    wrong.extend((1..token.len()).map(|start| token[start..].to_owned()));
    for at in 0..token.len() {
        let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
        wrong.push(format!("{}{other}{}", &token[..at], &token[at + 1..]));
    }
    for more in ["=", "x", "\u{e9}", ",", ", x", "%00", "\0", " x"] {
        wrong.push(format!("{token}{more}"));
        wrong.push(format!("{more}{token}"));
    }
    wrong.push(token.repeat(2));
    wrong.push(token.repeat(100));
    wrong.push("x".repeat(4097));
    wrong.push("x".repeat(1 << 20));
    wrong.push("null".into());
    wrong.push("*".into());
    wrong.push(imgkeep::digest::Digest::of(token.as_bytes()).to_string());
    for (client, shown) in wrong.iter().enumerate() {
        let status = try_it(client, shown);
        assert!(
            matches!(status, 400 | 401 | 431),
            "{}: {status}",
            &shown.chars().take(60).collect::<String>()
        );
    }
    assert_eq!(try_it(5000, &token), 202);
    // Nor is it taken from anywhere else.
    for (line, fields) in [
        (format!("GET /api/v1/daemon?token={token}&access_token={token}"), vec![]),
        ("GET /api/v1/daemon".to_owned(), vec![format!("Cookie: token={token}; imgkeep_session={token}")]),
        ("GET /api/v1/daemon".to_owned(), vec![format!("X-Api-Key: {token}"), format!("Token: {token}")]),
        ("GET /api/v1/daemon".to_owned(), vec![format!("Authorization: Basic {token}")]),
        ("GET /api/v1/daemon".to_owned(), vec![format!("Proxy-Authorization: Bearer {token}")]),
    ] {
        let mut fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        fields.push("X-Forwarded-For: 198.51.100.7");
        assert_eq!(daemon.ask(&line, &fields, "").status, 401, "{line} {fields:?}");
    }
    println!("web face: {} tokens that are not the token: none is taken", wrong.len());
}

#[test]
fn the_token_is_in_its_file_and_nowhere_else() {
    let test = scene();
    let mut command = test.command("-vv --format json daemon --listen 127.0.0.1:0");
    let log = fs::File::create(test.path("log")).expect("the folder can be written");
    command.env("IMGKEEP_LOG", "trace").stderr(Stdio::from(log));
    let daemon = Daemon::of_logged(test, command);
    let token = daemon.token();
    let ours = format!("Origin: http://{}", daemon.address);
    let form = "Content-Type: application/x-www-form-urlencoded";
    // It is shown in each way in which it may be, and in which it may not.
    daemon.ended(&daemon.archive_posts());
    let reply = daemon.ask("POST /sign-in", &[form, &ours], &format!("token={token}"));
    let cookie = reply.field("set-cookie").expect("it is signed in").to_owned();
    let session = cookie.split([';', '=']).nth(1).expect("it has a value").to_owned();
    assert!(session.len() > 40);
    let cookie = format!("Cookie: imgkeep_session={session}");
    let mut said = String::new();
    for path in [
        "/",
        "/images",
        "/documents",
        "/failures",
        "/runs",
        "/sign-in",
        "/metrics",
        "/api/v1",
        "/api/v1/daemon",
        "/api/v1/status",
        "/api/v1/runs",
        "/api/v1/openapi.json",
    ] {
        for fields in [&[cookie.as_str()][..], &[&format!("Authorization: Bearer {token}")]] {
            let reply = daemon.ask(&format!("GET {path}"), fields, "");
            assert_eq!(reply.status, 200, "{path}");
            said.push_str(&format!("{reply:?}{}", String::from_utf8_lossy(&reply.body)));
        }
    }
    for fields in [
        vec![format!("Authorization: Bearer {WRONG}")],
        vec![format!("Authorization: Bearer {token}{WRONG}")],
        vec![format!("Authorization: Basic {WRONG}")],
        vec![format!("Authorization: Bearer {token}"), "Origin: http://evil.test".to_owned()],
    ] {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let reply = daemon.ask("POST /api/v1/runs", &fields, "{}");
        said.push_str(&format!("{reply:?}{}", String::from_utf8_lossy(&reply.body)));
    }
    for shown in [WRONG, &format!("{token}{WRONG}")] {
        let reply = daemon.ask("POST /sign-in", &[form, &ours], &format!("token={shown}"));
        said.push_str(&format!("{reply:?}{}", String::from_utf8_lossy(&reply.body)));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it can be made");
    let address = daemon.address;
    let bearer = token.clone();
    let status = runtime.block_on(async move {
        let client =
            reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().expect("it can be made");
        let request = client.get(format!("http://{address}/api/v1/daemon"));
        let request = request.header("authorization", format!("Bearer {bearer}"));
        request.send().await.expect("it answers").status()
    });
    assert_eq!(status, 200);
    // A client that hands over its work says nothing of it either.
    let client =
        daemon.test.command("-vv archive posts").env("IMGKEEP_LOG", "trace").output().expect("it was built");
    said.push_str(&String::from_utf8_lossy(&client.stderr));
    said.push_str(&String::from_utf8_lossy(&client.stdout));

    let mut log = String::new();
    fs::File::open(daemon.test.path("log"))
        .expect("it is there")
        .read_to_string(&mut log)
        .expect("it is text");
    assert!(
        log.lines().count() > 100 && log.contains("TRACE"),
        "everything is logged: {} lines",
        log.lines().count()
    );
    let process = daemon.process();
    let line = fs::read(format!("/proc/{process}/cmdline")).expect("it runs");
    let environment = fs::read(format!("/proc/{process}/environ")).expect("it is ours");
    let files: Vec<(String, Vec<u8>)> = daemon
        .test
        .tree(".")
        .into_keys()
        .filter(|path| !path.ends_with("cache/token"))
        .map(|path| (path.display().to_string(), daemon.test.read(path.to_str().expect("it is UTF-8"))))
        .collect();
    assert!(files.iter().any(|(name, _)| name.ends_with("catalog.db")), "{:?}", files.len());
    for secret in [&token, &session, WRONG] {
        let holds = |bytes: &[u8]| memchr::memmem::find(bytes, secret.as_bytes()).is_some();
        assert!(!holds(said.as_bytes()), "it is shown");
        let found = log.lines().find(|line| line.contains(secret));
        assert_eq!(found, None, "it is logged");
        assert!(!holds(&line) && !holds(&environment), "it is told to whoever lists processes");
        for (name, bytes) in &files {
            assert!(!holds(bytes), "it is in {name}");
        }
    }
    println!(
        "web face: token and session at trace level: not in {} lines of the log, {} files, answers, metrics",
        log.lines().count(),
        files.len()
    );
}

#[test]
fn its_file_is_its_owners_alone_whatever_the_mask_says() {
    let test = scene();
    let program = env!("CARGO_BIN_EXE_imgkeep");
    let mut command = test.command("");
    let arguments: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
    command = std::process::Command::new("sh");
    command
        .args(["-c", "umask 0; exec \"$@\"", "sh", program])
        .args(arguments)
        .args(["--format", "json", "daemon", "--listen", "127.0.0.1:0"])
        .current_dir(test.root())
        .stdout(Stdio::piped());
    let daemon = Daemon::of(test, command);
    let owner = rustix::process::geteuid().as_raw();
    for (name, mode) in [("token", 0o600), ("control.sock", 0o660)] {
        let found = daemon.test.path(&format!("cache/{name}")).symlink_metadata().expect("it was made");
        assert_eq!((found.mode() & 0o7777, found.uid()), (mode, owner), "{name}");
    }
    assert!(daemon.token().len() >= 43, "256 bits");
    // Another daemon makes another.
    let other = Daemon::start(scene());
    assert_ne!(other.token(), daemon.token());
}
