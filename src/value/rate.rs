//! A rate in DRF's own grammar: `5/min`, `1000/day`, `0/m`. As there, only the first letter after
//! the slash counts (`DEFAULT_THROTTLE_RATES`).

use std::{fmt, str::FromStr, time::Duration};

/// So many requests in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many; 0 refuses everything.
    pub limit: u32,
    /// In what time.
    pub period: Duration,
}

const UNITS: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)];

impl FromStr for Rate {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (limit, unit) = text.split_once('/').ok_or(())?;
        if !unit.chars().all(|c| c.is_ascii_alphabetic()) {
            return Err(());
        }
        let letter = unit.chars().next().ok_or(())?;
        let (_, seconds) = UNITS.iter().find(|(name, _)| *name == letter).ok_or(())?;
        let limit =
            super::number::digits(limit).and_then(|limit| limit.try_into().ok()).ok_or(())?;
        Ok(Self { limit, period: Duration::from_secs(*seconds) })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS
            .iter()
            .find(|(_, seconds)| *seconds == self.period.as_secs())
            .map_or('s', |(name, _)| *name);
        write!(f, "{}/{unit}", self.limit)
    }
}

super::text_default!(Rate);
super::text_notation!(
    Rate,
    "Rate",
    "a rate such as 5/min: a number, a slash, and s, m, h or d",
    r"^\d+/[smhd][a-z]*$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_drf_does() {
        for same in ["1/s", "1/sec", "1/second"] {
            assert_eq!(same.parse(), Ok(Rate { limit: 1, period: Duration::from_secs(1) }));
        }
        assert_eq!("1000/day".parse::<Rate>().map(|r| r.to_string()), Ok("1000/d".into()));
        for wrong in ["", "5", "5/", "5/x", "abc", "1/30s", "-1/m"] {
            assert_eq!(wrong.parse::<Rate>(), Err(()), "{wrong}");
        }
    }
}
