//! The `buffer` setting: which bodies are read whole, so that the upstream is told their length.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::{Body, body::Unread};
use crate::value::Size;

/// Whether a body without a length (chunked, or over HTTP/2) is read whole before it is sent on, and how
/// long it may be. WSGI (PEP 3333) tells an application how much to read, and without a length that is
/// nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffer(Option<Size>);

/// `buffer: true`: Django's `DATA_UPLOAD_MAX_MEMORY_SIZE`.
const USUAL: Size = Size(2_621_440);
/// A body has to come within this time.
const TIME: Duration = Duration::from_secs(60);

impl Buffer {
    /// Whether a body is to be given a length.
    pub fn is_for(self, body: &Body) -> bool {
        self.0.is_some() && !body.has_length()
    }

    /// The body, with a length.
    ///
    /// # Errors
    /// If it is longer than allowed, not there in time, or cut off.
    pub async fn whole(self, body: Body) -> Result<Body, Unread> {
        let most = self.0.map_or(0, Size::bytes);
        body.read(most, TIME).await.map(Body::given)
    }
}

impl<'de> Deserialize<'de> for Buffer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl de::Visitor<'_> for Form {
            type Value = Buffer;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, `false`, or a size such as 10MiB")
            }
            fn visit_bool<E: de::Error>(self, buffers: bool) -> Result<Buffer, E> {
                Ok(Buffer(buffers.then_some(USUAL)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Buffer, E> {
                let size = text.parse().map_err(|()| {
                    E::custom(format!("`{text}` is no size: write true, false, or 10MiB"))
                })?;
                Ok(Buffer(Some(size)))
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl JsonSchema for Buffer {
    fn schema_name() -> Cow<'static, str> {
        "Buffer".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let size = generator.subschema_for::<Size>();
        json_schema!({ "anyOf": [{ "type": "boolean" }, size] })
    }
}
