//! simplejwt's `token_blacklist_outstandingtoken` and `token_blacklist_blacklistedtoken`.

use sqlx::Row as _;

use super::id_of;
use crate::{
    clock::Timestamp,
    identity::UserKey,
    store::{Arg, Database, Revocation, Sql, Unavailable, is_unique_violation, storable},
    value::Secret,
};

/// What a refresh or sliding token is looked up with.
pub const BLACKLISTED: &str = "SELECT o.jti FROM token_blacklist_blacklistedtoken b \
                               JOIN token_blacklist_outstandingtoken o ON o.id = b.token_id \
                               WHERE o.jti = ?";

/// A refresh or sliding token, as the tables keep it.
#[derive(Clone)]
pub struct Row {
    /// The claim `jti`.
    pub jti: String,
    /// The whole token.
    pub token: Secret,
    /// When it was recorded.
    pub created: Timestamp,
    /// The claim `exp`.
    pub expires: Timestamp,
    /// Whose, if the user still exists.
    pub user: Option<UserKey>,
}

/// Whether a token was blacklisted.
pub async fn is_blacklisted(db: &Database, jti: &str) -> Result<bool, Unavailable> {
    if !storable(jti) {
        return Ok(false);
    }
    let jti = Arg::from(jti);
    db.run(|sql| async move { sql.rows(BLACKLISTED, [jti]).await.map(|rows| !rows.is_empty()) })
        .await
}

/// Records a token, once.
pub async fn record(db: &Database, row: Row) -> Result<(), Unavailable> {
    db.run(|sql| async move { recorded(&sql, row).await.map(|_| ()) }).await
}

/// Blacklists a token, recorded or not; false if it was blacklisted before. Of two requests at the
/// same time one gets true.
pub async fn blacklist(db: &Database, row: Row, now: Timestamp) -> Result<bool, Unavailable> {
    db.run(move |sql| async move {
        const INSERT: &str =
            "INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at) \
             VALUES (?, {time})";
        let revoked = id_of(&row.jti);
        let id = recorded(&sql, row).await?;
        match sql.execute(INSERT, [id.into(), now.into()]).await {
            // Another request was quicker: it was used before.
            Err(error) if is_unique_violation(&error) => return Ok(false),
            other => other?,
        };
        if let Some(revoked) = revoked {
            sql.announce(Revocation::Credential(revoked)).await;
        }
        Ok(true)
    })
    .await
}

/// The key of a token's row, made if there is none.
async fn recorded(sql: &Sql, row: Row) -> Result<i64, sqlx::Error> {
    const OF_USER: &str = "INSERT INTO token_blacklist_outstandingtoken \
         (jti, token, created_at, expires_at, user_id) VALUES (?, ?, {time}, {time}, {user_key})";
    const OF_NONE: &str = "INSERT INTO token_blacklist_outstandingtoken \
         (jti, token, created_at, expires_at, user_id) VALUES (?, ?, {time}, {time}, NULL)";
    if let Some(id) = outstanding(sql, &row.jti).await? {
        return Ok(id);
    }
    let Row { jti, token, created, expires, user } = row;
    let insert = if user.is_some() { OF_USER } else { OF_NONE };
    let args = [Arg::from(&*jti), token.reveal().into(), created.into(), expires.into()];
    match sql.execute(insert, args.into_iter().chain(user.map(Arg::from))).await {
        // Another request recorded it in between.
        Err(error) if is_unique_violation(&error) => {}
        other => other.map(|_| ())?,
    }
    outstanding(sql, &jti).await?.ok_or(sqlx::Error::RowNotFound)
}

async fn outstanding(sql: &Sql, jti: &str) -> Result<Option<i64>, sqlx::Error> {
    const QUERY: &str = "SELECT o.id FROM token_blacklist_outstandingtoken o WHERE o.jti = ?";
    let rows = sql.rows(QUERY, [Arg::from(jti)]).await?;
    rows.first().map(|row| row.try_get(0)).transpose()
}
