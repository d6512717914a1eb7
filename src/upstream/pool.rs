//! Connections to one server, kept by each worker thread for itself: a request never waits for
//! another thread, and no connection is polled by a thread that does not own it.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
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
    Http2(http2::SendRequest<Body>, Arc<StreamPermits>),
}

/// What a shared connection has room for. Each user of it has a copy.
pub(super) struct StreamPermits(AtomicUsize);

/// The connections that each worker keeps. Each worker locks only its own pool, so none waits.
pub(super) struct WorkerPools {
    all: Box<[Mutex<Shelf>]>,
    /// Held by who makes a connection that others of the worker will share.
    making: Box<[tokio::sync::Mutex<()>]>,
    keep_alive: Duration,
}

#[derive(Default)]
struct Shelf {
    /// Unused ones, with the moment each was put there; the one used last is on top.
    idle: Vec<(http1::SendRequest<Body>, Instant)>,
    /// Those that requests share.
    shared: Vec<Shared>,
    /// How many the server has ended within [`SOON`], since one was last used again. Some servers end
    /// each connection after its answer and do not say so: what comes at that moment is lost.
    ended: u32,
}

/// An HTTP/2 connection.
struct Shared {
    sender: http2::SendRequest<Body>,
    room: Arc<StreamPermits>,
    /// When it was last chosen.
    chosen: Instant,
}

/// Requests that share a connection: as many as its window has room for unread answers,
/// so that they hold up no other's. Those that come then get a connection more.
pub(super) const MOST_STREAMS: usize = 64;
/// Before the server has said how many it takes.
pub(super) const FIRST_STREAMS: usize = 1;

/// More unused connections than this per worker are closed.
const MOST_IDLE: usize = 256;

const SOON: Duration = Duration::from_secs(1);
/// After so many no connection is kept, but one of [`TRIAL`], by which it shows when that is over.
const MOST_ENDED: u32 = 2;
/// See [`MOST_ENDED`].
const TRIAL: u32 = 64;

/// A connection in use. It goes back to the pool when the answer has ended as it should.
pub(super) struct Connection {
    sender: Sender,
    busy: Busy,
    /// How long it was unused; none: it is new, or shared.
    unused: Option<Duration>,
}

/// Why there is no answer.
pub(super) enum SendFailure {
    /// Nothing of the request was sent.
    Unsent(Box<Request<Body>>),
    /// It may have been.
    Lost(hyper::Error),
}

impl WorkerPools {
    pub(super) fn new(workers: usize, keep_alive: Duration) -> Self {
        let workers = workers.max(1);
        Self {
            all: (0..workers).map(|_| Mutex::default()).collect(),
            making: (0..workers).map(|_| tokio::sync::Mutex::default()).collect(),
            keep_alive,
        }
    }

    fn own(&self) -> Option<MutexGuard<'_, Shelf>> {
        let shelf = self.all.get(WORKER.get())?;
        Some(shelf.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that the server has ended a kept connection as it was used again.
    pub(super) fn ended(&self, unused: Duration) {
        if let Some(mut shelf) = self.own() {
            shelf.ended = shelf.ended.saturating_add(u32::from(unused < SOON));
        }
    }

    /// With how long it was unused.
    fn take(&self) -> Option<(Sender, Option<Duration>)> {
        let mut shelf = self.own()?;
        if let Some(sender) = shelf.shared(self.keep_alive) {
            return Some((sender, None));
        }
        // From the top: the freshest that is ready. Old and closed ones go as they are met.
        let mut place = shelf.idle.len();
        while place > 0 {
            place -= 1;
            let (sender, since) = shelf.idle.get(place)?;
            let unused = since.elapsed();
            if sender.is_closed() || unused > self.keep_alive {
                shelf.idle.swap_remove(place);
                shelf.ended = shelf.ended.saturating_add(u32::from(unused < SOON));
            } else if sender.is_ready() {
                return Some((Sender::Http1(shelf.idle.remove(place).0), Some(unused)));
            }
        }
        None
    }
}

impl Shelf {
    /// A use of the first shared connection that has room. Closed ones go, and those that no request
    /// has needed for long.
    fn shared(&mut self, keep_alive: Duration) -> Option<Sender> {
        if self.shared.is_empty() {
            return None;
        }
        let now = now();
        self.shared.retain(|shared| {
            let needed = shared.uses() > 0 || now.duration_since(shared.chosen) <= keep_alive;
            needed && !shared.sender.is_closed()
        });
        let free = self.shared.iter_mut().find(|shared| shared.has_room())?;
        free.chosen = now;
        Some(Sender::Http2(free.sender.clone(), Arc::clone(&free.room)))
    }
}

impl Shared {
    fn uses(&self) -> usize {
        // One is the shelf's, one the connection's own.
        Arc::strong_count(&self.room).saturating_sub(2)
    }

    fn has_room(&self) -> bool {
        self.sender.is_ready() && self.uses() < self.room.0.load(Ordering::Relaxed)
    }
}

impl StreamPermits {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(FIRST_STREAMS)))
    }

    /// So many the server takes: what is more would wait for one to end.
    pub(super) fn limit(&self, streams: usize) {
        self.0.store(streams.clamp(1, MOST_STREAMS), Ordering::Relaxed);
    }
}

#[expect(clippy::disallowed_methods, reason = "sockets live in real time, not in the tests' clock")]
fn now() -> Instant {
    Instant::now()
}

impl Connection {
    /// One that can be used at once.
    pub(super) fn kept(server: &Arc<Server>) -> Option<Self> {
        let (sender, unused) = server.shelves.take()?;
        Some(Self { sender, busy: Busy::new(server), unused })
    }

    /// A new one.
    pub(super) async fn new(server: &Arc<Server>) -> Result<Self, Rejection> {
        let busy = Busy::new(server);
        // Of a burst of requests one connects, and the others share what it makes: none waits longer
        // than connecting may take.
        let making = server.shelves.making.get(WORKER.get()).filter(|_| server.connector.http2);
        let _making = match making {
            Some(making) => {
                let turn = tokio::time::timeout(server.connector.timeout, making.lock()).await;
                let turn = turn.map_err(|_| Rejection::UpstreamSlow)?;
                if let Some((sender, unused)) = server.shelves.take() {
                    return Ok(Self { sender, busy, unused });
                }
                Some(turn)
            }
            None => None,
        };
        let sender = server.connector.connect(&server.address).await?;
        if let (Sender::Http2(sender, room), Some(mut shelf)) = (&sender, server.shelves.own()) {
            let (sender, room) = (sender.clone(), Arc::clone(room));
            shelf.shared.push(Shared { sender, room, chosen: now() });
        }
        Ok(Self { sender, busy, unused: None })
    }

    /// How long it was unused, if it is one that was kept.
    pub(super) fn unused(&self) -> Option<Duration> {
        self.unused
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
            Sender::Http2(sender, _) => Either::Right(sender.try_send_request(*request)),
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
        if self.unused.is_some() {
            shelf.ended = 0;
        }
        if shelf.ended >= MOST_ENDED {
            shelf.ended = shelf.ended.saturating_add(1);
            if !shelf.ended.is_multiple_of(TRIAL) {
                return;
            }
        }
        if shelf.idle.len() < MOST_IDLE {
            shelf.idle.push((sender, now()));
        }
    }
}
