//! Where connections come from, and who is at their other end.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};

use crate::serve::stream::Stream;
use crate::serve::tls::Certificates;

/// A socket that is bound and listens.
#[derive(Debug)]
pub enum Listener {
    /// On an address.
    Tcp(TcpListener),
    /// On an address, for those who speak TLS.
    Tls(TcpListener, Arc<Certificates>),
    /// On a file of this machine, for whoever may open it: a reverse proxy, most likely.
    Unix(UnixListener),
    /// The daemon's own, for those who give orders.
    Control(UnixListener),
}

/// Who asks. Each request has it among its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Somebody at this address.
    Address(IpAddr),
    /// Somebody who came through a socket's file: whom it speaks for is not known.
    Socket,
    /// A process on this machine that may open the control socket, and the user it belongs to.
    Control(u32),
}

impl Listener {
    /// The next connection.
    ///
    /// # Errors
    /// What the system says, most likely that there are too many.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) | Self::Tls(listener, _) => {
                let (stream, address) = listener.accept().await?;
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection sends its packets late");
                }
                Ok((Stream::Tcp(stream), Peer::Address(address.ip().to_canonical())))
            }
            Self::Unix(listener) => Ok((Stream::Unix(listener.accept().await?.0), Peer::Socket)),
            Self::Control(listener) => {
                let (stream, _) = listener.accept().await?;
                let user = stream.peer_cred()?.uid();
                Ok((Stream::Unix(stream), Peer::Control(user)))
            }
        }
    }

    /// Whether orders come by it, and nobody over the network.
    pub(super) fn is_control(&self) -> bool {
        matches!(self, Self::Control(_))
    }

    /// What its connections have to show, if they speak TLS.
    pub(super) fn certificates(&self) -> Option<Arc<Certificates>> {
        match self {
            Self::Tls(_, certificates) => Some(Arc::clone(certificates)),
            Self::Tcp(_) | Self::Unix(_) | Self::Control(_) => None,
        }
    }
}
