//! Small types that the configuration is made of: each parses one notation, refuses everything
//! else with a sentence that says what would be right, and prints itself as it was written.

mod network;
mod number;
mod one_or_many;
mod period;
mod problem;
mod rate;
mod secret;
mod string_or_map;
mod size;
mod false_or_map;
mod unique_map;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

pub use false_or_map::{false_or_map, false_or_map_schema};
pub use network::Network;
pub use number::Count;
pub use one_or_many::one_or_many;
pub use period::Period;
pub use problem::{Path, Problem, Problems, Segment};
pub use rate::Rate;
pub use secret::Secret;
pub use size::Size;
pub use string_or_map::{FromWord, optional_word_or_map, word_or_map, word_or_map_schema};
pub use unique_map::UniqueMap;

/// What percent-encoding leaves alone in every part of a URL is all but this (RFC 3986, 2.3).
pub const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Without blanks at the ends, as Python's `str.strip` counts blanks: Unicode's, and U+001C to U+001F.
pub fn stripped(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c))
}

/// Implements `Deserialize` (from a string), `JsonSchema` and nothing else for a type with
/// `FromStr` and `Display`: the notation is the type's only public form.
macro_rules! text_notation {
    ($type:ty, $name:literal, $expecting:literal, $pattern:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Notation;
                impl serde::de::Visitor<'_> for Notation {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(|_| {
                            E::invalid_value(serde::de::Unexpected::Str(text), &self)
                        })
                    }
                }
                deserializer.deserialize_str(Notation)
            }
        }
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string", "pattern": $pattern, "description": $expecting
                })
            }
        }
    };
}
pub(crate) use text_notation;

/// Writes a default of this type into the schema, as a file has it.
macro_rules! text_default {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}
use text_default;
