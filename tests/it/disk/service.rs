//! The daemon on a store that goes away and comes back, or cannot be written any more.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::daemon::running::{Daemon, until};
use crate::disk::scene::{Scene, url};
use crate::support::picture;

/// The status of an answer.
fn status(daemon: &Daemon, target: &str) -> u16 {
    let mut stream = TcpStream::connect(daemon.address).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", daemon.address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    String::from_utf8_lossy(&reply[9..12]).parse().unwrap()
}

#[test]
fn a_store_that_goes_away_and_comes_back_is_worked_on_again() {
    let mut scene = Scene::archived();
    scene.set("daemon.watch", "posts").set("daemon.settle_secs", "0.2").set("daemon.poll_secs", "1");
    scene.origin.image(&url(5), picture::jpeg(5));
    let mut daemon = Daemon::start(&scene.test);
    assert_eq!(status(&daemon, "/healthz"), 200);
    let (store, away) = (scene.test.path("cache"), scene.test.path("elsewhere"));
    fs::rename(&store, &away).unwrap();
    until("it says that it is not well", || status(&daemon, "/healthz") == 503);
    let post = format!("![]({})\n", url(5));
    scene.test.write("posts/later.md", &post);
    until("a run breaks off, or a document is left", || {
        let said = daemon.said();
        said.contains("broke off") || said.contains("left as it is")
    });
    assert_eq!(scene.test.read("posts/later.md"), post.as_bytes(), "its image cannot be kept");
    scene.check("the store is away", true);
    fs::rename(&away, &store).unwrap();
    until("it is well again", || status(&daemon, "/healthz") == 200);
    until("what came meanwhile is archived", || scene.test.read("posts/later.md") != post.as_bytes());
    assert!(!daemon.said().contains("panicked"), "{}", daemon.said());
    daemon.stop();
    fs::remove_file(scene.test.path("posts/later.md")).unwrap();
    scene.finish("the store was away");
}
