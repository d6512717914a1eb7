#![doc = include_str!("README.md")]

mod commands;
pub mod rows;
mod scheme;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Commands, Descriptor, SchemeKind, Shared, Site};
use crate::{
    account::{Ended, Revoker, Services},
    crypto::digest::sha256_hex,
    identity::UserKey,
    store::{Database, Owner, Table, Unavailable},
    value::Problems,
};

/// API keys of users and services.
pub static PACKAGE: Descriptor = Descriptor {
    schemes: &[SchemeKind::of::<scheme::Config>("api_key")],
    tables: &[Table {
        name: "portcullis_api_key",
        sqlite: &[
            "CREATE TABLE IF NOT EXISTS portcullis_api_key (name varchar(150) NOT NULL PRIMARY KEY, digest char(64) NOT NULL UNIQUE, user_id {user_key_type} NULL, created varchar(32) NOT NULL)",
        ],
        owner: Owner::Gateway,
        on_user_delete: Some("DELETE FROM portcullis_api_key WHERE user_id = ?"),
        trigger: None,
    }],
    commands: &[Commands { word: "api-key", define: commands::define, run: commands::run }],
    build: Some(|site| site.shared::<ApiKeys>().map(|_| ())),
    ..Descriptor::new("api_key", include_str!("README.md"))
};

/// The keys of the store.
struct ApiKeys {
    db: Database,
}

impl Shared for ApiKeys {
    fn build(site: &Site<'_>) -> Result<Arc<Self>, Problems> {
        let keys = Arc::new(Self { db: site.db.clone() });
        site.accounts.add_revoker(Arc::clone(&keys) as _);
        site.accounts.add_services(Arc::clone(&keys) as _);
        Ok(keys)
    }
}

impl Services for ApiKeys {
    fn has<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, Unavailable>> {
        // Where the table is not allowed, no service is in it.
        Box::pin(async move { Ok(rows::is_service(&self.db, name).await.unwrap_or(false)) })
    }
}

impl Revoker for ApiKeys {
    fn package(&self) -> &'static str {
        PACKAGE.key
    }

    fn end<'a>(&'a self, credential: &'a str) -> BoxFuture<'a, Result<Ended, Unavailable>> {
        Box::pin(async move {
            let digest = sha256_hex(credential.as_bytes());
            let Some(key) = rows::find(&self.db, &digest).await? else { return Ok(Ended::Unknown) };
            Ok(match rows::delete(&self.db, &key.name).await? {
                true => Ended::Done(format!("Deleted the API key {}", key.name)),
                false => Ended::Unknown,
            })
        })
    }

    /// A key is not bound to a password; who changes one because it leaked changes the other.
    fn end_all<'a>(&'a self, user: &'a UserKey) -> BoxFuture<'a, Result<u64, Unavailable>> {
        Box::pin(rows::delete_all(&self.db, user))
    }
}
