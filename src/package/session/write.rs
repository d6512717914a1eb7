//! How a session begins, goes on and ends (`django.contrib.auth.login`, `logout`), and its row.

use std::time::Duration;

use hyper::header::HeaderValue;
use serde_json::{Map, Value};

use super::{
    config::Engine,
    rows::{self, Row},
    sessions::{
        BACKEND, COOKIES, CSRF, EXPIRY, HASH, MODEL_BACKEND, Opened, ROWS, Sessions, USER,
        auth_hash, same,
    },
};
use crate::{
    account::Proof,
    clock::Timestamp,
    crypto::{random_text, signing},
    csrf,
    request::Purpose,
    store::{Unavailable, User},
};

/// A session that has begun: what the client has to be told.
#[derive(Debug)]
pub struct Begun {
    /// `Set-Cookie` of both cookies, in Django's order.
    pub cookies: Vec<HeaderValue>,
    /// The CSRF secret from now on.
    pub csrf_secret: String,
}

/// A hundred years; columns and cookies end with the year 9999.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

impl Sessions {
    /// Django's `login(request, user)`: a new key, the old session's data if no other user had logged in
    /// with it, a new CSRF secret, `last_login`.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn login(
        &self,
        old: Option<&str>,
        user: &User,
        proof: Proof,
    ) -> Result<Begun, Unavailable> {
        let id = user.id.to_string();
        let hash = auth_hash(&user.password, self.secrets.current());
        let mut data = match old {
            Some(key) => match self.open(key).await? {
                Opened::Data(data, _) => data,
                Opened::Gone | Opened::Foreign => Map::new(),
            },
            None => Map::new(),
        };
        let text = |data: &Map<String, Value>, key: &str| {
            data.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let same_user = text(&data, USER) == id && same(&text(&data, HASH), &hash);
        if data.contains_key(USER) && !same_user {
            // Another user's: nothing of it may be seen by this user.
            data = Map::new();
        }
        let backend = self.backend(proof).to_owned();
        data.insert(USER.into(), id.into());
        data.insert(BACKEND.into(), backend.into());
        data.insert(HASH.into(), hash.into());
        let csrf_secret = csrf::new_secret().map_err(Unavailable::randomness)?;
        if self.csrf.use_sessions {
            data.insert(CSRF.into(), csrf_secret.clone().into());
        }
        let keeps = same_user && !self.new_key_on_every_login;
        let session = self.save(old.filter(|_| keeps), old.filter(|_| !keeps), data).await?;
        if let Some(old) = old {
            self.forget(old).await;
        }
        let now = self.clock.now();
        self.db.logged_in(&user.id, now).await?;
        let csrf = (!self.csrf.use_sessions).then(|| self.csrf.set_cookie(&csrf_secret, now));
        Ok(Begun { cookies: csrf.into_iter().chain([session]).collect(), csrf_secret })
    }

    /// The backend that Django would have asked: others need not know users.
    fn backend(&self, proof: Proof) -> &str {
        let find = |fits: fn(&String) -> bool| self.backends.iter().find(|backend| fits(backend));
        let found = match proof {
            Proof::Password => find(|backend| backend == MODEL_BACKEND),
            Proof::RemoteUser => find(|backend| backend.contains("RemoteUser"))
                .or_else(|| find(|backend| backend != MODEL_BACKEND)),
        };
        found.or(self.backends.first()).map_or("", String::as_str)
    }

    /// Django's `logout(request)`. The `Set-Cookie` that goes with it is [`Self::expired_cookie`].
    ///
    /// # Errors
    /// If the store does not answer: then the client is not told that the session is over.
    pub async fn logout(&self, key: &str) -> Result<(), Unavailable> {
        self.delete(key).await?;
        self.forget(key).await;
        Ok(())
    }

    /// The session's CSRF secret, where sessions keep it; and a session that has one, if none is
    /// there yet.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn csrf_in_session(
        &self,
        key: Option<&str>,
    ) -> Result<(String, Option<HeaderValue>), Unavailable> {
        let mut data = Map::new();
        let mut keep = None;
        if let Some(key) = key
            && let Opened::Data(found, _) = self.open(key).await?
        {
            if let Some(secret) = found.get(CSRF).and_then(Value::as_str) {
                return Ok((secret.to_owned(), None));
            }
            data = found;
            keep = Some(key);
        }
        let secret = csrf::new_secret().map_err(Unavailable::randomness)?;
        data.insert(CSRF.into(), secret.clone().into());
        let cookie = self.save(keep, None, data).await?;
        if let Some(key) = keep {
            self.forget(key).await;
        }
        Ok((secret, Some(cookie)))
    }

    /// Where sessions are saved with every request, one that is used ends later: the cookie that
    /// says so.
    pub(super) async fn extend(
        &self,
        key: &str,
        data: &Map<String, Value>,
        purpose: Purpose,
    ) -> Option<HeaderValue> {
        if !self.save_every_request || !purpose.spends() {
            return None;
        }
        let (row, cookie) = self.row(data, Some(key));
        let extended = match self.engine {
            Engine::SignedCookies => true,
            Engine::Db | Engine::CachedDb => {
                rows::extend(&self.db, key, row.expires).await.unwrap_or_else(|error| {
                    // A database that cannot be written to now makes no session a bad one.
                    tracing::warn!(%error, "a session could not be extended");
                    false
                })
            }
        };
        extended.then_some(cookie)
    }

    /// Writes a session, under the key that it has or a new one; `instead_of` is deleted.
    pub(super) async fn save(
        &self,
        keep: Option<&str>,
        instead_of: Option<&str>,
        data: Map<String, Value>,
    ) -> Result<HeaderValue, Unavailable> {
        let (row, cookie) = self.row(&data, keep);
        if self.engine == Engine::SignedCookies {
            return Ok(cookie);
        }
        if let Some(key) = keep
            && rows::replace(&self.db, key, &row).await?
        {
            return Ok(cookie);
        }
        let key = loop {
            let key = new_key()?;
            if rows::create(&self.db, &key, &row).await? {
                break key;
            }
        };
        if let Some(old) = instead_of {
            rows::delete(&self.db, old).await?;
        }
        Ok(self.row(&data, Some(&key)).1)
    }

    /// The row of a session and the cookie for its key; for signed cookies the data is the key.
    fn row(&self, data: &Map<String, Value>, key: Option<&str>) -> (Row, HeaderValue) {
        let now = self.clock.now();
        let (age, until_closed) = self.expiry(data.get(EXPIRY), now);
        let max_age = (!until_closed).then_some(age);
        let salt = if self.engine == Engine::SignedCookies { COOKIES } else { ROWS };
        let signed = signing::dumps(&Value::Object(data.clone()), salt, &self.secrets, now, true);
        let value = match self.engine {
            Engine::SignedCookies => &signed,
            Engine::Db | Engine::CachedDb => key.unwrap_or_default(),
        };
        let cookie = self.cookie.set(value, max_age, now);
        (Row { data: signed, expires: now + age }, cookie)
    }

    /// What `request.session.set_expiry()` has left behind: how long from now, and whether only
    /// until the browser is closed.
    fn expiry(&self, custom: Option<&Value>, now: Timestamp) -> (Duration, bool) {
        match custom {
            Some(Value::Number(seconds)) => match seconds.as_f64() {
                Some(0.0) | None => (self.age, true),
                Some(seconds) => {
                    (Duration::from_secs_f64(seconds.clamp(0.0, LONGEST.as_secs_f64())), false)
                }
            },
            Some(Value::String(date)) => match Timestamp::from_iso(date) {
                Some(end) => (end.since(now).min(LONGEST), false),
                None => (self.age, false),
            },
            _ => (self.age, self.expire_at_browser_close),
        }
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), Unavailable> {
        if self.engine != Engine::SignedCookies && key.len() <= 40 {
            rows::delete(&self.db, key).await?;
        }
        Ok(())
    }
}

/// 32 characters of `a-z0-9`.
fn new_key() -> Result<String, Unavailable> {
    let mut key = String::with_capacity(32);
    while key.len() < 32 {
        let text = random_text(64).map_err(Unavailable::randomness)?;
        key.extend(text.chars().filter(|c| !c.is_ascii_uppercase()).take(32 - key.len()));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_django_s() {
        let key = new_key().unwrap();
        assert_eq!(key.len(), 32);
        assert!(key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        assert_ne!(key, new_key().unwrap());
    }
}
