//! Where users and credentials are kept: Django's own tables.

pub mod cache;
pub mod revocation;
mod schema;
mod sql;

use std::sync::Arc;

use async_trait::async_trait;

pub use self::sql::{Config, Heard, Revocations, Sql};
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
    /// By another column of the user table, compared as text; `id` is the primary key.
    async fn user_by_field(&self, field: &str, value: &str) -> Result<Option<User>, Unavailable>;
    /// What a column of the user's row holds, as text; nothing if it is empty.
    async fn user_column(&self, id: i64, field: &str) -> Result<Option<String>, Unavailable>;
    /// Sets `last_login`.
    async fn logged_in(&self, id: i64, now: Timestamp) -> Result<(), Unavailable>;
    /// Adds a user; `None` if the name is taken.
    async fn create_user(&self, user: &NewUser, now: Timestamp)
    -> Result<Option<i64>, Unavailable>;
    /// Replaces the encoded password if it is still `old`; false if it is not.
    async fn replace_password(&self, id: i64, old: &str, new: &str) -> Result<bool, Unavailable>;
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

/// A row of `django_session`.
#[derive(Clone, Debug)]
pub struct Session {
    /// The signed payload.
    pub data: String,
    /// `expire_date`.
    pub expires: Timestamp,
}

/// `django_session`.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// By its key, compared exactly; an expired one too.
    async fn session(&self, key: &str) -> Result<Option<Session>, Unavailable>;
    /// Adds one; false if the key is taken.
    async fn create_session(&self, key: &str, session: &Session) -> Result<bool, Unavailable>;
    /// Overwrites one; false if it is gone: it is not made again, for somebody ended it.
    async fn replace_session(&self, key: &str, session: &Session) -> Result<bool, Unavailable>;
    /// Moves the end of one, whatever it says by now; false if it is gone.
    async fn extend_session(&self, key: &str, expires: Timestamp) -> Result<bool, Unavailable>;
    /// Deletes one; false if there is none.
    async fn delete_session(&self, key: &str) -> Result<bool, Unavailable>;
    /// Those that have not expired, with their keys, in the order of keys: some of those behind
    /// `after`, none if there are no more.
    async fn sessions(
        &self,
        after: &str,
        now: Timestamp,
    ) -> Result<Vec<(String, Session)>, Unavailable>;
}

/// A row of `knox_authtoken`, with whose it is.
#[derive(Clone, Debug)]
pub struct KnoxToken {
    /// Whose.
    pub user: User,
    /// Of the whole token, in hexadecimal.
    pub digest: String,
    /// When it was made.
    pub created: Timestamp,
    /// Never, if there is none.
    pub expiry: Option<Timestamp>,
}

/// A new row of `knox_authtoken`.
#[derive(Clone, Debug)]
pub struct NewKnoxToken {
    /// Of the whole token, in hexadecimal.
    pub digest: String,
    /// Its first 15 characters.
    pub token_key: String,
    /// Whose.
    pub user: i64,
    /// When it is made.
    pub created: Timestamp,
    /// Never, if there is none.
    pub expiry: Option<Timestamp>,
}

/// `knox_authtoken`.
#[async_trait]
pub trait KnoxTokens: Send + Sync {
    /// Those that begin so.
    async fn knox_tokens(&self, token_key: &str) -> Result<Vec<KnoxToken>, Unavailable>;
    /// Adds one.
    async fn create_knox_token(&self, token: &NewKnoxToken) -> Result<(), Unavailable>;
    /// How many the user has that have not expired.
    async fn count_knox_tokens(&self, user: i64, now: Timestamp) -> Result<u64, Unavailable>;
    /// Moves the expiry of one.
    async fn extend_knox_token(&self, digest: &str, expiry: Timestamp) -> Result<(), Unavailable>;
    /// Deletes one; false if there is none.
    async fn delete_knox_token(&self, digest: &str) -> Result<bool, Unavailable>;
    /// Deletes all of a user; how many.
    async fn delete_knox_tokens(&self, user: i64) -> Result<u64, Unavailable>;
    /// Deletes those of a user that have expired; how many.
    async fn delete_expired_knox_tokens(
        &self,
        user: i64,
        now: Timestamp,
    ) -> Result<u64, Unavailable>;
}

/// A refresh or sliding token of simplejwt's, as its tables keep it.
#[derive(Clone, Debug)]
pub struct OutstandingToken {
    /// The claim `jti`.
    pub jti: String,
    /// The whole token.
    pub token: Secret,
    /// When it was recorded.
    pub created: Timestamp,
    /// The claim `exp`.
    pub expires: Timestamp,
    /// Whose, if the user still exists.
    pub user: Option<i64>,
    /// Whom its claim names, which is all that is known of a caller who is not looked up.
    pub subject: Option<Box<str>>,
}

/// `token_blacklist_outstandingtoken` and `token_blacklist_blacklistedtoken`.
#[async_trait]
pub trait OutstandingTokens: Send + Sync {
    /// Whether a token was blacklisted.
    async fn is_blacklisted(&self, jti: &str) -> Result<bool, Unavailable>;
    /// Records a token, once.
    async fn record_token(&self, token: &OutstandingToken) -> Result<(), Unavailable>;
    /// Blacklists a token, recorded or not; false if it was blacklisted before. Of two requests
    /// at the same time one gets true.
    async fn blacklist_token(
        &self,
        token: &OutstandingToken,
        now: Timestamp,
    ) -> Result<bool, Unavailable>;
}

/// Everything a backend must offer.
pub trait Store: Users + Tokens + ApiKeys + Sessions + KnoxTokens + OutstandingTokens {}
impl<T: Users + Tokens + ApiKeys + Sessions + KnoxTokens + OutstandingTokens> Store for T {}
