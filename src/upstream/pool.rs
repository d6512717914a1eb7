//! Connections to one server, kept by each worker thread for itself: a request never waits for
//! another thread, and no connection is polled by a thread that does not own it.

use std::{
    cell::Cell,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{TryFutureExt, future::Either};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};

use super::server::{Busy, Server};
use crate::{rejection::Rejection, request::Body};

thread_local! {
    static WORKER: Cell<usize> = const { Cell::new(0) };
}

/// Tells this thread which of the workers it is; pools are kept by that number.
pub fn set_worker(number: usize) {
    WORKER.set(number);
}

/// What sends requests over a connection.
pub(super) enum Sender {
    /// One after the other.
    Http1(http1::SendRequest<Body>),
    /// Many at once.
    Http2(http2::SendRequest<Body>),
}

/// The connections that each worker keeps. Each locks only its own shelf, so nobody ever waits.
pub(super) struct Shelves {
    all: Box<[Mutex<Shelf>]>,
    keep_alive: Duration,
}

#[derive(Default)]
struct Shelf {
    /// Unused ones, with the moment each was put there; the one used last is on top.
    idle: Vec<(http1::SendRequest<Body>, Instant)>,
    /// The one that requests share.
    shared: Option<http2::SendRequest<Body>>,
}

/// More unused connections than this per worker are closed.
const MOST_IDLE: usize = 256;

/// A connection in use. It goes back to the pool when the answer has ended as it should.
pub(super) struct Connection {
    sender: Sender,
    busy: Busy,
}

/// Why there is no answer.
pub(super) enum SendFailure {
    /// Nothing of the request was sent.
    Unsent(Box<Request<Body>>),
    /// It may have been.
    Lost(hyper::Error),
}

impl Shelves {
    pub(super) fn new(workers: usize, keep_alive: Duration) -> Self {
        Self { all: (0..workers.max(1)).map(|_| Mutex::default()).collect(), keep_alive }
    }

    fn own(&self) -> Option<MutexGuard<'_, Shelf>> {
        let shelf = self.all.get(WORKER.get())?;
        Some(shelf.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(&self) -> Option<Sender> {
        let mut shelf = self.own()?;
        if let Some(shared) = shelf.shared.as_ref().filter(|shared| shared.is_ready()) {
            return Some(Sender::Http2(shared.clone()));
        }
        // From the top: the freshest that is ready. Old and closed ones go as they are met.
        let mut place = shelf.idle.len();
        while place > 0 {
            place -= 1;
            let (sender, since) = shelf.idle.get(place)?;
            if sender.is_closed() || since.elapsed() > self.keep_alive {
                shelf.idle.swap_remove(place);
            } else if sender.is_ready() {
                return Some(Sender::Http1(shelf.idle.remove(place).0));
            }
        }
        None
    }
}

impl Connection {
    /// One that can be used at once.
    pub(super) fn kept(server: &Arc<Server>) -> Option<Self> {
        let sender = server.shelves.take()?;
        Some(Self { sender, busy: Busy::new(server) })
    }

    /// A new one.
    pub(super) async fn new(server: &Arc<Server>) -> Result<Self, Rejection> {
        let busy = Busy::new(server);
        let sender = server.connector.connect(&server.address).await?;
        if let (Sender::Http2(sender), Some(mut shelf)) = (&sender, server.shelves.own()) {
            shelf.shared = Some(sender.clone());
        }
        Ok(Self { sender, busy })
    }

    /// What is left of it when it speaks another protocol.
    pub(super) fn into_busy(self) -> Busy {
        self.busy
    }

    pub(super) fn send(
        &mut self,
        request: Box<Request<Body>>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendFailure>> + use<> {
        let answer = match &mut self.sender {
            Sender::Http1(sender) => Either::Left(sender.try_send_request(*request)),
            Sender::Http2(sender) => Either::Right(sender.try_send_request(*request)),
        };
        answer.map_err(|mut error: TrySendError<Request<Body>>| match error.take_message() {
            Some(request) => SendFailure::Unsent(Box::new(request)),
            None => SendFailure::Lost(error.into_error()),
        })
    }

    /// Back to the worker's shelf.
    pub(super) fn keep(self) {
        // One that is shared is there all the time.
        let Sender::Http1(sender) = self.sender else { return };
        if sender.is_closed() {
            return;
        }
        let Some(mut shelf) = self.busy.0.shelves.own() else { return };
        if shelf.idle.len() < MOST_IDLE {
            #[expect(
                clippy::disallowed_methods,
                reason = "sockets live in real time, not in the tests' clock"
            )]
            shelf.idle.push((sender, Instant::now()));
        }
    }
}
