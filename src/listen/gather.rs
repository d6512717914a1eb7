//! HTTP/2 answers go out together. The library writes and flushes each frame of data by itself, which
//! is a system call an answer; here what it writes in one turn of the connection is kept, and written
//! when the turn is over. HTTP/1.1 passes through.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::Framed;

/// What the connection and its stream tell each other.
#[derive(Default)]
pub(super) struct Turn {
    /// Something is kept.
    kept: AtomicBool,
    /// Now it is to be written.
    over: AtomicBool,
    /// HTTP/2 is spoken.
    http2: AtomicBool,
}

/// A stream that keeps what is written.
pub(super) struct Gather<S> {
    framed: Framed<S>,
    kept: Vec<u8>,
    turn: Arc<Turn>,
}

/// No more is kept: an answer this large is worth a system call.
const MOST: usize = 64 << 10;

impl<S> Gather<S> {
    pub(super) fn new(framed: Framed<S>, turn: &Arc<Turn>) -> Self {
        Self { framed, kept: Vec::new(), turn: Arc::clone(turn) }
    }

    fn gathers(&self) -> bool {
        self.framed.is_http2()
    }

    fn keep(&mut self, bytes: &[u8]) -> usize {
        self.kept.extend_from_slice(bytes);
        self.turn.kept.store(true, Ordering::Relaxed);
        self.turn.http2.store(true, Ordering::Relaxed);
        bytes.len()
    }
}

impl Turn {
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

impl<S: AsyncWrite + Unpin> Gather<S> {
    fn poll_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut written = 0;
        let out = loop {
            let rest = self.kept.get(written..).unwrap_or_default();
            if rest.is_empty() {
                break Poll::Ready(Ok(()));
            }
            match Pin::new(&mut self.framed).poll_write(context, rest) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(length)) => written += length,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.kept.drain(..written);
        self.turn.kept.store(!self.kept.is_empty(), Ordering::Relaxed);
        out
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gather<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().framed).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.gathers() {
            return Pin::new(&mut this.framed).poll_write(context, bytes);
        }
        if this.kept.len() >= MOST {
            ready!(this.poll_out(context))?;
        }
        Poll::Ready(Ok(this.keep(bytes)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.gathers() {
            return Pin::new(&mut this.framed).poll_write_vectored(context, slices);
        }
        if this.kept.len() >= MOST {
            ready!(this.poll_out(context))?;
        }
        Poll::Ready(Ok(slices.iter().map(|slice| this.keep(slice)).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        self.framed.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.gathers() && !this.turn.over.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_out(context))?;
        Pin::new(&mut this.framed).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_out(context))?;
        Pin::new(&mut this.framed).poll_shutdown(context)
    }
}
