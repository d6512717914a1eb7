//! A number of bytes: `512`, `64KiB`, `16MiB`, `1GiB`.

use std::{fmt, str::FromStr};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// For buffers and limits in memory.
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// `n` KiB.
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }
}

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl FromStr for Size {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (digits, unit) = UNITS
            .iter()
            .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)))
            .unwrap_or((text, 1));
        let number = super::number::digits(digits.trim_end()).ok_or(())?;
        number.checked_mul(unit).map(Self).ok_or(())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (suffix, unit) = UNITS
            .iter()
            .find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit))
            .unwrap_or(&("B", 1));
        write!(f, "{}{suffix}", self.0 / unit)
    }
}

super::text_default!(Size);
super::text_notation!(Size, "Size", "a size such as 64KiB or 16MiB", r"^\d+ *(B|KiB|MiB|GiB)?$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        assert_eq!("16MiB".parse(), Ok(Size(16 << 20)));
        assert_eq!("512".parse(), Ok(Size(512)));
        assert_eq!(Size(65536).to_string(), "64KiB");
        for wrong in ["", "MiB", "1.5MiB", "-1", "1MB", "99999999999GiB"] {
            assert_eq!(wrong.parse::<Size>(), Err(()), "{wrong}");
        }
    }
}
