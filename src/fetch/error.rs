//! What can go wrong with one GET, and what follows from it.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;

use super::guard::Refusal;
use super::pace::Signal;
use super::reason::Reason;
use super::resolve;

/// One GET that gave no whole body.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The guard refused the URL, or an address that its name resolves to.
    #[error("`{url}` is not asked: {refusal}")]
    Blocked {
        /// The URL of the refused hop, shortened.
        url: String,
        /// Redirects before it.
        hop: usize,
        /// The rule it breaks.
        refusal: Refusal,
    },
    /// No address is known.
    #[error("`{host}` has no address")]
    Dns {
        /// As in the URL.
        host: String,
        /// The client's account, unless the operator's own table had the answer.
        source: Option<reqwest::Error>,
    },
    /// Nobody takes the connection.
    #[error("cannot connect to `{host}`")]
    Connect {
        /// As in the URL.
        host: String,
        /// The client's account.
        source: reqwest::Error,
    },
    /// The connection broke before the answer began.
    #[error("`{host}` dropped the connection")]
    Lost {
        /// As in the URL.
        host: String,
        /// The client's account.
        source: reqwest::Error,
    },
    /// No TLS session.
    #[error("no TLS session with `{host}`")]
    Tls {
        /// As in the URL.
        host: String,
        /// The client's account.
        source: reqwest::Error,
    },
    /// The answer is no HTTP.
    #[error("`{host}` does not speak HTTP")]
    Protocol {
        /// As in the URL.
        host: String,
        /// The client's account.
        source: reqwest::Error,
    },
    /// Nothing came for too long, or the whole took too long.
    #[error("`{host}` kept us waiting for more than {limit:?}")]
    Timeout {
        /// As in the URL.
        host: String,
        /// The limit that passed.
        limit: Duration,
    },
    /// Bytes came, but too few.
    #[error("`{host}` sends less than {rate} bytes a second")]
    TooSlow {
        /// As in the URL.
        host: String,
        /// Bytes a second that were wanted.
        rate: u64,
    },
    /// Another status than 200.
    #[error("status {}", status.as_u16())]
    Status {
        /// Of the last hop.
        status: StatusCode,
        /// How long the server asks to be left alone, at most a week.
        retry_after: Option<Duration>,
    },
    /// More redirects than are followed, or one to a URL that was asked before.
    #[error("redirected in a loop or too often, last to `{url}`")]
    Redirects {
        /// The hop that was not asked, shortened.
        url: String,
    },
    /// A redirect to what is no URL.
    #[error("redirected to `{location}`, which is no URL")]
    BadRedirect {
        /// As the server sent it, shortened.
        location: String,
    },
    /// The body is larger than allowed, or says so.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The body ended before its end.
    #[error("the body is not complete")]
    Truncated {
        /// The client's or the decoder's account.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A content coding that nobody asked for and that cannot be undone.
    #[error("content coding `{coding}` cannot be undone")]
    Encoding {
        /// As the server sent it, shortened.
        coding: String,
    },
}

impl Error {
    /// The word for it in reports.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Blocked { refusal, .. } => refusal.reason(),
            Self::BadRedirect { .. } => Reason::BlockedUrl,
            Self::Dns { .. } => Reason::Dns,
            Self::Connect { .. } | Self::Lost { .. } => Reason::Connect,
            Self::Tls { .. } => Reason::Tls,
            Self::Protocol { .. } => Reason::Protocol,
            Self::Timeout { .. } => Reason::Timeout,
            Self::TooSlow { .. } => Reason::TooSlow,
            Self::Status { status, .. } => Reason::Http(status.as_u16()),
            Self::Redirects { .. } => Reason::RedirectLimit,
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::Truncated { .. } => Reason::Truncated,
            Self::Encoding { .. } => Reason::Encoding,
        }
    }

    /// Whether the same request may succeed soon.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                status.is_server_error()
                    || matches!(*status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
            }
            Self::Lost { .. } | Self::Timeout { .. } | Self::Truncated { .. } => true,
            Self::Blocked { .. }
            | Self::BadRedirect { .. }
            | Self::Dns { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Protocol { .. }
            | Self::TooSlow { .. }
            | Self::Redirects { .. }
            | Self::TooLarge { .. }
            | Self::Encoding { .. } => false,
        }
    }

    /// Whether the URL itself, not one it redirects to, was refused by the guard. Nobody else may then be
    /// told of it.
    #[must_use]
    pub fn is_private(&self) -> bool {
        matches!(self, Self::Blocked { hop: 0, .. })
    }

    /// Whether the validators that were sent hold still (RFC 9110, section 15.4.5).
    #[must_use]
    pub fn is_not_modified(&self) -> bool {
        matches!(self, Self::Status { status: StatusCode::NOT_MODIFIED, .. })
    }

    /// What it tells of the host to whoever spaces the requests.
    #[must_use]
    pub fn signal(&self) -> Signal {
        match self {
            Self::Status { status, retry_after } if matches!(status.as_u16(), 429 | 503) => {
                Signal::SlowDown(*retry_after)
            }
            Self::Connect { .. }
            | Self::Lost { .. }
            | Self::Tls { .. }
            | Self::Protocol { .. }
            | Self::Timeout { .. }
            | Self::TooSlow { .. }
            | Self::Truncated { .. } => Signal::Failed,
            Self::Blocked { .. }
            | Self::BadRedirect { .. }
            | Self::Dns { .. }
            | Self::Status { .. }
            | Self::Redirects { .. }
            | Self::TooLarge { .. }
            | Self::Encoding { .. } => Signal::Fine,
        }
    }

    /// How long the server asked to be left alone, at most a week.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The message with its deepest cause, for a person who wants to know why.
    #[must_use]
    pub fn detail(&self) -> String {
        match causes(self).skip(1).last() {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }

    /// Tells what the client's error means for the request to `url`, `hop` redirects after the first.
    pub(super) fn from_client(error: reqwest::Error, url: &url::Url, hop: usize, connect: Duration) -> Self {
        let source = error.without_url();
        if let Some(resolve::Error::Refused(refusal)) = cause(&source) {
            return Self::Blocked { url: shortened(url.as_str()), hop, refusal: refusal.clone() };
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let lost = |kind| matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe);
        match io_kind(&source) {
            _ if source.is_timeout() => Self::Timeout { host, limit: connect },
            _ if source.is_dns() => Self::Dns { host, source: Some(source) },
            Some(kind) if lost(kind) => Self::Lost { host, source },
            // a TCP connection has no data to be wrong and no end to come too soon: that is the handshake
            Some(io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) if source.is_connect() => {
                Self::Tls { host, source }
            }
            _ if source.is_connect() => Self::Connect { host, source },
            None if is_nonsense(&source) => Self::Protocol { host, source },
            _ => Self::Lost { host, source },
        }
    }
}

/// As much of a URL as a message needs: a document may hold megabytes of it.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(300).collect()
}

/// The error, what caused it, what caused that, and so on.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (**error).source())
}

/// The first cause of type `E`.
fn cause<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// The kind of the system's or the TLS library's error. The layers above wrap one `io::Error` into another,
/// which [`StdError::source`] steps over.
fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut error = cause::<io::Error>(error)?;
    while let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        error = inner;
    }
    Some(error.kind())
}

/// Whether the HTTP client could not read the head of the answer. It does not let its error types be seen,
/// so this goes by the message; were that to change, the answer would count as a lost connection.
fn is_nonsense(error: &(dyn StdError + 'static)) -> bool {
    causes(error).last().is_some_and(|last| {
        let message = last.to_string();
        message.starts_with("invalid ") || message.contains("too large") || message.contains("parsed")
    })
}
