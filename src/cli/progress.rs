//! How far a run is: bars on a terminal, a line now and then elsewhere. On stderr.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::cli::print::{Bytes, Count};
use crate::ops::archive::{Moment, Progress};

/// Between two looks at the counters.
const TICK: Duration = Duration::from_millis(100);
/// Between two lines where there is no terminal.
const LINE: Duration = Duration::from_secs(10);

/// Shows progress until it is dropped.
pub(super) struct Display {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Display {
    pub(super) fn start(progress: Arc<Progress>, quiet: bool) -> Self {
        if quiet {
            return Self { stop: None, thread: None };
        }
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || match io::stderr().is_terminal() {
            true => bars(&progress, &stopped),
            false => lines(&progress, &stopped),
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A display that broke is no reason to fail a run.
            let _ = thread.join();
        }
    }
}

fn bars(progress: &Progress, stopped: &mpsc::Receiver<()>) {
    let style =
        |template: &str| ProgressStyle::with_template(template).expect("the templates below are valid");
    let all = MultiProgress::new();
    let documents = all.add(ProgressBar::new(0));
    documents.set_style(style("{prefix:>10} {bar:30} {pos}/{len} {wide_msg}").progress_chars("━╸ "));
    documents.set_prefix("documents");
    let images = all.add(ProgressBar::new_spinner());
    images.set_style(style("{prefix:>10} {spinner} {wide_msg}"));
    images.set_prefix("images");
    let started = Instant::now();
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
        let now = progress.now();
        documents.set_length(now.to_read);
        documents.set_position(now.documents);
        images.set_message(describe(&now, started.elapsed()));
        images.tick();
    }
    // The bars' lines may be gone with the terminal.
    let _ = all.clear();
}

fn lines(progress: &Progress, stopped: &mpsc::Receiver<()>) {
    let started = Instant::now();
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(LINE) {
        let now = progress.now();
        let text = describe(&now, started.elapsed());
        // Nobody is left to tell if stderr is closed.
        let _ = writeln!(io::stderr(), "imgkeep: {}/{} documents, {text}", now.documents, now.to_read);
    }
}

fn describe(now: &Moment, elapsed: Duration) -> String {
    let rate = Bytes((now.bytes as f64 / elapsed.as_secs_f64().max(0.1)) as u64);
    let mut text = format!("{}, {}, {rate}/s", Count(now.images, "image"), Bytes(now.bytes));
    if now.failures > 0 {
        text.push_str(&format!(", {} failed", now.failures));
    }
    text
}
