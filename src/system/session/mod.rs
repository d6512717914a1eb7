//! Django's sessions: rows of `django_session`, or signed cookies; who is logged in with one, and
//! how one begins and ends (`django.contrib.auth.login`, `logout`).

use std::{borrow::Cow, sync::Arc, time::Duration};

use hyper::{HeaderMap, header::HeaderValue};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use self::config::Engine;
pub use self::{
    config::Config,
    list::Listed,
    write::{Begun, Proof},
};
use super::{
    cookie::Cookie,
    csrf::{self, Csrf},
};
use crate::{
    clock::{Clock, Timestamp},
    crypto::{
        digest::{Fingerprint, sha256},
        signing::{self, Secrets, salted_hmac},
    },
    request::credentials::cookie,
    store::{
        Store, Unavailable,
        cache::{Fact, Facts, SessionFact, Verifier},
    },
    value::{Path, Problem, Problems, Secret},
};

mod config;
mod list;
mod write;

/// Reads, begins and ends sessions.
pub struct Sessions {
    store: Arc<dyn Store>,
    facts: Arc<Facts>,
    verifier: Verifier,
    secrets: Arc<Secrets>,
    clock: Clock,
    engine: Engine,
    cookie: Cookie,
    age: Duration,
    expire_at_browser_close: bool,
    save_every_request: bool,
    backends: Vec<String>,
    /// The protection that goes with them.
    pub csrf: Csrf,
}

/// The backend that knows users by their row and its password.
const MODEL_BACKEND: &str = "django.contrib.auth.backends.ModelBackend";

const USER: &str = "_auth_user_id";
const BACKEND: &str = "_auth_user_backend";
const HASH: &str = "_auth_user_hash";
const EXPIRY: &str = "_session_expiry";
const CSRF: &str = "_csrftoken";

const ROWS: &str = "django.contrib.sessions.SessionStore";
const COOKIES: &str = "django.contrib.sessions.backends.signed_cookies";

/// What a session's key leads to.
enum Opened {
    /// Its data, and when it ends.
    Data(Map<String, Value>, Timestamp),
    /// Nothing, or something that is over.
    Gone,
    /// Data that nobody with our secrets has signed.
    Foreign,
}

impl Sessions {
    /// From the settings.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(
        config: &Config,
        csrf: &csrf::Config,
        secrets: &Arc<Secrets>,
        store: &Arc<dyn Store>,
        facts: &Arc<Facts>,
        clock: &Clock,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let path = Path::root().key("session");
        let cookie = Cookie {
            name: config.cookie.clone(),
            domain: config.domain.clone(),
            path: config.path.clone(),
            secure: config.secure,
            http_only: config.http_only,
            same_site: config.same_site,
        };
        problems.keep(cookie.check(&path));
        if config.backends.is_empty() {
            let problem = Problem::new(&path.key("backends"), "no backend is allowed a session");
            problems.push(problem.help("copy AUTHENTICATION_BACKENDS from Django's settings"));
        }
        let csrf = Csrf::new(csrf, &Path::root().key("csrf"))?;
        problems.finish(Self {
            store: Arc::clone(store),
            facts: Arc::clone(facts),
            verifier: facts.verifier(),
            secrets: Arc::clone(secrets),
            clock: clock.clone(),
            engine: config.engine,
            cookie,
            age: config.age.0,
            expire_at_browser_close: config.expire_at_browser_close,
            save_every_request: config.save_every_request,
            backends: config.backends.clone(),
            csrf,
        })
    }

    /// The warning that goes with the settings, if there is one.
    pub fn warning(&self) -> Option<&'static str> {
        match self.engine {
            Engine::Db => None,
            Engine::CachedDb => Some(
                "session: cached_db: a session that is ended here stays in Django's own cache, for \
                 routes that let everybody through to Django",
            ),
            Engine::SignedCookies => Some(
                "session: signed_cookies cannot be ended: a copied cookie works until it expires, \
                 after a logout too",
            ),
        }
    }

    /// The key that a client sends.
    pub fn key<'a>(&self, headers: &'a HeaderMap) -> Option<Cow<'a, str>> {
        cookie(headers, &self.cookie.name)
    }

    /// Whether a `Set-Cookie` is the session's.
    pub fn is_cookie(&self, name: &[u8]) -> bool {
        name == self.cookie.name.as_bytes()
    }

    /// `Set-Cookie` for a client whose session is over.
    pub fn expired_cookie(&self) -> HeaderValue {
        self.cookie.delete()
    }

    /// What is known and fresh of a key.
    pub fn hit(&self, key: &str) -> Option<Result<Fact, Unavailable>> {
        self.facts.hit(&self.fingerprint(key))
    }

    /// Where sessions are saved with every request: the cookie that a page of the gateway's own
    /// sends with it.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn renewed(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, Unavailable> {
        let Some(key) = self.key(headers).filter(|_| self.save_every_request) else {
            return Ok(None);
        };
        Ok(match self.fact(&key).await? {
            Fact::Session(session) => session.renewed.clone(),
            _ => None,
        })
    }

    /// Who is logged in with a key.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn fact(&self, key: &str) -> Result<Fact, Unavailable> {
        self.facts.get(self.fingerprint(key), self.load(key)).await
    }

    /// Keys reach the cache as digests: a revocation names a session without telling its key.
    fn fingerprint(&self, key: &str) -> Fingerprint {
        self.fingerprint_of_digest(&sha256(key.as_bytes()))
    }

    fn fingerprint_of_digest(&self, digest: &[u8; 32]) -> Fingerprint {
        self.facts.key(self.verifier, &[digest])
    }

    /// Forgets what is known of a session, for it was changed or has ended.
    pub async fn forget(&self, key: &str) {
        self.facts.forget(&self.fingerprint(key)).await;
    }

    /// [`Self::forget`], by the SHA-256 of its key.
    pub async fn revoke(&self, digest: &[u8; 32]) {
        self.facts.forget(&self.fingerprint_of_digest(digest)).await;
    }

    /// Django's `get_user(request)`.
    async fn load(&self, key: &str) -> Result<(Fact, Option<Timestamp>), Unavailable> {
        let (data, expires) = match self.open(key).await? {
            Opened::Data(data, expires) => (data, expires),
            Opened::Gone => return Ok((Fact::Ended, None)),
            Opened::Foreign => return Ok((Fact::NotMine, None)),
        };
        let text = |key: &str| data.get(key).and_then(Value::as_str);
        let known = text(BACKEND).is_some_and(|path| self.backends.iter().any(|b| b == path));
        let Some(id) = text(USER).filter(|_| known) else { return Ok((Fact::NotMine, None)) };
        let user = self.store.user_by_field("id", id).await?.filter(|user| user.active);
        let Some(user) = user else { return Ok((Fact::NotMine, None)) };
        let given = text(HASH).unwrap_or_default();
        let current = auth_hash(&user.password, self.secrets.current());
        let mut fallbacks = self.secrets.fallbacks().iter();
        let renewed = if same(given, &current) {
            self.extend(key, &data).await
        } else if fallbacks.any(|secret| same(given, &auth_hash(&user.password, secret))) {
            let mut data = data.clone();
            data.insert(HASH.into(), current.into());
            Some(self.save(None, Some(key), data).await?)
        } else {
            // The password was changed: the session is over for good.
            self.delete(key).await?;
            return Ok((Fact::Ended, None));
        };
        let csrf = text(CSRF).map(|secret| Secret::new(secret.to_owned()));
        let fact = SessionFact { identity: user.identity, csrf, renewed };
        Ok((Fact::Session(Arc::new(fact)), Some(expires)))
    }

    async fn open(&self, key: &str) -> Result<Opened, Unavailable> {
        if key.chars().count() < 8 {
            return Ok(Opened::Gone);
        }
        let now = self.clock.now();
        let (data, expires) = match self.engine {
            Engine::SignedCookies => (signing::loads(key, COOKIES, &self.secrets), None),
            Engine::Db | Engine::CachedDb => match self.store.session(key).await? {
                Some(row) if row.expires > now => {
                    (signing::loads(&row.data, ROWS, &self.secrets), Some(row.expires))
                }
                Some(_) | None => return Ok(Opened::Gone),
            },
        };
        let Some((Value::Object(data), signed)) = data else { return Ok(Opened::Foreign) };
        // To the very moment: Django asks whether a signature is older than this.
        let expires = expires.unwrap_or(signed + self.age + Duration::from_micros(1));
        if expires > now { Ok(Opened::Data(data, expires)) } else { Ok(Opened::Foreign) }
    }

    /// The session's CSRF secret, where sessions keep it and there is one.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn csrf_secret(&self, key: &str) -> Result<Option<String>, Unavailable> {
        Ok(match self.open(key).await? {
            Opened::Data(data, _) => data.get(CSRF).and_then(Value::as_str).map(str::to_owned),
            Opened::Gone | Opened::Foreign => None,
        })
    }
}

/// `user.get_session_auth_hash()`: ends with the password that it was made with.
fn auth_hash(password: &Secret, secret: &Secret) -> String {
    const SALT: &str = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";
    hex::encode(salted_hmac(SALT, password.reveal().as_bytes(), secret))
}

fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn django_s_auth_hash() {
        let secret = Secret::new("throwaway-secret-key-for-test-vectors-0123456789".into());
        for (password, hash) in [
            (
                "pbkdf2_sha256$1000$seasalt$mQnueSakb748zqBAC1tmWVZsZbi2zPGZarEzTGdfmso=",
                "0dfe762f96bcada56fc4b1f6f6ed77de8bfde34d761c41507d518025eb1ec8a8",
            ),
            ("!unusable", "27a63231e9514e74e0f96b7b580bb07bb9cb562f62447f61fac75017465f2230"),
            ("", "d23ee4451292514ed39abf7e5c1c6c5fbb486d4dd8a8599156393a5007f09b46"),
        ] {
            assert_eq!(auth_hash(&Secret::new(password.into()), &secret), hash);
        }
    }
}
