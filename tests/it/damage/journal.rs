//! A journal that is not what was written.

use std::fs;
use std::path::Path;

use crate::damage::scene::{EXPLAINED, Scene};

type Damage = (&'static str, fn(&Path));

const KINDS: &[Damage] = &[
    ("cut short", |path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 20]).unwrap();
    }),
    ("emptied", |path| fs::write(path, b"").unwrap()),
    ("deleted", |path| fs::remove_file(path).unwrap()),
    ("overwritten", |path| fs::write(path, vec![b'x'; 3_000]).unwrap()),
    ("a flipped bit", |path| {
        let mut bytes = fs::read(path).unwrap();
        let place = bytes.len() - 60;
        bytes[place] ^= 4;
        fs::write(path, bytes).unwrap();
    }),
];

#[test]
fn each_kind_is_named_and_written_down_again() {
    for (name, damage) in KINDS {
        let scene = Scene::archived();
        let (known, journal) = (scene.known(), scene.journals()[0].clone());
        damage(&journal);
        let findings = scene.findings();
        let kinds: Vec<_> = findings.iter().map(|(kind, _)| kind.as_str()).collect();
        assert!(kinds.contains(&"unwritten"), "{name}: {findings:?}");
        if !["emptied", "deleted"].contains(name) {
            let file = journal.file_name().unwrap().to_str().unwrap();
            assert!(findings.contains(&("spoiled".to_owned(), file.to_owned())), "{name}: {findings:?}");
        }
        let outcome = scene.test.run("verify").expect_code(3);
        assert!(outcome.stdout.contains("verify --repair"), "{outcome:?}");
        scene.test.run("verify --repair").expect_code(0);
        assert!(scene.findings().is_empty(), "{name}");
        // And that is enough to make the catalog of.
        fs::remove_file(scene.catalog()).unwrap();
        scene.restores(name);
        assert_eq!(scene.known()[..EXPLAINED], known[..EXPLAINED], "{name}");
    }
    println!("damage to the journal: {} kinds, each found, named and repaired", KINDS.len());
}

#[test]
fn what_is_lost_with_both_is_said() {
    let scene = Scene::archived();
    let journals = scene.journals();
    let bytes = fs::read(&journals[0]).unwrap();
    fs::write(&journals[0], &bytes[..bytes.len() / 2]).unwrap();
    fs::remove_file(scene.catalog()).unwrap();
    let tree = scene.test.tree("posts");
    let outcome = scene.test.run("verify --rebuild").expect_code(3);
    let file = journals[0].file_name().unwrap().to_str().unwrap();
    assert!(outcome.stdout.contains("spoiled") && outcome.stdout.contains(file), "{outcome:?}");
    // What the other run wrote is all there, and nothing else is guessed.
    let outcome = scene.test.run("restore posts").expect_code(3);
    assert!(outcome.stdout.contains("4 links restored in 2 documents"), "{outcome:?}");
    assert!(outcome.stdout.contains("4 links: no record says what stood there"), "{outcome:?}");
    assert_eq!(scene.test.tree("posts").len(), tree.len());
    scene.check("a journal and the catalog are lost");
}

#[test]
fn a_catalog_that_is_whole_is_not_given_up_for_a_journal_that_is_not() {
    let scene = Scene::archived();
    let known = scene.known();
    for journal in scene.journals() {
        fs::remove_file(journal).unwrap();
    }
    scene.test.run("verify --rebuild").expect_code(0);
    scene.restores("without its journal");
    assert_eq!(scene.known()[..EXPLAINED], known[..EXPLAINED]);
}

#[test]
fn what_is_lost_is_said_whichever_command_comes_first() {
    let scene = Scene::archived();
    let journal = scene.journals()[0].clone();
    let whole = fs::read(&journal).unwrap();
    fs::write(&journal, &whole[..whole.len() / 2]).unwrap();
    fs::remove_file(scene.catalog()).unwrap();
    let outcome = scene.test.run("status").expect_code(0);
    assert!(outcome.stderr.contains("spoiled"), "{outcome:?}");
    let file = journal.file_name().unwrap().to_str().unwrap().to_owned();
    let lost = ("spoiled".to_owned(), file);
    for words in ["verify", "verify --repair", "verify --rebuild", "verify"] {
        let outcome = scene.test.run(words).expect_code(3);
        assert!(
            outcome.stdout.contains("spoiled") && outcome.stdout.contains(&lost.1),
            "{words}: {outcome:?}"
        );
    }
    assert_eq!(scene.findings().iter().filter(|finding| **finding == lost).count(), 1);
    // Until it is put back.
    fs::write(&journal, whole).unwrap();
    scene.test.run("verify --rebuild").expect_code(0);
    assert!(scene.findings().is_empty());
    scene.restores("put back");
}

#[test]
fn what_was_written_down_again_is_not_missed() {
    let scene = Scene::archived();
    let (known, journal) = (scene.known(), scene.journals()[0].clone());
    let mut bytes = fs::read(&journal).unwrap();
    bytes[40] ^= 4;
    fs::write(&journal, bytes).unwrap();
    let outcome = scene.test.run("verify").expect_code(3);
    assert!(outcome.stdout.contains("spoiled"), "{outcome:?}");
    scene.test.run("verify --repair").expect_code(0);
    for words in ["status", "verify --rebuild"] {
        fs::remove_file(scene.catalog()).unwrap();
        scene.test.run(words).expect_code(0);
        assert!(scene.findings().is_empty(), "{words}");
    }
    scene.restores("written down again");
    assert_eq!(scene.known()[..EXPLAINED], known[..EXPLAINED]);
}
