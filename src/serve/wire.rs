//! Between hyper and the socket: what is sent is noted, and files are sent as files.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::serve::activity::{Activity, Request};
use crate::serve::body::Body;
use crate::serve::outbox::{Outbox, Piece, is_place};
use crate::serve::progress::Progress;
use crate::serve::stream::Stream;

/// A socket that notes what it sends. What it receives does not count: a byte now and then is no request.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    activity: Arc<Activity>,
    outbox: Arc<Outbox>,
    progress: Progress,
}

impl Wire {
    pub(super) fn new(stream: Stream, activity: Arc<Activity>, outbox: Arc<Outbox>) -> Self {
        Self { stream, activity, outbox, progress: Progress::default() }
    }

    /// Notes what was written of `slices`.
    fn note(&mut self, slices: &[IoSlice<'_>], written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(bytes)) => {
                let (mut left, mut is_progress) = (*bytes, false);
                for slice in slices {
                    let (sent, _) = slice.split_at(slice.len().min(left));
                    left -= sent.len();
                    is_progress |= self.progress.takes(sent);
                }
                self.activity.sent(*bytes, is_progress);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.activity.is_blocked(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = &mut *self;
        let written = if slices.iter().any(|slice| is_place(slice)) {
            wire.stream.poll_send(context, slices, &wire.outbox)
        } else {
            Pin::new(&mut wire.stream).poll_write_vectored(context, slices)
        };
        wire.note(slices, &written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        // A piece that stands for a file must never be copied into a buffer.
        self.stream.sends_files() || self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The body of an answer; its request ends with it.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    _request: Request,
}

impl Answer {
    pub(super) fn new(body: Body, request: Request) -> Self {
        Self { body, _request: request }
    }
}

impl HttpBody for Answer {
    type Data = Piece;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, io::Error>>> {
        // What is read is not sent yet, so it does not count.
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
