//! A damaged image is not served: what is sent was read as a whole before.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::daemon::running::Daemon;
use crate::damage::scene::Scene;
use crate::support::picture;

fn get(daemon: &Daemon, target: &str) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(daemon.address).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", daemon.address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    let head = reply.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let status = String::from_utf8_lossy(&reply[9..12]).parse().unwrap();
    (status, reply.split_off(head + 4))
}

#[test]
fn wrong_bytes_are_never_sent() {
    let scene = Scene::archived();
    let daemon = Daemon::start_with(&mut scene.test.command("--format json serve --listen 127.0.0.1:0"));
    let target = |number| {
        let blob = scene.blob(number);
        let images = scene.test.path("cache");
        format!("/{}", blob.strip_prefix(images).unwrap().display())
    };
    assert_eq!(get(&daemon, &target(0)), (200, picture::jpeg(0)));
    let mut sent = 0;
    for number in 0..6 {
        let blob = scene.blob(number);
        let mut bytes = fs::read(&blob).unwrap();
        match number % 3 {
            0 => bytes[200] ^= 1,
            1 => bytes.truncate(300),
            _ => bytes.clear(),
        }
        // The first was served before: it is looked at again when it was written to.
        fs::write(&blob, bytes).unwrap();
        if number == 0 {
            std::thread::sleep(std::time::Duration::from_secs(6));
        }
        for target in [target(number), format!("/?http://cdn.example/{number}.jpg")] {
            let (status, body) = get(&daemon, &target);
            assert_eq!(status, 500, "{target}");
            sent += usize::from(body == fs::read(&blob).unwrap() && !body.is_empty());
        }
    }
    assert!(daemon.said().contains("does not have the bytes of its name"), "{}", daemon.said());
    assert_eq!(get(&daemon, &target(7)), (200, picture::jpeg(7)));
    scene.test.run("verify --repair").expect_code(0);
    for number in 0..6 {
        assert_eq!(get(&daemon, &target(number)), (200, picture::jpeg(number)));
    }
    println!("damaged images asked for: 12 times, wrong bytes served: {sent}");
    assert_eq!(sent, 0);
}
