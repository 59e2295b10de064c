//! Fills a store with blobs of one size, for benchmarks of the server: the same bytes for the same arguments. Lists the
//! paths by which they are served.
//!
//! `cargo run --release --example generate_blobs -- STORE COUNT BYTES > paths.txt`

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::Parser;
use fastrand::Rng;
use imgkeep::blob::BlobName;
use imgkeep::media::MediaType;
use imgkeep::ops::Archive;

/// All files are of this time, so that a server whose entity tags are made of time and size has one for all.
const TIME: Duration = Duration::from_secs(1_700_000_000);

#[derive(Parser)]
struct Args {
    /// The folder of the store; need not exist
    store: PathBuf,
    /// How many blobs
    count: u64,
    /// How long each is
    bytes: usize,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let catalog = format!("sqlite:{}", args.store.join("catalog.db").display());
    std::fs::create_dir_all(&args.store).with_context(|| format!("`{}`", args.store.display()))?;
    let store = Archive::open(&args.store, &catalog)?.store;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut drafts = Vec::new();
    for seed in 0..args.count {
        let mut bytes = vec![0; args.bytes];
        Rng::with_seed(seed).fill(&mut bytes);
        let mut draft = store.begin()?;
        draft.write(&bytes)?;
        drafts.push((draft.finish(), MediaType::Png));
    }
    let names: Vec<BlobName> = drafts
        .iter()
        .map(|(draft, media_type)| BlobName { digest: draft.digest(), media_type: *media_type })
        .collect();
    store.commit(drafts)?;
    for name in names {
        let file = std::fs::File::options().write(true).open(store.path(name))?;
        file.set_modified(SystemTime::UNIX_EPOCH + TIME)?;
        writeln!(out, "/images/{name}")?;
    }
    Ok(out.flush()?)
}
