//! `knox_authtoken`.

use async_trait::async_trait;
use sqlx::Row;

use super::{Sql, storable, user_columns};
use crate::{
    clock::Timestamp,
    store::{KnoxToken, KnoxTokens, NewKnoxToken, Unavailable, revocation::Revocation},
};

#[async_trait]
impl KnoxTokens for Sql {
    async fn knox_tokens(&self, token_key: &str) -> Result<Vec<KnoxToken>, Unavailable> {
        if !storable(token_key) {
            return Ok(Vec::new());
        }
        let token_key = token_key.to_owned();
        self.ask(|store| async move {
            const QUERY: &str = concat!(
                "SELECT ",
                user_columns!(),
                ", k.digest, {created}, {expiry} FROM knox_authtoken k \
                 JOIN {table} u ON u.id = k.user_id WHERE k.token_key = ?"
            );
            let query = QUERY
                .replace("{created}", &store.micros("k.created"))
                .replace("{expiry}", &store.micros("k.expiry"));
            let rows = store.rows(&query, |query| query.bind(token_key)).await?;
            let mut tokens = Vec::with_capacity(rows.len());
            for row in &rows {
                tokens.push(KnoxToken {
                    user: store.user(row).await?,
                    digest: row.try_get(9)?,
                    created: super::moment(row, 10)?,
                    expiry: super::optional_moment(row, 11)?,
                });
            }
            Ok(tokens)
        })
        .await
    }

    async fn create_knox_token(&self, token: &NewKnoxToken) -> Result<(), Unavailable> {
        let token = token.clone();
        self.ask(|store| async move {
            let insert = match token.expiry {
                Some(_) => {
                    "INSERT INTO knox_authtoken (digest, token_key, user_id, created, expiry) \
                     VALUES (?, ?, ?, {time}, {time})"
                }
                None => {
                    "INSERT INTO knox_authtoken (digest, token_key, user_id, created, expiry) \
                     VALUES (?, ?, ?, {time}, NULL)"
                }
            };
            let created = store.moment(token.created);
            let expiry = token.expiry.map(|expiry| store.moment(expiry));
            let done = store.execute(insert, |query| {
                let query =
                    query.bind(token.digest).bind(token.token_key).bind(token.user).bind(created);
                match expiry {
                    Some(expiry) => query.bind(expiry),
                    None => query,
                }
            });
            done.await.map(|_| ())
        })
        .await
    }

    async fn count_knox_tokens(&self, user: i64, now: Timestamp) -> Result<u64, Unavailable> {
        self.ask(move |store| async move {
            let query = "SELECT COUNT(*) FROM knox_authtoken k \
                         WHERE k.user_id = ? AND (k.expiry IS NULL OR k.expiry > {time})";
            let now = store.moment(now);
            let rows = store.rows(query, |query| query.bind(user).bind(now)).await?;
            let count: i64 = rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(0);
            Ok(u64::try_from(count).unwrap_or_default())
        })
        .await
    }

    async fn extend_knox_token(&self, digest: &str, expiry: Timestamp) -> Result<(), Unavailable> {
        let digest = digest.to_owned();
        self.ask(move |store| async move {
            let update = "UPDATE knox_authtoken SET expiry = {time} WHERE digest = ?";
            let expiry = store.moment(expiry);
            store.execute(update, |query| query.bind(expiry).bind(digest)).await.map(|_| ())
        })
        .await
    }

    async fn delete_knox_token(&self, digest: &str) -> Result<bool, Unavailable> {
        let digest = digest.to_owned();
        self.ask(|store| async move {
            let of = "SELECT k.user_id FROM knox_authtoken k WHERE k.digest = ?";
            let rows = store.rows(of, |query| query.bind(digest.clone())).await?;
            let Some(row) = rows.first() else { return Ok(false) };
            let user: i64 = row.try_get(0)?;
            let delete = "DELETE FROM knox_authtoken WHERE digest = ?";
            let rows = store.execute(delete, |query| query.bind(digest)).await?;
            store.announce(Revocation::User(user.to_string().into())).await;
            Ok(rows > 0)
        })
        .await
    }

    async fn delete_knox_tokens(&self, user: i64) -> Result<u64, Unavailable> {
        self.ask(move |store| async move {
            let delete = "DELETE FROM knox_authtoken WHERE user_id = ?";
            let rows = store.execute(delete, |query| query.bind(user)).await?;
            store.announce(Revocation::User(user.to_string().into())).await;
            Ok(rows)
        })
        .await
    }

    async fn delete_expired_knox_tokens(
        &self,
        user: i64,
        now: Timestamp,
    ) -> Result<u64, Unavailable> {
        self.ask(move |store| async move {
            let delete = "DELETE FROM knox_authtoken WHERE user_id = ? AND expiry < {time}";
            let now = store.moment(now);
            store.execute(delete, |query| query.bind(user).bind(now)).await
        })
        .await
    }
}
