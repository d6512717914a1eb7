//! Worker threads, each with a runtime of its own and nothing to steal; and which sockets they
//! serve, which a reload can change.

use std::{collections::HashMap, io, thread::JoinHandle, time::Duration};

use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use super::{
    Address, Inherited, Listener, Shared, accept,
    socket::{self, Socket},
};
use crate::upstream::{self, set_worker};

/// How many worker threads serve: one for each core.
pub fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Sockets that are open but not yet served.
pub struct Bound(Vec<(Address, Vec<Socket>)>);

/// Opens the sockets of these listeners.
///
/// # Errors
/// The address that cannot be had, and why.
pub fn bind(
    listeners: &[Listener],
    inherited: &mut Inherited,
) -> Result<Bound, (Address, io::Error)> {
    let open = |Listener { address, .. }: &Listener| {
        let sockets = socket::open(address, workers(), inherited);
        sockets.map(|sockets| (address.clone(), sockets)).map_err(|e| (address.clone(), e))
    };
    listeners.iter().map(open).collect::<Result<_, _>>().map(Bound)
}

/// The workers, and what they serve.
pub struct Workers {
    workers: Vec<Worker>,
    open: HashMap<Address, Open>,
}

struct Worker {
    thread: JoinHandle<()>,
    sockets: mpsc::UnboundedSender<Served>,
}

/// An address that is served.
struct Open {
    /// Kept so that they can be handed to another process.
    sockets: Vec<Socket>,
    /// See [`super::ending::Ending`].
    listening: watch::Sender<bool>,
}

/// A socket on its way to a worker.
struct Served {
    socket: Socket,
    address: Address,
    listening: watch::Receiver<bool>,
}

impl Workers {
    /// Threads that serve these sockets until `shared` says stop.
    ///
    /// # Errors
    /// If a thread or its runtime cannot be had.
    pub fn start(bound: Bound, shared: &Shared) -> io::Result<Self> {
        let workers = (0..workers()).map(|number| start(number, shared.clone()));
        let workers = workers.collect::<io::Result<_>>()?;
        let mut started = Self { workers, open: HashMap::new() };
        started.serve(bound)?;
        Ok(started)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.workers.len()
    }

    /// Opens what is new in these listeners, without serving it yet.
    ///
    /// # Errors
    /// The address that cannot be had, and why: then nothing has changed.
    pub fn bind_new(&self, listeners: &[Listener]) -> Result<Bound, (Address, io::Error)> {
        let new = listeners.iter().filter(|one| !self.open.contains_key(&one.address));
        bind(&new.cloned().collect::<Vec<_>>(), &mut Inherited::default())
    }

    /// Serves what is new, and closes what is no longer there. Connections that are open stay, but
    /// for those whose client has shown a certificate: they finish what they are at, and the next
    /// one is judged anew.
    pub fn change(&mut self, new: Bound, listeners: &[Listener]) {
        if let Err(error) = self.serve(new) {
            error!(%error, "a listener is lost");
        }
        self.open.retain(|address, open| {
            let listener = listeners.iter().find(|one| one.address == *address);
            match listener {
                Some(_) => open.listening.send_modify(|_| ()),
                None => info!(%address, "no longer listening"),
            }
            listener.is_some()
        });
    }

    fn serve(&mut self, bound: Bound) -> io::Result<()> {
        for (address, sockets) in bound.0 {
            let (listening, receiver) = watch::channel(true);
            for (number, socket) in sockets.iter().enumerate() {
                let Some(worker) = self.workers.get(number % self.workers.len().max(1)) else {
                    continue;
                };
                let (address, listening) = (address.clone(), receiver.clone());
                let _ =
                    worker.sockets.send(Served { socket: socket.try_clone()?, address, listening });
            }
            self.open.insert(address, Open { sockets, listening });
        }
        Ok(())
    }

    /// The sockets, for the process that comes after.
    pub(super) fn sockets(&self) -> impl Iterator<Item = (&Address, &Socket)> {
        self.open
            .iter()
            .flat_map(|(address, open)| open.sockets.iter().map(move |socket| (address, socket)))
    }

    /// Waits until all threads have ended, after `shared` has said stop.
    pub fn join(self) {
        drop(self.open);
        for worker in self.workers {
            if worker.thread.join().is_err() {
                error!("a worker thread had failed");
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.listening.send(false);
    }
}

fn start(number: usize, shared: Shared) -> io::Result<Worker> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sockets, served) = mpsc::unbounded_channel();
    let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        set_worker(number);
        runtime.block_on(work(served, shared));
    })?;
    Ok(Worker { thread, sockets })
}

async fn work(mut served: mpsc::UnboundedReceiver<Served>, shared: Shared) {
    let (done, mut all_done) = mpsc::channel::<()>(1);
    tokio::spawn(heartbeat(shared.clone()));
    let mut stop = shared.stop.clone();
    loop {
        let Served { socket, address, listening } = tokio::select! {
            served = served.recv() => match served {
                Some(served) => served,
                None => break,
            },
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match socket.acceptor() {
            Ok(acceptor) => {
                let shared = shared.clone();
                tokio::spawn(accept(acceptor, address, listening, shared, done.clone()));
            }
            Err(error) => warn!(%error, %address, "a listener is lost"),
        }
    }
    // Every accept loop and every connection holds a sender: the channel ends with the last.
    drop(done);
    let _ = stop.wait_for(|stop| *stop).await;
    let drain = shared.current.load().limits.drain.0;
    let _ = tokio::time::timeout(drain, all_done.recv()).await;
}

/// A timer earlier than all that requests set: setting one that becomes the runtime's next costs a
/// system call, and without this it would be the first timer of every request. On its beat, this
/// worker's answers are looked at.
async fn heartbeat(shared: Shared) {
    loop {
        tokio::time::sleep(BEAT).await;
        upstream::tick(BEAT, shared.current.load().limits.send_time.0 * STANDING);
    }
}

const BEAT: Duration = Duration::from_millis(500);

/// An answer is looked at again when a client has taken what the connection holds; a slow one needs a
/// few times `limits.send_time` for that.
const STANDING: u32 = 5;
