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

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

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

    /// From what Python's `isoformat` writes; without an offset it is UTC.
    pub fn from_iso(text: &str) -> Option<Self> {
        let read = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
        let moment = read(text).or_else(|| read(&format!("{text}Z")))?;
        u64::try_from(moment.unix_timestamp_nanos() / 1000).ok().map(Self)
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

/// `YYYY-MM-DD HH:MM:SS.ffffff` in UTC: the text that Django keeps in SQLite and that PostgreSQL
/// and MySQL read.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, micros) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        // Days since 0000-03-01, in eras of 400 years (H. Hinnant, "chrono-Compatible Low-Level
        // Date Algorithms").
        let days = days + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_python_writes() {
        let read = |text| Timestamp::from_iso(text).map(|moment| moment.0);
        assert_eq!(read("2000-02-29T00:00:00+00:00"), Some(951_782_400_000_000));
        assert_eq!(read("2000-02-29T02:00:00.000001+02:00"), Some(951_782_400_000_001));
        assert_eq!(read("2000-02-29T00:00:00.5"), Some(951_782_400_500_000));
        for odd in ["", "tomorrow", "1969-12-31T00:00:00+00:00", "2000-02-30T00:00:00Z"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    #[test]
    fn prints_as_django_stores() {
        assert_eq!(
            Timestamp::from_seconds(1_700_000_000).to_string(),
            "2023-11-14 22:13:20.000000"
        );
        assert_eq!(Timestamp::from_seconds(951_782_400).to_string(), "2000-02-29 00:00:00.000000");
        assert_eq!(Timestamp(1).to_string(), "1970-01-01 00:00:00.000001");
    }
}
