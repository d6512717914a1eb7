//! `authtoken_token`.

use async_trait::async_trait;
use sqlx::{Row, any::AnyRow};
use subtle::ConstantTimeEq;

use super::{Sql, storable, user_columns};
use crate::{
    clock::Timestamp,
    crypto::random_bytes,
    store::{Token, Tokens, Unavailable, User, revocation::Revocation},
    value::Secret,
};

#[async_trait]
impl Tokens for Sql {
    async fn user_by_token(&self, key: &str) -> Result<Option<User>, Unavailable> {
        if !storable(key) {
            return Ok(None);
        }
        let key = key.to_owned();
        self.ask(|store| async move {
            const QUERY: &str = concat!(
                "SELECT ",
                user_columns!(),
                ", t.{key} FROM authtoken_token t \
                 JOIN {table} u ON u.id = t.user_id WHERE t.{key} = ?"
            );
            let rows = store
                .rows(QUERY, {
                    let key = key.clone();
                    |query| query.bind(key)
                })
                .await?;
            let Some(row) = rows.first() else { return Ok(None) };
            // MySQL's usual collations would also find a key in the other case.
            let stored: String = row.try_get(9)?;
            if !bool::from(stored.as_bytes().ct_eq(key.as_bytes())) {
                return Ok(None);
            }
            store.user(row).await.map(Some)
        })
        .await
    }

    async fn token_of(&self, user: i64, now: Timestamp) -> Result<(Secret, bool), Unavailable> {
        let fresh = random_bytes::<20>().map_err(|error| Unavailable::new("randomness", error))?;
        self.ask(move |store| async move {
            const SELECT: &str = "SELECT t.{key} FROM authtoken_token t WHERE t.user_id = ?";
            let read = |rows: Vec<AnyRow>| {
                let key = rows.first().map(|row| row.try_get::<String, _>(0)).transpose();
                key.map(|key| key.map(Secret::new))
            };
            if let Some(key) = read(store.rows(SELECT, |query| query.bind(user)).await?)? {
                return Ok((key, false));
            }
            let insert =
                "INSERT INTO authtoken_token ({key}, created, user_id) VALUES (?, {time}, ?)";
            let (key, moment) = (hex::encode(fresh), store.moment(now));
            let done = {
                let key = key.clone();
                store.execute(insert, |query| query.bind(key).bind(moment).bind(user)).await
            };
            match done {
                // Another request made it in between: theirs is the token.
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                    let key = read(store.rows(SELECT, |query| query.bind(user)).await?)?;
                    key.map(|key| (key, false)).ok_or(sqlx::Error::RowNotFound)
                }
                other => other.map(|_| (Secret::new(key), true)),
            }
        })
        .await
    }

    async fn delete_token(&self, user: i64) -> Result<bool, Unavailable> {
        self.ask(move |store| async move {
            let delete = "DELETE FROM authtoken_token WHERE user_id = ?";
            let rows = store.execute(delete, |query| query.bind(user)).await?;
            store.announce(Revocation::User(user.to_string().into())).await;
            Ok(rows > 0)
        })
        .await
    }

    async fn tokens(&self) -> Result<Vec<Token>, Unavailable> {
        self.ask(|store| async move {
            let query = "SELECT t.{key}, u.{username} FROM authtoken_token t \
                         JOIN {table} u ON u.id = t.user_id ORDER BY u.id";
            let rows = store.rows(query, |query| query).await?;
            let token = |row: &AnyRow| {
                let key = Secret::new(row.try_get(0)?);
                Ok(Token { key, username: row.try_get::<String, _>(1)?.into() })
            };
            rows.iter().map(token).collect()
        })
        .await
    }
}
