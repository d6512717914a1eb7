//! The one order for everything that can be guessed, a password, a code, a key or a token: count,
//! wait, judge, tell. Counted first, so that of many guesses at once no more are judged than one
//! after the other; told last, so that only what was judged is a failure.

use std::{future::Future, net::IpAddr, sync::Arc, time::Duration};

use super::{
    Limits,
    lockout::{Attempt, Subject},
};
use crate::{
    observe::audit::{By, Event, record, record_because},
    request::Purpose,
    store::Unavailable,
};

/// A credential that may be a guess.
#[derive(Clone, Copy, Debug)]
pub struct Guess<'a> {
    /// What it is a guess at.
    pub subject: Subject<'a>,
    /// The client's own address.
    pub client: IpAddr,
    /// Where it was given.
    pub by: By<'a>,
    /// Only a request that is served counts.
    pub purpose: Purpose,
}

/// What a guess was.
#[derive(Debug)]
pub enum Judged<T> {
    /// Right.
    Right(T),
    /// The password of the account with this name, as it is stored.
    Owner(T, Box<str>),
    /// Wrong, and what the operator is told of it.
    Wrong(T, Option<Arc<str>>),
}

impl Limits {
    /// Judges a guess in the one order.
    ///
    /// # Errors
    /// If it could not be judged: then it is no failure. Inside, how long the client has to wait
    /// before a guess is judged at all.
    pub async fn attempt<T, F>(
        &self,
        guess: &Guess<'_>,
        judge: F,
    ) -> Result<Result<T, Duration>, Unavailable>
    where
        F: Future<Output = Result<Judged<T>, Unavailable>>,
    {
        if !guess.purpose.spends() {
            let (Judged::Right(value) | Judged::Owner(value, _) | Judged::Wrong(value, _)) =
                judge.await?;
            return Ok(Ok(value));
        }
        let reserved = match self.reserve(guess) {
            Ok(reserved) => reserved,
            Err(wait) => return Ok(Err(wait)),
        };
        Ok(Ok(match judge.await? {
            Judged::Right(value) => value,
            Judged::Owner(value, stored) => {
                if let Some(reserved) = reserved {
                    reserved.succeeded(&stored);
                }
                self.suspicion.succeeded(&stored, guess.client);
                record(Event::LoginSucceeded, Some(&stored), guess.client, guess.by);
                value
            }
            Judged::Wrong(value, reason) => {
                self.wrong(guess, reserved, reason.as_deref());
                value
            }
        }))
    }

    /// Nothing is reserved for what cannot be guessed: a burst of good tokens is no attack, so only
    /// failures are counted, when they are known.
    fn reserve(&self, guess: &Guess<'_>) -> Result<Option<Attempt<'_>>, Duration> {
        match guess.subject {
            Subject::Unguessable => match self.lockout.wait(guess.subject, guess.client) {
                Some(wait) => Err(wait),
                None => Ok(None),
            },
            subject => self.lockout.start(subject, guess.client).map(Some),
        }
    }

    fn wrong(&self, guess: &Guess<'_>, reserved: Option<Attempt<'_>>, reason: Option<&str>) {
        let account = match guess.subject {
            Subject::Account(name) => Some(name),
            Subject::Guessable | Subject::Unguessable => None,
        };
        record_because(Event::LoginFailed, account, guess.client, guess.by, reason);
        if let Some(account) = account {
            self.suspicion.failed(account, guess.client);
        }
        let attempt = reserved.map_or_else(|| self.lockout.start(guess.subject, guess.client), Ok);
        if attempt.is_ok_and(Attempt::failed) {
            record(Event::Locked, account, guess.client, guess.by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{Clock, Timestamp},
        limits::{AuthRate, Lockout, Suspicion},
        observe::metrics::Metrics,
    };

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn limits() -> Limits {
        let clock = Clock::test(Timestamp::from_seconds(1_700_000_000));
        let metrics = Metrics::default();
        let lockout = Lockout::new(Some(Default::default()), clock.clone(), metrics.locks());
        Limits {
            lockout: Arc::new(lockout),
            suspicion: Arc::new(Suspicion::new(metrics, clock.clone())),
            auth_rate: Arc::new(AuthRate::new("20/min".parse().unwrap(), None, clock)),
        }
    }

    fn guess(purpose: Purpose) -> Guess<'static> {
        let by = By::page("test", "page");
        Guess { subject: Subject::Account("alice"), client: CLIENT, by, purpose }
    }

    async fn wrong(limits: &Limits, purpose: Purpose) -> Result<(), Duration> {
        limits.attempt(&guess(purpose), async { Ok(Judged::Wrong((), None)) }).await.unwrap()
    }

    /// Attack: a guesser goes on after five failures, and the sixth guess is the right one.
    #[tokio::test]
    async fn the_sixth_guess_is_not_judged() {
        let limits = limits();
        for _ in 0..5 {
            assert_eq!(wrong(&limits, Purpose::Serve).await, Ok(()));
        }
        let judged = std::cell::Cell::new(false);
        let right = async {
            judged.set(true);
            Ok(Judged::Owner((), "alice".into()))
        };
        let answer = limits.attempt(&guess(Purpose::Serve), right).await.unwrap();
        assert_eq!(answer, Err(Duration::from_secs(900)));
        assert!(!judged.get());
    }

    /// Attack: an outage is used to lock an account, or to guess without being counted after it.
    #[tokio::test]
    async fn what_could_not_be_judged_is_no_failure() {
        let limits = limits();
        for _ in 0..10 {
            let down = async { Err::<Judged<()>, _>(Unavailable::new("the store", "down")) };
            assert!(limits.attempt(&guess(Purpose::Serve), down).await.is_err());
        }
        assert_eq!(wrong(&limits, Purpose::Serve).await, Ok(()));
    }

    /// A password that was changed while a WebSocket was open must not lock its owner out.
    #[tokio::test]
    async fn a_re_check_counts_nothing() {
        let limits = limits();
        for _ in 0..10 {
            assert_eq!(wrong(&limits, Purpose::Recheck).await, Ok(()));
        }
        assert_eq!(limits.lockout.wait(Subject::Account("alice"), CLIENT), None);
    }
}
