//! Where users and credentials are kept: Django's own tables.

pub mod cache;
mod schema;
mod sql;

use std::sync::Arc;

use async_trait::async_trait;

pub use self::sql::{Config, Sql};
use crate::{clock::Timestamp, identity::Identity, value::Secret};

/// A store or peer could not answer. It is never taken for "no": the chain ends with 503.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what} could not answer: {cause}")]
pub struct Unavailable {
    /// Who could not.
    pub what: &'static str,
    /// For the log; never for the client.
    pub cause: Arc<str>,
}

impl Unavailable {
    /// From any cause.
    pub fn new(what: &'static str, cause: impl ToString) -> Self {
        Self { what, cause: cause.to_string().into() }
    }
}

/// A row of the user table with its groups and permissions.
#[derive(Clone, Debug)]
pub struct User {
    /// Primary key.
    pub id: i64,
    /// The encoded password.
    pub password: Secret,
    /// `is_active`.
    pub active: bool,
    /// Everything that may be told of the user.
    pub identity: Arc<Identity>,
}

/// A new user, as `create_user` and `create_superuser` take it.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Normalised with NFKC, as Django does when it creates a user.
    pub username: String,
    /// May be empty.
    pub email: String,
    /// The encoded password.
    pub password: String,
    /// `is_staff` and `is_superuser`.
    pub superuser: bool,
}

/// A row of `authtoken_token`.
#[derive(Clone, Debug)]
pub struct Token {
    /// The key, in the clear as DRF keeps it.
    pub key: Secret,
    /// Whose.
    pub username: Box<str>,
}

/// An API key: its secret is not kept, only the SHA-256 of it.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// What it is called.
    pub name: Box<str>,
    /// Whose, unless it stands for a service of that name.
    pub user: Option<User>,
}

/// `auth_user`, or the project's own user model.
#[async_trait]
pub trait Users: Send + Sync {
    /// By `USERNAME_FIELD`, compared exactly.
    async fn user_by_name(&self, username: &str) -> Result<Option<User>, Unavailable>;
    /// Adds a user; `None` if the name is taken.
    async fn create_user(&self, user: &NewUser, now: Timestamp)
    -> Result<Option<i64>, Unavailable>;
    /// Replaces the encoded password if it is still `old`.
    async fn replace_password(&self, id: i64, old: &str, new: &str) -> Result<(), Unavailable>;
    /// Sets `is_active`; false if there is no such user.
    async fn set_active(&self, username: &str, active: bool) -> Result<bool, Unavailable>;
    /// Deletes a user with what belongs to it; false if there is none.
    async fn delete_user(&self, username: &str) -> Result<bool, Unavailable>;
    /// All names, ordered.
    async fn usernames(&self) -> Result<Vec<String>, Unavailable>;
}

/// `authtoken_token`.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// The user whose token `key` is, compared exactly.
    async fn user_by_token(&self, key: &str) -> Result<Option<User>, Unavailable>;
    /// The user's token; made if missing. The flag says whether it is new.
    async fn token_of(&self, user: i64, now: Timestamp) -> Result<(Secret, bool), Unavailable>;
    /// Deletes the user's token; false if there was none.
    async fn delete_token(&self, user: i64) -> Result<bool, Unavailable>;
    /// All tokens, ordered by user.
    async fn tokens(&self) -> Result<Vec<Token>, Unavailable>;
}

/// `portcullis_api_key`: only in a store where the operator allows tables of ours.
#[async_trait]
pub trait ApiKeys: Send + Sync {
    /// By the SHA-256 of the key, in hexadecimal.
    async fn api_key(&self, digest: &str) -> Result<Option<ApiKey>, Unavailable>;
    /// Adds one for a user, or for a service of that name; false if the name is taken.
    async fn create_api_key(
        &self,
        name: &str,
        digest: &str,
        user: Option<i64>,
        now: Timestamp,
    ) -> Result<bool, Unavailable>;
    /// Deletes one; false if there is none of that name.
    async fn delete_api_key(&self, name: &str) -> Result<bool, Unavailable>;
    /// Names and owners, ordered by name.
    async fn api_keys(&self) -> Result<Vec<(String, Option<String>)>, Unavailable>;
}

/// Everything a backend must offer.
pub trait Store: Users + Tokens + ApiKeys {}
impl<T: Users + Tokens + ApiKeys> Store for T {}
