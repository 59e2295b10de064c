//! Serving where nothing may be written, and beside one who writes.

use std::process::{Command, Stdio};

use crate::serve::client::Server;
use crate::support::origin::Origin;
use crate::support::{Test, picture};

/// Gets the program a view of the store in which nothing can be written, not even by root.
const BIND: &str = "mount --bind cache cache && mount -o remount,ro,bind cache && exec \"$0\" \"$@\"";

/// A server in such a view; `None` where this system has none.
fn server(test: Test) -> Option<Server> {
    let unshared = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
            .args(words)
            .current_dir(test.root());
        command
    };
    let tried =
        unshared(&[&BIND.replace("exec \"$0\" \"$@\"", "! touch cache/x")]).stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        println!("not tried: nothing can be mounted read-only here");
        return None;
    }
    let program = test.command("--format json serve --listen 127.0.0.1:0");
    let mut command = unshared(&[BIND]);
    command.arg(program.get_program()).args(program.get_args()).stdout(Stdio::piped());
    Some(Server::run(test, command))
}

#[test]
fn a_store_that_cannot_be_written_is_served_and_what_is_kept_meanwhile_too() {
    let origin = Origin::start();
    for n in 1..=4 {
        origin.image(&format!("http://cdn.example/{n}.png"), picture::png(n));
    }
    let document = |n: u8| format!("![](http://cdn.example/{n}.png)\n");
    let test = Test::new().origin(&origin).document("1.md", document(1));
    test.run("archive 1.md").expect_code(0);
    let before = test.tree("cache");
    let Some(server) = server(test) else { return };
    let ask = |n: u8| server.ask("GET", &format!("/?http://cdn.example/{n}.png"), &[]);
    assert_eq!(server.ask("GET", "/healthz", &[]).status, 200);
    assert_eq!(ask(1).body, picture::png(1));
    assert_eq!(ask(2).status, 404);
    assert_eq!(server.test.tree("cache"), before, "something was written");
    for n in 2..=4 {
        server.test.write(&format!("{n}.md"), document(n));
        server.test.run(&format!("archive {n}.md")).expect_code(0);
        assert_eq!(ask(n).body, picture::png(n.into()), "kept by a run that has ended");
        assert_eq!(ask(1).body, picture::png(1));
    }
}

#[test]
fn nothing_is_made_where_something_could_be() {
    let origin = Origin::start();
    origin.image("http://cdn.example/1.png", picture::png(1));
    let test = Test::new().origin(&origin).document("1.md", "![](http://cdn.example/1.png)");
    test.run("archive 1.md").expect_code(0);
    let before = test.tree("cache");
    let server = Server::start(test, "serve");
    assert_eq!(server.ask("GET", "/http://cdn.example/1.png", &[]).status, 200);
    assert_eq!(server.ask("GET", "/", &[]).status, 200);
    assert_eq!(server.test.tree("cache"), before);
}

#[test]
fn a_catalog_of_another_version_is_told() {
    let test = Test::new().document("1.md", "nothing");
    test.run("archive 1.md").expect_code(0);
    let catalog = rusqlite::Connection::open(test.path("cache/catalog.db")).unwrap();
    for (version, advice) in [(1, "`imgkeep status` brings it there"), (99, "use a newer imgkeep")] {
        catalog.pragma_update(None, "user_version", version).unwrap();
        let outcome = test.run("serve").expect_code(2);
        assert!(outcome.stderr.contains(&format!("is of version {version}")), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(advice), "{}", outcome.stderr);
    }
}
