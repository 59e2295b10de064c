//! Several of imgkeep's own programs at once over the same documents and the same store.

use std::thread;

use super::{blob, origin, run, url};
use crate::daemon::running::Daemon;
use crate::support::Test;
use crate::support::rounds::rounds;

const IMAGES: u64 = 20;
const DOCUMENTS: u64 = 30;

fn text(number: u64) -> String {
    let images = (0..3).map(|step| format!("![]({})\n", url((number * 3 + step) % IMAGES)));
    format!("# {number}\n{}", images.collect::<String>())
}

fn kept(number: u64) -> String {
    (0..IMAGES).fold(text(number), |text, image| {
        text.replace(&format!("({})", url(image)), &format!("(../../cache/images/{})", blob(image)))
    })
}

fn name(number: u64) -> String {
    format!("posts/{}/{number}.md", number % 3)
}

#[test]
fn all_commands_and_a_daemon_do_each_other_no_harm() {
    let origin = origin(IMAGES);
    let test = Test::in_memory()
        .origin(&origin)
        .set("daemon.watch", "posts")
        .set("daemon.settle_secs", "0.1")
        .set("gc.grace_days", "0")
        .set("rewrite.keep_mtime", "true");
    (0..DOCUMENTS).for_each(|number| test.write(&name(number), text(number)));
    let mut daemon = Daemon::start(&test);
    // What another of them has just changed is planned again, and left in the end: 3 says so.
    let all: [(&[&str], &[i32]); 6] = [
        (&["archive --local posts"], &[0, 3]),
        (&["archive --local posts --link /images/", "archive posts"], &[0, 3]),
        (&["relink posts --link /images/", "relink posts --link relative"], &[0, 3]),
        (&["restore posts/0", "restore posts"], &[0, 3]),
        (&["gc", "gc --search posts"], &[0, 3]),
        (&["verify"], &[0]),
    ];
    let rounds = rounds(4) as usize;
    thread::scope(|scope| {
        for (words, codes) in &all {
            let test = &test;
            scope.spawn(move || words.iter().cycle().take(rounds).for_each(|words| run(test, words, codes)));
        }
    });
    assert!(!daemon.said().contains("mistake in imgkeep"), "{}", daemon.said());
    daemon.stop();

    run(&test, "archive posts", &[0]);
    run(&test, "relink posts --link relative", &[0]);
    for number in 0..DOCUMENTS {
        assert_eq!(String::from_utf8(test.read(&name(number))).unwrap(), kept(number));
    }
    run(&test, "verify", &[0]);
    assert_eq!(test.blobs().len() as u64, IMAGES);
    assert_eq!(test.tree("cache/images").len() as u64, IMAGES, "one copy of each");
    assert!(test.tree("cache/trash").is_empty());
    run(&test, "restore posts", &[0]);
    for number in 0..DOCUMENTS {
        assert_eq!(test.read(&name(number)), text(number).into_bytes());
    }
    test.assert_no_litter();
    println!("{} runs of {} kinds and a daemon at once, 0 errors, 0 lost", rounds * all.len(), all.len());
}
