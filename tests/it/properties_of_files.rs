//! What of a document's file stays as it is: through `archive`, `relink` and `restore`, by the whole program.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::support::origin::Origin;
use crate::support::{Test, picture};

const URL: &str = "http://cdn.example/a.jpg";
const POST: &str = "![](http://cdn.example/a.jpg)\n";
/// A user and a group that nobody is or is in.
const STRANGER: u32 = 12345;

fn scene() -> (Origin, Test) {
    let origin = Origin::start();
    origin.image(URL, picture::jpeg(1));
    let test = Test::new().origin(&origin).set("fetch.sources", "[\"origin\"]");
    (origin, test)
}

/// Whether the tool did it; says so where it did not.
fn tool(words: &[&str], path: &Path) -> Option<String> {
    let done = Command::new(words[0]).args(&words[1..]).arg(path).output();
    match done {
        Ok(done) if done.status.success() => Some(String::from_utf8_lossy(&done.stdout).into_owned()),
        Ok(done) => {
            println!("not tried: {}: {}", words.join(" "), String::from_utf8_lossy(&done.stderr).trim());
            None
        }
        Err(error) => {
            println!("not tried: {}: {error}", words[0]);
            None
        }
    }
}

fn may_give_away() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let is_root = chown(folder.path(), Some(STRANGER), Some(STRANGER)).is_ok();
    if !is_root {
        println!("not tried: only root can give a file away");
    }
    is_root
}

fn is_archived(test: &Test, path: &str) -> bool {
    let text = String::from_utf8(test.read(path)).unwrap();
    assert!(text == POST || (!text.contains("http") && text.contains("images/")), "{text}");
    text != POST
}

/// The whole way: `check` is told each time what was done.
fn there_and_back(test: &Test, paths: &[&str], check: &dyn Fn(&str)) {
    for (words, archived) in
        [("archive posts", true), ("relink posts --link /images/", true), ("restore posts", false)]
    {
        test.run(words).expect_code(0);
        for path in paths {
            assert_eq!(is_archived(test, path), archived, "{words}: {path}");
        }
        check(words);
    }
    test.assert_no_litter();
}

/// Archives what must stay as it is, and says why.
fn is_left(test: &Test, path: &str, says: &str) {
    let before = fs::symlink_metadata(test.path(path)).unwrap();
    let said = test.run("archive posts").expect_code(3);
    let text = format!("{}{}", said.stdout, said.stderr);
    assert!(text.contains(says), "{path}: {text}");
    let after = fs::symlink_metadata(test.path(path)).unwrap();
    let state = |file: &Metadata| {
        (file.ino(), file.mode(), file.uid(), file.gid(), file.nlink(), file.mtime_nsec(), file.ctime_nsec())
    };
    assert_eq!(state(&after), state(&before), "{path} was touched");
    assert_eq!(test.read(path), POST.as_bytes());
    test.assert_no_litter();
}

#[test]
fn modes_with_all_their_bits() {
    let (_origin, test) = scene();
    let modes = [0o600, 0o640, 0o644, 0o664, 0o666, 0o755, 0o4755, 0o2755, 0o2664, 0o1644, 0o6777, 0o7666];
    let paths: Vec<String> = modes.iter().map(|mode| format!("posts/{mode:o}.md")).collect();
    for (path, mode) in paths.iter().zip(modes) {
        test.write(path, POST);
        fs::set_permissions(test.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    let all: Vec<&str> = paths.iter().map(String::as_str).collect();
    there_and_back(&test, &all, &|words| {
        for (path, mode) in paths.iter().zip(modes) {
            let found = fs::metadata(test.path(path)).unwrap().mode() & 0o7777;
            assert_eq!(found, mode, "{words}: {path} has {found:o}");
        }
    });
}

#[test]
fn the_time_of_a_rewrite_and_the_old_one_of_the_way_back() {
    let (_origin, test) = scene();
    test.write("posts/a.md", POST);
    let old = SystemTime::UNIX_EPOCH + Duration::new(1_111_111_111, 123_456_789);
    let mtime = |test: &Test| fs::metadata(test.path("posts/a.md")).unwrap().modified().unwrap();
    let date = |test: &Test| {
        File::options().write(true).open(test.path("posts/a.md")).unwrap().set_modified(old).unwrap();
    };
    date(&test);
    let start = SystemTime::now() - Duration::from_secs(1);
    there_and_back(&test, &["posts/a.md"], &|words| match words {
        "restore posts" => assert_eq!(mtime(&test), old),
        _ => assert!(mtime(&test) >= start, "{words}: {:?}", mtime(&test)),
    });

    let test = test.set("rewrite.keep_mtime", "true");
    there_and_back(&test, &["posts/a.md"], &|words| assert_eq!(mtime(&test), old, "{words}"));
    // One that was edited since has its own time, and keeps it.
    test.run("archive posts").expect_code(0);
    let edited = [&*test.read("posts/a.md"), b"More.\n"].concat();
    test.write("posts/a.md", edited);
    let later = mtime(&test);
    test.run("restore posts").expect_code(0);
    assert_eq!(test.read("posts/a.md"), format!("{POST}More.\n").into_bytes());
    assert_eq!(mtime(&test), later);
}

#[test]
fn a_group_that_is_not_ours() {
    let (_origin, test) = scene();
    test.write("posts/a.md", POST);
    if !may_give_away() {
        return;
    }
    chown(test.path("posts/a.md"), None, Some(STRANGER)).unwrap();
    fs::set_permissions(test.path("posts/a.md"), fs::Permissions::from_mode(0o2660)).unwrap();
    there_and_back(&test, &["posts/a.md"], &|words| {
        let file = fs::metadata(test.path("posts/a.md")).unwrap();
        assert_eq!((file.gid(), file.mode() & 0o7777), (STRANGER, 0o2660), "{words}");
    });
}

#[test]
fn a_document_of_another_owner_is_left_or_written_in_place() {
    let (_origin, test) = scene();
    test.write("posts/a.md", POST);
    test.write("posts/ours.md", POST);
    if !may_give_away() {
        return;
    }
    chown(test.path("posts/a.md"), Some(STRANGER), Some(STRANGER)).unwrap();
    is_left(&test, "posts/a.md", "belongs to user 12345");
    assert!(is_archived(&test, "posts/ours.md"));
    test.run("restore posts").expect_code(0);
    let test = test.set("rewrite.in_place", "true");
    let before = fs::metadata(test.path("posts/a.md")).unwrap();
    there_and_back(&test, &["posts/a.md", "posts/ours.md"], &|words| {
        let after = fs::metadata(test.path("posts/a.md")).unwrap();
        let state = |file: &Metadata| (file.ino(), file.uid(), file.gid(), file.mode());
        assert_eq!(state(&after), state(&before), "{words}");
    });
}

/// The command of a user who may write what is his, and nothing else.
fn as_nobody(test: &Test, words: &str) -> Command {
    let program = test.command(words);
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.arg(test.root().join("../imgkeep")).args(program.get_args()).current_dir(test.root());
    command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

#[test]
fn who_cannot_keep_an_attribute_leaves_the_document() {
    let (_origin, test) = scene();
    test.write("posts/a.md", POST);
    // Where the program was built others may not look.
    fs::copy(env!("CARGO_BIN_EXE_imgkeep"), test.root().join("../imgkeep")).unwrap();
    let above = test.root().parent().unwrap().to_owned();
    if !may_give_away() || tool(&["chown", "-R", "65534:65534"], &above).is_none() {
        return;
    }
    // A group of which its owner is no member: nobody but root may give a new file to it.
    chown(test.path("posts/a.md"), None, Some(STRANGER)).unwrap();
    let before = fs::metadata(test.path("posts/a.md")).unwrap();
    let said = as_nobody(&test, "archive posts").output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(3), "{text}");
    assert!(text.contains("cannot be kept"), "{text}");
    let after = fs::metadata(test.path("posts/a.md")).unwrap();
    assert_eq!((after.ino(), after.ctime_nsec()), (before.ino(), before.ctime_nsec()));
    test.assert_no_litter();
    let test = test.set("rewrite.in_place", "true");
    let said = as_nobody(&test, "archive posts").output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let after = fs::metadata(test.path("posts/a.md")).unwrap();
    assert_eq!((after.ino(), after.gid()), (before.ino(), STRANGER));
    assert!(is_archived(&test, "posts/a.md"));
}

#[test]
fn extended_attributes_and_access_lists() {
    let (_origin, test) = scene();
    test.write("posts/a.md", POST);
    test.write("posts/plain.md", POST);
    let path = test.path("posts/a.md");
    let attributes = [
        ["-n", "user.note", "-v", "a note"],
        ["-n", "user.empty", "-v", ""],
        ["-n", "trusted.note", "-v", "0x000102ff"],
        ["-n", "security.note", "-v", "0sAQAAAgAgAAAAAAAAAAAAAAAAAAA="],
    ];
    let set = attributes.iter().filter(|words| tool(&[&["setfattr"], &words[..]].concat(), &path).is_some());
    println!("{} of {} attributes can be set here", set.count(), attributes.len());
    for words in [["setcap", "cap_net_raw=ep"].as_slice(), &["setfacl", "-m", "u:12345:rw,g:12345:r,m::rw"]] {
        tool(words, &path);
    }
    // What new files in the folder get is not what the document had.
    tool(&["setfacl", "-d", "-m", "u:54321:rwx"], &test.path("posts"));
    let all = |path: &Path| {
        [["getfattr", "--absolute-names", "-d", "-m", "-", "-e", "hex"].as_slice(), &["getfacl", "-pn"]]
            .map(|words| tool(words, path))
    };
    let [before, plain] = [&path, &test.path("posts/plain.md")].map(|path| all(path));
    println!("{before:?}");
    there_and_back(&test, &["posts/a.md", "posts/plain.md"], &|words| {
        assert_eq!(all(&path), before, "{words}");
        assert_eq!(all(&test.path("posts/plain.md")), plain, "{words}");
    });
}

#[test]
fn symlinks_stay_and_what_they_lead_to_is_rewritten() {
    let (_origin, test) = scene();
    test.write("posts/a.md", POST);
    for path in ["elsewhere/chained.md", "elsewhere/folder/b.md", "elsewhere/linked.md"] {
        test.write(path, POST);
    }
    let links = [
        ("posts/link.md", "../elsewhere/linked.md"),
        ("posts/chain-1.md", "chain-2.md"),
        ("posts/chain-2.md", "../posts/.hidden-link"),
        ("posts/.hidden-link", "../elsewhere/chained.md"),
        ("posts/same.md", "a.md"),
        ("posts/folder", "../elsewhere/folder"),
        ("named", "posts"),
    ];
    for (link, to) in links {
        symlink(to, test.path(link)).unwrap();
    }
    let stay = |words: &str| {
        for (link, to) in links {
            assert_eq!(fs::read_link(test.path(link)).unwrap(), PathBuf::from(to), "{words}: {link}");
        }
    };
    there_and_back(&test, &["posts/a.md", "elsewhere/linked.md", "elsewhere/chained.md"], &stay);
    assert_eq!(test.read("elsewhere/folder/b.md"), POST.as_bytes(), "folders are not entered by symlinks");
    // Unless they are named.
    test.run("archive posts/folder named").expect_code(0);
    assert!(is_archived(&test, "elsewhere/folder/b.md") && is_archived(&test, "posts/a.md"));
    test.run("verify").expect_code(0);
    test.run("restore posts/folder named/").expect_code(0);
    assert!(!is_archived(&test, "elsewhere/folder/b.md") && !is_archived(&test, "posts/a.md"));
    stay("restore");
    // What leads nowhere is told, and the others do not wait for it.
    for (link, to) in [("posts/dangling.md", "nowhere.md"), ("posts/round.md", "round.md")] {
        symlink(to, test.path(link)).unwrap();
        let said = test.run("archive posts").expect_code(3);
        let text = said.stdout + &said.stderr;
        assert!(text.contains(link), "{text}");
        assert!(is_archived(&test, "posts/a.md"));
        assert_eq!(fs::read_link(test.path(link)).unwrap(), PathBuf::from(to));
        fs::remove_file(test.path(link)).unwrap();
    }
    test.assert_no_litter();
}

#[test]
fn hard_links_are_left_or_written_in_place() {
    let (_origin, test) = scene();
    test.write("posts/a.md", POST);
    test.write("posts/single.md", POST);
    fs::create_dir(test.path("elsewhere")).unwrap();
    fs::hard_link(test.path("posts/a.md"), test.path("elsewhere/other.md")).unwrap();
    is_left(&test, "posts/a.md", "has 2 hard links");
    assert!(is_archived(&test, "posts/single.md"));
    test.run("restore posts").expect_code(0);
    let test = test.set("rewrite.in_place", "true");
    let inode = fs::metadata(test.path("posts/a.md")).unwrap().ino();
    there_and_back(&test, &["posts/a.md", "posts/single.md"], &|words| {
        let other = fs::metadata(test.path("elsewhere/other.md")).unwrap();
        assert_eq!((other.ino(), other.nlink()), (inode, 2), "{words}");
        assert_eq!(test.read("elsewhere/other.md"), test.read("posts/a.md"), "{words}");
    });
}

#[test]
fn what_may_not_be_written_is_left_and_told() {
    let (_origin, test) = scene();
    for path in ["posts/a.md", "posts/ours.md"] {
        test.write(path, POST);
    }
    let path = test.path("posts/a.md");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    is_left(&test, "posts/a.md", "is read-only");
    assert!(is_archived(&test, "posts/ours.md"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    // What even root may not.
    for (flag, says) in [("i", "is read-only"), ("a", "posts/a.md")] {
        if tool(&["chattr", &format!("+{flag}")], &path).is_some() {
            is_left(&test, "posts/a.md", says);
            tool(&["chattr", &format!("-{flag}")], &path).unwrap();
        }
    }
    if tool(&["chattr", "+i"], &test.path("posts")).is_some() {
        let said = test.run("archive posts").expect_code(3);
        assert_eq!(test.read("posts/a.md"), POST.as_bytes(), "{}", said.stderr);
        assert!(said.stdout.contains("a.md") || said.stderr.contains("a.md"), "{}", said.stdout);
        tool(&["chattr", "-i"], &test.path("posts")).unwrap();
    }
    test.run("archive posts").expect_code(0);
    assert!(is_archived(&test, "posts/a.md"));
    // The way back is left in the same way, and none of it is lost.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let said = test.run("restore posts").expect_code(3).stdout;
    assert!(said.contains("is read-only"), "{said}");
    assert!(is_archived(&test, "posts/a.md") && !is_archived(&test, "posts/ours.md"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    test.run("restore posts").expect_code(0);
    assert!(!is_archived(&test, "posts/a.md"));
    test.assert_no_litter();
}
