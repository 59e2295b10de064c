//! Exit codes: the contract with scripts.

use std::process::ExitCode;

use anyhow::Error;

use crate::{catalog, store};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All done.
    Done,
    /// Stopped by something that no other document could have helped.
    Fatal,
    /// The command line or the configuration is wrong.
    Usage,
    /// Finished, but something could not be archived or is not as it should be.
    Incomplete,
    /// Stopped at once by a second Ctrl-C: what a shell says of a program that SIGINT ended.
    Interrupted,
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Fatal => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error that the user can mend on the command line or in the configuration.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct UsageError(#[from] pub(crate) Error);

impl UsageError {
    pub(crate) fn because(message: impl Into<String>) -> Error {
        Self(anyhow::anyhow!(message.into())).into()
    }
}

/// What an error means for the exit code.
pub(crate) fn of(error: &Error) -> Exit {
    let usage = error.chain().any(|cause| {
        cause.is::<UsageError>()
            || cause.is::<crate::config::Error>()
            || cause.is::<crate::crawl::Error>()
            || cause.is::<crate::rewrite::link::ParseError>()
            || matches!(cause.downcast_ref(), Some(store::Error::Version { .. }))
            || matches!(
                cause.downcast_ref(),
                Some(
                    catalog::Error::Version { .. }
                        | catalog::Error::Foreign { .. }
                        | catalog::Error::Outdated { .. }
                        | catalog::Error::Url { .. }
                )
            )
    });
    if usage { Exit::Usage } else { Exit::Fatal }
}

/// Whether the reader of our output went away, which is its right.
pub(crate) fn is_broken_pipe(error: &Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
