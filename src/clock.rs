//! Time as a parameter: expiry, limits and rotation are tested by moving the clock, never by
//! waiting.

use std::{
    ops::Add,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A moment: microseconds since 1970-01-01 UTC, the resolution of Django's columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Whole seconds since 1970, as JWT claims count.
    pub fn seconds(self) -> u64 {
        self.0 / 1_000_000
    }

    /// From whole seconds since 1970.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// The time from `earlier` to now; zero if the clock was set back.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, duration: Duration) -> Timestamp {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Timestamp(self.0.saturating_add(micros))
    }
}

/// Tells the time; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Test(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock for tests, which stands still at `start` until it is moved.
    pub fn test(start: Timestamp) -> Self {
        Self(Source::Test(Arc::new(AtomicU64::new(start.0))))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
            Source::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::default() + since
            }
            Source::Test(micros) => Timestamp(micros.load(Ordering::Relaxed)),
        }
    }

    /// Moves a test clock forward; the machine's clock does not move for us.
    pub fn advance(&self, by: Duration) {
        if let Source::Test(micros) = &self.0 {
            let by = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
            micros.fetch_add(by, Ordering::Relaxed);
        }
    }
}

/// The clock as governor's limiters read it.
impl governor::clock::Clock for Clock {
    type Instant = governor::nanos::Nanos;
    fn now(&self) -> Self::Instant {
        governor::nanos::Nanos::new(Clock::now(self).0.saturating_mul(1000))
    }
}
