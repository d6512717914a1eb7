#![doc = include_str!("README.md")]

mod commands;
mod obtain;
pub mod rows;
mod scheme;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::HeaderMap;

use super::{
    Asks, Commands, Descriptor, Import, Limit, Page, PageClass, PageSet, SchemeClass, SchemeKind,
    Shared, Site,
};
use crate::{
    account::{Ended, Grant, Granted, Revoker},
    clock::Clock,
    crypto::digest::sha256_hex,
    identity::UserKey,
    policy::Word,
    request::credentials,
    store::{CredentialId, Database, Owner, Table, Trigger, Unavailable, User},
    value::Problems,
};

/// DRF's `rest_framework.authtoken`.
pub static PACKAGE: Descriptor = Descriptor {
    schemes: &[SchemeKind::of::<scheme::Config>("token")],
    pages: &[PageSet {
        word: "token",
        description: "DRF's `ObtainAuthToken`: user name and password for a token.",
        pages: &[Page {
            name: "token",
            path: "",
            allow: "POST, OPTIONS",
            asks: Asks::TopChain,
            rule: Some(Word::Anyone),
            throttled: false,
            limit: Limit::Passwords,
            negotiates: false,
            slash: true,
            build: obtain::build,
        }],
    }],
    tables: &[Table {
        name: "authtoken_token",
        sqlite: &[
            "CREATE TABLE IF NOT EXISTS authtoken_token (\"key\" varchar(40) NOT NULL PRIMARY KEY, created datetime NOT NULL, user_id integer NOT NULL UNIQUE REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED)",
        ],
        owner: Owner::Django,
        on_user_delete: Some("DELETE FROM authtoken_token WHERE user_id = {user_key}"),
        trigger: Some(Trigger {
            events: "UPDATE OR DELETE",
            message: "'credential token ' || encode(sha256(convert_to(OLD.key, 'UTF8')), 'hex')",
        }),
    }],
    import: Import {
        apps: &[("rest_framework.authtoken", "authtoken")],
        schemes: &[SchemeClass {
            attributes: &[("keyword", "keyword")],
            sets_auth: true,
            ..SchemeClass::new("rest_framework.authentication.TokenAuthentication", "token")
        }],
        pages: &[PageClass {
            class: "rest_framework.authtoken.views.ObtainAuthToken",
            endpoint: "token",
            drf: true,
            takes_password: true,
            fires: &["user_login_failed", "saved:authtoken.Token"],
        }],
        ..Import::NONE
    },
    commands: &[Commands { word: "token", define: commands::define, run: commands::run }],
    texts: &[
        credentials::NO_TOKEN,
        credentials::SPACES_IN_TOKEN,
        credentials::NO_TEXT_IN_TOKEN,
        scheme::INACTIVE,
        scheme::INVALID,
        obtain::UNABLE,
        "Username",
        "Password",
        "Token",
    ],
    build: Some(|site| site.shared::<Tokens>().map(|_| ())),
    ..Descriptor::new("token", include_str!("README.md"))
};

/// DRF's tokens.
pub struct Tokens {
    db: Database,
    clock: Clock,
}

impl Shared for Tokens {
    fn build(site: &Site<'_>) -> Result<Arc<Self>, Problems> {
        let tokens = Arc::new(Self { db: site.db.clone(), clock: site.clock.clone() });
        site.accounts.add_grant(Arc::clone(&tokens) as _);
        site.accounts.add_revoker(Arc::clone(&tokens) as _);
        Ok(tokens)
    }
}

/// What a revocation calls a token.
fn id_of(key: &str) -> CredentialId {
    CredentialId::new("token", sha256_hex(key.as_bytes()))
}

impl Grant for Tokens {
    fn name(&self) -> &'static str {
        "token"
    }

    fn issue<'a>(
        &'a self,
        user: &'a User,
        _: &'a HeaderMap,
    ) -> BoxFuture<'a, Result<Granted, Unavailable>> {
        Box::pin(async move {
            let (token, is_new) = rows::token_of(&self.db, &user.id, self.clock.now()).await?;
            Ok(Granted { values: vec![("token", token)], is_new, ..Granted::default() })
        })
    }
}

impl Revoker for Tokens {
    fn package(&self) -> &'static str {
        PACKAGE.key
    }

    fn end<'a>(&'a self, credential: &'a str) -> BoxFuture<'a, Result<Ended, Unavailable>> {
        Box::pin(async move {
            let Some(user) = rows::user_of(&self.db, credential).await? else {
                return Ok(Ended::Unknown);
            };
            rows::delete(&self.db, &user.id).await?;
            Ok(Ended::Done(format!("Deleted the token of user {}", user.identity.username)))
        })
    }

    fn end_all<'a>(&'a self, user: &'a UserKey) -> BoxFuture<'a, Result<u64, Unavailable>> {
        Box::pin(async move { Ok(u64::from(rows::delete(&self.db, user).await?)) })
    }
}
