//! The sockets that are served: those that the service manager opened (sd_listen_fds(3)), else one of our own.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use listenfd::ListenFd;
use rustix::net::listen;

use crate::serve::listener::Listener;
use crate::serve::tls::Certificates;

/// How many connections may wait to be accepted. `std` listens for 128: of more that come at once the rest is asked to
/// come again after one second, three, seven.
const BACKLOG: i32 = 1_024;

/// A socket that listens, on no runtime yet.
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Takes over the sockets that were handed to this process; if there are none, listens on `wanted`. To be called before
/// there are other threads, for it takes the variables out of the environment that speak of the sockets.
pub(super) fn sockets(wanted: SocketAddr) -> Result<Vec<Socket>> {
    let mut handed = ListenFd::from_env();
    if handed.len() == 0 {
        let listener = TcpListener::bind(wanted).with_context(|| format!("cannot listen on `{wanted}`"))?;
        listen(&listener, BACKLOG).context("cannot let more connections wait")?;
        listener.set_nonblocking(true)?;
        return Ok(vec![Socket::Tcp(listener)]);
    }
    let mut sockets = Vec::new();
    for index in 0..handed.len() {
        if let Ok(Some(listener)) = handed.take_unix_listener(index) {
            listener.set_nonblocking(true)?;
            sockets.push(Socket::Unix(listener));
        } else {
            let taken = handed.take_tcp_listener(index);
            let taken =
                taken.with_context(|| format!("socket {index} of the service manager cannot be served"))?;
            if let Some(listener) = taken {
                listener.set_nonblocking(true)?;
                sockets.push(Socket::Tcp(listener));
            }
        }
    }
    Ok(sockets)
}

impl Socket {
    /// Where it can be asked over the network.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// The same on this runtime. With certificates TLS is spoken over the network; on this machine it is not.
    pub(super) fn listen(self, certificates: Option<&Arc<Certificates>>) -> Result<Listener> {
        Ok(match (self, certificates) {
            (Self::Tcp(listener), None) => Listener::Tcp(tokio::net::TcpListener::from_std(listener)?),
            (Self::Tcp(listener), Some(certificates)) => {
                Listener::Tls(tokio::net::TcpListener::from_std(listener)?, Arc::clone(certificates))
            }
            (Self::Unix(listener), _) => Listener::Unix(tokio::net::UnixListener::from_std(listener)?),
        })
    }
}
