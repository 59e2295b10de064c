//! The control socket: its mode, who is at its other end, and what may lie in its place.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::PATIENCE;
use crate::api::client::Daemon;
use crate::support::Test;

fn scene() -> Test {
    Test::new().document("posts/a.md", "").document("else/b.md", "").set("daemon.allow", "[\"posts\"]")
}

#[test]
fn it_is_for_its_owner_and_group() {
    let daemon = Daemon::start(scene());
    let socket = daemon.test.path("cache/control.sock");
    let found = socket.symlink_metadata().expect("it was made");
    assert!(found.file_type().is_socket());
    assert_eq!(found.mode() & 0o7777, 0o660);
    assert_eq!(found.uid(), rustix::process::geteuid().as_raw());
    let order = |folder: &str| json!({ "paths": [daemon.test.path(folder)] }).to_string();
    let json = "Content-Type: application/json";
    for folder in ["posts", "else"] {
        let reply = daemon.ask_by_socket("POST /api/v1/runs", &[json], &order(folder));
        assert_eq!(reply.status, 202, "its owner may have anything archived: {reply:?}");
    }
    // Somebody of the group, and somebody else.
    let is_there = |program: &str| {
        Command::new(program).arg("--version").output().is_ok_and(|said| said.status.success())
    };
    if !rustix::process::geteuid().is_root() || !is_there("setpriv") || !is_there("curl") {
        println!("not tried as another user: not root, or there is no setpriv, or no curl");
        return;
    }
    for folder in [
        daemon.test.root().parent().expect("it is a folder").to_owned(),
        daemon.test.root(),
        daemon.test.path("cache"),
    ] {
        fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("it is ours");
    }
    let group = found.gid().to_string();
    let ask = |group: &str, content: Option<&str>, path: &str| {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=65534",
            &format!("--regid={group}"),
            "--clear-groups",
            "curl",
            "-s",
            "-o",
            "/dev/null",
        ]);
        command.args(["-w", "%{http_code}", "--max-time", "60", "--unix-socket"]).arg(&socket);
        if let Some(content) = content {
            command.args(["-H", json, "-d", content]);
        }
        let said = command.arg(format!("http://localhost{path}")).output().expect("it was tried");
        String::from_utf8_lossy(&said.stdout).parse::<u16>().unwrap_or(0)
    };
    assert_eq!(ask(&group, None, "/api/v1"), 200, "the group may look");
    assert_eq!(ask(&group, Some(&order("posts")), "/api/v1/runs"), 202, "and order what is allowed");
    assert_eq!(ask(&group, Some(&order("else")), "/api/v1/runs"), 403, "and nothing else");
    assert_eq!(ask("65534", None, "/api/v1"), 0, "others may not open it");
    println!("web face: the control socket as its owner, its group and others: each as it should be");
}

#[test]
fn what_lies_in_its_place_is_left_alone_unless_a_daemon_left_it() {
    let test = scene();
    test.run("archive posts").expect_code(0);
    let socket = test.path("cache/control.sock");
    let precious = test.path("precious");
    fs::write(&precious, "precious").expect("the folder can be written");
    let elsewhere = test.path("elsewhere.sock");
    let _listener = UnixListener::bind(&elsewhere).expect("it is new");
    type Put<'a> = (&'a str, Box<dyn Fn() + 'a>);
    let puts: [Put<'_>; 4] = [
        ("a file", Box::new(|| fs::write(&socket, "precious").expect("it is new"))),
        ("a link to a file", Box::new(|| symlink(&precious, &socket).expect("it is new"))),
        ("a link to a socket", Box::new(|| symlink(&elsewhere, &socket).expect("it is new"))),
        ("a link to nothing", Box::new(|| symlink("/nonexistent/x", &socket).expect("it is new"))),
    ];
    for (what, put) in &puts {
        put();
        let before = socket.symlink_metadata().expect("it was put there").ino();
        let outcome = test.run("daemon --listen 127.0.0.1:0").expect_code(1);
        assert!(
            outcome.stderr.contains("control.sock") && outcome.stderr.contains("no socket"),
            "{what}: {}",
            outcome.stderr
        );
        assert_eq!(socket.symlink_metadata().expect("it is there").ino(), before, "{what}");
        assert_eq!(fs::read(&precious).expect("it is there"), b"precious", "{what}");
        fs::remove_file(&socket).expect("it is ours");
    }
    // A socket that somebody listens at.
    let listener = UnixListener::bind(&socket).expect("it is new");
    let outcome = test.run("daemon --listen 127.0.0.1:0").expect_code(1);
    assert!(outcome.stderr.contains("another daemon answers"), "{}", outcome.stderr);
    drop(listener);
    // A daemon that was killed leaves its own, and the next one takes its place; so it does with what is half made.
    symlink(&precious, test.path("cache/control.sock.new")).expect("it is new");
    let mut daemon = Daemon::start(test);
    daemon.signal(Signal::KILL);
    assert!(
        daemon
            .test
            .path("cache/control.sock")
            .symlink_metadata()
            .is_ok_and(|found| found.file_type().is_socket())
    );
    let mut again = daemon
        .test
        .command("daemon --listen 127.0.0.1:0")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let again = again.as_mut().expect("the program was built");
    let start = Instant::now();
    while UnixStream::connect(daemon.test.path("cache/control.sock")).is_err() {
        assert!(start.elapsed() < PATIENCE, "it does not take its place");
        sleep(Duration::from_millis(20));
    }
    again.kill().expect("it is our child");
    again.wait().expect("it is our child");
    assert_eq!(daemon.test.read("precious"), b"precious");
}
