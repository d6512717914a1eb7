#![doc = include_str!("README.md")]

mod config;
mod cookies;
mod error;
mod import;
mod issue;
mod pages;
mod registered;
pub mod rows;
mod scheme;
mod tokens;

pub use self::{
    config::{Config, TokenType},
    error::TokenError,
    issue::Rotation,
    tokens::SimpleJwt,
};

use super::{Descriptor, Limit, Page, PageSet, SchemeKind, Section, Site};
use crate::{
    store::{CredentialId, Owner, Table, Trigger},
    value::Problems,
};

/// djangorestframework-simplejwt.
pub static PACKAGE: Descriptor = Descriptor {
    settings: Some(Section::of::<Config>("jwt", "`SIMPLE_JWT`.")),
    // `jwt` without an issuer is this.
    schemes: &[SchemeKind::of::<scheme::Config>("simplejwt").hidden()],
    pages: &[
        PageSet {
            word: "jwt",
            description: "simplejwt: obtain a pair at the route itself, `refresh/`, `verify/` and \
                          `blacklist/` below.",
            pages: &[
                Page { limit: Limit::Passwords, ..Page::drf("obtain", "", pages::obtain_pair) },
                Page::drf("refresh", "refresh/", pages::refresh),
                Page::drf("verify", "verify/", pages::verify),
                Page::drf("blacklist", "blacklist/", pages::blacklist),
            ],
        },
        PageSet {
            word: "jwt_sliding",
            description: "simplejwt's sliding tokens: obtain at the route itself, `refresh/` below.",
            pages: &[
                Page { limit: Limit::Passwords, ..Page::drf("obtain", "", pages::obtain_sliding) },
                Page::drf("refresh", "refresh/", pages::refresh_sliding),
            ],
        },
    ],
    tables: &[
        Table {
            name: "token_blacklist_outstandingtoken",
            sqlite: &[
                "CREATE TABLE IF NOT EXISTS token_blacklist_outstandingtoken (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, token text NOT NULL, created_at datetime NULL, expires_at datetime NOT NULL, user_id integer NULL REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED, jti varchar(255) NOT NULL UNIQUE)",
                "CREATE INDEX IF NOT EXISTS token_blacklist_outstandingtoken_user_id_83bc629a ON token_blacklist_outstandingtoken (user_id)",
            ],
            owner: Owner::Django,
            on_user_delete: Some(
                "UPDATE token_blacklist_outstandingtoken SET user_id = NULL WHERE user_id = {user_key}",
            ),
            trigger: None,
        },
        Table {
            name: "token_blacklist_blacklistedtoken",
            sqlite: &[
                "CREATE TABLE IF NOT EXISTS token_blacklist_blacklistedtoken (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, blacklisted_at datetime NOT NULL, token_id bigint NOT NULL UNIQUE REFERENCES token_blacklist_outstandingtoken (id) DEFERRABLE INITIALLY DEFERRED)",
            ],
            owner: Owner::Django,
            on_user_delete: None,
            trigger: Some(Trigger {
                events: "INSERT",
                message: "SELECT 'credential simplejwt ' || o.jti FROM token_blacklist_outstandingtoken o WHERE o.id = NEW.token_id",
            }),
        },
    ],
    import: import::IMPORT,
    texts: pages::TEXTS,
    build: Some(build),
    ..Descriptor::new("simplejwt", include_str!("README.md"))
};

/// For commands, which end tokens though no scheme or page was built; where there is no key, there
/// are no tokens.
fn build(site: &Site<'_>) -> Result<(), Problems> {
    let has_no_key = site.settings::<Config>("jwt").is_signed_with_secret_key()
        && site.needs_secret_key(&site.path("jwt"), "tokens").is_err();
    if has_no_key {
        return Ok(());
    }
    site.shared::<SimpleJwt>().map(|_| ())
}

/// What a revocation calls a token; nothing, if its `jti` cannot be told in a message.
fn id_of(jti: &str) -> Option<CredentialId> {
    let told = !jti.is_empty() && jti.len() <= 255 && !jti.contains(char::is_whitespace);
    told.then(|| CredentialId::new("simplejwt", jti))
}
