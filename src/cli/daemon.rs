//! `imgkeep daemon`: the service.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::{mpsc, watch};

use crate::cli::exit::Exit;
use crate::cli::{Context, archive, listen, serve, setup, stop};
use crate::config::Config;
use crate::config::sources::Sources;
use crate::daemon::lock::Lock;
use crate::daemon::{Daemon, Reload, Settings};
use crate::ops::stop::Stop;
use crate::serve::Site;
use crate::serve::listener::Listener;
use crate::serve::tls::Certificates;
use crate::web::App;
use crate::{daemon, web};

/// How long the program waits for threads that hang when it ends.
const LAST_WAIT: Duration = Duration::from_millis(200);

/// Threads for what blocks: runs, and reads for those who ask. Others wait.
const THREADS: usize = 64;

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
    // Before the address is taken: who started it twice is told of the other daemon, not of its port.
    let _lock = Lock::take(archive.store.root())?;
    let sockets = listen::sockets(arguments.listen.unwrap_or(config.server.listen))?;
    let own: Vec<SocketAddr> = sockets.iter().filter_map(listen::Socket::address).collect();
    let first = settings(config, &own)?;
    let (orders, received) = mpsc::unbounded_channel();
    let board = Arc::default();
    let app = setup::app(config, Arc::clone(&archive), Arc::clone(&board), Some(orders))?;
    let (store, catalog) = (Arc::clone(&archive.store), Arc::clone(&archive.catalog));
    let site = Site::new(store, catalog, families, &config.server.cors).with_memory(config.server.memory);
    let metrics = site.metrics();
    app.count(move |registry| metrics.register(registry));
    let site = site.with_pages(web::owns, web::router(Arc::clone(&app)));
    let certificates = setup::certificates(config)?;
    let (root, access) = (archive.store.root().to_owned(), Arc::clone(&app));
    let reload = reload(context.sources.clone(), config.clone(), own, app, certificates.clone());
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = setup::start(|| runtime.enable_all().max_blocking_threads(THREADS).build())?;
    let ended = stop::unless_asked_twice(&runtime, async |asked: Stop| {
        let daemon =
            Daemon { archive, board, orders: received, settings: first, reload, stop: asked.clone() };
        // It stays until the end, and is removed then.
        let (control, _socket) = web::control::bind(&root)?;
        for address in sockets.iter().filter_map(listen::Socket::address) {
            access.access.listens_at(address.ip());
            serve::announce(context, address)?;
        }
        let listeners = sockets.into_iter().map(|socket| socket.listen(certificates.as_ref()));
        let mut listeners = listeners.collect::<Result<Vec<Listener>>>()?;
        listeners.push(control);
        let (stopping, stopped) = watch::channel(false);
        let stop = Stop::WhenTold(stopped);
        let serving = tokio::spawn(async move { crate::serve::run(listeners, site, stop.asked()).await });
        let mut working = tokio::spawn(daemon::run(daemon));
        let worked = tokio::select! {
            worked = &mut working => worked,
            () = asked.asked() => {
                // Both at once: each may take a few seconds to end in good order.
                stopping.send_replace(true);
                working.await
            }
        };
        stopping.send_replace(true);
        serving.await.context("the server stopped")?;
        worked.context("the daemon stopped")?
    });
    runtime.shutdown_timeout(LAST_WAIT);
    ended??;
    Ok(Exit::Done)
}

/// What the daemon goes by; it listens at `own`.
fn settings(config: &Config, own: &[SocketAddr]) -> Result<Settings> {
    let link = setup::link(config, None)?;
    let mut options = archive::options(config, link, true)?;
    // Whoever is at work on a document is waited for, but not by the others.
    options.replace.patience = Duration::from_millis(250);
    options.plans = 1;
    // The program stays, and several runs may be under way.
    options.window = 500;
    let absolute =
        |path: &PathBuf| std::path::absolute(path).with_context(|| format!("`{}`", path.display()));
    Ok(Settings {
        reader: Arc::new(setup::reader(config)?),
        options,
        fetcher: setup::fetcher(config, own)?,
        watch: config.daemon.watch.iter().map(absolute).collect::<Result<_>>()?,
        settle: config.daemon.settle,
        poll: config.daemon.poll,
        reconcile: config.daemon.reconcile,
        scrub: config.daemon.scrub,
        grace: config.gc.grace,
        fingerprint: config.fingerprint(),
    })
}

/// Reads the configuration again from where it came from; `started` is the one that cannot be left.
fn reload(
    sources: Sources,
    started: Config,
    own: Vec<SocketAddr>,
    app: Arc<App>,
    certificates: Option<Arc<Certificates>>,
) -> Reload {
    Arc::new(move || {
        let config = Config::load(&sources)?;
        let fixed = [
            ("store", config.store == started.store),
            ("catalog", config.catalog == started.catalog),
            ("server", config.server == started.server),
        ];
        for (section, _) in fixed.into_iter().filter(|(_, is_same)| !is_same) {
            tracing::warn!(section, "it was changed, and is in force after a restart only");
        }
        let config = Config {
            store: started.store.clone(),
            catalog: started.catalog.clone(),
            server: started.server.clone(),
            ..config
        };
        let settings = settings(&config, &own)?;
        certificates.iter().try_for_each(|certificates| certificates.reload())?;
        app.set(setup::settings(&config)?);
        Ok(settings)
    })
}
