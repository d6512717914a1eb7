//! How a text becomes a header value, so that two different texts never become the same value and
//! none can become a second field: ASCII, with the UTF-8 bytes of everything else, `%`, `,`, control
//! bytes and blanks at either end written as `%XX`. `deploy/django` has the function that reads it.
//!
//! Not all servers hand other bytes on: wsgiref cuts some off, daphne refuses them, granian leaves the
//! whole value empty.

use std::fmt::Write;

/// Longer values are refused. Most servers take fields of 8 KiB with their names.
pub(super) const LONGEST: usize = 6144;

/// A text as a header's value.
pub fn encode(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    write(text, &mut value);
    value
}

/// Appends `text` to `value`.
pub(super) fn write(text: &str, value: &mut String) {
    let start = text.len() - text.trim_start_matches(' ').len();
    let end = text.trim_end_matches(' ').len();
    for (position, byte) in text.bytes().enumerate() {
        let inside = (start..end).contains(&position);
        if matches!(byte, b'!'..=b'~') && !matches!(byte, b'%' | b',') || byte == b' ' && inside {
            value.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(value, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let mut value = String::new();
        write(text, &mut value);
        value
    }

    #[test]
    fn plain_names_stay_as_they_are() {
        for same in ["alice", "a b", "user+tag@example.com"] {
            assert_eq!(written(same), same);
        }
        assert_eq!(written("papà"), "pap%C3%A0");
        assert_eq!(written(" a,b%\r\n"), "%20a%2Cb%25%0D%0A");
        assert_eq!(written("  "), "%20%20");
    }

    proptest! {
        /// Attack (CVE-2023-27493): a value with CR LF becomes a second header; and two names that
        /// become one value are one user upstream.
        #[test]
        fn no_value_breaks_out_and_none_collide(a in any::<String>(), b in any::<String>()) {
            let (x, y) = (written(&a), written(&b));
            prop_assert!(x.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b','));
            prop_assert_eq!(x.trim(), &x);
            prop_assert_eq!(a == b, x == y);
        }
    }
}
