//! The daemon is killed and started again, while documents appear and change.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use imgkeep::digest::Digest;

use super::scene;
use crate::support::origin::{Answer, Origin};
use crate::support::rounds::rounds;
use crate::support::{Test, picture};

const IMAGES: usize = 12;
/// Documents that are written in each round.
const WRITTEN: usize = 5;
/// Of a daemon's life, from its start or, in every other round, from when it is seen at work.
const LONGEST: Duration = Duration::from_secs(3);
const LONGEST_AT_WORK: Duration = Duration::from_millis(400);
/// What takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(90);
/// After so many rounds it is left alone until all is done.
const LEFT_ALONE: u32 = 10;

/// What stands in each document now, by the hand that writes them.
type Written = BTreeMap<String, String>;

fn url(number: usize) -> String {
    format!("http://cdn.example/{number}.jpg")
}

fn text(document: usize, revision: u32) -> String {
    let image = |more: usize| url((document + more + revision as usize) % IMAGES);
    let proxied = format!("https://cors.zfour.workers.dev/?{}", image(1));
    format!("---\ncover: {}\n---\nDocument {document}, revision {revision}.\n\n![]({proxied})\n", image(0))
}

/// What becomes of a document: each URL is the way to its copy.
fn archived(text: &str) -> String {
    let mut archived = text.replace("https://cors.zfour.workers.dev/?", "");
    for number in (0..IMAGES).rev() {
        let digest = Digest::of(&picture::jpeg(number as u64)).to_string();
        let link = format!("../../cache/images/{}/{digest}.jpg", &digest[..2]);
        archived = archived.replace(&url(number), &link);
    }
    archived
}

fn start(test: &Test) -> Child {
    let mut command = test.command("daemon --listen 127.0.0.1:0");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the program was built")
}

/// The bytes of temporary files beside a document: what it held may be there for an instant, until the next start.
fn beside(test: &Test, document: &str) -> Vec<Vec<u8>> {
    let path = test.path(document);
    let name = path.file_name().unwrap().to_str().unwrap();
    let entries = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let is_aside = |path: &PathBuf| {
        let other = path.file_name().unwrap().to_str().unwrap();
        other.starts_with(".imgkeep-swap-") && other.ends_with(name)
    };
    entries.filter(is_aside).map(|path| fs::read(path).unwrap()).collect()
}

/// Each document is as it was written last, or archived. Returns how many are archived.
fn check(test: &Test, written: &Written, when: &str) -> usize {
    // All blobs are whole, too.
    let blobs = test.blobs();
    let mut done = 0;
    for (document, text) in written {
        let now = String::from_utf8(test.read(document)).unwrap();
        if now == archived(text) {
            done += 1;
            let digests = now.split("/images/").skip(1).map(|link| &link[3..67]);
            digests.for_each(|digest| assert!(blobs.contains_key(&digest.parse().unwrap()), "{when}: {now}"));
        } else if now != *text {
            let is_aside = beside(test, document).contains(&text.clone().into_bytes());
            assert!(is_aside, "{when}: {document} is neither `{text}` nor archived, but `{now}`");
        }
    }
    done
}

/// As most editors do. Every other document is an old one that is moved to its place, which need not be quiet for two
/// seconds first.
fn save(test: &Test, document: &str, text: &str, is_old: bool) {
    let path = test.path(document);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let new = path.with_extension("md~");
    fs::write(&new, text).unwrap();
    if is_old {
        let file = fs::File::options().write(true).open(&new).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    }
    fs::rename(new, path).unwrap();
}

/// Writes some documents, while the daemon starts or is at work.
fn write(test: &Test, written: &mut Written, documents: usize, round: u32) {
    for saved in 0..WRITTEN {
        thread::sleep(Duration::from_millis(fastrand::u64(..60)));
        let number = fastrand::usize(..documents);
        let (document, text) = (format!("posts/{}/{number}.md", number % 5), text(number, round));
        save(test, &document, &text, saved % 2 == 0);
        written.insert(document, text);
    }
}

/// Whether something is downloaded or replaced just now.
fn is_amid(test: &Test) -> bool {
    scene::litter(test).iter().any(|left| left.is_file() && !left.ends_with("lock"))
}

/// Until it downloads or replaces something.
fn wait_until_it_is_at_work(test: &Test) {
    let began = Instant::now();
    while !is_amid(test) && began.elapsed() < LONGEST {
        thread::sleep(Duration::from_millis(1));
    }
}

/// The daemon is left to itself until it is through, and then everything is led back.
fn let_it_finish(test: &Test, written: &Written, when: &str) {
    let mut daemon = start(test);
    let began = Instant::now();
    let is_done = || {
        written.iter().all(|(document, text)| test.read(document) == archived(text).as_bytes())
            && scene::litter(test).iter().all(|left| left.starts_with(test.path("cache/incoming")))
    };
    while !is_done() {
        assert!(daemon.try_wait().unwrap().is_none(), "{when}: it ended");
        if began.elapsed() > PATIENCE {
            check(test, written, when);
            panic!("{when}: not done after {PATIENCE:?}: {:?}", scene::litter(test));
        }
        thread::sleep(Duration::from_millis(20));
    }
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert_eq!(check(test, written, when), written.len());
    test.run("verify").expect_code(0);
    let aside = test.root().with_file_name("aside");
    scene::copy(&test.root(), &aside).unwrap();
    test.run("restore posts").expect_code(0);
    for (document, text) in written {
        assert_eq!(String::from_utf8(test.read(document)).unwrap(), *text, "{when}: {document}, led back");
    }
    assert!(scene::litter(test).is_empty(), "{when}: {:?}", scene::litter(test));
    fs::remove_dir_all(test.root()).unwrap();
    fs::rename(aside, test.root()).unwrap();
}

#[test]
fn it_is_killed_and_started_again_while_documents_appear_and_change() {
    let rounds = rounds(6);
    let documents = rounds.clamp(20, 500) as usize;
    let origin = Origin::start();
    origin.worker("cors.zfour.workers.dev");
    for number in 0..IMAGES {
        let answer = Answer::image(picture::jpeg(number as u64)).delay(Duration::from_millis(30));
        origin.answer(&url(number), answer);
    }
    let test = Test::new().origin(&origin).set("daemon.watch", "posts").set("daemon.settle_secs", "0.1");
    fs::create_dir(test.path("posts")).unwrap();
    let mut written = Written::new();
    let (mut done, mut amid, mut round) = (0, 0, 0);
    // Where the machine is busy none of a few may fall into the work.
    while round < rounds || (amid == 0 && round < 10 * rounds) {
        round += 1;
        let is_at_work = round % 2 == 0;
        let moment = if is_at_work { LONGEST_AT_WORK } else { LONGEST }.mul_f64(fastrand::f64());
        let when = format!("round {round}, killed after {moment:?}, at work: {is_at_work}");
        let mut daemon = start(&test);
        write(&test, &mut written, documents, round);
        if is_at_work {
            wait_until_it_is_at_work(&test);
        }
        thread::sleep(moment);
        daemon.kill().unwrap();
        assert!(daemon.wait().unwrap().code().is_none(), "{when}: it had ended by itself");
        let now = check(&test, &written, &when);
        scene::assert_catalog_opens(&test, &when);
        amid += u32::from(is_amid(&test) || (now != done && now != written.len()));
        done = now;
        if round % LEFT_ALONE == 0 {
            let_it_finish(&test, &written, &when);
            done = written.len();
        }
    }
    let_it_finish(&test, &written, "in the end");
    println!("daemon: {round} kills over {} documents, {amid} amid the work; 0 lost", written.len());
    assert!(amid > 0, "no kill fell into the work");
}
