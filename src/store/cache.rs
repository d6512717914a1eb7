//! Facts about credentials, remembered: "this credential is this user until then". Verdicts are
//! never kept; the policy runs again for each request.

use std::{
    collections::{HashSet, VecDeque},
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use hyper::{StatusCode, header::HeaderValue};
use moka::future::Cache;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::Notify;

use super::Unavailable;
use crate::{
    clock::{Clock, Timestamp},
    crypto::{
        NoRandomness,
        digest::{Fingerprint, Fingerprints},
    },
    identity::Identity,
    observe::metrics::Lookups,
    value::{Count, Period, Secret},
};

/// The `cache` setting.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Cache")]
pub struct Config {
    /// How long a good credential is believed without asking again: the longest that a user who
    /// was disabled elsewhere can still get in.
    pub ttl: Period,
    /// How long a bad credential is refused without asking again.
    pub negative_ttl: Period,
    /// How much longer a good credential is believed while the store is down.
    pub grace: Period,
    /// Credentials at the most.
    pub capacity: Count,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ttl: Period::seconds(30),
            negative_ttl: Period::seconds(5),
            grace: Period::seconds(300),
            capacity: Count(100_000),
        }
    }
}

/// What is known of a credential.
#[derive(Clone, Debug)]
pub enum Fact {
    /// It proves this identity.
    Identity(Arc<Identity>),
    /// It is a session of somebody's.
    Session(Arc<SessionFact>),
    /// It proves nothing.
    Refused {
        /// What the client is told.
        detail: Arc<str>,
        /// The challenge that goes with it, where a custom scheme gave one.
        challenge: Option<HeaderValue>,
        /// What the answer says beside it, as simplejwt's do.
        members: Option<Arc<Members>>,
    },
    /// It proves nothing, and a service of the project's says so in its own words.
    Said(Arc<Said>),
    /// Nobody has looked at it: too many failures, for so long. Not kept.
    Wait(Duration),
    /// It is not the scheme's own after all, or nobody's.
    NotMine,
    /// A session that has ended: nobody's, and the client may forget it.
    Ended,
}

/// Members of an error's body, in order.
pub type Members = serde_json::Map<String, serde_json::Value>;

/// A refusal as a custom scheme's service has written it, for the client to read as it is.
#[derive(Debug)]
pub struct Said {
    /// 401, which becomes 403 where the first scheme has no challenge; 403; or 429.
    pub status: StatusCode,
    /// A JSON object or list.
    pub body: serde_json::Value,
    /// What the challenge of a 401 is instead of the scheme's own.
    pub challenge: Option<HeaderValue>,
    /// Seconds, where it says how long to wait.
    pub retry_after: Option<u64>,
}

/// DRF's `AuthenticationFailed`, where an answer has no words that can be passed on.
pub const INCORRECT: &str = "Incorrect authentication credentials.";

impl Said {
    /// Its `detail`, else DRF's words.
    pub fn detail(&self) -> &str {
        let detail = self.body.get("detail").and_then(serde_json::Value::as_str);
        detail.unwrap_or(INCORRECT)
    }
}

/// What is known of a session.
#[derive(Debug)]
pub struct SessionFact {
    /// Whose.
    pub identity: Arc<Identity>,
    /// The CSRF secret in it, where sessions keep it.
    pub csrf: Option<Secret>,
    /// The `Set-Cookie` of the key that has taken its place.
    pub renewed: Option<HeaderValue>,
}

impl Fact {
    /// A refusal with its text.
    pub fn refused(detail: &str) -> Self {
        Self::Refused { detail: detail.into(), challenge: None, members: None }
    }

    fn identity(&self) -> Option<&Arc<Identity>> {
        match self {
            Fact::Identity(identity) => Some(identity),
            Fact::Session(session) => Some(&session.identity),
            Fact::Refused { .. } | Fact::Said(_) | Fact::Wait(_) | Fact::NotMine | Fact::Ended => {
                None
            }
        }
    }
}

/// The cache of facts; one per configuration, so that no entry outlives the settings that made it.
pub struct Facts {
    entries: Cache<Fingerprint, Entry>,
    fingerprints: Fingerprints,
    clock: Clock,
    config: Config,
    lookups: Lookups,
    verifiers: AtomicU64,
    /// How many revocations there were, and the last of them.
    revocations: AtomicU64,
    revoked: Mutex<VecDeque<(u64, Revoked)>>,
    /// How often revocations may have been missed.
    doubts: AtomicU64,
    /// Wakes whoever goes on without asking again, when something was revoked.
    pub changed: Notify,
}

/// What a revocation was of.
enum Revoked {
    Credential(Fingerprint),
    Users(HashSet<Box<str>>),
    Everything,
}

impl Revoked {
    fn is_of(&self, key: &Fingerprint, fact: &Fact) -> bool {
        match self {
            Revoked::Credential(revoked) => revoked == key,
            Revoked::Users(ids) => {
                let id = fact.identity().and_then(|identity| identity.id.as_ref());
                id.is_some_and(|id| ids.contains(id))
            }
            Revoked::Everything => true,
        }
    }
}

/// An answer that took longer than so many revocations is not kept, whatever they were of.
const REMEMBERED_REVOCATIONS: usize = 4096;

/// Stands for one scheme of one configuration.
#[derive(Clone, Copy, Debug)]
pub struct Verifier([u8; 8]);

#[derive(Clone)]
struct Entry {
    fact: Result<Fact, Unavailable>,
    fresh_until: Timestamp,
    /// While the store is down.
    keep_until: Timestamp,
    asked: Asked,
}

/// How many there had been when the store was asked.
#[derive(Clone, Copy)]
struct Asked {
    revocations: u64,
    doubts: u64,
}

/// A store that is down is asked again after this long, by one request, not by all.
const OUTAGE_PAUSE: Duration = Duration::from_secs(1);

impl Facts {
    /// An empty cache.
    ///
    /// # Errors
    /// If the operating system has no randomness to give.
    pub fn new(config: &Config, clock: Clock, lookups: Lookups) -> Result<Self, NoRandomness> {
        // moka's own expiry only frees memory: what counts is our clock, below.
        let idle = config.ttl.0.max(config.negative_ttl.0) + config.grace.0;
        let entries = Cache::builder()
            .max_capacity(config.capacity.0)
            .time_to_live(idle.max(OUTAGE_PAUSE))
            .support_invalidation_closures()
            .build();
        Ok(Self {
            entries,
            fingerprints: Fingerprints::new()?,
            clock,
            config: config.clone(),
            lookups,
            verifiers: AtomicU64::new(0),
            revocations: AtomicU64::new(0),
            revoked: Mutex::default(),
            doubts: AtomicU64::new(0),
            changed: Notify::new(),
        })
    }

    /// How long a good credential is believed while the store is down.
    pub fn grace(&self) -> Duration {
        self.config.grace.0
    }

    /// A number for a scheme that is being built; see [`Self::key`].
    pub fn verifier(&self) -> Verifier {
        Verifier(self.verifiers.fetch_add(1, Ordering::Relaxed).to_le_bytes())
    }

    /// The key of a credential. Who verifies it belongs to it, so that no scheme can answer with
    /// what another has proven (CVE-2026-33496), not even one of the same name.
    pub fn key(&self, verifier: Verifier, credential: &[&[u8]]) -> Fingerprint {
        match credential {
            [one] => self.fingerprints.of(&[&verifier.0, one]),
            many => {
                let mut parts = vec![&verifier.0[..]];
                parts.extend(many);
                self.fingerprints.of(&parts)
            }
        }
    }

    /// What is known and fresh, without leaving the task.
    pub fn hit(&self, key: &Fingerprint) -> Option<Result<Fact, Unavailable>> {
        // The future is ready at once unless the cache is busy with its housekeeping; then the
        // caller takes the way of a miss, which waits.
        let entry = self.entries.get(key).now_or_never()??;
        let fresh = self.is_fresh(&entry);
        if fresh {
            self.lookups.hits.inc();
        }
        fresh.then_some(entry.fact)
    }

    /// The fact about a credential; `load` runs once however many ask at the same time. Its moment
    /// is the credential's own expiry.
    ///
    /// # Errors
    /// If the store is down and nothing is known within the grace.
    pub async fn get<F>(&self, key: Fingerprint, load: F) -> Result<Fact, Unavailable>
    where
        F: Future<Output = Result<(Fact, Option<Timestamp>), Unavailable>>,
    {
        let arrived = self.revocations.load(Ordering::SeqCst);
        let load = Mutex::new(Some(load));
        loop {
            let old = self.entries.get(&key).await;
            let stale =
                |entry: &Entry| !self.is_fresh(entry) || self.is_revoked(&key, entry, arrived);
            let ask = async {
                let asked = Asked {
                    revocations: self.revocations.load(Ordering::SeqCst),
                    doubts: self.doubts.load(Ordering::SeqCst),
                };
                let mine = load.lock().map_or(None, |mut load| load.take());
                let answer = match mine {
                    Some(load) => {
                        self.lookups.misses.inc();
                        load.await
                    }
                    None => Err(Unavailable::new("the store", "it was asked already")),
                };
                self.entry(&key, answer, old, asked)
            };
            let entry = self.entries.entry(key).or_insert_with_if(ask, stale).await.into_value();
            // Somebody else's question may be older than a revocation that this request is not:
            // then its answer is not for this one, which asks itself.
            let unused = load.lock().is_ok_and(|load| load.is_some());
            if self.is_revoked(&key, &entry, self.revocations.load(Ordering::SeqCst)) {
                // It may have been revoked while it was being kept.
                self.entries.invalidate(&key).await;
            }
            if !unused || !self.is_revoked(&key, &entry, arrived) {
                return entry.fact;
            }
        }
    }

    /// Whether an entry is believed without asking.
    fn is_fresh(&self, entry: &Entry) -> bool {
        entry.fresh_until > self.clock.now()
            && entry.asked.doubts == self.doubts.load(Ordering::Relaxed)
    }

    /// Whether what an entry says was revoked after the store was asked for it, and before a
    /// moment.
    fn is_revoked(&self, key: &Fingerprint, entry: &Entry, until: u64) -> bool {
        let Ok(fact) = &entry.fact else { return false };
        if entry.asked.revocations >= until || fact.identity().is_none() {
            return false;
        }
        let Ok(revoked) = self.revoked.lock() else { return true };
        let oldest = revoked.front().map_or(0, |(number, _)| *number);
        oldest > entry.asked.revocations + 1
            || revoked
                .iter()
                .rev()
                .take_while(|(number, _)| *number > entry.asked.revocations)
                .any(|(number, revoked)| *number <= until && revoked.is_of(key, fact))
    }

    /// Writes a revocation down before anything is taken out of the cache, so that no answer from
    /// before it can slip in behind it.
    fn note(&self, revocation: Revoked) {
        let Ok(mut revoked) = self.revoked.lock() else { return };
        let number = self.revocations.fetch_add(1, Ordering::SeqCst) + 1;
        revoked.push_back((number, revocation));
        if revoked.len() > REMEMBERED_REVOCATIONS {
            revoked.pop_front();
        }
    }

    /// Forgets a credential.
    pub async fn forget(&self, key: &Fingerprint) {
        self.note(Revoked::Credential(*key));
        self.entries.invalidate(key).await;
        self.changed.notify_waiters();
    }

    fn entry(
        &self,
        key: &Fingerprint,
        answer: Result<(Fact, Option<Timestamp>), Unavailable>,
        old: Option<Entry>,
        asked: Asked,
    ) -> Entry {
        let now = self.clock.now();
        let entry = self.judge(answer, old, asked, now);
        if !self.is_revoked(key, &entry, self.revocations.load(Ordering::SeqCst)) {
            return entry;
        }
        // The store may have answered before something was revoked in it: nobody else hears it.
        Entry { fresh_until: now, keep_until: now, ..entry }
    }

    fn judge(
        &self,
        answer: Result<(Fact, Option<Timestamp>), Unavailable>,
        old: Option<Entry>,
        asked: Asked,
        now: Timestamp,
    ) -> Entry {
        match answer {
            Ok((fact, expiry)) => {
                // A yes is held to the grace in an outage; a no is asked for again.
                let (ttl, grace) = match fact.identity() {
                    Some(_) => (self.config.ttl.0, self.config.grace.0),
                    None => (self.config.negative_ttl.0, Duration::ZERO),
                };
                let end = expiry.unwrap_or(Timestamp(u64::MAX));
                let fresh_until = (now + ttl).min(end);
                let keep_until = (fresh_until + grace).min(end);
                Entry { fact: Ok(fact), fresh_until, keep_until, asked }
            }
            Err(unavailable) => match old {
                Some(old) if old.fact.is_ok() && old.keep_until > now => {
                    let fresh_until = (now + OUTAGE_PAUSE).min(old.keep_until);
                    // There is no doubt for that moment: it was asked, in vain.
                    Entry { fresh_until, asked: Asked { doubts: asked.doubts, ..old.asked }, ..old }
                }
                _ => Entry {
                    fact: Err(unavailable),
                    fresh_until: now + OUTAGE_PAUSE,
                    keep_until: now,
                    asked,
                },
            },
        }
    }

    /// Revocations may have been missed: all that is known is asked for again. What cannot be asked
    /// for, since the store is down, is still known for the grace.
    pub fn doubt(&self) {
        self.doubts.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.note(Revoked::Everything);
        self.entries.invalidate_all();
        self.changed.notify_waiters();
    }

    /// Forgets all credentials of these users, from the next look-up on.
    pub fn revoke_users(&self, ids: HashSet<Box<str>>) {
        self.note(Revoked::Users(ids.clone()));
        let theirs = move |_: &Fingerprint, entry: &Entry| {
            let identity = entry.fact.as_ref().ok().and_then(Fact::identity);
            identity.and_then(|identity| identity.id.as_ref()).is_some_and(|id| ids.contains(id))
        };
        // It fails only on a cache built without support for it.
        let _ = self.entries.invalidate_entries_if(theirs);
        self.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn alice() -> Fact {
        let id = Some("1".into());
        Fact::Identity(Arc::new(Identity { id, username: "alice".into(), ..Identity::default() }))
    }

    struct Scene {
        facts: Facts,
        verifier: Verifier,
        clock: Clock,
        loads: AtomicUsize,
    }

    impl Scene {
        fn new() -> Self {
            let clock = Clock::test(Timestamp::from_seconds(1_700_000_000));
            let facts = Facts::new(&Config::default(), clock.clone(), Lookups::default()).unwrap();
            Self { verifier: facts.verifier(), facts, clock, loads: AtomicUsize::new(0) }
        }

        async fn ask(&self, answer: Result<Fact, Unavailable>) -> Result<Fact, Unavailable> {
            let key = self.facts.key(self.verifier, &[b"k"]);
            if let Some(hit) = self.facts.hit(&key) {
                return hit;
            }
            let load = async {
                self.loads.fetch_add(1, Ordering::Relaxed);
                answer.map(|fact| (fact, None))
            };
            self.facts.get(key, load).await
        }

        fn loads(&self) -> usize {
            self.loads.load(Ordering::Relaxed)
        }
    }

    fn down() -> Result<Fact, Unavailable> {
        Err(Unavailable::new("the store", "down"))
    }

    #[tokio::test]
    async fn a_fact_is_asked_once_per_ttl() {
        let scene = Scene::new();
        for _ in 0..3 {
            assert!(matches!(scene.ask(Ok(alice())).await, Ok(Fact::Identity(_))));
        }
        assert_eq!(scene.loads(), 1);
        scene.clock.advance(Duration::from_secs(31));
        assert!(scene.ask(Ok(Fact::refused("gone"))).await.is_ok());
        assert_eq!(scene.loads(), 2);
    }

    /// An outage must neither log anybody out within the grace, nor let anybody in after it.
    #[tokio::test]
    async fn an_outage_keeps_known_identities_for_the_grace_and_no_longer() {
        let scene = Scene::new();
        assert!(scene.ask(Ok(alice())).await.is_ok());
        scene.clock.advance(Duration::from_secs(60));
        assert!(matches!(scene.ask(down()).await, Ok(Fact::Identity(_))));
        scene.clock.advance(Duration::from_secs(300));
        assert!(scene.ask(down()).await.is_err());
    }

    #[tokio::test]
    async fn an_unknown_credential_in_an_outage_is_unavailable_and_asked_again_soon() {
        let scene = Scene::new();
        assert!(scene.ask(down()).await.is_err());
        assert!(
            scene.ask(Ok(alice())).await.is_err(),
            "one request a second asks a store that is down"
        );
        scene.clock.advance(Duration::from_secs(2));
        assert!(scene.ask(Ok(alice())).await.is_ok());
    }

    /// Attack: a user is disabled while nobody could say so. Once the store answers it is asked, and
    /// until then an outage logs nobody out, and is not asked by everybody.
    #[tokio::test]
    async fn what_may_have_been_missed_is_asked_for_again() {
        let scene = Scene::new();
        assert!(scene.ask(Ok(alice())).await.is_ok());
        scene.facts.doubt();
        for _ in 0..3 {
            assert!(matches!(scene.ask(down()).await, Ok(Fact::Identity(_))));
        }
        assert_eq!(scene.loads(), 2);
        scene.clock.advance(Duration::from_secs(2));
        assert!(matches!(scene.ask(Ok(Fact::refused("x"))).await, Ok(Fact::Refused { .. })));
    }

    /// Attack: a user was disabled, but a gateway's cache still lets the old token in.
    #[tokio::test]
    async fn a_revoked_user_is_asked_about_at_once() {
        let scene = Scene::new();
        assert!(scene.ask(Ok(alice())).await.is_ok());
        scene.facts.revoke_users(HashSet::from(["1".into()]));
        assert!(matches!(scene.ask(Ok(Fact::refused("x"))).await, Ok(Fact::Refused { .. })));
    }

    #[tokio::test]
    async fn concurrent_misses_load_once() {
        let scene = Scene::new();
        let all = (0..50).map(|_| scene.ask(Ok(alice())));
        assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
        assert_eq!(scene.loads(), 1);
    }
}
