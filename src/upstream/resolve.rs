//! Names of servers become their addresses, again and again: each address is a server of its own,
//! and one that is no longer the name's gets no new requests.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use tracing::warn;

use super::{
    server::{Entry, Server},
    service::Service,
};
use crate::clock::Clock;

/// Looks every name up now and then, until the upstream is gone.
pub(super) async fn run(service: Weak<Service>, every: Duration) {
    let Some(first) = service.upgrade() else { return };
    // The servers of each entry: at first the name itself, which connecting looks up.
    let mut known: Vec<Vec<Arc<Server>>> =
        first.servers.load().iter().map(|server| vec![Arc::clone(server)]).collect();
    drop(first);
    loop {
        let Some(alive) = service.upgrade() else { return };
        for (entry, servers) in alive.entries.iter().zip(&mut known) {
            let Some((host, port)) = entry.address.named_host() else { continue };
            match look_up(host, port).await {
                Ok(found) => *servers = at(entry, &found, servers, &alive.balancer.clock),
                // It keeps the addresses that it had.
                Err(cause) => warn!(host, cause, "the name of a server cannot be looked up"),
            }
        }
        let all: Vec<_> = known.iter().flatten().cloned().collect();
        if !same(&all, &alive.servers.load()) {
            alive.servers.store(Arc::new(all));
        }
        drop(alive);
        tokio::time::sleep(every).await;
    }
}

/// The addresses of a name, in an order that does not change; never none.
async fn look_up(host: &str, port: u16) -> Result<BTreeSet<SocketAddr>, String> {
    let found = tokio::net::lookup_host((host, port)).await.map_err(|error| error.to_string())?;
    let found: BTreeSet<SocketAddr> = found.collect();
    if found.is_empty() { Err("it has no address".into()) } else { Ok(found) }
}

/// The servers at these addresses: those that are known, and new ones, which begin slowly.
fn at(
    entry: &Entry,
    found: &BTreeSet<SocketAddr>,
    known: &[Arc<Server>],
    clock: &Clock,
) -> Vec<Arc<Server>> {
    let server = |found: &SocketAddr| {
        let address = entry.address.at(*found);
        let known = known.iter().find(|server| server.address == address);
        known.cloned().unwrap_or_else(|| {
            let server = entry.server(address);
            server.begin(clock.now());
            Arc::new(server)
        })
    };
    found.iter().map(server).collect()
}

fn same(these: &[Arc<Server>], those: &[Arc<Server>]) -> bool {
    these.len() == those.len() && these.iter().zip(those).all(|(a, b)| Arc::ptr_eq(a, b))
}
