//! `imgkeep daemon`: the service.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::cli::archive::options as archive_options;
use crate::cli::exit::Exit;
use crate::cli::{Context, serve, setup};
use crate::ops::stop;
use crate::serve::Site;
use crate::serve::listener::Listener;
use crate::{daemon, web};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  imgkeep daemon --set daemon.watch=posts")]
pub(super) struct Arguments {
    /// Address and port to serve on, instead of `server.listen`; port 0 takes any free one.
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let config = &context.config;
    let families = setup::families(config)?;
    let archive = Arc::new(setup::archive(config)?);
    let (orders, received) = mpsc::unbounded_channel();
    let board = Arc::default();
    let app = setup::app(config, Arc::clone(&archive), Arc::clone(&board), Some(orders))?;
    let root = archive.store.root().to_owned();
    let tools = daemon::Tools {
        reader: setup::reader(config)?,
        archive: Arc::clone(&archive),
        fetcher: setup::fetcher(config)?,
        options: archive_options(config, setup::link(config, None)?, true)?,
    };
    let (store, catalog) = (Arc::clone(&archive.store), Arc::clone(&archive.catalog));
    let site = Site::new(store, catalog, families, &config.server.cors).with_memory(config.server.memory);
    let metrics = site.metrics();
    app.count(move |registry| metrics.register(registry));
    let site = site.with_pages(web::owns, web::router(app));
    let wanted = arguments.listen.unwrap_or(config.server.listen);
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(wanted).await;
        let listener = listener.with_context(|| format!("cannot listen on `{wanted}`"))?;
        let (control, _socket) = web::control::bind(&root)?;
        serve::announce(context, listener.local_addr()?)?;
        let working = tokio::spawn(daemon::run(board, received, tools));
        let listeners = vec![Listener::Tcp(listener), control];
        crate::serve::run(listeners, site, stop::signal()).await;
        working.await.context("the daemon stopped")
    })?;
    Ok(Exit::Done)
}
