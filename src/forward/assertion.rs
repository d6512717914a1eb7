//! The identity assertion: a short-lived JWT (RFC 7519), signed with EdDSA, that says who the
//! caller is, to one audience. An anonymous request carries one too, without `sub`, so that
//! an upstream can tell it from one that went around the gateway.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use hyper::header::{HeaderName, HeaderValue};
use moka::sync::Cache;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    clock::{Clock, Timestamp},
    crypto::{
        NoRandomness,
        keys::{SigningKey, SigningKeys},
    },
    identity::{Accepted, UserKey},
    value::{Path, Period, Problem, Problems, Secret},
};

/// `assertion: { audience: … }` in `identity`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Assertion")]
pub struct Config {
    /// The header that carries it.
    header: String,
    /// `iss`.
    issuer: String,
    /// `aud`: the upstream that it is for; it must refuse another's.
    audience: String,
    /// From issue to `exp`.
    lifetime: Period,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            header: "Portcullis-Assertion".into(),
            issuer: "portcullis".into(),
            audience: String::new(),
            lifetime: Period::seconds(60),
        }
    }
}

impl Config {
    pub(super) fn for_audience(audience: &str) -> Self {
        Self { audience: audience.to_owned(), ..Self::default() }
    }

    /// The header that carries it.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// `iss`.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// `aud`.
    pub fn audience(&self) -> &str {
        &self.audience
    }
}

/// Signs assertions and publishes the keys.
pub struct Signer {
    keys: SigningKeys,
    current: ArcSwapOption<(u64, SigningKey)>,
    clock: Clock,
}

impl Signer {
    /// With keys from a secret.
    ///
    /// # Errors
    /// If the secret is empty.
    pub fn new(secret: &Secret, clock: Clock) -> Result<Self, NoRandomness> {
        let keys = SigningKeys::new(secret)?;
        Ok(Self { keys, current: ArcSwapOption::empty(), clock })
    }

    /// The JSON Web Key Set.
    ///
    /// # Errors
    /// If a key cannot be derived.
    pub fn jwks(&self) -> Result<serde_json::Value, NoRandomness> {
        self.keys.jwks(self.clock.now())
    }

    /// The key of now, derived once per rotation.
    fn key(&self, now: Timestamp) -> Result<Arc<(u64, SigningKey)>, NoRandomness> {
        let period = now.seconds() / crate::crypto::keys::ROTATION.as_secs();
        if let Some(current) = self.current.load_full()
            && current.0 == period
        {
            return Ok(current);
        }
        let fresh = Arc::new((period, self.keys.current(now)?));
        self.current.store(Some(Arc::clone(&fresh)));
        Ok(fresh)
    }
}

/// The assertions for one audience.
pub(super) struct Assertion {
    header: HeaderName,
    issuer: String,
    audience: String,
    lifetime: Duration,
    signer: Arc<Signer>,
    /// A signature costs more than the rest of a request: it is made once per identity and third
    /// of its lifetime. Keyed by what is in it.
    made: Cache<Made, (Timestamp, HeaderValue)>,
}

/// What is in an assertion that differs from one caller to another.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Made {
    subject: Box<str>,
    username: Box<str>,
    row: Option<UserKey>,
    scheme: Option<Arc<str>>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<&'a str>,
    /// The primary key of the user's row in the store, as text. `sub` and the name of any other
    /// identity are another authority's, and may equal a user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    /// The name of the scheme that accepted the credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<&'a str>,
}

impl Assertion {
    pub(super) fn new(
        config: &Config,
        header: HeaderName,
        at: &Path,
        signer: &Arc<Signer>,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        if config.audience.is_empty() {
            let problem =
                Problem::missing(at, "an assertion without an audience is good everywhere");
            problems.push(problem.help("name the upstream: `assertion: { audience: my-api }`"));
        }
        let lifetime = config.lifetime.0;
        if !(Duration::from_secs(3)..=Duration::from_secs(3600)).contains(&lifetime) {
            let problem =
                Problem::new(&at.key("lifetime"), "the lifetime is not between 3s and 1h");
            problems.push(problem.help("60s is enough for any upstream whose clock is right"));
        }
        problems.finish(Self {
            header,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            lifetime,
            signer: Arc::clone(signer),
            made: Cache::builder().max_capacity(100_000).time_to_live(lifetime).build(),
        })
    }

    /// The field for an identity, or for an anonymous caller.
    pub(super) fn field(
        &self,
        caller: Option<&Accepted>,
    ) -> Result<(HeaderName, HeaderValue), NoRandomness> {
        let now = self.signer.clock.now();
        let identity = caller.map(|accepted| &accepted.identity);
        let username = identity.map(|i| &*i.username);
        // A service has no primary key, and must not be taken for the user whose key is its name.
        let subject = identity.map(|i| match &i.id {
            Some(id) => id.clone(),
            None => format!("service:{}", i.username).into(),
        });
        let scheme = caller.map(|accepted| Arc::clone(&accepted.scheme));
        let key = Made {
            subject: subject.clone().unwrap_or_default(),
            username: username.unwrap_or_default().into(),
            row: identity.and_then(|i| i.row.clone()),
            scheme,
        };
        if let Some((until, value)) = self.made.get(&key)
            && until > now
        {
            return Ok((self.header.clone(), value));
        }
        let signing = self.signer.key(now)?;
        let iat = now.seconds();
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            iat,
            exp: iat + self.lifetime.as_secs(),
            sub: subject.as_deref(),
            preferred_username: username,
            user_id: key.row.as_ref().map(ToString::to_string),
            scheme: key.scheme.as_deref(),
        };
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
        header.kid = Some(signing.1.id.clone());
        let token = jsonwebtoken::encode(&header, &claims, &signing.1.private);
        let value = HeaderValue::try_from(token.map_err(|_| NoRandomness)?);
        let value = value.map_err(|_| NoRandomness)?;
        self.made.insert(key, (now + self.lifetime / 3, value.clone()));
        Ok((self.header.clone(), value))
    }
}
