//! simplejwt's `token_blacklist_outstandingtoken` and `token_blacklist_blacklistedtoken`.

use async_trait::async_trait;
use sqlx::Row;

use super::{Inner, Sql, storable};
use crate::{
    clock::Timestamp,
    store::{OutstandingToken, OutstandingTokens, Unavailable, revocation::Revocation},
};

#[async_trait]
impl OutstandingTokens for Sql {
    async fn is_blacklisted(&self, jti: &str) -> Result<bool, Unavailable> {
        if !storable(jti) {
            return Ok(false);
        }
        let jti = jti.to_owned();
        self.ask(|store| async move {
            let query = "SELECT o.id FROM token_blacklist_blacklistedtoken b \
                         JOIN token_blacklist_outstandingtoken o ON o.id = b.token_id \
                         WHERE o.jti = ?";
            store.rows(query, |query| query.bind(jti)).await.map(|rows| !rows.is_empty())
        })
        .await
    }

    async fn record_token(&self, token: &OutstandingToken) -> Result<(), Unavailable> {
        let token = token.clone();
        self.ask(|store| async move { store.record(token).await.map(|_| ()) }).await
    }

    async fn blacklist_token(
        &self,
        token: &OutstandingToken,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let token = token.clone();
        let user = token.user.map(|user| user.to_string().into());
        let subject = token.subject.clone().filter(|subject| Some(subject) != user.as_ref());
        self.ask(move |store| async move {
            let id = store.record(token).await?;
            let insert = "INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at) \
                          VALUES (?, {time})";
            let now = store.moment(now);
            match store.execute(insert, |query| query.bind(id).bind(now)).await {
                // Somebody was quicker: it was used before.
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                    return Ok(false);
                }
                other => other?,
            };
            for user in user.into_iter().chain(subject) {
                store.announce(Revocation::User(user)).await;
            }
            Ok(true)
        })
        .await
    }
}

impl Inner {
    /// The row of a token, made if there is none.
    async fn record(&self, token: OutstandingToken) -> Result<i64, sqlx::Error> {
        if let Some(id) = self.outstanding(&token.jti).await? {
            return Ok(id);
        }
        let insert = match token.user {
            Some(_) => {
                "INSERT INTO token_blacklist_outstandingtoken \
                 (jti, token, created_at, expires_at, user_id) VALUES (?, ?, {time}, {time}, ?)"
            }
            None => {
                "INSERT INTO token_blacklist_outstandingtoken \
                 (jti, token, created_at, expires_at, user_id) VALUES (?, ?, {time}, {time}, NULL)"
            }
        };
        let (created, expires) = (self.moment(token.created), self.moment(token.expires));
        let jti = token.jti.clone();
        let done = self.execute(insert, |query| {
            let query = query.bind(jti).bind(token.token.reveal().to_owned());
            let query = query.bind(created).bind(expires);
            match token.user {
                Some(user) => query.bind(user),
                None => query,
            }
        });
        match done.await {
            // Another request recorded it in between.
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {}
            other => other.map(|_| ())?,
        }
        self.outstanding(&token.jti).await?.ok_or(sqlx::Error::RowNotFound)
    }

    async fn outstanding(&self, jti: &str) -> Result<Option<i64>, sqlx::Error> {
        let (query, jti) =
            ("SELECT o.id FROM token_blacklist_outstandingtoken o WHERE o.jti = ?", jti.to_owned());
        let rows = self.rows(query, |query| query.bind(jti)).await?;
        rows.first().map(|row| row.try_get(0)).transpose()
    }
}
