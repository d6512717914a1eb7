//! The `endpoint` of a route: a word, or a map that names one page of it.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, de};

use crate::package::{PACKAGES, PageSet};

/// `endpoint: jwt`, or one page of it: `endpoint: { jwt: { page: refresh } }`.
#[derive(Clone, Copy)]
pub struct Endpoint {
    /// The word, and its pages.
    pub set: &'static PageSet,
    /// One of its pages, or all.
    pub page: Option<&'static str>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({} {:?})", self.set.word, self.page)
    }
}

fn sets() -> impl Iterator<Item = &'static PageSet> {
    PACKAGES.iter().flat_map(|package| package.pages)
}

fn set_of<E: de::Error>(word: &str) -> Result<&'static PageSet, E> {
    sets().find(|set| set.word == word).ok_or_else(|| {
        // serde's own error wants a list that is known when it is compiled.
        let known: Vec<String> = sets().map(|set| format!("`{}`", set.word)).collect();
        let known = known.join(", ");
        E::custom(format!("unknown variant `{word}`, expected one of {known}"))
    })
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct One {
            page: String,
        }
        struct WordOrMap;
        impl<'de> de::Visitor<'de> for WordOrMap {
            type Value = Endpoint;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of an endpoint, or a map such as `jwt: { page: refresh }`")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Endpoint, E> {
                Ok(Endpoint { set: set_of(word)?, page: None })
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Endpoint, A::Error> {
                let word: String =
                    map.next_key()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let set = set_of(&word)?;
                let One { page } = map.next_value()?;
                let names = || set.pages.iter().map(|page| page.name);
                let found = names().find(|name| *name == page).ok_or_else(|| {
                    let known: Vec<String> = names().map(|name| format!("`{name}`")).collect();
                    let known = known.join(", ");
                    de::Error::custom(format!("unknown variant `{page}`, expected one of {known}"))
                })?;
                match map.next_key::<String>()? {
                    Some(_) => Err(de::Error::invalid_length(2, &self)),
                    None => Ok(Endpoint { set, page: Some(found) }),
                }
            }
        }
        deserializer.deserialize_any(WordOrMap)
    }
}

impl JsonSchema for Endpoint {
    fn schema_name() -> Cow<'static, str> {
        "Endpoint".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let words = sets().map(
            |set| schemars::json_schema!({ "const": set.word, "description": set.description }),
        );
        let maps: Vec<schemars::Schema> = sets()
            .map(|set| {
                let names: Vec<&str> = set.pages.iter().map(|page| page.name).collect();
                schemars::json_schema!({
                    "type": "object",
                    "properties": { set.word: {
                        "type": "object", "description": set.description,
                        "properties": { "page": {
                            "enum": names, "description": "One page of the set, at the route's own path."
                        } },
                        "required": ["page"], "additionalProperties": false
                    } },
                    "required": [set.word], "additionalProperties": false
                })
            })
            .collect();
        let words: Vec<schemars::Schema> = words.collect();
        schemars::json_schema!({ "anyOf": [{ "oneOf": words }, { "oneOf": maps }] })
    }
}
