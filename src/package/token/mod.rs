#![doc = include_str!("README.md")]

mod commands;
mod import;
mod obtain;
pub mod rows;
mod scheme;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::HeaderMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Asks, Commands, Descriptor, Import, Limit, Page, PageClass, PageSet, SchemeClass, SchemeKind,
    Section, Shared, Site,
};
use crate::{
    account::{Ended, Grant, Granted, Revoker},
    clock::Clock,
    crypto::digest::sha256_hex,
    identity::{JSON_FIELDS, UserKey},
    policy::Word,
    request::credentials,
    store::{CredentialId, Database, Owner, Table, Trigger, Unavailable, User},
    value::{Path, Problem, Problems},
};

/// DRF's `rest_framework.authtoken`.
pub static PACKAGE: Descriptor = Descriptor {
    settings: Some(Section::of::<Config>(
        "token",
        "Tokens, and the answer of the page that gives them.",
    )),
    schemes: &[SchemeKind::of::<scheme::Config>("token")],
    pages: &[PageSet {
        word: "token",
        description: "DRF's `ObtainAuthToken`: user name and password for a token.",
        pages: &[Page {
            name: "token",
            path: "",
            allow: "POST, OPTIONS",
            says_allow: true,
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
        settings: &[import::SETTINGS],
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
            leads_to: None,
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

/// The `token` setting at the top of the file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Tokens")]
struct Config {
    /// Makes a token for each new user, as the receiver `create_auth_token` of DRF's documentation does.
    create_for_new_users: bool,
    /// What the page's answer says beside `token`, by name: `{user.id}`, `{user.username}`,
    /// `{user.email}`, `{user.name}`, `{user.is_staff}` or `{user.is_superuser}`.
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    fields: Map<String, Value>,
}

impl Config {
    /// Names, each with that of [`JSON_FIELDS`] that it says.
    fn fields(&self, path: &Path) -> Result<Vec<(String, &'static str)>, Problems> {
        let mut problems = Problems::default();
        let mut fields = Vec::new();
        for (name, template) in &self.fields {
            let field = template.as_str().and_then(|text| {
                let field = text.strip_prefix("{user.")?.strip_suffix('}')?;
                JSON_FIELDS.into_iter().find(|known| *known == field)
            });
            match field.filter(|_| name != "token") {
                Some(field) => fields.push((name.clone(), field)),
                None => {
                    let at = path.key("fields").key(name);
                    let problem = Problem::new(&at, "an answer of the token page cannot say this");
                    let known = JSON_FIELDS.map(|field| format!("\"{{user.{field}}}\"")).join(", ");
                    problems.push(problem.help(format!("there are: {known}")));
                }
            }
        }
        problems.finish(fields)
    }
}

/// DRF's tokens.
pub struct Tokens {
    db: Database,
    clock: Clock,
    is_for_new_users: bool,
    /// See [`Config::fields`].
    fields: Vec<(String, &'static str)>,
}

impl Shared for Tokens {
    fn build(site: &Site<'_>) -> Result<Arc<Self>, Problems> {
        let config = site.settings::<Config>("token");
        let tokens = Arc::new(Self {
            db: site.db.clone(),
            clock: site.clock.clone(),
            is_for_new_users: config.create_for_new_users,
            fields: config.fields(&site.path("token"))?,
        });
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

    fn is_for_new_users(&self) -> bool {
        self.is_for_new_users
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
