//! One run of a command, and its part of the journal.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::catalog::journal::{Journal, LineRef};
use crate::catalog::row::RunRow;
use crate::files;

/// A run of a command that changes something; `restore --run` names it.
#[derive(Debug)]
pub struct Run {
    /// Its public name: the time it started and four random hex digits.
    pub name: String,
    pub(super) command: &'static str,
    /// Milliseconds since 1970.
    pub(super) started: i64,
    /// Made with the first batch that has something to remember.
    journal: Mutex<Option<Journal>>,
    /// How many files of the journal it has begun.
    parts: AtomicU32,
}

impl Run {
    /// Starts a run of `command`. The catalog hears of it with the first batch that has something to remember.
    #[must_use]
    pub fn start(command: &'static str) -> Self {
        let now = jiff::Timestamp::now();
        let name = format!("{}-{:04x}", now.strftime("%Y%m%dT%H%M%SZ"), fastrand::u16(..));
        Self {
            name,
            command,
            started: now.as_millisecond(),
            journal: Mutex::new(None),
            parts: AtomicU32::new(0),
        }
    }

    /// Adds lines to its journal in `folder`. Returns the name of the file and how long it is by then.
    pub(super) fn journal<'a>(
        &self,
        folder: &Path,
        lines: impl IntoIterator<Item = LineRef<'a>>,
    ) -> Result<(String, u64), files::Error> {
        let mut open = self.journal.lock().expect("no holder of the journal panics");
        let itself =
            RunRow { name: self.name.clone(), command: self.command.to_owned(), started: self.started };
        let mut journal = match open.take() {
            Some(journal) => journal,
            None => Journal::create(folder, &self.name, self.parts.fetch_add(1, Relaxed) + 1)?,
        };
        let first = (journal.length() == 0).then_some(LineRef::Run(&itself));
        // After an error it stays closed, and what comes later goes into another file.
        journal.append(first.into_iter().chain(lines.into_iter().map(shortened)))?;
        let end = (journal.name().to_owned(), journal.length());
        *open = Some(journal);
        Ok(end)
    }
}

/// The same line, borrowed for as long as another one.
fn shortened<'short, 'long: 'short>(line: LineRef<'long>) -> LineRef<'short> {
    line
}
