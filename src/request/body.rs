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

use bytes::BytesMut;
use http_body_util::{BodyExt, Limited};
use hyper::{
    Version,
    body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint},
    header,
    http::request::Parts,
};
use tokio::runtime::Handle;

/// What follows a request's head.
#[derive(Debug)]
pub enum Body {
    /// Nothing.
    Empty,
    /// The connection's own stream.
    Stream {
        /// What was read ahead of it and is still to be sent.
        ahead: Bytes,
        /// The rest; taken only when this is dropped.
        incoming: Option<Incoming>,
        /// Whether it comes over HTTP/2.
        http2: bool,
        /// Whether the client sends it unasked (RFC 9110 section 10.1.1).
        unasked: bool,
        /// Twice as many as frames were sent on, and one more while the next has yet to come from the
        /// client; the timeouts of the upstream look at it.
        frames: Arc<AtomicU64>,
    },
}

static NOTHING: Bytes = Bytes::new();

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

/// The client has broken off its body.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// In the middle of it, or against its framing.
    #[error(transparent)]
    Off(#[from] hyper::Error),
    /// An HTTP/2 stream that was reset before its end, without an error.
    #[error("the body was reset before its end")]
    Reset,
}

impl Body {
    /// The body of a request with this head.
    pub fn new(incoming: Incoming, head: &Parts) -> Self {
        if incoming.is_end_stream() {
            return Body::Empty;
        }
        Body::Stream {
            ahead: Bytes::new(),
            incoming: Some(incoming),
            http2: head.version == Version::HTTP_2,
            unasked: !head.headers.contains_key(header::EXPECT),
            frames: Arc::default(),
        }
    }

    /// Whether its length is known before it is read.
    pub fn has_length(&self) -> bool {
        self.size_hint().exact().is_some()
    }

    /// A body that is there already.
    pub fn given(bytes: Bytes) -> Self {
        let frames = Arc::default();
        Body::Stream { ahead: bytes, incoming: None, http2: false, unasked: false, frames }
    }

    /// What [`Self::progress`] counts when nothing is left.
    pub const ALL_SENT: u64 = u64::MAX;
    /// What it counts when the client has broken off.
    pub const BROKEN_OFF: u64 = u64::MAX - 1;

    /// Whether there is nothing to send, so that the request can be sent twice.
    pub fn is_empty(&self) -> bool {
        matches!(self, Body::Empty)
    }

    /// Whether it is the client that has to send, by what [`Self::progress`] counts.
    pub fn is_client_s_turn(progress: u64) -> bool {
        progress < Self::BROKEN_OFF && progress % 2 == 1
    }

    /// What counts how the body goes on, if there is one.
    pub fn progress(&self) -> Option<Arc<AtomicU64>> {
        match self {
            Body::Empty => None,
            Body::Stream { frames, .. } => Some(Arc::clone(frames)),
        }
    }

    /// All of it, up to `limit` bytes, within `time`.
    ///
    /// # Errors
    /// Says whose patience or size was exceeded.
    pub async fn read(self, limit: usize, time: Duration) -> Result<Bytes, Unread> {
        if self.size_hint().lower() > limit as u64 {
            return Err(Unread::TooLarge);
        }
        let whole = Limited::new(self, limit).collect();
        match tokio::time::timeout(time, whole).await {
            Err(_) => Err(Unread::TooSlow),
            Ok(Ok(whole)) => Ok(whole.to_bytes()),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                Err(Unread::TooLarge)
            }
            Ok(Err(_)) => Err(Unread::Broken),
        }
    }

    /// Reads the beginning, until it has `enough` bytes or the body ends; it is sent on all the
    /// same. See [`Self::ahead`].
    ///
    /// # Errors
    /// If it is not there within `time`, or is cut off.
    pub async fn peek(&mut self, enough: usize, time: Duration) -> Result<(), Unread> {
        let Body::Stream { ahead, incoming: Some(incoming), .. } = self else { return Ok(()) };
        let mut bytes = BytesMut::from(&ahead[..]);
        let reading = async {
            while bytes.len() < enough {
                match incoming.frame().await {
                    None => break,
                    Some(Err(_)) => return Err(Unread::Broken),
                    Some(Ok(frame)) => bytes.extend(frame.into_data().ok()),
                }
            }
            Ok(())
        };
        tokio::time::timeout(time, reading).await.unwrap_or(Err(Unread::TooSlow))?;
        *ahead = bytes.freeze();
        Ok(())
    }

    /// Reads all of it, up to `limit` bytes; it is sent on all the same. See [`Self::ahead`].
    ///
    /// # Errors
    /// If it is longer, not there within `time`, or cut off.
    pub async fn peek_whole(&mut self, limit: usize, time: Duration) -> Result<(), Unread> {
        if self.size_hint().lower() > limit as u64 {
            return Err(Unread::TooLarge);
        }
        self.peek(limit.saturating_add(1), time).await?;
        if self.ahead().len() > limit { Err(Unread::TooLarge) } else { Ok(()) }
    }

    /// What [`Self::peek`] has read.
    pub fn ahead(&self) -> &Bytes {
        match self {
            Body::Empty => &NOTHING,
            Body::Stream { ahead, .. } => ahead,
        }
    }
}

/// So much of a body that is not used is read all the same, and for so long: to a client that sends
/// the body after the head, an answer in between is no reason to lose the connection. What is more
/// ends it.
const UNWANTED: usize = 256 << 10;
const UNWANTED_TIME: Duration = Duration::from_secs(5);

impl Drop for Body {
    fn drop(&mut self) {
        // An HTTP/2 stream ends by itself.
        let Body::Stream { incoming, http2: false, unasked: true, frames, .. } = self else {
            return;
        };
        let left = incoming.take().filter(|left| {
            let over = frames.load(Ordering::Relaxed) >= Body::BROKEN_OFF || left.is_end_stream();
            !over && left.size_hint().lower() <= UNWANTED as u64
        });
        if let (Some(left), Ok(runtime)) = (left, Handle::try_current()) {
            runtime.spawn(async move {
                let mut left = Limited::new(left, UNWANTED);
                let reading = async { while let Some(Ok(_)) = left.frame().await {} };
                let _ = tokio::time::timeout(UNWANTED_TIME, reading).await;
            });
        }
    }
}

/// A frame more. Only who polls the body writes it.
fn sent_on(frames: &AtomicU64) {
    frames.store((frames.load(Ordering::Relaxed) & !1) + 2, Ordering::Relaxed);
}

/// Streams the body on without its trailers: a forged identity could travel in them (RFC 9110
/// section 6.5.1 lets a proxy drop them).
impl HttpBody for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Body::Stream { ahead, incoming, http2, frames, .. } = self.get_mut() else {
            return Poll::Ready(None);
        };
        if !ahead.is_empty() {
            sent_on(frames);
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(ahead)))));
        }
        let Some(incoming) = incoming else {
            frames.store(Body::ALL_SENT, Ordering::Relaxed);
            return Poll::Ready(None);
        };
        match Pin::new(&mut *incoming).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                sent_on(frames);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                frames.store(Body::BROKEN_OFF, Ordering::Relaxed);
                Poll::Ready(Some(Err(error.into())))
            }
            // The library takes a reset without an error for an end.
            Poll::Ready(None) if *http2 && !incoming.is_end_stream() => {
                frames.store(Body::BROKEN_OFF, Ordering::Relaxed);
                Poll::Ready(Some(Err(Broken::Reset)))
            }
            Poll::Ready(Some(Ok(_)) | None) => {
                frames.store(Body::ALL_SENT, Ordering::Relaxed);
                Poll::Ready(None)
            }
            Poll::Pending => {
                frames.store(frames.load(Ordering::Relaxed) | 1, Ordering::Relaxed);
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Stream { ahead, incoming, .. } => {
                ahead.is_empty() && incoming.as_ref().is_none_or(HttpBody::is_end_stream)
            }
            Body::Empty => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty => SizeHint::with_exact(0),
            Body::Stream { ahead, incoming: None, .. } => SizeHint::with_exact(ahead.len() as u64),
            Body::Stream { ahead, incoming: Some(incoming), .. } => {
                let mut hint = incoming.size_hint();
                let more = ahead.len() as u64;
                let upper = hint.upper().map(|upper| upper + more);
                hint.set_lower(0);
                upper.into_iter().for_each(|upper| hint.set_upper(upper));
                hint.set_lower(incoming.size_hint().lower() + more);
                hint
            }
        }
    }
}
