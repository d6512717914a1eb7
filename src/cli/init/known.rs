//! What the packages know of a project's classes and pages.

use serde_json::Value;

use super::project::Class;
use crate::package::{Asks, PACKAGES, SchemeClass};

impl Class {
    /// What the package says of it that carries it.
    pub(super) fn known(&self) -> Option<&'static SchemeClass> {
        let base = self.base.as_deref()?;
        let mut classes = PACKAGES.iter().flat_map(|package| package.import.schemes);
        classes.find(|known| known.class == base)
    }

    /// The word of its entry in `authentication`.
    pub(super) fn word(&self) -> Option<&str> {
        word_and_rest(self.gateway.as_ref()?).map(|(word, _)| word)
    }
}

/// Which schemes authenticate the callers of a page.
pub(super) fn asks(endpoint: &Value) -> Option<Asks> {
    let (word, rest) = word_and_rest(endpoint)?;
    let name = rest.and_then(|rest| rest.get("page"));
    let set = PACKAGES.iter().flat_map(|package| package.pages).find(|set| set.word == word)?;
    let page = set.pages.iter().find(|page| name.is_none_or(|name| name == page.name))?;
    Some(page.asks)
}

/// `word`, or `{ word: rest }`.
pub(super) fn word_and_rest(entry: &Value) -> Option<(&str, Option<&Value>)> {
    match entry {
        Value::String(word) => Some((word, None)),
        Value::Object(map) => map.iter().next().map(|(word, rest)| (word.as_str(), Some(rest))),
        _ => None,
    }
}
