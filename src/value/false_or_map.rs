//! Settings that `false` turns off: `lockout: false`.

use std::{fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, de};

/// For `deserialize_with`: a map, `true` for its defaults, or `false` for nothing.
///
/// # Errors
/// As the map's.
pub fn false_or_map<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    struct Form<T>(PhantomData<T>);
    impl<'de, T: Default + Deserialize<'de>> de::Visitor<'de> for Form<T> {
        type Value = Option<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map, or false")
        }
        fn visit_bool<E: de::Error>(self, on: bool) -> Result<Self::Value, E> {
            Ok(on.then(T::default))
        }
        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Some)
        }
    }
    deserializer.deserialize_any(Form(PhantomData))
}

/// The JSON Schema of such a setting.
pub fn false_or_map_schema<T: schemars::JsonSchema>(
    generator: &mut schemars::SchemaGenerator,
) -> schemars::Schema {
    let map = generator.subschema_for::<T>();
    schemars::json_schema!({ "anyOf": [{ "type": "boolean" }, map] })
}
