//! Images that nobody gave: when they are asked for again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Keeper, now};
use crate::catalog::OriginKey;
use crate::daemon::event::Event;
use crate::daemon::real::real;
use crate::ladder::schedule::Policy;
use crate::ops::retry::{self, Wanted};

/// An image that was asked for is not asked for again by the schedule before that, whatever the catalog says.
const TRIED: Duration = Duration::from_secs(3600);
/// If the catalog cannot be asked, it is asked again then.
const AGAIN: Duration = Duration::from_secs(60);

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Missed {
    pub(super) wanted: Wanted,
    /// When each of those was asked for that the daemon asked for of late.
    tried: HashMap<OriginKey, Instant>,
    pub(super) is_asking: bool,
    /// Whether the answer that is waited for may be old when it comes.
    is_news: bool,
    /// When the catalog is asked once more that could not be asked.
    pub(super) again: Option<Instant>,
}

impl Missed {
    /// Those whose time has come are asked for now.
    pub(super) fn take(&mut self) -> Wanted {
        let (wanted, now) = (std::mem::take(&mut self.wanted), Instant::now());
        self.tried.extend(wanted.due.iter().map(|key| (*key, now)));
        wanted
    }

    /// Before when each of them is passed over, in milliseconds since 1970.
    fn passed_over(&mut self) -> HashMap<OriginKey, i64> {
        let (clock, now) = (now(), Instant::now());
        self.tried.retain(|_, tried| now.duration_since(*tried) < TRIED);
        let until = |tried: &Instant| {
            let left = TRIED.saturating_sub(now.duration_since(*tried));
            clock.saturating_add(i64::try_from(left.as_millis()).unwrap_or(i64::MAX))
        };
        self.tried.iter().map(|(key, tried)| (*key, until(tried))).collect()
    }
}

impl Keeper {
    /// Finds out on another thread which images are asked for again, and when.
    pub(super) fn ask_what_is_wanted(&mut self) {
        if self.missed.is_asking {
            self.missed.is_news = true;
            return;
        }
        self.missed.is_asking = true;
        self.missed.again = None;
        let (archive, settings) = (Arc::clone(&self.archive), Arc::clone(&self.settings));
        let passed_over = self.missed.passed_over();
        let ask = move || {
            let options = &settings.options;
            let policy = Policy { fetch: &options.fetch, ladder: &options.ladder, media: &options.limits };
            // The catalog calls documents by where they really are.
            let folders: Vec<PathBuf> = settings.watch.iter().map(|folder| real(folder)).collect();
            let inside = |path: &Path| folders.iter().any(|folder| path.starts_with(folder));
            let not_before = |key| passed_over.get(&key).copied().unwrap_or(i64::MIN);
            Event::Wanted(retry::wanted(&archive, policy, now(), &inside, &not_before))
        };
        self.events.when_done(ask, |error| Event::Wanted(Err(error)));
    }

    pub(super) fn answered(&mut self, wanted: Result<Wanted>) {
        self.missed.is_asking = false;
        match wanted {
            Ok(wanted) => {
                let next = if wanted.due.is_empty() { wanted.next } else { Some(now()) };
                self.schedule.want(next);
                self.missed.wanted = wanted;
            }
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "it is not known which images are to be asked for again"
                );
                self.missed.again = Some(Instant::now() + AGAIN);
            }
        }
        if std::mem::take(&mut self.missed.is_news) {
            self.ask_what_is_wanted();
        }
    }
}
