//! Kept images that are not as they were.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::damage::scene::{IMAGES, Scene, digest, of};
use crate::support::picture;
use crate::support::rounds::rounds;

/// What is done to the file of an image, and what `verify` calls it.
type Damage = (&'static str, fn(&Path), &'static [&'static str]);

const KINDS: &[Damage] = &[
    ("a flipped bit", flip, &["corrupt"]),
    ("cut short", |path| cut(path, 2), &["corrupt"]),
    ("cut by one byte", |path| cut_at(path, |length| length - 1), &["corrupt"]),
    ("emptied", |path| fs::write(path, b"").unwrap(), &["corrupt"]),
    (
        "filled with zeros",
        |path| fs::write(path, vec![0; fs::read(path).unwrap().len()]).unwrap(),
        &["corrupt"],
    ),
    ("longer", |path| fs::write(path, [fs::read(path).unwrap(), vec![0]].concat()).unwrap(), &["corrupt"]),
    ("deleted", |path| fs::remove_file(path).unwrap(), &["dangling", "missing"]),
    ("a folder in its place", folder, &["dangling", "unreadable"]),
    ("a link to nowhere", |path| link(path, "/nowhere"), &["dangling", "missing"]),
    ("a link to another file", |path| link(path, "/etc/passwd"), &["dangling", "missing"]),
    (
        "another extension",
        |path| fs::rename(path, path.with_extension("png")).unwrap(),
        &["dangling", "missing", "orphaned"],
    ),
    ("another folder", misplace, &["dangling", "missing", "orphaned"]),
];

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let place = fastrand::usize(..bytes.len());
    bytes[place] ^= 1 << fastrand::u8(..8);
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path, part: usize) {
    cut_at(path, |length| length / part);
}

fn cut_at(path: &Path, to: impl Fn(usize) -> usize) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..to(bytes.len())]).unwrap();
}

fn folder(path: &Path) {
    fs::remove_file(path).unwrap();
    fs::create_dir(path).unwrap();
    fs::write(path.join("something"), b"x").unwrap();
}

fn link(path: &Path, to: &str) {
    fs::remove_file(path).unwrap();
    symlink(to, path).unwrap();
}

fn misplace(path: &Path) {
    let shard = path.parent().unwrap().with_file_name("zz");
    fs::create_dir_all(&shard).unwrap();
    fs::rename(path, shard.join(path.file_name().unwrap())).unwrap();
}

#[test]
fn each_kind_is_named_and_repaired() {
    let scene = Scene::archived();
    for (name, damage, expected) in KINDS {
        let number = fastrand::u64(..IMAGES);
        damage(&scene.blob(number));
        let findings = scene.findings();
        let kinds: Vec<_> = findings.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, *expected, "{name}: {findings:?}");
        let digest = digest(number).to_string();
        let named =
            findings.iter().filter(|(kind, _)| kind != "dangling").all(|(_, path)| path.starts_with(&digest));
        assert!(named, "{name}: {findings:?}");
        scene.test.run("verify --repair").expect_code(0);
        assert_eq!(fs::read(scene.blob(number)).unwrap(), picture::jpeg(number), "{name}");
        assert!(scene.findings().is_empty(), "{name}");
        scene.check(name);
    }
    scene.restores("after all of it");
    println!("damage to images: {} kinds, each found, named and repaired", KINDS.len());
}

#[test]
fn two_that_were_swapped_are_both_named_and_repaired() {
    let scene = Scene::archived();
    let (one, two, other) = (scene.blob(1), scene.blob(2), scene.test.path("other"));
    fs::rename(&one, &other).unwrap();
    fs::rename(&two, &one).unwrap();
    fs::rename(&other, &two).unwrap();
    let kinds: Vec<_> = scene.findings().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["corrupt", "corrupt"]);
    scene.test.run("verify --repair").expect_code(0);
    assert_eq!(scene.test.blobs().len() as u64, IMAGES);
    scene.restores("after they were swapped");
}

#[test]
fn a_copy_elsewhere_in_the_store_is_as_good_as_one_on_the_web() {
    let scene = Scene::archived();
    scene.origin.host_down("cdn.example");
    scene.origin.host_down("cors.zfour.workers.dev");
    misplace(&scene.blob(0));
    fs::rename(scene.blob(1), scene.blob(1).with_extension("gif")).unwrap();
    let trash = scene.test.path("cache/trash/2026-01-01");
    fs::create_dir_all(&trash).unwrap();
    fs::rename(scene.blob(2), trash.join(scene.blob(2).file_name().unwrap())).unwrap();
    // One that is no copy, whatever its name says.
    fs::write(scene.blob(3), b"damaged").unwrap();
    fs::write(scene.blob(3).with_extension("png"), b"damaged as well").unwrap();
    let report = scene
        .test
        .run("verify --repair --format json --set fetch.sources=[\"origin\"]")
        .expect_code(3)
        .json();
    assert_eq!(report["repaired"].as_array().unwrap().len(), 3, "{report}");
    assert!(report["repaired"].as_array().unwrap().iter().all(|one| one["source"] == "store"), "{report}");
    let kinds: Vec<_> = of(&report).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["corrupt", "orphaned"], "{report}");
    for number in 0..3 {
        assert_eq!(fs::read(scene.blob(number)).unwrap(), picture::jpeg(number));
    }
    scene.check("repaired from the store");
}

#[test]
fn what_does_not_belong_in_the_store_is_named_and_left() {
    let scene = Scene::archived();
    let images = scene.test.path("cache/images");
    let extra = picture::png(99);
    let name = imgkeep::digest::Digest::of(&extra).to_string();
    fs::create_dir_all(images.join(&name[..2])).unwrap();
    let files =
        [images.join(&name[..2]).join(format!("{name}.png")), images.join("notes.txt"), images.join("00/x")];
    fs::create_dir_all(images.join("00")).unwrap();
    files.iter().for_each(|path| fs::write(path, &extra).unwrap());
    let findings = scene.findings();
    assert_eq!(findings.len(), 3, "{findings:?}");
    assert!(findings.iter().all(|(kind, _)| kind == "orphaned"), "{findings:?}");
    for path in &files {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(findings.iter().any(|(_, named)| named == name), "{name} is not in {findings:?}");
    }
    scene.test.run("verify --repair").expect_code(3);
    assert!(files.iter().all(|path| path.exists()));
}

/// Each image in turn, a bit in each of them.
#[test]
fn every_flipped_bit_is_found() {
    let scene = Scene::archived();
    let (mut flipped, mut found) = (0, 0);
    for round in 0..u64::from(rounds(8)) {
        let numbers: Vec<u64> = (0..IMAGES).filter(|number| (number + round) % 3 != 0).collect();
        for number in &numbers {
            flip(&scene.blob(*number));
        }
        flipped += numbers.len();
        let findings = scene.findings();
        for number in &numbers {
            let digest = digest(*number).to_string();
            let is_named = |(kind, name): &(String, String)| kind == "corrupt" && name.starts_with(&digest);
            found += usize::from(findings.iter().any(is_named));
        }
        assert_eq!(findings.len(), numbers.len(), "{findings:?}");
        scene.test.run("verify --repair").expect_code(0);
    }
    println!("bits flipped in images: {flipped}, found: {found}");
    assert_eq!(found, flipped);
    assert_eq!(scene.test.blobs().len() as u64, IMAGES);
}
