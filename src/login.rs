//! A user name and a password: Django's `authenticate()` with `ModelBackend`, behind the lockout
//! and the hashing threads. Basic and the token endpoint share it.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use moka::sync::Cache;
use tokio::runtime::Handle;

use crate::{
    crypto::{
        NoRandomness,
        digest::{Fingerprint, Fingerprints},
        password::{Config, Hashers, Verification},
    },
    identity::Identity,
    lockout::{Lockout, Subject},
    observe::audit::{self, Event},
    request::network_of,
    store::{Store, Unavailable, User},
    suspicion::Suspicion,
    threads::Threads,
    value::Secret,
};

/// Verifies passwords.
pub struct Login {
    store: Arc<dyn Store>,
    hashers: Hashers,
    upgrade: bool,
    threads: Threads,
    control: Handle,
    /// Passwords that were right for a hash that may still be the stored one.
    verified: Cache<Fingerprint, ()>,
    fingerprints: Fingerprints,
    /// What is noticed over many attempts.
    pub suspicion: Arc<Suspicion>,
    /// Shared with the schemes that count failures of their own.
    pub lockout: Arc<Lockout>,
}

/// So many are remembered, and for so long.
const VERIFIED: u64 = 100_000;
const VERIFIED_FOR: Duration = Duration::from_secs(60 * 60);

/// What came of an attempt.
#[derive(Debug)]
pub enum Attempt {
    /// The password is this active user's.
    User(Box<User>),
    /// Wrong password, no such user, inactive, unusable: nobody learns which.
    Wrong,
    /// Too many failures: this long.
    Wait(Duration),
}

impl Login {
    /// On a store, with the hashers of a configuration.
    ///
    /// # Errors
    /// If the operating system has no randomness to give.
    pub fn new(
        store: Arc<dyn Store>,
        config: &Config,
        lockout: Arc<Lockout>,
        suspicion: Arc<Suspicion>,
        control: &Handle,
    ) -> Result<Self, NoRandomness> {
        Ok(Self {
            store,
            hashers: Hashers::new(config),
            upgrade: config.upgrade,
            threads: Threads::new("password hashing", control),
            control: control.clone(),
            verified: Cache::builder().max_capacity(VERIFIED).time_to_live(VERIFIED_FOR).build(),
            fingerprints: Fingerprints::new()?,
            suspicion,
            lockout,
        })
    }

    /// Django's `authenticate(username, password)` for a client.
    ///
    /// It is carried through whether or not the client waits for it: who goes away has neither made
    /// a guess that does not count, nor failed where the store was only slow.
    ///
    /// # Errors
    /// If the store does not answer or too many wait for a hash; then nothing is counted.
    pub async fn attempt(
        self: &Arc<Self>,
        username: &str,
        password: &Secret,
        client: IpAddr,
        by: &str,
    ) -> Result<Attempt, Unavailable> {
        let (login, by) = (Arc::clone(self), by.to_owned());
        let (username, password) = (username.to_owned(), password.clone());
        let attempt = async move { login.judge(&username, &password, client, &by).await };
        let judged = self.control.spawn(attempt).await;
        judged.map_err(|error| Unavailable::new("a log-in", error))?
    }

    /// Notes where an account's owner comes from, when a password that is remembered comes from
    /// elsewhere than before.
    pub fn came_from(&self, identity: &Identity, client: IpAddr) {
        let place = match network_of(client) {
            IpAddr::V4(network) => u64::from(network.to_bits()) | 1 << 32,
            IpAddr::V6(network) => u64::try_from(network.to_bits() >> 64).unwrap_or_default(),
        };
        if identity.seen_at.load(Ordering::Relaxed) != place {
            identity.seen_at.store(place, Ordering::Relaxed);
            self.lockout.knows(&identity.username, client);
        }
    }

    async fn judge(
        &self,
        username: &str,
        password: &Secret,
        client: IpAddr,
        by: &str,
    ) -> Result<Attempt, Unavailable> {
        let attempt = match self.lockout.begin(Subject::Account(username), client) {
            Ok(attempt) => attempt,
            Err(wait) => return Ok(Attempt::Wait(wait)),
        };
        let Some(user) = self.verify(username, password).await? else {
            audit::record(Event::LoginFailed, Some(username), client, by);
            self.suspicion.failed(username, client);
            if attempt.failed() {
                audit::record(Event::Locked, Some(username), client, by);
            }
            return Ok(Attempt::Wrong);
        };
        attempt.succeeded(&user.identity.username);
        self.suspicion.succeeded(&user.identity.username, client);
        audit::record(Event::LoginSucceeded, Some(&user.identity.username), client, by);
        Ok(Attempt::User(Box::new(user)))
    }

    async fn verify(&self, username: &str, password: &Secret) -> Result<Option<User>, Unavailable> {
        let user = self.store.user_by_name(username).await?;
        // The same password for the same hash: what was right before is right. Changing either asks
        // the hash again.
        let key = |user: &User| {
            let (hash, password) = (user.password.reveal(), password.reveal());
            self.fingerprints.of(&[hash.as_bytes(), password.as_bytes()])
        };
        let known = user.as_ref().map(key).filter(|key| self.verified.contains_key(key));
        if known.is_some() {
            return Ok(user.filter(|user| user.active));
        }
        let hashers = self.hashers.clone();
        let stored = user.as_ref().map(|u| u.password.clone());
        let verification = self.threads.run({
            let password = password.clone();
            move || match stored {
                Some(stored) => hashers.verify(password.reveal(), stored.reveal()),
                None => {
                    hashers.waste_one_hash(password.reveal());
                    Verification::NoMatch
                }
            }
        });
        match (verification.await?, user) {
            (Verification::Match { outdated }, Some(mut user)) => {
                if !outdated {
                    self.verified.insert(key(&user), ());
                }
                // Django upgrades before it asks whether the user is active.
                if outdated && self.upgrade {
                    // A database that cannot be written to now does not make a password wrong.
                    match self.rehash(&user, password.clone()).await {
                        // Sessions and tokens are bound to the hash that is stored.
                        Ok(Some(encoded)) => user.password = encoded,
                        Ok(None) => {
                            let fresh = self.store.user_by_name(username).await?;
                            user = fresh.unwrap_or(user);
                        }
                        Err(error) => {
                            tracing::warn!(%error, "a password hash could not be renewed");
                        }
                    }
                }
                Ok(user.active.then_some(user))
            }
            _ => Ok(None),
        }
    }

    /// The new hash; nothing, if another request has changed the old one in between.
    async fn rehash(&self, user: &User, password: Secret) -> Result<Option<Secret>, Unavailable> {
        let encoded = self.encode(password).await?;
        let old = user.password.reveal();
        let done = self.store.replace_password(user.id, old, encoded.reveal()).await?;
        Ok(done.then_some(encoded))
    }

    /// Django's `make_password`.
    ///
    /// # Errors
    /// If there is no thread or no randomness for it.
    pub async fn encode(&self, password: Secret) -> Result<Secret, Unavailable> {
        let hashers = self.hashers.clone();
        let encoded = self.threads.run(move || hashers.encode(password.reveal())).await?;
        encoded.map(Secret::new).map_err(|error| Unavailable::new("password hashing", error))
    }
}
