//! Patterns that no single request shows: they are written to the audit trail and counted, and no
//! request is refused for them. Kept in memory, so a restart forgets.

use std::{net::IpAddr, time::Duration};

use moka::sync::Cache;

use crate::{
    clock::{Clock, Timestamp},
    crypto::digest::sha256,
    observe::{
        audit::{By, Event, record},
        metrics::{Metrics, Pattern},
    },
    request::network_of,
};

/// Notices.
pub struct Suspicion {
    /// Accounts that have failed from a network lately.
    accounts: Cache<IpAddr, Vec<[u8; 32]>>,
    /// Networks that an account was logged in from.
    networks: Cache<[u8; 32], Vec<IpAddr>>,
    /// Refreshes of a user since a moment.
    refreshes: Cache<Box<str>, (u64, Timestamp)>,
    metrics: Metrics,
    clock: Clock,
}

/// So many accounts that fail from one network within [`LATELY`] are a credential-stuffing attempt.
const MANY_ACCOUNTS: usize = 10;
const LATELY: Duration = Duration::from_secs(15 * 60);
/// So many networks of an account are remembered, for so long.
const NETWORKS: usize = 8;
const LONG: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// So many refreshes within [`SHORTLY`] are no client at work.
const BURST: u64 = 30;
const SHORTLY: Duration = Duration::from_secs(60);
const CAPACITY: u64 = 100_000;

impl Suspicion {
    /// With nothing noticed yet.
    pub fn new(metrics: Metrics, clock: Clock) -> Self {
        Self {
            accounts: Cache::builder().max_capacity(CAPACITY).time_to_live(LATELY).build(),
            networks: Cache::builder().max_capacity(CAPACITY).time_to_idle(LONG).build(),
            refreshes: Cache::builder().max_capacity(CAPACITY).time_to_live(SHORTLY).build(),
            metrics,
            clock,
        }
    }

    /// A password was wrong for this account.
    pub fn failed(&self, account: &str, client: IpAddr) {
        let account = sha256(account.as_bytes());
        let mut many = false;
        self.accounts.entry(network_of(client)).and_upsert_with(|old| {
            let mut accounts = old.map(moka::Entry::into_value).unwrap_or_default();
            if accounts.len() < MANY_ACCOUNTS && !accounts.contains(&account) {
                accounts.push(account);
                many = accounts.len() == MANY_ACCOUNTS;
            }
            accounts
        });
        if many {
            self.tell(Pattern::ManyAccounts, None, client);
        }
    }

    /// A password was right for this account.
    pub fn succeeded(&self, account: &str, client: IpAddr) {
        let network = network_of(client);
        let mut new = false;
        self.networks.entry(sha256(account.as_bytes())).and_upsert_with(|old| {
            let mut networks = old.map(moka::Entry::into_value).unwrap_or_default();
            if !networks.contains(&network) {
                new = !networks.is_empty();
                if networks.len() == NETWORKS {
                    networks.remove(0);
                }
                networks.push(network);
            }
            networks
        });
        if new {
            self.tell(Pattern::NewNetwork, Some(account), client);
        }
    }

    /// A token of this user was refreshed.
    pub fn refreshed(&self, user: &str, client: IpAddr) {
        let now = self.clock.now();
        let counted = self.refreshes.entry(user.into()).and_upsert_with(|old| {
            match old.map(moka::Entry::into_value) {
                Some((count, since)) if now.since(since) < SHORTLY => (count + 1, since),
                _ => (1, now),
            }
        });
        if counted.into_value().0 == BURST {
            self.tell(Pattern::RefreshBurst, Some(user), client);
        }
    }

    fn tell(&self, pattern: Pattern, account: Option<&str>, client: IpAddr) {
        self.metrics.suspicious(pattern).inc();
        record(Event::Suspicious, account, client, By::page("suspicion", pattern.name()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

    fn suspicion() -> (Suspicion, Metrics, Clock) {
        let clock = Clock::test(Timestamp::from_seconds(1_700_000_000));
        let metrics = Metrics::default();
        (Suspicion::new(metrics.clone(), clock.clone()), metrics, clock)
    }

    /// Attack: one password is tried on many accounts from one network, too few times on each to
    /// lock any of them.
    #[test]
    fn many_accounts_from_one_network_are_told_once() {
        let (suspicion, metrics, _) = suspicion();
        let told = || metrics.suspicious(Pattern::ManyAccounts).get();
        for _ in 0..100 {
            suspicion.failed("forgetful", HERE);
        }
        (0..8).for_each(|number| suspicion.failed(&format!("user{number}"), HERE));
        suspicion.failed("user9", THERE);
        assert_eq!(told(), 0);
        (8..30).for_each(|number| suspicion.failed(&format!("user{number}"), HERE));
        assert_eq!(told(), 1);
    }

    /// Attack: a stolen password is used from elsewhere.
    #[test]
    fn an_account_from_a_new_network_is_told() {
        let (suspicion, metrics, _) = suspicion();
        let told = || metrics.suspicious(Pattern::NewNetwork).get();
        suspicion.succeeded("alice", HERE);
        suspicion.succeeded("bob", THERE);
        suspicion.succeeded("alice", HERE);
        assert_eq!(told(), 0, "the first is where it belongs");
        suspicion.succeeded("alice", THERE);
        suspicion.succeeded("alice", THERE);
        assert_eq!(told(), 1);
    }

    /// Attack: the thief of a refresh token makes access tokens of it in a loop.
    #[test]
    fn a_burst_of_refreshes_is_told() {
        let (suspicion, metrics, clock) = suspicion();
        let told = || metrics.suspicious(Pattern::RefreshBurst).get();
        for _ in 0..20 {
            (0..5).for_each(|_| suspicion.refreshed("1", HERE));
            clock.advance(Duration::from_secs(30));
        }
        assert_eq!(told(), 0, "ten a minute are a busy client");
        (0..40).for_each(|_| suspicion.refreshed("1", HERE));
        assert_eq!(told(), 1);
    }
}
