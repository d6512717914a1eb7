//! Keys that an issuer publishes (RFC 7517): fetched from the address in the configuration and
//! from no other, kept while the issuer is down, asked for again when a token names a key that is
//! not there, and that at most once in a while.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{HeaderMap, Method, StatusCode, Uri};
use jsonwebtoken::jwk::JwkSet;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;
use tokio::sync::Mutex;

use super::{HttpClient, web_address};
use crate::{
    clock::{Clock, Timestamp},
    crypto::jws::{Algorithm, Unverified, VerifyingKey},
    store::Unavailable,
    value::{Path, Problem, Secret},
};

/// One address and what was found there.
#[derive(Clone)]
pub struct KeySet(Arc<Inner>);

struct Inner {
    source: Source,
    algorithms: Vec<Algorithm>,
    http: HttpClient,
    clock: Clock,
    fetched: ArcSwap<Fetched>,
    /// Held during a request to the issuer, so that there is one at a time.
    asking: Mutex<()>,
}

/// Where the keys are.
enum Source {
    Keys(Uri),
    /// The issuer's metadata says it (OpenID Connect Discovery 1.0 section 4, RFC 8414).
    Metadata {
        issuer: String,
        url: Uri,
    },
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
        Ok(Self::of(Source::Keys(url), algorithms, http))
    }

    /// That of an issuer, whose metadata says where its keys are.
    ///
    /// # Errors
    /// If the issuer's name is not the address of a web server.
    pub fn of_issuer(
        issuer: &str,
        algorithms: &[Algorithm],
        http: &HttpClient,
        path: &Path,
    ) -> Result<Self, Problem> {
        let metadata = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let url = web_address(&metadata).filter(|url| url.query().is_none()).ok_or_else(|| {
            Problem::new(path, format!("`{issuer}` is not an address, so its keys cannot be found"))
                .help("give one of `jwks`, `key` (PEM) and `secret`")
        })?;
        let source = Source::Metadata { issuer: issuer.to_owned(), url };
        Ok(Self::of(source, algorithms, http))
    }

    fn of(source: Source, algorithms: &[Algorithm], http: &HttpClient) -> Self {
        Self(Arc::new(Inner {
            source,
            algorithms: algorithms.to_vec(),
            http: http.clone(),
            clock: http.clock().clone(),
            fetched: ArcSwap::default(),
            asking: Mutex::new(()),
        }))
    }

    /// Fetches the keys before a token needs them; what was found.
    ///
    /// # Errors
    /// Why there are none. The first token asks again then, at once: the issuer may start after us.
    pub async fn try_out(&self) -> Result<String, String> {
        let _asking = self.0.asking.lock().await;
        let keys = self.0.fetch().await.map_err(|error| error.to_string())?;
        let keys = Arc::new(keys);
        let now = self.0.clock.now();
        self.0.fetched.store(Arc::new(Fetched { keys: Arc::clone(&keys), asked: now, at: now }));
        let names: BTreeSet<_> = keys.iter().filter_map(|(name, _)| name.as_deref()).collect();
        let of = self.0.algorithms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Ok(format!("{} keys for {of}", names.len().max(1)))
    }

    /// The address that is asked first.
    pub fn address(&self) -> &Uri {
        self.0.source.address()
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
                let url = self.source.address();
                tracing::warn!(%error, %url, "the issuer's keys could not be fetched");
                // Known keys stay: an outage ends no session.
                Fetched { keys: Arc::clone(&known.keys), asked: now, at: known.at }
            }
        };
        let fetched = Arc::new(fetched);
        self.fetched.store(Arc::clone(&fetched));
        fetched.or_unavailable()
    }

    async fn fetch(&self) -> Result<Vec<(Option<String>, VerifyingKey)>, Unavailable> {
        let found;
        let url = match &self.source {
            Source::Keys(url) => url,
            Source::Metadata { issuer, url } => {
                found = address_of_keys(issuer, &self.get(url).await?).map_err(outage)?;
                &found
            }
        };
        // Keys of a kind that we do not know are no reason to refuse the others.
        let set = self.get(url).await?;
        let Some(list) = set.get("keys").and_then(Value::as_array) else {
            let keys = self.certificates(&set);
            return match keys.is_empty() {
                true => Err(outage(what_it_is(&set).into())),
                false => Ok(keys),
            };
        };
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

impl Inner {
    async fn get(&self, url: &Uri) -> Result<Value, Unavailable> {
        let answer = self.http.send(Method::GET, url, HeaderMap::new(), LARGEST, TIME);
        let (status, _, body) = answer.await?;
        if status != StatusCode::OK {
            return Err(outage(format!("{url} answered {status}")));
        }
        serde_json::from_slice(&body).map_err(|error| outage(format!("{url} is no JSON: {error}")))
    }

    /// Google's own form: `kid` and certificate in PEM.
    fn certificates(&self, map: &Value) -> Vec<(Option<String>, VerifyingKey)> {
        let mut keys = Vec::new();
        for (name, text) in map.as_object().into_iter().flatten().take(MOST_KEYS) {
            let Some(pem) = text.as_str().filter(|text| text.contains("BEGIN CERTIFICATE")) else {
                continue;
            };
            let key = public_key(pem).map(Secret::new);
            let usable = self.algorithms.iter().filter(|algorithm| !algorithm.is_symmetric());
            keys.extend(usable.filter_map(|algorithm| {
                let key = VerifyingKey::new(*algorithm, key.as_ref()?).ok()?;
                Some((Some(name.clone()), key))
            }));
        }
        keys
    }
}

impl Source {
    fn address(&self) -> &Uri {
        match self {
            Self::Keys(url) | Self::Metadata { url, .. } => url,
        }
    }
}

fn outage(cause: String) -> Unavailable {
    Unavailable::new("the issuer's key set", cause)
}

/// `jwks_uri` of an issuer's metadata, which has to be that issuer's (RFC 8414 section 3.3), and no less
/// protected than what named it.
fn address_of_keys(issuer: &str, metadata: &Value) -> Result<Uri, String> {
    let said = metadata.get("issuer").and_then(Value::as_str).unwrap_or_default();
    if said != issuer {
        return Err(format!("the metadata are those of `{said}`, and not of `{issuer}`"));
    }
    let keys = metadata.get("jwks_uri").and_then(Value::as_str).unwrap_or_default();
    let url = web_address(keys).ok_or_else(|| "the metadata name no `jwks_uri`".to_owned())?;
    match issuer.starts_with("https://") && url.scheme_str() != Some("https") {
        true => Err(format!("`jwks_uri` is {url}, which anybody on the way can change")),
        false => Ok(url),
    }
}

/// What was found in place of a key set.
fn what_it_is(found: &Value) -> &'static str {
    match found.get("jwks_uri") {
        Some(_) => {
            "these are the issuer's metadata: leave `jwks` out, or give the `jwks_uri` in them"
        }
        None => "there are no `keys` in it",
    }
}

/// The public key of a certificate, in PEM.
fn public_key(certificate: &str) -> Option<String> {
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).ok()?;
    let key = STANDARD.encode(parsed.public_key().raw);
    Some(format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n"))
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
