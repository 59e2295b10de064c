//! What the API says and is told of runs, for those who read and write it over a socket.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ops::lossy;
use crate::ops::runs::{Agenda, How, View};

/// An order to archive.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// What is wanted; there is only one kind so far.
    #[serde(default)]
    pub kind: OrderedKind,
    /// Documents and folders of documents; absolute, and text.
    #[serde(serialize_with = "lossy::all")]
    pub paths: Vec<PathBuf>,
    /// As on the command line.
    #[serde(default)]
    pub how: How,
}

/// What can be ordered with paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderedKind {
    /// As `imgkeep archive` does it.
    #[default]
    Archive,
}

/// What a process is at that serves the archive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Daemon {
    /// Its version.
    pub version: String,
    /// Equal for two processes that would archive alike.
    pub fingerprint: String,
    /// Whether it takes orders: not where images are only served.
    pub works: bool,
    /// What is planned, and whether anything is wrong.
    #[serde(flatten)]
    pub agenda: Agenda,
    /// What is under way, the newest first.
    pub running: Vec<View>,
    /// Runs that wait for their turn.
    pub queued: u64,
    /// The last run that ended.
    pub last: Option<View>,
}
