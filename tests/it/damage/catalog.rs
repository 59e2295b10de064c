//! A catalog that is damaged, gone, or not the one that belongs to the store.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use imgkeep::catalog::Catalog;

use crate::damage::scene::{EXPLAINED, Scene, is_clean};

fn beside(scene: &Scene, end: &str) -> PathBuf {
    scene.test.path(&format!("cache/catalog.db{end}"))
}

/// What is beside it: the log, and its index.
type Left<'a> = (&'a str, Vec<u8>, Option<&'a [u8]>);

/// What is done to it.
type Damage = (&'static str, fn(&Scene));

/// Each is found out by the next command, which makes the catalog again.
const BY_ITSELF: &[Damage] = &[
    ("deleted", |scene| fs::remove_file(scene.catalog()).unwrap()),
    ("emptied", |scene| fs::write(scene.catalog(), b"").unwrap()),
    ("overwritten", |scene| fs::write(scene.catalog(), vec![b'x'; 40_000]).unwrap()),
    ("its first page is gone", |scene| {
        let mut bytes = fs::read(scene.catalog()).unwrap();
        bytes[..4096].fill(0);
        fs::write(scene.catalog(), bytes).unwrap();
    }),
    ("cut to its first page", |scene| {
        let bytes = fs::read(scene.catalog()).unwrap();
        fs::write(scene.catalog(), &bytes[..4096]).unwrap();
    }),
    ("cut to a half, and copied", |scene| {
        let bytes = fs::read(scene.catalog()).unwrap();
        fs::remove_file(scene.catalog()).unwrap();
        fs::write(scene.test.path("elsewhere"), b"its old place is taken").unwrap();
        fs::write(scene.catalog(), &bytes[..bytes.len() / 2]).unwrap();
    }),
];

#[test]
fn one_that_cannot_be_used_is_made_again_by_itself() {
    for (name, damage) in BY_ITSELF {
        let scene = Scene::archived();
        let known = scene.known();
        damage(&scene);
        // Whichever command comes first.
        scene.test.run("restore posts/0.md").expect_code(0);
        scene.test.run("archive posts/0.md").expect_code(0);
        let again = scene.known_again(name);
        assert_eq!(again[..EXPLAINED + 2], known[..EXPLAINED + 2], "{name}");
        scene.restores(name);
        let findings = scene.findings();
        assert!(findings.is_empty(), "{name}: {findings:?}");
    }
    println!("catalogs that were made again by themselves: {}", BY_ITSELF.len());
}

#[test]
fn a_rebuilt_one_knows_what_it_knew() {
    let scene = Scene::archived();
    let known = scene.known();
    fs::remove_file(scene.catalog()).unwrap();
    scene.test.run("verify --rebuild").expect_code(0);
    let again = scene.known_again("rebuilt");
    known.iter().zip(&again).for_each(|(known, again)| assert_eq!(again, known));
    // And once more, of one that is whole.
    scene.test.run("verify --rebuild").expect_code(0);
    assert!(scene.findings().is_empty());
    let again = scene.known_again("rebuilt again");
    known.iter().zip(&again).for_each(|(known, again)| assert_eq!(again, known));
    scene.restores("rebuilt");
}

#[test]
fn an_older_one_learns_what_it_lacks() {
    let scene = Scene::archived();
    let older = fs::read(scene.catalog()).unwrap();
    scene.test.write("posts/later.md", "![](http://cdn.example/8.jpg)\n");
    scene.test.run("archive posts").expect_code(0);
    let known = scene.known();
    assert_ne!(scene.test.read("posts/later.md"), b"![](http://cdn.example/8.jpg)\n");
    // As a backup is put back.
    fs::write(scene.test.path("cache/backup"), older).unwrap();
    fs::rename(scene.test.path("cache/backup"), scene.catalog()).unwrap();
    scene.test.run("verify").expect_code(0);
    scene.test.run("restore posts/later.md").expect_code(0);
    assert_eq!(scene.test.read("posts/later.md"), b"![](http://cdn.example/8.jpg)\n");
    scene.test.write("posts/later.md", "![](http://cdn.example/8.jpg)\n");
    scene.test.run("archive posts").expect_code(0);
    assert_eq!(scene.known()[..EXPLAINED], known[..EXPLAINED]);
    scene.restores("an older one");
}

#[test]
fn what_a_crash_leaves_beside_it_does_no_harm() {
    let scene = Scene::archived();
    // A log without its index, one that is cut short, garbage, and the log of another catalog.
    let writer = rusqlite::Connection::open(scene.catalog()).unwrap();
    writer.execute("CREATE TABLE others (x)", []).unwrap();
    let (database, log) = (fs::read(scene.catalog()).unwrap(), fs::read(beside(&scene, "-wal")).unwrap());
    drop(writer);
    assert!(!log.is_empty());
    let cases: [Left<'_>; 5] = [
        ("a log without its index", log.clone(), None),
        ("a log with a foreign index", log.clone(), Some(&[0xff; 32_768])),
        ("a log that is cut short", log[..log.len() - 1000].to_vec(), None),
        ("a log with a flipped bit", [&log[..200], &[log[200] ^ 1], &log[201..]].concat(), None),
        ("a log of garbage", vec![b'x'; 5_000], Some(b"x")),
    ];
    for (name, log, index) in cases {
        fs::write(scene.catalog(), &database).unwrap();
        fs::write(beside(&scene, "-wal"), log).unwrap();
        match index {
            Some(index) => fs::write(beside(&scene, "-shm"), index).unwrap(),
            None => drop(fs::remove_file(beside(&scene, "-shm"))),
        }
        scene.restores(name);
        let findings = scene.findings();
        assert!(findings.is_empty(), "{name}: {findings:?}");
    }
}

#[test]
fn one_of_a_later_program_is_refused_and_can_be_made_again() {
    let scene = Scene::archived();
    let set = |version: i64| {
        let catalog = rusqlite::Connection::open(scene.catalog()).unwrap();
        catalog.pragma_update(None, "user_version", version).unwrap();
    };
    set(99);
    let tree = scene.test.tree("posts");
    for words in ["archive posts", "restore posts", "verify", "status"] {
        let outcome = scene.test.run(words).expect_code(2);
        assert!(outcome.stderr.contains("of version 99"), "{outcome:?}");
        assert!(outcome.stderr.contains("catalog.db"), "{outcome:?}");
    }
    assert_eq!(scene.test.tree("posts"), tree);
    scene.test.run("verify --rebuild").expect_code(0);
    scene.restores("rebuilt");
    assert!(scene.test.path("cache/catalog.db.set-aside").exists(), "the later program's is there still");
}

#[test]
fn damage_that_sqlite_sees_is_a_finding_with_the_way_out() {
    let scene = Scene::archived();
    let catalog = rusqlite::Connection::open(scene.catalog()).unwrap();
    let root: u64 = catalog
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'rewrites_by_after'", [], |row| {
            row.get(0)
        })
        .unwrap();
    drop(catalog);
    // An index without rows.
    let mut bytes = fs::read(scene.catalog()).unwrap();
    let page = usize::try_from((root - 1) * 4096).unwrap();
    bytes[page + 3..page + 5].fill(0);
    fs::write(scene.catalog(), bytes).unwrap();
    let outcome = scene.test.run("verify");
    is_clean(&outcome, "verify");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert!(outcome.stdout.contains("damaged   the catalog"), "{outcome:?}");
    assert!(outcome.stdout.contains("verify --repair"), "{outcome:?}");
    scene.test.run("verify --repair").expect_code(0);
    assert!(scene.findings().is_empty());
    scene.restores("repaired");
}

#[test]
fn a_damaged_record_is_that_of_one_document_and_can_be_repaired() {
    let scene = Scene::archived();
    let catalog = rusqlite::Connection::open(scene.catalog()).unwrap();
    let of_the_first = "WHERE document = (SELECT id FROM documents WHERE path LIKE '%posts/0.md')";
    let read = |row: &rusqlite::Row<'_>| row.get(0);
    let mut edits: Vec<u8> =
        catalog.query_row(&format!("SELECT edits FROM rewrites {of_the_first}"), [], read).unwrap();
    let middle = edits.len() / 2;
    edits[middle] ^= 1;
    let changed =
        catalog.execute(&format!("UPDATE rewrites SET edits = ?1 {of_the_first}"), [edits]).unwrap();
    assert_eq!(changed, 1);
    drop(catalog);
    let kept = scene.test.read("posts/0.md");
    for words in ["restore posts", "relink --link ../elsewhere posts"] {
        let outcome = scene.test.run(words).expect_code(3);
        is_clean(&outcome, words);
        let refused = "left as it is: posts/0.md: the catalog";
        assert!(outcome.stdout.contains(refused), "{outcome:?}");
        assert!(outcome.stdout.contains("verify --repair"), "{outcome:?}");
        assert_eq!(scene.test.read("posts/0.md"), kept, "nobody knows what it was");
        scene.test.run("archive posts").expect_code(0);
    }
    // It is edited, and the edit is kept.
    let edited = [&kept[..], b"![](http://cdn.example/8.jpg)\n"].concat();
    scene.test.write("posts/0.md", String::from_utf8(edited.clone()).unwrap());
    let outcome = scene.test.run("archive posts").expect_code(3);
    assert!(outcome.stdout.contains("posts/0.md"), "{outcome:?}");
    assert_eq!(scene.test.read("posts/0.md"), edited);
    scene.test.write("posts/0.md", String::from_utf8(kept).unwrap());
    scene.test.run("gc").expect_code(1);
    assert_eq!(scene.findings().len(), 1);
    scene.test.run("verify --repair").expect_code(0);
    assert!(scene.findings().is_empty());
    scene.restores("repaired");
}

#[test]
fn one_that_a_process_has_open_is_not_set_aside() {
    let scene = Scene::archived();
    let open = || Catalog::open(&format!("sqlite:{}", scene.catalog().display()), &scene.journal()).unwrap();
    let id = || fs::metadata(scene.catalog()).unwrap().ino();
    let (at_work, before) = (open(), id());
    let outcome = scene.test.run("verify --rebuild").expect_code(1);
    assert!(outcome.stderr.contains("stop the daemon"), "{outcome:?}");
    assert_eq!(id(), before, "it writes to what is read");
    drop(at_work);
    let first = scene.test.path("cache/catalog.db.set-aside");
    scene.test.run("verify --rebuild").expect_code(0);
    let kept = fs::read(&first).unwrap();
    scene.test.run("verify --rebuild").expect_code(0);
    assert_eq!(fs::read(&first).unwrap(), kept, "what was set aside stays");
    assert!(scene.test.path("cache/catalog.db.set-aside-2").exists());
    scene.restores("rebuilt twice");
}

#[test]
fn another_programs_database_is_left_alone() {
    let scene = Scene::archived();
    fs::remove_file(scene.catalog()).unwrap();
    let other = rusqlite::Connection::open(scene.catalog()).unwrap();
    other.execute_batch("CREATE TABLE notes (id, text); INSERT INTO notes VALUES (1, 'mine')").unwrap();
    drop(other);
    let bytes = fs::read(scene.catalog()).unwrap();
    for words in ["status", "archive posts", "verify", "verify --rebuild"] {
        let outcome = scene.test.run(words).expect_code(2);
        assert!(outcome.stderr.contains("another program's database"), "{outcome:?}");
        assert!(fs::read(scene.catalog()).unwrap() == bytes, "{words}");
    }
    assert!(!scene.test.path("cache/catalog.db.set-aside").exists());
}
