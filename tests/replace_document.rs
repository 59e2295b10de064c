//! Replacing documents while other hands are on them, and what of a file must stay as it was.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use imgkeep::digest::Digest;
use imgkeep::files::litter::{Memory, Swept};
use imgkeep::files::replace::{Mtime, Options, Refused, Replaced, Replacement, replace_all};
use imgkeep::files::stat::{Stat, time};
use imgkeep::files::{self, litter};
use rustix::fs::{XattrFlags, getxattr, setxattr};

fn hasty() -> Options {
    Options { settle: Duration::ZERO, patience: Duration::ZERO, ..Options::default() }
}

fn in_place() -> Options {
    Options { in_place: true, ..hasty() }
}

fn replacement(path: &Path, old: &[u8], new: &[u8]) -> Replacement {
    Replacement {
        path: path.to_owned(),
        expected: Digest::of(old),
        new: new.to_vec(),
        mtime: Mtime::New,
        left_by_us: None,
    }
}

fn replace(path: &Path, old: &[u8], new: &[u8], options: &Options) -> Result<Replaced, Refused> {
    replace_all(vec![replacement(path, old, new)], options).remove(0)
}

/// A folder with one document, `a.md`, that holds `old`.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let document = folder.path().canonicalize().expect("it is there").join("a.md");
    fs::write(&document, "old").expect("it can be written in");
    (folder, document)
}

fn names(folder: &Path) -> Vec<String> {
    let names = files::names(folder).expect("the folder can be listed").into_iter();
    names.map(|name| name.into_string().expect("names here are ASCII")).collect()
}

#[test]
fn a_document_gets_its_new_bytes_and_nothing_is_left_behind() {
    let (folder, document) = folder();
    let replaced = replace(&document, b"old", b"new bytes", &hasty()).unwrap();
    assert_eq!(fs::read(&document).unwrap(), b"new bytes");
    assert_eq!(replaced.stat, Stat::of(&document).unwrap());
    assert_eq!(names(folder.path()), ["a.md"]);
}

#[test]
fn mode_owner_xattrs_and_the_asked_mtime_are_kept() {
    for options in [hasty(), in_place()] {
        let (_folder, document) = folder();
        fs::set_permissions(&document, fs::Permissions::from_mode(0o640)).unwrap();
        let has_xattrs = setxattr(&document, "user.note", b"kept", XattrFlags::empty()).is_ok();
        let long = vec![b'x'; 3000];
        let has_long = setxattr(&document, "user.long", &long, XattrFlags::empty()).is_ok();
        let before = fs::metadata(&document).unwrap();
        let old_time = time(1_111_111_111_123_456_789);
        let check = |old: &[u8], new: &[u8], mtime, expected: Option<i64>| {
            let one = Replacement { mtime, ..replacement(&document, old, new) };
            let replaced = replace_all(vec![one], &options).remove(0).unwrap();
            let after = fs::metadata(&document).unwrap();
            assert_eq!(replaced.stat, Stat::of(&document).unwrap());
            assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
            match expected {
                Some(expected) => assert_eq!(replaced.stat.mtime_ns, expected),
                None => assert!(after.modified().unwrap().elapsed().unwrap() < Duration::from_secs(60)),
            }
        };
        check(b"old", b"1", Mtime::Set(old_time), Some(1_111_111_111_123_456_789));
        check(b"1", b"2", Mtime::Keep, Some(1_111_111_111_123_456_789));
        check(b"2", b"3", Mtime::New, None);
        let value = |name| {
            let mut buffer = vec![0; 4000];
            let length = getxattr(&document, name, buffer.as_mut_slice()).unwrap();
            buffer.truncate(length);
            buffer
        };
        assert!(!has_xattrs || value("user.note") == b"kept");
        assert!(!has_long || value("user.long") == long);
        println!("extended attributes here: {has_xattrs}, long ones: {has_long}");
    }
}

#[test]
fn an_acl_is_kept_and_the_folders_default_is_not_taken_on() {
    // Version 2; user::rw-, user:12345:r--, group::r--, mask::r--, other::--- (acl(5) and the kernel's
    // linux/posix_acl_xattr.h).
    let entry = |tag: u16, permissions: u16, id: u32| {
        [tag.to_le_bytes().as_slice(), &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let none = u32::MAX;
    let entries =
        [entry(1, 6, none), entry(2, 4, 12345), entry(4, 4, none), entry(16, 4, none), entry(32, 0, none)];
    let acl = [2u32.to_le_bytes().as_slice(), &entries.concat()].concat();
    let read = |path: &Path| {
        let mut buffer = vec![0; 400];
        let length = getxattr(path, "system.posix_acl_access", buffer.as_mut_slice()).ok()?;
        buffer.truncate(length);
        Some(buffer)
    };

    let (folder, document) = folder();
    if setxattr(&document, "system.posix_acl_access", &acl, XattrFlags::empty()).is_err() {
        println!("skipped: no ACLs on this file system");
        return;
    }
    let mode = fs::metadata(&document).unwrap().mode();
    replace(&document, b"old", b"new", &hasty()).unwrap();
    assert_eq!(read(&document), Some(acl.clone()));
    assert_eq!(fs::metadata(&document).unwrap().mode(), mode);

    let plain = folder.path().join("b.md");
    fs::write(&plain, "old").unwrap();
    setxattr(folder.path(), "system.posix_acl_default", &acl, XattrFlags::empty()).unwrap();
    replace(&plain, b"old", b"new", &hasty()).unwrap();
    assert_eq!(read(&plain), None);
}

#[test]
fn a_symlink_is_neither_replaced_nor_followed() {
    let (folder, document) = folder();
    let root = document.parent().unwrap();
    fs::create_dir(root.join("sub")).unwrap();
    fs::write(root.join("sub/b.md"), "old").unwrap();
    symlink("a.md", root.join("link.md")).unwrap();
    symlink("nowhere", root.join("dangling.md")).unwrap();
    symlink("sub", root.join("folder")).unwrap();
    for (path, says) in [
        ("link.md", "is not a regular file"),
        ("dangling.md", "is not a regular file"),
        ("folder/b.md", "cannot open the folder"),
    ] {
        for options in [hasty(), in_place()] {
            let refused = replace(&root.join(path), b"old", b"new", &options).unwrap_err();
            assert!(refused.to_string().contains(says), "{refused}");
        }
    }
    assert_eq!(fs::read_link(root.join("link.md")).unwrap(), Path::new("a.md"));
    assert_eq!(fs::read(&document).unwrap(), b"old");
    assert_eq!(fs::read(root.join("sub/b.md")).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["a.md", "dangling.md", "folder", "link.md", "sub"]);
}

#[test]
fn hard_links_are_refused_or_written_in_place() {
    let (folder, document) = folder();
    let other = folder.path().join("b.md");
    fs::hard_link(&document, &other).unwrap();
    let refused = replace(&document, b"old", b"new", &hasty()).unwrap_err();
    assert!(matches!(refused, Refused::HardLinks { links: 2, .. }));
    assert_eq!(fs::read(&document).unwrap(), b"old");
    let inode = fs::metadata(&document).unwrap().ino();
    for (old, new) in [("old", "a longer text"), ("a longer text", "short")] {
        replace(&document, old.as_bytes(), new.as_bytes(), &in_place()).unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), new);
        assert_eq!(fs::metadata(&other).unwrap().ino(), inode);
    }
    let refused = replace(&document, b"other bytes", b"new", &in_place()).unwrap_err();
    assert!(matches!(refused, Refused::Edited { .. }));
    assert_eq!(names(folder.path()), ["a.md", "b.md"]);
}

#[test]
fn another_owner_stays_the_owner() {
    let (_folder, document) = folder();
    if std::os::unix::fs::chown(&document, Some(12345), Some(12345)).is_err() {
        println!("skipped: only root can give a file away");
        return;
    }
    let refused = replace(&document, b"old", b"new", &hasty()).unwrap_err();
    assert!(matches!(refused, Refused::ForeignOwner { uid: 12345, .. }));
    replace(&document, b"old", b"new", &in_place()).unwrap();
    let after = fs::metadata(&document).unwrap();
    assert_eq!((after.uid(), after.gid()), (12345, 12345));
    assert_eq!(fs::read(&document).unwrap(), b"new");
}

#[test]
fn what_must_not_be_written_is_left() {
    let (folder, document) = folder();
    fs::set_permissions(&document, fs::Permissions::from_mode(0o444)).unwrap();
    let refused = replace(&document, b"old", b"new", &in_place()).unwrap_err();
    assert!(matches!(refused, Refused::ReadOnly));
    assert_eq!(fs::read(&document).unwrap(), b"old");
    let pipe = folder.path().join("pipe.md");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), folder.path(), Path::new("/no/such/document.md")] {
        assert!(matches!(replace(path, b"", b"new", &hasty()), Err(Refused::Files(_))));
    }
    assert_eq!(names(folder.path()), ["a.md", "pipe.md"]);
}

#[test]
fn an_edit_between_reading_and_replacing_stays() {
    let (folder, document) = folder();
    fs::write(&document, "edited").unwrap();
    let refused = replace(&document, b"old", b"new", &hasty()).unwrap_err();
    assert!(matches!(refused, Refused::Edited { kept: None, .. }) && refused.is_transient());
    assert_eq!(fs::read(&document).unwrap(), b"edited");
    assert_eq!(names(folder.path()), ["a.md"]);
}

#[test]
fn one_document_that_is_asked_for_twice_is_replaced_once() {
    let (folder, document) = folder();
    let both = vec![replacement(&document, b"old", b"new"), replacement(&document, b"old", b"new")];
    let answers = replace_all(both, &hasty());
    assert!(answers[0].is_ok());
    assert!(matches!(answers[1], Err(Refused::Edited { .. })));
    assert_eq!(names(folder.path()), ["a.md"]);
}

#[test]
fn a_document_open_for_writing_is_waited_for() {
    let (_folder, document) = folder();
    let patient = Options { patience: Duration::from_millis(500), ..hasty() };
    let mut writer = OpenOptions::new().append(true).open(&document).unwrap();
    let refused = replace(&document, b"old", b"new", &hasty()).unwrap_err();
    assert!(matches!(refused, Refused::Busy { .. }));
    thread::scope(|scope| {
        let replaced = scope.spawn(|| replace(&document, b"old", b"new", &patient));
        thread::sleep(Duration::from_millis(100));
        writer.write_all(b" and more").unwrap();
        drop(writer);
        assert!(matches!(replaced.join().unwrap(), Err(Refused::Edited { .. })));
    });
    assert_eq!(fs::read(&document).unwrap(), b"old and more");
}

#[test]
fn a_young_document_is_left_to_settle_unless_it_is_ours() {
    let (_folder, document) = folder();
    let options = Options { settle: Duration::from_millis(300), ..hasty() };
    let start = Instant::now();
    let replaced = replace(&document, b"old", b"new", &options).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(200));
    let start = Instant::now();
    let ours = Replacement { left_by_us: Some(replaced.stat), ..replacement(&document, b"new", b"old") };
    replace_all(vec![ours], &options).remove(0).unwrap();
    assert!(start.elapsed() < Duration::from_millis(200));
}

/// An editor saves again and again while the document is replaced as fast as it can be. Before each save
/// the editor looks for its last one, which may be away for the instant of a swap but must come back.
fn edit_while_replacing(saves: usize, save: fn(&Path, &str)) {
    // In memory, where syncing takes no time, far more swaps meet a save.
    let folder =
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder can be made");
    let document = folder.path().join("a.md");
    fs::write(&document, "save 0.").expect("the document can be made");
    let text = || fs::read_to_string(&document).expect("the document is always there");
    let done = AtomicBool::new(false);
    let (mut replaced, mut refused, mut kept, mut lost) = (0, 0, 0, 0);
    thread::scope(|scope| {
        let replacer = scope.spawn(|| {
            let mut counts = (0, 0, 0);
            // Where much else goes on, it may have been too slow for this editor; once more when that is done.
            while !done.load(Ordering::Relaxed) || counts.0 == 0 {
                let Ok(old) = fs::read(&document) else { continue };
                let new = [&old, b" rewritten".as_slice()].concat();
                match replace(&document, &old, &new, &hasty()) {
                    Ok(_) => counts.0 += 1,
                    Err(Refused::Edited { kept, .. } | Refused::Busy { kept, .. }) => {
                        counts.1 += 1;
                        counts.2 += kept.iter().count();
                    }
                    Err(refused) => panic!("{refused}"),
                }
            }
            counts
        });
        for number in 1..=saves {
            let last = format!("save {}.", number - 1);
            let start = Instant::now();
            while !text().starts_with(&last) {
                if start.elapsed() > Duration::from_secs(2) {
                    lost += 1;
                    break;
                }
            }
            save(&document, &format!("save {number}."));
            thread::sleep(Duration::from_micros(fastrand::u64(..8000)));
        }
        done.store(true, Ordering::Relaxed);
        (replaced, refused, kept) = replacer.join().expect("replacing does not panic");
    });
    assert_eq!(lost, 0, "{saves} saves, {replaced} replacements, {refused} refused, {kept} kept aside");
    assert!(text().starts_with(&format!("save {saves}.")));
    assert_eq!(litter::find(folder.path()).expect("the folder can be listed").len(), kept);
    assert!(replaced > 0);
}

#[test]
fn no_save_by_rename_is_lost() {
    edit_while_replacing(saves(), |document, text| {
        let temporary = document.with_extension("editor");
        fs::write(&temporary, text).unwrap();
        fs::rename(&temporary, document).unwrap();
    });
}

#[test]
fn no_save_in_place_is_lost() {
    edit_while_replacing(saves(), |document, text| {
        let mut file = File::create(document).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    });
}

#[test]
fn no_slow_save_in_place_is_lost() {
    edit_while_replacing(saves() / 10, |document, text| {
        let mut file = OpenOptions::new().write(true).open(document).unwrap();
        thread::sleep(Duration::from_millis(3));
        file.write_all(text.as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(3));
        file.set_len(text.len() as u64).unwrap();
    });
}

/// `IMGKEEP_SAVES=100000 cargo test --release --test replace_document lost` for the full number.
fn saves() -> usize {
    std::env::var("IMGKEEP_SAVES").ok().and_then(|saves| saves.parse().ok()).unwrap_or(1000)
}

#[test]
fn a_thousand_documents_are_replaced_together() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (vec![b'o'; 4096], vec![b'n'; 4096]);
    let document = |number: usize| folder.path().join(format!("{}/{number}.md", number % 10));
    for number in 0..1000 {
        fs::create_dir_all(document(number).parent().unwrap()).unwrap();
        fs::write(document(number), &old).unwrap();
    }
    let all = (0..1000).map(|number| replacement(&document(number), &old, &new)).collect();
    let start = Instant::now();
    let answers = replace_all(all, &hasty());
    println!("1000 documents of 4 kB in 10 folders: {:?}", start.elapsed());
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap().path, document(number).canonicalize().unwrap());
        assert_eq!(fs::read(document(number)).unwrap(), new);
    }
    for sub in 0..10 {
        assert_eq!(litter::find(&folder.path().join(sub.to_string())).unwrap(), [] as [PathBuf; 0]);
    }
}

/// Replaces documents until it is killed; does nothing unless the test below started it.
#[test]
fn worker() {
    let Some(folder) = std::env::var_os(WORKER) else { return };
    let document = |number: usize| Path::new(&folder).join(format!("{number}.md"));
    for round in 0.. {
        let old = |number| fs::read(document(number)).unwrap();
        let new = [b"old", b"new"][round % 2].repeat(2000);
        let all = (0..20).map(|number| replacement(&document(number), &old(number), &new));
        for answer in replace_all(all.collect(), &hasty()) {
            answer.unwrap();
        }
    }
}

const WORKER: &str = "IMGKEEP_TEST_WORKER";

#[test]
fn killed_at_any_moment_each_document_is_whole_and_a_sweep_clears_the_rest() {
    let whole = [b"old".repeat(2000), b"new".repeat(2000)];
    let mut found = 0;
    for round in 0..40 {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        (0..20).for_each(|number| fs::write(folder.path().join(format!("{number}.md")), &whole[0]).unwrap());
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "worker"]).env(WORKER, folder.path()).stdout(std::process::Stdio::null());
        let mut worker = command.spawn().unwrap();
        thread::sleep(Duration::from_micros(20_000 + 1_370 * round));
        worker.kill().unwrap();
        worker.wait().unwrap();

        let litter = litter::find(folder.path()).unwrap();
        found += litter.len();
        let remember = |_: &Path, digest| match whole.iter().position(|bytes| Digest::of(bytes) == digest) {
            Some(0) => Memory::Before,
            Some(_) => Memory::After,
            None => Memory::Unknown,
        };
        for (path, swept) in litter::sweep(&litter, &remember) {
            assert!(matches!(swept, Ok(Swept::Removed)), "{}: {swept:?}", path.display());
        }
        assert_eq!(names(folder.path()).len(), 20);
        for number in 0..20 {
            let bytes = fs::read(folder.path().join(format!("{number}.md"))).unwrap();
            assert!(whole.contains(&bytes), "document {number} is torn");
        }
    }
    println!("40 kills left {found} temporary files, and the sweeps none");
}
