//! Disks that are really full, out of inodes, or read-only all of a sudden: a small tmpfs, and an ext4 in a file.

use std::cell::Cell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::disk::judge::judge;
use crate::disk::scene::{Scene, url};
use crate::support::origin::Answer;
use crate::support::rounds::rounds;
use crate::support::{Outcome, picture};

/// Whether it went well.
fn run(words: &[&str], path: &Path) -> bool {
    Command::new(words[0])
        .args(&words[1..])
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|done| done.success())
}

/// Something mounted; unmounted when dropped.
struct Mounted {
    at: PathBuf,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = run(&["umount", "-l"], &self.at);
    }
}

/// A tmpfs of that size over `folder`; `None` where nothing may be mounted.
fn tmpfs(folder: &Path, size: &str) -> Option<Mounted> {
    let mounted = run(&["mount", "-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], folder);
    mounted.then(|| Mounted { at: folder.to_owned() })
}

/// An ext4 of 6 MiB with few inodes over `folder`. Its blocks are as large as a page of memory, as they are but for very small
/// file systems: of what SQLite maps into memory, it makes sure of one block a page.
fn ext4(folder: &Path) -> Option<Mounted> {
    let image = folder.with_extension("ext4");
    File::create(&image).unwrap().set_len(6 << 20).unwrap();
    let made = run(&["mkfs.ext4", "-q", "-F", "-b", "4096", "-N", "200", "-m", "0"], &image)
        && run(&["mount", "-o", "loop", image.to_str().unwrap()], folder);
    if !made {
        println!("not tried: no ext4 can be mounted here");
    }
    made.then(|| Mounted { at: folder.to_owned() })
}

fn archive(scene: &Scene, when: &str) -> Outcome {
    let outcome = scene.test.run("archive posts");
    scene.check(when, false);
    judge(scene, when, &outcome, &[], scene.are_all_archived());
    outcome
}

#[test]
fn a_small_disk_is_survived_at_every_size() {
    let (mut full, count) = (0, rounds(8));
    for round in 0..count {
        // A catalog alone takes about 500 KiB with its log; from 4 MiB on there is room for all of it.
        let size = 40 + u64::from(round) * 1_400 / u64::from(count);
        let mounted = Cell::new(None);
        let scene = Scene::on(&|root| mounted.set(tmpfs(root, &format!("{size}k"))));
        let Some(mounted) = mounted.into_inner() else {
            println!("not tried: nothing may be mounted here");
            return;
        };
        let when = format!("a disk of {size} KiB");
        full += u32::from(archive(&scene, &when).code != Some(0));
        assert!(run(&["mount", "-o", "remount,size=64m"], &mounted.at));
        scene.finish(&when);
    }
    println!("small disks: {count} sizes, {full} of them too small, 0 lost");
    assert!(full >= count / 4, "only {full} were too small");
}

#[test]
fn a_disk_that_fills_up_is_survived_wherever_that_is() {
    let (mut full, count) = (0, rounds(6));
    for round in 0..count {
        let mounted = Cell::new(None);
        let scene = Scene::on(&|root| mounted.set(ext4(root)));
        let Some(_mounted) = mounted.into_inner() else { return };
        let by_inodes = round % 2 == 1;
        let filler = scene.test.path("filler");
        fs::create_dir(&filler).unwrap();
        let left = if by_inodes {
            // So many files more can be made.
            let left = round / 2 * 25 / count.div_ceil(2);
            let mut made = Vec::new();
            while let Ok(file) = File::create(filler.join(made.len().to_string())) {
                drop(file);
                made.push(filler.join(made.len().to_string()));
            }
            made.iter().rev().take(left as usize).for_each(|path| fs::remove_file(path).unwrap());
            format!("{left} inodes")
        } else {
            let left = round / 2 * 900 / count.div_ceil(2);
            let mut file = File::create(filler.join("all")).unwrap();
            while std::io::Write::write(&mut file, &[1; 1024]).is_ok_and(|written| written > 0) {}
            let all = file.metadata().unwrap().len();
            file.set_len(all.saturating_sub(u64::from(left) * 1024)).unwrap();
            file.sync_all().unwrap();
            format!("{left} KiB")
        };
        let when = format!("{left} left");
        full += u32::from(archive(&scene, &when).code != Some(0));
        fs::remove_dir_all(&filler).unwrap();
        scene.finish(&when);
    }
    println!("disks that fill up: {count}, {full} runs had to stop, 0 lost");
    assert!(full > 0);
}

#[test]
fn a_disk_that_becomes_read_only_in_the_middle_of_a_run_is_survived() {
    let mounted = Cell::new(None);
    let scene = Scene::on(&|root| mounted.set(ext4(root)));
    let Some(mounted) = mounted.into_inner() else { return };
    // What the test wrote, and nobody promised to keep.
    assert!(run(&["sync", "-f"], &mounted.at));
    let at = mounted.at.clone();
    scene.origin.answer_by(&url(2), move |_, _| {
        // As the kernel does it when it finds the file system damaged.
        let _ = run(&["mount", "-o", "remount,abort"], &at);
        Answer::image(picture::jpeg(2)).delay(Duration::from_millis(200))
    });
    let outcome = scene.test.run("archive posts");
    scene.check("read-only", false);
    judge(&scene, "a disk that became read-only", &outcome, &[], scene.are_all_archived());
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    scene.origin.image(&url(2), picture::jpeg(2));
    let image = mounted.at.with_extension("ext4");
    assert!(run(&["umount"], &mounted.at));
    let _ = run(&["e2fsck", "-fy"], &image);
    assert!(run(&["mount", "-o", "loop", image.to_str().unwrap()], &mounted.at));
    scene.finish("read-only");
}
