//! What the origin says to a request, and how honestly it says it.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

/// An answer: by default a true one, at once, on a connection that stays open.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Arc<[u8]>,
    pub(super) framing: Framing,
    pub(super) delay: Duration,
    pub(super) drip: Option<Drip>,
    pub(super) end: End,
    pub(super) endless: bool,
}

/// How the answer says where its body ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Framing {
    Length,
    /// A `Content-Length` of this, whatever the body has.
    Claim(u64),
    Chunked,
    /// The last chunk never comes.
    Unterminated,
    /// Neither: the body ends with the connection.
    UntilClose,
    /// The body is the whole answer, its head included.
    Verbatim,
}

/// The body goes out `bytes` at a time, with a pause before each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drip {
    pub(super) bytes: usize,
    pub(super) pause: Duration,
}

/// What happens to the connection, and after how many bytes of the body.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    KeepAlive,
    Close,
    CutAfter(usize),
    ResetAfter(usize),
    /// Silent from there on, until the client goes.
    StallAfter(usize),
}

impl Answer {
    /// 200 with these bytes and the type they show.
    pub(crate) fn image(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        let kind =
            image::guess_format(&bytes).map_or("application/octet-stream", |format| format.to_mime_type());
        Self::new(200, bytes).header("Content-Type", kind)
    }

    /// 200 with a page, as a parked domain or a log-in wall answers.
    pub(crate) fn html(text: &str) -> Self {
        Self::new(200, text).header("Content-Type", "text/html; charset=utf-8")
    }

    /// This status with a small page.
    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::html(&format!("<!DOCTYPE html><title>{status}</title><h1>{status}</h1>\n")) }
    }

    /// 302 to `location`, sent as given.
    pub(crate) fn redirect(location: &str) -> Self {
        Self::status(302).header("Location", location)
    }

    /// This status, and where to go from there.
    pub(crate) fn redirect_by(status: u16, location: &str) -> Self {
        Self::status(status).header("Location", location)
    }

    /// These bytes and nothing else, then the end of the connection: a head that no server would send,
    /// or noise.
    pub(crate) fn verbatim(bytes: impl Into<Vec<u8>>) -> Self {
        Self { framing: Framing::Verbatim, end: End::Close, ..Self::new(200, bytes) }
    }

    /// Sets a header, in place of one of the same name.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Waits this long before the head.
    pub(crate) fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Sends the body `bytes` at a time, with a pause before each.
    pub(crate) fn drip(self, bytes: usize, pause: Duration) -> Self {
        Self { drip: Some(Drip { bytes, pause }), ..self }
    }

    /// Says `Content-Length: length` whatever the body has, and closes the connection after the body.
    pub(crate) fn content_length(self, length: u64) -> Self {
        Self { framing: Framing::Claim(length), end: End::Close, ..self }
    }

    /// Sends the body in chunks.
    pub(crate) fn chunked(self) -> Self {
        Self { framing: Framing::Chunked, ..self }
    }

    /// Sends the body in chunks, and closes the connection where the last chunk should be.
    pub(crate) fn unterminated(self) -> Self {
        Self { framing: Framing::Unterminated, end: End::Close, ..self }
    }

    /// Says no length at all: the body ends with the connection.
    pub(crate) fn until_close(self) -> Self {
        Self { framing: Framing::UntilClose, end: End::Close, ..self }
    }

    /// Sends the body again and again until the client has had enough, without a length, or in chunks after
    /// [`Self::unterminated`].
    pub(crate) fn endless(self) -> Self {
        assert!(!self.body.is_empty(), "an endless body repeats something");
        let framing = match self.framing {
            Framing::Chunked | Framing::Unterminated => Framing::Unterminated,
            _ => Framing::UntilClose,
        };
        Self { framing, endless: true, end: End::Close, ..self }
    }

    /// Says `Connection: close`, and does.
    pub(crate) fn closing(self) -> Self {
        Self { end: End::Close, ..self }.header("Connection", "close")
    }

    /// Ends the connection (FIN, over TLS without close_notify) after this much of the body.
    pub(crate) fn cut_after(self, bytes: usize) -> Self {
        Self { end: End::CutAfter(bytes), ..self }
    }

    /// Resets the connection (RST) after this much of the body.
    pub(crate) fn reset_after(self, bytes: usize) -> Self {
        Self { end: End::ResetAfter(bytes), ..self }
    }

    /// Falls silent after this much of the body.
    pub(crate) fn stall_after(self, bytes: usize) -> Self {
        Self { end: End::StallAfter(bytes), ..self }
    }

    /// Sends the body packed, and says so. The length is that of the packed body.
    pub(crate) fn gzip(self) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&self.body).expect("a vector takes all");
        let body = encoder.finish().expect("a vector takes all").into();
        Self { body, ..self }.header("Content-Encoding", "gzip")
    }

    fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into().into(),
            framing: Framing::Length,
            delay: Duration::ZERO,
            drip: None,
            end: End::KeepAlive,
            endless: false,
        }
    }

    /// The head as it goes over the wire; empty for a verbatim answer.
    pub(super) fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        match self.framing {
            Framing::Length => head += &format!("Content-Length: {}\r\n", self.body.len()),
            Framing::Claim(length) => head += &format!("Content-Length: {length}\r\n"),
            Framing::Chunked | Framing::Unterminated => head += "Transfer-Encoding: chunked\r\n",
            Framing::UntilClose => {}
            Framing::Verbatim => return Vec::new(),
        }
        head += "\r\n";
        head.into_bytes()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        404 => "Not Found",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
