//! `imgkeep demo`: the whole job on sample posts, offline, in a temporary folder.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use tokio::net::TcpListener;

use crate::catalog::KnownDocuments;
use crate::cli::archive::{self, Shown};
use crate::cli::exit::Exit;
use crate::cli::print::{Count, shell};
use crate::cli::{Context, print, setup};
use crate::config::Config;
use crate::demo::{self, Site};
use crate::digest::Digest;
use crate::files;
use crate::ops::archive::{Options, Progress, archive as keep};
use crate::ops::restore::{Selection, restore};
use crate::ops::{Archive, change, stop};
use crate::serve::listener::Listener;
use crate::{serve, web};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  imgkeep demo --once")]
pub(super) struct Arguments {
    /// Exit when it is shown, instead of leaving the folder to look at until Ctrl-C.
    #[arg(long)]
    once: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let folder =
        tempfile::Builder::new().prefix("imgkeep-demo-").tempdir().context("cannot make a folder")?;
    std::env::set_current_dir(folder.path()).context("cannot enter the folder")?;
    let posts = PathBuf::from("posts");
    let documents = demo::write_posts(&posts).context("cannot write the sample posts")?;
    let before = digests(&documents)?;
    let runtime = setup::runtime()?;
    let site = runtime.block_on(Site::start()).context("cannot start the sample web")?;
    let config = configure(&context.config, site.address);
    let mut out = io::stdout();

    writeln!(out, "sample posts, as if found on an old disk, in {}:", folder.path().display())?;
    for document in &documents {
        writeln!(out, "  {}", document.display())?;
    }
    writeln!(out, "their images are behind proxies and on other people's servers; one small server on")?;
    writeln!(out, "{} plays all of these, and some of them are dead\n", site.address)?;

    writeln!(out, "$ imgkeep archive posts --diff")?;
    let reader = Arc::new(setup::reader(&config)?);
    let archive = Arc::new(setup::archive(&config)?);
    let entries = setup::entries(&reader, std::slice::from_ref(&posts), &mut |_, _| {})?;
    let options = Options { diffs: true, ..archive::options(&config, reader.link.clone(), true)? };
    let report = runtime.block_on(keep(
        Arc::clone(&reader),
        Arc::clone(&archive),
        setup::fetcher(&config, &[])?,
        entries.clone(),
        KnownDocuments::default(),
        options,
        Arc::new(Progress::default()),
    ))?;
    print::diffs(&report.diffs, &mut out)?;
    writeln!(out)?;
    archive::human(&report, &Shown { paths: "posts".to_owned(), rewrite: true }, &mut out)?;

    if !arguments.once {
        writeln!(out, "\nlook around, and take it back:")?;
        // It may be run from a build, and not be on the PATH.
        let program = std::env::current_exe().map_or_else(|_| "imgkeep".to_owned(), |path| shell(&path));
        writeln!(out, "  cd {}\n  {program} status\n  {program} restore posts", shell(folder.path()))?;
        runtime.block_on(gallery(&config, archive, &mut out))?;
        return Ok(Exit::Done);
    }

    writeln!(out, "\n$ imgkeep restore posts")?;
    let options = change::Options { replace: config.replace_options(), dry_run: false, diffs: false };
    let restored = restore(&reader, &archive, &entries, &Selection::default(), &options);
    if let Some(error) = restored.broke_off {
        return Err(error);
    }
    ensure!(restored.failed.is_empty(), "a post could not be restored: {:?}", restored.failed);
    let (links, changed) = (Count(restored.links, "link"), Count(restored.changed, "document"));
    writeln!(out, "{links} restored in {changed} of {}", restored.scanned)?;
    ensure!(digests(&documents)? == before, "a post is not what it was");
    writeln!(out, "every post has the SHA-256 it had before")?;
    runtime.block_on(site.stop())?;
    Ok(Exit::Done)
}

/// Serves what was kept until Ctrl-C, at the configured address if it is free.
async fn gallery(config: &Config, archive: Arc<Archive>, out: &mut impl Write) -> Result<()> {
    let listener = match TcpListener::bind(config.server.listen).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen on loopback")?,
    };
    writeln!(out, "or look at it in a browser: http://{}/", listener.local_addr()?)?;
    writeln!(out, "Ctrl-C ends the demo and removes the folder")?;
    let (store, catalog) = (Arc::clone(&archive.store), Arc::clone(&archive.catalog));
    let app = setup::app(config, archive, Arc::default(), None)?;
    let site = serve::Site::new(store, catalog, setup::families(config)?, &[]);
    let site = site.with_pages(web::owns, web::router(app));
    serve::run(vec![Listener::Tcp(listener)], site, stop::signal()).await;
    Ok(())
}

/// The user's configuration with the sample web in place of the real one.
fn configure(config: &Config, web: SocketAddr) -> Config {
    let mut config = config.clone();
    config.store.path = PathBuf::from("cache");
    config.catalog.url = "sqlite:cache/catalog.db".to_owned();
    config.fetch.connect_to = BTreeMap::from([("*".to_owned(), web)]);
    config.fetch.retries = 0;
    config
}

fn digests(documents: &[PathBuf]) -> Result<Vec<Digest>> {
    documents.iter().map(|document| Ok(Digest::of(&files::read(document, u64::MAX)?.0))).collect()
}
