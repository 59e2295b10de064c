//! Programs that speak HTTP in their own way agree with us on ranges and revalidation.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::serve::Scene;
use crate::serve::client::{self, Reply, get};

/// What the program said; `None` where it is not installed.
fn run(scene: &Scene, program: &str, arguments: &[&str]) -> Option<Output> {
    let output = Command::new(program).args(arguments).current_dir(scene.server.test.root()).output();
    if output.is_err() {
        println!("not tried: there is no {program}");
    }
    output.ok()
}

fn url(scene: &Scene) -> String {
    format!("http://{}{}", scene.server.address, scene.path)
}

#[test]
fn curl_continues_and_revalidates() {
    let scene = Scene::new();
    let (url, file) = (url(&scene), scene.server.test.path("got"));
    let said = |arguments: &[&str]| {
        let output =
            run(&scene, "curl", &[&["--silent", "--show-error", "--output", "got"], arguments].concat())?;
        assert!(output.status.success(), "{output:?}");
        Some(String::from_utf8(output.stdout).unwrap())
    };
    let code = ["--write-out", "%{http_code}"];
    let Some(first) = said(&[&code[..], &["--etag-save", "etag", "--remote-time", &url]].concat()) else {
        return;
    };
    assert_eq!(first, "200");
    assert_eq!(fs::read(&file).unwrap(), scene.bytes);
    assert_eq!(fs::read_to_string(scene.server.test.path("etag")).unwrap().trim(), scene.etag);
    let again = said(&[&code[..], &["--etag-compare", "etag", &url]].concat());
    assert_eq!(again.as_deref(), Some("304"));
    let newer = said(&[&code[..], &["--time-cond", "got", &url]].concat());
    assert_eq!(newer.as_deref(), Some("304"));

    // the rest of what was broken off
    fs::write(&file, &scene.bytes[..70_001]).unwrap();
    assert_eq!(said(&[&code[..], &["--continue-at", "-", &url]].concat()).as_deref(), Some("206"));
    assert_eq!(fs::read(&file).unwrap(), scene.bytes);
    for (range, expected) in [
        ("0-0", &scene.bytes[..1]),
        ("100-70000", &scene.bytes[100..=70_000]),
        ("-5", &scene.bytes[scene.bytes.len() - 5..]),
    ] {
        assert_eq!(said(&[&code[..], &["--range", range, &url]].concat()).as_deref(), Some("206"));
        assert_eq!(fs::read(&file).unwrap(), expected, "{range}");
    }
    assert_eq!(said(&[&code[..], &["--http2-prior-knowledge", &url]].concat()).as_deref(), Some("200"));
    assert_eq!(fs::read(&file).unwrap(), scene.bytes);
}

#[test]
fn wget_continues_and_looks_whether_there_is_something_newer() {
    let scene = Scene::new();
    let url = url(&scene);
    let name = scene.path.rsplit('/').next().unwrap();
    let file = scene.server.test.path(name);
    let said = |arguments: &[&str]| {
        let output = run(&scene, "wget", &[&["--server-response", "--no-proxy", &url], arguments].concat())?;
        assert!(output.status.success(), "{output:?}");
        Some(String::from_utf8_lossy(&output.stderr).into_owned())
    };
    if said(&[]).is_none() {
        return;
    }
    assert_eq!(fs::read(&file).unwrap(), scene.bytes);
    let newer = said(&["--timestamping"]).unwrap();
    assert!(newer.contains("HTTP/1.1 304"), "{newer}");
    fs::write(&file, &scene.bytes[..70_001]).unwrap();
    let rest = said(&["--continue"]).unwrap();
    assert!(rest.contains("HTTP/1.1 206"), "{rest}");
    assert_eq!(fs::read(&file).unwrap(), scene.bytes);
    // There is nothing left to be had.
    let output = run(&scene, "wget", &["--server-response", "--no-proxy", "--continue", &url]).unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("HTTP/1.1 416"), "{output:?}");
    assert_eq!(fs::read(&file).unwrap(), scene.bytes);
}

/// nginx as a cache in front of us.
struct Front {
    child: Child,
    address: SocketAddr,
}

impl Front {
    /// `location` is what its configuration says of all paths. `None` where there is no nginx.
    fn start(scene: &Scene, location: &str) -> Option<Self> {
        let folder = scene.server.test.path("nginx");
        fs::create_dir(&folder).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let (behind, folder_name) = (scene.server.address, folder.display());
        let configuration = format!(
            "daemon off; master_process off; pid pid; error_log error.log;
             events {{ }}
             http {{
                 access_log off;
                 client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                 uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                 proxy_cache_path {folder_name}/cache keys_zone=images:1m;
                 server {{
                     listen {address};
                     location / {{
                         proxy_pass http://{behind};
                         proxy_http_version 1.1;
                         proxy_set_header Connection '';
                         proxy_cache images;
                         add_header X-Cache $upstream_cache_status;
                         {location}
                     }}
                 }}
             }}"
        );
        fs::write(folder.join("nginx.conf"), configuration).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&folder).arg("-c").arg(folder.join("nginx.conf")).stderr(Stdio::null());
        let child = command.spawn();
        if child.is_err() {
            println!("not tried: there is no nginx");
        }
        let front = Self { child: child.ok()?, address };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "{:?}", fs::read_to_string(folder.join("error.log")));
            sleep(Duration::from_millis(20));
        }
        Some(front)
    }

    fn ask(&self, target: &str, fields: &[&str]) -> Reply {
        client::on(&mut TcpStream::connect(self.address).unwrap(), &get(target, fields))
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_cache_in_front_keeps_answers_and_revalidates_them() {
    let scene = Scene::new();
    // Ours is not to be asked again for a year; this cache asks after a second.
    let location = "proxy_ignore_headers Cache-Control; proxy_cache_valid 1s; proxy_cache_revalidate on;";
    let Some(front) = Front::start(&scene, location) else { return };
    let first = front.ask(&scene.path, &[]);
    assert_eq!((first.status, first.field("x-cache")), (200, Some("MISS")));
    assert!(first.body == scene.bytes);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let reply = front.ask(&scene.path, &[]);
        assert!(reply.status == 200 && reply.body == scene.bytes, "{}", reply.status);
        assert_eq!(reply.field("etag"), Some(&*scene.etag));
        match reply.field("x-cache") {
            Some("REVALIDATED") => break,
            Some("HIT") => assert!(Instant::now() < deadline, "it is never asked again"),
            other => panic!("{other:?}"),
        }
        sleep(Duration::from_millis(50));
    }
    // What the cache makes of ranges and conditions is what we make of them.
    let size = scene.bytes.len();
    for fields in [
        vec!["Range: bytes=0-4".to_owned()],
        vec![format!("Range: bytes={size}-")],
        vec!["Range: bytes=-7".to_owned()],
        vec![format!("If-None-Match: {}", scene.etag)],
        vec!["Range: bytes=0-4".to_owned(), "If-Range: \"x\"".to_owned()],
        vec!["Range: bytes=0-4".to_owned(), format!("If-Range: {}", scene.etag)],
    ] {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let (theirs, ours) = (front.ask(&scene.path, &fields), scene.ask(&fields));
        assert_eq!(theirs.status, ours.status, "{fields:?}");
        assert_eq!(theirs.field("content-range"), ours.field("content-range"), "{fields:?}");
        assert!(ours.status == 416 || theirs.body == ours.body, "{fields:?}");
    }
}

#[test]
fn a_cache_that_asks_for_slices_puts_them_together() {
    let scene = Scene::new();
    let location = "slice 50k; proxy_cache_key $uri$slice_range; proxy_set_header Range $slice_range; proxy_cache_valid 200 206 1h;";
    let Some(front) = Front::start(&scene, location) else { return };
    for _ in 0..2 {
        let reply = front.ask(&scene.path, &[]);
        assert!(reply.status == 200 && reply.body == scene.bytes, "{}", reply.status);
    }
    let part = front.ask(&scene.path, &["Range: bytes=51000-103000"]);
    assert!(part.status == 206 && part.body == scene.bytes[51_000..=103_000], "{}", part.status);
}
