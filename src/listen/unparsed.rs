//! The answer to what the HTTP/1.1 parser could not read. The library writes an empty one and ends
//! the connection; that answer is held back (see [`coalesce`](super::coalesce)), and the gateway's own is
//! written in its place.

use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use httpdate::fmt_http_date;
use hyper::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::framing::FramingGuard;
use crate::upstream::Reply;

/// Where a connection leaves its stream when it ends with an answer held back.
pub(super) type Left<S> = Arc<Mutex<Option<Held<S>>>>;

/// A stream, and the last answer on it, which is not written yet.
pub(super) struct Held<S> {
    pub(super) stream: FramingGuard<S>,
    pub(super) answer: Vec<u8>,
    /// The answer's.
    pub(super) status: StatusCode,
}

/// The status of an answer that has no body and no field but the library's own, as it gives to what
/// it could not parse. An upstream may answer like that too: it is the library's only if the
/// connection ends with an error of the parser.
pub(super) fn status_of_unparsed(bytes: &[u8]) -> Option<StatusCode> {
    let rest = bytes.strip_prefix(b"HTTP/1.1 4")?;
    let text = std::str::from_utf8(rest).ok()?.strip_suffix("\r\n\r\n")?;
    let (status, fields) = text.split_once("\r\n")?;
    let is_own = |line: &str| {
        line == "connection: close" || line == "content-length: 0" || line.starts_with("date: ")
    };
    let status = format!("4{}", status.get(..2)?).parse().ok()?;
    fields.split("\r\n").all(is_own).then_some(status)
}

/// What a client may still be sending is read for so long, and so much of it: closed before, the
/// connection would take the answer with it.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 256 << 10;

impl<S: AsyncRead + AsyncWrite + Unpin> Held<S> {
    /// Writes the answer that was held back, and ends the connection.
    pub(super) async fn write(self) {
        let Self { mut stream, answer, .. } = self;
        let _ = end_with(&mut stream, &answer).await;
    }

    /// Writes another answer in its place, and ends the connection.
    pub(super) async fn answer(self, reply: &Reply) {
        let Some(body) = reply.body().whole() else { return };
        let mut bytes = format!("HTTP/1.1 {}\r\n", reply.status()).into_bytes();
        let headers = reply.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        #[expect(clippy::disallowed_methods, reason = "`Date`, which nothing is decided by")]
        let date = fmt_http_date(SystemTime::now());
        let length = body.len().to_string();
        let own = [("content-length", &*length), ("date", &*date)];
        for (name, value) in headers.chain(own.map(|(name, value)| (name, value.as_bytes()))) {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes.extend(body);
        let mut stream = self.stream;
        if end_with(&mut stream, &bytes).await.is_ok() {
            let mut rest = stream.take(LINGER_BYTES);
            let _ = timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
        }
    }
}

async fn end_with<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_s_own_answer_is_known() {
        let own = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
                   content-length: 0\r\ndate: Tue, 01 Dec 2026 02:00:00 GMT\r\n\r\n";
        assert_eq!(
            status_of_unparsed(own.as_bytes()),
            Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
        );
        for other in [
            own.replace("431", "200"),
            own.replace("connection: close", "vary: accept"),
            own.replace("content-length: 0", "content-length: 5"),
            format!("{own}x"),
            own.replace("\r\n\r\n", "\r\n"),
            String::new(),
        ] {
            assert_eq!(status_of_unparsed(other.as_bytes()), None, "{other}");
        }
    }
}
