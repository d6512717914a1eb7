//! Django's `SESSION_*`, and what the gateway's own pages need.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{cookie::SameSite, value::Period};

/// The `session` setting: Django's `SESSION_*`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Session")]
pub struct Config {
    /// `SESSION_ENGINE`.
    pub(super) engine: Engine,
    /// `SESSION_COOKIE_NAME`.
    pub(super) cookie: String,
    /// `SESSION_COOKIE_AGE`.
    pub(super) age: Period,
    /// `SESSION_COOKIE_DOMAIN`.
    pub(super) domain: Option<String>,
    /// `SESSION_COOKIE_PATH`.
    pub(super) path: String,
    /// `SESSION_COOKIE_SECURE`.
    pub(super) secure: bool,
    /// `SESSION_COOKIE_HTTPONLY`.
    pub(super) http_only: bool,
    /// `SESSION_COOKIE_SAMESITE`.
    pub(super) same_site: SameSite,
    /// `SESSION_EXPIRE_AT_BROWSER_CLOSE`.
    pub(super) expire_at_browser_close: bool,
    /// `SESSION_SAVE_EVERY_REQUEST`: a session that is used ends later. It is written once in
    /// `cache.ttl`, not for each request.
    pub(super) save_every_request: bool,
    /// Whether a log-in by the user who is logged in already makes a new key too (OWASP ASVS 7.2.4).
    /// Django keeps the key: `false`.
    pub(super) new_key_on_every_login: bool,
    /// `AUTHENTICATION_BACKENDS`: sessions of others prove no user.
    pub(super) backends: Vec<String>,
    /// `LOGIN_REDIRECT_URL`, a path.
    pub login_redirect: String,
    /// `LOGOUT_REDIRECT_URL`, a path; without it a page says that you are logged out.
    pub logout_redirect: Option<String>,
    /// Where a browser without a session is sent, on routes with the `session` scheme: the login
    /// page's path (Django's `LOGIN_URL`). Without it such a browser gets the refusal.
    pub login_url: Option<String>,
    /// A folder with pages of your own (Jinja): any of base.html, login.html, logged_out.html and
    /// forbidden.html. Styles stand in a `<style>` element or come, like images, from this host.
    pub templates: Option<std::path::PathBuf>,
    /// The name that the gateway's own pages show.
    pub brand: Option<String>,
    /// What the log-in page calls the user name, in small letters: the `verbose_name` of
    /// `USERNAME_FIELD`.
    pub username_label: String,
}

/// Where Django keeps sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SessionEngine")]
pub(super) enum Engine {
    /// `django.contrib.sessions.backends.db`.
    Db,
    /// `…cached_db`: the rows are the same, and Django's cache in front of them is Django's.
    CachedDb,
    /// `…signed_cookies`: the cookie is the session, so no logout can end a copy of it.
    SignedCookies,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            engine: Engine::Db,
            cookie: "sessionid".into(),
            age: Period::seconds(14 * 86_400),
            domain: None,
            path: "/".into(),
            secure: false,
            http_only: true,
            same_site: SameSite::Lax,
            expire_at_browser_close: false,
            new_key_on_every_login: true,
            save_every_request: false,
            backends: vec![super::sessions::MODEL_BACKEND.into()],
            login_redirect: "/accounts/profile/".into(),
            logout_redirect: None,
            login_url: None,
            templates: None,
            brand: None,
            username_label: "username".into(),
        }
    }
}
