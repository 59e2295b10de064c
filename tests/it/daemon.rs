//! `imgkeep daemon`: what it notices, what it does by itself, and how it begins and ends.

mod lanes;
mod life;
mod manager;
mod retries;
pub(crate) mod running;
mod watching;

use imgkeep::digest::Digest;

use crate::support::origin::Origin;
use crate::support::{Test, picture};

const URL: &str = "http://cdn.example/a.jpg";
const POST: &str = "![](http://cdn.example/a.jpg)\n";

/// A folder that is watched, and an origin with one image.
fn scene() -> (Origin, Test) {
    let origin = Origin::start();
    origin.image(URL, picture::jpeg(1));
    let test = Test::new()
        .origin(&origin)
        .set("daemon.watch", "posts")
        .set("daemon.settle_secs", "0.2")
        .set("fetch.sources", "[\"origin\"]");
    (origin, test)
}

/// Whether the document points at the copy of [`URL`].
fn is_archived(test: &Test, path: &str) -> bool {
    let digest = Digest::of(&picture::jpeg(1)).to_string();
    std::fs::read_to_string(test.path(path)).is_ok_and(|text| text.contains(&digest))
}
