//! `imgkeep gc`: what is removed and what is not.

mod racing;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use imgkeep::config::Config;
use imgkeep::digest::Digest;
use imgkeep::ops::{Archive, gc as collecting};
use imgkeep::origin::proxy::Families;
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
        let sql = format!("UPDATE {table} SET since = since - {AGES}, confirmed = confirmed - {AGES}");
        catalog.execute(&sql, []).unwrap();
    }
    catalog.execute(&format!("UPDATE snapshots SET taken = taken - {AGES}"), []).unwrap();
    for path in test.blobs().values() {
        age(path);
    }
}

/// What is noticed now counts after it: it is noticed once more in between.
fn years_pass(test: &Test) {
    for _ in 0..2 {
        gc(test, "");
        a_year_passes(test);
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
fn what_only_a_deleted_document_used_goes_if_that_is_asked_for_after_a_time_of_grace() {
    let (_origin, test) = scene();
    test.write("posts/a.md", post(&[1, 2]));
    test.write("posts/b.md", post(&[2, 3]));
    test.run("archive posts").expect_code(0);
    let kept_a = test.read("posts/a.md");
    assert!(removed(&gc(&test, "--forget-gone")).is_empty());
    fs::remove_file(test.path("posts/a.md")).unwrap();
    assert_eq!(gc(&test, "--forget-gone")["gone"], 1);
    a_year_passes(&test);
    assert!(removed(&gc(&test, "--forget-gone")).is_empty(), "it was looked for once only");
    a_year_passes(&test);
    assert!(removed(&gc(&test, "")).is_empty(), "a record of a document that is gone counts");
    let dry = gc(&test, "--forget-gone --dry-run");
    assert_eq!(removed(&dry), [digest(1)]);
    assert_eq!(kept(&test), [1, 2, 3], "a dry run changes nothing");
    let report = gc(&test, "--forget-gone");
    let forgotten: Vec<&str> =
        report["forgotten"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert_eq!(removed(&report), [digest(1)]);
    assert!(matches!(*forgotten, [path] if path.ends_with("posts/a.md")), "{report}");
    assert_eq!(kept(&test), [2, 3]);
    test.run("verify").expect_code(0);

    // It is in the trash for a week, and a rebuilt catalog does not miss it.
    let trash = || test.tree("cache/trash").into_keys().collect::<Vec<_>>();
    assert_eq!(trash().len(), 1);
    assert!(trash()[0].ends_with(format!("{}.jpg", digest(1))));
    fs::remove_file(test.path("cache/catalog.db")).unwrap();
    test.run("verify --rebuild").expect_code(0);
    // The way back of the document is there, should it turn up.
    test.write("posts/a.md", kept_a);
    test.run("restore posts/a.md").expect_code(0);
    assert_eq!(test.read("posts/a.md"), post(&[1, 2]).into_bytes());
    fs::remove_file(test.path("posts/a.md")).unwrap();
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
    test.write("posts/stays.md", post(&[6]));
    test.run("archive posts").expect_code(0);
    for number in 1..=5 {
        fs::rename(test.path(&format!("posts/{number}.md")), test.path(&format!("{number}.away"))).unwrap();
    }
    years_pass(&test);
    assert_eq!(removed(&gc(&test, "--forget-gone --dry-run")).len(), 5);
    // The first comes back; another document has the second; one has a link to the third that somebody wrote by hand,
    // one names the fourth, whose rewriting was not asked for.
    fs::rename(test.path("1.away"), test.path("posts/1.md")).unwrap();
    test.write("posts/new.md", post(&[2]));
    let link = format!("../cache/images/{}/{}.jpg", &digest(3)[..2], digest(3));
    test.write("posts/by-hand.md", format!("![]({link})\n"));
    test.write("posts/kept.md", post(&[4]));
    test.run("archive posts/new.md posts/by-hand.md").expect_code(0);
    test.run("archive --no-rewrite posts/kept.md").expect_code(0);
    // Of another document nobody has heard.
    test.write("drafts/new.md", post(&[5]));
    assert!(removed(&gc(&test, "--forget-gone --search drafts --dry-run")).is_empty());
    assert_eq!(removed(&gc(&test, "--forget-gone")), [digest(5)]);
    assert_eq!(kept(&test), [1, 2, 3, 4, 6]);
    assert_eq!(gc(&test, "")["waiting"]["blobs"], 0);
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
    // Nor is one that a document has which came from stdin.
    origin.answers(&url(5), [Answer::image(picture::jpeg(5)), Answer::image(picture::jpeg(6))]);
    test.write("posts/b.md", post(&[3, 5]));
    test.run("archive --no-rewrite posts").expect_code(0);
    for _ in 0..2 {
        test.run_with_input("archive -", post(&[5]).as_bytes()).expect_code(0);
    }
    test.run("archive --no-rewrite --update posts").expect_code(0);
    assert_eq!(kept(&test), [1, 2, 3, 4, 5, 6]);
    fs::remove_dir_all(test.path("posts")).unwrap();
    assert_eq!(gc(&test, "")["waiting"]["blobs"], 1);
    a_year_passes(&test);
    assert!(removed(&gc(&test, "")).is_empty(), "it was noticed once only");
    a_year_passes(&test);
    assert_eq!(removed(&gc(&test, "")), [digest(3)]);
    fs::remove_file(test.path("cache/catalog.db")).unwrap();
    test.run("verify --rebuild").expect_code(0);
    years_pass(&test);
    assert!(removed(&gc(&test, "")).is_empty());
    assert_eq!(kept(&test), [1, 2, 4, 5, 6]);
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
    for _ in 0..4 {
        let report = gc(&test, "--forget-gone");
        assert_eq!((removed(&report), &report["waiting"]["blobs"]), (vec![], &0.into()));
        a_year_passes(&test);
    }
    // The folder is there and empty: nothing says whether a disk belongs there.
    fs::create_dir(test.path("drive")).unwrap();
    for _ in 0..4 {
        let report = gc(&test, "--forget-gone");
        assert_eq!((removed(&report), report["unsure"].as_array().unwrap().len()), (vec![], 1), "{report}");
        a_year_passes(&test);
    }
    assert_eq!(kept(&test), [1, 2]);
}

/// A post, and in the store an older copy that nothing refers to, long due.
fn due() -> (Origin, Test) {
    let (origin, test) = scene();
    origin.answers(&url(1), [Answer::image(picture::jpeg(1)), Answer::image(picture::jpeg(2))]);
    test.write("posts/a.md", post(&[1]));
    test.run("archive --no-rewrite posts").expect_code(0);
    test.run("archive --no-rewrite --update posts").expect_code(0);
    test.write("posts/b.md", post(&[3]));
    test.run("archive posts/b.md").expect_code(0);
    test.write("posts/a.md", "It had an image.\n");
    years_pass(&test);
    (origin, test)
}

/// Nothing goes, and something says why.
fn expect_refusal(test: &Test, says: &str) {
    let said = test.run("gc").expect_code(3).stdout;
    assert!(said.contains(says), "{said}");
    assert_eq!(kept(test), [1, 2, 3]);
}

#[test]
fn nothing_goes_while_the_clock_is_behind_or_another_collects_or_a_document_cannot_be_read() {
    let (_origin, test) = due();
    let change = |sign| {
        let catalog = rusqlite::Connection::open(test.path("cache/catalog.db")).unwrap();
        catalog.execute(&format!("UPDATE snapshots SET taken = taken {sign} 3 * {AGES}"), []).unwrap();
    };
    change('+');
    expect_refusal(&test, "the clock is wrong");
    change('-');
    let other = fs::File::options().write(true).open(test.path("cache/collect.lock")).unwrap();
    other.lock().unwrap();
    expect_refusal(&test, "another process");
    drop(other);
    let test = test.set("documents.max_bytes", "20");
    expect_refusal(&test, "cannot be read");
    let test = test.set("documents.max_bytes", "1000000");
    // A link that somebody wrote after all.
    let link = format!("![](../cache/images/{}/{}.jpg)\n", &digest(1)[..2], digest(1));
    let before = test.read("posts/a.md");
    test.write("posts/a.md", link);
    assert!(removed(&gc(&test, "")).is_empty());
    test.write("posts/a.md", before);
    years_pass(&test);
    assert_eq!(removed(&gc(&test, "")), [digest(1)]);
}

#[test]
fn who_is_asked_to_stop_removes_nothing_more() {
    let (_origin, test) = due();
    let url = format!("sqlite:{}", test.path("cache/catalog.db").display());
    let archive = Archive::open(&test.path("cache"), &url).unwrap();
    let reader = Config::default().reader(Families::builtin()).unwrap();
    let now = jiff::Timestamp::now().as_millisecond();
    let gc = |stop: bool| {
        collecting::gc(&reader, &archive, &collecting::Options::default(), now, &|| stop).unwrap()
    };
    let report = gc(true);
    assert!(report.interrupted && report.removed.is_empty());
    assert_eq!(kept(&test), [1, 2, 3]);
    let report = gc(false);
    assert!(!report.interrupted);
    assert_eq!(report.removed.len(), 1);
}

#[test]
fn a_rebuilt_catalog_has_the_way_back_to_what_was_removed_once_and_kept_again() {
    let (_origin, test) = scene();
    test.write("posts/a.md", post(&[1]));
    test.write("posts/b.md", post(&[2]));
    test.run("archive posts").expect_code(0);
    fs::remove_file(test.path("posts/a.md")).unwrap();
    years_pass(&test);
    assert_eq!(removed(&gc(&test, "--forget-gone")), [digest(1)]);
    test.write("posts/c.md", post(&[1]));
    test.run("archive posts").expect_code(0);
    assert_eq!(kept(&test), [1, 2]);
    // Then the disk loses the image, and the catalog.
    fs::remove_file(&test.blobs()[&Digest::of(&picture::jpeg(1))]).unwrap();
    fs::remove_file(test.path("cache/catalog.db")).unwrap();
    let said = test.run("verify --rebuild").expect_code(3).stdout;
    assert!(said.contains("missing") && said.contains("dangling"), "{said}");
    test.run("restore posts").expect_code(0);
    assert_eq!(test.read("posts/c.md"), post(&[1]).into_bytes());
    assert_eq!(test.read("posts/b.md"), post(&[2]).into_bytes());
}

#[test]
fn stray_files_stay_while_a_part_of_the_journal_cannot_be_read() {
    let (_origin, test) = scene();
    test.write("posts/a.md", post(&[1]));
    test.run("archive posts").expect_code(0);
    let stray = test.path("cache/images").join(&digest(2)[..2]).join(format!("{}.jpg", digest(2)));
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, picture::jpeg(2)).unwrap();
    a_year_passes(&test);
    let journal = fs::read_dir(test.path("cache/journal")).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&journal).unwrap();
    fs::write(&journal, [&*whole, b"lost"].concat()).unwrap();
    let report = test.run("--format json gc").expect_code(3).json();
    assert_eq!(report["doubtful"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(kept(&test), [1, 2]);
    fs::write(&journal, whole).unwrap();
    assert_eq!(gc(&test, "")["orphaned"].as_array().unwrap().len(), 1);
    assert_eq!(kept(&test), [1]);
}

#[test]
fn whoever_changes_documents_waits_for_whoever_removes_images() {
    let (_origin, test) = scene();
    test.write("posts/a.md", post(&[1]));
    test.run("archive posts").expect_code(0);
    let before = test.read("posts/a.md");
    let alone = fs::File::options().write(true).open(test.path("cache/gc.lock")).unwrap();
    alone.lock().unwrap();
    let mut restoring = test.command("restore posts").stdin(Stdio::null()).spawn().unwrap();
    let pid = restoring.id().to_string();
    let waits = || {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|lock| lock.contains("->") && lock.split_whitespace().any(|word| word == pid))
    };
    while !waits() {
        assert!(restoring.try_wait().unwrap().is_none(), "it did not wait");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(test.read("posts/a.md"), before);
    drop(alone);
    assert!(restoring.wait().unwrap().success());
    assert_eq!(test.read("posts/a.md"), post(&[1]).into_bytes());
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
    // It is made again from the journal first.
    let report = test.run("--format json gc").expect_code(0).json();
    assert!(report["unknown"].as_array().unwrap().is_empty(), "{report}");
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
        let collected = test.run("gc --forget-gone").expect_code(0);
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
