//! Settings with a short form: `store: sqlite://gateway.db` for `store: { url: sqlite://… }`.

use std::{fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, de};

/// A type that one word can stand for.
pub trait FromWord: Sized {
    /// What the word has to be, for the error.
    const EXPECTING: &'static str;
    /// The value that the word stands for.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the word.
    fn from_word(word: &str) -> Result<Self, String>;
}

/// For `deserialize_with`: a word, or the whole map.
///
/// # Errors
/// As the word's or the map's.
pub fn word_or_map<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromWord + Deserialize<'de>,
{
    struct Form<T>(PhantomData<T>);
    impl<'de, T: FromWord + Deserialize<'de>> de::Visitor<'de> for Form<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::EXPECTING)
        }
        fn visit_str<E: de::Error>(self, word: &str) -> Result<T, E> {
            T::from_word(word).map_err(E::custom)
        }
        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(de::value::MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_any(Form(PhantomData))
}

/// [`word_or_map`] for an optional setting.
///
/// # Errors
/// As the word's or the map's.
pub fn optional_word_or_map<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromWord + Deserialize<'de>,
{
    word_or_map(deserializer).map(Some)
}

/// The JSON Schema of such a setting.
pub fn word_or_map_schema<T: schemars::JsonSchema>(
    generator: &mut schemars::SchemaGenerator,
) -> schemars::Schema {
    let map = generator.subschema_for::<T>();
    schemars::json_schema!({ "anyOf": [{ "type": "string" }, map] })
}
