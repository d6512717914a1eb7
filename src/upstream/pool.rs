//! Connections to one server, kept by each worker thread for itself: a request never waits for
//! another thread, and no connection is polled by a thread that does not own it.

use std::{
    cell::Cell,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{FutureExt, TryFutureExt};
use hyper::{Request, Response, Uri, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};

use crate::request::Body;

thread_local! {
    static WORKER: Cell<usize> = const { Cell::new(0) };
}

/// Tells this thread which of the workers it is; pools are kept by that number.
pub fn set_worker(number: usize) {
    WORKER.set(number);
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl Address {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return path.starts_with('/').then(|| Self::Unix(path.into()));
        }
        let uri: Uri = text.parse().ok()?;
        let bare = matches!(uri.path_and_query().map(|p| p.as_str()), None | Some("/"));
        let authority = uri.authority()?;
        let good = uri.scheme_str() == Some("http") && bare && !authority.as_str().contains('@');
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        good.then_some(Self::Tcp { host, port: authority.port_u16().unwrap_or(80) })
    }
}

/// The connections to one server.
pub(super) struct Pool {
    address: Address,
    keep_alive: Duration,
    idle: Arc<Idle>,
}

/// Unused connections, by worker; the one used last is on top. Each worker locks only its own, so
/// nobody ever waits.
struct Idle(Box<[Shelf]>);

/// With the moment each was put there.
type Shelf = Mutex<Vec<(Sender, Instant)>>;

type Sender = http1::SendRequest<Body>;

/// More unused connections than this per worker are closed.
const MOST_IDLE: usize = 256;

/// A connection in use. It goes back to the pool when the answer has ended as it should.
pub(super) struct Connection {
    sender: Sender,
    home: Arc<Idle>,
}

/// Why there is no answer.
pub(super) enum SendFailure {
    /// Nothing of the request was sent.
    Unsent(Box<Request<Body>>),
    /// It may have been.
    Lost(hyper::Error),
}

impl Pool {
    pub(super) fn new(address: Address, workers: usize, keep_alive: Duration) -> Self {
        let idle = (0..workers.max(1)).map(|_| Mutex::default()).collect();
        Self { address, keep_alive, idle: Arc::new(Idle(idle)) }
    }

    /// A connection that can be used at once.
    pub(super) fn take(&self) -> Option<Connection> {
        let shelf = self.idle.0.get(WORKER.get())?;
        let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
        // From the top: the freshest that is ready. Old and closed ones go as they are met.
        let mut place = shelf.len();
        while place > 0 {
            place -= 1;
            let (sender, since) = shelf.get(place)?;
            if sender.is_closed() || since.elapsed() > self.keep_alive {
                shelf.swap_remove(place);
            } else if sender.is_ready() {
                let (sender, _) = shelf.remove(place);
                return Some(Connection { sender, home: Arc::clone(&self.idle) });
            }
        }
        None
    }

    pub(super) async fn connect(
        &self,
    ) -> Result<Connection, Box<dyn std::error::Error + Send + Sync>> {
        let sender = match &self.address {
            Address::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                handshake(TokioIo::new(stream)).await?
            }
            Address::Unix(path) => {
                handshake(TokioIo::new(UnixStream::connect(path).await?)).await?
            }
        };
        Ok(Connection { sender, home: Arc::clone(&self.idle) })
    }
}

async fn handshake<I>(io: I) -> Result<Sender, hyper::Error>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new().handshake(io).await?;
    // It ends with its sender; what went wrong on it, the sender tells.
    tokio::spawn(connection.with_upgrades().map(drop));
    Ok(sender)
}

impl Connection {
    pub(super) fn send(
        &mut self,
        request: Box<Request<Body>>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendFailure>> + use<> {
        self.sender.try_send_request(*request).map_err(|mut error| match error.take_message() {
            Some(request) => SendFailure::Unsent(Box::new(request)),
            None => SendFailure::Lost(error.into_error()),
        })
    }

    /// Back to the worker's shelf.
    pub(super) fn keep(self) {
        if self.sender.is_closed() {
            return;
        }
        let Some(shelf) = self.home.0.get(WORKER.get()) else { return };
        let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.len() < MOST_IDLE {
            #[expect(
                clippy::disallowed_methods,
                reason = "sockets live in real time, not in the tests' clock"
            )]
            shelf.push((self.sender, Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let tcp = |host: &str, port| Some(Address::Tcp { host: host.into(), port });
        assert_eq!(Address::parse("http://app:8000"), tcp("app", 8000));
        assert_eq!(Address::parse("http://[::1]:8000/"), tcp("::1", 8000));
        assert_eq!(
            Address::parse("unix:/run/app.sock"),
            Some(Address::Unix("/run/app.sock".into()))
        );
        for wrong in ["app:8000", "http://app/path", "http://user@app", "https://app", "unix:x", ""]
        {
            assert_eq!(Address::parse(wrong), None, "{wrong}");
        }
    }
}
