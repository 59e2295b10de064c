//! Fills a catalog with images that nobody ever had, for measuring the gallery: so many a day, on hosts of very
//! different size, in four types of which one is rare, shown by documents of 50 each.
//!
//! `cargo run --release --example generate_catalog -- DIR COUNT`, then `imgkeep serve --set store.path=DIR --set catalog.url=sqlite:DIR/catalog.db`

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use imgkeep::blob::BlobName;
use imgkeep::catalog::row::{Batch, Counts, KeptLink, Rewrite, Seen, Snapshot};
use imgkeep::catalog::{OriginKey, Run};
use imgkeep::digest::Digest;
use imgkeep::media::MediaType;
use imgkeep::ops::Archive;
use imgkeep::origin::OriginUrl;

const BATCH: u64 = 10_000;
const IN_A_DOCUMENT: u64 = 50;
/// 2020-01-01, in milliseconds since 1970.
const START: i64 = 1_577_836_800_000;
const BETWEEN: i64 = 150_000;

#[derive(Parser)]
struct Args {
    /// The store's folder; need not exist
    dir: PathBuf,
    /// Images
    count: u64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let catalog = format!("sqlite:{}", args.dir.join("catalog.db").display());
    std::fs::create_dir_all(&args.dir).with_context(|| format!("`{}`", args.dir.display()))?;
    let archive = Archive::open(&args.dir, &catalog)?;
    let run = Run::start("archive");
    let start = Instant::now();
    for first in (0..args.count).step_by(BATCH as usize) {
        let numbers = first..args.count.min(first + BATCH);
        let snapshots: Vec<Snapshot> = numbers.map(snapshot).collect();
        let mut batch = Batch::default();
        for (at, images) in snapshots.chunks(IN_A_DOCUMENT as usize).enumerate() {
            document(first / IN_A_DOCUMENT + at as u64, images, &run, &mut batch)?;
        }
        batch.snapshots = snapshots;
        archive.catalog.record(&run, &batch)?;
    }
    writeln!(io::stdout(), "{} images in {:.1} s", args.count, start.elapsed().as_secs_f64())?;
    Ok(())
}

fn media_type(number: u64) -> MediaType {
    match number {
        _ if number.is_multiple_of(50_000) => MediaType::Svg,
        _ if number.is_multiple_of(7) => MediaType::Gif,
        _ if number.is_multiple_of(3) => MediaType::Png,
        _ => MediaType::Jpeg,
    }
}

fn snapshot(number: u64) -> Snapshot {
    let media_type = media_type(number);
    // Each host has half as many as the one before, the last ones a handful.
    let host = number.trailing_zeros();
    let extension = media_type.extension();
    let rescued = number.is_multiple_of(101);
    let origin = format!("http://img{host}.example/{:02}/{number:08}.{extension}", number % 28 + 1);
    Snapshot {
        taken: START + number as i64 * BETWEEN,
        digest: Digest::of(&number.to_le_bytes()),
        extension: extension.to_owned(),
        bytes: 20_000 + number % 50_000,
        width: Some(640),
        height: Some(360),
        source: if rescued { "wayback" } else { "origin" }.to_owned(),
        url: rescued.then(|| format!("https://web.archive.org/web/2020id_/{origin}")),
        etag: None,
        last_modified: None,
        attempts: Vec::new(),
        origin,
    }
}

/// One document that shows `images`, and wants one that nobody gave.
fn document(number: u64, images: &[Snapshot], run: &Run, batch: &mut Batch) -> anyhow::Result<()> {
    let name = format!("../posts/{:03}/{number:06}.md", number / 1000).into_bytes();
    let link = |(at, image): (usize, &Snapshot)| {
        Some(KeptLink {
            start: at * 200,
            len: 96,
            blob: BlobName { digest: image.digest, media_type: MediaType::from_extension(&image.extension)? },
            original: image.origin.clone().into_bytes(),
            run: run.name.clone(),
        })
    };
    batch.rewrites.push(Rewrite {
        document: name.clone(),
        before: Digest::of(&number.to_le_bytes()),
        after: Digest::of(&number.to_be_bytes()),
        mtime: 0,
        links: images.iter().enumerate().filter_map(link).collect(),
    });
    let kept = images.len() as u64;
    let counts = Counts { found: kept + 1, archived: kept, failed: 1, ..Counts::default() };
    batch.seen.push((name.clone(), Seen { stat: [0; 32], plan: [0; 8], counts }));
    let lost = format!("http://lost.example/{number}.png");
    let failure = serde_json::from_value(serde_json::json!({
        "origin": lost, "at": images[0].taken, "detail": "status 404", "attempts": [],
        "reason": if number.is_multiple_of(10) { "dns" } else { "http_404" },
    }))?;
    batch.failures.push(failure);
    batch.wanted.push((name, vec![OriginKey::of(&OriginUrl::parse(&lost)?)]));
    Ok(())
}
