//! Sockets: one listener for each worker thread on each address, each thread with a runtime of its
//! own and nothing to steal; and the end, when open requests are let finish.

pub mod framing;
mod serve;
mod tls;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use arc_swap::ArcSwap;
use schemars::JsonSchema;
use serde::Deserialize;
use socket2::{Domain, Protocol, Type};
use tokio::sync::watch;
use tracing::warn;

use crate::{
    gateway::Gateway,
    observe::metrics::Metrics,
    upstream::set_worker,
    value::{Count, FromWord, Period, Size},
};

/// One entry of `listen`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Address and port.
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// Its certificates, if it speaks HTTPS.
    pub tls: Option<tls::Config>,
}

impl FromWord for Listener {
    const EXPECTING: &'static str = "an address such as 0.0.0.0:8080, or a map with `address`";
    fn from_word(word: &str) -> Result<Self, String> {
        let address = word
            .parse()
            .map_err(|_| format!("`{word}` is not an address and a port, such as 0.0.0.0:8080"))?;
        Ok(Self { address, tls: None })
    }
}

/// The `limits` setting.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Limits")]
pub struct Config {
    /// Open connections at the most; more are closed at once.
    pub connections: Count,
    /// Bytes of a request's head.
    pub head: Size,
    /// Fields of a request's head.
    pub headers: Count,
    /// How long a head may take, and how long a connection may wait for one.
    pub head_time: Period,
    /// Concurrent HTTP/2 streams of a connection.
    pub streams: Count,
    /// How long neither side of a WebSocket may say anything.
    pub tunnel_idle: Period,
    /// How long open requests may take to finish after SIGTERM.
    pub drain: Period,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections: Count(20_000),
            head: Size::kib(32),
            headers: Count(100),
            head_time: Period::seconds(30),
            streams: Count(128),
            tunnel_idle: Period::seconds(60),
            drain: Period::seconds(30),
        }
    }
}

/// What every worker needs.
#[derive(Clone)]
pub struct Shared {
    /// The configuration of now.
    pub gateway: Arc<ArcSwap<Gateway>>,
    /// The limits of the start.
    pub limits: Config,
    /// Counters.
    pub metrics: Metrics,
    /// Turns true when it is time to end.
    pub stop: watch::Receiver<bool>,
    /// Open connections, of all workers.
    pub open: Arc<AtomicUsize>,
}

/// Listening sockets, bound but not yet served: one list for each worker.
pub struct Bound(Vec<Vec<Socket>>);

/// One of them.
struct Socket {
    listener: std::net::TcpListener,
    place: Place,
}

/// Which listener a connection has come to.
#[derive(Clone, Copy, Debug)]
struct Place {
    address: SocketAddr,
    /// Whether it speaks HTTPS: from the start, so that no reload makes it speak less.
    secure: bool,
}

/// How many worker threads serve: one for each core.
pub fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Binds the addresses.
///
/// # Errors
/// The address that cannot be had, and why.
pub fn bind(listeners: &[Listener]) -> Result<Bound, (SocketAddr, io::Error)> {
    let mut bound = Vec::new();
    for _ in 0..workers() {
        bound.push(Vec::new());
    }
    for Listener { address, tls } in listeners {
        let place = Place { address: *address, secure: tls.is_some() };
        // Without this look first, a second gateway would quietly take half of the connections:
        // that is what SO_REUSEPORT is for.
        drop(socket(*address, false).map_err(|error| (*address, error))?);
        for sockets in &mut bound {
            let listener = socket(*address, true).map_err(|error| (*address, error))?;
            sockets.push(Socket { listener, place });
        }
    }
    Ok(Bound(bound))
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket =
        socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // The look before must not take connections.
    if shared {
        socket.listen(4096)?;
    }
    Ok(socket.into())
}

impl Bound {
    /// Serves on threads of their own, until told to stop.
    ///
    /// # Errors
    /// If a thread or its runtime cannot be had.
    pub fn serve(self, shared: &Shared) -> io::Result<Vec<JoinHandle<()>>> {
        let workers = self.0.into_iter().enumerate();
        workers.map(|(number, sockets)| start(number, sockets, shared.clone())).collect()
    }
}

fn start(number: usize, sockets: Vec<Socket>, shared: Shared) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        set_worker(number);
        runtime.block_on(work(sockets, shared));
    })
}

async fn work(sockets: Vec<Socket>, shared: Shared) {
    let (done, mut all_done) = tokio::sync::mpsc::channel::<()>(1);
    for Socket { listener, place } in sockets {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => {
                tokio::spawn(accept(listener, place, shared.clone(), done.clone()));
            }
            Err(error) => warn!(%error, "a listener is lost"),
        }
    }
    drop(done);
    tokio::spawn(heartbeat());
    // Every accept loop and every connection holds a sender: the channel ends with the last.
    let mut stop = shared.stop.clone();
    let _ = stop.wait_for(|stop| *stop).await;
    let _ = tokio::time::timeout(shared.limits.drain.0, all_done.recv()).await;
}

/// A timer earlier than all that requests set: setting one that becomes the runtime's next costs a
/// system call, and without this it would be the first timer of every request.
async fn heartbeat() {
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}

async fn accept(
    listener: tokio::net::TcpListener,
    place: Place,
    shared: Shared,
    done: tokio::sync::mpsc::Sender<()>,
) {
    let mut stop = shared.stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, address)) => {
                let open = Open::new(&shared);
                if shared.open.load(Ordering::Relaxed) > shared.limits.connections.get() {
                    continue;
                }
                let connection = serve::accepted(stream, address, place, shared.clone());
                let done = done.clone();
                tokio::spawn(async move {
                    connection.await;
                    drop((open, done));
                });
            }
            Err(error) => {
                // Out of file descriptors: connections that end give some back.
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

/// Counts a connection while it is open.
struct Open(Shared);

impl Open {
    fn new(shared: &Shared) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        shared.metrics.connections.inc();
        Self(shared.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.connections.dec();
    }
}
