//! `portcullis_api_key`.

use async_trait::async_trait;
use sqlx::Row;

use super::{Dialect, Sql, user_columns};
use crate::{
    clock::Timestamp,
    store::{ApiKey, ApiKeys, Unavailable, revocation::Revocation},
};

#[async_trait]
impl ApiKeys for Sql {
    async fn api_key(&self, digest: &str) -> Result<Option<ApiKey>, Unavailable> {
        let digest = digest.to_owned();
        self.ask(|store| async move {
            let query = "SELECT k.name, k.user_id FROM portcullis_api_key k WHERE k.digest = ?";
            let rows = store.rows(query, |query| query.bind(digest)).await?;
            let Some(row) = rows.first() else { return Ok(None) };
            let name = row.try_get::<String, _>(0)?.into();
            let Some(id) = row.try_get::<Option<i64>, _>(1)? else {
                return Ok(Some(ApiKey { name, user: None }));
            };
            const USER: &str =
                concat!("SELECT ", user_columns!(), " FROM {table} u WHERE u.id = ?");
            let rows = store.rows(USER, |query| query.bind(id)).await?;
            // The key of a user who is gone is no key.
            let Some(row) = rows.first() else { return Ok(None) };
            Ok(Some(ApiKey { name, user: Some(store.user(row).await?) }))
        })
        .await
    }

    async fn create_api_key(
        &self,
        name: &str,
        digest: &str,
        user: Option<i64>,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let (name, digest) = (name.to_owned(), digest.to_owned());
        self.ask(move |store| async move {
            let insert = "INSERT INTO portcullis_api_key (name, digest, user_id, created) \
                          VALUES (?, ?, CAST(? AS {bigint}), ?)";
            let bigint = if store.dialect == Dialect::Mysql { "SIGNED" } else { "BIGINT" };
            let insert = insert.replace("{bigint}", bigint);
            let created = now.to_string();
            let done = store
                .execute(&insert, |query| query.bind(name).bind(digest).bind(user).bind(created))
                .await;
            match done {
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
                other => other.map(|_| true),
            }
        })
        .await
    }

    async fn delete_api_key(&self, name: &str) -> Result<bool, Unavailable> {
        let name = name.to_owned();
        self.ask(|store| async move {
            let delete = "DELETE FROM portcullis_api_key WHERE name = ?";
            let rows = store.execute(delete, |query| query.bind(name)).await?;
            if rows > 0 {
                // The key of a service is nobody's whom a message could name.
                store.announce(Revocation::Everything).await;
            }
            Ok(rows > 0)
        })
        .await
    }

    async fn api_keys(&self) -> Result<Vec<(String, Option<String>)>, Unavailable> {
        self.ask(|store| async move {
            let query = "SELECT k.name, u.{username} FROM portcullis_api_key k \
                         LEFT JOIN {table} u ON u.id = k.user_id ORDER BY k.name";
            let rows = store.rows(query, |query| query).await?;
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
        })
        .await
    }
}
