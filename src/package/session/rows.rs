//! `django_session`.

use sqlx::{Row as _, any::AnyRow};

use super::sessions::id_of;
use crate::{
    clock::Timestamp,
    store::{Arg, Database, Revocation, Sql, Unavailable, is_unique_violation, moment, storable},
};

/// What every request with a session asks.
pub const BY_KEY: &str = "SELECT s.session_data, {micros s.expire_date}, s.session_key \
                          FROM django_session s WHERE s.session_key = ?";

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    /// The signed payload.
    pub data: String,
    /// `expire_date`.
    pub expires: Timestamp,
}

/// The column holds 40 characters: a longer key is no session's.
const LONGEST_KEY: usize = 40;

fn is_key(key: &str) -> bool {
    storable(key) && key.chars().count() <= LONGEST_KEY
}

/// By its key, compared exactly; an expired one too.
///
/// # Errors
/// If the store does not answer.
pub async fn find(db: &Database, key: &str) -> Result<Option<Row>, Unavailable> {
    if !is_key(key) {
        return Ok(None);
    }
    let key = key.to_owned();
    db.run(|sql| async move {
        let rows = sql.rows(BY_KEY, [Arg::from(&*key)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        // MySQL's usual collations would also find a key in the other case.
        if row.try_get::<String, _>(2)? != key {
            return Ok(None);
        }
        Ok(Some(Row { data: row.try_get(0)?, expires: moment(row, 1)? }))
    })
    .await
}

/// Adds one; false if the key is taken.
///
/// # Errors
/// If the store does not answer.
pub async fn create(db: &Database, key: &str, row: &Row) -> Result<bool, Unavailable> {
    let args = [Arg::from(key), Arg::from(&*row.data), row.expires.into()];
    db.run(|sql| async move {
        const INSERT: &str = "INSERT INTO django_session (session_key, session_data, expire_date) \
                              VALUES (?, ?, {time})";
        match sql.execute(INSERT, args).await {
            Err(error) if is_unique_violation(&error) => Ok(false),
            other => other.map(|_| true),
        }
    })
    .await
}

/// Overwrites one; false if it is gone: it is not made again, for it was ended.
///
/// # Errors
/// If the store does not answer.
pub async fn replace(db: &Database, key: &str, row: &Row) -> Result<bool, Unavailable> {
    let (key, row) = (key.to_owned(), row.clone());
    db.run(|sql| async move {
        const UPDATE: &str = "UPDATE django_session SET session_data = ?, expire_date = {time} \
                              WHERE session_key = ?";
        if !exists(&sql, &key).await? {
            return Ok(false);
        }
        let args = [Arg::from(row.data), row.expires.into(), Arg::from(&*key)];
        let done = sql.execute(UPDATE, args).await? > 0;
        if done {
            sql.announce(Revocation::Credential(id_of(&key))).await;
        }
        Ok(done)
    })
    .await
}

/// Moves the end of one, whatever it says by now; false if it is gone.
///
/// # Errors
/// If the store does not answer.
pub async fn extend(db: &Database, key: &str, expires: Timestamp) -> Result<bool, Unavailable> {
    let key = key.to_owned();
    db.run(move |sql| async move {
        const UPDATE: &str = "UPDATE django_session SET expire_date = {time} WHERE session_key = ?";
        if !exists(&sql, &key).await? {
            return Ok(false);
        }
        sql.execute(UPDATE, [expires.into(), Arg::from(key)]).await.map(|rows| rows > 0)
    })
    .await
}

/// Deletes one; false if there is none.
///
/// # Errors
/// If the store does not answer.
pub async fn delete(db: &Database, key: &str) -> Result<bool, Unavailable> {
    let key = key.to_owned();
    db.run(|sql| async move {
        if !exists(&sql, &key).await? {
            return Ok(false);
        }
        const DELETE: &str = "DELETE FROM django_session WHERE session_key = ?";
        let rows = sql.execute(DELETE, [Arg::from(&*key)]).await?;
        // A key that was none would cost every gateway a message.
        if rows > 0 {
            sql.announce(Revocation::Credential(id_of(&key))).await;
        }
        Ok(rows > 0)
    })
    .await
}

/// Those that have not expired, with their keys, in the order of keys: some of those behind
/// `after`, none if there are no more.
///
/// # Errors
/// If the store does not answer.
pub async fn after(
    db: &Database,
    after: &str,
    now: Timestamp,
) -> Result<Vec<(String, Row)>, Unavailable> {
    let args = [Arg::from(after), now.into()];
    db.run(move |sql| async move {
        const QUERY: &str = "SELECT s.session_data, {micros s.expire_date}, s.session_key \
                             FROM django_session s \
                             WHERE s.session_key > ? AND s.expire_date > {time} \
                             ORDER BY s.session_key LIMIT 500";
        let rows = sql.rows(QUERY, args).await?;
        let session = |row: &AnyRow| {
            let session = Row { data: row.try_get(0)?, expires: moment(row, 1)? };
            Ok((row.try_get(2)?, session))
        };
        rows.iter().map(session).collect()
    })
    .await
}

/// Whether there may be a session of exactly this key; asked where the database would also take
/// the other case for it.
async fn exists(sql: &Sql, key: &str) -> Result<bool, sqlx::Error> {
    if !is_key(key) {
        return Ok(false);
    }
    if !sql.ignores_case() {
        return Ok(true);
    }
    const QUERY: &str = "SELECT s.session_key FROM django_session s WHERE s.session_key = ?";
    let rows = sql.rows(QUERY, [Arg::from(key)]).await?;
    match rows.first() {
        Some(row) => Ok(row.try_get::<String, _>(0)? == key),
        None => Ok(false),
    }
}
