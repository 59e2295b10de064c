//! `imgkeep serve`: the kept images over HTTP.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use anyhow::Result;
use sd_notify::NotifyState;
use serde_json::json;
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{self, SignalKind};

use crate::cli::exit::Exit;
use crate::cli::{Context, Format, listen, print, setup};
use crate::ops::stop;
use crate::serve::tls::Certificates;
use crate::serve::{self, Site};
use crate::web;

/// Threads that answer. The unit is allowed 64 tasks (imgkeep-serve.service), these and [`READS`] among them.
const WORKERS: usize = 8;
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
    let archive = Arc::new(setup::archive_to_read(config)?);
    let app = setup::app(config, Arc::clone(&archive), Arc::default(), None)?;
    let (store, catalog) = (Arc::clone(&archive.store), Arc::clone(&archive.catalog));
    let site = Site::new(store, catalog, families, &config.server.cors).with_memory(config.server.memory);
    let metrics = site.metrics();
    app.count(move |registry| metrics.register(registry));
    let site = site.with_pages(web::owns, web::router(Arc::clone(&app)));
    let certificates = setup::certificates(config)?;
    let sockets = listen::sockets(arguments.listen.unwrap_or(config.server.listen))?;
    let runtime = setup::start(runtime)?;
    runtime.block_on(async {
        for address in sockets.iter().filter_map(listen::Socket::address) {
            app.access.listens_at(address.ip());
            announce(context, address)?;
        }
        let listeners = sockets.into_iter().map(|socket| socket.listen(certificates.as_ref()));
        let listeners = listeners.collect::<Result<Vec<_>>>()?;
        let status = format!("serving `{}`", archive.store.root().display());
        tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
        let stop = async {
            stop::signal().await;
            tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
        };
        let reloading = tokio::spawn(reload(certificates));
        serve::run(listeners, site, stop).await;
        reloading.abort();
        anyhow::Ok(())
    })?;
    // A read that hangs is not waited for.
    runtime.shutdown_background();
    Ok(Exit::Done)
}

/// Reads the certificates again whenever SIGHUP says so: they are renewed every few weeks.
async fn reload(certificates: Option<Arc<Certificates>>) {
    let mut hangup = match unix::signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => return tracing::warn!(%error, "signals cannot be heard"),
    };
    while hangup.recv().await.is_some() {
        let Some(certificates) = &certificates else { continue };
        match certificates.reload() {
            Ok(()) => tracing::info!("the certificates were read again"),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the certificates stay as they were: they could not be read again"
            ),
        }
    }
}

/// Tells the service manager, if there is one (sd_notify(3)).
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager does not listen");
    }
}

/// One thread for each core that this process may use, up to a bound. Where that is one, nothing is handed from thread
/// to thread.
fn runtime() -> io::Result<Runtime> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let mut runtime = match cores {
        1 => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    runtime.worker_threads(cores.min(WORKERS)).enable_all().max_blocking_threads(READS).build()
}

/// Says where it serves: who gave port 0 cannot know.
pub(super) fn announce(context: &Context, address: SocketAddr) -> Result<()> {
    let server = &context.config.server;
    let scheme = if server.tls_certificate.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}/");
    let mut out = io::stdout().lock();
    match context.format {
        Format::Human => {
            let store = context.config.store.path.display();
            writeln!(out, "serving {store} at {url} until Ctrl-C")?;
        }
        Format::Json => print::json(&json!({ "listen": address, "url": url }), &mut out)?,
    }
    Ok(out.flush()?)
}
