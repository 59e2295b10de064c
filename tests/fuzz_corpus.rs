//! Everything that fuzzing started from or came upon is held to the same properties again.
//!
//! The properties are those of `fuzz/src`, and `fuzz/README.md` says how to look for more. Bytes that once broke one
//! stay in the corpus under a name that says what was wrong.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

#[path = "../fuzz/src/lib.rs"]
pub mod properties;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz");

/// What was kept of one target, a line of base64 each, and what it began with, by name.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let kept = Path::new(FOLDER).join("corpus").join(format!("{target}.base64"));
    let kept = fs::read_to_string(&kept).expect("the kept inputs can be read");
    let kept = kept.lines().enumerate().map(|(number, line)| {
        (
            format!("line {} of the corpus", number + 1),
            BASE64_STANDARD.decode(line).expect("a line of base64"),
        )
    });
    let seeds = fs::read_dir(Path::new(FOLDER).join("seeds").join(target)).expect("the seeds can be listed");
    let seeds = seeds.map(|entry| {
        let path = entry.expect("the seeds can be listed").path();
        (path.display().to_string(), fs::read(&path).expect("a seed can be read"))
    });
    let mut inputs: Vec<_> = seeds.chain(kept).collect();
    inputs.sort();
    inputs
}

#[test]
fn what_was_kept_holds() {
    let mut broken = Vec::new();
    for (target, _) in properties::TARGETS {
        let inputs = inputs(target);
        println!("{target}: {} inputs", inputs.len());
        let is_broken = |bytes: &[u8]| catch_unwind(|| properties::run(target, bytes)).is_err();
        broken
            .extend(inputs.into_iter().filter(|(_, bytes)| is_broken(bytes)).map(|(name, _)| (target, name)));
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
