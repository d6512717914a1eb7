//! Which claim says what: a name, or a path to what stands in objects.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};

/// `preferred_username`, `realm_access.roles`, or `[resource_access, my.api, roles]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum ClaimPath {
    /// The name of a claim. A dot leads into an object, where no claim has the whole name; keys with dots
    /// in them are found at any level.
    Name(String),
    /// The key at each level.
    Keys(Vec<String>),
}

impl ClaimPath {
    pub(super) fn find<'c>(&self, claims: &'c Map<String, Value>) -> Option<&'c Value> {
        match self {
            Self::Name(name) => find(claims, name),
            Self::Keys(keys) => {
                let (first, rest) = keys.split_first()?;
                rest.iter().try_fold(claims.get(first)?, |value, key| value.get(key))
            }
        }
    }

    /// A text; a number or a truth value as JSON writes it.
    pub(super) fn text(&self, claims: &Map<String, Value>) -> Option<String> {
        match self.find(claims)? {
            Value::String(text) => Some(text.clone()),
            value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The words of a list, or one text; `split` at blanks, as scopes are (RFC 6749 section 3.3).
    pub(super) fn words(&self, claims: &Map<String, Value>, split: bool) -> Vec<String> {
        let one = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        match self.find(claims) {
            Some(Value::String(text)) if split => {
                text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
            }
            Some(Value::Array(list)) => list.iter().filter_map(one).collect(),
            Some(value) => one(value).into_iter().collect(),
            None => Vec::new(),
        }
    }
}

impl From<&str> for ClaimPath {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl std::fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Keys(keys) => f.write_str(&keys.join(" / ")),
        }
    }
}

impl JsonSchema for ClaimPath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ClaimPath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
        })
    }
}

fn find<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    if let Some(claim) = claims.get(name) {
        return Some(claim);
    }
    name.match_indices('.').find_map(|(dot, _)| {
        let (first, rest) = name.split_at(dot);
        find(claims.get(first)?.as_object()?, rest.get(1..)?)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Keycloak names clients, and namespaces of Auth0 are URLs: there are dots in keys.
    #[test]
    fn keys_may_have_dots() {
        let claims = json!({
            "resource_access": { "my.api": { "roles": ["a"] }, "my": { "api": { "roles": ["b"] } } },
            "https://shop.example/roles": ["c"],
            "a.b": { "c": 1 },
            "a": { "b.c": 2, "b": { "d": true } },
        });
        let Value::Object(claims) = claims else { unreachable!() };
        let words = |path: ClaimPath| path.words(&claims, false);
        assert_eq!(words("resource_access.my.api.roles".into()), ["b"]);
        let keys = ["resource_access", "my.api", "roles"].map(str::to_owned);
        assert_eq!(words(ClaimPath::Keys(keys.into())), ["a"]);
        assert_eq!(words("https://shop.example/roles".into()), ["c"]);
        assert_eq!(ClaimPath::from("a.b.c").text(&claims).as_deref(), Some("2"));
        assert_eq!(ClaimPath::from("a.b.d").text(&claims).as_deref(), Some("true"));
        assert_eq!(ClaimPath::from("a.b").text(&claims), None);
        assert_eq!(ClaimPath::from("a.x").text(&claims), None);
        assert_eq!(ClaimPath::Keys(Vec::new()).text(&claims), None);
    }
}
