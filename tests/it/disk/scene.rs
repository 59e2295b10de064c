//! A folder of posts and their images, and what must hold of them at any moment.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use imgkeep::digest::Digest;

use crate::support::origin::Origin;
use crate::support::{Test, picture};

/// As long as a year: what was marked so long ago is due.
const AGES: i64 = 400 * 24 * 3_600_000;
const DOCUMENTS: u64 = 3;
/// What every link has in it, and the second style of links starts with.
pub(super) const PREFIX: &str = "/images/";

/// The posts, and where their images are had from.
pub(super) struct Scene {
    pub(super) origin: Origin,
    pub(super) test: Test,
    before: Vec<(String, Vec<u8>)>,
}

pub(super) fn url(number: u64) -> String {
    format!("http://cdn.example/{number}.jpg")
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::on(&|_| {})
    }

    /// All of it on the disk that `prepare` makes of the working folder.
    pub(super) fn on(prepare: &dyn Fn(&Path)) -> Self {
        let origin = Origin::start();
        origin.worker("cors.zfour.workers.dev");
        for number in 0..DOCUMENTS {
            origin.image(&url(number), picture::jpeg(number));
        }
        let mut test = Test::new().origin(&origin).set("fetch.retries", "0").set("fetch.concurrency", "1");
        prepare(&test.root());
        let mut before = Vec::new();
        for number in 0..DOCUMENTS {
            let name = format!("posts/{number}.md");
            let url = |n| format!("https://cors.zfour.workers.dev/?{}", url(n % DOCUMENTS));
            let text = format!("---\ncover: {}\n---\n![]({})\n", url(number), url(number + 1));
            test = test.document(&name, &text);
            before.push((name, text.into_bytes()));
        }
        Self { origin, test, before }
    }

    /// The same with all of it archived.
    pub(super) fn archived() -> Self {
        let scene = Self::new();
        scene.test.run("archive posts").expect_code(0);
        scene
    }

    /// One image is damaged and another one missing.
    pub(super) fn damaged() -> Self {
        let scene = Self::archived();
        let blobs: Vec<PathBuf> = scene.test.blobs().into_values().collect();
        fs::write(&blobs[0], b"\xff\xd8\xff damaged").unwrap();
        fs::remove_file(&blobs[1]).unwrap();
        scene
    }

    /// An image that only a document used that is gone, due to be removed.
    pub(super) fn with_garbage() -> Self {
        let scene = Self::new();
        scene.origin.image(&url(9), picture::jpeg(9));
        scene.test.write("posts/gone.md", format!("![]({})\n", url(9)));
        scene.test.run("archive posts").expect_code(0);
        fs::remove_file(scene.test.path("posts/gone.md")).unwrap();
        for _ in 0..2 {
            scene.test.run("gc --forget-gone").expect_code(0);
            let catalog = rusqlite::Connection::open(scene.test.path("cache/catalog.db")).unwrap();
            for table in ["gone", "unreferenced"] {
                let sql =
                    format!("UPDATE {table} SET since = since - {AGES}, confirmed = confirmed - {AGES}");
                catalog.execute(&sql, []).unwrap();
            }
            catalog.execute(&format!("UPDATE snapshots SET taken = taken - {AGES}"), []).unwrap();
            drop(catalog);
            for path in scene.test.blobs().values() {
                let file = fs::File::options().write(true).open(path).unwrap();
                file.set_modified(SystemTime::now() - Duration::from_millis(AGES.unsigned_abs())).unwrap();
            }
        }
        scene
    }

    /// Gives `--set key=value` to every run from now on.
    pub(super) fn set(&mut self, key: &str, value: &str) -> &mut Self {
        let test = std::mem::replace(&mut self.test, Test::new());
        self.test = test.set(key, value);
        self
    }

    pub(super) fn root(&self) -> PathBuf {
        fs::canonicalize(self.test.root()).unwrap()
    }

    /// Each document is wholly old or wholly new, and every link has its image, unless that is damaged on purpose.
    pub(super) fn check(&self, when: &str, is_damaged: bool) {
        for (name, before) in &self.before {
            let now = self.test.read(name);
            if now == *before {
                continue;
            }
            let text = String::from_utf8(now).unwrap();
            assert!(!text.contains("http"), "{when}: {name} is half rewritten: {text}");
            let links = text.matches(PREFIX).count();
            assert_eq!(links, 2, "{when}: {name} is half rewritten: {text}");
        }
        if is_damaged {
            return;
        }
        for path in self.links() {
            let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{when}: {}: {error}", path.display()));
            let is_whole = path.to_str().unwrap().contains(&Digest::of(&bytes).to_string());
            assert!(is_whole, "{when}: {} holds other bytes", path.display());
        }
    }

    /// Where the links of all documents lead.
    pub(super) fn links(&self) -> Vec<PathBuf> {
        let images = self.test.path("cache/images");
        let mut links = Vec::new();
        for (name, _) in &self.before {
            let text = String::from_utf8(self.test.read(name)).unwrap();
            for link in text.split(PREFIX).skip(1) {
                links.push(images.join(&link[..link.find(['\n', ')']).unwrap()]));
            }
        }
        links
    }

    pub(super) fn are_all_archived(&self) -> bool {
        self.links().len() as u64 == 2 * DOCUMENTS
    }

    pub(super) fn are_all_as_before(&self) -> bool {
        self.before.iter().all(|(name, before)| self.test.read(name) == *before)
    }

    pub(super) fn has_garbage(&self) -> bool {
        let digest = Digest::of(&picture::jpeg(9)).to_string();
        self.test.path("cache/images").join(&digest[..2]).join(format!("{digest}.jpg")).exists()
    }

    /// Once nothing fails any more, one more run finishes the work, the way back is whole, and no litter is left.
    pub(super) fn finish(&self, when: &str) {
        let run = |words: &str| {
            let outcome = self.test.run(words);
            assert_eq!(outcome.code, Some(0), "{when}, then {words}: {outcome:?}");
        };
        run("archive posts");
        assert!(self.are_all_archived(), "{when}");
        self.check(when, false);
        run("verify");
        run("restore posts");
        for (name, before) in &self.before {
            assert_eq!(self.test.read(name), *before, "{when}: {name}");
        }
        self.test.assert_no_litter();
        let left = fs::read_dir(self.test.path("cache/incoming")).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lock"], "{when}");
    }
}
