//! Serves what is kept until somebody asks the program to stop.

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::ops::{Archive, stop};
use crate::origin::proxy::Families;
use crate::serve::{self, Site};

/// Serves `archive` on `listener`. Scripts of the web origins in `cors` may read what is served.
pub async fn serve(listener: TcpListener, archive: &Archive, families: Families, cors: &[String]) {
    let (store, catalog) = (Arc::clone(&archive.store), Arc::clone(&archive.catalog));
    serve::run(listener, Site::new(store, catalog, families, cors), stop::signal()).await;
}
