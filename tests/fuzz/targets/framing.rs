//! Where requests begin and end: the parser behind our reader of framing sees the requests that
//! a plain reader sees in the same bytes, and no others, however they come in pieces.
//!
//! Input: a byte that says how they come, then the bytes of a connection.

use std::{
    cell::RefCell,
    convert::Infallible,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use portcullis::listen::framing::FramingGuard;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    Input,
    reference::{Message, requests},
    shown,
};

/// `limits`, small enough to be met.
const HEAD: usize = 600;
const FIELDS: usize = 16;
const TIME: Duration = Duration::from_secs(30);

thread_local! {
    static RUNTIME: RefCell<tokio::runtime::Runtime> = RefCell::new(
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
    );
}

pub(crate) fn target(data: &[u8]) {
    let mut input = Input(data);
    let pieces = usize::from(input.byte()).max(1);
    let bytes = input.0;
    let (whole, slowly) = (seen(bytes, usize::MAX), seen(bytes, pieces));
    // What is refused takes with it what came in the same piece.
    assert!(slowly.starts_with(&whole), "{whole:?} and in pieces of {pieces} {slowly:?}");
    let (expected, _) = requests(bytes);
    for (number, message) in slowly.iter().enumerate() {
        let differs = || format!("request {number} of {}", shown(bytes));
        let expected = expected.get(number).unwrap_or_else(|| panic!("there is no {}", differs()));
        // Targets of other forms are refused before anybody looks at them.
        if message.target.starts_with(b"/") || expected.target.starts_with(b"/") {
            assert_eq!(shown(&message.target), shown(&expected.target), "{}", differs());
        }
        assert_eq!(message.method, expected.method, "{}", differs());
        assert_eq!(message.fields, expected.fields, "{}", differs());
        assert_eq!(shown(&message.body), shown(&expected.body), "{}", differs());
    }
}

/// The requests that the parser sees and that are whole.
fn seen(bytes: &[u8], pieces: usize) -> Vec<Message> {
    let seen = Mutex::new(Vec::new());
    serve(bytes, pieces, async |request| {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return };
        let lower = |name: &hyper::header::HeaderName| name.as_str().as_bytes().to_vec();
        let fields =
            head.headers.iter().map(|(name, value)| (lower(name), value.as_bytes().into()));
        let mut fields: Vec<_> = fields.collect();
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        let message = Message {
            method: head.method.as_str().into(),
            target: head.uri.to_string().into(),
            fields,
            body: body.to_bytes().to_vec(),
        };
        if let Ok(mut seen) = seen.lock() {
            seen.push(message);
        }
    });
    seen.into_inner().unwrap_or_default()
}

/// Hands every request of a connection to somebody, as `listen` does, and answers each with
/// nothing. A connection that hangs is a failure.
pub(super) fn serve(bytes: &[u8], pieces: usize, handle: impl AsyncFn(Request<Incoming>)) {
    RUNTIME.with_borrow(|runtime| {
        runtime.block_on(async {
            let framed =
                FramingGuard::new(Wire { bytes, pieces }, HEAD, FIELDS, TIME, Arc::default());
            let service = service_fn(|request| {
                let handled = handle(request);
                async {
                    handled.await;
                    Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
                }
            });
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(TIME).max_headers(FIELDS);
            // The end of what the client has to say is not the end of its patience.
            builder.half_close(true);
            let connection = builder.serve_connection(TokioIo::new(framed), service);
            // What is wrong with a connection is its client's affair.
            let end = tokio::time::timeout(Duration::from_secs(5), connection).await;
            assert!(end.is_ok(), "it waits for ever: {}", shown(bytes));
        });
    });
}

/// A client that has sent all it has and reads nothing.
struct Wire<'a> {
    bytes: &'a [u8],
    pieces: usize,
}

impl AsyncRead for Wire<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.bytes.len().min(self.pieces).min(buffer.remaining());
        let (now, later) = self.bytes.split_at(length);
        buffer.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
