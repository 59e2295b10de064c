//! Files on their way into a socket by `sendfile`: no byte of them passes through this program.
//!
//! hyper writes what a body gives it, in order, and knows nothing of files. So a body gives it a [`Piece`] that stands for so
//! many bytes of a file and holds none of them, and puts the file itself into the connection's [`Outbox`]. When the
//! piece's place in the stream is reached, the socket knows it by its address and sends from the file instead. Only HTTP/1.1 without
//! TLS can do so: whatever has to look at the bytes needs to have them. Where a file system has no `sendfile`, the bytes are
//! read and written instead, at the same place.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use hyper::body::{Buf, Bytes};
use rustix::fs::sendfile;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::serve::body;

/// The longest piece of a file, in bytes.
pub(super) const LONGEST: usize = 256 * 1024;

/// How much is read at a time of a file that cannot be sent, in bytes.
const CHUNK: usize = 64 * 1024;

/// Known by its address. It is never read, so it takes no memory.
static PLACE: LazyLock<Box<[u8]>> = LazyLock::new(|| vec![0; LONGEST].into_boxed_slice());

/// What a body gives to hyper.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    /// So many bytes of what is next in the outbox.
    OfFile(usize),
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::OfFile(length) => *length,
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::OfFile(length) => &PLACE[..*length],
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Bytes(bytes) => bytes.advance(count),
            Self::OfFile(length) => {
                *length = length.checked_sub(count).expect("no more is sent than there is");
            }
        }
    }
}

/// Whether `bytes` only stand for those of a file.
pub(super) fn is_place(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.as_ptr() == PLACE.as_ptr()
}

/// The parts of files that one connection is to send, in the order of their pieces.
#[derive(Debug, Default)]
pub(super) struct Outbox(Mutex<VecDeque<(Arc<File>, Range<u64>)>>);

impl Outbox {
    /// The start of `range`, and the piece that stands for it.
    pub(super) fn put(&self, file: &Arc<File>, range: &Range<u64>) -> Piece {
        let length = usize::try_from(range.end - range.start).unwrap_or(LONGEST).min(LONGEST);
        self.parts().push_back((Arc::clone(file), range.start..range.start + length as u64));
        Piece::OfFile(length)
    }

    /// Sends `most` bytes at most, as many as `socket` takes now.
    ///
    /// # Errors
    /// What the socket or the file says; that the file has become shorter.
    pub(super) fn send(&self, socket: impl AsFd, most: usize) -> io::Result<usize> {
        let by_system = |socket: BorrowedFd<'_>, file: &File, start: &mut u64, length: usize| {
            sendfile(socket, file, Some(start), length)
        };
        self.send_by(by_system, socket.as_fd(), most)
    }

    fn send_by(
        &self,
        sendfile: impl FnOnce(BorrowedFd<'_>, &File, &mut u64, usize) -> Result<usize, Errno>,
        socket: BorrowedFd<'_>,
        most: usize,
    ) -> io::Result<usize> {
        let mut parts = self.parts();
        let (file, range) = parts.front_mut().ok_or(io::ErrorKind::NotFound)?;
        let length = usize::try_from(range.end - range.start).unwrap_or(most).min(most);
        let sent = match sendfile(socket, file, &mut range.start, length) {
            // Not every file system can (sendfile(2)).
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                let bytes = body::read(file, range.start, length.min(CHUNK))?;
                let sent = send(socket, &bytes, SendFlags::NOSIGNAL)?;
                range.start += sent as u64;
                sent
            }
            sent => sent?,
        };
        if sent == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if range.is_empty() {
            parts.pop_front();
        }
        Ok(sent)
    }

    fn parts(&self) -> MutexGuard<'_, VecDeque<(Arc<File>, Range<u64>)>> {
        self.0.lock().expect("no holder of the parts panics")
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn pieces_are_sent_in_their_order_and_only_once() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let file = Arc::new(file);
        let outbox = Outbox::default();
        let mut pieces = vec![outbox.put(&file, &(7..10)), outbox.put(&file, &(0..4))];
        let (socket, mut other) = UnixStream::pair().unwrap();
        while let Some(piece) = pieces.first_mut() {
            assert!(is_place(piece.chunk()));
            let sent = outbox.send(&socket, piece.chunk().len().min(2)).unwrap();
            piece.advance(sent);
            if !piece.has_remaining() {
                pieces.remove(0);
            }
        }
        assert_eq!(outbox.send(&socket, 1).unwrap_err().kind(), io::ErrorKind::NotFound);
        drop(socket);
        let mut received = String::new();
        other.read_to_string(&mut received).unwrap();
        assert_eq!(received, "7890123");
    }

    #[test]
    fn what_cannot_be_sent_as_a_file_is_read_and_written() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..LONGEST).map(|n| (n % 251) as u8).collect();
        file.write_all(&bytes).unwrap();
        let file = Arc::new(file);
        for refusal in [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP] {
            let outbox = Outbox::default();
            let mut piece = outbox.put(&file, &(5..LONGEST as u64));
            let (socket, mut other) = UnixStream::pair().unwrap();
            let reading = std::thread::spawn(move || {
                let mut received = Vec::new();
                other.read_to_end(&mut received).unwrap();
                received
            });
            while piece.has_remaining() {
                let most = piece.remaining();
                piece.advance(outbox.send_by(|_, _, _, _| Err(refusal), socket.as_fd(), most).unwrap());
            }
            drop(socket);
            assert!(reading.join().unwrap() == bytes[5..], "{refusal}");
            assert!(outbox.parts().is_empty(), "{refusal}");
        }
    }

    #[test]
    fn what_the_socket_says_is_not_hidden() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123").unwrap();
        let outbox = Outbox::default();
        outbox.put(&Arc::new(file), &(0..4));
        let (socket, other) = UnixStream::pair().unwrap();
        let error = outbox.send_by(|_, _, _, _| Err(Errno::CONNRESET), socket.as_fd(), 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        drop(other);
        let error = outbox.send_by(|_, _, _, _| Err(Errno::INVAL), socket.as_fd(), 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_file_that_ends_early_is_an_error() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let outbox = Outbox::default();
        outbox.put(&file, &(0..4));
        let (socket, _other) = UnixStream::pair().unwrap();
        assert_eq!(outbox.send(&socket, 4).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn real_bytes_are_no_place() {
        let bytes = Bytes::from_static(b"x");
        assert!(!is_place(&bytes));
        assert!(!is_place(&[]));
        assert!(!is_place(Piece::Bytes(bytes).chunk()));
        assert!(!is_place(Piece::OfFile(0).chunk()));
    }
}
