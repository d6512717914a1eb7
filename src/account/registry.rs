//! The interfaces in which packages register when they are built.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use futures_util::future::BoxFuture;
use hyper::{HeaderMap, header::HeaderValue};

use super::{Attempt, BrowserSessions, Passwords, authenticate::ByPassword};
use crate::{
    clock::Timestamp,
    identity::UserKey,
    observe::audit::By,
    store::{Database, NewUser, Unavailable, User},
    value::Secret,
};

/// What a log-in page was sent.
pub struct Submitted<'a> {
    /// The name of the user.
    pub username: &'a str,
    /// The password.
    pub password: &'a Secret,
    /// The client's own address.
    pub client: IpAddr,
    /// The page.
    pub by: By<'a>,
}

/// A way to prove who is logging in.
pub trait LoginMethod: Send + Sync {
    /// Its name: `password`.
    fn name(&self) -> &'static str;
    /// Judges what was submitted, in the one order of [`crate::limits::Limits::attempt`].
    fn judge<'a>(
        &'a self,
        submitted: &'a Submitted<'a>,
    ) -> BoxFuture<'a, Result<Attempt, Unavailable>>;
}

/// A second proof, asked for after the first by every log-in that makes something lasting.
pub trait Factor: Send + Sync {
    /// Its name: `totp`.
    fn name(&self) -> &'static str;
    /// Whether this user has one, or must have one.
    fn is_asked_of<'a>(&'a self, user: &'a User) -> BoxFuture<'a, Result<bool, Unavailable>>;
}

/// What a log-in hands out.
pub trait Grant: Send + Sync {
    /// Its name: `session`, `token`, `jwt`, `knox`.
    fn name(&self) -> &'static str;
    /// Makes it for a user who has proven to be there. `headers` are the request's: a session takes
    /// over what an anonymous one held.
    fn issue<'a>(
        &'a self,
        user: &'a User,
        headers: &'a HeaderMap,
    ) -> BoxFuture<'a, Result<Granted, Unavailable>>;
    /// Whether each new user gets one.
    fn is_for_new_users(&self) -> bool {
        false
    }
}

/// What was handed out.
#[derive(Debug, Default)]
pub struct Granted {
    /// By name, as the package's own page says it: `token`, `access`, `refresh`.
    pub values: Vec<(&'static str, Secret)>,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
    /// `Set-Cookie`.
    pub cookies: Vec<HeaderValue>,
    /// Whether it was made for this log-in, and not there before.
    pub is_new: bool,
}

/// What became of a credential that was to be ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is this revoker's, and no longer good; a sentence that says which it was.
    Done(String),
    /// It is this revoker's kind, and cannot be ended; a sentence that says why, and what can be done.
    Impossible(String),
    /// It is not this revoker's.
    Unknown,
}

/// What ends credentials of a package.
pub trait Revoker: Send + Sync {
    /// The package's key.
    fn package(&self) -> &'static str;
    /// Ends one credential, given as a client would send it.
    fn end<'a>(&'a self, credential: &'a str) -> BoxFuture<'a, Result<Ended, Unavailable>>;
    /// Ends all credentials of a user that a new password does not end by itself; how many.
    fn end_all<'a>(&'a self, user: &'a UserKey) -> BoxFuture<'a, Result<u64, Unavailable>>;
    /// What has to be said where credentials outlive their user.
    fn outlives_user(&self) -> Option<&'static str> {
        None
    }
}

/// What knows services by their names, which no user may have: an upstream goes by names.
pub trait Services: Send + Sync {
    /// Whether a service has this name.
    fn has<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, Unavailable>>;
}

/// What came of a log-in.
#[derive(Debug)]
pub enum LogIn {
    /// This user is there.
    User(Box<User>),
    /// Wrong password, no such user, inactive, unusable: the answer is the same for all.
    Wrong,
    /// Too many failures: this long.
    Wait(Duration),
    /// The user has a second factor, which the page has to ask for or to refuse.
    SecondFactor(&'static str),
}

/// People, and what packages have registered.
pub struct Accounts {
    /// Verifies and makes passwords.
    pub passwords: Arc<Passwords>,
    registered: RwLock<Registered>,
    sessions: OnceLock<Arc<dyn BrowserSessions>>,
}

#[derive(Default)]
struct Registered {
    methods: Vec<Arc<dyn LoginMethod>>,
    factors: Vec<Arc<dyn Factor>>,
    grants: Vec<Arc<dyn Grant>>,
    revokers: Vec<Arc<dyn Revoker>>,
    services: Vec<Arc<dyn Services>>,
}

impl Accounts {
    /// With passwords as the one way to log in.
    pub fn new(passwords: Arc<Passwords>) -> Self {
        let methods: Vec<Arc<dyn LoginMethod>> = vec![Arc::new(ByPassword(Arc::clone(&passwords)))];
        let registered = RwLock::new(Registered { methods, ..Registered::default() });
        Self { passwords, registered, sessions: OnceLock::new() }
    }

    fn change(&self, change: impl FnOnce(&mut Registered)) {
        change(&mut self.registered.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn of<T>(&self, which: impl FnOnce(&Registered) -> T) -> T {
        which(&self.registered.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a way to log in.
    pub fn add_method(&self, method: Arc<dyn LoginMethod>) {
        self.change(|registered| registered.methods.push(method));
    }

    /// Adds a second factor.
    pub fn add_factor(&self, factor: Arc<dyn Factor>) {
        self.change(|registered| registered.factors.push(factor));
    }

    /// Adds what a log-in may hand out.
    pub fn add_grant(&self, grant: Arc<dyn Grant>) {
        self.change(|registered| registered.grants.push(grant));
    }

    /// Adds what ends credentials.
    pub fn add_revoker(&self, revoker: Arc<dyn Revoker>) {
        self.change(|registered| registered.revokers.push(revoker));
    }

    /// Adds what knows services by their names.
    pub fn add_services(&self, services: Arc<dyn Services>) {
        self.change(|registered| registered.services.push(services));
    }

    /// Whether a service of the file, or of a table, has a name.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn is_service(&self, db: &Database, name: &str) -> Result<bool, Unavailable> {
        for services in self.of(|registered| registered.services.clone()) {
            if services.has(name).await? {
                return Ok(true);
            }
        }
        Ok(db.is_reserved(name))
    }

    /// Sets what keeps sessions of browsers; the first stays.
    pub fn set_sessions(&self, sessions: Arc<dyn BrowserSessions>) {
        let _ = self.sessions.set(sessions);
    }

    /// What keeps sessions of browsers.
    pub fn sessions(&self) -> Option<&Arc<dyn BrowserSessions>> {
        self.sessions.get()
    }

    /// The grant of a name.
    pub fn grant(&self, name: &str) -> Option<Arc<dyn Grant>> {
        self.of(|registered| registered.grants.iter().find(|grant| grant.name() == name).cloned())
    }

    /// Adds a user, and makes what each new user gets; nothing if the name is taken.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn create_user(
        &self,
        db: &Database,
        user: &NewUser,
        now: Timestamp,
    ) -> Result<Option<User>, Unavailable> {
        let Some(user) = db.create_user(user, now).await? else { return Ok(None) };
        for grant in self.of(|registered| registered.grants.clone()) {
            if grant.is_for_new_users() {
                grant.issue(&user, &HeaderMap::new()).await?;
            }
        }
        Ok(Some(user))
    }

    /// Everything that ends credentials.
    pub fn revokers(&self) -> Vec<Arc<dyn Revoker>> {
        self.of(|registered| registered.revokers.clone())
    }

    /// Logs a user in by a method, and says which factor is still to be asked for.
    ///
    /// # Errors
    /// If the store does not answer, or the method is not registered.
    pub async fn log_in(
        &self,
        method: &str,
        submitted: &Submitted<'_>,
    ) -> Result<LogIn, Unavailable> {
        let found = self.of(|all| all.methods.iter().find(|m| m.name() == method).cloned());
        let found = found.ok_or_else(|| Unavailable::new("a log-in", "no such method"))?;
        let user = match found.judge(submitted).await? {
            Attempt::User(user) => user,
            Attempt::Wrong => return Ok(LogIn::Wrong),
            Attempt::Wait(wait) => return Ok(LogIn::Wait(wait)),
        };
        for factor in self.of(|registered| registered.factors.clone()) {
            if factor.is_asked_of(&user).await? {
                return Ok(LogIn::SecondFactor(factor.name()));
            }
        }
        Ok(LogIn::User(user))
    }
}
