//! `knox_authtoken`.

use sqlx::Row as _;

use super::tokens::id_of;
use crate::{
    clock::Timestamp,
    identity::UserKey,
    store::{
        Arg, Database, Revocation, USER_COLUMNS, Unavailable, User, moment, optional_moment,
        storable,
    },
};

/// What every request with a token asks.
pub const BY_KEY: &str = "SELECT {user_columns}, k.digest, {micros k.created}, \
                          {micros k.expiry} FROM knox_authtoken k \
                          JOIN {users} u ON u.{pk} = k.user_id WHERE k.token_key = ?";

/// A row, with whose it is.
pub struct Row {
    pub user: User,
    /// Of the whole token, in hexadecimal.
    pub digest: String,
    pub created: Timestamp,
    /// Never, if there is none.
    pub expiry: Option<Timestamp>,
}

/// A new row.
#[derive(Clone)]
pub struct NewRow {
    /// Of the whole token, in hexadecimal.
    pub digest: String,
    /// Its first 15 characters.
    pub token_key: String,
    pub user: UserKey,
    pub created: Timestamp,
    /// Never, if there is none.
    pub expiry: Option<Timestamp>,
}

/// The tokens that begin so.
pub async fn starting_with(db: &Database, key: &str) -> Result<Vec<Row>, Unavailable> {
    if !storable(key) {
        return Ok(Vec::new());
    }
    let key = Arg::from(key);
    db.run(|sql| async move {
        let rows = sql.rows(BY_KEY, [key]).await?;
        let mut tokens = Vec::with_capacity(rows.len());
        for row in &rows {
            tokens.push(Row {
                user: sql.user(row).await?,
                digest: row.try_get(USER_COLUMNS)?,
                created: moment(row, USER_COLUMNS + 1)?,
                expiry: optional_moment(row, USER_COLUMNS + 2)?,
            });
        }
        Ok(tokens)
    })
    .await
}

/// Adds a token.
pub async fn create(db: &Database, row: NewRow) -> Result<(), Unavailable> {
    db.run(|sql| async move {
        const ENDING: &str =
            "INSERT INTO knox_authtoken (digest, token_key, user_id, created, expiry) \
             VALUES (?, ?, {user_key}, {time}, {time})";
        const LASTING: &str =
            "INSERT INTO knox_authtoken (digest, token_key, user_id, created, expiry) \
             VALUES (?, ?, {user_key}, {time}, NULL)";
        let insert = if row.expiry.is_some() { ENDING } else { LASTING };
        let NewRow { digest, token_key, user, created, expiry } = row;
        let args = [Arg::from(digest), token_key.into(), user.into(), created.into()];
        sql.execute(insert, args.into_iter().chain(expiry.map(Arg::from))).await.map(|_| ())
    })
    .await
}

/// How many the user has that have not expired.
pub async fn count(db: &Database, user: &UserKey, now: Timestamp) -> Result<u64, Unavailable> {
    let args = [Arg::from(user), now.into()];
    db.run(move |sql| async move {
        const QUERY: &str = "SELECT COUNT(*) FROM knox_authtoken k WHERE k.user_id = {user_key} \
                             AND (k.expiry IS NULL OR k.expiry > {time})";
        let rows = sql.rows(QUERY, args).await?;
        let count: i64 = rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(0);
        Ok(u64::try_from(count).unwrap_or_default())
    })
    .await
}

/// Moves the expiry of a token.
pub async fn extend(db: &Database, digest: &str, expiry: Timestamp) -> Result<(), Unavailable> {
    let args = [Arg::from(expiry), Arg::from(digest)];
    db.run(move |sql| async move {
        const UPDATE: &str = "UPDATE knox_authtoken SET expiry = {time} WHERE digest = ?";
        sql.execute(UPDATE, args).await.map(|_| ())
    })
    .await
}

/// Deletes a token; false if there is none.
pub async fn delete(db: &Database, digest: &str) -> Result<bool, Unavailable> {
    let digest = digest.to_owned();
    db.run(|sql| async move {
        const DELETE: &str = "DELETE FROM knox_authtoken WHERE digest = ?";
        let found = "SELECT k.digest FROM knox_authtoken k WHERE k.digest = ?";
        if sql.rows(found, [Arg::from(&*digest)]).await?.is_empty() {
            return Ok(false);
        }
        let rows = sql.execute(DELETE, [Arg::from(&*digest)]).await?;
        sql.announce(Revocation::Credential(id_of(&digest))).await;
        Ok(rows > 0)
    })
    .await
}

/// Deletes all tokens of a user; their digests.
pub async fn delete_all(db: &Database, user: &UserKey) -> Result<Vec<String>, Unavailable> {
    let user = user.clone();
    db.run(move |sql| async move {
        const QUERY: &str = "SELECT k.digest FROM knox_authtoken k WHERE k.user_id = {user_key}";
        const DELETE: &str = "DELETE FROM knox_authtoken WHERE user_id = {user_key}";
        let rows = sql.rows(QUERY, [Arg::from(&user)]).await?;
        let digests: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        let digests = digests?;
        sql.execute(DELETE, [Arg::from(&user)]).await?;
        for digest in &digests {
            sql.announce(Revocation::Credential(id_of(digest))).await;
        }
        Ok(digests)
    })
    .await
}

/// Deletes those of a user that have expired.
pub async fn delete_expired(
    db: &Database,
    user: &UserKey,
    now: Timestamp,
) -> Result<u64, Unavailable> {
    let args = [Arg::from(user), now.into()];
    db.run(move |sql| async move {
        const DELETE: &str =
            "DELETE FROM knox_authtoken WHERE user_id = {user_key} AND expiry < {time}";
        sql.execute(DELETE, args).await
    })
    .await
}
