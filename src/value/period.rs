//! A length of time: `500ms`, `30s`, `5m`, `10h`, `14d`.

use std::{fmt, str::FromStr, time::Duration};

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

impl Period {
    /// `n` seconds.
    pub const fn seconds(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }
}

const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl FromStr for Period {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (digits, unit) = UNITS
            .iter()
            .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)))
            .ok_or(())?;
        let number = super::number::digits(digits).ok_or(())?;
        let most = 3650 * 86_400_000;
        let ms = number.checked_mul(unit).filter(|ms| *ms <= most);
        ms.map(|ms| Self(Duration::from_millis(ms))).ok_or(())
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        let (suffix, unit) = UNITS
            .iter()
            .rev()
            .find(|(_, unit)| ms >= u128::from(*unit) && ms.is_multiple_of(u128::from(*unit)))
            .unwrap_or(&("ms", 1));
        write!(f, "{}{suffix}", ms / u128::from(*unit))
    }
}

super::text_default!(Period);
super::text_notation!(
    Period,
    "Period",
    "a time such as 500ms, 30s, 5m, 10h or 14d, ten years at the most",
    r"^\d+(ms|s|m|h|d)$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        assert_eq!("500ms".parse(), Ok(Period(Duration::from_millis(500))));
        assert_eq!("14d".parse(), Ok(Period::seconds(14 * 86_400)));
        assert_eq!(Period::seconds(90).to_string(), "90s");
        assert_eq!(Period::seconds(300).to_string(), "5m");
        for wrong in ["", "30", "s", "1.5s", "-1s", "5 m", "5min", "4000d"] {
            assert_eq!(wrong.parse::<Period>(), Err(()), "{wrong}");
        }
    }
}
