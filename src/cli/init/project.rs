//! What the project's Python says of it: the document of `script/`, as far as it is read.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::known::word_and_rest;
use crate::{
    cli::natively::NativeAnswer,
    package::{Descriptor, DjangoSettings},
    route::{PathPattern, Relation},
};

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
    /// Prefixes of files that the project serves to anyone.
    pub(super) open: Vec<String>,
    pub(super) lines: Lines,
    /// The translations of each language, in the order of LANGUAGES.
    pub(super) languages: Option<Map<String, Value>>,
    pub(super) notes: Vec<Note>,
    /// To requests without a good credential.
    pub(super) answers: Vec<NativeAnswer>,
    /// Maps of settings that are not written, since the gateway refuses what they would say, and why.
    #[serde(skip)]
    pub(super) left: BTreeMap<String, String>,
}

/// A fact that a person has to know, once, with all that it is true of.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Note {
    pub(super) group: Group,
    pub(super) text: String,
    pub(super) about: Vec<String>,
}

/// What a note comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Group {
    /// Clients are refused that were not.
    Refused,
    /// Something has to be done.
    Do,
    /// Answers differ, or the project goes on deciding.
    Differs,
    /// Nothing follows from it.
    Information,
}

/// What the project has to be told, and where its settings come from.
#[derive(Debug, Deserialize)]
pub(super) struct Lines {
    /// The settings module.
    pub(super) module: String,
    /// Whether lines at the end of that module would not count.
    pub(super) layered: bool,
    /// Whether it is a module of an installed package.
    pub(super) packaged: bool,
    pub(super) dynaconf: bool,
    /// Whether the project trusts a gateway already.
    pub(super) already: bool,
    /// `MIDDLEWARE`.
    pub(super) middleware: Vec<String>,
    /// `INSTALLED_APPS`.
    pub(super) apps: Vec<String>,
    /// What the project is, for `PORTCULLIS["EXPECTS"]`.
    pub(super) expects: Map<String, Value>,
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
    /// Whether a pooler seems to be between.
    pub(super) pooler: bool,
    pub(super) options: DjangoSettings,
}

/// `AUTH_USER_MODEL`.
#[derive(Debug, Deserialize)]
pub(super) struct UserModel {
    pub(super) model: String,
    pub(super) table: String,
    pub(super) username: Username,
    pub(super) pk: PrimaryKey,
    /// The name of its field.
    pub(super) key_field: String,
    /// Its column; none: the model has no password.
    pub(super) password: Option<String>,
    /// What the gateway reads besides, by its name in Django's own model; none: the model has no such
    /// column.
    pub(super) columns: Map<String, Value>,
    pub(super) groups: Option<Membership>,
    pub(super) permissions: Option<Membership>,
    /// Whether its columns are in that one table.
    pub(super) tabled: bool,
}

/// `USERNAME_FIELD`.
#[derive(Debug, Deserialize)]
pub(super) struct Username {
    pub(super) field: String,
    pub(super) column: String,
    #[serde(rename = "type")]
    pub(super) kind: KeyKind,
    /// Whether the database takes several spellings for one.
    pub(super) collates: bool,
}

/// A table between users and groups, or users and permissions.
#[derive(Debug, Deserialize)]
pub(super) struct Membership {
    pub(super) table: String,
    /// The column of the user.
    pub(super) user: String,
    /// The column of the group or permission.
    pub(super) other: String,
}

/// The primary key of the user model.
#[derive(Debug, Deserialize)]
pub(super) struct PrimaryKey {
    pub(super) column: String,
    #[serde(rename = "type")]
    pub(super) kind: KeyKind,
}

/// The type of a key, or of user names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum KeyKind {
    Integer,
    Uuid,
    Text,
    /// PostgreSQL's `citext`.
    Citext,
    Other,
}

/// `SECRET_KEY`.
#[derive(Debug, Deserialize)]
pub(super) struct SecretKey {
    /// Whether the gateway takes it for one that is guessed.
    pub(super) short: bool,
    /// The same of each of `SECRET_KEY_FALLBACKS`.
    pub(super) short_fallbacks: Vec<bool>,
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
    /// Whether `JSONRenderer` is the only renderer.
    pub(super) json_alone: bool,
}

/// An authentication class.
#[derive(Debug, Deserialize)]
pub(super) struct Class {
    pub(super) class: String,
    /// The class of a package's table that it is, or inherits from.
    pub(super) base: Option<String>,
    /// The entry of `authentication`; none: it is not carried.
    pub(super) gateway: Option<Value>,
    /// It accepts what `base` accepts, or less: the project has to ask it too.
    pub(super) asks_more: bool,
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
    pub(super) class: String,
    /// The entry of `throttle`; none: it is not carried.
    pub(super) gateway: Option<Value>,
}

/// A view of the URLconf.
#[derive(Debug, Deserialize)]
pub(super) struct Url {
    /// Django's pattern.
    pub(super) pattern: String,
    /// `=/exact/{variable}/`, or `/prefix/`, as routes have them.
    pub(super) path: String,
    /// Whether the view takes all paths that this one stands for.
    pub(super) certain: bool,
    /// Whether it takes less than all below a prefix, and which is not told.
    pub(super) loose: bool,
    /// What the segment behind a prefix begins with, as in `groups.json`.
    pub(super) stem: String,
    pub(super) kind: Kind,
    /// None: all.
    pub(super) methods: Option<Vec<String>>,
    /// The gateway's page that does the same.
    pub(super) endpoint: Option<Value>,
    /// Where they differ from the defaults; `Some(None)`: it cannot be told which they are.
    #[serde(default, deserialize_with = "present")]
    pub(super) authentication: Option<Option<Vec<Class>>>,
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
        let own = self.urls.iter().flat_map(|url| url.authentication.iter().flatten().flatten());
        self.rest_framework.authentication.iter().chain(own)
    }
}

/// What is left to the project after all. Each says whether there was something to leave.
impl Project {
    /// All classes whose entry of `authentication` this is.
    pub(super) fn leave_class(&mut self, entry: &Value) -> BTreeSet<String> {
        self.leave_classes(|class| class.gateway.as_ref() == Some(entry))
    }

    /// All throttle classes whose entry this is.
    pub(super) fn leave_throttle(&mut self, entry: &Value) -> BTreeSet<String> {
        let own = self.urls.iter_mut().flat_map(|url| url.throttle.iter_mut().flatten());
        let all = self.rest_framework.throttle.iter_mut().chain(own);
        let refused = all.filter(|throttle| throttle.gateway.as_ref() == Some(entry));
        let left = refused.map(|throttle| {
            throttle.gateway = None;
            throttle.class.clone()
        });
        left.collect()
    }

    /// Everything that looks users up.
    pub(super) fn leave_store(&mut self) {
        self.leave_classes(|class| class.known().is_none_or(|known| known.asks_store));
        self.urls.iter_mut().for_each(|url| url.endpoint = None);
    }

    /// The pages of a route; where there is none, the schemes of its views.
    pub(super) fn leave_route(&mut self, path: &str) -> bool {
        let Ok(route) = path.parse::<PathPattern>() else { return false };
        let is_served = |url: &&mut Url| {
            let path = url.path.parse::<PathPattern>().ok();
            path.is_some_and(|path| {
                path.relation(&route) != Relation::Apart && path.is_within(&route)
            })
        };
        let mut left = false;
        for url in self.urls.iter_mut().filter(is_served) {
            let page = url.endpoint.take().is_some();
            left |= page || !matches!(url.authentication.replace(None), Some(None));
        }
        left
    }

    /// All classes and pages of a package.
    pub(super) fn leave_package(&mut self, package: &Descriptor) {
        let of_package = |class: &Class| {
            class.known().is_some_and(|known| {
                package.import.schemes.iter().any(|scheme| scheme.class == known.class)
            })
        };
        self.leave_classes(of_package);
        for url in &mut self.urls {
            let word = url
                .endpoint
                .as_ref()
                .and_then(|endpoint| word_and_rest(endpoint))
                .map(|(word, _)| word);
            if word.is_some_and(|word| package.pages.iter().any(|set| set.word == word)) {
                url.endpoint = None;
            }
        }
    }

    fn leave_classes(&mut self, which: impl Fn(&Class) -> bool) -> BTreeSet<String> {
        let own = self.urls.iter_mut();
        let own = own.flat_map(|url| url.authentication.iter_mut().flatten().flatten());
        let mut left = BTreeSet::new();
        for class in self.rest_framework.authentication.iter_mut().chain(own) {
            if class.gateway.is_some() && which(class) {
                class.gateway = None;
                left.insert(class.class.clone());
            }
        }
        left
    }

    pub(super) fn note_about(&mut self, group: Group, text: &str, about: &str) {
        note_about(&mut self.notes, group, text, about);
    }
}

/// Adds to a note, which stands there once.
pub(super) fn note_about(notes: &mut Vec<Note>, group: Group, text: &str, about: &str) {
    let known = notes.iter_mut().find(|note| note.group == group && note.text == text);
    match known {
        Some(note) if note.about.iter().any(|known| known == about) => {}
        Some(note) => note.about.push(about.to_owned()),
        None => {
            let about = vec![about.to_owned()];
            notes.push(Note { group, text: text.to_owned(), about });
        }
    }
}

impl Url {
    /// Whether it answers GET, and says so.
    pub(super) fn gets(&self) -> bool {
        self.methods.iter().flatten().any(|method| method == "GET")
    }
}

fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn null_is_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
