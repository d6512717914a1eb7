//! The body of an answer: whole, or streamed from the upstream with its connection.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::FutureExt;
use hyper::{
    HeaderMap, Version,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
};
use tokio::time::{Instant, Sleep};

use super::{pool::Connection, watched_body::WatchedBody};

/// An answer.
pub type Reply = hyper::Response<ReplyBody>;

/// The body of an answer.
pub struct ReplyBody(Source);

enum Source {
    Full(Bytes),
    /// Each once.
    Trailed(Box<(Option<Bytes>, Option<HeaderMap>)>),
    Stream(WatchedBody),
}

/// What comes from the upstream.
pub(super) struct Stream {
    /// Nothing, once it was given up.
    open: Option<(Incoming, Connection)>,
    http2: bool,
    idle_timeout: Duration,
    /// Runs only while the upstream is silent.
    silence: Option<Pin<Box<Sleep>>>,
    /// How long the client has taken nothing; nothing while it is the upstream's turn.
    untaken: Option<Duration>,
}

/// An answer that was cut: the client must see that it was.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    /// The upstream broke off.
    #[error("the upstream broke off its answer: {0}")]
    Broken(#[from] hyper::Error),
    /// The upstream fell silent.
    #[error("the upstream fell silent in its answer")]
    Silent,
    /// An HTTP/2 stream that was reset before its end, without an error.
    #[error("the upstream broke off its answer")]
    Reset,
    /// The client took none of it for too long.
    #[error("the client takes nothing")]
    Untaken,
}

impl ReplyBody {
    /// A body that is known whole.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self(Source::Full(bytes.into()))
    }

    /// The same, and what follows it.
    pub fn with_trailers(bytes: Bytes, trailers: HeaderMap) -> Self {
        Self(Source::Trailed(Box::new((Some(bytes), Some(trailers)))))
    }

    /// All of it, if it is known whole.
    pub fn whole(&self) -> Option<&Bytes> {
        match &self.0 {
            Source::Full(bytes) => Some(bytes),
            Source::Trailed(..) | Source::Stream(_) => None,
        }
    }

    pub(super) fn stream(
        incoming: Incoming,
        connection: Connection,
        version: Version,
        idle_timeout: Duration,
    ) -> Self {
        if incoming.is_end_stream() {
            connection.keep();
            return Self::full("");
        }
        let stream = Stream {
            open: Some((incoming, connection)),
            http2: version == Version::HTTP_2,
            idle_timeout,
            silence: None,
            untaken: Some(Duration::ZERO),
        };
        Self(Source::Stream(WatchedBody::new(stream)))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match &mut self.get_mut().0 {
            Source::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Source::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Source::Trailed(parts) => {
                let (bytes, trailers) = &mut **parts;
                let data = bytes.take().map(Frame::data);
                let frame = data.or_else(|| trailers.take().map(Frame::trailers));
                Poll::Ready(frame.map(Ok))
            }
            Source::Stream(stream) => stream.lock().poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Full(bytes) => bytes.is_empty(),
            Source::Trailed(parts) => parts.0.is_none() && parts.1.is_none(),
            Source::Stream(stream) => stream.lock().is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Trailed(..) => SizeHint::default(),
            Source::Stream(stream) => stream.lock().size_hint(),
        }
    }
}

impl Stream {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Some((incoming, _)) = &mut self.open else {
            return Poll::Ready(Some(Err(Cut::Untaken)));
        };
        match Pin::new(&mut *incoming).poll_frame(context) {
            // The library takes a reset without an error for an end.
            Poll::Ready(None) if self.http2 && !incoming.is_end_stream() => {
                Poll::Ready(Some(Err(Cut::Reset)))
            }
            Poll::Ready(frame) => {
                self.silence = None;
                self.untaken = Some(Duration::ZERO);
                Poll::Ready(frame.map(|frame| frame.map_err(Cut::Broken)))
            }
            Poll::Pending => {
                self.untaken = None;
                let timeout = self.idle_timeout;
                let silence = self.silence.get_or_insert_with(|| {
                    Box::pin(tokio::time::sleep_until(Instant::now() + timeout))
                });
                match silence.poll_unpin(context) {
                    Poll::Ready(()) => Poll::Ready(Some(Err(Cut::Silent))),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        self.open.as_ref().is_some_and(|(incoming, _)| incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.open.as_ref().map(|(incoming, _)| incoming.size_hint()).unwrap_or_default()
    }

    /// So much time has gone by. If the client takes nothing for longer than `most`, the upstream
    /// need not wait for it.
    pub(super) fn tick(&mut self, time: Duration, most: Duration) {
        let Some(untaken) = &mut self.untaken else { return };
        *untaken += time;
        if *untaken > most {
            self.open = None;
        }
    }
}

/// A connection whose answer has ended is kept; one whose answer was broken off is not, since the
/// rest of it would be taken for the next one.
impl Drop for Stream {
    fn drop(&mut self) {
        if let Some((incoming, connection)) = self.open.take()
            && incoming.is_end_stream()
        {
            connection.keep();
        }
    }
}
