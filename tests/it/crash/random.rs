//! Killed at a random moment of a run of 500 documents; by default of fewer.

use std::time::Duration;

use super::scene::deed::Deed;
use super::scene::{Scene, Size};
use super::tally::{Moment, Tally, go_on, until};
use crate::support::rounds::rounds;

/// After so many rounds it is measured again how long a run takes: other programs come and go.
const MEASURED: u32 = 25;
/// After so many rounds it is tried what comes of it if the work is not finished first.
const OTHERWISE: u32 = 4;

fn survives_kills(deed: Deed) {
    let rounds = rounds(6);
    let documents = rounds.clamp(30, 500) as usize;
    // With four at a time, all images together take a second.
    let images = (documents / 8).max(10);
    let pause = Duration::from_secs(4) / u32::try_from(images).unwrap();
    let mut scene = Scene::new(deed, Size { documents, images, pause });
    let mut tally = Tally::default();
    for round in 0..rounds {
        if round > 0 && round % MEASURED == 0 {
            scene.measure();
            scene.assert_done("undisturbed");
        }
        scene.reset();
        let moment = Moment::random(&scene, round);
        let mut run = until(&scene, moment);
        run.child.kill().unwrap();
        run.child.wait().unwrap();
        let when = format!("{} {round}, killed {moment:?} of {:?}", deed.words(), scene.took);
        tally.count(&scene, run.had_ended, &when);
        let aside = (round % OTHERWISE == 1).then(|| scene.keep_aside());
        scene.finish(&when);
        if let Some(aside) = aside {
            scene.put(&aside);
            go_on(&scene, 1 + round / OTHERWISE % 2, &when);
        }
        if tally.rounds % 50 == 0 {
            println!("{}: {tally}, so far", deed.words());
        }
    }
    println!("{}: {rounds} kills over {documents} documents: {tally}", deed.words());
    // Every other kill comes after a first write.
    assert!(tally.untouched < rounds && tally.late < rounds, "the moments are wrong: {tally:?}");
}

#[test]
fn archive() {
    survives_kills(Deed::Archive);
}

#[test]
fn restore() {
    survives_kills(Deed::Restore);
}

#[test]
fn relink() {
    survives_kills(Deed::Relink);
}

#[test]
fn gc() {
    survives_kills(Deed::Collect);
}

#[test]
fn repair() {
    survives_kills(Deed::Repair);
}
