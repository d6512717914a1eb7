//! The body of an answer: whole, or streamed from the upstream with its connection.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::FutureExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::pool::Connection;

/// An answer.
pub type Reply = hyper::Response<ReplyBody>;

/// The body of an answer.
pub struct ReplyBody(Source);

enum Source {
    Full(Bytes),
    Stream(Box<Stream>),
}

struct Stream {
    incoming: Incoming,
    connection: Option<Connection>,
    idle_timeout: Duration,
    /// Runs only while the upstream is silent.
    silence: Option<Pin<Box<Sleep>>>,
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
}

impl ReplyBody {
    /// A body that is known whole.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self(Source::Full(bytes.into()))
    }

    /// All of it, if it is known whole.
    pub fn whole(&self) -> Option<&Bytes> {
        match &self.0 {
            Source::Full(bytes) => Some(bytes),
            Source::Stream(_) => None,
        }
    }

    pub(super) fn stream(
        incoming: Incoming,
        connection: Connection,
        idle_timeout: Duration,
    ) -> Self {
        if incoming.is_end_stream() {
            connection.keep();
            return Self::full("");
        }
        let connection = Some(connection);
        Self(Source::Stream(Box::new(Stream { incoming, connection, idle_timeout, silence: None })))
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
            Source::Stream(stream) => stream.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Full(bytes) => bytes.is_empty(),
            Source::Stream(stream) => stream.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Stream(stream) => stream.incoming.size_hint(),
        }
    }
}

impl Stream {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(frame) => {
                self.silence = None;
                Poll::Ready(frame.map(|frame| frame.map_err(Cut::Broken)))
            }
            Poll::Pending => {
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
}

/// A connection whose answer has ended is kept; one whose answer was broken off is not, since the
/// rest of it would be taken for the next one.
impl Drop for Stream {
    fn drop(&mut self) {
        if self.incoming.is_end_stream()
            && let Some(connection) = self.connection.take()
        {
            connection.keep();
        }
    }
}
