//! Killed between any two steps: each document is wholly old or wholly new, every link has its image, and
//! one more run finishes the work.
//!
//! `strace` kills the program at the n-th call of each system call that changes the disk; where there is no
//! strace, at moments spread over the run.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use imgkeep::digest::Digest;

use crate::support::origin::{Answer, Origin};
use crate::support::{Test, picture};

/// The system calls by which the program changes the disk.
const CALLS: &[&str] = &[
    "renameat2",
    "rename",
    "fsync",
    "fdatasync",
    "syncfs",
    "unlink",
    "pwrite64",
    "write",
    "ftruncate",
    "mkdir",
];
/// No run of these few documents makes more of one call than this.
const MOST: u32 = 400;

struct Scene {
    origin: Origin,
    test: Test,
    before: Vec<(String, Vec<u8>)>,
}

fn scene() -> Scene {
    let origin = Origin::start();
    origin.worker("cors.zfour.workers.dev");
    for n in 0..3 {
        origin.image(&format!("http://cdn.example/{n}.jpg"), picture::jpeg(n));
    }
    let mut test = Test::new().origin(&origin).set("fetch.retries", "0");
    let mut before = Vec::new();
    for n in 0..3 {
        let name = format!("posts/{n}.md");
        let url = |n| format!("https://cors.zfour.workers.dev/?http://cdn.example/{}.jpg", n % 3);
        let text = format!("---\ncover: {}\n---\n![]({})\n", url(n), url(n + 1));
        test = test.document(&name, &text);
        before.push((name, text.into_bytes()));
    }
    Scene { origin, test, before }
}

impl Scene {
    /// What must hold at any moment.
    fn check(&self, when: &str) {
        for (name, before) in &self.before {
            let now = self.test.read(name);
            if now == *before {
                continue;
            }
            let text = String::from_utf8(now).unwrap();
            assert!(!text.contains("http"), "{when}: {name} is half rewritten: {text}");
            assert_eq!(text.matches("../cache/images/").count(), 2, "{when}: {text}");
        }
        for path in self.links() {
            let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{when}: {path}: {error}"));
            assert!(path.contains(&Digest::of(&bytes).to_string()), "{when}: {path} holds other bytes");
        }
    }

    fn links(&self) -> Vec<String> {
        let mut links = Vec::new();
        for (name, _) in &self.before {
            let text = String::from_utf8(self.test.read(name)).unwrap();
            for link in text.split("../cache/").skip(1) {
                let end = link.find(['\n', ')']).unwrap();
                links.push(self.test.path("cache").join(&link[..end]).to_str().unwrap().to_owned());
            }
        }
        links
    }

    fn archive(&self) {
        self.test.run("archive posts").expect_code(0);
    }

    /// One more run finishes the work, and the way back is whole.
    fn finish(&self, when: &str) {
        self.test.run("archive posts").expect_code(0);
        assert_eq!(self.links().len(), 6, "{when}");
        self.check(when);
        self.test.assert_no_litter();
        self.test.run("restore posts").expect_code(0);
        for (name, before) in &self.before {
            assert_eq!(self.test.read(name), *before, "{when}");
        }
        self.test.assert_no_litter();
    }
}

/// `command`, killed at the `nth` call of `call`; whether it was.
fn killed(command: &Command, call: &str, nth: u32) -> bool {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    strace.args(["-e", &format!("inject={call}:signal=KILL:when={nth}")]);
    strace.arg(command.get_program()).args(command.get_args());
    strace.env_clear();
    for (name, value) in command.get_envs() {
        value.map(|value| strace.env(name, value));
    }
    strace.env("PATH", std::env::var_os("PATH").unwrap());
    if let Some(folder) = command.get_current_dir() {
        strace.current_dir(folder);
    }
    let status = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    !status.success()
}

fn has_strace() -> bool {
    // Tracing may be forbidden where it is installed.
    let tried = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let has = tried.is_ok_and(|status| status.success());
    if !has {
        println!("no strace: killing at moments spread over the run instead");
    }
    has
}

fn at_random(words: &str, prepare: &dyn Fn(&Scene), judge: &dyn Fn(&Scene, &str)) {
    for delay in (0..20).map(|step| Duration::from_millis(5 + step * 7)) {
        let scene = scene();
        prepare(&scene);
        let mut run = scene.test.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(delay);
        run.kill().unwrap();
        run.wait().unwrap();
        let when = format!("{words} killed after {delay:?}");
        judge(&scene, &when);
    }
}

/// Documents and images are whole, and one more run finishes the work.
fn whole(scene: &Scene, when: &str) {
    scene.check(when);
    scene.finish(when);
}

fn everywhere(words: &str, prepare: &dyn Fn(&Scene), judge: &dyn Fn(&Scene, &str)) {
    if !has_strace() {
        return at_random(words, prepare, judge);
    }
    let mut kills = 0;
    for call in CALLS {
        // Counters are per thread: a few calls at the start of each cover the steps of the run.
        for nth in (1..MOST).scan(0, |step, _| {
            *step += 1 + *step / 6;
            Some(*step)
        }) {
            let scene = scene();
            prepare(&scene);
            if !killed(&scene.test.command(words), call, nth) {
                break;
            }
            kills += 1;
            let when = format!("{words} killed at {call} number {nth}");
            judge(&scene, &when);
        }
    }
    println!("{words}: survived {kills} kills");
    assert!(kills >= 20, "only {kills} kills: the calls that change the disk are others now");
}

#[test]
fn archive_survives_a_kill_at_any_step() {
    everywhere("archive posts", &|_| {}, &whole);
}

#[test]
fn restore_survives_a_kill_at_any_step() {
    everywhere("restore posts", &Scene::archive, &whole);
}

#[test]
fn following_survives_a_kill_at_any_step() {
    let changed = |scene: &Scene| {
        scene.archive();
        for n in 0..3 {
            scene.origin.image(&format!("http://cdn.example/{n}.jpg"), picture::jpeg(n + 10));
        }
    };
    everywhere("archive posts --update --follow", &changed, &whole);
}

#[test]
fn a_repair_survives_a_kill_at_any_step() {
    const DAMAGED: &[u8] = b"\xff\xd8\xff damaged";
    let damage = |scene: &Scene| {
        scene.archive();
        scene.links().iter().for_each(|path| std::fs::write(path, DAMAGED).unwrap());
    };
    everywhere("verify --repair", &damage, &|scene, when| {
        for path in scene.links() {
            let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{when}: {path}: {error}"));
            let is_whole = path.contains(&Digest::of(&bytes).to_string());
            assert!(is_whole || bytes == DAMAGED, "{when}: {path} is half repaired");
        }
        scene.test.run("verify --repair").expect_code(0);
        whole(scene, when);
    });
}

#[test]
fn a_copy_that_somebody_removes_in_the_middle_of_a_run_is_no_crash() {
    let origin = Origin::start();
    origin.image("http://cdn.example/a.jpg", picture::jpeg(1));
    let test = Test::new()
        .origin(&origin)
        .document("posts/a.md", "![](http://cdn.example/a.jpg)")
        .document("posts/b.md", "![](http://cdn.example/a.jpg) ![](http://cdn.example/late.jpg)");
    let (images, rewritten) = (test.path("cache/images"), test.path("posts/a.md"));
    origin.answer_by("http://cdn.example/late.jpg", move |_, _| {
        let start = Instant::now();
        let is_kept = || std::fs::read_to_string(&rewritten).is_ok_and(|text| text.contains("cache/images"));
        while !is_kept() && start.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(10));
        }
        // So that the loop hears of it, too.
        std::thread::sleep(Duration::from_millis(300));
        std::fs::remove_dir_all(&images).unwrap();
        std::fs::create_dir(&images).unwrap();
        Answer::image(picture::jpeg(2))
    });
    let report = test.run("archive posts --format json").expect_code(0).json();
    assert_eq!(report["references"]["archived"], 3, "{report}");
    test.run("verify --repair").expect_code(0);
}
