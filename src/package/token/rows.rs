//! `authtoken_token`.

use sqlx::{Row, any::AnyRow};
use subtle::ConstantTimeEq;

use super::id_of;
use crate::{
    clock::Timestamp,
    crypto::random_bytes,
    identity::UserKey,
    store::{
        Arg, Database, Revocation, Sql, USER_COLUMNS, Unavailable, User, is_unique_violation,
        storable,
    },
    value::Secret,
};

/// What every request with a token asks.
pub const BY_KEY: &str = "SELECT {user_columns}, t.{key} FROM authtoken_token t \
                          JOIN {users} u ON u.{pk} = t.user_id WHERE t.{key} = ?";

/// A token, as a list shows it.
pub struct Listed {
    pub key: Secret,
    pub username: String,
}

/// The user whose token `key` is, compared exactly.
pub async fn user_of(db: &Database, key: &str) -> Result<Option<User>, Unavailable> {
    if !storable(key) {
        return Ok(None);
    }
    let key = key.to_owned();
    db.run(|sql| async move {
        let rows = sql.rows(BY_KEY, [Arg::from(&*key)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        // MySQL's usual collations would also find a key in the other case.
        let stored: String = row.try_get(USER_COLUMNS)?;
        if !bool::from(stored.as_bytes().ct_eq(key.as_bytes())) {
            return Ok(None);
        }
        sql.user(row).await.map(Some)
    })
    .await
}

/// The user's token; made if missing. The flag says whether it is new.
pub async fn token_of(
    db: &Database,
    user: &UserKey,
    now: Timestamp,
) -> Result<(Secret, bool), Unavailable> {
    let fresh = hex::encode(random_bytes::<20>().map_err(Unavailable::randomness)?);
    let user = user.clone();
    db.run(move |sql| async move {
        if let Some(key) = key_of(&sql, &user).await? {
            return Ok((key, false));
        }
        const INSERT: &str =
            "INSERT INTO authtoken_token ({key}, created, user_id) VALUES (?, {time}, {user_key})";
        let args = [Arg::from(&*fresh), now.into(), Arg::from(&user)];
        match sql.execute(INSERT, args).await {
            // Another request made it in between: theirs is the token.
            Err(error) if is_unique_violation(&error) => {
                let key = key_of(&sql, &user).await?;
                key.map(|key| (key, false)).ok_or(sqlx::Error::RowNotFound)
            }
            other => other.map(|_| (Secret::new(fresh), true)),
        }
    })
    .await
}

async fn key_of(sql: &Sql, user: &UserKey) -> Result<Option<Secret>, sqlx::Error> {
    const QUERY: &str = "SELECT t.{key} FROM authtoken_token t WHERE t.user_id = {user_key}";
    let rows = sql.rows(QUERY, [Arg::from(user)]).await?;
    rows.first().map(|row| row.try_get(0).map(Secret::new)).transpose()
}

/// Deletes the user's token; false if there was none.
pub async fn delete(db: &Database, user: &UserKey) -> Result<bool, Unavailable> {
    let user = user.clone();
    db.run(move |sql| async move {
        let Some(key) = key_of(&sql, &user).await? else { return Ok(false) };
        const DELETE: &str = "DELETE FROM authtoken_token WHERE user_id = {user_key}";
        let rows = sql.execute(DELETE, [Arg::from(user)]).await?;
        sql.announce(Revocation::Credential(id_of(key.reveal()))).await;
        Ok(rows > 0)
    })
    .await
}

/// All tokens, ordered by user.
pub async fn all(db: &Database) -> Result<Vec<Listed>, Unavailable> {
    db.run(|sql| async move {
        const QUERY: &str = "SELECT t.{key}, {username_text} FROM authtoken_token t \
                             JOIN {users} u ON u.{pk} = t.user_id ORDER BY u.{pk}";
        let rows = sql.rows(QUERY, []).await?;
        let token = |row: &AnyRow| {
            Ok(Listed { key: Secret::new(row.try_get(0)?), username: row.try_get(1)? })
        };
        rows.iter().map(token).collect()
    })
    .await
}
