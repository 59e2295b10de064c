//! HTTPS by certificates of the configuration.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::{Certificate, Client, Version};
use rustix::process::{Pid, Signal, kill_process};

use crate::serve::Scene;
use crate::serve::client::get;
use crate::support::Test;

/// The PEM of a new certificate for loopback, and of its key.
fn certificate() -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

/// A server with a certificate, and the certificate.
fn scene() -> (Scene, String) {
    // The files must be there before it starts; the test's folder is only known when it runs.
    let folder = tempfile::tempdir().unwrap().keep();
    let (cert, key) = certificate();
    fs::write(folder.join("cert.pem"), &cert).unwrap();
    fs::write(folder.join("key.pem"), key).unwrap();
    let path = folder.display();
    let scene = Scene::with(&format!(
        "serve --set server.tls_certificate={path}/cert.pem --set server.tls_key={path}/key.pem"
    ));
    fs::rename(&folder, scene.server.test.path("tls")).unwrap();
    std::os::unix::fs::symlink(scene.server.test.path("tls"), &folder).unwrap();
    (scene, cert)
}

fn client(certificate: &str) -> reqwest::ClientBuilder {
    let root = Certificate::from_pem(certificate.as_bytes()).unwrap();
    Client::builder().no_proxy().tls_certs_only([root])
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_tls() {
    let (scene, certificate) = scene();
    let url = format!("https://127.0.0.1:{}{}", scene.server.address.port(), scene.path);
    let new = client(&certificate).build().unwrap();
    let old = client(&certificate).http1_only().build().unwrap();
    for (client, version) in [(&new, Version::HTTP_2), (&old, Version::HTTP_11)] {
        for _ in 0..3 {
            let reply = client.get(&url).send().await.unwrap();
            assert_eq!((reply.status().as_u16(), reply.version()), (200, version));
            assert!(reply.bytes().await.unwrap() == scene.bytes);
        }
        let reply = client.get(&url).header("Range", "bytes=70000-140000").send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 206);
        assert!(reply.bytes().await.unwrap() == scene.bytes[70_000..=140_000]);
        let reply = client.get(&url).header("If-None-Match", &scene.etag).send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 304);
    }
    let strange = Client::builder().no_proxy().build().unwrap();
    assert!(strange.get(&url).send().await.is_err(), "nobody vouches for the certificate");
}

#[test]
fn who_speaks_no_tls_is_not_answered_and_who_hesitates_is_not_waited_for() {
    let (scene, _) = scene();
    let mut plain = TcpStream::connect(scene.server.address).unwrap();
    plain.write_all(&get(&scene.path, &[])).unwrap();
    let mut silent = TcpStream::connect(scene.server.address).unwrap();
    let start = Instant::now();
    let mut read = Vec::new();
    // closed in one way or the other
    let _ = plain.read_to_end(&mut read);
    assert!(!read.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&read));
    silent.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    assert!(silent.read(&mut [0]).is_ok_and(|read| read == 0), "it is still open");
    assert!(start.elapsed() < Duration::from_secs(13), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_new_certificate_is_shown_after_sighup_and_a_broken_one_is_not() {
    let (scene, first) = scene();
    let url = format!("https://127.0.0.1:{}{}", scene.server.address.port(), scene.path);
    let shows = async |certificate: &str| {
        client(certificate).build().unwrap().get(&url).send().await.is_ok_and(|reply| reply.status() == 200)
    };
    let hang_up = || kill_process(Pid::from_child(&scene.server.child), Signal::HUP).unwrap();
    assert!(shows(&first).await);
    let (second, key) = certificate();
    fs::write(scene.server.test.path("tls/key.pem"), &key).unwrap();
    hang_up();
    // The old certificate and the new key do not belong together.
    for _ in 0..5 {
        assert!(shows(&first).await, "it was given up for one that cannot be used");
    }
    fs::write(scene.server.test.path("tls/cert.pem"), &second).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    hang_up();
    while !shows(&second).await {
        assert!(Instant::now() < deadline, "the new one is never shown");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!shows(&first).await);
}

#[test]
fn files_that_are_no_certificate_are_told_at_the_start() {
    let test = Test::new().document("a.md", "nothing");
    test.run("archive a.md").expect_code(0);
    let ((cert, key), (_, other)) = (certificate(), certificate());
    for (name, text) in
        [("cert", &*cert), ("key", &*key), ("other", &*other), ("text", "no PEM"), ("empty", "")]
    {
        fs::write(test.path(name), text).unwrap();
    }
    for (settings, said) in [
        ("tls_certificate=cert", "needs `server.tls_key`"),
        ("tls_key=key", "needs `server.tls_certificate`"),
        ("tls_certificate=none tls_key=key", "cannot open `none`"),
        ("tls_certificate=text tls_key=key", "`text` holds no certificate in PEM"),
        ("tls_certificate=key tls_key=key", "`key` holds no certificate in PEM"),
        ("tls_certificate=cert tls_key=empty", "`empty` holds no private key in PEM"),
        ("tls_certificate=cert tls_key=other", "`cert` and `other` cannot be used together"),
    ] {
        let sets: String = settings.split(' ').map(|setting| format!(" --set server.{setting}")).collect();
        let outcome = test.run(&format!("serve --listen 127.0.0.1:0{sets}")).expect_code(2);
        assert!(outcome.stderr.contains(said), "{settings}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    }
}
