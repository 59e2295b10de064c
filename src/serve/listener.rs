//! Where connections come from, and who is at their other end.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UnixListener};

use crate::serve::stream::Stream;
use crate::serve::tls::Certificates;

/// How many bytes that are not yet on their way the system holds for a connection. What it would hold otherwise grows
/// with what the client once took, to some MiB each, and a thousand clients that stop reading take all the memory that
/// the system has for TCP: then everybody's connections are reset. What is on its way is bounded by what the client says
/// it has room for (RFC 9293, 3.8.6).
const UNSENT: u32 = 64 << 10;

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
                if let Err(error) = prepare(&stream) {
                    tracing::debug!(%error, "a connection is as the system makes them");
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

/// Packets leave at once, and few of them wait.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(UNSENT)
}
