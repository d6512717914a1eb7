//! Django's sessions: rows of `django_session`, or signed cookies; who is logged in with one, and
//! how one begins and ends (`django.contrib.auth.login`, `logout`).

use std::{borrow::Cow, sync::Arc, time::Duration};

use hyper::{HeaderMap, header::HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use super::{
    cookie::{Cookie, SameSite},
    csrf::{self, Csrf},
};
use crate::{
    clock::{Clock, Timestamp},
    crypto::{
        digest::{Fingerprint, sha256},
        random_text,
        signing::{self, Secrets, salted_hmac},
    },
    request::credentials::cookie,
    store::{
        Session as Row, Store, Unavailable, User,
        cache::{Fact, Facts, SessionFact, Verifier},
    },
    value::{Path, Period, Problem, Problems, Secret},
};

/// The `session` setting: Django's `SESSION_*`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Session")]
pub struct Config {
    /// `SESSION_ENGINE`.
    engine: Engine,
    /// `SESSION_COOKIE_NAME`.
    cookie: String,
    /// `SESSION_COOKIE_AGE`.
    age: Period,
    /// `SESSION_COOKIE_DOMAIN`.
    domain: Option<String>,
    /// `SESSION_COOKIE_PATH`.
    path: String,
    /// `SESSION_COOKIE_SECURE`.
    secure: bool,
    /// `SESSION_COOKIE_HTTPONLY`.
    http_only: bool,
    /// `SESSION_COOKIE_SAMESITE`.
    same_site: SameSite,
    /// `SESSION_EXPIRE_AT_BROWSER_CLOSE`.
    expire_at_browser_close: bool,
    /// `SESSION_SAVE_EVERY_REQUEST`: a session that is used ends later. It is written once in
    /// `cache.ttl`, not for each request.
    save_every_request: bool,
    /// `AUTHENTICATION_BACKENDS`: sessions of others are nobody's.
    backends: Vec<String>,
    /// `LOGIN_REDIRECT_URL`, a path.
    pub login_redirect: String,
    /// `LOGOUT_REDIRECT_URL`, a path; without it a page says that you are logged out.
    pub logout_redirect: Option<String>,
    /// Where a browser without a session is sent, on routes with the `session` scheme: the login
    /// page's path (Django's `LOGIN_URL`). Without it such a browser gets the refusal.
    pub login_url: Option<String>,
    /// A folder with pages of your own (Jinja): any of base.html, login.html, logged_out.html and
    /// forbidden.html. Styles stand in a `<style>` element or come, like images, from this host.
    pub templates: Option<std::path::PathBuf>,
    /// The name that the gateway's own pages show.
    pub brand: Option<String>,
}

/// Where Django keeps sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SessionEngine")]
enum Engine {
    /// `django.contrib.sessions.backends.db`.
    Db,
    /// `…cached_db`: the rows are the same, and Django's cache in front of them is Django's.
    CachedDb,
    /// `…signed_cookies`: the cookie is the session, so no logout can end a copy of it.
    SignedCookies,
}

impl Config {
    /// `SESSION_COOKIE_NAME`.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            engine: Engine::Db,
            cookie: "sessionid".into(),
            age: Period::seconds(14 * 86_400),
            domain: None,
            path: "/".into(),
            secure: false,
            http_only: true,
            same_site: SameSite::Lax,
            expire_at_browser_close: false,
            save_every_request: false,
            backends: vec![MODEL_BACKEND.into()],
            login_redirect: "/accounts/profile/".into(),
            logout_redirect: None,
            login_url: None,
            templates: None,
            brand: None,
        }
    }
}

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

/// A session as a list shows it.
#[derive(Debug)]
pub struct Listed {
    /// Names it without being its key.
    pub id: String,
    /// The primary key of who is logged in.
    pub user: Option<Box<str>>,
    /// When it ends.
    pub expires: Timestamp,
}

/// How somebody was known at the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By the password in the row.
    Password,
    /// By a proxy in front.
    RemoteUser,
}

/// A session that has begun: what the client has to be told.
#[derive(Debug)]
pub struct Begun {
    /// `Set-Cookie` of both cookies, in Django's order.
    pub cookies: Vec<HeaderValue>,
    /// The CSRF secret from now on.
    pub csrf_secret: String,
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
        (self.engine == Engine::SignedCookies).then_some(
            "session: signed_cookies cannot be ended: a copied cookie works until it expires, \
             after a logout too",
        )
    }

    /// The key that a client sends.
    pub fn key<'a>(&self, headers: &'a HeaderMap) -> Option<Cow<'a, str>> {
        cookie(headers, &self.cookie.name)
    }

    /// Whether a `Set-Cookie` is the session's.
    pub fn is_cookie(&self, name: &[u8]) -> bool {
        name == self.cookie.name.as_bytes()
    }

    /// Forgets what is known of a session, for somebody else has changed it.
    pub async fn forget_key(&self, key: &str) {
        self.facts.forget(&self.fingerprint(key)).await;
    }

    /// `Set-Cookie` for a client whose session is over.
    pub fn forget(&self) -> HeaderValue {
        self.cookie.delete()
    }

    /// What is known and fresh of a key.
    pub fn hit(&self, key: &str) -> Option<Result<Fact, Unavailable>> {
        self.facts.hit(&self.fingerprint(key))
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

    /// Forgets what is known of a session, by the SHA-256 of its key.
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
        let mut renewed = None;
        if !same(given, &auth_hash(&user.password, self.secrets.current())) {
            let mut fallbacks = self.secrets.fallbacks().iter();
            if !fallbacks.any(|secret| same(given, &auth_hash(&user.password, secret))) {
                // The password was changed: the session is over for good.
                self.delete(key).await?;
                return Ok((Fact::Ended, None));
            }
            let mut data = data.clone();
            data.insert(HASH.into(), auth_hash(&user.password, self.secrets.current()).into());
            renewed = Some(self.save(None, Some(key), data).await?);
        } else if self.save_every_request {
            let (row, cookie) = self.row(&Value::Object(data.clone()), Some(key));
            match self.engine {
                Engine::SignedCookies => renewed = Some(cookie),
                Engine::Db | Engine::CachedDb => {
                    match self.store.extend_session(key, row.expires).await {
                        Ok(true) => renewed = Some(cookie),
                        Ok(false) => {}
                        // A database that cannot be written to now makes no session a bad one.
                        Err(error) => tracing::warn!(%error, "a session could not be extended"),
                    }
                }
            }
        }
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
        let expires = expires.unwrap_or(signed + self.age);
        if expires > now { Ok(Opened::Data(data, expires)) } else { Ok(Opened::Foreign) }
    }

    /// Django's `login(request, user)`: a new key, the old session's data if it was nobody's, a new
    /// CSRF secret, `last_login`.
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
            // Somebody else's: nothing of it may be seen by this user.
            data = Map::new();
        }
        let backend = self.backend(proof).to_owned();
        data.insert(USER.into(), id.into());
        data.insert(BACKEND.into(), backend.into());
        data.insert(HASH.into(), hash.into());
        let csrf_secret = csrf::new_secret().map_err(randomness)?;
        if self.csrf.use_sessions {
            data.insert(CSRF.into(), csrf_secret.clone().into());
        }
        let keep = old.filter(|_| same_user);
        let session = self.save(keep, old.filter(|_| !same_user), data).await?;
        if let Some(old) = old {
            self.facts.forget(&self.fingerprint(old)).await;
        }
        let now = self.clock.now();
        self.store.logged_in(user.id, now).await?;
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

    /// Django's `logout(request)`. The `Set-Cookie` that goes with it is [`Self::forget`].
    ///
    /// # Errors
    /// If the store does not answer: then nobody is told that the session is over.
    pub async fn logout(&self, key: &str) -> Result<(), Unavailable> {
        self.delete(key).await?;
        self.facts.forget(&self.fingerprint(key)).await;
        Ok(())
    }

    /// All sessions that have not expired, each told to `seen`.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn list(&self, mut seen: impl FnMut(Listed)) -> Result<(), Unavailable> {
        let mut after = String::new();
        loop {
            let rows = self.store.sessions(&after, self.clock.now()).await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            after.clone_from(last);
            rows.iter().for_each(|(key, row)| seen(self.listed(key, row)));
        }
    }

    /// Ends the sessions that `which` chooses, as [`Self::list`] shows them; how many there were.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn end(&self, which: impl Fn(&Listed) -> bool) -> Result<u64, Unavailable> {
        let (mut after, mut ended) = (String::new(), 0);
        loop {
            let rows = self.store.sessions(&after, self.clock.now()).await?;
            let Some((last, _)) = rows.last() else { return Ok(ended) };
            after.clone_from(last);
            for (key, row) in rows {
                if which(&self.listed(&key, &row)) && self.store.delete_session(&key).await? {
                    ended += 1;
                }
            }
        }
    }

    fn listed(&self, key: &str, row: &Row) -> Listed {
        let mut id = hex::encode(sha256(key.as_bytes()));
        id.truncate(16);
        let data = signing::loads(&row.data, ROWS, &self.secrets).map(|(data, _)| data);
        let user = data.as_ref().and_then(|data| data.get(USER)?.as_str()).map(Into::into);
        Listed { id, user, expires: row.expires }
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
        let secret = csrf::new_secret().map_err(randomness)?;
        data.insert(CSRF.into(), secret.clone().into());
        let cookie = self.save(keep, None, data).await?;
        if let Some(key) = keep {
            self.facts.forget(&self.fingerprint(key)).await;
        }
        Ok((secret, Some(cookie)))
    }

    /// Writes a session, under the key that it has or a new one; `instead_of` is deleted.
    async fn save(
        &self,
        keep: Option<&str>,
        instead_of: Option<&str>,
        data: Map<String, Value>,
    ) -> Result<HeaderValue, Unavailable> {
        let data = Value::Object(data);
        let (row, cookie) = self.row(&data, keep);
        if self.engine == Engine::SignedCookies {
            return Ok(cookie);
        }
        if let Some(key) = keep
            && self.store.replace_session(key, &row).await?
        {
            return Ok(cookie);
        }
        let key = loop {
            let key = new_key()?;
            if self.store.create_session(&key, &row).await? {
                break key;
            }
        };
        if let Some(old) = instead_of {
            self.store.delete_session(old).await?;
        }
        Ok(self.row(&data, Some(&key)).1)
    }

    /// The row of a session and the cookie for its key; for signed cookies the data is the key.
    fn row(&self, data: &Value, key: Option<&str>) -> (Row, HeaderValue) {
        let now = self.clock.now();
        let custom = data.get(EXPIRY).and_then(Value::as_u64);
        let age = match custom {
            Some(seconds @ 1..) => Duration::from_secs(seconds),
            Some(0) | None => self.age,
        };
        let until_closed = custom.map_or(self.expire_at_browser_close, |seconds| seconds == 0);
        let max_age = (!until_closed).then_some(age);
        let salt = if self.engine == Engine::SignedCookies { COOKIES } else { ROWS };
        let signed = signing::dumps(data, salt, &self.secrets, now, true);
        let value = match self.engine {
            Engine::SignedCookies => &signed,
            Engine::Db | Engine::CachedDb => key.unwrap_or_default(),
        };
        let cookie = self.cookie.set(value, max_age, now);
        (Row { data: signed, expires: now + age }, cookie)
    }

    async fn delete(&self, key: &str) -> Result<(), Unavailable> {
        if self.engine != Engine::SignedCookies && key.len() <= 40 {
            self.store.delete_session(key).await?;
        }
        Ok(())
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

/// 32 characters of `a-z0-9`.
fn new_key() -> Result<String, Unavailable> {
    let mut key = String::with_capacity(32);
    while key.len() < 32 {
        let text = random_text(64).map_err(randomness)?;
        key.extend(text.chars().filter(|c| !c.is_ascii_uppercase()).take(32 - key.len()));
    }
    Ok(key)
}

fn randomness(error: crate::crypto::NoRandomness) -> Unavailable {
    Unavailable::new("randomness", error)
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

    #[test]
    fn keys_are_django_s() {
        let key = new_key().unwrap();
        assert_eq!(key.len(), 32);
        assert!(key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        assert_ne!(key, new_key().unwrap());
    }
}
