//! Other hands on the documents while imgkeep is at work on them: no edit is ever lost, and no link leads nowhere.

mod checkout;
mod editors;
mod folders;
mod spotter;
mod together;

use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use imgkeep::digest::Digest;
use spotter::Spotter;

use crate::support::origin::Origin;
use crate::support::{Test, picture};

/// A program that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

fn url(number: u64) -> String {
    format!("http://cdn.example/{number}.jpg")
}

/// Where the copy of an image is, below the folder of images.
fn blob(number: u64) -> String {
    let digest = Digest::of(&picture::jpeg(number)).to_string();
    format!("{}/{digest}.jpg", &digest[..2])
}

/// An origin with so many images.
fn origin(images: u64) -> Origin {
    let origin = Origin::start();
    (0..images).for_each(|number| origin.image(&url(number), picture::jpeg(number)));
    origin
}

/// Runs a command to its end, whose code must be one of `codes`; what it says is thrown away otherwise.
fn run(test: &Test, words: &str, codes: &[i32]) {
    finish(start(test, words), words, codes);
}

fn start(test: &Test, words: &str) -> Child {
    test.command(words).stdin(Stdio::null()).spawn().expect("the program was built")
}

fn finish(mut child: Child, words: &str, codes: &[i32]) {
    let started = Instant::now();
    // Few words: they fit into the pipes.
    while child.try_wait().expect("it is our child").is_none() {
        if started.elapsed() > PATIENCE {
            child.kill().expect("it is our child");
            panic!("`imgkeep {words}` was still running after {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().expect("its pipes can be read");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.code().is_some_and(|code| codes.contains(&code)),
        "`imgkeep {words}`: {}\n{}\n{}",
        output.status,
        said(&output.stdout),
        said(&output.stderr)
    );
}
