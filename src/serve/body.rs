//! The bytes of a blob on their way out, a chunk at a time: memory does not grow with the file.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};

/// How much is read at a time, in bytes.
const CHUNK: u64 = 64 * 1024;

/// The bytes of `file` in `range`. Reads the first chunk, so it blocks; a small range is whole with it, and the file
/// closed.
///
/// # Errors
/// When the first chunk cannot be read, or the file ends before `range` does.
pub(super) fn of(file: File, mut range: Range<u64>) -> io::Result<Body> {
    let first = read(&file, &range)?;
    range.start += first.len() as u64;
    if range.is_empty() {
        return Ok(Body::from(first));
    }
    Ok(Body::new(Streamed { file: Arc::new(file), left: range, first: Some(first), reading: None }))
}

/// A chunk from the start of `range`.
fn read(file: &File, range: &Range<u64>) -> io::Result<Bytes> {
    let length = range.end.saturating_sub(range.start).min(CHUNK);
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes.into())
}

struct Streamed {
    file: Arc<File>,
    /// What is still to be sent behind `first`.
    left: Range<u64>,
    first: Option<Bytes>,
    /// The start of `left`, while it is read.
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Streamed {
    fn start(&self) -> JoinHandle<io::Result<Bytes>> {
        let (file, left) = (Arc::clone(&self.file), self.left.clone());
        spawn_blocking(move || read(&file, &left))
    }
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let mut reading = self.reading.take().unwrap_or_else(|| self.start());
        let Poll::Ready(read) = Pin::new(&mut reading).poll(context) else {
            self.reading = Some(reading);
            return Poll::Pending;
        };
        let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
        Poll::Ready(Some(read.map(|bytes| {
            self.left.start += bytes.len() as u64;
            Frame::data(bytes)
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, Bytes::len) as u64;
        SizeHint::with_exact(first + (self.left.end - self.left.start))
    }
}
