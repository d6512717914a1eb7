//! Who the caller is: facts about a user or a service, and nothing about the request.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, OnceLock, atomic::AtomicU64},
};

use hyper::header::{HeaderName, HeaderValue};

/// The primary key of a row of the user table. Projects choose its type, so no package looks into it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UserKey {
    /// `AutoField`, `BigAutoField`.
    Integer(i64),
    /// `UUIDField`: lower case, with dashes, as Python writes a UUID.
    Uuid(Box<str>),
    /// `CharField` and the like.
    Text(Box<str>),
}

/// As Django's `str(user.pk)`: in sessions, claims and revocations.
impl fmt::Display for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Uuid(text) | Self::Text(text) => f.write_str(text),
        }
    }
}

/// A caller's identity, shared by every request that carries the same credential.
#[derive(Debug, Default)]
pub struct Identity {
    /// What names the user for good: the primary key of a row as text, or the identifier that
    /// another authority uses; a service of its own has none.
    pub id: Option<Box<str>>,
    /// The primary key, of users who have a row in the store. Nothing that a token or a service
    /// says is ever put here: `"sub": "1"` of an identity provider is not the user with the key 1.
    pub row: Option<UserKey>,
    /// The user name as stored (never as the client spelled it), or the service's name.
    pub username: Box<str>,
    /// `email`; empty if there is none.
    pub email: Box<str>,
    /// Django's `get_full_name()`: first and last name with a blank between; may be empty.
    pub name: Box<str>,
    /// Names of the user's groups.
    pub groups: BTreeSet<Box<str>>,
    /// Django permissions, own and by group: `app_label.codename`.
    pub permissions: BTreeSet<Box<str>>,
    /// `is_staff`.
    pub staff: bool,
    /// `is_superuser`: has every permission.
    pub superuser: bool,
    /// What the credential is good for, where it says so.
    pub scopes: BTreeSet<Box<str>>,
    /// Further claims of the credential or the callout.
    pub claims: serde_json::Map<String, serde_json::Value>,
    /// The network that its credential last came from, for the lockout; zero if none was noted.
    pub seen_at: AtomicU64,
    /// The headers this identity was last written as, by the number of their writer: rendering
    /// them once per identity keeps the hot path to copies of shared bytes.
    pub written: Written,
}

/// What an answer to a log-in may say of the user, by the names in Django's model; `name` is
/// `get_full_name()`.
pub const JSON_FIELDS: [&str; 6] = ["id", "username", "email", "name", "is_staff", "is_superuser"];

/// See [`Identity::written`].
pub type Written = OnceLock<(u64, Box<[(HeaderName, HeaderValue)]>)>;

impl Identity {
    /// Django's `user.has_perm`: superusers have every permission.
    pub fn has_permission(&self, permission: &str) -> bool {
        self.superuser || self.permissions.contains(permission)
    }

    /// One of [`JSON_FIELDS`], for an answer to a log-in; null for any other. A key that is a number is
    /// one in JSON.
    pub fn json(&self, field: &str) -> serde_json::Value {
        match field {
            "id" => match &self.row {
                Some(UserKey::Integer(number)) => (*number).into(),
                Some(key) => key.to_string().into(),
                None => serde_json::Value::Null,
            },
            "username" => (*self.username).into(),
            "email" => (*self.email).into(),
            "name" => (*self.name).into(),
            "is_staff" => self.staff.into(),
            "is_superuser" => self.superuser.into(),
            _ => serde_json::Value::Null,
        }
    }
}

/// A proven credential: whose it is and what proved it.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Whose.
    pub identity: Arc<Identity>,
    /// The name of the scheme that accepted it.
    pub scheme: Arc<str>,
}
