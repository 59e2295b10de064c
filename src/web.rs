//! What a person or a program is shown of the archive over HTTP, and may ask of it.
//!
//! ```text
//! serve ── request ─▶ access ─┬─▶ gallery   pages for a browser
//!  (images, proxies)          ├─▶ api       JSON, runs, their progress
//!                             └─▶ metrics   for Prometheus
//! ```
//!
//! [`access`] says who may look and who may change something. What is changed is only [ordered](runs::Order) here: the
//! daemon does it in its turn. Where there is no daemon, nothing can be changed.

use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use axum::Router;
use axum::middleware::from_fn_with_state;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc::UnboundedSender;

use crate::fetch;
use crate::ladder::schedule::Policy;
use crate::ops::runs::{self, Board};
use crate::ops::{Archive, Reader};
use crate::rewrite::link::LinkStyle;
use crate::{ladder, media};

pub mod access;
mod api;
pub mod control;
mod gallery;
mod metrics;
mod orders;
mod problem;
mod summary;
mod turns;

/// What the pages are made of.
#[derive(Debug)]
pub struct App {
    /// The store and the catalog.
    pub archive: Arc<Archive>,
    /// What is under way in this process.
    pub board: Arc<Board>,
    /// Where orders go; `None` where nobody works on them.
    pub orders: Option<UnboundedSender<runs::Order>>,
    /// Who may look, and who may change something.
    pub access: access::Access,
    settings: RwLock<Arc<Settings>>,
    listeners: api::Listeners,
    summaries: summary::Summaries,
    turns: turns::Turns,
    counted: metrics::Counted,
    thumbnails: gallery::thumbnails::Thumbnails,
    sums: gallery::overview::Sums,
}

/// What the pages need of the configuration.
#[derive(Debug)]
pub struct Settings {
    /// How to ask and how often.
    pub fetch: fetch::Options,
    /// Whom to ask.
    pub ladder: ladder::Options,
    /// What counts as a sane image.
    pub media: media::Limits,
    /// How documents are read.
    pub reader: Reader,
    /// How kept links are written.
    pub link: LinkStyle,
    /// Folders that may be archived by order, absolute.
    pub allowed: Vec<PathBuf>,
    /// Equal for two processes that would archive alike.
    pub fingerprint: String,
}

impl Settings {
    /// What answers are judged by.
    #[must_use]
    pub fn policy(&self) -> Policy<'_> {
        Policy { fetch: &self.fetch, ladder: &self.ladder, media: &self.media }
    }
}

impl App {
    /// An app that shows `archive`.
    #[must_use]
    pub fn new(
        archive: Arc<Archive>,
        board: Arc<Board>,
        orders: Option<UnboundedSender<runs::Order>>,
        access: access::Access,
        settings: Settings,
    ) -> Self {
        let settings = RwLock::new(Arc::new(settings));
        let (listeners, summaries, counted, turns) = Default::default();
        let (thumbnails, sums) = Default::default();
        Self {
            archive,
            board,
            orders,
            access,
            settings,
            listeners,
            summaries,
            turns,
            counted,
            thumbnails,
            sums,
        }
    }

    /// Has `register` add what somebody else counts to the numbers for Prometheus, each time they are asked for.
    pub fn count(&self, register: impl Fn(&mut Registry) + Send + Sync + 'static) {
        self.counted.add(Box::new(register));
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().expect("no holder of the settings panics"))
    }

    /// Puts other settings in force.
    pub fn set(&self, settings: Settings) {
        *self.settings.write().expect("no holder of the settings panics") = Arc::new(settings);
    }
}

/// The first segments of the paths of all pages but `/`. Below `/images/` are the images themselves.
const PATHS: [&str; 13] = [
    "api",
    "assets",
    "document",
    "documents",
    "failures",
    "image",
    "images",
    "metrics",
    "retry",
    "runs",
    "sign-in",
    "sign-out",
    "thumbnails",
];

/// Whether `path` is that of a page, there or not.
#[must_use]
pub fn owns(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    path == "/" || !path.starts_with("/images/") && PATHS.binary_search(&first).is_ok()
}

/// All pages, for [`Site::with_pages`](crate::serve::Site::with_pages).
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .merge(gallery::routes())
        .merge(api::routes())
        .merge(metrics::routes())
        .merge(access::routes())
        .fallback(async || crate::serve::not_kept())
        .layer(from_fn_with_state(Arc::clone(&app), access::judge))
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_leave_the_images_and_what_is_meant_for_proxies_alone() {
        assert!(PATHS.is_sorted());
        for path in ["/", "/images", "/image/9f", "/api/v1/runs", "/metrics"] {
            assert!(owns(path), "{path}");
        }
        for path in ["/images/9f/9f.png", "/images/", "/healthz", "/http://a.example/b.png", "/apis", "//"] {
            assert!(!owns(path), "{path}");
        }
    }
}
