//! The way of a credential that has to be looked up: what is remembered answers at once; else one
//! request asks, however many came.

use std::{future::Future, sync::Arc};

use super::{Answer, Examination, Outcome};
use crate::{
    credential_cache::{CacheNamespace, CachedResult, CredentialCache, Loaded},
    crypto::digest::Fingerprint,
    identity::Accepted,
    limits::{Guess, Judged, Limits, Subject},
    observe::audit::By,
    rejection::Refusal,
    request::{Client, Purpose},
    store::Unavailable,
};

/// One scheme's.
pub struct Lookup {
    /// The scheme's name.
    pub name: Arc<str>,
    cache: Arc<CredentialCache>,
    namespace: CacheNamespace,
    limits: Arc<Limits>,
}

impl Lookup {
    /// A scheme's own part of the cache.
    pub fn new(name: Arc<str>, cache: &Arc<CredentialCache>, limits: &Arc<Limits>) -> Self {
        Self::in_namespace(name, cache.namespace(), cache, limits)
    }

    /// A part of the cache that pages of the same package forget credentials from.
    pub fn in_namespace(
        name: Arc<str>,
        namespace: CacheNamespace,
        cache: &Arc<CredentialCache>,
        limits: &Arc<Limits>,
    ) -> Self {
        Self { name, namespace, cache: Arc::clone(cache), limits: Arc::clone(limits) }
    }

    /// The cache's key of a credential.
    pub fn key(&self, credential: &[&[u8]]) -> Fingerprint {
        self.cache.key(self.namespace, credential)
    }

    /// What is remembered and fresh: the whole hot path of a scheme.
    pub fn known(&self, key: &Fingerprint, purpose: Purpose) -> Option<Examination> {
        let result = self.cache.hit(key, purpose)?;
        Some(result.map(|result| self.outcome(result).into()))
    }

    /// The answer to a credential that is too long to be guessed: what is remembered, else what
    /// `load` makes of it, counted as [`Self::get_counted`] counts.
    pub fn answer<'a, F>(
        &'a self,
        credential: &[u8],
        client: &'a Client,
        purpose: Purpose,
        load: impl FnOnce() -> F,
    ) -> Answer<'a>
    where
        F: Future<Output = Result<Loaded, Unavailable>> + Send + 'a,
    {
        let key = self.key(&[credential]);
        Answer::known_or(self.known(&key, purpose), || {
            self.get_counted(key, Subject::Unguessable, client, purpose, load())
        })
    }

    /// What `load` makes of a credential; see [`CredentialCache::get`].
    ///
    /// # Errors
    /// If it could not tell.
    pub async fn get<F>(&self, key: Fingerprint, purpose: Purpose, load: F) -> Examination
    where
        F: Future<Output = Result<Loaded, Unavailable>>,
    {
        Ok(self.outcome(self.cache.get(key, purpose, load).await?).into())
    }

    /// [`Self::known`] for a credential that can be guessed. A locked client gets the same answer
    /// for what is remembered as for what is wrong: else it could tell by it what is right.
    pub fn known_unless_locked(
        &self,
        key: &Fingerprint,
        subject: Subject<'_>,
        client: &Client,
        purpose: Purpose,
    ) -> Option<Examination> {
        let known = self.known(key, purpose)?;
        let wait = match purpose.spends() {
            true => self.limits.lockout.wait(subject, client.address),
            false => None,
        };
        Some(wait.map_or(known, |wait| Ok(failed(Refusal::locked(wait)).into())))
    }

    /// [`Self::get`] for a credential that may be a guess: it is judged in the one order of
    /// [`Limits::attempt`], and a locked client has to wait.
    ///
    /// # Errors
    /// If it could not tell.
    pub async fn get_counted<F>(
        &self,
        key: Fingerprint,
        subject: Subject<'_>,
        client: &Client,
        purpose: Purpose,
        load: F,
    ) -> Examination
    where
        F: Future<Output = Result<Loaded, Unavailable>>,
    {
        // A lock is an answer to this client, not a fact about the credential: it is not kept.
        if purpose.spends()
            && let Some(wait) = self.limits.lockout.wait(subject, client.address)
        {
            return Ok(failed(Refusal::locked(wait)).into());
        }
        let by = By::scheme(&self.name);
        let guess = Guess { subject, client: client.address, by, purpose };
        if let Subject::Unguessable = subject {
            // What is remembered as bad is a failure each time that it comes.
            let judge = async {
                Ok(match self.cache.get(key, purpose, load).await? {
                    CachedResult::Refused(refusal) if refusal.is_failure() => {
                        let reason = refusal.reason.clone();
                        Judged::Wrong(CachedResult::Refused(refusal), reason)
                    }
                    result => Judged::Right(result),
                })
            };
            let judged = self.limits.attempt(&guess, judge).await?;
            return Ok(match judged {
                Ok(result) => self.outcome(result).into(),
                Err(wait) => failed(Refusal::locked(wait)).into(),
            });
        }
        let counted = async {
            let judge = async {
                let loaded = load.await?;
                Ok(match &loaded.result {
                    CachedResult::Refused(refusal) if refusal.is_failure() => {
                        let reason = refusal.reason.clone();
                        Judged::Wrong(loaded, reason)
                    }
                    _ => Judged::Right(loaded),
                })
            };
            let judged = self.limits.attempt(&guess, judge).await?;
            Ok(judged.unwrap_or_else(|wait| Loaded::passing(Refusal::locked(wait))))
        };
        self.get(key, purpose, counted).await
    }

    fn outcome(&self, result: CachedResult) -> Outcome {
        match result {
            CachedResult::Identity(identity) => {
                Outcome::Authenticated(Accepted { identity, scheme: Arc::clone(&self.name) })
            }
            CachedResult::Refused(refusal) => Outcome::Failed(refusal),
            CachedResult::NotMine | CachedResult::Session(_) | CachedResult::Ended => {
                Outcome::NotAttempted
            }
        }
    }
}

fn failed(refusal: Refusal) -> Outcome {
    Outcome::Failed(Arc::new(refusal))
}
