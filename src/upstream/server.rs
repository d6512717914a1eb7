//! One server of an upstream: its connections, how busy it is, and whether it is well.

use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{address::Address, connect::Connector, pool::WorkerPools};
use crate::{
    clock::{Clock, Timestamp},
    observe::metrics::{Metrics, ServerMetrics},
};

/// A server as the file names it; a host in it may have several addresses.
pub(super) struct Entry {
    pub(super) text: String,
    pub(super) address: Address,
    pub(super) connector: Connector,
    pub(super) workers: usize,
    pub(super) keep_alive: Duration,
    pub(super) metrics: Metrics,
}

impl Entry {
    /// The server at one of its addresses.
    pub(super) fn server(&self, address: Address) -> Server {
        Server {
            metrics: self.metrics.server(&self.text, &address.to_string()),
            number: hash(&address.to_string()),
            address,
            connector: self.connector.clone(),
            shelves: WorkerPools::new(self.workers, self.keep_alive),
            busy: AtomicUsize::new(0),
            up: AtomicBool::new(true),
            opposite_checks: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            well_since: AtomicU64::new(0),
        }
    }
}

/// A server.
pub(super) struct Server {
    pub(super) address: Address,
    pub(super) connector: Connector,
    pub(super) shelves: WorkerPools,
    /// Of its address: what it draws for a user with.
    pub(super) number: u64,
    metrics: Arc<ServerMetrics>,
    /// Requests that it is answering now, on all workers.
    busy: AtomicUsize,
    /// What the last checks of its health came to.
    up: AtomicBool,
    /// How many checks since then came to the opposite_checks, one after the other.
    opposite_checks: AtomicU64,
    /// Failures one after the other.
    failures: AtomicU32,
    /// Until when it gets nothing because it has failed; zero if it has not. Then one request tries
    /// it, and the others wait for what becomes of that.
    ejected_until: AtomicU64,
    /// Since when it is well again; zero if it was from the start.
    well_since: AtomicU64,
}

/// Whether a server should get a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Well,
    /// Unknown after an ejection: one request may probe it, see [`Server::try_out`].
    HalfOpen,
    Ill,
}

/// When a server that fails gets no more requests, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutlierDetection {
    pub(super) failures: u32,
    pub(super) duration: Duration,
    pub(super) slow_start: Duration,
}

impl Server {
    pub(super) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// Whether checks of its health find it well.
    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// A check has found it well, or not; after so many of one kind it is up or down. Whether it
    /// changed.
    pub(super) fn checked(&self, well: bool, enough: u64, clock: &Clock) -> bool {
        if well == self.is_up() {
            self.opposite_checks.store(0, Ordering::Relaxed);
            return false;
        }
        if self.opposite_checks.fetch_add(1, Ordering::Relaxed) + 1 < enough {
            return false;
        }
        self.opposite_checks.store(0, Ordering::Relaxed);
        if well {
            self.begin(clock.now());
        }
        self.up.store(well, Ordering::Relaxed);
        self.metrics.up(well);
        true
    }

    /// It is new, or well again: from now on it gets more and more.
    pub(super) fn begin(&self, now: Timestamp) {
        self.well_since.store(now.0, Ordering::Relaxed);
    }

    /// Whether it should get a request now: it has not failed lately, and does not get more than it
    /// should while it warms up. `sample` is anything between 0 and 1.
    pub(super) fn health(
        &self,
        detection: &OutlierDetection,
        clock: &Clock,
        sample: f64,
    ) -> Health {
        let (out, since) =
            (self.ejected_until.load(Ordering::Relaxed), self.well_since.load(Ordering::Relaxed));
        // The hot path: a server without failures costs two loads and no reading of the clock.
        if out == 0 && since == 0 {
            return Health::Well;
        }
        let now = clock.now();
        if out != 0 {
            return if now.0 < out { Health::Ill } else { Health::HalfOpen };
        }
        let warm = now.since(Timestamp(since));
        if warm >= detection.slow_start {
            self.well_since.store(0, Ordering::Relaxed);
            return Health::Well;
        }
        match sample < warm.as_secs_f64() / detection.slow_start.as_secs_f64() {
            true => Health::Well,
            false => Health::Ill,
        }
    }

    /// Whether this request may try it out: the next one in a moment, if this one tells nothing.
    pub(super) fn try_out(&self, clock: &Clock) -> bool {
        const A_MOMENT: Duration = Duration::from_secs(1);
        let (out, now) = (self.ejected_until.load(Ordering::Relaxed), clock.now());
        let until = (now + A_MOMENT).0;
        let untried = out != 0 && out <= now.0;
        untried
            && self
                .ejected_until
                .compare_exchange(out, until, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// It has answered.
    pub(super) fn answered(&self, clock: &Clock) {
        let out = self.ejected_until.load(Ordering::Relaxed) != 0;
        if out || self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
            if self.ejected_until.swap(0, Ordering::Relaxed) != 0 {
                self.begin(clock.now());
            }
        }
        self.metrics.answered.inc();
    }

    /// It could not be reached, broke off, was too slow, or said that its own service is. Whether it
    /// gets nothing from now on, and did before.
    pub(super) fn failed(&self, detection: &OutlierDetection, clock: &Clock) -> bool {
        self.metrics.failed.inc();
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures < detection.failures {
            return false;
        }
        // It is tried again after that; one more failure then is enough.
        let now = clock.now();
        let until = now + detection.duration;
        self.ejected_until.swap(until.0, Ordering::Relaxed) <= now.0
    }
}

/// Which server gets a user does not change with the gateway or its start: the keys are fixed.
pub(super) fn hash(value: &impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}

/// Counts a request while its server is at it.
pub(super) struct Busy(pub(super) Arc<Server>);

impl Busy {
    pub(super) fn new(server: &Arc<Server>) -> Self {
        server.busy.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(server))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}
