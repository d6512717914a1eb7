//! `django_session`.

use async_trait::async_trait;
use sqlx::Row;

use super::{Dialect, Inner, Sql, storable};
use crate::{
    clock::Timestamp,
    crypto::digest::sha256,
    store::{Session, Sessions, Unavailable, revocation::Revocation},
};

/// The column holds 40 characters: a longer key is nobody's.
const LONGEST_KEY: usize = 40;

fn is_key(key: &str) -> bool {
    storable(key) && key.chars().count() <= LONGEST_KEY
}

#[async_trait]
impl Sessions for Sql {
    async fn session(&self, key: &str) -> Result<Option<Session>, Unavailable> {
        if !is_key(key) {
            return Ok(None);
        }
        let key = key.to_owned();
        self.ask(|store| async move {
            let query = "SELECT s.session_data, {expires}, s.session_key FROM django_session s \
                         WHERE s.session_key = ?"
                .replace("{expires}", &store.micros("s.expire_date"));
            let rows = store.rows(&query, |query| query.bind(key.clone())).await?;
            let Some(row) = rows.first() else { return Ok(None) };
            // MySQL's usual collations would also find a key in the other case.
            if row.try_get::<String, _>(2)? != key {
                return Ok(None);
            }
            Ok(Some(Session { data: row.try_get(0)?, expires: super::moment(row, 1)? }))
        })
        .await
    }

    async fn create_session(&self, key: &str, session: &Session) -> Result<bool, Unavailable> {
        let (key, session) = (key.to_owned(), session.clone());
        self.ask(|store| async move {
            let insert = "INSERT INTO django_session (session_key, session_data, expire_date) \
                          VALUES (?, ?, {time})";
            let expires = store.moment(session.expires);
            let done = store
                .execute(insert, |query| query.bind(key).bind(session.data).bind(expires))
                .await;
            match done {
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
                other => other.map(|_| true),
            }
        })
        .await
    }

    async fn replace_session(&self, key: &str, session: &Session) -> Result<bool, Unavailable> {
        let (key, session) = (key.to_owned(), session.clone());
        self.ask(|store| async move {
            let digest = sha256(key.as_bytes());
            let done = store.overwrite_session(key, session).await?;
            if done {
                store.announce(Revocation::Session(digest)).await;
            }
            Ok(done)
        })
        .await
    }

    async fn extend_session(&self, key: &str, expires: Timestamp) -> Result<bool, Unavailable> {
        let key = key.to_owned();
        self.ask(move |store| async move {
            if !store.has_session(&key).await? {
                return Ok(false);
            }
            let update = "UPDATE django_session SET expire_date = {time} WHERE session_key = ?";
            let expires = store.moment(expires);
            let done = store.execute(update, |query| query.bind(expires).bind(key));
            done.await.map(|rows| rows > 0)
        })
        .await
    }

    async fn delete_session(&self, key: &str) -> Result<bool, Unavailable> {
        let key = key.to_owned();
        self.ask(|store| async move {
            if !store.has_session(&key).await? {
                return Ok(false);
            }
            let delete = "DELETE FROM django_session WHERE session_key = ?";
            let digest = sha256(key.as_bytes());
            let rows = store.execute(delete, |query| query.bind(key)).await?;
            // A key that was none would cost every gateway a message.
            if rows > 0 {
                store.announce(Revocation::Session(digest)).await;
            }
            Ok(rows > 0)
        })
        .await
    }

    async fn sessions(
        &self,
        after: &str,
        now: Timestamp,
    ) -> Result<Vec<(String, Session)>, Unavailable> {
        let after = after.to_owned();
        self.ask(move |store| async move {
            let query = "SELECT s.session_data, {expires}, s.session_key FROM django_session s \
                         WHERE s.session_key > ? AND s.expire_date > {time} \
                         ORDER BY s.session_key LIMIT 500"
                .replace("{expires}", &store.micros("s.expire_date"));
            let now = store.moment(now);
            let rows = store.rows(&query, |query| query.bind(after).bind(now)).await?;
            let session = |row| {
                let session =
                    Session { data: Row::try_get(row, 0)?, expires: super::moment(row, 1)? };
                Ok((row.try_get(2)?, session))
            };
            rows.iter().map(session).collect()
        })
        .await
    }
}

impl Inner {
    async fn overwrite_session(&self, key: String, session: Session) -> Result<bool, sqlx::Error> {
        if !self.has_session(&key).await? {
            return Ok(false);
        }
        let update = "UPDATE django_session SET session_data = ?, expire_date = {time} \
                      WHERE session_key = ?";
        let expires = self.moment(session.expires);
        let done = self.execute(update, |query| query.bind(session.data).bind(expires).bind(key));
        done.await.map(|rows| rows > 0)
    }

    /// Whether there may be a session of exactly this key; asked where the database would also take
    /// the other case for it.
    async fn has_session(&self, key: &str) -> Result<bool, sqlx::Error> {
        if !is_key(key) {
            return Ok(false);
        }
        if self.dialect != Dialect::Mysql {
            return Ok(true);
        }
        let query = "SELECT s.session_key FROM django_session s WHERE s.session_key = ?";
        let owned = key.to_owned();
        let rows = self.rows(query, |query| query.bind(owned)).await?;
        match rows.first() {
            Some(row) => Ok(row.try_get::<String, _>(0)? == key),
            None => Ok(false),
        }
    }
}
