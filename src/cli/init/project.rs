//! What the project's Python says of it: the document of `django_settings.py`, as far as it is read.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::package::DjangoSettings;

/// A Django project.
#[derive(Debug, Deserialize)]
pub(super) struct Project {
    pub(super) settings_module: String,
    pub(super) database: Database,
    pub(super) user: UserModel,
    pub(super) secret_key: SecretKey,
    pub(super) passwords: Passwords,
    /// The apps in use, as `init` calls them.
    pub(super) installed: BTreeSet<String>,
    /// Django's own.
    pub(super) settings: DjangoSettings,
    #[serde(deserialize_with = "null_is_default")]
    pub(super) rest_framework: RestFramework,
    /// Those that a package has in one setting, by its name; none where the package is not in use.
    pub(super) packages: BTreeMap<String, Option<DjangoSettings>>,
    pub(super) urls: Vec<Url>,
    /// The translations of each language, in the order of LANGUAGES.
    pub(super) languages: Option<Map<String, Value>>,
    /// Sentences.
    pub(super) not_carried: Vec<String>,
}

/// `DATABASES["default"]`.
#[derive(Debug, Deserialize)]
pub(super) struct Database {
    pub(super) vendor: String,
    pub(super) name: String,
    pub(super) host: String,
    pub(super) port: String,
    pub(super) user: String,
    pub(super) password_set: bool,
    pub(super) options: DjangoSettings,
}

/// `AUTH_USER_MODEL`.
#[derive(Debug, Deserialize)]
pub(super) struct UserModel {
    pub(super) model: String,
    pub(super) table: String,
    pub(super) username_field: String,
    pub(super) pk: PrimaryKey,
    /// Its column; none: the model has no password.
    pub(super) password: Option<String>,
    /// What the gateway reads besides, by its name in Django's own model; none: the model has no such
    /// column.
    pub(super) columns: Map<String, Value>,
}

/// The primary key of the user model.
#[derive(Debug, Deserialize)]
pub(super) struct PrimaryKey {
    pub(super) column: String,
    #[serde(rename = "type")]
    pub(super) kind: KeyKind,
}

/// The type of a primary key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum KeyKind {
    Integer,
    Uuid,
    Text,
    Other,
}

/// `SECRET_KEY`.
#[derive(Debug, Deserialize)]
pub(super) struct SecretKey {
    /// How many SECRET_KEY_FALLBACKS there are.
    pub(super) fallbacks: usize,
}

/// `PASSWORD_HASHERS`.
#[derive(Debug, Deserialize)]
pub(super) struct Passwords {
    pub(super) preferred: Option<String>,
    pub(super) accept: BTreeSet<String>,
    pub(super) iterations: Option<u64>,
}

/// `REST_FRAMEWORK`; the default is a project without it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RestFramework {
    pub(super) authentication: Vec<Class>,
    pub(super) permission: Permission,
    pub(super) throttle: Vec<Throttle>,
    pub(super) num_proxies: Option<i64>,
}

/// An authentication class.
#[derive(Debug, Deserialize)]
pub(super) struct Class {
    pub(super) class: String,
    /// The class of a package's table that it is, or inherits from.
    pub(super) base: Option<String>,
    /// The entry of `authentication`; none: it is not carried.
    pub(super) gateway: Option<Value>,
}

/// Permission classes.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Permission {
    /// The rule; none: it is not carried.
    pub(super) gateway: Option<Value>,
}

/// A throttle class.
#[derive(Debug, Deserialize)]
pub(super) struct Throttle {
    /// The entry of `throttle`; none: it is not carried.
    pub(super) gateway: Option<Value>,
}

/// A view of the URLconf.
#[derive(Debug, Deserialize)]
pub(super) struct Url {
    /// Django's pattern.
    pub(super) pattern: String,
    /// `=/exact/`, or `/prefix/`; none: no whole segment.
    pub(super) path: Option<String>,
    /// Its dotted name.
    pub(super) view: String,
    pub(super) kind: Kind,
    /// None: all.
    pub(super) methods: Option<Vec<String>>,
    /// The gateway's page that does the same.
    pub(super) endpoint: Option<Value>,
    /// Where they differ from the defaults.
    pub(super) authentication: Option<Vec<Class>>,
    pub(super) permission: Option<Permission>,
    pub(super) throttle: Option<Vec<Throttle>>,
}

/// What a view is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Django REST framework.
    Drf,
    /// Django alone.
    Django,
    /// Django's admin, and all below it.
    Admin,
}

impl Project {
    /// Whether LocaleMiddleware, or another one, is in use.
    pub(super) fn has_middleware(&self, name: &str) -> bool {
        self.settings.texts("MIDDLEWARE").any(|middleware| middleware == name)
    }

    /// All authentication classes: the defaults, then those of views.
    pub(super) fn classes(&self) -> impl Iterator<Item = &Class> {
        let own = self.urls.iter().flat_map(|url| url.authentication.iter().flatten());
        self.rest_framework.authentication.iter().chain(own)
    }
}

impl Url {
    /// Whether it answers GET, and says so.
    pub(super) fn gets(&self) -> bool {
        self.methods.iter().flatten().any(|method| method == "GET")
    }

    /// Whether it has rules of its own.
    pub(super) fn has_rules(&self) -> bool {
        self.authentication.is_some() || self.permission.is_some() || self.throttle.is_some()
    }
}

fn null_is_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
