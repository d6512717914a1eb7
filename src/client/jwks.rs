//! Keys that an issuer publishes (RFC 7517): fetched from the address in the configuration and
//! from no other, kept while the issuer is down, asked for again when a token names a key that is
//! not there, and that at most once in a while.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use hyper::{HeaderMap, Method, StatusCode, Uri};
use jsonwebtoken::jwk::JwkSet;
use tokio::sync::Mutex;

use super::{HttpClient, web_address};
use crate::{
    clock::{Clock, Timestamp},
    crypto::jws::{Algorithm, Unverified, VerifyingKey},
    store::Unavailable,
    value::{Path, Problem},
};

/// One address and what was found there.
pub struct KeySet(Box<Inner>);

struct Inner {
    url: Uri,
    algorithms: Vec<Algorithm>,
    http: HttpClient,
    clock: Clock,
    fetched: ArcSwap<Fetched>,
    /// Held during a request to the issuer, so that there is one at a time.
    asking: Mutex<()>,
}

#[derive(Default)]
struct Fetched {
    /// `kid` and key; a key without a name is for tokens without one.
    keys: Arc<Vec<(Option<String>, VerifyingKey)>>,
    /// When they were asked for last, with or without success.
    asked: Timestamp,
    /// When they came.
    at: Timestamp,
}

/// After this long the keys are asked for again, so that a revoked one goes.
const LIFETIME: Duration = Duration::from_secs(600);
/// An unknown key is not asked for more often.
const COOLDOWN: Duration = Duration::from_secs(30);
const LARGEST: usize = 256 << 10;
const TIME: Duration = Duration::from_secs(5);
const MOST_KEYS: usize = 100;

impl KeySet {
    /// At an address; only keys for these algorithms count.
    ///
    /// # Errors
    /// If it is not the address of a web server.
    pub fn new(
        url: &str,
        algorithms: &[Algorithm],
        http: &HttpClient,
        path: &Path,
    ) -> Result<Self, Problem> {
        let url = web_address(url).ok_or_else(|| {
            Problem::new(path, format!("`{url}` is not the address of a key set"))
                .help("for example https://id.example.com/.well-known/jwks.json")
        })?;
        Ok(Self(Box::new(Inner {
            url,
            algorithms: algorithms.to_vec(),
            http: http.clone(),
            clock: http.clock().clone(),
            fetched: ArcSwap::default(),
            asking: Mutex::new(()),
        })))
    }

    /// The claims of a token, if one of the keys has signed it.
    ///
    /// # Errors
    /// If the issuer does not answer and never has.
    pub async fn verify(
        &self,
        token: &Unverified<'_>,
    ) -> Result<Option<serde_json::Map<String, serde_json::Value>>, Unavailable> {
        let keys = &self.0;
        let now = keys.clock.now();
        let known = keys.fetched.load_full();
        // One request waits for an issuer that is slow; the others go by what is known.
        let good = now.since(known.at) < LIFETIME || keys.asking.try_lock().is_err();
        let claims = known.claims(token);
        // A name can be given to another key, and some issuers give none: a signature that does not
        // fit is asked about too, as a name that is not there.
        if good && claims.is_some() {
            return Ok(claims);
        }
        Ok(keys.ask(known.asked).await?.claims(token))
    }
}

impl Inner {
    /// Asks the issuer, unless that was done since `before` or a moment ago.
    async fn ask(&self, before: Timestamp) -> Result<Arc<Fetched>, Unavailable> {
        let _asking = self.asking.lock().await;
        let known = self.fetched.load_full();
        let now = self.clock.now();
        let recently = known.asked != Timestamp::default() && now.since(known.asked) < COOLDOWN;
        if known.asked != before || recently {
            return known.or_unavailable();
        }
        let fetched = match self.fetch().await {
            Ok(keys) => Fetched { keys: Arc::new(keys), asked: now, at: now },
            Err(error) => {
                tracing::warn!(%error, url = %self.url, "the issuer's keys could not be fetched");
                // Known keys stay: an outage ends no session.
                Fetched { keys: Arc::clone(&known.keys), asked: now, at: known.at }
            }
        };
        let fetched = Arc::new(fetched);
        self.fetched.store(Arc::clone(&fetched));
        fetched.or_unavailable()
    }

    async fn fetch(&self) -> Result<Vec<(Option<String>, VerifyingKey)>, Unavailable> {
        let answer = self.http.send(Method::GET, &self.url, HeaderMap::new(), LARGEST, TIME);
        let (status, _, body) = answer.await?;
        let outage = |cause: String| Unavailable::new("the issuer's key set", cause);
        if status != StatusCode::OK {
            return Err(outage(format!("it answered {status}")));
        }
        // Keys of a kind that we do not know are no reason to refuse the others.
        let set: serde_json::Value =
            serde_json::from_slice(&body).map_err(|error| outage(error.to_string()))?;
        let list = set.get("keys").and_then(|keys| keys.as_array());
        let list = list.ok_or_else(|| outage("there are no `keys` in it".into()))?;
        let mut keys = Vec::new();
        for jwk in list.iter().take(MOST_KEYS) {
            // The library knows neither all names nor what a key may be used for.
            let named = jwk.get("alg").map(|name| name.as_str().unwrap_or_default());
            let verifies = |of: &serde_json::Value| {
                of.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"))
            };
            if jwk.get("key_ops").is_some_and(|of| !verifies(of)) {
                continue;
            }
            let one = serde_json::json!({ "keys": [jwk] });
            let Ok(JwkSet { keys: one }) = serde_json::from_value(one) else { continue };
            for jwk in one {
                let of_name = |of: &&Algorithm| named.is_none_or(|name| of.is(name));
                let usable = self.algorithms.iter().filter(of_name);
                keys.extend(
                    usable
                        .filter_map(|algorithm| VerifyingKey::of_jwk(&jwk, *algorithm))
                        .map(|key| (jwk.common.key_id.clone(), key)),
                );
            }
        }
        match keys.is_empty() {
            true => Err(outage("it has no key for the algorithms configured".into())),
            false => Ok(keys),
        }
    }
}

impl Fetched {
    /// The claims of a token that one of the keys has signed: of those of its name, or of all if it
    /// names none.
    fn claims(&self, token: &Unverified<'_>) -> Option<serde_json::Map<String, serde_json::Value>> {
        let name = token.key_id();
        let named = |known: &Option<String>| name.is_none() || known.as_deref() == name;
        let mut keys = self.keys.iter().filter(|(known, _)| named(known));
        keys.find_map(|(_, key)| token.verify(key))
    }

    fn or_unavailable(self: Arc<Self>) -> Result<Arc<Self>, Unavailable> {
        match self.keys.is_empty() {
            true => Err(Unavailable::new("the issuer's key set", "it was never read")),
            false => Ok(self),
        }
    }
}
