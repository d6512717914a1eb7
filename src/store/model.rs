//! The project's user model: Django's `AUTH_USER_MODEL`, whatever its table, key and columns are.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::template::{Arg, Dialect};
use crate::{
    identity::UserKey,
    value::{FromWord, Path, Problem},
};

/// The `store.user_model` setting: Django's `AUTH_USER_MODEL`, or a map for a model whose table, key
/// or columns are not named as Django's own are.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "UserModel")]
pub(super) struct Config {
    /// `app_label.ModelName`.
    name: String,
    /// `db_table`; `app_label_modelname` unless given.
    table: Option<String>,
    /// The column of the primary key.
    key_column: String,
    /// The type of the primary key.
    key: KeyKind,
    /// The name of the primary key's field, where it is not `id`; settings such as `USER_ID_FIELD`
    /// name it.
    key_field: Option<String>,
    /// The type of `USERNAME_FIELD`.
    username: UsernameKind,
    /// The columns that are named otherwise, or not there.
    columns: Columns,
    /// The table between users and groups; `null` where users have none.
    #[serde(deserialize_with = "said")]
    #[schemars(with = "Option<Membership>")]
    groups: Said<Membership>,
    /// The table between users and permissions of their own; `null` where they have none.
    #[serde(deserialize_with = "said")]
    #[schemars(with = "Option<Membership>")]
    permissions: Said<Membership>,
}

/// A setting of which `null` says that there is none, and its absence that it is as in Django.
type Said<T> = Option<Option<T>>;

fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Said<T>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The type of `USERNAME_FIELD`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum UsernameKind {
    /// `CharField`, `EmailField`.
    #[default]
    Text,
    /// `CITextField`, `CIEmailField`: PostgreSQL's `citext`.
    Citext,
    /// `IntegerField`, `BigIntegerField`.
    Integer,
}

/// A many-to-many table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Membership")]
struct Membership {
    /// Its name.
    table: String,
    /// Its column of the user.
    user: String,
    /// Its column of the group or permission.
    other: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "auth.User".into(),
            table: None,
            key_column: "id".into(),
            key: KeyKind::Integer,
            key_field: None,
            username: UsernameKind::Text,
            columns: Columns::default(),
            groups: None,
            permissions: None,
        }
    }
}

impl FromWord for Config {
    const EXPECTING: &'static str =
        "the name of a model (app_label.ModelName), or a map with `name`";
    fn from_word(word: &str) -> Result<Self, String> {
        Ok(Self { name: word.to_owned(), ..Self::default() })
    }
}

/// The type of a primary key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// `AutoField`, `BigAutoField`, `IntegerField`.
    #[default]
    Integer,
    /// `UUIDField`.
    Uuid,
    /// `CharField`.
    Text,
}

/// The columns of the user table. `null` is for a column that the model does not have.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "UserColumns")]
struct Columns {
    /// `USERNAME_FIELD`, where its column is named otherwise.
    username: Option<String>,
    /// `password`.
    password: String,
    /// `email`; without it no user has an e-mail address.
    email: Option<String>,
    /// `first_name`; without it names have one part.
    first_name: Option<String>,
    /// `last_name`; without it names have one part.
    last_name: Option<String>,
    /// `is_active`; without it every user is active.
    is_active: Option<String>,
    /// `is_staff`; without it no user is staff.
    is_staff: Option<String>,
    /// `is_superuser`; without it no user is a superuser.
    is_superuser: Option<String>,
    /// `last_login`; without it log-ins leave no time.
    last_login: Option<String>,
    /// `date_joined`; without it new users have no such time.
    date_joined: Option<String>,
}

impl Default for Columns {
    fn default() -> Self {
        let named = |name: &str| Some(name.to_owned());
        Self {
            username: None,
            password: "password".into(),
            email: named("email"),
            first_name: named("first_name"),
            last_name: named("last_name"),
            is_active: named("is_active"),
            is_staff: named("is_staff"),
            is_superuser: named("is_superuser"),
            last_login: named("last_login"),
            date_joined: named("date_joined"),
        }
    }
}

/// The name of a column or table, checked and quoted once: nothing else that is configured ever
/// stands in a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    name: Box<str>,
    quoted: Box<str>,
}

impl Column {
    /// Letters, digits and `_`.
    pub(super) fn new(name: &str, dialect: Dialect) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let good = !name.is_empty() && name.len() <= 64 && name.bytes().all(plain);
        let quote = if dialect == Dialect::Mysql { '`' } else { '"' };
        good.then(|| Self { name: name.into(), quoted: format!("{quote}{name}{quote}").into() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn quoted(&self) -> &str {
        &self.quoted
    }
}

/// The user table as queries name it.
#[derive(Clone, Debug)]
pub struct UserModel {
    pub(super) dialect: Dialect,
    pub(super) key: KeyKind,
    pub(super) table: Column,
    pub(super) key_column: Column,
    key_field: Box<str>,
    pub(super) username: Column,
    pub(super) username_kind: UsernameKind,
    pub(super) password: Column,
    pub(super) email: Option<Column>,
    pub(super) first_name: Option<Column>,
    pub(super) last_name: Option<Column>,
    pub(super) is_active: Option<Column>,
    pub(super) is_staff: Option<Column>,
    pub(super) is_superuser: Option<Column>,
    pub(super) last_login: Option<Column>,
    pub(super) date_joined: Option<Column>,
    pub(super) groups: Option<Members>,
    pub(super) permissions: Option<Members>,
}

/// A many-to-many table, and its columns.
#[derive(Clone, Debug)]
pub(super) struct Members {
    pub(super) table: Column,
    pub(super) user: Column,
    pub(super) other: Column,
}

impl UserModel {
    pub(super) fn new(
        config: &Config,
        username: &str,
        dialect: Dialect,
        path: &Path,
    ) -> Result<Self, Problem> {
        let at = path.key("user_model");
        let unnamed = || {
            let problem = Problem::new(&at, "the user model is not named as Django names it");
            problem.help("write `user_model: app_label.ModelName`, and plain names of columns")
        };
        let column = |name: &str| Column::new(name, dialect).ok_or_else(unnamed);
        let optional = |name: &Option<String>| name.as_deref().map(column).transpose();
        let (app, model) = config.name.split_once('.').ok_or_else(unnamed)?;
        let table = match &config.table {
            Some(table) => table.clone(),
            None => format!("{app}_{model}").to_lowercase(),
        };
        let columns = &config.columns;
        let members = |said: &Said<Membership>, tail: &str, other: &str| {
            let usual = || Membership {
                table: format!("{table}_{tail}"),
                user: format!("{model}_id").to_lowercase(),
                other: other.to_owned(),
            };
            let members = said.clone().unwrap_or_else(|| Some(usual()));
            let members = members.map(|members| {
                Ok(Members {
                    table: column(&members.table)?,
                    user: column(&members.user)?,
                    other: column(&members.other)?,
                })
            });
            members.transpose()
        };
        Ok(Self {
            dialect,
            key: config.key,
            key_column: column(&config.key_column)?,
            key_field: config.key_field.as_deref().unwrap_or("id").into(),
            username: column(columns.username.as_deref().unwrap_or(username))?,
            username_kind: config.username,
            password: column(&columns.password)?,
            email: optional(&columns.email)?,
            first_name: optional(&columns.first_name)?,
            last_name: optional(&columns.last_name)?,
            is_active: optional(&columns.is_active)?,
            is_staff: optional(&columns.is_staff)?,
            is_superuser: optional(&columns.is_superuser)?,
            last_login: optional(&columns.last_login)?,
            date_joined: optional(&columns.date_joined)?,
            groups: members(&config.groups, "groups", "group_id")?,
            permissions: members(&config.permissions, "user_permissions", "permission_id")?,
            table: column(&table)?,
        })
    }

    /// The key that a text stands for, if it can be one: `12`, a UUID, any text.
    pub fn parse_key(&self, text: &str) -> Option<UserKey> {
        match self.key {
            KeyKind::Integer => text.parse().ok().map(UserKey::Integer),
            KeyKind::Uuid => canonical_uuid(text).map(UserKey::Uuid),
            KeyKind::Text => Some(UserKey::Text(text.into())),
        }
    }

    /// Whether a setting that names a column (`USER_ID_FIELD`) means the primary key.
    pub fn is_key(&self, column: &str) -> bool {
        column == "pk" || column == &*self.key_field || column == self.key_column.name()
    }

    /// The parameter that a user name is in queries; none if the column can have no such value.
    pub(super) fn username_arg(&self, username: &str) -> Option<Arg> {
        match self.username_kind {
            UsernameKind::Text | UsernameKind::Citext => Some(Arg::from(username)),
            UsernameKind::Integer => integer(username).map(Arg::Integer),
        }
    }

    /// Whether a name that was found is the one that was asked for.
    pub(super) fn is_same_name(&self, stored: &str, asked: &str) -> bool {
        // A number has several spellings, and the column compares it as one.
        self.username_kind == UsernameKind::Integer || stored == asked
    }
}

/// As Python's `int` reads a number in ASCII digits: blanks around, a sign, single `_` between digits.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let edges = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    text.replace('_', "").parse().ok().filter(|_| plain && !edges)
}

/// `UUIDField` is 32 digits in SQLite and MySQL, and has dashes in PostgreSQL and in Python.
fn canonical_uuid(text: &str) -> Option<Box<str>> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let digits = digits.to_ascii_lowercase();
    let whole = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let part = |from: usize, to: usize| digits.get(from..to).filter(|_| whole);
    let (a, b, c) = (part(0, 8)?, part(8, 12)?, part(12, 16)?);
    Some(format!("{a}-{b}-{c}-{}-{}", part(16, 20)?, part(20, 32)?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(yaml: &str) -> UserModel {
        let config = serde_yaml::from_str(yaml).unwrap();
        UserModel::new(&config, "username", Dialect::Mysql, &Path::root()).unwrap()
    }

    #[test]
    fn tables_are_named_as_django_names_them() {
        let model = model("{ name: accounts.Person }");
        assert_eq!(model.table.quoted(), "`accounts_person`");
        let groups = model.groups.unwrap();
        assert_eq!(groups.table.quoted(), "`accounts_person_groups`");
        assert_eq!(groups.user.quoted(), "`person_id`");
    }

    #[test]
    fn keys_are_read_by_their_type() {
        let integers = model("{ name: a.U }");
        assert_eq!(integers.parse_key("12"), Some(UserKey::Integer(12)));
        assert_eq!(integers.parse_key("x"), None);
        let uuids = model("{ name: a.U, key: uuid }");
        let canonical = UserKey::Uuid("0af76519-16cd-43dd-8448-eb211c80319c".into());
        for text in ["0af7651916cd43dd8448eb211c80319c", "0AF76519-16CD-43DD-8448-EB211C80319C"] {
            assert_eq!(uuids.parse_key(text), Some(canonical.clone()));
        }
        assert_eq!(uuids.parse_key("12"), None);
    }

    /// Attack: a configured name that ends the statement and begins another.
    #[test]
    fn nothing_but_a_plain_name_stands_in_a_query() {
        for name in ["", "a b", "a;--", "a\"b", "a`b", "é", "a.b"] {
            assert_eq!(Column::new(name, Dialect::Postgres), None, "{name}");
        }
    }
}
