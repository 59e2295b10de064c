//! An editor saves every two milliseconds, in each way in which editors save, while the program rewrites.
//!
//! After some saves it pauses, or else the program would leave its document alone for good, and goes on as soon as the
//! program has a new document beside one of the old, about to be swapped. Each save has a number. Before the next one
//! the editor looks at its document: it must show the last save, with the image's address or a link to its copy, and
//! nothing else. During a swap it may show an older one for an instant. Now and then the editor does not look, so that
//! two saves fall into one swap.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use imgkeep::files::litter;

use super::{Spotter, blob, origin, run, url};
use crate::daemon::running::Daemon;
use crate::support::Test;
use crate::support::origin::Origin;
use crate::support::over::SetsInTheEnd;
use crate::support::rounds::rounds;

const IMAGES: u64 = 4;
/// What is not back after that is lost.
const BACK: Duration = Duration::from_secs(20);
/// A log is begun anew after so many lines.
const LINES: u32 = 50;

/// How an editor goes about it.
#[derive(Clone, Copy)]
struct Habit {
    saves: u32,
    /// So many of them follow each other.
    burst: u32,
    /// The longest that is waited for the program then.
    pause: Duration,
}

type Save = fn(&Path, u32);

/// The document's name, and how it is saved.
const EDITORS: &[(&str, Save)] = &[
    ("truncated", truncated),
    ("overwritten", overwritten),
    ("renamed", renamed),
    ("backed-up", backed_up),
    ("linked", linked),
    ("appended", appended),
    ("pointed-at", pointed_at),
];

/// The ways in which each image may be linked to.
static LINKS: LazyLock<Vec<[String; 3]>> = LazyLock::new(|| {
    let links =
        |image| [url(image), format!("../cache/images/{}", blob(image)), format!("/images/{}", blob(image))];
    (0..IMAGES).map(links).collect()
});

fn links(number: u32) -> &'static [String; 3] {
    &LINKS[number as usize % LINKS.len()]
}

fn line(number: u32, link: &str) -> String {
    format!("save {number}, whose image is ![]({link}) as of now.\n")
}

/// What save `number` of the log holds: all lines since it was begun; of any other document, one.
fn lines(path: &Path, number: u32) -> std::ops::RangeInclusive<u32> {
    let is_log = path.file_stem().is_some_and(|stem| stem == "appended");
    (if is_log { number - number % LINES } else { number })..=number
}

fn text(path: &Path, number: u32) -> String {
    lines(path, number).map(|number| line(number, &links(number)[0])).collect()
}

/// Whether the document shows save `number`, and whether with a link to a copy.
fn shows(path: &Path, number: u32) -> Option<bool> {
    let found = fs::read_to_string(path).ok()?;
    let mut found = found.split_inclusive('\n');
    let mut is_kept = false;
    for number in lines(path, number) {
        let line_found = found.next()?;
        let link = links(number).iter().position(|link| line_found == line(number, link))?;
        is_kept |= link > 0;
    }
    found.next().is_none().then_some(is_kept)
}

/// As old as what a copy that keeps its times brings along: imgkeep does not wait for it to settle.
fn age(file: &File) {
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
}

fn write(path: &Path, text: &str) {
    let mut file = File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    age(&file);
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    path.with_extension(extension)
}

/// `open(O_TRUNC)`, write, close.
fn truncated(path: &Path, number: u32) {
    write(path, &text(path, number));
}

/// Opened, written over a moment later, then cut.
fn overwritten(path: &Path, number: u32) {
    let text = text(path, number);
    let mut file = OpenOptions::new().write(true).truncate(false).open(path).unwrap();
    thread::sleep(Duration::from_millis(1));
    file.write_all(text.as_bytes()).unwrap();
    file.set_len(text.len() as u64).unwrap();
    age(&file);
}

/// Another file is renamed over it.
fn renamed(path: &Path, number: u32) {
    let new = beside(path, "new");
    write(&new, &text(path, number));
    fs::rename(&new, path).unwrap();
}

/// The old file is renamed to a backup, and a new one is made: vim with `backupcopy=no`.
fn backed_up(path: &Path, number: u32) {
    let backup = beside(path, "md~");
    fs::rename(path, &backup).unwrap();
    write(path, &text(path, number));
    fs::remove_file(&backup).unwrap();
}

/// The old name is removed, and a second name of another file takes its place.
fn linked(path: &Path, number: u32) {
    let new = beside(path, "new");
    write(&new, &text(path, number));
    fs::remove_file(path).unwrap();
    fs::hard_link(&new, path).unwrap();
    fs::remove_file(&new).unwrap();
}

/// A line is added at the end; now and then the log is begun anew.
fn appended(path: &Path, number: u32) {
    if number.is_multiple_of(LINES) {
        return renamed(path, number);
    }
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(line(number, &links(number)[0]).as_bytes()).unwrap();
    age(&file);
}

/// The document is a symlink, which is pointed at another file.
fn pointed_at(path: &Path, number: u32) {
    let versions = path.parent().unwrap().join("../versions");
    fs::create_dir_all(&versions).unwrap();
    let name = format!("../versions/{}.md", number % 3);
    renamed(&versions.join(format!("{}.md", number % 3)), number);
    let new = beside(path, "new");
    symlink(name, &new).unwrap();
    fs::rename(&new, path).unwrap();
}

/// What came of one editor.
#[derive(Default)]
struct Edited {
    lost: u32,
    /// Bursts after which the document was seen with a link to a copy.
    kept: u32,
}

fn edit(path: &Path, save: Save, habit: Habit, spotter: &Spotter) -> Edited {
    let mut edited = Edited::default();
    for number in 1..=habit.saves {
        if number.is_multiple_of(habit.burst) {
            spotter.wait(habit.pause);
            thread::sleep(Duration::from_micros(fastrand::u64(..1500)));
            edited.kept += u32::from(shows(path, number - 1) == Some(true));
        }
        save(path, number);
        thread::sleep(Duration::from_millis(2));
        if number < habit.saves && fastrand::u8(..8) == 0 {
            continue;
        }
        let start = Instant::now();
        loop {
            match shows(path, number) {
                Some(_) => break,
                None if start.elapsed() > BACK => {
                    let found = fs::read_to_string(path);
                    println!("{}: save {number} is lost, there is {found:?}", path.display());
                    edited.lost += 1;
                    if edited.lost == 3 {
                        return edited;
                    }
                    break;
                }
                None => thread::yield_now(),
            }
        }
    }
    edited
}

fn scene() -> (Origin, Test) {
    let origin = origin(IMAGES);
    let test = Test::in_memory().origin(&origin).set("rewrite.keep_mtime", "true");
    for (name, save) in EDITORS {
        let path = test.path(&format!("posts/{name}.md"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text(&path, 0)).unwrap();
        save(&path, 0);
    }
    (origin, test)
}

/// All editors at once, while `work` is done again and again.
fn edit_while(test: &Test, who: &str, habit: Habit, work: impl Fn() + Sync) {
    let saves = habit.saves;
    let (done, runs) = (AtomicBool::new(false), AtomicU32::new(0));
    let spotter = Spotter::start(&["posts", "versions"].map(|folder| test.path(folder)));
    let edited: Vec<Edited> = thread::scope(|scope| {
        let end = SetsInTheEnd(&done);
        let working = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                work();
                runs.fetch_add(1, Ordering::Relaxed);
            }
        });
        let editors = EDITORS.iter().map(|(name, save)| {
            let path = test.path(&format!("posts/{name}.md"));
            let spotter = &spotter;
            scope.spawn(move || edit(&path, *save, habit, spotter))
        });
        let editors: Vec<_> = editors.collect();
        let edited = editors.into_iter().map(|editor| editor.join().unwrap()).collect();
        drop(end);
        working.join().unwrap();
        edited
    });
    let lost: u32 = edited.iter().map(|edited| edited.lost).sum();
    let all = saves * u32::try_from(EDITORS.len()).unwrap();
    for ((name, _), edited) in EDITORS.iter().zip(&edited) {
        println!("{who}, {name}: rewritten in {} of {} pauses", edited.kept, saves / habit.burst);
    }
    println!("{who}: {all} saves in {} ways, {} runs, {lost} lost", EDITORS.len(), runs.into_inner());
    assert_eq!(lost, 0);
    assert!(edited.iter().any(|edited| edited.kept > 0), "nothing was rewritten");

    // The last saves stand, whoever comes now; of two saves in one swap the first may lie beside its document.
    run(test, "archive --local posts", &[0]);
    for (name, _) in EDITORS {
        let path = test.path(&format!("posts/{name}.md"));
        assert_eq!(shows(&path, saves), Some(true), "{}", fs::read_to_string(&path).unwrap());
    }
    assert!(test.path("posts/pointed-at.md").is_symlink());
    run(test, "restore posts", &[0]);
    for (name, _) in EDITORS {
        let path = test.path(&format!("posts/{name}.md"));
        assert_eq!(shows(&path, saves), Some(false), "{}", fs::read_to_string(&path).unwrap());
    }
    let aside: Vec<PathBuf> =
        ["posts", "versions"].iter().flat_map(|folder| litter::find(&test.path(folder)).unwrap()).collect();
    println!("{who}: {} earlier of two saves are kept aside", aside.len());
    for path in aside {
        let text = fs::read_to_string(&path).unwrap();
        assert!(path.to_string_lossy().contains("-swap-") && text.starts_with("save "), "{path:?}: {text}");
    }
}

#[test]
fn no_save_is_lost_while_commands_rewrite() {
    let (_origin, test) = scene();
    let saves = rounds(320);
    let habit = Habit { saves, burst: (saves / 500).max(8), pause: Duration::from_secs(5) };
    edit_while(&test, "commands", habit, || {
        // The documents that are saved all the time are left in the end, which the code says.
        for words in ["archive posts", "relink posts --link /images/", "restore posts", "archive posts"] {
            run(&test, words, &[0, 3]);
        }
    });
    run(&test, "verify", &[0]);
}

#[test]
fn no_save_is_lost_while_a_daemon_rewrites() {
    let (_origin, test) = scene();
    let test = test.set("daemon.watch", "posts").set("daemon.settle_secs", "0.05");
    let mut daemon = Daemon::start(&test);
    // It gathers changes for a second before it begins.
    let saves = rounds(160);
    let habit = Habit { saves, burst: (saves / 200).max(40), pause: Duration::from_secs(5) };
    edit_while(&test, "daemon", habit, || {
        run(&test, "restore posts", &[0, 3]);
        thread::sleep(Duration::from_millis(500));
    });
    daemon.stop();
    run(&test, "archive posts", &[0]);
    run(&test, "verify", &[0]);
}
