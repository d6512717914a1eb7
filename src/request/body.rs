//! A request's body: streamed through, or read whole where a page of our own needs it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};

/// What follows a request's head.
#[derive(Debug)]
pub enum Body {
    /// Nothing.
    Empty,
    /// The connection's own stream, not yet read; and how many frames of it have gone on, which
    /// whoever waits for the upstream looks at.
    Stream(Incoming, Arc<AtomicU64>),
}

/// Why a body could not be read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Longer than allowed.
    TooLarge,
    /// Not complete in time.
    TooSlow,
    /// Cut off, or its framing is broken.
    Broken,
}

impl From<Incoming> for Body {
    fn from(incoming: Incoming) -> Self {
        if incoming.is_end_stream() { Body::Empty } else { Body::Stream(incoming, Arc::default()) }
    }
}

impl Body {
    /// What [`Self::progress`] counts when nothing is left.
    pub const ALL_SENT: u64 = u64::MAX;

    /// Whether there is nothing to send, so that the request can be sent twice.
    pub fn is_empty(&self) -> bool {
        matches!(self, Body::Empty)
    }

    /// How many frames have gone on, if there are any.
    pub fn progress(&self) -> Option<Arc<AtomicU64>> {
        match self {
            Body::Empty => None,
            Body::Stream(_, frames) => Some(Arc::clone(frames)),
        }
    }

    /// All of it, up to `limit` bytes, within `time`.
    ///
    /// # Errors
    /// Says whose patience or size was exceeded.
    pub async fn read(self, limit: usize, time: Duration) -> Result<Bytes, Unread> {
        let Body::Stream(incoming, _) = self else { return Ok(Bytes::new()) };
        if incoming.size_hint().lower() > limit as u64 {
            return Err(Unread::TooLarge);
        }
        let whole = Limited::new(incoming, limit).collect();
        match tokio::time::timeout(time, whole).await {
            Err(_) => Err(Unread::TooSlow),
            Ok(Ok(whole)) => Ok(whole.to_bytes()),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                Err(Unread::TooLarge)
            }
            Ok(Err(_)) => Err(Unread::Broken),
        }
    }
}

/// Streams the body on without its trailers: a forged identity could travel in them (RFC 9110
/// section 6.5.1 lets a proxy drop them).
impl HttpBody for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Body::Stream(incoming, frames) = self.get_mut() else { return Poll::Ready(None) };
        match Pin::new(incoming).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Poll::Ready(None),
            Poll::Ready(Some(frame)) => {
                frames.fetch_add(1, Ordering::Relaxed);
                Poll::Ready(Some(frame))
            }
            Poll::Ready(None) => {
                frames.store(Body::ALL_SENT, Ordering::Relaxed);
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Empty => true,
            Body::Stream(incoming, _) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty => SizeHint::with_exact(0),
            Body::Stream(incoming, _) => incoming.size_hint(),
        }
    }
}
