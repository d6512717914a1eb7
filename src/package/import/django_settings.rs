//! Settings of a Django project, as its Python told them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Settings by their names in Django. Durations are seconds, classes dotted names.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct DjangoSettings(BTreeMap<String, Value>);

impl DjangoSettings {
    /// The value; null is a value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A text; empty where it is none.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The items of a list; none where it is no list.
    pub fn list(&self, name: &str) -> &[Value] {
        self.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The texts of a list.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.list(name).iter().filter_map(Value::as_str)
    }

    /// Whether it is `True`.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Bool(true))
    }

    /// Whether it is there and not `None`.
    pub fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !value.is_null())
    }

    /// Whether it is a key of its own, one of [`Keys`]: it is set, and it is
    /// not `SECRET_KEY`.
    pub fn is_own_key(&self, name: &str) -> bool {
        let says = |word: &str, truth: bool| {
            self.get(name).and_then(|key| key.get(word)) == Some(&Value::Bool(truth))
        };
        says("set", true) && says("is_secret_key", false)
    }

    /// What the gateway has against a key, as a part of a sentence.
    pub fn key_fault(&self, name: &str) -> Option<&str> {
        self.get(name)?.get("fault")?.as_str()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

#[cfg(doc)]
use super::Keys;
