//! `portcullis_api_key`: a table of the gateway's own. A key is kept as its SHA-256 alone.

use sqlx::Row as _;

use crate::{
    clock::Timestamp,
    identity::UserKey,
    store::{Arg, CredentialId, Database, Revocation, Unavailable, User, is_unique_violation},
};

/// What every request with a key asks.
pub const BY_DIGEST: &str =
    "SELECT k.name, {text k.user_id} FROM portcullis_api_key k WHERE k.digest = ?";

/// A key.
pub struct Key {
    pub name: String,
    pub owner: Owner,
}

/// Whose a key is.
pub enum Owner {
    User(Box<User>),
    /// A service of the key's name.
    Service,
}

/// The key with a SHA-256, in hexadecimal. The key of a user who is gone is no key.
pub async fn find(db: &Database, digest: &str) -> Result<Option<Key>, Unavailable> {
    let digest = Arg::from(digest);
    let found = db.run(|sql| async move {
        let rows = sql.rows(BY_DIGEST, [digest]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some((row.try_get::<String, _>(0)?, row.try_get::<Option<String>, _>(1)?)))
    });
    let Some((name, user)) = found.await? else { return Ok(None) };
    let Some(user) = user else { return Ok(Some(Key { name, owner: Owner::Service })) };
    let Some(key) = db.model().parse_key(&user) else { return Ok(None) };
    let user = db.user_by_key(&key).await?;
    Ok(user.map(|user| Key { name, owner: Owner::User(Box::new(user)) }))
}

/// Adds a key for a user, or for a service of that name; false if the name is taken.
pub async fn create(
    db: &Database,
    name: &str,
    digest: &str,
    user: Option<&UserKey>,
    now: Timestamp,
) -> Result<bool, Unavailable> {
    let args = [Arg::from(name), Arg::from(digest), now.to_string().into()];
    let user = user.map(Arg::from);
    db.run(move |sql| async move {
        const OF_USER: &str = "INSERT INTO portcullis_api_key (name, digest, created, user_id) \
                               VALUES (?, ?, ?, ?)";
        const OF_SERVICE: &str = "INSERT INTO portcullis_api_key (name, digest, created, user_id) \
                                  VALUES (?, ?, ?, NULL)";
        let insert = if user.is_some() { OF_USER } else { OF_SERVICE };
        match sql.execute(insert, args.into_iter().chain(user)).await {
            Err(error) if is_unique_violation(&error) => Ok(false),
            other => other.map(|_| true),
        }
    })
    .await
}

/// Whether a key makes a service of a name.
pub async fn is_service(db: &Database, name: &str) -> Result<bool, Unavailable> {
    let name = Arg::from(name);
    db.run(|sql| async move {
        const QUERY: &str =
            "SELECT k.name FROM portcullis_api_key k WHERE k.name = ? AND k.user_id IS NULL";
        Ok(!sql.rows(QUERY, [name]).await?.is_empty())
    })
    .await
}

/// Deletes the key of a name; false if there is none.
pub async fn delete(db: &Database, name: &str) -> Result<bool, Unavailable> {
    let name = name.to_owned();
    db.run(|sql| async move {
        const QUERY: &str = "SELECT {text k.digest} FROM portcullis_api_key k WHERE k.name = ?";
        const DELETE: &str = "DELETE FROM portcullis_api_key WHERE name = ?";
        let rows = sql.rows(QUERY, [Arg::from(&*name)]).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        let digest: String = row.try_get(0)?;
        let deleted = sql.execute(DELETE, [Arg::from(name)]).await?;
        sql.announce(Revocation::Credential(CredentialId::new("api_key", digest))).await;
        Ok(deleted > 0)
    })
    .await
}

/// Names of keys, each with its user's key as text, ordered by name.
pub async fn all(db: &Database) -> Result<Vec<(String, Option<String>)>, Unavailable> {
    db.run(|sql| async move {
        const QUERY: &str =
            "SELECT k.name, {text k.user_id} FROM portcullis_api_key k ORDER BY k.name";
        let rows = sql.rows(QUERY, []).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    })
    .await
}

/// Deletes all keys of a user; how many.
pub async fn delete_all(db: &Database, user: &UserKey) -> Result<u64, Unavailable> {
    let mut deleted = 0;
    for (name, owner) in all(db).await? {
        let owner = owner.and_then(|owner| db.model().parse_key(&owner));
        if owner.as_ref() == Some(user) && delete(db, &name).await? {
            deleted += 1;
        }
    }
    Ok(deleted)
}
