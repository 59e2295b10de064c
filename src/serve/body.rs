//! The content of an answer on its way out. Memory does not grow with the file: its bytes go from the file into the
//! socket, or where that cannot be, a chunk at a time.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::serve::outbox::{LONGEST, Outbox, Piece};

/// How much is read at a time, in bytes.
const CHUNK: usize = 64 * 1024;
/// What all answers of one connection may have been read and not sent, in bytes: over HTTP/2 there are many of them, and a
/// client need not take any.
const UNSENT: usize = 256 * 1024;
/// The same of all connections together.
const UNSENT_IN_ALL: usize = 16 << 20;
/// How much of an answer is read nevertheless, so that none is held up by the others.
const LEAST: usize = 2 * 1024;

/// What follows the head of an answer.
#[derive(Debug)]
pub(super) enum Body {
    Bytes(Bytes),
    Sent(Sent),
    Read(ReadFile),
    /// From whoever has the pages.
    Page(axum::body::Body),
}

impl Body {
    pub(super) fn empty() -> Self {
        Self::Bytes(Bytes::new())
    }

    /// The bytes of `file` in `range`, on their `way` to the client.
    pub(super) fn of_file(file: Arc<File>, range: Range<u64>, way: &Way) -> Self {
        match way {
            Way::Sent(outbox) => {
                Self::Sent(Sent { file, left: range, outbox: Arc::clone(outbox), warming: None })
            }
            Way::Read(unsent) => {
                Self::Read(ReadFile { file, left: range, unsent: Arc::clone(unsent), reading: None })
            }
        }
    }
}

/// How the bytes of files come to a client.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// The socket sends the file.
    Sent(Arc<Outbox>),
    /// They are read, and it is counted how many of them are not sent yet.
    Read(Arc<Account>),
}

/// Bytes that were read and not sent yet.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Of one connection.
    own: AtomicUsize,
    /// Of all of them.
    all: Arc<AtomicUsize>,
}

impl Account {
    /// For a connection of those whose bytes `all` counts.
    pub(super) fn new(all: &Arc<AtomicUsize>) -> Self {
        Self { own: AtomicUsize::new(0), all: Arc::clone(all) }
    }

    /// How much to read next.
    fn room(&self) -> usize {
        let left = |most: usize, count: &AtomicUsize| most.saturating_sub(count.load(Ordering::Relaxed));
        left(UNSENT, &self.own).min(left(UNSENT_IN_ALL, &self.all)).clamp(LEAST, CHUNK)
    }

    fn add(&self, bytes: usize) {
        self.own.fetch_add(bytes, Ordering::Relaxed);
        self.all.fetch_add(bytes, Ordering::Relaxed);
    }

    fn take(&self, bytes: usize) {
        self.own.fetch_sub(bytes, Ordering::Relaxed);
        self.all.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::Bytes(Bytes::from_static(text.as_bytes()))
    }
}

type Polled = Poll<Option<io::Result<Frame<Piece>>>>;

impl HttpBody for Body {
    type Data = Piece;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        match &mut *self {
            Self::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(Piece::Bytes(std::mem::take(bytes)))))),
            Self::Sent(sent) => sent.poll(context),
            Self::Read(read) => read.poll(context),
            Self::Page(page) => Pin::new(page).poll_frame(context).map(|frame| {
                frame.map(|frame| frame.map(|frame| frame.map_data(Piece::Bytes)).map_err(io::Error::other))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Sent(sent) => sent.left.is_empty(),
            Self::Read(read) => read.left.is_empty(),
            Self::Page(page) => page.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Sent(Sent { left, .. }) | Self::Read(ReadFile { left, .. }) => {
                SizeHint::with_exact(left.end - left.start)
            }
            Self::Page(page) => page.size_hint(),
        }
    }
}

/// A file that the socket sends.
#[derive(Debug)]
pub(super) struct Sent {
    file: Arc<File>,
    left: Range<u64>,
    outbox: Arc<Outbox>,
    /// While the next piece comes from the disk.
    warming: Option<JoinHandle<io::Result<()>>>,
}

impl Sent {
    fn poll(&mut self, context: &mut Context<'_>) -> Polled {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let end = self.left.end.min(self.left.start + LONGEST as u64);
        if self.warming.is_none() && !is_warm(&self.file, end) {
            // A disk that takes its time would keep everybody waiting.
            let (file, piece) = (Arc::clone(&self.file), self.left.start..end);
            self.warming = Some(spawn_blocking(move || warm(&file, piece)));
        }
        if let Some(warming) = &mut self.warming {
            let warmed = ready!(Pin::new(warming).poll(context));
            self.warming = None;
            if let Err(error) = warmed.unwrap_or_else(|error| Err(io::Error::other(error))) {
                return Poll::Ready(Some(Err(error)));
            }
        }
        let piece = self.outbox.put(&self.file, &self.left);
        self.left.start = end;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

/// Whether the byte before `end` is in memory, and so most likely those before it.
fn is_warm(file: &File, end: u64) -> bool {
    let mut byte = [0];
    let read = preadv2(file, &mut [IoSliceMut::new(&mut byte)], end - 1, ReadWriteFlags::NOWAIT);
    !matches!(read, Err(Errno::AGAIN | Errno::NOTSUP))
}

/// Has the system read `range` into memory.
fn warm(file: &File, mut range: Range<u64>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    while !range.is_empty() {
        let length = usize::try_from(range.end - range.start).unwrap_or(CHUNK).min(CHUNK);
        file.read_exact_at(&mut buffer[..length], range.start)?;
        range.start += length as u64;
    }
    Ok(())
}

/// A file that is read: for a connection that has to look at every byte.
#[derive(Debug)]
pub(super) struct ReadFile {
    file: Arc<File>,
    left: Range<u64>,
    unsent: Arc<Account>,
    /// While the start of `left` is read.
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl ReadFile {
    fn poll(&mut self, context: &mut Context<'_>) -> Polled {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let (file, unsent, start) = (&self.file, &self.unsent, self.left.start);
        let left = usize::try_from(self.left.end - start).unwrap_or(CHUNK);
        let reading = self.reading.get_or_insert_with(|| {
            let length = unsent.room().min(left);
            unsent.add(length);
            let unsent = Unsent { bytes: Vec::new(), length, of_all: Arc::clone(unsent) };
            let file = Arc::clone(file);
            spawn_blocking(move || unsent.read(&file, start))
        });
        let bytes = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let bytes = bytes.unwrap_or_else(|error| Err(io::Error::other(error)));
        Poll::Ready(Some(bytes.map(|bytes| {
            self.left.start += bytes.len() as u64;
            Frame::data(Piece::Bytes(bytes))
        })))
    }
}

/// Bytes that count until they are dropped, which is when they were sent.
struct Unsent {
    bytes: Vec<u8>,
    length: usize,
    of_all: Arc<Account>,
}

impl Unsent {
    fn read(mut self, file: &File, start: u64) -> io::Result<Bytes> {
        self.bytes = read(file, start, self.length)?;
        Ok(Bytes::from_owner(self))
    }
}

impl AsRef<[u8]> for Unsent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.of_all.take(self.length);
    }
}

/// So many bytes of `file` from `start` on.
///
/// # Errors
/// What the disk says; that the file is shorter.
pub(super) fn read(file: &File, start: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let next = start + bytes.len() as u64;
        match pread(file, spare_capacity(&mut bytes), next) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // The allocator may have given more than was asked for.
    bytes.truncate(length);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_takes_is_bounded_for_each_and_for_all() {
        let all = Arc::default();
        let mut accounts = Vec::new();
        for _ in 0..UNSENT_IN_ALL / UNSENT {
            let account = Account::new(&all);
            while account.room() > LEAST {
                account.add(account.room());
            }
            assert!(account.own.load(Ordering::Relaxed) <= UNSENT);
            accounts.push(account);
        }
        assert!(all.load(Ordering::Relaxed) <= UNSENT_IN_ALL);
        let late = Account::new(&all);
        late.add(LEAST);
        let left = UNSENT_IN_ALL.saturating_sub(all.load(Ordering::Relaxed));
        assert_eq!(late.room(), left.clamp(LEAST, CHUNK), "it shares what is left");
        let held = accounts.iter().map(|account| account.own.load(Ordering::Relaxed)).sum::<usize>();
        accounts[0].take(accounts[0].own.load(Ordering::Relaxed));
        assert!(held > UNSENT_IN_ALL / 2 && late.room() == CHUNK, "there is room again");
    }
}
