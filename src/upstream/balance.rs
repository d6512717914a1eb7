//! Which server gets a request.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::server::{Health, OutlierDetection, Server, hash};
use crate::{clock::Clock, forward::Outgoing, rejection::Rejection, request::network_of};

/// The `balance` setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Balance {
    /// One after the other.
    #[default]
    RoundRobin,
    /// The one that is answering the fewest requests.
    LeastRequests,
    /// A user's requests to the same server, as long as it is healthy; anonymous requests by their
    /// network. When a server comes or goes only its own users move.
    User,
}

/// Chooses servers.
pub(super) struct Balancer {
    pub(super) balance: Balance,
    pub(super) detection: OutlierDetection,
    /// Requests that a server may be answering at a time.
    pub(super) most: usize,
    pub(super) clock: Clock,
    pub(super) turn: AtomicU64,
}

impl Balancer {
    /// Who is asking, as a number that is the same in every gateway; zero where it does not matter.
    pub(super) fn user(&self, outgoing: &Outgoing<'_>) -> u64 {
        match (self.balance, outgoing.caller) {
            (Balance::RoundRobin | Balance::LeastRequests, _) => 0,
            (Balance::User, Some(caller)) => hash(caller.id.as_ref().unwrap_or(&caller.username)),
            (Balance::User, None) => hash(&network_of(outgoing.client)),
        }
    }

    /// The best server that has not been tried, for a user as [`Self::user`] tells.
    ///
    /// # Errors
    /// If all are down or busy.
    pub(super) fn choose(
        &self,
        servers: &[Arc<Server>],
        user: u64,
        tried: &[Arc<Server>],
    ) -> Result<Arc<Server>, Rejection> {
        let turn = match servers.len() {
            1 => 0,
            _ => self.turn.fetch_add(1, Ordering::Relaxed),
        };
        let start = usize::try_from(turn).unwrap_or_default() % servers.len().max(1);
        let (mut best, mut all_busy) = (None, false);
        let rotated = servers.iter().skip(start).chain(servers.iter().take(start));
        for (place, server) in rotated.enumerate() {
            if !server.is_up() || tried.iter().any(|other| Arc::ptr_eq(other, server)) {
                continue;
            }
            if server.busy() >= self.most {
                all_busy = true;
                continue;
            }
            let health = match servers.len() {
                1 => Health::Well,
                _ => server.health(&self.detection, &self.clock, sample(turn)),
            };
            // Even so: only a request shows that it has recovered.
            if health == Health::HalfOpen && server.try_out(&self.clock) {
                return Ok(Arc::clone(server));
            }
            // If none is well, one that is not is better than none.
            let ill = health != Health::Well;
            let after = match self.balance {
                Balance::RoundRobin => place as u64,
                Balance::LeastRequests => server.busy() as u64,
                // Rendezvous hashing: each server draws a number for the user, the highest wins.
                Balance::User => !hash(&(user, server.number)),
            };
            let order = (ill, after);
            if best.as_ref().is_none_or(|(known, _)| order < *known) {
                best = Some((order, server));
            }
        }
        match best {
            Some((_, server)) => Ok(Arc::clone(server)),
            None if all_busy => Err(Rejection::UpstreamAway("every server is busy")),
            None => Err(Rejection::UpstreamAway("no server is up")),
        }
    }
}

/// A number between 0 and 1 that is spread evenly over the turns.
fn sample(turn: u64) -> f64 {
    // The fraction of the golden ratio's multiples (D. Knuth, volume 3, section 6.4).
    let mixed = turn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}
