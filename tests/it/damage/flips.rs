//! Bytes of the catalog that turned, anywhere: no document is changed by it, nothing breaks down, and `--rebuild` leads out.

use std::fs;

use crate::damage::scene::{Scene, digest, is_clean};
use crate::support::rounds::rounds;

const LATER: &str = "![](http://cdn.example/8.jpg) and ![](http://cdn.example/1.jpg)\n";

/// Turns some bytes of a few pages.
fn damage(bytes: &mut [u8], rng: &mut fastrand::Rng) {
    // Pages that hold something.
    let pages: Vec<usize> = (0..bytes.len() / 4096)
        .filter(|page| bytes[page * 4096..][..4096].iter().any(|byte| *byte != 0))
        .collect();
    for _ in 0..rng.usize(1..=3) {
        let page = pages[rng.usize(..pages.len())] * 4096;
        for _ in 0..rng.usize(1..=16) {
            // Where there is something, mostly.
            let place = (0..50).map(|_| page + rng.usize(..4096)).find(|place| bytes[*place] != 0);
            bytes[place.unwrap_or(page)] ^= 1 << rng.u8(..8);
        }
    }
}

#[test]
fn no_document_is_changed_by_a_damaged_catalog() {
    let scene = Scene::archived();
    let whole = fs::read(scene.catalog()).unwrap();
    // One that somebody edited since: what stood at its links is nowhere but in the catalog.
    let archived = String::from_utf8(scene.test.read("posts/0.md")).unwrap();
    let edited = archived.replace("A post.", "An edited post.");
    let edited_before = "---\ncover: https://cors.zfour.workers.dev/?http://cdn.example/0.jpg\n---\nAn edited post.\n\n\
                         ![one](http://cdn.example/1.jpg)\n";
    let seed = fastrand::u64(..);
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut told, count) = (0, rounds(12));
    for round in 0..count {
        let when = format!("seed {seed}, round {round}");
        for end in ["-wal", "-shm"] {
            drop(fs::remove_file(scene.test.path(&format!("cache/catalog.db{end}"))));
        }
        let mut bytes = whole.clone();
        damage(&mut bytes, &mut rng);
        fs::write(scene.catalog(), bytes).unwrap();
        scene.test.write("posts/0.md", &edited);
        scene.test.write("posts/later.md", LATER);
        for words in ["status", "archive posts", "restore posts", "verify", "gc"] {
            let outcome = scene.test.run(words);
            is_clean(&outcome, &format!("{when}, {words}"));
            told += u32::from(outcome.code != Some(0));
            check(&scene, &[&edited, edited_before], &format!("{when}, {words}: {outcome:?}"));
        }
        let outcome = scene.test.run("verify --rebuild");
        is_clean(&outcome, &when);
        fs::remove_file(scene.test.path("posts/later.md")).unwrap();
        scene.test.write("posts/0.md", &archived);
        scene.restores(&when);
        // An image that was kept before the catalog failed is an orphan until somebody wants it again.
        let mut findings = scene.findings();
        findings.retain(|(kind, _)| kind != "orphaned");
        assert!(findings.is_empty(), "{when}: {findings:?}");
    }
    println!("damaged catalogs: {count}, {told} of {} commands said so, 0 documents changed", count * 5);
}

fn check(scene: &Scene, edited: &[&str], when: &str) {
    let now = String::from_utf8(scene.test.read("posts/0.md")).unwrap();
    assert!(edited.contains(&&*now), "{when}: {now}");
    scene.check_but("posts/0.md", when);
    let later = String::from_utf8(scene.test.read("posts/later.md")).unwrap();
    let link = |number| {
        let digest = digest(number).to_string();
        format!("../cache/images/{}/{digest}.jpg", &digest[..2])
    };
    let archived =
        LATER.replace("http://cdn.example/8.jpg", &link(8)).replace("http://cdn.example/1.jpg", &link(1));
    let parts = [
        LATER.to_owned(),
        archived,
        LATER.replace("http://cdn.example/8.jpg", &link(8)),
        LATER.replace("http://cdn.example/1.jpg", &link(1)),
    ];
    assert!(parts.contains(&later), "{when}: {later}");
}

/// What SQLite cannot see: a value that is another one.
#[test]
fn a_value_that_turned_is_not_believed() {
    let scene = Scene::archived();
    let whole = fs::read(scene.catalog()).unwrap();
    let sql = [
        // An origin gave another image.
        "UPDATE snapshots SET blob = 1 + blob % 8",
        // Something else stood in the document.
        "UPDATE rewrites SET mtime = mtime + 1",
        "UPDATE rewrites SET before = after",
        // The image came from elsewhere.
        "UPDATE origins SET url = replace(url, 'cdn', 'cdm')",
    ];
    for sql in sql {
        for end in ["-wal", "-shm"] {
            drop(fs::remove_file(scene.test.path(&format!("cache/catalog.db{end}"))));
        }
        fs::write(scene.catalog(), &whole).unwrap();
        let catalog = rusqlite::Connection::open(scene.catalog()).unwrap();
        catalog.execute(sql, []).unwrap();
        drop(catalog);
        scene.test.write("posts/later.md", LATER);
        scene.test.run("archive posts");
        let later = String::from_utf8(scene.test.read("posts/later.md")).unwrap();
        let right = [8, 1].map(|number| digest(number).to_string());
        let links = later.matches("../cache/images/").count();
        assert_eq!(right.iter().filter(|digest| later.contains(&**digest)).count(), links, "{sql}: {later}");
        scene.test.run("restore posts");
        scene.check(sql);
        fs::remove_file(scene.test.path("posts/later.md")).unwrap();
        scene.test.run("verify --rebuild").expect_code(0);
        scene.restores(sql);
    }
}
