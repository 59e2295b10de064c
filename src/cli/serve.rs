//! `imgkeep serve`: the kept images over HTTP.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use serde_json::json;
use tokio::runtime;

use crate::cli::exit::Exit;
use crate::cli::{Context, Format, listen, print, setup};
use crate::ops::stop;
use crate::serve::listener::Listener;
use crate::serve::{self, Site};
use crate::web;

/// Files that are read at a time; others wait. Each takes a thread.
const READS: usize = 32;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  imgkeep serve --listen 127.0.0.1:7420")]
pub(super) struct Arguments {
    /// Address and port to serve on, instead of `server.listen`; port 0 takes any free one.
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let config = &context.config;
    let families = setup::families(config)?;
    let archive = Arc::new(setup::existing_archive(config)?);
    let app = setup::app(config, Arc::clone(&archive), Arc::default(), None)?;
    let (store, catalog) = (Arc::clone(&archive.store), Arc::clone(&archive.catalog));
    let site =
        Site::new(store, catalog, families, &config.server.cors).with_pages(web::owns, web::router(app));
    let wanted = arguments.listen.unwrap_or(config.server.listen);
    let sockets = listen::sockets(wanted)?;
    let mut runtime = runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().max_blocking_threads(READS).build()?;
    runtime.block_on(async {
        for address in sockets.iter().filter_map(listen::Socket::address) {
            announce(context, address)?;
        }
        let listeners = sockets.into_iter().map(listen::Socket::listen).collect::<Result<Vec<Listener>>>()?;
        serve::run(listeners, site, stop::signal()).await;
        anyhow::Ok(())
    })?;
    // A read that hangs is not waited for.
    runtime.shutdown_background();
    Ok(Exit::Done)
}

/// Says where it serves: who gave port 0 cannot know.
pub(super) fn announce(context: &Context, address: SocketAddr) -> Result<()> {
    let mut out = io::stdout().lock();
    match context.format {
        Format::Human => {
            let store = context.config.store.path.display();
            writeln!(out, "serving {store} at http://{address}/ until Ctrl-C")?;
        }
        Format::Json => {
            print::json(&json!({ "listen": address, "url": format!("http://{address}/") }), &mut out)?;
        }
    }
    Ok(out.flush()?)
}
