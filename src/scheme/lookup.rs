//! The way of a credential that has to be looked up: what is remembered answers at once; else one
//! request asks, however many came.

use std::{future::Future, sync::Arc, time::Duration};

use hyper::StatusCode;

use super::{Failure, Outcome, Parts};
use crate::{
    clock::Timestamp,
    crypto::digest::Fingerprint,
    identity::Accepted,
    lockout::{Counted, Subject},
    login::Login,
    observe::audit::{Event, record},
    request::Client,
    store::{
        Unavailable,
        cache::{Fact, Facts, Verifier},
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
        let lockout = &self.login.lockout;
        if let Some(wait) = lockout.wait(subject, client.address) {
            return Ok(Outcome::Failed(Failure::locked(wait)));
        }
        if let Subject::Unguessable = subject {
            // A burst of good tokens is no attack: these are counted afterwards.
            let outcome = self.get(key, load).await?;
            if let Outcome::Failed(_) = outcome {
                self.refused(lockout.begin(subject, client.address), client);
            }
            return Ok(outcome);
        }
        let counted = async {
            let begun = lockout.begin(subject, client.address);
            if let Err(wait) = begun {
                return Ok((Fact::Wait(wait), Some(Timestamp::default())));
            }
            let (fact, end) = load.await?;
            let refused = match &fact {
                Fact::Refused { .. } => true,
                // Who is told to wait has not been told whether the guess was right.
                Fact::Said(said) => said.status != StatusCode::TOO_MANY_REQUESTS,
                _ => false,
            };
            if refused {
                self.refused(begun, client);
            }
            Ok((fact, end))
        };
        self.get(key, counted).await
    }

    fn refused(&self, begun: Result<Counted<'_>, Duration>, client: &Client) {
        record(Event::LoginFailed, None, client.address, &self.name);
        if begun.is_ok_and(Counted::failed) {
            record(Event::Locked, None, client.address, &self.name);
        }
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
            Fact::Wait(wait) => Outcome::Failed(Failure::locked(wait)),
            Fact::NotMine | Fact::Session(_) | Fact::Ended => Outcome::NotAttempted,
        }
    }
}
