//! A second reader of HTTP/1 framing, stricter than the parser behind it. The parser drops what a
//! stricter one must refuse before it can be asked: a `Content-Length` beside `Transfer-Encoding`,
//! one that repeats, a `#` in the target. Each of them is how one request becomes two, or another
//! one, at the next hop; this reader sees the bytes first and, when it meets one, gives the parser
//! a byte that no request can begin with: the client gets 400 and the connection ends.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt;

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// A stream whose inbound bytes are watched.
pub struct FramingGuard<S> {
    stream: S,
    watch: Watch,
    /// What the parser gets instead, once something was refused.
    poison: Option<VecDeque<u8>>,
    /// Ends connections that have not said which protocol they speak; afterwards the protocol's
    /// own timer does.
    timer: Option<Pin<Box<Sleep>>>,
    begun: usize,
    headers: usize,
    /// Set when what comes is no longer HTTP.
    tunnel: Arc<AtomicBool>,
}

impl<S> FramingGuard<S> {
    /// With the limits of a head: its bytes, its fields, and its time.
    pub fn new(
        stream: S,
        size: usize,
        headers: usize,
        time: Duration,
        tunnel: Arc<AtomicBool>,
    ) -> Self {
        let timer = Some(Box::pin(tokio::time::sleep(time)));
        let watch = Watch { most: size, ..Watch::default() };
        Self { stream, watch, poison: None, timer, begun: 0, headers, tunnel }
    }

    /// Whether it is HTTP/2 that is spoken.
    pub(super) fn is_http2(&self) -> bool {
        self.watch.state == State::Off && !self.tunnel.load(Ordering::Relaxed)
    }

    /// Bytes that the parser answers with the right status: NUL is in no method, header or chunk
    /// size (400); more fields than it takes are too large a head (431). A line that it has the
    /// beginning of ends first, and not as an empty one, which would end a head.
    fn refuse(&self, refused: &Refused) -> VecDeque<u8> {
        let begun = if refused.begun { "x\n" } else { "" };
        let fields = match refused.violation {
            Violation::Ambiguous => "\0\r\n".to_owned(),
            Violation::TooLarge => "a:\r\n".repeat(self.headers + 1),
        };
        format!("{begun}{fields}\r\n").into_bytes().into()
    }

    /// Whether the bytes so far could still become HTTP/2, which is when no other timer runs.
    fn follow_preface(&mut self, bytes: &[u8]) {
        const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let expected = PREFACE.get(self.begun..).unwrap_or_default();
        self.begun += bytes.len();
        if expected.len() <= bytes.len() || !expected.starts_with(bytes) {
            self.timer = None;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FramingGuard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if this.poison.is_none() {
            match Pin::new(&mut this.stream).poll_read(context, buffer) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    let timer = this.timer.as_mut().map(|timer| timer.poll_unpin(context));
                    return match timer {
                        Some(Poll::Ready(())) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                        _ => Poll::Pending,
                    };
                }
            }
            let bytes = buffer.filled().get(before..).unwrap_or_default();
            if this.timer.is_some() && !bytes.is_empty() {
                this.follow_preface(bytes);
            }
            if this.tunnel.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
            if let Err(refused) = this.watch.see(bytes) {
                this.poison = Some(this.refuse(&refused));
                // What stands before is honest, and may be a body that has to end as it should.
                buffer.set_filled(before + refused.place);
            }
        }
        if let Some(poison) = &mut this.poison {
            // When it is used up the stream has ended: nothing behind a refused request is read.
            let length = poison.len().min(buffer.remaining());
            poison.drain(..length).for_each(|byte| buffer.put_slice(&[byte]));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FramingGuard<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Follows the messages of a connection.
#[derive(Default)]
struct Watch {
    state: State,
    head: Head,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// Bytes of a head.
    most: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    RequestLine,
    Fields,
    /// So many bytes of a body.
    Body(u64),
    ChunkSize,
    /// So many bytes of a chunk and the line end behind it.
    Chunk(u64),
    Trailers,
    /// Not HTTP/1: nothing to watch.
    Off,
}

/// What the fields so far say of the body.
#[derive(Default)]
struct Head {
    length: Option<u64>,
    chunked: bool,
    size: usize,
}

/// Why a request is refused.
enum Violation {
    Ambiguous,
    TooLarge,
}

/// A violation, and where its line begins in the bytes that were seen: there the parser looks at
/// what it is given, and takes nothing of it for a body.
struct Refused {
    violation: Violation,
    place: usize,
    /// Whether the line has begun before.
    begun: bool,
}

const LONGEST_CHUNK_LINE: usize = 256;
const LONGEST_TRAILERS: usize = 8 << 10;
/// A chunk size of more digits is past what any body may be, and past 64 bits soon.
const MOST_CHUNK_DIGITS: usize = 12;

impl Watch {
    fn see(&mut self, whole: &[u8]) -> Result<(), Refused> {
        let mut bytes = whole;
        while !bytes.is_empty() {
            let place = whole.len() - bytes.len();
            let begun = !self.line.is_empty();
            let here = |violation| Refused { violation, place, begun };
            match self.state {
                State::Off => return Ok(()),
                State::Body(left) => {
                    bytes = self.skip(bytes, left, State::Body, State::RequestLine)
                }
                State::Chunk(left) => {
                    bytes = self.skip(bytes, left, State::Chunk, State::ChunkSize)
                }
                _ => {
                    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                        self.line.extend_from_slice(bytes);
                        return self.limit(self.line.len()).map_err(here);
                    };
                    let (line, rest) = bytes.split_at(end + 1);
                    bytes = rest;
                    if self.line.is_empty() {
                        self.take_line(line).map_err(here)?;
                    } else {
                        let mut whole = std::mem::take(&mut self.line);
                        whole.extend_from_slice(line);
                        self.take_line(&whole).map_err(here)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn skip<'b>(
        &mut self,
        bytes: &'b [u8],
        left: u64,
        more: fn(u64) -> State,
        then: State,
    ) -> &'b [u8] {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left - here as u64;
        self.state = if left == 0 { then } else { more(left) };
        bytes.get(here..).unwrap_or_default()
    }

    fn limit(&self, more: usize) -> Result<(), Violation> {
        if self.head.size + more > self.most { Err(Violation::TooLarge) } else { Ok(()) }
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), Violation> {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        if matches!(self.state, State::RequestLine | State::Fields) {
            self.limit(line.len())?;
            self.head.size += line.len();
        }
        match self.state {
            State::RequestLine => self.request_line(bare),
            State::Fields if bare.is_empty() => {
                self.state = match (std::mem::take(&mut self.head), State::RequestLine) {
                    (Head { chunked: true, .. }, _) => State::ChunkSize,
                    (Head { length: Some(length @ 1..), .. }, _) => State::Body(length),
                    (_, next) => next,
                };
                Ok(())
            }
            State::Fields => self.field(bare),
            State::ChunkSize => self.chunk_size(line, bare),
            State::Trailers if !line.ends_with(b"\r\n") => Err(Violation::Ambiguous),
            State::Trailers if bare.is_empty() => {
                self.head.size = 0;
                self.state = State::RequestLine;
                Ok(())
            }
            State::Trailers => {
                self.head.size += line.len();
                if self.head.size > LONGEST_TRAILERS { Err(Violation::Ambiguous) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), Violation> {
        if line.is_empty() {
            self.head.size = 0;
            return Ok(());
        }
        if line == b"PRI * HTTP/2.0" {
            self.state = State::Off;
            return Ok(());
        }
        self.state = State::Fields;
        if line.contains(&b'#') { Err(Violation::Ambiguous) } else { Ok(()) }
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Violation> {
        // A folded line belongs to the field before it, for those who still read them.
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(Violation::Ambiguous);
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return Ok(()) };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.trim_ascii_end().eq_ignore_ascii_case(b"content-length") {
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
            if !digits || self.head.length.is_some() || self.head.chunked {
                return Err(Violation::Ambiguous);
            }
            self.head.length = Some(length.ok_or(Violation::Ambiguous)?);
        } else if name.trim_ascii_end().eq_ignore_ascii_case(b"transfer-encoding") {
            if self.head.chunked
                || self.head.length.is_some()
                || !value.eq_ignore_ascii_case(b"chunked")
            {
                return Err(Violation::Ambiguous);
            }
            self.head.chunked = true;
        }
        Ok(())
    }

    fn chunk_size(&mut self, line: &[u8], bare: &[u8]) -> Result<(), Violation> {
        if line.len() > LONGEST_CHUNK_LINE || !line.ends_with(b"\r\n") {
            return Err(Violation::Ambiguous);
        }
        let digits = bare.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
        if digits.is_empty()
            || digits.len() > MOST_CHUNK_DIGITS
            || !digits.iter().all(u8::is_ascii_hexdigit)
        {
            return Err(Violation::Ambiguous);
        }
        let digits = std::str::from_utf8(digits).map_err(|_| Violation::Ambiguous)?;
        let size = u64::from_str_radix(digits, 16).map_err(|_| Violation::Ambiguous)?;
        self.state = if size == 0 { State::Trailers } else { State::Chunk(size + 2) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it is refused, whole and byte by byte.
    fn refused(bytes: &[u8]) -> bool {
        let watch = || Watch { most: 4096, ..Watch::default() };
        let whole = watch().see(bytes).is_err();
        let mut slow = watch();
        let slowly = bytes.iter().any(|byte| slow.see(&[*byte]).is_err());
        assert_eq!(whole, slowly, "{}", String::from_utf8_lossy(bytes));
        whole
    }

    /// Attack (request smuggling, CVE-2026-2833 and its kin): two ways to tell where the body
    /// ends, so that the next hop sees another request in it.
    #[test]
    fn ambiguous_framing_is_refused() {
        let head = "POST / HTTP/1.1\r\nHost: h\r\n";
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length:\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
            "X: a\r\n Content-Length: 5\r\n",
        ] {
            assert!(refused(format!("{head}{fields}\r\n").as_bytes()), "{fields}");
        }
        assert!(refused(b"GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n"));
    }

    #[test]
    fn chunks_have_limits() {
        let head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let with = |body: &str| [head.clone(), body.as_bytes().to_vec()].concat();
        for body in
            ["5\nhello\r\n", "0\r\n\n", "g\r\n", "\r\n", "0000000000001\r\n", "-1\r\n", "0x1\r\n"]
        {
            assert!(refused(&with(body)), "{body}");
        }
        assert!(refused(&with(&format!("1;{}\r\n", "x".repeat(300)))));
        assert!(refused(&with(&format!("0\r\n{}\r\n", "a: b\r\n".repeat(2000)))));
        assert!(!refused(&with("5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n")));
    }

    /// The tenth request of a connection is watched like the first, and bodies are not read as
    /// heads.
    #[test]
    fn honest_traffic_passes_and_the_next_request_is_watched() {
        let mut honest = Vec::new();
        for _ in 0..10 {
            honest.extend_from_slice(b"GET /a?x=1 HTTP/1.1\r\nHost: h\r\n\r\n");
            honest.extend_from_slice(b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nGET /# \r\n");
            honest.extend_from_slice(
                b"POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n4\r\n#\r\n#\r\n0\r\n\r\n",
            );
        }
        assert!(!refused(&honest));
        honest.extend_from_slice(b"GET /# HTTP/1.1\r\n\r\n");
        assert!(refused(&honest));
        assert!(!refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n#"));
    }
}
