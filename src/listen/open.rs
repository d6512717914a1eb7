//! Connections that are open, counted: all of them, and those of each client, so that one alone does
//! not take them all.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::Shared;
use crate::request::network_of;

/// Of all workers.
#[derive(Clone, Default)]
pub struct Counts {
    all: Arc<AtomicUsize>,
    by_client: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// Counts a connection while it is open.
pub(super) struct Open {
    shared: Shared,
    /// None, if it comes from a proxy, which connects for many.
    client: Option<IpAddr>,
}

impl Open {
    /// Counts one more; nothing if there are as many as may be.
    pub(super) fn new(
        shared: &Shared,
        peer: IpAddr,
        proxy: bool,
        limits: &super::Config,
    ) -> Option<Self> {
        let counts = &shared.open;
        let client = (!proxy).then(|| network_of(peer.to_canonical()));
        let of_client = client.map_or(0, |client| {
            let mut clients = counts.clients();
            let open = clients.entry(client).or_default();
            *open += 1;
            *open
        });
        let all = counts.all.fetch_add(1, Ordering::Relaxed) + 1;
        shared.metrics.connections.inc();
        let open = Self { shared: shared.clone(), client };
        let most = limits.connections.get().min(shared.most);
        let most_of_client =
            limits.connections_per_client.map_or(most.div_ceil(2), |most| most.get());
        (all <= most && of_client <= most_of_client).then_some(open)
    }
}

impl Counts {
    fn clients(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let counts = &self.shared.open;
        counts.all.fetch_sub(1, Ordering::Relaxed);
        self.shared.metrics.connections.dec();
        let Some(client) = self.client else { return };
        let mut clients = counts.clients();
        if let Some(open) = clients.get_mut(&client) {
            *open -= 1;
            if *open == 0 {
                clients.remove(&client);
            }
        }
    }
}
