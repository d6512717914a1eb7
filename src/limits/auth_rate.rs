//! The limit on pages that take passwords (`auth_rate`), before anything is looked at. A local limit
//! holds on each gateway; where gateways share their counters, one budget holds over all of them.

use std::{net::IpAddr, sync::Arc, time::Duration};

use governor::{
    Quota, RateLimiter, middleware::NoOpMiddleware, nanos::Nanos, state::keyed::DashMapStateStore,
};

use super::Counters;
use crate::{clock::Clock, request::network_of, value::Rate};

type Keyed = RateLimiter<IpAddr, DashMapStateStore<IpAddr>, Clock, NoOpMiddleware<Nanos>>;

/// Counts requests to pages that take passwords, by network.
pub struct AuthRate {
    local: Keyed,
    rate: Rate,
    /// What other gateways count too.
    shared: Option<Arc<dyn Counters>>,
    clock: Clock,
}

impl AuthRate {
    /// So many requests per network. A rate of 0 is read as 1: a page that no client may use is a
    /// route to remove.
    pub fn new(rate: Rate, shared: Option<Arc<dyn Counters>>, clock: Clock) -> Self {
        let burst = std::num::NonZeroU32::new(rate.limit).unwrap_or(std::num::NonZeroU32::MIN);
        let quota = Quota::with_period(rate.period / burst.get())
            .unwrap_or(Quota::per_second(burst))
            .allow_burst(burst);
        let local = RateLimiter::new(quota, DashMapStateStore::default(), clock.clone());
        Self { local, rate, shared, clock }
    }

    /// Counts a request. Counters that cannot be asked leave the local limit.
    ///
    /// # Errors
    /// How long to wait.
    pub async fn admit(&self, client: IpAddr) -> Result<(), Duration> {
        let now = governor::clock::Clock::now(&self.clock);
        let network = network_of(client);
        self.local.check_key(&network).map_err(|refused| refused.wait_time_from(now))?;
        let Some(shared) = &self.shared else { return Ok(()) };
        let key = network.to_string();
        match shared.add("auth_rate", key.as_bytes(), self.rate.period).await {
            Ok(counted) if counted.count > u64::from(self.rate.limit.max(1)) => {
                Err(counted.ends.since(self.clock.now()).max(Duration::from_secs(1)))
            }
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::warn!(%error, "`auth_rate` holds on this gateway alone");
                Ok(())
            }
        }
    }

    /// Forgets networks that have been quiet for long; called now and then.
    pub fn prune(&self) {
        self.local.retain_recent();
        self.local.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    /// Attack: one IPv6 customer has 2^64 addresses and takes a fresh one for each guess.
    #[tokio::test]
    async fn ipv6_is_limited_by_network() {
        let clock = Clock::test(Timestamp::from_seconds(1_700_000_000));
        let limit = AuthRate::new("2/min".parse().unwrap(), None, clock.clone());
        let address = |n: u8| format!("2001:db8::{n}").parse().unwrap();
        assert_eq!(limit.admit(address(1)).await, Ok(()));
        assert_eq!(limit.admit(address(2)).await, Ok(()));
        assert!(limit.admit(address(3)).await.is_err());
        clock.advance(Duration::from_secs(30));
        assert_eq!(limit.admit(address(4)).await, Ok(()));
        limit.prune();
    }
}
