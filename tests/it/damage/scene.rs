//! A few posts, archived, and what is known of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use imgkeep::digest::Digest;
use serde_json::Value;

use crate::support::origin::Origin;
use crate::support::{Outcome, Test, picture};

pub(super) const IMAGES: u64 = 8;
/// As a number of answers of `explain`.
pub(super) const EXPLAINED: usize = IMAGES as usize;

pub(super) struct Scene {
    pub(super) origin: Origin,
    pub(super) test: Test,
    before: BTreeMap<String, Vec<u8>>,
    after: BTreeMap<String, Vec<u8>>,
}

pub(super) fn url(number: u64) -> String {
    format!("http://cdn.example/{number}.jpg")
}

fn proxied(number: u64) -> String {
    format!("https://cors.zfour.workers.dev/?{}", url(number))
}

pub(super) fn digest(number: u64) -> Digest {
    Digest::of(&picture::jpeg(number))
}

impl Scene {
    /// Eight images in four posts, behind a proxy and bare; two runs.
    pub(super) fn archived() -> Self {
        let origin = Origin::start();
        origin.worker("cors.zfour.workers.dev");
        for number in 0..=IMAGES {
            origin.image(&url(number), picture::jpeg(number));
        }
        let mut scene = Self {
            test: Test::new().origin(&origin).set("fetch.retries", "0").set("daemon.settle_secs", "0.2"),
            origin,
            before: BTreeMap::new(),
            after: BTreeMap::new(),
        };
        for post in 0..IMAGES / 2 {
            let (one, two) = (post * 2, post * 2 + 1);
            let text = format!("---\ncover: {}\n---\nA post.\n\n![one]({})\n", proxied(one), url(two));
            scene.add(&format!("posts/{post}.md"), &text);
            if post == 1 {
                scene.archive();
            }
        }
        scene.archive();
        scene
    }

    fn add(&mut self, name: &str, text: &str) {
        self.test.write(name, text);
        self.before.insert(name.to_owned(), text.as_bytes().to_vec());
    }

    fn archive(&mut self) {
        self.test.run("archive posts").expect_code(0);
        for name in self.before.keys() {
            self.after.insert(name.clone(), self.test.read(name));
        }
    }

    /// The file of an image.
    pub(super) fn blob(&self, number: u64) -> PathBuf {
        let digest = digest(number).to_string();
        self.test.path("cache/images").join(&digest[..2]).join(format!("{digest}.jpg"))
    }

    pub(super) fn catalog(&self) -> PathBuf {
        self.test.path("cache/catalog.db")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.test.path("cache/journal")
    }

    /// The files of the journal, the oldest first.
    pub(super) fn journals(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.journal()).unwrap();
        let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    }

    /// The findings of `verify` by what they are, sorted, each with the file or blob that it names.
    pub(super) fn findings(&self) -> Vec<(String, String)> {
        let report = self.test.run("verify --format json").json();
        of(&report)
    }

    /// Each document is as it was before or after it was archived, and no other.
    pub(super) fn check(&self, when: &str) {
        self.check_but("", when);
    }

    /// The same, but for one of them.
    pub(super) fn check_but(&self, other: &str, when: &str) {
        for (name, before) in self.before.iter().filter(|(name, _)| *name != other) {
            let now = self.test.read(name);
            assert!(now == *before || now == self.after[name], "{when}: {name} was changed: {now:?}");
        }
    }

    /// Restores every document, byte for byte; and archives them again, for which nobody is asked for anything.
    pub(super) fn restores(&self, when: &str) {
        let outcome = self.test.run("restore posts");
        assert_eq!(outcome.code, Some(0), "{when}: {outcome:?}");
        for (name, before) in &self.before {
            assert_eq!(self.test.read(name), *before, "{when}: {name}");
        }
        self.origin.forget_requests();
        let outcome = self.test.run("archive posts");
        assert_eq!(outcome.code, Some(0), "{when}: {outcome:?}");
        assert_eq!(self.origin.requests().len(), 0, "{when}");
        for (name, after) in &self.after {
            assert_eq!(self.test.read(name), *after, "{when}: {name}");
        }
        self.test.assert_no_litter();
    }

    /// The same once the documents were read again, for which nobody is asked for anything.
    pub(super) fn known_again(&self, when: &str) -> Vec<Value> {
        self.origin.forget_requests();
        let outcome = self.test.run("archive posts");
        assert_eq!(outcome.code, Some(0), "{when}: {outcome:?}");
        assert_eq!(self.origin.requests().len(), 0, "{when}");
        self.known()
    }

    /// What is known of every image, as `explain` tells it, and the runs as `status` does.
    pub(super) fn known(&self) -> Vec<Value> {
        let explain = |number| self.test.run(&format!("explain --format json {}", url(number))).json();
        let mut known: Vec<Value> = (0..IMAGES).map(explain).collect();
        for known in &mut known {
            // Whom one would ask today.
            known.as_object_mut().unwrap().remove("rungs");
        }
        let status = self.test.run("status --format json").expect_code(0).json();
        for key in ["totals", "documents", "runs"] {
            known.push(status[key].clone());
        }
        known
    }
}

/// The findings of a report, sorted.
pub(super) fn of(report: &Value) -> Vec<(String, String)> {
    let name = |finding: &Value| {
        let named =
            ["blob", "path", "document", "journal", "why"].iter().find_map(|key| finding[key].as_str());
        let kind = finding["finding"].as_str().unwrap().to_owned();
        (kind, named.unwrap_or_default().rsplit('/').next().unwrap().to_owned())
    };
    let mut findings: Vec<_> = report["findings"].as_array().unwrap().iter().map(name).collect();
    findings.sort();
    findings
}

/// Nothing of what only a programmer should see.
pub(super) fn is_clean(outcome: &Outcome, when: &str) {
    for raw in ["panicked", "RUST_BACKTRACE", "Os {", "Error {", "SqliteFailure(", "unwrap"] {
        assert!(!outcome.stderr.contains(raw), "{when}: `{raw}` in {outcome:?}");
    }
    assert!(matches!(outcome.code, Some(0..=3)), "{when}: {outcome:?}");
    assert!(
        outcome.code == Some(0) || !(outcome.stderr.is_empty() && outcome.stdout.is_empty()),
        "{when}: {outcome:?}"
    );
}
