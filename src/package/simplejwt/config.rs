//! `SIMPLE_JWT`, in lower case.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{Period, Secret};

/// The `jwt` setting: `SIMPLE_JWT`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "SimpleJwt")]
pub struct Config {
    /// `ALGORITHM`: the only one that is accepted.
    pub(super) algorithm: String,
    /// `SIGNING_KEY`: a secret for HS256 to HS512, else a private key in PEM. `secret_key` if left
    /// out.
    pub(super) signing_key: Option<Secret>,
    /// `VERIFYING_KEY`: a public key in PEM.
    pub(super) verifying_key: Option<Secret>,
    /// `JWK_URL`: where the verifying keys are published.
    pub(super) jwks: Option<String>,
    /// `ACCESS_TOKEN_LIFETIME`.
    pub(super) access_lifetime: Period,
    /// `REFRESH_TOKEN_LIFETIME`.
    pub(super) refresh_lifetime: Period,
    /// `SLIDING_TOKEN_LIFETIME`.
    pub(super) sliding_lifetime: Period,
    /// `SLIDING_TOKEN_REFRESH_LIFETIME`.
    pub(super) sliding_refresh_lifetime: Period,
    /// `ROTATE_REFRESH_TOKENS`.
    pub(super) rotate_refresh_tokens: bool,
    /// `BLACKLIST_AFTER_ROTATION`.
    pub(super) blacklist_after_rotation: bool,
    /// Whether the project has `rest_framework_simplejwt.token_blacklist`, and its tables.
    pub(super) blacklist: bool,
    /// `UPDATE_LAST_LOGIN`.
    pub(super) update_last_login: bool,
    /// `AUDIENCE`: one, or several of which a token has to name one.
    #[serde(deserialize_with = "crate::value::one_or_many")]
    #[schemars(with = "serde_json::Value")]
    pub(super) audience: Vec<String>,
    /// `ISSUER`.
    pub(super) issuer: Option<String>,
    /// `LEEWAY`.
    pub(super) leeway: Period,
    /// `AUTH_HEADER_TYPES`: compared with their case; the first is the challenge.
    pub keywords: Vec<String>,
    /// `AUTH_HEADER_NAME`, as the client sends it.
    pub header: String,
    /// `USER_ID_FIELD`.
    pub(super) user_id_field: String,
    /// `USER_ID_CLAIM`.
    pub(super) user_id_claim: String,
    /// `AUTH_TOKEN_CLASSES`: `access`, `sliding`.
    pub(super) token_types: Vec<TokenType>,
    /// `TOKEN_TYPE_CLAIM`.
    pub(super) token_type_claim: String,
    /// `JTI_CLAIM`.
    pub(super) jti_claim: String,
    /// `CHECK_USER_IS_ACTIVE`.
    pub(super) check_user_is_active: bool,
    /// `CHECK_REVOKE_TOKEN`: a new password ends older tokens.
    pub(super) check_revoke_token: bool,
    /// `REVOKE_TOKEN_CLAIM`.
    pub(super) revoke_token_claim: String,
    /// `JWTStatelessUserAuthentication`: the token is accepted without asking the store.
    pub(super) stateless: bool,
    /// Keeps tokens in cookies that scripts cannot read, and asks for a CSRF token then.
    pub cookies: Option<super::cookies::Config>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            algorithm: "HS256".into(),
            signing_key: None,
            verifying_key: None,
            jwks: None,
            access_lifetime: Period::seconds(300),
            refresh_lifetime: Period::seconds(86_400),
            sliding_lifetime: Period::seconds(300),
            sliding_refresh_lifetime: Period::seconds(86_400),
            rotate_refresh_tokens: false,
            blacklist_after_rotation: false,
            blacklist: false,
            update_last_login: false,
            audience: Vec::new(),
            issuer: None,
            leeway: Period::seconds(0),
            keywords: vec!["Bearer".into()],
            header: "Authorization".into(),
            user_id_field: "id".into(),
            user_id_claim: "user_id".into(),
            token_types: vec![TokenType::Access],
            token_type_claim: "token_type".into(),
            jti_claim: "jti".into(),
            check_user_is_active: true,
            check_revoke_token: false,
            revoke_token_claim: "hash_password".into(),
            stateless: false,
            cookies: None,
        }
    }
}

impl Config {
    /// Whether `secret_key` is what signs.
    pub fn is_signed_with_secret_key(&self) -> bool {
        self.signing_key.is_none() && self.algorithm.starts_with("HS")
    }
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenType {
    /// Proves a caller.
    Access,
    /// Gets new access tokens.
    Refresh,
    /// Both in one.
    Sliding,
}

impl std::fmt::Display for TokenType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl TokenType {
    pub(super) fn word(self) -> &'static str {
        match self {
            TokenType::Access => "access",
            TokenType::Refresh => "refresh",
            TokenType::Sliding => "sliding",
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            TokenType::Access => "AccessToken",
            TokenType::Refresh => "RefreshToken",
            TokenType::Sliding => "SlidingToken",
        }
    }
}
