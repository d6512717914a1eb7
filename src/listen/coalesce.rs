//! HTTP/2 answers go out together. The library writes and flushes each frame of data by itself, which
//! is a system call an answer; here what it writes in one cycle of the connection is kept, and written
//! when the cycle is over. HTTP/1.1 passes through, but for one answer: the empty one that the library
//! gives to what it cannot parse. The gateway gives its own in that place.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    framing::FramingGuard,
    unparsed::{Held, Left, status_of_unparsed},
};

/// What the connection and its stream tell each other.
#[derive(Default)]
pub(super) struct FlushCycle {
    /// Something is kept.
    kept: AtomicBool,
    /// Now it is to be written.
    over: AtomicBool,
    /// HTTP/2 is spoken.
    http2: AtomicBool,
}

/// A stream that keeps what is written.
pub(super) struct WriteCoalescer<S> {
    /// Taken out when it is dropped.
    guard: Option<FramingGuard<S>>,
    kept: Vec<u8>,
    cycle: Arc<FlushCycle>,
    left: Left<S>,
}

/// No more is kept: an answer this large is worth a system call.
const MOST: usize = 64 << 10;

impl<S> WriteCoalescer<S> {
    pub(super) fn new(guard: FramingGuard<S>, cycle: &Arc<FlushCycle>, left: &Left<S>) -> Self {
        let (cycle, left) = (Arc::clone(cycle), Arc::clone(left));
        Self { guard: Some(guard), kept: Vec::new(), cycle, left }
    }

    fn is_http2(&self) -> bool {
        self.guard.as_ref().is_some_and(FramingGuard::is_http2)
    }

    fn keep(&mut self, bytes: &[u8]) -> usize {
        self.kept.extend_from_slice(bytes);
        self.cycle.kept.store(true, Ordering::Relaxed);
        self.cycle.http2.store(self.is_http2(), Ordering::Relaxed);
        bytes.len()
    }
}

/// Dropped with such an answer kept, the library has written it and ended the connection in one cycle.
impl<S> Drop for WriteCoalescer<S> {
    fn drop(&mut self) {
        if let Some(status) = status_of_unparsed(&self.kept)
            && let Some(stream) = self.guard.take()
        {
            let held = Held { stream, answer: std::mem::take(&mut self.kept), status };
            *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
        }
    }
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl FlushCycle {
    pub(super) fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }

    /// Polls a connection; if it has written something, once more, to write it out.
    pub(super) fn poll<F: Future>(
        &self,
        mut connection: Pin<&mut F>,
        context: &mut Context<'_>,
    ) -> Poll<F::Output> {
        let polled = connection.as_mut().poll(context);
        if polled.is_ready() || !self.kept.load(Ordering::Relaxed) {
            return polled;
        }
        self.over.store(true, Ordering::Relaxed);
        let polled = connection.poll(context);
        self.over.store(false, Ordering::Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> WriteCoalescer<S> {
    fn poll_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(guard) = &mut self.guard else { return Poll::Ready(Err(gone())) };
        let mut written = 0;
        let out = loop {
            let rest = self.kept.get(written..).unwrap_or_default();
            if rest.is_empty() {
                break Poll::Ready(Ok(()));
            }
            match Pin::new(&mut *guard).poll_write(context, rest) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(length)) => written += length,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.kept.drain(..written);
        self.cycle.kept.store(!self.kept.is_empty(), Ordering::Relaxed);
        out
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteCoalescer<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().guard {
            Some(guard) => Pin::new(guard).poll_read(context, buffer),
            None => Poll::Ready(Err(gone())),
        }
    }
}

impl<S: AsyncWrite + Unpin> WriteCoalescer<S> {
    /// Writes through, or keeps.
    fn poll_parts(
        &mut self,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let http2 = self.is_http2();
        if http2 && self.kept.len() >= MOST || !http2 && !self.kept.is_empty() {
            ready!(self.poll_out(context))?;
        }
        if http2 {
            return Poll::Ready(Ok(slices.iter().map(|slice| self.keep(slice)).sum()));
        }
        if let [whole] = slices
            && whole.ends_with(b"\r\n\r\n")
            && status_of_unparsed(whole).is_some()
        {
            return Poll::Ready(Ok(self.keep(whole)));
        }
        match &mut self.guard {
            Some(guard) => Pin::new(guard).poll_write_vectored(context, slices),
            None => Poll::Ready(Err(gone())),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteCoalescer<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_parts(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_parts(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.guard.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let waits = this.is_http2() || !this.kept.is_empty();
        if waits && !this.cycle.over.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_out(context))?;
        match &mut this.guard {
            Some(guard) => Pin::new(guard).poll_flush(context),
            None => Poll::Ready(Err(gone())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if status_of_unparsed(&this.kept).is_some() {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_out(context))?;
        match &mut this.guard {
            Some(guard) => Pin::new(guard).poll_shutdown(context),
            None => Poll::Ready(Err(gone())),
        }
    }
}
