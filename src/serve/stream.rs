//! What a connection is read from and written to.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{SendFlags, send};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use crate::serve::outbox::{Outbox, is_place};

/// A connected socket.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The same for every kind of socket.
macro_rules! each {
    ($stream:expr, $socket:ident => $result:expr) => {
        match $stream {
            Stream::Tcp($socket) => $result,
            Stream::Unix($socket) => $result,
            Stream::Tls($socket) => $result,
        }
    };
}

impl Stream {
    /// Whether files can be sent on it without being read.
    pub(super) fn sends_files(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) => true,
            Self::Tls(_) => false,
        }
    }

    /// Writes as many of the bytes as fit; those that only stand for a file come from `outbox`.
    pub(super) fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        outbox: &Outbox,
    ) -> Poll<io::Result<usize>> {
        let mut slices = slices.iter().skip_while(|slice| slice.is_empty());
        let Some(first) = slices.next() else { return Poll::Ready(Ok(0)) };
        if is_place(first) {
            return self.poll_with(context, |socket| outbox.send(socket, first.len()));
        }
        // The system waits for the file, so that its first bytes are sent along.
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        self.poll_with(context, |socket| Ok(send(socket, first, flags)?))
    }

    /// Does `write` when the socket has room.
    fn poll_with(
        &mut self,
        context: &mut Context<'_>,
        mut write: impl FnMut(std::os::fd::BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let written = match self {
                Self::Tcp(socket) => {
                    ready!(socket.poll_write_ready(context))?;
                    socket.try_io(Interest::WRITABLE, || write(socket.as_fd()))
                }
                Self::Unix(socket) => {
                    ready!(socket.poll_write_ready(context))?;
                    socket.try_io(Interest::WRITABLE, || write(socket.as_fd()))
                }
                Self::Tls(_) => return Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(&mut *self, socket => Pin::new(socket).poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(&mut *self, socket => Pin::new(socket).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(&mut *self, socket => Pin::new(socket).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, socket => socket.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut *self, socket => Pin::new(socket).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut *self, socket => Pin::new(socket).poll_shutdown(context))
    }
}
