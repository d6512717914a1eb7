//! Sockets: one listener for each worker thread on each address; connections, each served by the
//! policy of its listener; and the end, when open requests are let finish.
//!
#![doc = include_str!("README.md")]

mod acme;
mod address;
mod ending;
pub mod framing;
mod coalesce;
mod handover;
mod listener;
mod open;
mod proxy_protocol;
mod serve;
mod socket;
mod tls;
mod unparsed;
mod workers;
mod write_timeout;

pub use self::{
    acme::Acme,
    address::Address,
    handover::{done as handed_over, is_handed_over, start as hand_over},
    listener::{Listener, ListenerContext, ListenerOptions},
    open::Counts,
    socket::{Inherited, bind as bind_tcp, look as look_at},
    workers::{Bound, Workers, bind, workers},
};

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tracing::warn;

use self::{open::Open, socket::Acceptor};
use crate::{
    gateway::Gateway,
    observe::metrics::Metrics,
    value::{Count, Period, Size},
};

/// The `limits` setting.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Limits")]
pub struct Config {
    /// Open connections at the most; more are closed at once. No more than half the files that the
    /// system allows, since each may need another to an upstream.
    pub connections: Count,
    /// Those of one client (an IPv4 address, an IPv6 /64) that is not among `trusted_proxies`; half of
    /// them, unless it is said here.
    pub connections_per_client: Option<Count>,
    /// Bytes of a request's head.
    pub head: Size,
    /// Fields of a request's head.
    pub headers: Count,
    /// How long a head may take, and how long a connection may wait for one.
    pub head_time: Period,
    /// How long a client may take nothing of what is sent to it.
    pub send_time: Period,
    /// Concurrent HTTP/2 streams of a connection.
    pub streams: Count,
    /// How long neither side of a WebSocket may say anything.
    pub tunnel_idle: Period,
    /// How long readiness says no before connections are refused, after SIGTERM: as long as load
    /// balancers take to notice.
    pub notice: Period,
    /// How long open requests may take to finish after that.
    pub drain: Period,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections: Count(20_000),
            connections_per_client: None,
            head: Size::kib(32),
            headers: Count(100),
            head_time: Period::seconds(30),
            send_time: Period::seconds(60),
            streams: Count(128),
            tunnel_idle: Period::seconds(60),
            notice: Period::seconds(0),
            drain: Period::seconds(30),
        }
    }
}

/// A configuration as it serves; a reload makes another and swaps them.
pub struct Serving {
    /// Decides and answers.
    pub gateway: Gateway,
    /// How the connections of each listener are served.
    pub listeners: HashMap<Address, Arc<ListenerOptions>>,
    /// What clients may make long.
    pub limits: Config,
}

/// What every worker needs.
#[derive(Clone)]
pub struct Shared {
    /// The configuration of now.
    pub current: Arc<ArcSwap<Serving>>,
    /// Counters.
    pub metrics: Metrics,
    /// Turns true when it is time to end.
    pub stop: watch::Receiver<bool>,
    /// Open connections, of all workers.
    pub open: Counts,
    /// So many there are files for.
    pub most: usize,
}

/// Takes connections until its listener is closed, or all are.
async fn accept(
    acceptor: Acceptor,
    address: Address,
    mut listening: watch::Receiver<bool>,
    shared: Shared,
    done: mpsc::Sender<()>,
) {
    let mut stop = shared.stop.clone();
    loop {
        // At the end, what the system has taken already is served too.
        let accepted = tokio::select! {
            accepted = acceptor.accept() => Some(accepted),
            _ = stop.wait_for(|stop| *stop) => acceptor.accept().now_or_never(),
            _ = listening.wait_for(|listening| !*listening) => acceptor.accept().now_or_never(),
        };
        let Some(accepted) = accepted else { return };
        match accepted {
            Ok((stream, peer)) => {
                let mut of_connection = listening.clone();
                of_connection.mark_unchanged();
                let serving = shared.current.load_full();
                let proxy = serving.gateway.proxies.contains(peer.to_canonical());
                let Some(open) = Open::new(&shared, peer, proxy, &serving.limits) else { continue };
                // A listener that the newest configuration no longer has is about to be closed.
                let Some(options) = serving.listeners.get(&address).cloned() else { continue };
                let limits = serving.limits.clone();
                let arrived = Arrived { peer, options, limits, listening: of_connection };
                let connection = serve::accepted(stream, arrived, shared.clone());
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

/// What is known of a connection when it has just come; it stays so whatever is reloaded.
struct Arrived {
    peer: IpAddr,
    options: Arc<ListenerOptions>,
    limits: Config,
    /// See [`ending::Ending`].
    listening: watch::Receiver<bool>,
}
