//! What several gateways have to agree on: nonces that are seen once, and counters with one budget
//! over all of them. Each backend passes `tests/it/shared_state.rs`.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use moka::{Expiry, sync::Cache};

use crate::{
    clock::{Clock, Timestamp},
    crypto::digest::sha256,
    store::Unavailable,
};

/// Nonces, each good once.
pub trait Nonces: Send + Sync {
    /// Uses a nonce of a scope up: false if it was used before and is still remembered. Of many
    /// requests at once with one nonce, one gets true.
    ///
    /// A nonce is remembered until `until`: a proof with it has to be too old by then.
    fn use_up<'a>(
        &'a self,
        scope: &'a str,
        nonce: &'a [u8],
        until: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Unavailable>>;
}

/// Counters over fixed windows of time.
pub trait Counters: Send + Sync {
    /// Adds one to a key's counter in a scope. A window begins with the first count, and the next
    /// one with the first count after its end.
    fn add<'a>(
        &'a self,
        scope: &'a str,
        key: &'a [u8],
        window: Duration,
    ) -> BoxFuture<'a, Result<Counted, Unavailable>>;
}

/// A counter after it was added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The counts of this window, this one included.
    pub count: u64,
    /// When the window ends.
    pub ends: Timestamp,
}

/// Names a nonce or counter: a digest, so that all are of one size and no client's text is stored.
pub(super) fn digest_of(scope: &str, key: &[u8]) -> [u8; 32] {
    let length = (scope.len() as u64).to_le_bytes();
    sha256(&[&length, scope.as_bytes(), key].concat())
}

/// The nonces and counters of this process alone.
pub struct ProcessState {
    nonces: Cache<[u8; 32], Timestamp>,
    counters: Cache<[u8; 32], Arc<Mutex<Option<Counted>>>>,
    clock: Clock,
}

/// More nonces than this within one window are refused as used: forgetting one would let it in again.
const NONCES: u64 = 1_000_000;
/// A key beyond these has no budget until others are forgotten.
const COUNTERS: u64 = 1_000_000;
/// No window is longer.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// moka frees the memory of a nonce once its moment has passed; whether it counts, our clock says.
struct UntilPassed(Clock);

impl Expiry<[u8; 32], Timestamp> for UntilPassed {
    fn expire_after_create(
        &self,
        _: &[u8; 32],
        until: &Timestamp,
        _: std::time::Instant,
    ) -> Option<Duration> {
        Some(until.since(self.0.now()) + Duration::from_secs(1))
    }

    /// Without it, a nonce that is used again would keep the expiry of its first use.
    fn expire_after_update(
        &self,
        digest: &[u8; 32],
        until: &Timestamp,
        now: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(digest, until, now)
    }
}

impl ProcessState {
    /// With nothing used or counted yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            nonces: Cache::builder().expire_after(UntilPassed(clock.clone())).build(),
            counters: Cache::builder().time_to_idle(LONGEST).build(),
            clock,
        }
    }

    fn use_up_now(&self, scope: &str, nonce: &[u8], until: Timestamp) -> bool {
        if self.nonces.entry_count() >= NONCES {
            self.nonces.run_pending_tasks();
            if self.nonces.entry_count() >= NONCES {
                return false;
            }
        }
        let now = self.clock.now();
        let mut unused = false;
        self.nonces.entry(digest_of(scope, nonce)).and_upsert_with(|old| {
            let known = old.map(moka::Entry::into_value).filter(|known| *known > now);
            unused = known.is_none();
            known.map_or(until, |known| known.max(until))
        });
        unused
    }

    fn add_now(&self, scope: &str, key: &[u8], window: Duration) -> Counted {
        let now = self.clock.now();
        let digest = digest_of(scope, key);
        // Making room for a new key would forget what another has counted: a flood of keys would
        // give each of them a new budget.
        if self.counters.entry_count() >= COUNTERS && !self.counters.contains_key(&digest) {
            self.counters.run_pending_tasks();
            if self.counters.entry_count() >= COUNTERS {
                return Counted { count: u64::MAX, ends: now + window };
            }
        }
        let counter = self.counters.get_with(digest, Arc::default);
        let mut counter = counter.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = match *counter {
            Some(Counted { count, ends }) if ends > now => Counted { count: count + 1, ends },
            _ => Counted { count: 1, ends: now + window },
        };
        *counter = Some(counted);
        counted
    }
}

impl Nonces for ProcessState {
    fn use_up<'a>(
        &'a self,
        scope: &'a str,
        nonce: &'a [u8],
        until: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Unavailable>> {
        std::future::ready(Ok(self.use_up_now(scope, nonce, until))).boxed()
    }
}

impl Counters for ProcessState {
    fn add<'a>(
        &'a self,
        scope: &'a str,
        key: &'a [u8],
        window: Duration,
    ) -> BoxFuture<'a, Result<Counted, Unavailable>> {
        std::future::ready(Ok(self.add_now(scope, key, window))).boxed()
    }
}
