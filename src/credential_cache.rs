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
use hyper::header::HeaderValue;
use moka::future::Cache;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::Notify;

use crate::{
    clock::{Clock, Timestamp},
    crypto::{
        NoRandomness,
        digest::{Fingerprint, Fingerprints},
    },
    identity::Identity,
    observe::metrics::Lookups,
    rejection::Refusal,
    request::Purpose,
    store::{CredentialId, Revocation, Unavailable},
    value::{Count, Period, Secret},
};

/// The `cache` setting.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Cache")]
pub struct Config {
    /// How long a valid credential is accepted without asking again: the longest that a user who
    /// was disabled elsewhere can still get in.
    pub ttl: Period,
    /// How long a bad credential is refused without asking again.
    pub negative_ttl: Period,
    /// How much longer a valid credential is accepted while the store is down.
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
pub enum CachedResult {
    /// It proves this identity.
    Identity(Arc<Identity>),
    /// It is the session of a user.
    Session(Arc<CachedSession>),
    /// It proves nothing.
    Refused(Arc<Refusal>),
    /// It is not the scheme's own after all, or proves no user.
    NotMine,
    /// A session that has ended: it proves no user, and the client may forget it.
    Ended,
}

/// What is known of a session.
#[derive(Debug)]
pub struct CachedSession {
    /// Whose.
    pub identity: Arc<Identity>,
    /// The CSRF secret in it, where sessions keep it.
    pub csrf: Option<Secret>,
    /// The `Set-Cookie` of the key that has taken its place.
    pub renewed: Option<HeaderValue>,
}

impl CachedResult {
    /// A refusal with its text.
    pub fn refused(refusal: Refusal) -> Self {
        Self::Refused(Arc::new(refusal))
    }

    fn identity(&self) -> Option<&Arc<Identity>> {
        match self {
            CachedResult::Identity(identity) => Some(identity),
            CachedResult::Session(session) => Some(&session.identity),
            CachedResult::Refused(_) | CachedResult::NotMine | CachedResult::Ended => None,
        }
    }
}

/// What was found out about a credential.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it proves.
    pub result: CachedResult,
    /// The credential's own expiry; the cache's times hold in any case.
    pub until: Option<Timestamp>,
    /// What a revocation of this one credential names.
    pub id: Option<CredentialId>,
}

impl Loaded {
    /// What holds for as long as the cache keeps it.
    pub fn new(result: CachedResult) -> Self {
        Self { result, until: None, id: None }
    }

    /// A refusal.
    pub fn refused(refusal: Refusal) -> Self {
        Self::new(CachedResult::refused(refusal))
    }

    /// An answer to this client alone, which is not kept.
    pub fn passing(refusal: Refusal) -> Self {
        Self::refused(refusal).until(Some(Timestamp::default()))
    }

    /// With the credential's own expiry.
    #[must_use]
    pub fn until(self, until: Option<Timestamp>) -> Self {
        Self { until, ..self }
    }

    /// With the name that a revocation has for the credential.
    #[must_use]
    pub fn named(self, id: CredentialId) -> Self {
        Self { id: Some(id), ..self }
    }
}

/// The cache; one per configuration, so that no entry outlives the settings that made it.
pub struct CredentialCache {
    entries: Cache<Fingerprint, Arc<Entry>>,
    fingerprints: Fingerprints,
    clock: Clock,
    config: Config,
    lookups: Lookups,
    namespaces: AtomicU64,
    /// How many revocations there were, and the last of them.
    revocations: AtomicU64,
    revoked: Mutex<VecDeque<(u64, Revoked)>>,
    /// How often revocations may have been missed.
    resyncs: AtomicU64,
    /// Woken when something is revoked, for connections that go on without asking again.
    pub changed: Notify,
}

/// What was revoked.
#[derive(Clone)]
enum Revoked {
    Key(Fingerprint),
    Credentials(HashSet<CredentialId>),
    Users(HashSet<Box<str>>),
    Everything,
}

impl Revoked {
    fn is_of(&self, key: &Fingerprint, entry: &Entry) -> bool {
        match self {
            Revoked::Key(revoked) => revoked == key,
            Revoked::Credentials(ids) => entry.id.as_ref().is_some_and(|id| ids.contains(id)),
            Revoked::Users(ids) => {
                let identity = entry.result.as_ref().ok().and_then(CachedResult::identity);
                let id = identity.and_then(|identity| identity.id.as_ref());
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
pub struct CacheNamespace([u8; 8]);

struct Entry {
    result: Result<CachedResult, Unavailable>,
    id: Option<CredentialId>,
    fresh_until: Timestamp,
    /// While the store is down.
    keep_until: Timestamp,
    watermark: Watermark,
    /// Loaded for a re-check, which touches nothing: a request that is served asks again.
    untouched: bool,
}

/// The revocations that there had been when the store was asked.
#[derive(Clone, Copy)]
struct Watermark {
    revocations: u64,
    resyncs: u64,
}

/// A store that is down is asked again after this long, by one request, not by all.
const OUTAGE_PAUSE: Duration = Duration::from_secs(1);

impl CredentialCache {
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
            namespaces: AtomicU64::new(0),
            revocations: AtomicU64::new(0),
            revoked: Mutex::default(),
            resyncs: AtomicU64::new(0),
            changed: Notify::new(),
        })
    }

    /// How long a valid credential is accepted while the store is down.
    pub fn grace(&self) -> Duration {
        self.config.grace.0
    }

    /// A number for a scheme that is being built; see [`Self::key`].
    pub fn namespace(&self) -> CacheNamespace {
        CacheNamespace(self.namespaces.fetch_add(1, Ordering::Relaxed).to_le_bytes())
    }

    /// The key of a credential. The scheme that verifies it belongs to it, so that no scheme can
    /// answer with what another has proven (CVE-2026-33496), not even one of the same name.
    pub fn key(&self, namespace: CacheNamespace, credential: &[&[u8]]) -> Fingerprint {
        match credential {
            [one] => self.fingerprints.of(&[&namespace.0, one]),
            many => {
                let mut parts = vec![&namespace.0[..]];
                parts.extend(many);
                self.fingerprints.of(&parts)
            }
        }
    }

    /// What is known and fresh, without leaving the task.
    pub fn hit(
        &self,
        key: &Fingerprint,
        purpose: Purpose,
    ) -> Option<Result<CachedResult, Unavailable>> {
        // The future is ready at once unless the cache is busy with its housekeeping; then the
        // caller takes the way of a miss, which waits.
        let entry = self.entries.get(key).now_or_never()??;
        let fresh = self.is_fresh(&entry, purpose);
        if fresh {
            self.lookups.hits.inc();
        }
        fresh.then(|| entry.result.clone())
    }

    /// What is known of a credential; `load` runs once however many ask at the same time.
    ///
    /// # Errors
    /// If the store is down and nothing is known within the grace.
    pub async fn get<F>(
        &self,
        key: Fingerprint,
        purpose: Purpose,
        load: F,
    ) -> Result<CachedResult, Unavailable>
    where
        F: Future<Output = Result<Loaded, Unavailable>>,
    {
        let arrived = self.revocations.load(Ordering::SeqCst);
        let load = Mutex::new(Some(load));
        loop {
            let old = self.entries.get(&key).await;
            let stale = |entry: &Arc<Entry>| {
                !self.is_fresh(entry, purpose) || self.is_revoked(&key, entry, arrived)
            };
            let ask = async {
                let watermark = Watermark {
                    revocations: self.revocations.load(Ordering::SeqCst),
                    resyncs: self.resyncs.load(Ordering::SeqCst),
                };
                let mine = load.lock().map_or(None, |mut load| load.take());
                let answer = match mine {
                    Some(load) => {
                        self.lookups.misses.inc();
                        load.await
                    }
                    None => Err(Unavailable::new("the store", "it was asked already")),
                };
                Arc::new(self.entry(&key, purpose, answer, old, watermark))
            };
            let entry = self.entries.entry(key).or_insert_with_if(ask, stale).await.into_value();
            // Another request's question may be older than a revocation that this request is not, or
            // a re-check's: then its answer is not for this one, which asks itself.
            let unused = load.lock().is_ok_and(|load| load.is_some());
            if self.is_revoked(&key, &entry, self.revocations.load(Ordering::SeqCst)) {
                // It may have been revoked while it was being kept.
                self.entries.invalidate(&key).await;
            }
            let touched = !entry.untouched || purpose == Purpose::Recheck;
            if !unused || touched && !self.is_revoked(&key, &entry, arrived) {
                return entry.result.clone();
            }
        }
    }

    /// Whether an entry is accepted without asking the store.
    fn is_fresh(&self, entry: &Entry, purpose: Purpose) -> bool {
        entry.fresh_until > self.clock.now()
            && entry.watermark.resyncs == self.resyncs.load(Ordering::Relaxed)
            && (!entry.untouched || purpose == Purpose::Recheck)
    }

    /// Whether what an entry says was revoked after the store was asked for it, and before a
    /// moment.
    fn is_revoked(&self, key: &Fingerprint, entry: &Entry, until: u64) -> bool {
        let Ok(result) = &entry.result else { return false };
        let asked = entry.watermark.revocations;
        if asked >= until || result.identity().is_none() {
            return false;
        }
        let Ok(revoked) = self.revoked.lock() else { return true };
        let oldest = revoked.front().map_or(0, |(number, _)| *number);
        oldest > asked + 1
            || revoked
                .iter()
                .rev()
                .take_while(|(number, _)| *number > asked)
                .any(|(number, revoked)| *number <= until && revoked.is_of(key, entry))
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
        self.note(Revoked::Key(*key));
        self.entries.invalidate(key).await;
        self.changed.notify_waiters();
    }

    /// Forgets what has been revoked, from the next look-up on.
    pub fn revoke(&self, revocations: impl IntoIterator<Item = Revocation>) {
        let (mut users, mut credentials) = (HashSet::new(), HashSet::new());
        for revocation in revocations {
            match revocation {
                Revocation::User(id) => {
                    users.insert(id);
                }
                Revocation::Credential(id) => {
                    credentials.insert(id);
                }
                Revocation::Everything => self.clear(),
                Revocation::Resync => self.mark_stale(),
            }
        }
        if !users.is_empty() {
            self.forget_all(Revoked::Users(users));
        }
        if !credentials.is_empty() {
            self.forget_all(Revoked::Credentials(credentials));
        }
    }

    fn forget_all(&self, revoked: Revoked) {
        self.note(revoked.clone());
        let theirs = move |key: &Fingerprint, entry: &Arc<Entry>| revoked.is_of(key, entry);
        // It fails only on a cache built without support for it.
        let _ = self.entries.invalidate_entries_if(theirs);
        self.changed.notify_waiters();
    }

    /// Forgets everything.
    fn clear(&self) {
        self.note(Revoked::Everything);
        self.entries.invalidate_all();
        self.changed.notify_waiters();
    }

    /// Revocations may have been missed: all that is known is asked for again. What cannot be asked
    /// for, since the store is down, is still known for the grace.
    fn mark_stale(&self) {
        self.resyncs.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    fn entry(
        &self,
        key: &Fingerprint,
        purpose: Purpose,
        answer: Result<Loaded, Unavailable>,
        old: Option<Arc<Entry>>,
        watermark: Watermark,
    ) -> Entry {
        let now = self.clock.now();
        let mut entry = match answer {
            Ok(loaded) => self.fresh(loaded, watermark, now),
            Err(unavailable) => self.outage(unavailable, old, watermark, now),
        };
        entry.untouched |= purpose == Purpose::Recheck && entry.result.is_ok();
        if self.is_revoked(key, &entry, self.revocations.load(Ordering::SeqCst)) {
            // The store may have answered before something was revoked in it: this is the last to
            // get that answer.
            (entry.fresh_until, entry.keep_until) = (now, now);
        }
        entry
    }

    fn fresh(&self, loaded: Loaded, watermark: Watermark, now: Timestamp) -> Entry {
        // A yes is held to the grace in an outage; a no is asked for again.
        let (ttl, grace) = match loaded.result.identity() {
            Some(_) => (self.config.ttl.0, self.config.grace.0),
            None => (self.config.negative_ttl.0, Duration::ZERO),
        };
        let end = loaded.until.unwrap_or(Timestamp(u64::MAX));
        let fresh_until = (now + ttl).min(end);
        Entry {
            result: Ok(loaded.result),
            id: loaded.id,
            fresh_until,
            keep_until: (fresh_until + grace).min(end),
            watermark,
            untouched: false,
        }
    }

    fn outage(
        &self,
        unavailable: Unavailable,
        old: Option<Arc<Entry>>,
        watermark: Watermark,
        now: Timestamp,
    ) -> Entry {
        match old {
            Some(old) if old.result.is_ok() && old.keep_until > now => Entry {
                result: old.result.clone(),
                id: old.id.clone(),
                fresh_until: (now + OUTAGE_PAUSE).min(old.keep_until),
                keep_until: old.keep_until,
                // It was asked, in vain: for a moment that is as good as an answer.
                watermark: Watermark { resyncs: watermark.resyncs, ..old.watermark },
                untouched: old.untouched,
            },
            _ => Entry {
                result: Err(unavailable),
                id: None,
                fresh_until: now + OUTAGE_PAUSE,
                keep_until: now,
                watermark,
                untouched: false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn alice() -> CachedResult {
        let id = Some("1".into());
        CachedResult::Identity(Arc::new(Identity {
            id,
            username: "alice".into(),
            ..Identity::default()
        }))
    }

    struct Scene {
        cache: CredentialCache,
        namespace: CacheNamespace,
        clock: Clock,
        purpose: Purpose,
        loads: AtomicUsize,
    }

    impl Scene {
        fn new() -> Self {
            let clock = Clock::test(Timestamp::from_seconds(1_700_000_000));
            let cache = CredentialCache::new(&Config::default(), clock.clone(), Lookups::default())
                .unwrap();
            Self {
                namespace: cache.namespace(),
                cache,
                clock,
                purpose: Purpose::Serve,
                loads: AtomicUsize::new(0),
            }
        }

        async fn ask(
            &self,
            answer: Result<CachedResult, Unavailable>,
        ) -> Result<CachedResult, Unavailable> {
            let key = self.cache.key(self.namespace, &[b"k"]);
            if let Some(hit) = self.cache.hit(&key, self.purpose) {
                return hit;
            }
            let load = async {
                self.loads.fetch_add(1, Ordering::Relaxed);
                answer.map(Loaded::new)
            };
            self.cache.get(key, self.purpose, load).await
        }

        fn loads(&self) -> usize {
            self.loads.load(Ordering::Relaxed)
        }
    }

    fn gone() -> CachedResult {
        CachedResult::refused(Refusal::new("gone"))
    }

    fn down() -> Result<CachedResult, Unavailable> {
        Err(Unavailable::new("the store", "down"))
    }

    #[tokio::test]
    async fn a_fact_is_asked_once_per_ttl() {
        let scene = Scene::new();
        for _ in 0..3 {
            assert!(matches!(scene.ask(Ok(alice())).await, Ok(CachedResult::Identity(_))));
        }
        assert_eq!(scene.loads(), 1);
        scene.clock.advance(Duration::from_secs(31));
        assert!(scene.ask(Ok(gone())).await.is_ok());
        assert_eq!(scene.loads(), 2);
    }

    /// An outage must neither log anybody out within the grace, nor let anybody in after it.
    #[tokio::test]
    async fn an_outage_keeps_known_identities_for_the_grace_and_no_longer() {
        let scene = Scene::new();
        assert!(scene.ask(Ok(alice())).await.is_ok());
        scene.clock.advance(Duration::from_secs(60));
        assert!(matches!(scene.ask(down()).await, Ok(CachedResult::Identity(_))));
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

    /// Attack: a user is disabled during an outage of the store. Once the store answers it is asked, and
    /// until then an outage ends no session, and not every request asks the store.
    #[tokio::test]
    async fn what_may_have_been_missed_is_asked_for_again() {
        let scene = Scene::new();
        assert!(scene.ask(Ok(alice())).await.is_ok());
        scene.cache.revoke([Revocation::Resync]);
        for _ in 0..3 {
            assert!(matches!(scene.ask(down()).await, Ok(CachedResult::Identity(_))));
        }
        assert_eq!(scene.loads(), 2);
        scene.clock.advance(Duration::from_secs(2));
        assert!(matches!(scene.ask(Ok(gone())).await, Ok(CachedResult::Refused(_))));
    }

    /// Attack: a user was disabled, but a gateway's cache still lets the old token in.
    #[tokio::test]
    async fn a_revoked_user_is_asked_about_at_once() {
        let scene = Scene::new();
        assert!(scene.ask(Ok(alice())).await.is_ok());
        scene.cache.revoke([Revocation::User("1".into())]);
        assert!(matches!(scene.ask(Ok(gone())).await, Ok(CachedResult::Refused(_))));
    }

    #[tokio::test]
    async fn concurrent_misses_load_once() {
        let scene = Scene::new();
        let all = (0..50).map(|_| scene.ask(Ok(alice())));
        assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
        assert_eq!(scene.loads(), 1);
    }

    /// Attack: one of a user's tokens has leaked and is revoked. It ends, and the others do not.
    #[tokio::test]
    async fn one_credential_is_revoked_alone() {
        let scene = Scene::new();
        let load = async |name: &str, answer: CachedResult| {
            let key = scene.cache.key(scene.namespace, &[name.as_bytes()]);
            let loaded = Loaded::new(answer).named(CredentialId::new("token", name));
            scene.cache.get(key, Purpose::Serve, async { Ok(loaded) }).await.unwrap()
        };
        load("a", alice()).await;
        load("b", alice()).await;
        scene.cache.revoke([Revocation::Credential(CredentialId::new("token", "a"))]);
        assert!(matches!(load("a", gone()).await, CachedResult::Refused(_)));
        assert!(matches!(load("b", gone()).await, CachedResult::Identity(_)));
    }

    /// A re-check that comes first must not keep a request from touching its session.
    #[tokio::test]
    async fn a_request_that_is_served_asks_again_after_a_re_check() {
        let mut scene = Scene::new();
        scene.purpose = Purpose::Recheck;
        for _ in 0..2 {
            assert!(scene.ask(Ok(alice())).await.is_ok());
        }
        assert_eq!(scene.loads(), 1);
        scene.purpose = Purpose::Serve;
        for _ in 0..2 {
            assert!(scene.ask(Ok(alice())).await.is_ok());
        }
        assert_eq!(scene.loads(), 2);
        scene.purpose = Purpose::Recheck;
        assert!(scene.ask(Ok(alice())).await.is_ok());
        assert_eq!(scene.loads(), 2);
    }
}
