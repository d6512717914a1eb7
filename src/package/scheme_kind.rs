//! An entry of `authentication`: the word of a scheme, or a map with that word as its only key.

use std::{borrow::Cow, fmt, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize,
    de::{self, DeserializeOwned},
};

use super::{PACKAGES, Site};
use crate::{
    scheme::{Lookup, Scheme},
    value::{Path, Problems},
};

/// What a scheme is built with.
pub struct SchemeContext<'a> {
    /// The name that the entry goes by.
    pub name: Arc<str>,
    /// Where its settings stand.
    pub path: &'a Path,
    /// Everything else.
    pub site: &'a Site<'a>,
}

impl SchemeContext<'_> {
    /// A part of the credential cache of its own.
    pub fn lookup(&self) -> Lookup {
        Lookup::new(Arc::clone(&self.name), self.site.cache, self.site.limits)
    }
}

/// The settings of an entry.
pub trait SchemeSettings: fmt::Debug + Send + Sync {
    /// A second name, under which routes and logs know the entry.
    fn name(&self) -> Option<&str>;
    /// Builds the scheme.
    ///
    /// # Errors
    /// Everything that is wrong in the settings.
    fn build(&self, context: &SchemeContext<'_>) -> Result<Arc<dyn Scheme>, Problems>;
    /// What is signed with `secret_key`, if something is: `sessions`.
    fn needs_secret_key(&self) -> Option<&'static str> {
        None
    }
    /// Whether it needs clients that show certificates.
    fn needs_certificates(&self) -> bool {
        false
    }
    /// A header that names a user and that this scheme trusts from its peers alone: it is removed
    /// from what goes upstream.
    fn owned_header(&self) -> Option<&str> {
        None
    }
    /// Which bearer tokens it takes for its own.
    fn takes(&self) -> Takes {
        Takes::Its
    }
}

/// Which bearer tokens a scheme takes for its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// What is recognisably its own.
    Its,
    /// One issuer's.
    OneIssuer,
    /// All: an issuer behind it would never be asked.
    Every,
}

/// A word that a chain may name.
#[derive(Clone, Copy)]
pub struct SchemeKind {
    /// The word.
    pub word: &'static str,
    /// Not for files: another package's kind builds it, by [`Site::scheme`](super::Site::scheme).
    hidden: bool,
    decode: Decode,
    default: fn() -> Arc<dyn SchemeSettings>,
    schema: fn(&mut SchemaGenerator) -> Schema,
}

type Decode = for<'de> fn(
    &mut dyn erased_serde::Deserializer<'de>,
) -> Result<Arc<dyn SchemeSettings>, erased_serde::Error>;

impl SchemeKind {
    /// A word with settings of a type.
    pub const fn of<T>(word: &'static str) -> Self
    where
        T: SchemeSettings + DeserializeOwned + Default + JsonSchema + 'static,
    {
        Self {
            word,
            hidden: false,
            decode: decode::<T>,
            default: || Arc::new(T::default()),
            schema: |generator| generator.subschema_for::<T>(),
        }
    }

    /// The same, for another package's kind to build.
    #[must_use]
    pub const fn hidden(self) -> Self {
        Self { hidden: true, ..self }
    }

    /// Its settings where the file has none.
    pub fn defaults(&self) -> Arc<dyn SchemeSettings> {
        (self.default)()
    }
}

fn decode<'de, T>(
    deserializer: &mut dyn erased_serde::Deserializer<'de>,
) -> Result<Arc<dyn SchemeSettings>, erased_serde::Error>
where
    T: SchemeSettings + DeserializeOwned + 'static,
{
    erased_serde::deserialize::<T>(deserializer).map(|settings| Arc::new(settings) as _)
}

/// The kind of a word, those that files cannot name too.
pub(super) fn kind_of(word: &str) -> Option<&'static SchemeKind> {
    PACKAGES.iter().flat_map(|package| package.schemes).find(|kind| kind.word == word)
}

fn kinds() -> impl Iterator<Item = &'static SchemeKind> {
    PACKAGES.iter().flat_map(|package| package.schemes).filter(|kind| !kind.hidden)
}

/// The words that a chain may name.
pub fn scheme_words() -> Vec<&'static str> {
    kinds().map(|kind| kind.word).collect()
}

/// An entry of `authentication`.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A word: of an entry in the top-level chain, else of a kind.
    Name(String),
    /// A scheme of its own.
    Settings {
        /// The word of its kind.
        word: &'static str,
        /// Its settings.
        settings: Arc<dyn SchemeSettings>,
    },
}

impl Entry {
    /// The kind of a word, with its defaults.
    pub fn of_word(word: &str) -> Option<(&'static str, Arc<dyn SchemeSettings>)> {
        kinds().find(|kind| kind.word == word).map(|kind| (kind.word, kind.defaults()))
    }

    /// Its settings, if it has some of its own.
    pub fn settings(&self) -> Option<&Arc<dyn SchemeSettings>> {
        match self {
            Entry::Settings { settings, .. } => Some(settings),
            Entry::Name(_) => None,
        }
    }

    /// The name it goes by: its second name, or its word.
    pub fn name(&self) -> &str {
        match self {
            Entry::Settings { word, settings } => settings.name().unwrap_or(word),
            Entry::Name(name) => name,
        }
    }
}

/// The value of an entry's one key.
struct OfKind(&'static SchemeKind);

impl<'de> de::DeserializeSeed<'de> for OfKind {
    type Value = Entry;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Entry, D::Error> {
        let mut erased = <dyn erased_serde::Deserializer<'_>>::erase(deserializer);
        match (self.0.decode)(&mut erased) {
            Ok(settings) => Ok(Entry::Settings { word: self.0.word, settings }),
            Err(error) => Err(de::Error::custom(error)),
        }
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrMap;
        impl<'de> de::Visitor<'de> for WordOrMap {
            type Value = Entry;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a scheme, or a map with the scheme as its only key")
            }
            fn visit_str<E>(self, name: &str) -> Result<Entry, E> {
                Ok(Entry::Name(name.to_owned()))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
                let word: String =
                    map.next_key()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let kind = kinds().find(|kind| kind.word == word).ok_or_else(|| {
                    // serde's own error wants a list that is known when it is compiled.
                    let known: Vec<String> = kinds().map(|k| format!("`{}`", k.word)).collect();
                    let known = known.join(", ");
                    de::Error::custom(format!("unknown variant `{word}`, expected one of {known}"))
                })?;
                let entry = map.next_value_seed(OfKind(kind))?;
                match map.next_key::<String>()? {
                    Some(_) => Err(de::Error::invalid_length(2, &self)),
                    None => Ok(entry),
                }
            }
        }
        deserializer.deserialize_any(WordOrMap)
    }
}

impl JsonSchema for Entry {
    fn schema_name() -> Cow<'static, str> {
        "SchemeEntry".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut forms: Vec<Schema> = kinds()
            .map(|kind| {
                let settings = (kind.schema)(generator);
                schemars::json_schema!({
                    "type": "object", "properties": { kind.word: settings },
                    "required": [kind.word], "additionalProperties": false
                })
            })
            .collect();
        forms.push(schemars::json_schema!({ "type": "string", "examples": scheme_words() }));
        schemars::json_schema!({ "anyOf": forms })
    }
}
