//! Which of the bytes that are sent are of an answer.
//!
//! Over HTTP/1.1 all of them are. HTTP/2 also has frames of its own, and a client can have as many of them sent as it likes
//! without asking for anything or taking any of an answer: each PING is acknowledged (RFC 9113, section 6.7). There only the
//! content of DATA frames counts. It is counted where it is sent, not where an answer is made, so that a slow reader
//! is told from one that reads nothing.

/// Length, type, flags and stream of a frame (RFC 9113, section 4.1).
const HEAD: usize = 9;
/// The type of a frame with content.
const DATA: u8 = 0;

/// What was sent of one connection so far.
#[derive(Debug, Default)]
pub(super) enum Progress {
    /// Nothing.
    #[default]
    None,
    /// HTTP/1.1.
    Whole,
    /// HTTP/2: so much of a frame's head, and after it what is left of its payload.
    Frames { head: [u8; HEAD], have: usize, left: usize },
}

impl Progress {
    /// Whether content is among `bytes`, which are sent next.
    pub(super) fn takes(&mut self, mut bytes: &[u8]) -> bool {
        if let (Self::None, Some(first)) = (&*self, bytes.first()) {
            // An answer begins with its version; the first frame of a server is SETTINGS, shorter than 64 KiB.
            *self =
                if *first == b'H' { Self::Whole } else { Self::Frames { head: [0; HEAD], have: 0, left: 0 } };
        }
        let Self::Frames { head, have, left } = self else { return !bytes.is_empty() };
        let mut has_content = false;
        while !bytes.is_empty() {
            if *have < HEAD {
                let (part, rest) = bytes.split_at(bytes.len().min(HEAD - *have));
                head[*have..*have + part.len()].copy_from_slice(part);
                (*have, bytes) = (*have + part.len(), rest);
                *left = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            } else {
                let length = bytes.len().min(*left);
                has_content |= head[3] == DATA;
                (*left, bytes) = (*left - length, &bytes[length..]);
            }
            if *have == HEAD && *left == 0 {
                *have = 0;
            }
        }
        has_content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&[kind, 0, 0, 0, 0, 1]);
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn all_of_http_1_counts() {
        let mut progress = Progress::default();
        assert!(!progress.takes(b""));
        assert!(progress.takes(b"HTTP/1.1 200 OK\r\n"));
        assert!(!progress.takes(b""));
        assert!(progress.takes(&[0; 9]));
    }

    #[test]
    fn of_http_2_only_content_counts() {
        let mut progress = Progress::default();
        // SETTINGS, its acknowledgement, PING, HEADERS, and DATA that only ends an answer
        let idle = [frame(4, &[0; 12]), frame(4, b""), frame(6, &[0; 8]), frame(1, &[0; 300]), frame(0, b"")];
        assert!(!progress.takes(&idle.concat()));
        assert!(!progress.takes(&idle.concat()), "it is at the start of a frame again");
        assert!(progress.takes(&[frame(6, &[0; 8]), frame(0, b"x")].concat()));
    }

    #[test]
    fn frames_are_known_in_any_pieces() {
        let frames = [frame(4, &[0; 6]), frame(6, &[0; 8]), frame(0, &[6; 700]), frame(6, &[0; 8])];
        let sent = frames.concat();
        let content = sent.len() - 17 - 700..sent.len() - 17;
        for length in [1, 2, 3, 9, 10, 100, 699] {
            let mut progress = Progress::default();
            for (index, piece) in sent.chunks(length).enumerate() {
                let span = index * length..index * length + piece.len();
                let expected = span.start < content.end && content.start < span.end;
                assert_eq!(progress.takes(piece), expected, "{span:?} in pieces of {length}");
            }
        }
    }
}
