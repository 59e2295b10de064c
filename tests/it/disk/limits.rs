//! Too few open files, and folders that may not be read or written.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::disk::judge::judge;
use crate::disk::scene::Scene;
use crate::support::Outcome;
use crate::support::rounds::rounds;

/// `words` as the argument of another program that runs them.
fn by(scene: &Scene, program: &[&str], imgkeep: &Path, words: &str) -> Outcome {
    let inner = scene.test.command(words);
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).arg(imgkeep).args(inner.get_args()).env_clear();
    for (name, value) in inner.get_envs() {
        value.map(|value| command.env(name, value));
    }
    command.env("PATH", std::env::var_os("PATH").unwrap()).current_dir(scene.test.root());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Outcome::of(&mut command, b"")
}

#[test]
fn few_open_files_are_survived() {
    let imgkeep = Path::new(env!("CARGO_BIN_EXE_imgkeep"));
    let (mut short, count) = (0, rounds(6).min(60));
    for round in 0..count {
        let scene = Scene::new();
        let limit = 10 + 50 * round / count;
        let when = format!("{limit} open files");
        let outcome = by(&scene, &["prlimit", &format!("--nofile={limit}")], imgkeep, "archive posts");
        scene.check(&when, false);
        short += u32::from(outcome.code != Some(0));
        // A socket that cannot be had is a failure of its image; neither that nor a thread has a path.
        let has_begun = !outcome.stderr.contains("cannot start the threads of this program: it may have");
        if outcome.code != Some(3) && has_begun {
            judge(&scene, &when, &outcome, &[], scene.are_all_archived());
        }
        let again = scene.test.run("archive posts --retry");
        assert_eq!(again.code, Some(0), "{when}: {again:?}");
        scene.finish(&when);
    }
    println!("limits of open files: {count}, {short} of them too low, 0 lost");
    assert!(short > 0);
}

/// Another user, whose leave counts.
const NOBODY: u32 = 65_534;

fn give_away(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path());
        }
    }
}

#[test]
fn what_may_not_be_read_or_written_is_named_and_waited_for() {
    let as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    let tried = Command::new("setpriv").args(&as_nobody[1..]).arg("true").stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        println!("not tried: nobody else's leave can be taken");
        return;
    }
    let scene = Scene::archived();
    // The folder of the test is its owner's alone, and perhaps the program's is, too.
    let folder = scene.root().parent().unwrap().to_owned();
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    let imgkeep = folder.join("imgkeep");
    fs::copy(env!("CARGO_BIN_EXE_imgkeep"), &imgkeep).unwrap();
    give_away(&scene.root());
    let run = |words: &str| by(&scene, &as_nobody, &imgkeep, words);
    let shard = scene.links()[0].parent().unwrap().to_owned();
    let places = [
        "cache",
        "cache/images",
        "cache/journal",
        "cache/incoming",
        "cache/catalog.db",
        "cache/VERSION",
        "posts",
    ];
    let places = places.iter().map(|place| scene.test.path(place));
    let places: Vec<_> = places.chain([shard, scene.test.path("posts/1.md")]).collect();
    let mut refused = 0;
    for place in &places {
        for mode in [0o000, 0o555] {
            let before = fs::metadata(place).unwrap().permissions();
            fs::set_permissions(place, Permissions::from_mode(mode)).unwrap();
            for words in ["restore posts", "archive posts"] {
                let when = format!("{words}, {} is {mode:o}", place.display());
                let outcome = run(words);
                fs::set_permissions(place, Permissions::from_mode(0o755)).unwrap();
                scene.check(&when, false);
                let is_complete = if words == "archive posts" {
                    scene.are_all_archived()
                } else {
                    scene.are_all_as_before()
                };
                // What may only be read need not be written by every run.
                if outcome.code == Some(2) {
                    assert!(outcome.stderr.contains("there is no archive"), "{when}: {outcome:?}");
                } else {
                    judge(&scene, &when, &outcome, &[], is_complete);
                }
                refused += u32::from(outcome.code != Some(0));
                fs::set_permissions(place, Permissions::from_mode(mode)).unwrap();
            }
            fs::set_permissions(place, before).unwrap();
            let again = run("archive posts");
            assert_eq!(again.code, Some(0), "{}: {again:?}", place.display());
            assert!(scene.are_all_archived());
            let again = run("verify");
            assert_eq!(again.code, Some(0), "{}: {again:?}", place.display());
        }
    }
    println!("places that may not be read or written: {}, {refused} runs said so, 0 lost", places.len() * 2);
    assert!(refused >= 10);
    assert_eq!(run("restore posts").code, Some(0));
    assert!(scene.are_all_as_before());
    scene.test.assert_no_litter();
}
