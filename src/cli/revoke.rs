//! `revoke`: ends the one credential that has leaked, whatever kind it is.

use anyhow::bail;
use futures_util::{FutureExt, future::BoxFuture};

use super::{sessions::tell_who_heard, users::secret_from_stdin};
use crate::{
    app::Built,
    crypto::digest::sha256_hex,
    store::{ApiKeys, Sessions, Tokens, Unavailable},
    system::simplejwt::{SimpleJwt, TokenType},
};

/// What was ended, for people.
type Ended = Result<Option<String>, Unavailable>;

pub(super) async fn revoke(built: Built) -> anyhow::Result<()> {
    let credential = secret_from_stdin("Credential: ")?;
    // Whoever found it in a header or a log may bring the word before it along.
    let credential = credential.reveal().trim();
    let credential = credential.rsplit(' ').next().unwrap_or(credential);
    if credential.matches('.').count() == 2 {
        let Some(jwt) = &built.simplejwt else {
            bail!("this is a JSON Web Token, and no route here takes the project's own");
        };
        println!("{}", blacklist(jwt, credential).await?);
        tell_who_heard(&built);
        return Ok(());
    }
    let mut unasked = Vec::new();
    let kinds: [BoxFuture<'_, Ended>; 4] = [
        token(&built, credential).boxed(),
        knox(&built, credential).boxed(),
        session(&built, credential).boxed(),
        api_key(&built, credential).boxed(),
    ];
    for kind in kinds {
        match kind.await {
            Ok(Some(ended)) => {
                println!("{ended}");
                tell_who_heard(&built);
                return Ok(());
            }
            Ok(None) => {}
            // A project has the tables of the packages that it uses.
            Err(error) => unasked.push(error.to_string()),
        }
    }
    match unasked.as_slice() {
        [] if credential.contains(':') => {
            bail!("if this is a signed cookie (`engine: signed_cookies`), nothing can end it")
        }
        [] => bail!("this is no token, knox token, session key or API key of the store"),
        causes => bail!("it was not found; not every table could be asked: {}", causes.join("; ")),
    }
}

async fn blacklist(jwt: &SimpleJwt, token: &str) -> anyhow::Result<String> {
    for kind in [TokenType::Refresh, TokenType::Sliding] {
        let claims = match jwt.read(token.as_bytes(), Some(kind)).await? {
            Ok(claims) => claims,
            Err(why) if why == "Token is blacklisted" => bail!("it is in the blacklist already"),
            Err(_) => continue,
        };
        if !jwt.has_blacklist() {
            bail!(
                "there is no blacklist: set `jwt: {{ blacklist: true }}` where token_blacklist is \
                 in INSTALLED_APPS, or refuse its user with `portcullis user disable`"
            );
        }
        let owner = jwt.owner(&claims).await?.unwrap_or_default();
        let of = owner.as_ref().map_or("nobody", |user| &user.identity.username);
        let said = format!("Blacklisted a {kind} token of {of}");
        jwt.blacklist(&claims, token, owner.as_ref().map(|user| user.id)).await?;
        return Ok(said);
    }
    match jwt.read(token.as_bytes(), Some(TokenType::Access)).await? {
        Ok(claims) if jwt.is_stateless() => bail!(
            "nobody is asked about an access token, nor about its user (`stateless: true`): it ends \
             at {} (UTC), and nothing ends it before",
            jwt.expiry(&claims)
        ),
        Ok(claims) => bail!(
            "nobody is asked about an access token: it ends at {} (UTC); until then only its user \
             can be refused, with `portcullis user disable`",
            jwt.expiry(&claims)
        ),
        Err(why) => bail!("it lets nobody in: {why}"),
    }
}

async fn token(built: &Built, key: &str) -> Ended {
    let Some(user) = built.store.user_by_token(key).await? else { return Ok(None) };
    let deleted = built.store.delete_token(user.id).await?;
    Ok(deleted.then(|| format!("Deleted the token of user {}", user.identity.username)))
}

async fn knox(built: &Built, token: &str) -> Ended {
    let deleted = built.knox.delete(token).await?;
    Ok(deleted.then(|| "Deleted a knox token".to_owned()))
}

async fn session(built: &Built, key: &str) -> Ended {
    let ended = built.store.delete_session(key).await?;
    Ok(ended.then(|| "Ended a session".to_owned()))
}

async fn api_key(built: &Built, key: &str) -> Ended {
    let Some(found) = built.store.api_key(&sha256_hex(key.as_bytes())).await? else {
        return Ok(None);
    };
    let deleted = built.store.delete_api_key(&found.name).await?;
    Ok(deleted.then(|| format!("Deleted the API key {}", found.name)))
}
