//! `imgkeep gc`: what is removed and what is not.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use imgkeep::digest::Digest;
use serde_json::Value;

use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

/// As long as a year: whatever was marked before is due.
const AGES: i64 = 400 * 24 * 3_600_000;

fn url(number: u64) -> String {
    format!("http://cdn.example/{number}.jpg")
}

/// An origin with twenty images, and where they are had from.
fn scene() -> (Origin, Test) {
    let origin = Origin::start();
    for number in 0..20 {
        origin.image(&url(number), picture::jpeg(number));
    }
    let test = Test::new().origin(&origin).set("fetch.sources", "[\"origin\"]");
    (origin, test)
}

fn digest(number: u64) -> String {
    Digest::of(&picture::jpeg(number)).to_string()
}

fn post(numbers: &[u64]) -> String {
    numbers.iter().map(|number| format!("![]({})\n", url(*number))).collect()
}

fn gc(test: &Test, words: &str) -> Value {
    test.run(&format!("--format json gc {words}")).expect_code(0).json()
}

fn removed(report: &Value) -> Vec<String> {
    let blobs = report["removed"].as_array().unwrap().iter();
    blobs.map(|removed| removed["blob"].as_str().unwrap()[3..67].to_owned()).collect()
}

/// Everything that gc noted and every blob is older by a year.
fn a_year_passes(test: &Test) {
    let catalog = rusqlite::Connection::open(test.path("cache/catalog.db")).unwrap();
    for table in ["gone", "unreferenced"] {
        catalog.execute(&format!("UPDATE {table} SET since = since - {AGES}"), []).unwrap();
    }
    catalog.execute(&format!("UPDATE snapshots SET taken = taken - {AGES}"), []).unwrap();
    for path in test.blobs().values() {
        age(path);
    }
}

fn age(path: &Path) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_millis(AGES.unsigned_abs())).unwrap();
}

/// The numbers of the images in the store.
fn kept(test: &Test) -> Vec<u64> {
    let blobs = test.blobs();
    (0..20).filter(|number| blobs.contains_key(&Digest::of(&picture::jpeg(*number)))).collect()
}

#[test]
fn what_only_a_deleted_document_used_goes_after_a_time_of_grace() {
    let (_origin, test) = scene();
    test.write("posts/a.md", post(&[1, 2]));
    test.write("posts/b.md", post(&[2, 3]));
    test.run("archive posts").expect_code(0);
    assert!(removed(&gc(&test, "")).is_empty());
    fs::remove_file(test.path("posts/a.md")).unwrap();
    let first = gc(&test, "");
    assert_eq!((removed(&first), &first["waiting"]["blobs"], &first["gone"]), (vec![], &1.into(), &1.into()));
    a_year_passes(&test);
    let dry = gc(&test, "--dry-run");
    assert_eq!(removed(&dry), [digest(1)]);
    assert_eq!(kept(&test), [1, 2, 3], "a dry run changes nothing");
    let report = gc(&test, "");
    assert_eq!((removed(&report), &report["forgotten"]), (vec![digest(1)], &1.into()));
    assert_eq!(kept(&test), [2, 3]);
    test.run("verify").expect_code(0);

    // It is in the trash for a week, and a rebuilt catalog does not miss it.
    let trash = || test.tree("cache/trash").into_keys().collect::<Vec<_>>();
    assert_eq!(trash().len(), 1);
    assert!(trash()[0].ends_with(format!("{}.jpg", digest(1))));
    fs::remove_file(test.path("cache/catalog.db")).unwrap();
    test.run("verify --rebuild").expect_code(0);
    let day = fs::read_dir(test.path("cache/trash")).unwrap().next().unwrap().unwrap().path();
    let long_ago = day.with_file_name("2020-02-02");
    fs::rename(&day, &long_ago).unwrap();
    assert_eq!(gc(&test, "")["emptied"]["blobs"], 0, "something was put there a moment ago");
    let folder = fs::File::open(&long_ago).unwrap();
    folder.set_modified(SystemTime::now() - Duration::from_secs(8 * 24 * 3600)).unwrap();
    assert_eq!(gc(&test, "")["emptied"]["blobs"], 1);
    assert!(trash().is_empty());
    // The image may be had again like any other.
    test.write("posts/c.md", post(&[1]));
    test.run("archive posts").expect_code(0);
    assert_eq!(kept(&test), [1, 2, 3]);
    test.run("verify").expect_code(0);
}

#[test]
fn what_is_referred_to_again_is_spared() {
    let (origin, test) = scene();
    for number in 1..=5 {
        test.write(&format!("posts/{number}.md"), post(&[number]));
    }
    test.run("archive posts").expect_code(0);
    for number in 1..=5 {
        fs::rename(test.path(&format!("posts/{number}.md")), test.path(&format!("{number}.away"))).unwrap();
    }
    assert_eq!(gc(&test, "")["waiting"]["blobs"], 5);
    a_year_passes(&test);
    // The first comes back; another document has the second; one has a link to the third that somebody wrote by hand,
    // one names the fourth, whose rewriting was not asked for.
    fs::rename(test.path("1.away"), test.path("posts/1.md")).unwrap();
    test.write("posts/new.md", post(&[2]));
    let link = format!("../cache/images/{}/{}.jpg", &digest(3)[..2], digest(3));
    test.write("posts/by-hand.md", format!("![]({link})\n"));
    test.write("posts/kept.md", post(&[4]));
    test.run("archive posts/new.md posts/by-hand.md").expect_code(0);
    test.run("archive --no-rewrite posts/kept.md").expect_code(0);
    assert_eq!(removed(&gc(&test, "")), [digest(5)]);
    assert_eq!(kept(&test), [1, 2, 3, 4]);
    assert_eq!(gc(&test, "")["waiting"]["blobs"], 0, "their time begins anew");
    assert_eq!((1..=5).map(|number| origin.count(&url(number))).collect::<Vec<_>>(), [1; 5]);
    test.run("verify").expect_code(0);
}

#[test]
fn what_no_document_was_pointed_at_is_kept_for_its_origin() {
    let (origin, test) = scene();
    test.write("posts/a.md", post(&[1]));
    test.run("archive --no-rewrite posts").expect_code(0);
    test.run_with_input("archive -", post(&[2]).as_bytes()).expect_code(0);
    // An older copy that no document uses is garbage, the newest is not.
    let (old, new) = (picture::jpeg(3), picture::jpeg(4));
    origin.answers(&url(3), [Answer::image(old), Answer::image(new)]);
    test.write("posts/b.md", post(&[3]));
    test.run("archive --no-rewrite posts").expect_code(0);
    test.run("archive --no-rewrite --update posts").expect_code(0);
    fs::remove_dir_all(test.path("posts")).unwrap();
    gc(&test, "");
    a_year_passes(&test);
    assert_eq!(removed(&gc(&test, "")), [digest(3)]);
    assert_eq!(kept(&test), [1, 2, 4]);
}

#[test]
fn a_way_back_keeps_its_images_and_documents_that_cannot_be_looked_for_keep_theirs() {
    let (_origin, test) = scene();
    test.write("posts/a.md", post(&[1]));
    test.write("drive/b.md", post(&[2]));
    test.run("archive posts drive").expect_code(0);
    test.run("restore posts").expect_code(0);
    fs::rename(test.path("drive"), test.path("unplugged")).unwrap();
    let test = test.set("daemon.watch", "[\"drive\"]");
    for _ in 0..2 {
        let report = gc(&test, "");
        assert_eq!((removed(&report), &report["waiting"]["blobs"]), (vec![], &0.into()));
        a_year_passes(&test);
    }
    assert_eq!(kept(&test), [1, 2]);
}

#[test]
fn stray_files_go_but_not_when_it_is_the_catalog_that_is_lost() {
    let (_origin, test) = scene();
    test.write("posts/a.md", post(&[1]));
    test.run("archive posts").expect_code(0);
    let stray = test.path("cache/images").join(&digest(2)[..2]).join(format!("{}.jpg", digest(2)));
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, picture::jpeg(2)).unwrap();
    assert!(gc(&test, "")["orphaned"].as_array().unwrap().is_empty(), "it is young");
    a_year_passes(&test);
    fs::remove_file(test.path("cache/catalog.db")).unwrap();
    let report = test.run("--format json gc").expect_code(3).json();
    assert_eq!(report["unknown"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["orphaned"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(kept(&test), [1]);
    test.run("verify --rebuild").expect_code(0);
    assert_eq!(kept(&test), [1]);
}

#[test]
fn an_archive_at_the_same_time_never_points_at_what_goes() {
    let (_origin, test) = scene();
    let test = test.set("gc.grace_days", "0");
    for round in 0..6 {
        let numbers: Vec<u64> = (0..20).collect();
        test.write("posts/gone.md", post(&numbers));
        test.run("archive posts").expect_code(0);
        fs::remove_file(test.path("posts/gone.md")).unwrap();
        for number in &numbers {
            test.write(&format!("posts/{round}-{number}.md"), post(&[*number, (number + 7) % 20]));
        }
        let archive = test.command("archive posts").stdin(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(30 * round));
        let collected = test.run("gc").expect_code(0);
        let archived = archive.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&archived.stderr).into_owned();
        assert_eq!(archived.status.code(), Some(0), "{said}");
        test.run("archive posts").expect_code(0);
        test.run("verify").expect_code(0);
        assert_eq!(kept(&test).len(), 20, "{}", collected.stdout);
        for number in &numbers {
            fs::remove_file(test.path(&format!("posts/{round}-{number}.md"))).unwrap();
        }
    }
}
