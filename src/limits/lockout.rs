//! Failed credentials, counted by account and network together, by network, and by account.
//!
//! A pair of account and network is locked after `failures` in a `window`, so that a stranger
//! elsewhere cannot lock a user out; a network after twenty times as many, over all accounts. After
//! a hundred failures in a row, however slow, an account is locked for everybody but the networks
//! that its owner has logged in from, and then again after each further one; such a network has a
//! hundred of its own (NIST SP 800-63B section 3.2.2, which names this way out: else a client that makes
//! the hundred keeps the owner out with one more, now and then). Names that do not exist are
//! counted like those that do, and a locked client is answered before its credential is looked at:
//! it cannot tell right from wrong, nor known from unknown.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use moka::sync::Cache;
use schemars::JsonSchema;
use serde::Deserialize;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::{
    clock::{Clock, Timestamp},
    crypto::digest::sha256,
    observe::metrics::Locks,
    request::network_of,
    value::{Count, Period},
};

/// The `lockout` setting; `false` turns it off.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Lockout")]
pub struct Config {
    /// Failures of one account from one network before it is locked there. After a hundred in a
    /// row, from wherever, an account is locked for all networks but those that its owner has logged
    /// in from.
    failures: Count,
    /// In what time they are counted together.
    window: Period,
    /// For how long it is locked.
    duration: Period,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            failures: Count(5),
            window: Period::seconds(15 * 60),
            duration: Period::seconds(15 * 60),
        }
    }
}

/// Counts failures and says who has to wait.
pub struct Lockout {
    config: ArcSwapOption<Config>,
    counters: Cache<Key, Counter>,
    clock: Clock,
    locks: Locks,
    /// No lock ends later than this: zero while no account was ever locked, so that the hot path costs
    /// one load.
    last_lock_ends: AtomicU64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    AccountAndNetwork([u8; 32], IpAddr),
    Network(IpAddr),
    /// Of the networks without a successful log-in.
    Account([u8; 32]),
    /// There only for a known network; of the name as it is stored, for two accounts may differ in no
    /// more than case.
    AccountAt([u8; 32], IpAddr),
    Flood(IpAddr),
}

/// What a credential could tell a guesser.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// It is a guess at this account's password.
    Account(&'a str),
    /// It can be guessed, and names no account: a custom scheme's.
    Guessable,
    /// It is long and random. A client with a dead token is no attacker, and must not lock out
    /// everybody at its address: these have a counter of their own, which only stops floods.
    Unguessable,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    failures: u64,
    /// Attempts that are being judged.
    begun: u64,
    since: Timestamp,
    locked_until: Timestamp,
    /// The spelling of the name in all of these failures, if there is one.
    spelling: Option<[u8; 32]>,
}

const NETWORK_FACTOR: u64 = 20;
const FLOOD_FACTOR: u64 = 200;
const ACCOUNT_FAILURES: u64 = 100;
const COUNTERS: u64 = 200_000;
/// For those that are being judged.
const A_MOMENT: Duration = Duration::from_secs(1);
/// Thirty days: so long is remembered where an account's owner comes from.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Lockout {
    /// By a configuration; `None` locks no account.
    pub fn new(config: Option<Config>, clock: Clock, locks: Locks) -> Self {
        let keep = config.as_ref().map_or(KEPT, |c| KEPT.max(c.window.0).max(c.duration.0));
        let counters = Cache::builder().max_capacity(COUNTERS).time_to_live(keep).build();
        let config = ArcSwapOption::from(config.map(Arc::new));
        Self { config, counters, clock, locks, last_lock_ends: AtomicU64::new(0) }
    }

    /// Takes another configuration. What was counted stays, and who is locked stays so.
    pub fn change(&self, config: Option<Config>) {
        self.config.store(config.map(Arc::new));
    }

    /// Whether anybody at all has to wait: one load, for the hot path.
    pub fn anyone_waits(&self) -> bool {
        self.last_lock_ends.load(Ordering::Relaxed) > self.clock.now().0
    }

    /// How long this client has to wait, if it has to.
    pub fn wait(&self, subject: Subject<'_>, client: IpAddr) -> Option<Duration> {
        if !self.anyone_waits() {
            return None;
        }
        let config = self.config.load_full()?;
        let now = self.clock.now();
        let locked = |key: &Key| {
            let until = self.counters.get(key)?.locked_until;
            (until > now).then(|| until.since(now))
        };
        self.keys(&config, subject, client).iter().filter_map(|(key, _)| locked(key)).max()
    }

    /// Starts an attempt: as long as it is not judged it stands where its failure would, so that of
    /// many at once no more are judged than one after the other.
    ///
    /// # Errors
    /// How long the client has to wait: for the lock, or a moment for those that are being judged.
    pub fn start(&self, subject: Subject<'_>, client: IpAddr) -> Result<Attempt<'_>, Duration> {
        let spelling = match subject {
            Subject::Account(account) => sha256(account.as_bytes()),
            Subject::Guessable | Subject::Unguessable => [0; 32],
        };
        let mut attempt = Attempt { lockout: self, reserved: Vec::new(), spelling, client };
        let Some(config) = self.config.load_full() else { return Ok(attempt) };
        let now = self.clock.now();
        let mut wait = None;
        for (key, most) in self.keys(&config, subject, client) {
            let mut refused = None;
            self.counters.entry(key.clone()).and_upsert_with(|old| {
                let mut counter = old.map(moka::Entry::into_value).unwrap_or_default();
                counter.begin(now, key.window(&config), most);
                refused = if counter.locked_until > now {
                    Some(counter.locked_until.since(now))
                } else if counter.failures + counter.begun >= most {
                    Some(A_MOMENT)
                } else {
                    counter.begun += 1;
                    None
                };
                counter
            });
            match refused {
                None => attempt.reserved.push((key, most)),
                Some(_) => wait = wait.max(refused),
            }
        }
        // What has begun elsewhere is taken back as it is dropped.
        wait.map_or(Ok(attempt), Err)
    }

    /// It was a failure. Whether that locks this counter.
    fn fail(&self, key: Key, most: u64, spelling: [u8; 32]) -> bool {
        let Some(config) = self.config.load_full() else { return false };
        let now = self.clock.now();
        let of_account =
            matches!(key, Key::AccountAndNetwork(..) | Key::Account(_) | Key::AccountAt(..));
        let window = key.window(&config);
        let mut locks = false;
        self.counters.entry(key).and_upsert_with(|old| {
            let mut counter = old.map(moka::Entry::into_value).unwrap_or_default();
            counter.begin(now, window, most);
            counter.begun = counter.begun.saturating_sub(1);
            counter.spelling = Some(spelling)
                .filter(|_| counter.failures == 0 || counter.spelling == Some(spelling));
            counter.failures += 1;
            locks = counter.failures >= most && counter.locked_until <= now;
            if locks {
                counter.locked_until = now + config.duration.0;
            }
            counter
        });
        if locks {
            let locked = &self.locks;
            if of_account { &locked.account } else { &locked.network }.inc();
            self.last_lock_ends.fetch_max((now + config.duration.0).0, Ordering::Relaxed);
        }
        locks
    }

    /// Not a failure, or undecided: only this attempt's reservation is released, so that an
    /// attacker's own good credential does not clear the failures of others.
    fn forgive(&self, key: Key) {
        self.judged(key, |_| ());
    }

    /// Notes that the account's owner has logged in from there.
    pub fn trust_network(&self, stored: &str, client: IpAddr) {
        let known = Key::AccountAt(sha256(stored.as_bytes()), network_of(client));
        if self.config.load().is_some() {
            self.counters.entry(known).or_default();
        }
    }

    fn judged(&self, key: Key, then: impl FnOnce(&mut Counter)) {
        self.counters.entry(key).and_compute_with(|old| match old {
            None => moka::ops::compute::Op::Nop,
            Some(old) => {
                let mut counter = old.into_value();
                counter.begun = counter.begun.saturating_sub(1);
                then(&mut counter);
                moka::ops::compute::Op::Put(counter)
            }
        });
    }

    /// What counts for a subject, and how many failures lock it.
    fn keys(&self, config: &Config, subject: Subject<'_>, client: IpAddr) -> Vec<(Key, u64)> {
        let network = network_of(client);
        let failures = config.failures.0.max(1);
        let guesses = (Key::Network(network), failures.saturating_mul(NETWORK_FACTOR));
        match subject {
            Subject::Account(name) => {
                let account = canonical(name);
                let both = (Key::AccountAndNetwork(account, network), failures);
                let at = Key::AccountAt(sha256(name.as_bytes()), network);
                let known = self.counters.contains_key(&at);
                let account = if known { at } else { Key::Account(account) };
                vec![guesses, both, (account, ACCOUNT_FAILURES.max(failures))]
            }
            Subject::Guessable => vec![guesses],
            Subject::Unguessable => {
                vec![(Key::Flood(network), failures.saturating_mul(FLOOD_FACTOR))]
            }
        }
    }
}

impl Key {
    /// In what time failures are counted together.
    fn window(&self, config: &Config) -> Duration {
        if self.counts_in_a_row() { Duration::MAX } else { config.window.0 }
    }

    fn counts_in_a_row(&self) -> bool {
        matches!(self, Self::Account(_) | Self::AccountAt(..))
    }
}

impl Counter {
    /// Failures of another window count no more, nor those that a lock was for. Where there is no
    /// window, the next one locks again.
    fn begin(&mut self, now: Timestamp, window: Duration, most: u64) {
        let locked = self.locked_until > now;
        let was_locked = self.locked_until > Timestamp::default();
        if window == Duration::MAX {
            if was_locked && !locked {
                self.failures = self.failures.min(most.saturating_sub(1));
            }
        } else if !locked && (was_locked || now.since(self.since) > window) {
            *self = Self { begun: self.begun, since: now, ..Self::default() };
        }
    }
}

/// An attempt that is being judged. Dropped, it was neither a failure nor a success.
pub struct Attempt<'a> {
    lockout: &'a Lockout,
    reserved: Vec<(Key, u64)>,
    spelling: [u8; 32],
    client: IpAddr,
}

impl Attempt<'_> {
    /// It is one. Says whether something is locked by it.
    pub fn failed(mut self) -> bool {
        let reserved = std::mem::take(&mut self.reserved);
        let fail = |(key, most)| self.lockout.fail(key, most, self.spelling);
        reserved.into_iter().fold(false, |locks, counter| fail(counter) | locks)
    }

    /// The owner of the account with this name was there: no failures in a row are left of it here,
    /// unless some were of another spelling, and so perhaps of another account.
    pub fn succeeded(mut self, stored: &str) {
        let exact = sha256(stored.as_bytes());
        for (key, _) in self.reserved.drain(..) {
            let in_a_row = key.counts_in_a_row();
            self.lockout.judged(key, |counter| {
                if in_a_row && counter.spelling == Some(exact) {
                    *counter = Counter { begun: counter.begun, ..Counter::default() };
                }
            });
        }
        self.lockout.trust_network(stored, self.client);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.reserved.drain(..).for_each(|(key, _)| self.lockout.forgive(key));
    }
}

/// One form for all spellings of an account: a different case or composition must not buy another
/// five guesses.
///
/// Its digest: long names must not fill the memory.
fn canonical(account: &str) -> [u8; 32] {
    // No user has a longer one; what follows buys no other counter.
    let start: String = account.trim().chars().take(LONGEST_NAME).collect();
    // MySQL's usual collations take `álice` for alice, and `username_match` may let her in by it.
    let plain = start.nfkd().filter(|c| !is_combining_mark(*c)).collect::<String>();
    sha256(plain.to_lowercase().as_bytes())
}

/// Django's column has 150, some projects' e-mail addresses 254.
const LONGEST_NAME: usize = 254;

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

    fn of(config: Config) -> (Lockout, Clock) {
        let clock = Clock::test(Timestamp::from_seconds(1_700_000_000));
        (Lockout::new(Some(config), clock.clone(), Locks::default()), clock)
    }

    fn lockout() -> (Lockout, Clock) {
        of(Config::default())
    }

    fn after_three(window: u64, duration: u64) -> (Lockout, Clock) {
        let (window, duration) = (Period::seconds(window), Period::seconds(duration));
        of(Config { failures: Count(3), window, duration })
    }

    fn fail(lockout: &Lockout, subject: Subject<'_>, client: IpAddr) {
        if let Ok(attempt) = lockout.start(subject, client) {
            attempt.failed();
        }
    }

    /// Attack (CVE-2025-24806): each spelling of a name has a counter of its own.
    #[test]
    fn spellings_share_a_counter_and_the_lock_ends() {
        let (lockout, clock) = lockout();
        for name in ["alice", "Alice", "ALICE", " alice", "ａlice"] {
            assert_eq!(lockout.wait(Subject::Account(name), HERE), None);
            fail(&lockout, Subject::Account(name), HERE);
        }
        assert_eq!(lockout.wait(Subject::Account("alice"), HERE), Some(Duration::from_secs(900)));
        clock.advance(Duration::from_secs(901));
        assert_eq!(lockout.wait(Subject::Account("alice"), HERE), None);
    }

    /// Attack: a stranger types wrong passwords to lock the owner of the account out.
    #[test]
    fn a_stranger_elsewhere_does_not_lock_the_owner_out() {
        let (lockout, _) = lockout();
        for _ in 0..10 {
            fail(&lockout, Subject::Account("alice"), THERE);
        }
        assert!(lockout.wait(Subject::Account("alice"), THERE).is_some());
        assert_eq!(lockout.wait(Subject::Account("alice"), HERE), None);
        for number in 0..100 {
            let elsewhere = IpAddr::from([203, 0, 113, number]);
            fail(&lockout, Subject::Account("alice"), elsewhere);
        }
        assert!(
            lockout.wait(Subject::Account("alice"), HERE).is_some(),
            "a hundred failures are enough"
        );
    }

    /// Attack: guesses from everywhere, so slow that no window has many; and the same to keep the
    /// owner out.
    #[test]
    fn a_hundred_failures_in_a_row_lock_strangers_and_not_the_owner_s_network() {
        let (lockout, clock) = lockout();
        let alice = Subject::Account("alice");
        lockout.start(alice, HERE).unwrap().succeeded("alice");
        let guess = |number: u8| {
            clock.advance(Duration::from_secs(60 * 60));
            let attempt = lockout.start(alice, IpAddr::from([203, 0, 113, number]));
            attempt.map(Attempt::failed)
        };
        for number in 0..99 {
            assert_eq!(guess(number), Ok(false), "{number}");
        }
        // A stranger's count is none of the owner's, who types it wrong, too.
        lockout.start(alice, HERE).unwrap().failed();
        lockout.start(alice, HERE).unwrap().succeeded("alice");
        assert_eq!(guess(99), Ok(true));
        assert!(lockout.wait(alice, THERE).is_some());
        assert_eq!(lockout.wait(alice, HERE), None);
        assert_eq!(guess(100), Ok(true), "the next one locks again");
        assert!(lockout.start(alice, THERE).is_err());
        // The owner on a journey, once the lock is over.
        clock.advance(Duration::from_secs(60 * 60));
        lockout.start(alice, THERE).unwrap().succeeded("alice");
        assert_eq!(guess(101), Ok(false));
    }

    /// Attack: an account of the attacker's own, whose name differs from the victim's in case alone,
    /// ends the victim's row, and makes the attacker's networks the victim's.
    #[test]
    fn a_twin_s_success_is_not_the_account_s() {
        let (lockout, _) = lockout();
        let guess = |number: u8, name: &str| {
            let client = IpAddr::from([203, 0, 113, number]);
            if let Ok(attempt) = lockout.start(Subject::Account(name), client) {
                attempt.failed();
            }
            client
        };
        for number in 0..100 {
            let client = guess(number, "alice");
            if let Ok(attempt) = lockout.start(Subject::Account("ALICE"), client) {
                attempt.succeeded("ALICE");
            }
        }
        assert!(lockout.wait(Subject::Account("alice"), HERE).is_some());
        assert!(lockout.wait(Subject::Account("alice"), IpAddr::from([203, 0, 113, 1])).is_some());
        // Guesses in both spellings belong to no single row: no success ends the count.
        for number in 0..99 {
            guess(number, if number % 2 == 0 { "bob" } else { "BOB" });
        }
        lockout.start(Subject::Account("bob"), THERE).unwrap().succeeded("bob");
        guess(99, "bob");
        assert!(lockout.wait(Subject::Account("bob"), HERE).is_some());
        assert_eq!(lockout.wait(Subject::Account("bob"), THERE), None);
    }

    /// A short lock is over when it is said to be, however long the window.
    #[test]
    fn a_lock_that_is_over_is_over() {
        let (lockout, clock) = after_three(600, 10);
        let alice = Subject::Account("alice");
        (0..3).for_each(|_| fail(&lockout, alice, HERE));
        clock.advance(Duration::from_secs(11));
        assert!(lockout.start(alice, HERE).is_ok());
    }

    /// Attack: one password tried on many accounts; and a good account of the attacker's own
    /// between the guesses to reset the count.
    #[test]
    fn spraying_locks_the_network_and_own_success_does_not_clear_it() {
        let (lockout, _) = lockout();
        for number in 0..100 {
            fail(&lockout, Subject::Account(&format!("user{number}")), HERE);
            drop(lockout.start(Subject::Account("mallory"), HERE));
        }
        assert!(lockout.wait(Subject::Account("another"), HERE).is_some());
        assert_eq!(lockout.wait(Subject::Account("another"), THERE), None);
    }

    /// Attack: who is locked goes on trying, and the lock ends with the window of the first failure.
    #[test]
    fn a_lock_lasts_as_long_as_it_does() {
        let (lockout, clock) = after_three(10, 60);
        let alice = Subject::Account("alice");
        (0..3).for_each(|_| fail(&lockout, alice, HERE));
        for _ in 0..5 {
            clock.advance(Duration::from_secs(11));
            assert!(lockout.start(alice, HERE).is_err());
        }
        clock.advance(Duration::from_secs(11));
        assert!(lockout.start(alice, HERE).is_ok());
    }

    /// Many good log-ins at once: no more are judged than may fail, and no account is locked by them.
    #[test]
    fn who_is_being_judged_is_not_locked() {
        let (lockout, _) = lockout();
        let alice = Subject::Account("alice");
        let judged: Vec<_> = (0..8).map(|_| lockout.start(alice, HERE)).collect();
        assert_eq!(judged.iter().filter(|begun| begun.is_ok()).count(), 5);
        assert!(judged.iter().flat_map(|begun| begun.as_ref().err()).all(|wait| *wait == A_MOMENT));
        assert_eq!(lockout.wait(alice, HERE), None);
        drop(judged);
        assert!(lockout.start(alice, HERE).is_ok());
    }

    #[test]
    fn ipv6_counts_by_the_customer_s_network() {
        let (lockout, _) = lockout();
        for number in 1..=5 {
            let address: IpAddr = format!("2001:db8::{number}").parse().unwrap();
            fail(&lockout, Subject::Account("alice"), address);
        }
        assert!(lockout.wait(Subject::Account("alice"), "2001:db8::99".parse().unwrap()).is_some());
    }

    /// Attack, unmeant: one client with a dead token asks again and again from the address that a
    /// whole office shares.
    #[test]
    fn a_dead_token_locks_nobody_out_and_a_flood_ends() {
        let (lockout, _) = lockout();
        for _ in 0..500 {
            fail(&lockout, Subject::Unguessable, HERE);
        }
        assert_eq!(lockout.wait(Subject::Unguessable, HERE), None);
        assert_eq!(lockout.wait(Subject::Account("alice"), HERE), None);
        for _ in 0..500 {
            fail(&lockout, Subject::Unguessable, HERE);
        }
        assert!(lockout.wait(Subject::Unguessable, HERE).is_some());
        assert_eq!(lockout.wait(Subject::Account("alice"), HERE), None);
    }
}
