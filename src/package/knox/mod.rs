#![doc = include_str!("README.md")]

mod commands;
mod import;
mod pages;
pub mod rows;
mod scheme;
mod tokens;

use schemars::JsonSchema;
use serde::Deserialize;

use self::tokens::Knox;
use super::{Asks, BuildPage, Commands, Descriptor, Limit, Page, PageSet, SchemeKind, Section};
use crate::{
    policy::Word,
    store::{Owner, Table, Trigger},
    value::{Count, Period},
};

/// django-rest-knox.
pub static PACKAGE: Descriptor = Descriptor {
    settings: Some(Section::of::<Config>("knox", "`REST_KNOX`.")),
    schemes: &[SchemeKind::of::<scheme::Config>("knox")],
    pages: &[PageSet {
        word: "knox",
        description: "django-rest-knox: `login/`, `logout/` and `logoutall/` below the route.",
        pages: &[
            Page {
                limit: Limit::Passwords,
                ..page("login", "login/", Asks::TopChain, pages::login)
            },
            page("logout", "logout/", Asks::Scheme("knox"), pages::logout),
            page("logoutall", "logoutall/", Asks::Scheme("knox"), pages::logout_all),
        ],
    }],
    tables: &[Table {
        name: "knox_authtoken",
        sqlite: &[
            "CREATE TABLE IF NOT EXISTS knox_authtoken (digest varchar(128) NOT NULL PRIMARY KEY, created datetime NOT NULL, user_id integer NOT NULL REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED, expiry datetime NULL, token_key varchar(25) NOT NULL)",
            "CREATE INDEX IF NOT EXISTS knox_authtoken_user_id_e5a5d899 ON knox_authtoken (user_id)",
            "CREATE INDEX IF NOT EXISTS knox_authtoken_token_key_8f4f7d47 ON knox_authtoken (token_key)",
        ],
        owner: Owner::Django,
        on_user_delete: Some("DELETE FROM knox_authtoken WHERE user_id = {user_key}"),
        trigger: Some(Trigger {
            events: "UPDATE OF digest, user_id OR DELETE",
            message: "'credential knox ' || encode(sha256(convert_to(OLD.digest, 'UTF8')), 'hex')",
        }),
    }],
    import: import::IMPORT,
    commands: &[Commands { word: "knox", define: commands::define, run: commands::run }],
    texts: &[pages::TOO_MANY],
    build: Some(|site| site.shared::<Knox>().map(|_| ())),
    ..Descriptor::new("knox", include_str!("README.md"))
};

const fn page(name: &'static str, path: &'static str, asks: Asks, build: BuildPage) -> Page {
    Page { asks, rule: Some(Word::Authenticated), ..Page::drf(name, path, build) }
}

/// The `knox` setting: `REST_KNOX`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Knox")]
pub struct Config {
    /// `TOKEN_TTL`; `null` for tokens that never expire.
    ttl: Option<Period>,
    /// `AUTH_HEADER_PREFIX`.
    keyword: String,
    /// `TOKEN_PREFIX`: what new tokens begin with.
    token_prefix: String,
    /// `AUTH_TOKEN_CHARACTER_LENGTH`.
    token_length: Count,
    /// `TOKEN_LIMIT_PER_USER`.
    limit_per_user: Option<Count>,
    /// `AUTO_REFRESH`.
    auto_refresh: bool,
    /// `MIN_REFRESH_INTERVAL`.
    min_refresh_interval: Period,
    /// `AUTO_REFRESH_MAX_TTL`.
    auto_refresh_max_ttl: Option<Period>,
    /// What a log-in says of the user: `id`, `username`, `email`, `is_staff`, `is_superuser`.
    user_fields: Option<Vec<String>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ttl: Some(Period::seconds(10 * 3600)),
            keyword: "Token".into(),
            token_prefix: String::new(),
            token_length: Count(64),
            limit_per_user: None,
            auto_refresh: false,
            min_refresh_interval: Period::seconds(60),
            auto_refresh_max_ttl: None,
            user_fields: None,
        }
    }
}
