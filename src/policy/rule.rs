//! The closed set of rules.

use std::fmt;

use hyper::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de};

use super::expression::Expression;
use crate::{
    identity::Identity,
    request::Request,
    value::{Path, Problem, Problems},
};

/// The `permission` setting, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Config {
    /// A rule that is a word.
    Word(Word),
    /// Member of a group.
    Group(String),
    /// Has a Django permission, `app_label.codename`.
    Permission(String),
    /// The credential has a scope.
    Scope(String),
    /// Every one.
    All(Vec<Config>),
    /// At least one.
    Any(Vec<Config>),
    /// Not this one.
    Not(Box<Config>),
    /// A CEL expression over `request` and `identity`.
    Cel(String),
}

/// Rules without an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PermissionWord")]
pub enum Word {
    /// DRF's `AllowAny`.
    Anyone,
    /// DRF's `IsAuthenticated`.
    Authenticated,
    /// DRF's `IsAuthenticatedOrReadOnly`.
    AuthenticatedOrReadOnly,
    /// DRF's `IsAdminUser`: `is_staff`.
    Staff,
    /// `is_superuser`.
    Superuser,
}

const WORDS: &[&str] =
    &["anyone", "authenticated", "authenticated_or_read_only", "staff", "superuser"];
const KEYS: &[&str] = &["group", "permission", "scope", "all", "any", "not", "cel"];

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> de::Visitor<'de> for Form {
            type Value = Config;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rule such as `authenticated`, or a map such as { group: editors }")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Config, E> {
                let word = match word {
                    "anyone" => Word::Anyone,
                    "authenticated" => Word::Authenticated,
                    "authenticated_or_read_only" => Word::AuthenticatedOrReadOnly,
                    "staff" => Word::Staff,
                    "superuser" => Word::Superuser,
                    other => return Err(E::unknown_variant(other, WORDS)),
                };
                Ok(Config::Word(word))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Config, A::Error> {
                let key: String =
                    map.next_key()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let config = match key.as_str() {
                    "group" => Config::Group(map.next_value()?),
                    "permission" => Config::Permission(map.next_value()?),
                    "scope" => Config::Scope(map.next_value()?),
                    "all" => Config::All(map.next_value()?),
                    "any" => Config::Any(map.next_value()?),
                    "not" => Config::Not(map.next_value()?),
                    "cel" => Config::Cel(map.next_value()?),
                    other => return Err(de::Error::unknown_variant(other, KEYS)),
                };
                match map.next_key::<String>()? {
                    Some(_) => Err(de::Error::invalid_length(2, &self)),
                    None => Ok(config),
                }
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl JsonSchema for Config {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Permission".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (word, rule) = (generator.subschema_for::<Word>(), generator.subschema_for::<Config>());
        let text = |meaning| schemars::json_schema!({ "type": "string", "description": meaning });
        let rules = |meaning| schemars::json_schema!({ "type": "array", "items": rule, "description": meaning });
        let mut not = rule.clone();
        not.insert("description".into(), "The rule does not hold.".into());
        schemars::json_schema!({ "anyOf": [word, {
            "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
            "properties": {
                "group": text("The caller is in this group."),
                "permission": text("The caller has this permission: `app_label.codename`."),
                "scope": text("The credential is good for this scope."),
                "all": rules("Each of these rules holds."),
                "any": rules("One of these rules holds."),
                "not": not,
                "cel": text("An expression in CEL over `request` and `identity` is true."),
            }
        }] })
    }
}

/// A rule, ready to be asked.
#[derive(Debug)]
pub enum Rule {
    /// A rule that is a word.
    Word(Word),
    /// See [`Config`].
    Group(String),
    /// See [`Config`].
    Permission(String),
    /// See [`Config`].
    Scope(String),
    /// See [`Config`].
    All(Vec<Rule>),
    /// See [`Config`].
    Any(Vec<Rule>),
    /// See [`Config`].
    Not(Box<Rule>),
    /// See [`Config`].
    Cel(Box<Expression>),
}

impl Rule {
    /// Whether it admits every caller, the anonymous too.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Rule::Word(Word::Anyone))
    }
}

impl Config {
    /// Builds the rule.
    ///
    /// # Errors
    /// Expressions that do not compile.
    pub fn build(&self, path: &Path) -> Result<Rule, Problems> {
        let many = |rules: &[Config], key: &str| {
            let mut problems = Problems::default();
            let at = path.key(key);
            if rules.is_empty() {
                let problem = Problem::missing(&at, "there is no rule in it");
                problems
                    .push(problem.help("an empty `all` would admit every request: write `anyone`"));
            }
            let rules = rules.iter().enumerate();
            let rules: Vec<_> =
                rules.filter_map(|(i, rule)| problems.keep(rule.build(&at.index(i)))).collect();
            problems.finish(rules)
        };
        let named = |name: &String, key: &str| match name.is_empty() {
            false => Ok(name.clone()),
            true => {
                let problem = Problem::new(&path.key(key), "nothing is named");
                Err(problem.help("name it, or leave the rule out"))
            }
        };
        Ok(match self {
            Config::Word(word) => Rule::Word(*word),
            Config::Group(name) => Rule::Group(named(name, "group")?),
            Config::Permission(name) => Rule::Permission(named(name, "permission")?),
            Config::Scope(name) => Rule::Scope(named(name, "scope")?),
            Config::All(rules) => Rule::All(many(rules, "all")?),
            Config::Any(rules) => Rule::Any(many(rules, "any")?),
            Config::Not(rule) => Rule::Not(Box::new(rule.build(&path.key("not"))?)),
            Config::Cel(text) => Rule::Cel(Box::new(Expression::compile(text, &path.key("cel"))?)),
        })
    }
}

impl Rule {
    /// Whether `identity` may make `request`. What cannot be decided is a no to the whole rule: a
    /// `not` around it must not turn it into a yes.
    pub fn allows(&self, request: &Request, identity: Option<&Identity>) -> bool {
        self.decide(request, identity).unwrap_or(false)
    }

    fn decide(&self, request: &Request, identity: Option<&Identity>) -> Result<bool, Undecided> {
        Ok(match self {
            Rule::Word(Word::Anyone) => true,
            Rule::Word(Word::Authenticated) => identity.is_some(),
            Rule::Word(Word::AuthenticatedOrReadOnly) => {
                identity.is_some()
                    || matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS)
            }
            Rule::Word(Word::Staff) => identity.is_some_and(|identity| identity.staff),
            Rule::Word(Word::Superuser) => identity.is_some_and(|identity| identity.superuser),
            Rule::Group(name) => identity.is_some_and(|i| i.groups.contains(name.as_str())),
            Rule::Permission(name) => identity.is_some_and(|i| i.has_permission(name)),
            Rule::Scope(name) => identity.is_some_and(|i| i.scopes.contains(name.as_str())),
            Rule::All(rules) => {
                for rule in rules {
                    if !rule.decide(request, identity)? {
                        return Ok(false);
                    }
                }
                true
            }
            Rule::Any(rules) => {
                for rule in rules {
                    if rule.decide(request, identity)? {
                        return Ok(true);
                    }
                }
                false
            }
            Rule::Not(rule) => !rule.decide(request, identity)?,
            Rule::Cel(expression) => expression.decide(request, identity)?,
        })
    }
}

/// An expression that has no answer for this request.
pub(super) struct Undecided;

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |rules: &[Rule]| rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Rule::Word(Word::Anyone) => f.write_str("anyone"),
            Rule::Word(Word::Authenticated) => f.write_str("authenticated"),
            Rule::Word(Word::AuthenticatedOrReadOnly) => f.write_str("authenticated_or_read_only"),
            Rule::Word(Word::Staff) => f.write_str("staff"),
            Rule::Word(Word::Superuser) => f.write_str("superuser"),
            Rule::Group(name) => write!(f, "{{ group: {name} }}"),
            Rule::Permission(name) => write!(f, "{{ permission: {name} }}"),
            Rule::Scope(name) => write!(f, "{{ scope: {name} }}"),
            Rule::All(rules) => write!(f, "{{ all: [{}] }}", list(rules)),
            Rule::Any(rules) => write!(f, "{{ any: [{}] }}", list(rules)),
            Rule::Not(rule) => write!(f, "{{ not: {rule} }}"),
            Rule::Cel(expression) => write!(f, "{{ cel: \"{}\" }}", expression.text()),
        }
    }
}
