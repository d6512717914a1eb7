//! The way of a credential that has to be looked up: what is remembered answers at once; else one
//! request asks, however many came.

use std::{future::Future, sync::Arc};

use hyper::StatusCode;

use super::{Failure, Outcome, Parts};
use crate::{
    clock::Timestamp,
    crypto::digest::Fingerprint,
    identity::Accepted,
    lockout::{Attempt, Subject},
    login::Login,
    observe::audit::{Event, record},
    request::Client,
    store::{
        Unavailable,
        cache::{Fact, Facts, Said, Verifier},
    },
};

/// One scheme's.
pub(super) struct Lookup {
    /// The scheme's name.
    pub(super) name: Arc<str>,
    facts: Arc<Facts>,
    verifier: Verifier,
    login: Arc<Login>,
}

impl Lookup {
    pub(super) fn new(name: Arc<str>, parts: &Parts<'_>) -> Self {
        let (facts, login) = (Arc::clone(parts.facts), Arc::clone(parts.login));
        Self { name, verifier: facts.verifier(), facts, login }
    }

    /// The cache's key of a credential.
    pub(super) fn key(&self, credential: &[&[u8]]) -> Fingerprint {
        self.facts.key(self.verifier, credential)
    }

    /// What is remembered and fresh: the whole hot path of a scheme.
    pub(super) fn known(&self, key: &Fingerprint) -> Option<Result<Outcome, Unavailable>> {
        let fact = self.facts.hit(key)?;
        Some(fact.map(|fact| self.outcome(fact)))
    }

    /// What `load` makes of a credential; see [`Facts::get`].
    pub(super) async fn get<F>(&self, key: Fingerprint, load: F) -> Result<Outcome, Unavailable>
    where
        F: Future<Output = Result<(Fact, Option<Timestamp>), Unavailable>>,
    {
        Ok(self.outcome(self.facts.get(key, load).await?))
    }

    /// [`Self::known`] for a credential that can be guessed. A locked client gets the same answer
    /// for what is remembered as for what is wrong: else it could tell by it what is right.
    pub(super) fn known_unless_locked(
        &self,
        key: &Fingerprint,
        subject: Subject<'_>,
        client: &Client,
    ) -> Option<Result<Outcome, Unavailable>> {
        let known = self.known(key)?;
        let wait = self.login.lockout.wait(subject, client.address);
        Some(wait.map_or(known, |wait| Ok(Outcome::Failed(Failure::locked(wait)))))
    }

    /// [`Self::get`] for a credential that names no account: a refusal is counted against the
    /// client's network, and a locked client has to wait.
    pub(super) async fn get_counted<F>(
        &self,
        key: Fingerprint,
        subject: Subject<'_>,
        client: &Client,
        load: F,
    ) -> Result<Outcome, Unavailable>
    where
        F: Future<Output = Result<(Fact, Option<Timestamp>), Unavailable>>,
    {
        // A lock is an answer to this client, not a fact about the credential: it is not kept.
        let lockout = &self.login.lockout;
        let locked = |wait| Ok(Outcome::Failed(Failure::locked(wait)));
        if let Some(wait) = lockout.wait(subject, client.address) {
            return locked(wait);
        }
        let begin = || lockout.begin(subject, client.address);
        let attempt = match subject {
            // A burst of good tokens is no attack: what cannot be guessed is counted afterwards.
            Subject::Unguessable => None,
            Subject::Guessable | Subject::Account(_) => match begin() {
                Ok(attempt) => Some(attempt),
                Err(wait) => return locked(wait),
            },
        };
        let outcome = self.get(key, load).await?;
        // Who is told to wait has not been told whether the guess was right.
        let judged = |said: &Said| said.status != StatusCode::TOO_MANY_REQUESTS;
        if let Outcome::Failed(failure) = &outcome
            && failure.said.as_deref().is_none_or(judged)
        {
            record(Event::LoginFailed, None, client.address, &self.name);
            let attempt = attempt.or_else(|| begin().ok());
            if attempt.is_some_and(Attempt::failed) {
                record(Event::Locked, None, client.address, &self.name);
            }
        }
        Ok(outcome)
    }

    fn outcome(&self, fact: Fact) -> Outcome {
        match fact {
            Fact::Identity(identity) => Outcome::Authenticated(Accepted {
                identity,
                scheme: Arc::clone(&self.name),
                cookies: Vec::new(),
            }),
            Fact::Refused { detail, challenge, members } => {
                Outcome::Failed(Failure { challenge, members, ..Failure::new(detail.to_string()) })
            }
            Fact::Said(said) => {
                let detail = said.detail().to_owned();
                Outcome::Failed(Failure { said: Some(said), ..Failure::new(detail) })
            }
            Fact::NotMine | Fact::Session(_) | Fact::Ended => Outcome::NotAttempted,
        }
    }
}
