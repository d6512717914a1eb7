//! A user name and a password: Django's `authenticate()` with `ModelBackend`, behind the lockout
//! and the hashing threads. Basic and every page that takes a password share it.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::BoxFuture;
use moka::sync::Cache;
use tokio::runtime::Handle;

use super::registry::{LoginMethod, Submitted};
use crate::{
    crypto::{
        NoRandomness,
        digest::{Fingerprint, Fingerprints},
        password::{Config, Hashers, Verification},
    },
    identity::Identity,
    limits::{Guess, Judged, Limits, Subject},
    observe::audit::By,
    request::{Purpose, network_of},
    store::{Database, Unavailable, User},
    threads::Threads,
    value::Secret,
};

/// Verifies and makes passwords.
pub struct Passwords {
    db: Database,
    hashers: Hashers,
    upgrade: bool,
    threads: Threads,
    control: Handle,
    /// Passwords that were right for a hash that may still be the stored one.
    verified: Cache<Fingerprint, ()>,
    fingerprints: Fingerprints,
    limits: Arc<Limits>,
}

/// So many are remembered, and for so long.
const VERIFIED: u64 = 100_000;
const VERIFIED_FOR: Duration = Duration::from_secs(60 * 60);

/// What came of an attempt.
#[derive(Debug)]
pub enum Attempt {
    /// The password is this active user's.
    User(Box<User>),
    /// Wrong password, no such user, inactive, unusable: the answer is the same for all.
    Wrong,
    /// Too many failures: this long.
    Wait(Duration),
}

impl Passwords {
    /// On a database, with the hashers of a configuration.
    ///
    /// # Errors
    /// If the operating system has no randomness to give.
    pub fn new(
        db: Database,
        config: &Config,
        limits: Arc<Limits>,
        control: &Handle,
    ) -> Result<Self, NoRandomness> {
        Ok(Self {
            db,
            hashers: Hashers::new(config),
            upgrade: config.upgrade,
            threads: Threads::new("password hashing", control),
            control: control.clone(),
            verified: Cache::builder().max_capacity(VERIFIED).time_to_live(VERIFIED_FOR).build(),
            fingerprints: Fingerprints::new()?,
            limits,
        })
    }

    /// Django's `authenticate(username, password)` for a client.
    ///
    /// It is carried through whether or not the client waits for it: a client that goes away has
    /// neither made a guess that does not count, nor failed where the store was only slow.
    ///
    /// # Errors
    /// If the store does not answer or too many wait for a hash; then nothing is counted.
    pub async fn attempt(
        self: &Arc<Self>,
        username: &str,
        password: &Secret,
        client: IpAddr,
        by: By<'_>,
        purpose: Purpose,
    ) -> Result<Attempt, Unavailable> {
        let (passwords, by) = (Arc::clone(self), by.to_string());
        let (username, password) = (username.to_owned(), password.clone());
        let attempt = async move {
            let subject = Subject::Account(&username);
            let guess = Guess { subject, client, by: By::scheme(&by), purpose };
            let judge = passwords.judge(&username, &password, purpose);
            let attempt = passwords.limits.attempt(&guess, judge).await?;
            Ok(attempt.unwrap_or_else(Attempt::Wait))
        };
        let judged = self.control.spawn(attempt).await;
        judged.map_err(|error| Unavailable::new("a log-in", error))?
    }

    /// Notes the network that an account's owner comes from, when a password that is remembered
    /// comes from elsewhere than before.
    pub fn note_network(&self, identity: &Identity, client: IpAddr) {
        let network = match network_of(client) {
            IpAddr::V4(network) => u64::from(network.to_bits()) | 1 << 32,
            IpAddr::V6(network) => u64::try_from(network.to_bits() >> 64).unwrap_or_default(),
        };
        if identity.seen_at.load(Ordering::Relaxed) != network {
            identity.seen_at.store(network, Ordering::Relaxed);
            self.limits.lockout.trust_network(&identity.username, client);
        }
    }

    async fn judge(
        &self,
        username: &str,
        password: &Secret,
        purpose: Purpose,
    ) -> Result<Judged<Attempt>, Unavailable> {
        Ok(match self.verify(username, password, purpose).await? {
            Some(user) => {
                let stored = user.identity.username.clone();
                Judged::Owner(Attempt::User(Box::new(user)), stored)
            }
            None => Judged::Wrong(Attempt::Wrong, None),
        })
    }

    async fn verify(
        &self,
        username: &str,
        password: &Secret,
        purpose: Purpose,
    ) -> Result<Option<User>, Unavailable> {
        let user = self.db.user_by_typed_name(username).await?;
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
                if outdated && self.upgrade && purpose.spends() {
                    // A database that cannot be written to now does not make a password wrong.
                    match self.rehash(&user, password.clone()).await {
                        // Sessions and tokens are bound to the hash that is stored.
                        Ok(Some(encoded)) => user.password = encoded,
                        Ok(None) => {
                            let fresh = self.db.user_by_typed_name(username).await?;
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
        let done = self.db.replace_password(&user.id, old, encoded.reveal()).await?;
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

/// Passwords as a way to log in.
pub(super) struct ByPassword(pub(super) Arc<Passwords>);

impl LoginMethod for ByPassword {
    fn name(&self) -> &'static str {
        "password"
    }

    fn judge<'a>(
        &'a self,
        submitted: &'a Submitted<'a>,
    ) -> BoxFuture<'a, Result<Attempt, Unavailable>> {
        let Submitted { username, password, client, by } = *submitted;
        Box::pin(self.0.attempt(username, password, client, by, Purpose::Serve))
    }
}
