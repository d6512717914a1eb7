//! When a connection takes no more requests: open ones finish, and then it is closed.

use std::{
    future::{pending, poll_fn},
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::Poll,
    time::Duration,
};

use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper_util::server::graceful::GracefulConnection;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::gather::Turn;

/// When the gateway ends: how long the first request of a connection is waited for.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// What ends a connection.
pub(super) struct Ending {
    /// False when its listener is closed; sent anew with each reload.
    pub(super) listening: watch::Receiver<bool>,
    /// True when the gateway ends.
    pub(super) stop: watch::Receiver<bool>,
    /// Whether the client has shown a certificate.
    pub(super) certified: bool,
    /// How long an HTTP/2 connection may wait for a request; for HTTP/1 the library has a timer.
    pub(super) idle: Duration,
}

impl Ending {
    /// Polls a connection until it ends, or has to: then open requests finish.
    pub(super) async fn until_over<C: GracefulConnection>(
        &self,
        mut connection: Pin<&mut C>,
        turn: &Turn,
        begun: &AtomicU64,
    ) {
        let mut stop = self.stop.clone();
        // Polled only when one of them has something to say, and not with every byte that comes.
        let mut reasons = FuturesUnordered::new();
        reasons.push(async {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => true,
                () = self.distrusted() => false,
                () = idle(self.idle, turn, begun) => false,
            }
        });
        // What went wrong on a connection is the client's affair; what a request met is logged.
        let reason = poll_fn(|context| match turn.poll(connection.as_mut(), context) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => reasons.poll_next_unpin(context),
        });
        let Some(stops) = reason.await else { return };
        drop(reasons);
        let begun = || begun.load(Ordering::Relaxed) > 0;
        if stops && !begun() {
            // Who connected a moment ago has sent a request, which is not to be lost.
            let served = poll_fn(|context| match turn.poll(connection.as_mut(), context) {
                Poll::Ready(_) => Poll::Ready(true),
                Poll::Pending if begun() => Poll::Ready(false),
                Poll::Pending => Poll::Pending,
            });
            if timeout(FIRST_REQUEST, served).await.unwrap_or(false) {
                return;
            }
        }
        connection.as_mut().graceful_shutdown();
        let _ = poll_fn(|context| turn.poll(connection.as_mut(), context)).await;
    }

    /// Until the client's certificate may no longer be believed: since the connection has begun, the
    /// authorities and what they revoke were read again, or its listener was closed.
    pub(super) async fn distrusted(&self) {
        if !self.certified {
            pending::<()>().await;
        }
        // A copy: whoever asks later is to hear of it too.
        let _ = self.listening.clone().changed().await;
    }

    /// The same, for each request: a client need not listen when it is told that a connection ends.
    pub(super) fn is_distrusted(&self) -> bool {
        self.certified && self.listening.has_changed().unwrap_or(true)
    }
}

/// Until an HTTP/2 connection has waited so long for a request.
async fn idle(time: Duration, turn: &Turn, begun: &AtomicU64) {
    loop {
        let before = begun.load(Ordering::Relaxed);
        sleep(time).await;
        if turn.is_http2() && begun.load(Ordering::Relaxed) == before {
            return;
        }
    }
}
