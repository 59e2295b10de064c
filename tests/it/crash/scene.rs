//! Documents and their images, something that is done to them, and what must hold wherever that ends.

pub(crate) mod deed;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

use deed::{Deed, Originals};
use state::State;

/// The documents' folders.
const FOLDERS: usize = 5;
const WORKER: &str = "https://cors.zfour.workers.dev/?";

/// How much there is, and how slowly it comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) documents: usize,
    pub(crate) images: usize,
    /// Before each image, four of which are had at a time: what makes a run long enough to have several batches.
    pub(crate) pause: Duration,
}

pub(crate) struct Scene {
    pub(crate) test: Test,
    pub(crate) deed: Deed,
    /// What the documents said before imgkeep came, and when they were written.
    originals: Originals,
    before: State,
    after: State,
    /// How long the deed takes when nobody disturbs it.
    pub(crate) took: Duration,
    /// And how long of it it writes.
    pub(crate) wrote: Duration,
    _origin: Origin,
}

impl Scene {
    /// Everything as it is before `deed`, which was done once to see what comes of it.
    pub(crate) fn new(deed: Deed, size: Size) -> Self {
        let origin = Origin::start();
        origin.worker("cors.zfour.workers.dev");
        for number in 0..size.images {
            let answer = Answer::image(picture::jpeg(number as u64)).delay(size.pause);
            origin.answer(&url(number), answer);
        }
        // The machine may be busy; no image is late.
        let mut test = Test::new()
            .origin(&origin)
            .set("fetch.retries", "0")
            .set("fetch.concurrency", "4")
            .set("fetch.connect_timeout_secs", "60")
            .set("fetch.idle_timeout_secs", "60")
            .set("gc.grace_days", "0");
        for number in 0..size.documents {
            let (path, text) = document(number, size);
            test = test.document(&path, text);
        }
        let originals = deed.prepare(&test, &origin, size);
        let before = State::of(&test);
        copy(&test.root(), &start(&test)).expect("there is room");
        let (after, took, wrote) = (State::default(), Duration::ZERO, Duration::ZERO);
        let mut scene = Self { test, deed, originals, before, after, took, wrote, _origin: origin };
        scene.measure();
        scene.after = State::of(&scene.test);
        assert!(scene.after != scene.before, "{deed:?} does nothing");
        if deed != Deed::Repair {
            // Repaired are those that are not whole before.
            scene.reset();
            scene.test.blobs();
        }
        scene
    }

    /// Does the deed to the end, and sees how long that takes.
    pub(crate) fn measure(&mut self) {
        self.reset();
        let start = Instant::now();
        let mut child = self.command().spawn().expect("the program was built");
        self.wait_for_a_write(&mut child);
        let first = start.elapsed();
        let status = child.wait().expect("it is our child");
        self.took = start.elapsed();
        self.wrote = self.took - first;
        assert_eq!(status.code(), Some(self.deed.code()), "undisturbed");
    }

    /// Until something of the deed can be seen on the disk, or the program has ended.
    pub(crate) fn wait_for_a_write(&self, child: &mut Child) {
        let journals = self.journals();
        let drafts = || {
            let processes = fs::read_dir(self.test.path("cache/incoming")).into_iter().flatten().flatten();
            processes.map(|process| count(&process.path())).max()
        };
        let has_begun = || {
            // Beside the lock of a process's folder there are its drafts.
            self.journals() != journals
                || drafts().is_some_and(|files| files > 1)
                || (0..FOLDERS).any(|folder| state::has_litter(&self.test.path(&format!("posts/{folder}"))))
        };
        while !has_begun() && child.try_wait().expect("it is our child").is_none() {
            thread::sleep(Duration::from_micros(300));
        }
    }

    /// The folder that [`Self::reset`] copies.
    pub(crate) fn start(&self) -> PathBuf {
        start(&self.test)
    }

    /// Puts everything back to where it was before the deed.
    pub(crate) fn reset(&self) {
        self.put(&self.start());
    }

    /// Puts a copy of `folder` in place of what there is.
    pub(crate) fn put(&self, folder: &Path) {
        clear(&self.test.root()).expect("nobody is at work there");
        copy(folder, &self.test.root()).expect("there is room");
    }

    /// Keeps what there is now aside, for another ending.
    pub(crate) fn keep_aside(&self) -> PathBuf {
        let aside = self.test.root().with_file_name("aside");
        if aside.exists() {
            clear(&aside).expect("it is ours");
        }
        copy(&self.test.root(), &aside).expect("there is room");
        aside
    }

    /// The deed, to be disturbed.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.test.command(self.deed.words());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Whether nothing was changed yet.
    pub(crate) fn is_untouched(&self) -> bool {
        State::of(&self.test) == self.before
            && self.journals() == count(&self.start().join("cache/journal"))
            && !state::litter(&self.test).iter().any(|left| left.is_file() && !left.ends_with("lock"))
    }

    fn journals(&self) -> usize {
        count(&self.test.path("cache/journal"))
    }

    /// Each document is its old or its new self, every link has its image, no image is anything but whole, and the
    /// catalog opens. Returns how many documents and images are not as they were.
    pub(crate) fn check(&self, when: &str) -> usize {
        let now = State::of(&self.test);
        now.assert_between(&self.before, &self.after, when);
        if self.deed == Deed::Collect {
            self.assert_in_trash(&now, when);
        }
        assert_catalog_opens(&self.test, when);
        now.differences(&self.before)
    }

    /// The documents that are as after the deed, and were not before.
    pub(crate) fn new_documents(&self) -> BTreeSet<PathBuf> {
        State::of(&self.test).changed_documents(&self.before)
    }

    /// How much of the work may be done.
    pub(crate) fn work(&self) -> usize {
        self.after.differences(&self.before)
    }

    /// Everything is as after the whole deed.
    pub(crate) fn assert_done(&self, when: &str) {
        State::of(&self.test).assert_is(&self.after, when);
    }

    /// One more run finishes the work and leaves nothing behind, and the way back is whole.
    pub(crate) fn finish(&self, when: &str) {
        self.run(self.deed.words(), &[self.deed.code()], when);
        self.assert_done(when);
        self.assert_no_litter(when);
        self.go_back(when);
    }

    /// The documents are led back at once, without the work being finished.
    pub(crate) fn go_back(&self, when: &str) {
        self.run("restore posts", &[0], when);
        self.assert_no_litter(when);
        for (path, (bytes, modified)) in &self.originals {
            let now = self.test.path("posts").join(path);
            let (now, at) = (fs::read(&now).unwrap(), now.metadata().unwrap().modified().unwrap());
            assert!(now == *bytes, "{when}: {} is not led back: {}", path.display(), now.escape_ascii());
            assert_eq!(at, *modified, "{when}: {}: the time of the original", path.display());
        }
    }

    /// The catalog is lost, too, made again from the journal, and leads back as well.
    pub(crate) fn rebuild_and_go_back(&self, when: &str) {
        for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
            let _ = fs::remove_file(self.test.path("cache").join(name));
        }
        // What the killed run downloaded and nothing knows yet is a finding.
        self.run("verify --rebuild", &[0, 3], when);
        self.go_back(when);
    }

    /// Whether there is anything to lead back with, or the program was killed before.
    pub(crate) fn has_catalog(&self) -> bool {
        self.test.path("cache/catalog.db").exists() && self.test.path("cache/VERSION").exists()
    }

    fn run(&self, words: &str, codes: &[i32], when: &str) {
        let outcome = self.test.run(words);
        let is_right = outcome.code.is_some_and(|code| codes.contains(&code));
        assert!(is_right, "{when}: then {words}: {outcome:?}");
    }

    pub(crate) fn assert_no_litter(&self, when: &str) {
        let litter = state::litter(&self.test);
        assert!(litter.is_empty(), "{when}: left behind: {litter:?}");
    }

    /// What was taken out of the store is in its trash.
    fn assert_in_trash(&self, now: &State, when: &str) {
        let trash = state::files(&self.test.path("cache/trash"));
        let trash: BTreeMap<_, _> =
            trash.iter().filter_map(|(path, bytes)| Some((path.file_name()?, bytes))).collect();
        for (path, bytes) in self.before.images_not_in(now) {
            let there = path.file_name().and_then(|name| trash.get(name));
            assert!(there == Some(&bytes), "{when}: {} is lost", path.display());
        }
    }
}

/// Temporary files and drafts.
pub(crate) fn litter(test: &Test) -> Vec<PathBuf> {
    state::litter(test)
}

/// SQLite finds nothing wrong with the catalog. It is looked at as a copy: the program is to mend it, not the test.
pub(crate) fn assert_catalog_opens(test: &Test, when: &str) {
    let copy = tempfile::tempdir().unwrap();
    for name in ["catalog.db", "catalog.db-wal"] {
        // It may not be there yet.
        let _ = fs::copy(test.path("cache").join(name), copy.path().join(name));
    }
    let catalog = rusqlite::Connection::open(copy.path().join("catalog.db")).unwrap();
    let said: String = catalog
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap_or_else(|error| panic!("{when}: the catalog: {error}"));
    assert_eq!(said, "ok", "{when}");
}

fn start(test: &Test) -> PathBuf {
    test.root().with_file_name("start")
}

fn url(number: usize) -> String {
    format!("http://cdn{}.example/{number}.jpg", number % 3)
}

/// Where the images begin that only the last fifth of the documents shows.
fn own(size: Size) -> usize {
    size.images / 2
}

/// Whether the document is one of the last fifth.
fn is_of_last(number: usize) -> bool {
    number % FOLDERS == FOLDERS - 1
}

/// A document, its images in the order in which they are asked for. They lie in five folders.
fn document(number: usize, size: Size) -> (String, String) {
    let (from, count) = match is_of_last(number) {
        true => (own(size), size.images - own(size)),
        false => (0, own(size)),
    };
    let first = number * count / size.documents;
    let [one, two, three] = [0, 1, 2].map(|more| url(from + (first + more) % count));
    let folder = format!("posts/{}", number % FOLDERS);
    match number % 3 {
        0 => (
            format!("{folder}/{number}.md"),
            format!(
                "---\ntitle: 'Post {number}'\ncover: '{WORKER}{one}'\n---\n\n![]({two})\n\n![b]({one})\n"
            ),
        ),
        1 => (
            format!("{folder}/{number}.html"),
            format!(
                "<p>Page {number}\r\n<img src='{WORKER}{one}' srcset=\"{two} 1x, {WORKER}{three} 2x\">\r\n"
            ),
        ),
        _ => (
            format!("{folder}/{number}.md"),
            format!("{}![a]({WORKER}{one})![b]({two})\n", "Text. ".repeat(number)),
        ),
    }
}

/// Copies a folder with the times of its files.
pub(crate) fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &to)?;
            let modified = entry.metadata()?.modified()?;
            fs::File::options().write(true).open(&to)?.set_modified(modified)?;
        }
    }
    Ok(())
}

/// Empties a folder.
fn clear(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}
