//! Sessions: rows of `django_session`, or signed cookies; and which user is logged in with one.

use std::{borrow::Cow, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use hyper::{HeaderMap, header::HeaderValue};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use super::{
    config::{Config, Engine},
    rows,
};
use crate::{
    account::{BrowserSessions, Ended, Grant, Granted, Proof, Revoker},
    clock::{Clock, Timestamp},
    cookie::Cookie,
    credential_cache::{CacheNamespace, CachedResult, CachedSession, CredentialCache, Loaded},
    crypto::{
        digest::{Fingerprint, sha256, sha256_hex},
        signing::{self, Secrets, salted_hmac},
    },
    csrf::Csrf,
    identity::UserKey,
    package::{Shared, Site},
    request::{Purpose, credentials::cookie},
    store::{CredentialId, Database, Unavailable, User},
    value::{Problem, Problems, Secret},
};

/// Reads, begins and ends sessions.
pub struct Sessions {
    pub(super) db: Database,
    pub(super) cache: Arc<CredentialCache>,
    namespace: CacheNamespace,
    pub(super) secrets: Arc<Secrets>,
    pub(super) clock: Clock,
    pub(super) engine: Engine,
    pub(super) cookie: Cookie,
    pub(super) age: Duration,
    pub(super) expire_at_browser_close: bool,
    pub(super) save_every_request: bool,
    pub(super) new_key_on_every_login: bool,
    pub(super) backends: Vec<String>,
    /// The protection that goes with them.
    pub(super) csrf: Arc<Csrf>,
}

/// The backend that knows users by their row and its password.
pub(super) const MODEL_BACKEND: &str = "django.contrib.auth.backends.ModelBackend";

pub(super) const USER: &str = "_auth_user_id";
pub(super) const BACKEND: &str = "_auth_user_backend";
pub(super) const HASH: &str = "_auth_user_hash";
pub(super) const EXPIRY: &str = "_session_expiry";
pub(super) const CSRF: &str = "_csrftoken";

pub(super) const ROWS: &str = "django.contrib.sessions.SessionStore";
pub(super) const COOKIES: &str = "django.contrib.sessions.backends.signed_cookies";

/// What a session's key leads to.
pub(super) enum Opened {
    /// Its data, and when it ends.
    Data(Map<String, Value>, Timestamp),
    /// Nothing, or something that is over.
    Gone,
    /// Data that was not signed with our secrets.
    Foreign,
}

/// What a revocation calls a session: its key is a secret that every listener would learn.
pub(super) fn id_of(key: &str) -> CredentialId {
    CredentialId::new("session", sha256_hex(key.as_bytes()))
}

impl Sessions {
    /// What a request with a session asks the store.
    pub fn queries(&self) -> &'static [&'static str] {
        match self.engine {
            Engine::SignedCookies => &[],
            Engine::Db | Engine::CachedDb => &[rows::BY_KEY],
        }
    }
}

impl Shared for Sessions {
    fn build(site: &Site<'_>) -> Result<Arc<Self>, Problems> {
        let config = site.settings::<Config>("session");
        let path = site.path("session");
        let mut problems = Problems::default();
        let cookie = Cookie {
            name: config.cookie.clone(),
            domain: config.domain.clone(),
            path: config.path.clone(),
            secure: config.secure,
            http_only: config.http_only,
            same_site: config.same_site,
        };
        problems.keep(cookie.check(&path));
        site.claim_cookie(path.key("cookie"), &cookie.name);
        if config.backends.is_empty() {
            let problem = Problem::new(&path.key("backends"), "no backend is allowed a session");
            problems.push(problem.help("copy AUTHENTICATION_BACKENDS from Django's settings"));
        }
        if let Some(url) = &config.login_url {
            *site.login_url.borrow_mut() = Some((path.key("login_url"), url.clone()));
        }
        if let Some(warning) = warning(config.engine) {
            site.warn(warning);
        }
        let sessions = Arc::new(Self {
            db: site.db.clone(),
            cache: Arc::clone(site.cache),
            namespace: site.cache.namespace(),
            secrets: Arc::clone(site.secrets),
            clock: site.clock.clone(),
            engine: config.engine,
            cookie,
            age: config.age.0,
            expire_at_browser_close: config.expire_at_browser_close,
            save_every_request: config.save_every_request,
            new_key_on_every_login: config.new_key_on_every_login,
            backends: config.backends.clone(),
            csrf: Arc::clone(site.csrf),
        });
        site.accounts.set_sessions(Arc::clone(&sessions) as _);
        site.accounts.add_grant(Arc::clone(&sessions) as _);
        site.accounts.add_revoker(Arc::clone(&sessions) as _);
        problems.finish(sessions)
    }
}

/// What has to be known of an engine.
fn warning(engine: Engine) -> Option<&'static str> {
    match engine {
        Engine::Db => None,
        Engine::CachedDb => Some(
            "session: cached_db: a session that is ended here stays in Django's own cache, for \
             routes that let every request through to Django",
        ),
        Engine::SignedCookies => Some(
            "session: signed_cookies cannot be ended: a copied cookie works until it expires, \
             after a logout too",
        ),
    }
}

impl Sessions {
    /// The key that a client sends.
    pub fn key<'a>(&self, headers: &'a HeaderMap) -> Option<Cow<'a, str>> {
        cookie(headers, &self.cookie.name)
    }

    /// `Set-Cookie` for a client whose session is over.
    pub fn expired_cookie(&self) -> HeaderValue {
        self.cookie.delete()
    }

    /// What is known and fresh of a key.
    pub fn hit(&self, key: &str, purpose: Purpose) -> Option<Result<CachedResult, Unavailable>> {
        self.cache.hit(&self.fingerprint(key), purpose)
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
        Ok(match self.get(&key, Purpose::Serve).await? {
            CachedResult::Session(session) => session.renewed.clone(),
            _ => None,
        })
    }

    /// The user who is logged in with a key.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn get(&self, key: &str, purpose: Purpose) -> Result<CachedResult, Unavailable> {
        self.cache.get(self.fingerprint(key), purpose, self.load(key, purpose)).await
    }

    /// Keys reach the cache as digests, so that all are of one size.
    fn fingerprint(&self, key: &str) -> Fingerprint {
        self.cache.key(self.namespace, &[&sha256(key.as_bytes())])
    }

    /// Forgets what is known of a session, for it was changed or has ended.
    pub async fn forget(&self, key: &str) {
        self.cache.forget(&self.fingerprint(key)).await;
    }

    /// Django's `get_user(request)`.
    async fn load(&self, key: &str, purpose: Purpose) -> Result<Loaded, Unavailable> {
        let (data, expires) = match self.open(key).await? {
            Opened::Data(data, expires) => (data, expires),
            Opened::Gone => return Ok(Loaded::new(CachedResult::Ended)),
            Opened::Foreign => return Ok(Loaded::new(CachedResult::NotMine)),
        };
        let Some(user) = self.user_of_data(&data).await? else {
            return Ok(Loaded::new(CachedResult::NotMine));
        };
        let text = |key: &str| data.get(key).and_then(Value::as_str);
        let given = text(HASH).unwrap_or_default();
        let current = auth_hash(&user.password, self.secrets.current());
        let mut fallbacks = self.secrets.fallbacks().iter();
        let renewed = if same(given, &current) {
            self.extend(key, &data, purpose).await
        } else if fallbacks.any(|secret| same(given, &auth_hash(&user.password, secret))) {
            match purpose.spends() {
                true => {
                    let mut data = data.clone();
                    data.insert(HASH.into(), current.into());
                    Some(self.save(None, Some(key), data).await?)
                }
                false => None,
            }
        } else {
            // The password was changed: the session is over for good.
            if purpose.spends() {
                self.delete(key).await?;
            }
            return Ok(Loaded::new(CachedResult::Ended));
        };
        let csrf = text(CSRF).map(|secret| Secret::new(secret.to_owned()));
        let session = CachedSession { identity: user.identity, csrf, renewed };
        let loaded = Loaded::new(CachedResult::Session(Arc::new(session)));
        Ok(loaded.until(Some(expires)).named(id_of(key)))
    }

    /// The active user whom a session's data names, by a backend that is allowed.
    async fn user_of_data(&self, data: &Map<String, Value>) -> Result<Option<User>, Unavailable> {
        let text = |key: &str| data.get(key).and_then(Value::as_str);
        let known = text(BACKEND).is_some_and(|path| self.backends.iter().any(|b| b == path));
        let key = text(USER).filter(|_| known).and_then(|id| self.db.model().parse_key(id));
        let Some(key) = key else { return Ok(None) };
        Ok(self.db.user_by_key(&key).await?.filter(|user| user.active))
    }

    pub(super) async fn open(&self, key: &str) -> Result<Opened, Unavailable> {
        if key.chars().count() < 8 {
            return Ok(Opened::Gone);
        }
        let now = self.clock.now();
        let (data, expires) = match self.engine {
            Engine::SignedCookies => (signing::loads(key, COOKIES, &self.secrets), None),
            Engine::Db | Engine::CachedDb => match rows::find(&self.db, key).await? {
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
pub(super) fn auth_hash(password: &Secret, secret: &Secret) -> String {
    const SALT: &str = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";
    hex::encode(salted_hmac(SALT, password.reveal().as_bytes(), secret))
}

pub(super) fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

impl BrowserSessions for Sessions {
    fn is_cookie(&self, name: &[u8]) -> bool {
        name == self.cookie.name.as_bytes()
    }

    fn user_of<'a>(
        &'a self,
        headers: &'a HeaderMap,
        purpose: Purpose,
    ) -> BoxFuture<'a, Result<Option<Box<str>>, Unavailable>> {
        Box::pin(async move {
            let Some(key) = self.key(headers) else { return Ok(None) };
            Ok(match self.get(&key, purpose).await? {
                CachedResult::Session(session) => session.identity.id.clone(),
                _ => None,
            })
        })
    }

    fn begin<'a>(
        &'a self,
        headers: &'a HeaderMap,
        user: &'a User,
        proof: Proof,
    ) -> BoxFuture<'a, Result<Vec<HeaderValue>, Unavailable>> {
        Box::pin(async move {
            let old = self.key(headers);
            Ok(self.login(old.as_deref(), user, proof).await?.cookies)
        })
    }

    fn end<'a>(
        &'a self,
        headers: &'a HeaderMap,
    ) -> BoxFuture<'a, Result<HeaderValue, Unavailable>> {
        Box::pin(async move {
            if let Some(key) = self.key(headers) {
                self.logout(&key).await?;
            }
            Ok(self.expired_cookie())
        })
    }

    fn replaced<'a>(&'a self, sent: &'a HeaderMap, set: &'a [u8]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Some(key) = self.key(sent).filter(|key| key.as_bytes() != set) {
                self.forget(&key).await;
            }
        })
    }
}

impl Grant for Sessions {
    fn name(&self) -> &'static str {
        "session"
    }

    fn issue<'a>(
        &'a self,
        user: &'a User,
        headers: &'a HeaderMap,
    ) -> BoxFuture<'a, Result<Granted, Unavailable>> {
        Box::pin(async move {
            let old = self.key(headers);
            let begun = self.login(old.as_deref(), user, Proof::Password).await?;
            let values = vec![("csrf_secret", Secret::new(begun.csrf_secret))];
            Ok(Granted { values, cookies: begun.cookies, is_new: true, expires: None })
        })
    }
}

impl Revoker for Sessions {
    fn package(&self) -> &'static str {
        super::PACKAGE.key
    }

    fn end<'a>(&'a self, credential: &'a str) -> BoxFuture<'a, Result<Ended, Unavailable>> {
        Box::pin(async move {
            if credential.contains(':') && self.engine == Engine::SignedCookies {
                let why = "a signed cookie (`engine: signed_cookies`) is the session: nothing can \
                           end it before it expires";
                return Ok(Ended::Impossible(why.to_owned()));
            }
            Ok(match rows::delete(&self.db, credential).await? {
                true => Ended::Done("Ended a session".to_owned()),
                false => Ended::Unknown,
            })
        })
    }

    /// Sessions are bound to the hash of the password: a new one ends them when they are next used.
    fn end_all<'a>(&'a self, user: &'a UserKey) -> BoxFuture<'a, Result<u64, Unavailable>> {
        let id = user.to_string();
        Box::pin(self.end_matching(move |session| session.user.as_deref() == Some(&*id)))
    }
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
