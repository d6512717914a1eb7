//! When a connection takes no more requests: open ones finish, and then it is closed.

use std::{
    error::Error,
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

use super::coalesce::FlushCycle;

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

/// Of a connection, as the library that serves it has it.
type Failure = Box<dyn Error + Send + Sync>;

impl Ending {
    /// Polls a connection until it ends, or has to: then open requests finish. True if it has ended
    /// for what could not be parsed.
    pub(super) async fn until_over<C: GracefulConnection<Error = Failure>>(
        &self,
        mut connection: Pin<&mut C>,
        cycle: &FlushCycle,
        begun: &AtomicU64,
    ) -> bool {
        let mut stop = self.stop.clone();
        // Polled only when one of them has something to say, and not with every byte that comes.
        let mut reasons = FuturesUnordered::new();
        reasons.push(async {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => true,
                () = self.distrusted() => false,
                () = idle(self.idle, cycle, begun) => false,
            }
        });
        let reason = poll_fn(|context| match cycle.poll(connection.as_mut(), context) {
            Poll::Ready(ended) => Poll::Ready(Err(is_unparsed(ended))),
            Poll::Pending => {
                reasons.poll_next_unpin(context).map(|reason| Ok(reason == Some(true)))
            }
        });
        let stops = match reason.await {
            Ok(stops) => stops,
            Err(unparsed) => return unparsed,
        };
        drop(reasons);
        let begun = || begun.load(Ordering::Relaxed) > 0;
        if stops && !begun() {
            // Who connected a moment ago has sent a request, which is not to be lost.
            let served = poll_fn(|context| match cycle.poll(connection.as_mut(), context) {
                Poll::Ready(ended) => Poll::Ready(Some(is_unparsed(ended))),
                Poll::Pending if begun() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            if let Ok(Some(unparsed)) = timeout(FIRST_REQUEST, served).await {
                return unparsed;
            }
        }
        connection.as_mut().graceful_shutdown();
        is_unparsed(poll_fn(|context| cycle.poll(connection.as_mut(), context)).await)
    }

    /// Until the client's certificate is no longer valid: since the connection has begun, the
    /// authorities and what they revoke were read again, or its listener was closed.
    pub(super) async fn distrusted(&self) {
        if !self.certified {
            pending::<()>().await;
        }
        // A copy: a later call has to see the change too.
        let _ = self.listening.clone().changed().await;
    }

    /// The same, for each request: a client need not listen when it is told that a connection ends.
    pub(super) fn is_distrusted(&self) -> bool {
        self.certified && self.listening.has_changed().unwrap_or(true)
    }
}

/// Of what goes wrong on a connection, this alone is answered; what a request met is logged.
fn is_unparsed(ended: Result<(), Failure>) -> bool {
    let error = ended.err();
    error.is_some_and(|error| {
        error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)
    })
}

/// Until an HTTP/2 connection has waited so long for a request.
async fn idle(time: Duration, cycle: &FlushCycle, begun: &AtomicU64) {
    loop {
        let before = begun.load(Ordering::Relaxed);
        sleep(time).await;
        if cycle.is_http2() && begun.load(Ordering::Relaxed) == before {
            return;
        }
    }
}
