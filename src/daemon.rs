//! The service: archives what appears and what is ordered, looks after the store, and serves it.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::spawn_blocking;

use crate::crawl;
use crate::fetch::Fetcher;
use crate::ops::archive::{self, Options, Progress, Report, Update};
use crate::ops::runs::{Board, How, Order, Work};
use crate::ops::{Archive, Reader, stop};
use crate::resolve::Scope;

/// What a run needs.
pub struct Tools {
    /// How documents are read.
    pub reader: Reader,
    /// The store and the catalog.
    pub archive: Arc<Archive>,
    /// Who downloads.
    pub fetcher: Arc<Fetcher>,
    /// As configured.
    pub options: Options,
}

/// Works until somebody asks the program to stop.
pub async fn run(board: Arc<Board>, mut orders: UnboundedReceiver<Order>, tools: Tools) {
    let stop = stop::signal();
    tokio::pin!(stop);
    loop {
        let order = tokio::select! {
            Some(order) = orders.recv() => order,
            () = &mut stop => return,
        };
        if !board.is_queued(&order.id) {
            continue;
        }
        let progress = board.start(&order.id);
        let (paths, how) = match order.work {
            Work::Archive { paths, how } => (paths, how),
            Work::Retry { .. } => {
                board.done(&order.id, "asked again".to_owned());
                continue;
            }
        };
        let options = Options { stop: board.stop_of(&order.id), ..tools.options.clone() };
        let work = archive(&tools, paths, &how, options, progress);
        tokio::pin!(work);
        let done = tokio::select! {
            done = &mut work => done,
            () = &mut stop => {
                board.cancel(&order.id);
                work.await
            }
        };
        match done {
            Ok(report) => board.report(&order.id, report),
            Err(error) => board.fail(&order.id, format!("{error:#}")),
        }
    }
}

async fn archive(
    tools: &Tools,
    paths: Vec<PathBuf>,
    how: &How,
    options: Options,
    progress: Arc<Progress>,
) -> anyhow::Result<Report> {
    let mut reader = tools.reader.clone();
    match how.scope.as_deref() {
        Some("all") => reader.rules.set_scope(Scope::All),
        Some("proxied") => reader.rules.set_scope(Scope::Proxied),
        _ => {}
    }
    if let Some(link) = &how.link {
        reader.link = link.parse()?;
    }
    let options = Options {
        link: reader.link.clone(),
        rewrite: !how.no_rewrite,
        retry: how.retry,
        update: match (how.update, how.follow) {
            (_, true) => Update::Follow,
            (true, false) => Update::Keep,
            (false, false) => Update::No,
        },
        ..options
    };
    let reader = Arc::new(reader);
    let archive = Arc::clone(&tools.archive);
    let (found, known) = spawn_blocking({
        let (reader, archive) = (Arc::clone(&reader), Arc::clone(&archive));
        move || anyhow::Ok((crawl::walk(&paths, &reader.crawl)?, archive.catalog.documents()?))
    })
    .await??;
    let fetcher = Arc::clone(&tools.fetcher);
    let mut report =
        archive::archive(reader, archive, fetcher, found.entries, known, options, progress).await?;
    report.skip_all(found.skipped);
    Ok(report)
}
