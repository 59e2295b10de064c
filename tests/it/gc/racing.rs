//! Garbage is collected without a time of grace while documents change: no link ever leads nowhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::{digest, gc, post, removed, scene, url, years_pass};
use crate::daemon::running::{Daemon, until};
use crate::support::origin::{Answer, Origin};
use crate::support::rounds::rounds;
use crate::support::{Test, picture};

/// So many images there are.
const IMAGES: u64 = 20;

fn start(test: &Test, words: &str) -> Child {
    test.command(words).stdin(Stdio::null()).spawn().unwrap()
}

fn finish(child: Child, codes: &[i32]) {
    let output = child.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| codes.contains(&code)), "{}: {said}", output.status);
}

/// The links to copies in the documents, and how many lead nowhere.
fn links(test: &Test) -> (usize, usize) {
    let (mut all, mut dangling) = (0, 0);
    let documents = fs::read_dir(test.path("posts")).unwrap().map(|entry| entry.unwrap().path());
    for document in documents.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("images/").skip(1) {
            let link = &link[..link.find(')').unwrap()];
            all += 1;
            if !test.path("cache/images").join(link).is_file() {
                dangling += 1;
                println!("{} leads nowhere: {link}", document.display());
            }
        }
    }
    (all, dangling)
}

/// Documents of one round instead of those of the last one, whose records would keep every image sooner or later.
fn write(test: &Test, round: u32) -> BTreeMap<String, String> {
    for number in 0..6 {
        let _ = fs::remove_file(test.path(&name(round.wrapping_sub(1), number)));
    }
    let text = || post(&[fastrand::u64(..IMAGES), fastrand::u64(..IMAGES)]);
    let documents: BTreeMap<_, _> = (0..6).map(|number| (name(round, number), text())).collect();
    documents.iter().for_each(|(name, text)| test.write(name, text));
    documents
}

fn name(round: u32, number: u32) -> String {
    format!("posts/{round}-{number}.md")
}

/// All images are there, and nothing but the record of a document that is gone refers to them.
fn all_are_about_to_go(test: &Test) {
    test.write("posts/gone.md", post(&(0..IMAGES).collect::<Vec<_>>()));
    // A document that the last round left may need time to settle.
    test.run("archive --local posts/gone.md").expect_code(0);
    fs::remove_file(test.path("posts/gone.md")).unwrap();
}

#[test]
fn commands_never_point_at_what_goes() {
    let (_origin, test) = scene();
    let test = test.set("gc.grace_days", "0").set("rewrite.keep_mtime", "true");
    test.write("posts/stays.md", post(&[0]));
    let (rounds, mut went, mut seen) = (rounds(5), 0, 0);
    for round in 0..rounds {
        all_are_about_to_go(&test);
        let documents = write(&test, round);
        let words: &[&str] = match round % 5 {
            0 => &["archive posts"],
            1 => &["archive --no-rewrite posts", "archive posts"],
            2 => &["archive posts", "relink posts --link /images/"],
            3 => &["archive posts", "restore posts", "archive posts"],
            _ => &["archive posts --update --follow"],
        };
        let collecting = start(&test, "--format json gc --forget-gone");
        sleep(Duration::from_millis(fastrand::u64(..120)));
        for words in words {
            test.run(words).expect_code(0);
        }
        let collected = collecting.wait_with_output().unwrap();
        assert!(collected.status.success(), "{}", String::from_utf8_lossy(&collected.stderr));
        went += removed(&serde_json::from_slice(&collected.stdout).unwrap()).len();
        let (all, dangling) = links(&test);
        assert_eq!(dangling, 0, "round {round}: {words:?}");
        seen += all;
        if round % 10 == 0 {
            test.run("verify").expect_code(0);
        }
        test.run("restore posts").expect_code(0);
        for (name, text) in documents {
            assert_eq!(test.read(&name), text.into_bytes(), "round {round}");
        }
    }
    test.run("archive posts").expect_code(0);
    test.run("verify").expect_code(0);
    println!("{rounds} collections beside commands: {went} images went, {seen} links, 0 dangling");
    assert!(went > 0, "nothing was removed");
}

#[test]
fn a_daemon_never_points_at_what_goes() {
    let (_origin, test) = scene();
    let test = test
        .set("gc.grace_days", "0")
        .set("rewrite.keep_mtime", "true")
        .set("daemon.watch", "posts")
        .set("daemon.settle_secs", "0");
    test.write("posts/stays.md", post(&[0]));
    let mut daemon = Daemon::start(&test);
    let (rounds, mut went) = (rounds(3), 0);
    for round in 0..rounds {
        all_are_about_to_go(&test);
        let documents = write(&test, round);
        // It gathers what is dropped in for a second.
        sleep(Duration::from_millis(950 + fastrand::u64(..150)));
        let collecting = start(&test, "gc --forget-gone");
        let is_done =
            || documents.keys().all(|name| !String::from_utf8(test.read(name)).unwrap().contains("http"));
        until("all is archived", is_done);
        // Where the daemon is at it itself, this one says so.
        finish(collecting, &[0, 3]);
        assert_eq!(links(&test).1, 0, "round {round}");
        went += usize::from(!test.tree("cache/trash").is_empty());
    }
    daemon.stop();
    test.run("archive posts").expect_code(0);
    test.run("verify").expect_code(0);
    test.run("restore posts").expect_code(0);
    println!("{rounds} collections beside a daemon, images went in {went}, 0 dangling");
}

#[test]
fn who_removes_images_waits_for_whoever_changes_documents() {
    let (origin, test) = scene();
    older_copy(&origin, &test);
    let changing = fs::File::options().write(true).open(test.path("cache/gc.lock")).unwrap();
    changing.lock_shared().unwrap();
    let mut collecting = start(&test, "--format json gc");
    let pid = collecting.id().to_string();
    let waits = || {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|lock| lock.contains("->") && lock.split_whitespace().any(|word| word == pid))
    };
    while !waits() {
        assert!(collecting.try_wait().unwrap().is_none(), "it did not wait");
        sleep(Duration::from_millis(20));
    }
    assert!(test.blobs().keys().any(|kept| kept.to_string() == digest(1)), "nothing went");
    drop(changing);
    let collected = collecting.wait_with_output().unwrap();
    assert_eq!(removed(&serde_json::from_slice(&collected.stdout).unwrap()), [digest(1)]);
}

/// An older copy that nothing refers to and that is due; the newest is that of the origin.
fn older_copy(origin: &Origin, test: &Test) {
    origin.answers(&url(1), [Answer::image(picture::jpeg(1)), Answer::image(picture::jpeg(2))]);
    test.write("posts/a.md", post(&[1]));
    test.run("archive --no-rewrite posts").expect_code(0);
    test.run("archive --no-rewrite --update posts").expect_code(0);
    test.write("posts/a.md", "It had an image.\n");
    years_pass(test);
}

#[test]
fn a_link_in_a_document_that_nobody_knows_is_found_by_search() {
    let (origin, test) = scene();
    older_copy(&origin, &test);
    let link = format!("images/{}/{}.jpg", &digest(1)[..2], digest(1));
    test.write("drafts/deep/new.md", format!("![](../../cache/{link})\n"));
    test.write("site/page.html", format!("<img src=\"/{link}\">\n"));
    for search in ["drafts", "site/page.html", "drafts site"] {
        assert!(removed(&gc(&test, &format!("--search {search} --dry-run"))).is_empty(), "{search}");
        assert!(removed(&gc(&test, &format!("--search {search}"))).is_empty(), "{search}");
        years_pass(&test);
    }
    // One that cannot be read may link to anything.
    test.write("drafts/deep/new.md", [0xff; 100]);
    test.run("gc --search no/such/folder").expect_code(2);
    fs::remove_dir_all(test.path("drafts")).unwrap();
    assert!(removed(&gc(&test, "--search site")).is_empty());
    years_pass(&test);
    assert_eq!(removed(&gc(&test, "")), [digest(1)], "without the search nobody knows of it");
}

#[test]
fn what_is_in_the_trash_can_be_had_back() {
    let (origin, test) = scene();
    older_copy(&origin, &test);
    assert_eq!(removed(&gc(&test, "")), [digest(1)]);
    let trash: Vec<_> = test.tree("cache/trash").into_iter().collect();
    assert_eq!(trash.len(), 1);
    assert_eq!(trash[0].1.to_string(), digest(1), "the bytes are whole there");
    let (from, name) = (test.path("cache/trash").join(&trash[0].0), trash[0].0.file_name().unwrap());
    let to = test.path("cache/images").join(&digest(1)[..2]);
    fs::create_dir_all(&to).unwrap();
    fs::rename(&from, Path::new(&to).join(name)).unwrap();
    let said = test.run("verify").expect_code(3).stdout;
    assert!(said.contains(&digest(1)), "{said}");
    test.run("verify --rebuild").expect_code(0);
    test.run("verify").expect_code(0);
    // It is known as before: a link to it counts.
    test.write("posts/b.md", format!("![](../cache/images/{}/{}.jpg)\n", &digest(1)[..2], digest(1)));
    test.run("archive posts").expect_code(0);
    years_pass(&test);
    assert!(removed(&gc(&test, "")).is_empty());
    assert!(test.path("cache/images").join(&digest(1)[..2]).join(name).is_file());
}
