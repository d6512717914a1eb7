//! A package's settings at the top of the file.

use std::{any::Any, collections::HashMap, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_yaml::Value;

/// A decoded map of settings; which type it has, the package knows.
pub(super) type Decoded = Arc<dyn Any + Send + Sync>;

/// The error of a decoder, with the path of what it did not understand.
pub(super) type DecodeError = serde_path_to_error::Error<serde_yaml::Error>;

/// The map of a package's settings.
#[derive(Clone, Copy)]
pub struct Section {
    /// Its key at the top of the file.
    pub word: &'static str,
    /// Of the real package, for the schema: `REST_KNOX`.
    pub description: &'static str,
    decode: fn(&Value) -> Result<Decoded, DecodeError>,
    default: fn() -> Decoded,
    schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Section {
    /// Settings of a type.
    pub const fn of<T>(word: &'static str, description: &'static str) -> Self
    where
        T: DeserializeOwned + Default + JsonSchema + Send + Sync + 'static,
    {
        Self {
            word,
            description,
            decode: decode::<T>,
            default: || Arc::new(T::default()),
            schema: |generator| generator.subschema_for::<T>(),
        }
    }

    /// Decodes what the file has under the key.
    ///
    /// # Errors
    /// What is not understood.
    pub fn decode(&self, value: &Value) -> Result<Decoded, DecodeError> {
        (self.decode)(value)
    }

    /// Its JSON Schema.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }
}

fn decode<T>(value: &Value) -> Result<Decoded, DecodeError>
where
    T: DeserializeOwned + Send + Sync + 'static,
{
    let decoded: T = serde_path_to_error::deserialize(value)?;
    Ok(Arc::new(decoded))
}

/// The settings of all packages that have some.
#[derive(Clone)]
pub struct Settings(HashMap<&'static str, Decoded>);

impl Default for Settings {
    /// Every package's defaults.
    fn default() -> Self {
        let sections = super::PACKAGES.iter().filter_map(|package| package.settings);
        Self(sections.map(|section| (section.word, (section.default)())).collect())
    }
}

impl Settings {
    /// Sets a section.
    pub fn set(&mut self, section: &Section, decoded: Decoded) {
        self.0.insert(section.word, decoded);
    }

    /// A section, by its key and type; nothing if there is none of that name and type.
    pub fn get<T: Send + Sync + 'static>(&self, word: &str) -> Option<Arc<T>> {
        Arc::clone(self.0.get(word)?).downcast().ok()
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // They hold secrets.
        f.debug_list().entries(self.0.keys()).finish()
    }
}
