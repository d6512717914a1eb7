//! How a text becomes a header value, so that two different texts never become the same value and
//! none can become a second field: UTF-8, with `%`, `,`, control bytes and blanks at either end
//! written as `%XX`. `deploy/django` has the function that reads it.

use std::fmt::Write;

/// Longer values are refused: servers cut or refuse them, each at another length.
pub(super) const LONGEST: usize = 2048;

/// A text as a header's value.
pub fn encode(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    write(text, &mut value);
    value
}

/// Appends `text` to `value`.
pub(super) fn write(text: &str, value: &mut String) {
    let inner = text.trim_matches(' ');
    let leading = text.len() - text.trim_start_matches(' ').len();
    let (start, end) = (leading.min(text.len()), leading + inner.len());
    for (position, character) in text.char_indices() {
        let edge = character == ' ' && (position < start || position >= end);
        if edge || character.is_ascii_control() || matches!(character, '%' | ',') {
            // Writing to a String does not fail.
            let _ = write!(value, "%{:02X}", u32::from(character));
        } else {
            value.push(character);
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
        for same in ["alice", "élise", "a b", "user+tag@example.com", "日本"] {
            assert_eq!(written(same), same);
        }
        assert_eq!(written(" a,b%\r\n"), "%20a%2Cb%25%0D%0A");
        assert_eq!(written("  "), "%20%20");
    }

    proptest! {
        /// Attack (CVE-2023-27493): a value with CR LF becomes a second header; and two names that
        /// become one value are one user upstream.
        #[test]
        fn no_value_breaks_out_and_none_collide(a in any::<String>(), b in any::<String>()) {
            let (x, y) = (written(&a), written(&b));
            prop_assert!(x.bytes().all(|byte| byte >= 0x20 && byte != 0x7f && byte != b','));
            prop_assert_eq!(x.trim(), x.trim_matches(|c: char| !c.is_ascii() && c.is_whitespace()).trim(), "{}", x);
            prop_assert_eq!(a == b, x == y);
        }
    }
}
