//! Images that end early, and whose servers say that this is all there is.

use crate::support::Test;
use crate::support::origin::{Answer, Origin};
use crate::support::rounds::rounds;

use super::Rule::Kept;
use super::{builders, row, show};

/// What the prefixes are of.
#[test]
fn the_whole_images_are_kept() {
    let rows: Vec<_> = builders::samples()
        .into_iter()
        .map(|sample| row(sample.name, sample.bytes, Kept(sample.media_type.mime())))
        .collect();
    show("whole ones", &rows);
}

/// Every 37th byte, and the last one; every 5th when there are rounds.
#[test]
fn no_prefix_of_an_image_is_kept() {
    let step = if rounds(1) > 1 { 5 } else { 37 };
    let samples: Vec<_> =
        builders::samples().into_iter().filter(|sample| sample.bytes.len() < 8_000).collect();
    let origin = Origin::start();
    let mut test = Test::new()
        .origin(&origin)
        .set("fetch.sources", "[\"origin\"]")
        .set("fetch.retries", "0")
        .set("fetch.placeholder_urls", "0");
    let mut cuts = 0;
    for (number, sample) in samples.iter().enumerate() {
        let bytes = sample.bytes.clone();
        let length = bytes.len();
        origin.host(&format!("s{number}.example"), move |request, _| {
            let cut: usize = request.target.trim_start_matches('/').parse().unwrap();
            Answer::image(&bytes[..cut])
        });
        let post: String = (0..length)
            .step_by(step)
            .chain([length - 1])
            .map(|cut| {
                cuts += 1;
                format!("![](http://s{number}.example/{cut})\n")
            })
            .collect();
        test = test.document(&format!("posts/{number}.md"), post);
    }
    let before = test.tree("posts");
    let report = test.run("archive posts --format json").expect_code(3).json();
    assert!(test.blobs().is_empty(), "{:?}", report["references"]);
    assert_eq!(test.tree("posts"), before);
    test.assert_no_litter();
    println!("hostile images, cut short: {cuts} prefixes of {} images, 0 kept", samples.len());
}
