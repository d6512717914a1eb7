//! Tokens that another party has signed: an identity provider, another service.

use std::{future::ready, sync::Arc};

use hyper::header::HeaderValue;
use serde_json::{Map, Value, json};

use super::{Claims, Config, UserSource};
use crate::{
    client::KeySet,
    clock::{Clock, Timestamp},
    credential_cache::{CachedResult, Loaded},
    crypto::jws::{self, Algorithm, Unverified, VerifyingKey},
    identity::Identity,
    limits::Subject,
    package::SchemeContext,
    rejection::Refusal,
    request::{
        Purpose, Request,
        credentials::{Authorization, Credential},
    },
    scheme::{Answer, Lookup, Scheme},
    store::{Database, Unavailable},
    value::{Period, Problem, Problems},
};

pub(super) fn build(
    config: &Config,
    context: &SchemeContext<'_>,
) -> Result<Arc<dyn Scheme>, Problems> {
    let (path, site) = (context.path, context.site);
    let mut problems = Problems::default();
    if config.audience.is_none() && !config.unsafe_any_audience {
        let problem =
            Problem::new(path, "an issuer without an audience lets in tokens made for others");
        problems.push(problem.help("add `audience:`, the name that the issuer knows this API by"));
    }
    let defaults: &[&str] = match (&config.jwks, &config.secret) {
        (Some(_), _) => &["RS256", "ES256", "EdDSA"],
        (None, Some(_)) => &["HS256"],
        (None, None) => &["RS256"],
    };
    let mut algorithms = Vec::new();
    let named: Vec<&str> = config.algorithms.iter().map(String::as_str).collect();
    for (index, name) in if named.is_empty() { defaults } else { &named }.iter().enumerate() {
        match Algorithm::named(name) {
            Some(algorithm) => algorithms.push(algorithm),
            None => {
                let at = path.key("algorithms").index(index);
                let problem = Problem::new(&at, format!("unknown algorithm `{name}`"));
                problems.push(problem.help("for example RS256, PS256, ES256, EdDSA or HS256"));
            }
        }
    }
    if config.secret.as_ref().is_some_and(|secret| secret.reveal().len() < 32) {
        let problem =
            Problem::new(&path.key("secret"), "the secret is so short that it can be guessed");
        problems.push(problem.help("use 32 random characters and more, at the issuer too"));
    }
    let text = config.key.as_ref().or(config.secret.as_ref());
    let keys = match (&config.jwks, text) {
        (Some(url), None) => {
            if algorithms.iter().any(|algorithm| algorithm.is_symmetric()) {
                let problem =
                    Problem::new(&path.key("algorithms"), "published keys are no secrets");
                problems.push(problem.help("leave out HS256 to HS512"));
            }
            let keys = KeySet::new(url, &algorithms, site.http, &path.key("jwks"));
            let keys = keys.map(Keys::Published);
            problems.keep(keys.map_err(Problems::from))
        }
        (None, Some(text)) if config.key.is_none() || config.secret.is_none() => {
            let at = path.key(if config.key.is_some() { "key" } else { "secret" });
            let secret = config.secret.is_some();
            let keys =
                algorithms.iter().map(|algorithm| match algorithm.is_symmetric() == secret {
                    true => VerifyingKey::new(*algorithm, text)
                        .map_err(|error| Problem::new(&at, error.to_string())),
                    false => Err(Problem::new(&at, "the key is not of the algorithm's kind")
                        .help("HS256 to HS512 take a `secret`, all others a `key`")),
                });
            let keys: Result<Vec<_>, _> = keys.collect();
            problems.keep(keys.map(Keys::Fixed).map_err(Problems::from))
        }
        _ => {
            let problem = Problem::new(path, "no key verifies this issuer's tokens");
            problems.push(problem.help("give one of `jwks`, `key` (PEM) and `secret`"));
            None
        }
    };
    let Some(keys) = keys else { return Err(problems) };
    problems.finish(()).map(|()| {
        Arc::new(Issuer {
            lookup: context.lookup(),
            issuer: config.issuer.clone().unwrap_or_default(),
            audience: config.audience.clone(),
            keys,
            leeway: config.leeway,
            required: config.required.clone(),
            claims: config.claims.clone(),
            user: config.user,
            db: site.db.clone(),
            clock: site.clock.clone(),
        }) as Arc<dyn Scheme>
    })
}

struct Issuer {
    lookup: Lookup,
    issuer: String,
    audience: Option<String>,
    keys: Keys,
    leeway: Period,
    required: Vec<String>,
    claims: Claims,
    user: UserSource,
    db: Database,
    clock: Clock,
}

enum Keys {
    Published(KeySet),
    Fixed(Vec<VerifyingKey>),
}

impl Scheme for Issuer {
    fn name(&self) -> &Arc<str> {
        &self.lookup.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request, purpose: Purpose) -> Answer<'a> {
        let field = Authorization::read(&request.headers).filter(|field| field.is("Bearer"));
        let Some(Credential::One(token)) = field.map(|field| field.credential) else {
            return Answer::not_attempted();
        };
        let key = self.lookup.key(&[token]);
        Answer::known_or(self.lookup.known(&key, purpose), || async move {
            // Whose a token is, it says itself; whether that is true, the key says.
            let read = Unverified::read(token);
            match read.filter(|token| token.claimed_issuer().as_deref() == Some(&self.issuer)) {
                Some(token) => {
                    let (subject, load) = (Subject::Unguessable, self.load(token));
                    self.lookup.get_counted(key, subject, &request.client, purpose, load).await
                }
                // Remembered too: else it would be read again for each request.
                None => {
                    let not_mine = ready(Ok(Loaded::new(CachedResult::NotMine)));
                    self.lookup.get(key, purpose, not_mine).await
                }
            }
        })
    }

    fn challenge(&self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static("Bearer realm=\"api\""))
    }

    /// A token of no issuer that is known here, or one that no scheme could read.
    fn unclaimed_credential(&self, request: &Request) -> Option<Refusal> {
        let field = Authorization::read(&request.headers).filter(|field| field.is("Bearer"))?;
        matches!(field.credential, Credential::One(_)).then(|| not_valid(INVALID))
    }
}

const INVALID: &str = "Token is invalid";

impl Issuer {
    async fn load(&self, token: Unverified<'_>) -> Result<Loaded, Unavailable> {
        let claims = match &self.keys {
            Keys::Published(keys) => keys.verify(&token).await?,
            Keys::Fixed(keys) => keys.iter().find_map(|key| token.verify(key)),
        };
        let Some(claims) = claims else { return Ok(Loaded::refused(not_valid(INVALID))) };
        let expiry = match self.check(&claims) {
            Ok(expiry) => expiry,
            Err(detail) => return Ok(Loaded::refused(not_valid(detail))),
        };
        let identity = match self.user {
            UserSource::Claims => self.identity(claims),
            UserSource::Store => {
                let name = text(&claims, &self.claims.username).unwrap_or_default();
                let user = self.db.user_by_name(name).await?;
                user.filter(|user| user.active).map(|user| user.identity)
            }
        };
        let loaded = match identity {
            Some(identity) => Loaded::new(CachedResult::Identity(identity)),
            None => Loaded::refused(not_valid("User not found")),
        };
        Ok(loaded.until(Some(expiry)))
    }

    /// RFC 7519 section 4.1, strictly: without an end no token is good.
    fn check(&self, claims: &Map<String, Value>) -> Result<Timestamp, &'static str> {
        if !jws::claims_have_their_types(claims) {
            return Err(INVALID);
        }
        let now = self.clock.now().seconds();
        let leeway = self.leeway.0.as_secs();
        let seconds = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(claim) => match claim.as_f64() {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "bounded"
                )]
                Some(number) if (0.0..253_402_300_800.0).contains(&number) => {
                    Ok(Some(number as u64))
                }
                _ => Err(INVALID),
            },
        };
        let expiry = seconds("exp")?.ok_or(INVALID)?;
        for name in ["nbf", "iat"] {
            if seconds(name)?.is_some_and(|moment| moment > now + leeway) {
                return Err(INVALID);
            }
        }
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(INVALID);
        }
        let named = match claims.get("aud") {
            Some(aud) => jws::audience(aud)
                .is_some_and(|names| self.audience.as_deref().is_none_or(|a| names.contains(&a))),
            None => self.audience.is_none(),
        };
        if !named || !self.required.iter().all(|name| find(claims, name).is_some()) {
            return Err(INVALID);
        }
        match expiry + leeway <= now {
            true => Err("Token is expired"),
            false => Ok(Timestamp::from_seconds(expiry + leeway)),
        }
    }

    /// No caller, if the claim that names the user is not a text.
    fn identity(&self, claims: Map<String, Value>) -> Option<Arc<Identity>> {
        let username = text(&claims, &self.claims.username).filter(|name| !name.is_empty())?;
        let owned = |name: &str| text(&claims, name).unwrap_or_default().into();
        let verified = claims.get("email_verified").is_none_or(|flag| *flag == json!(true));
        Some(Arc::new(Identity {
            // Another issuer may give the same name to another person.
            id: text(&claims, "sub").map(|sub| format!("{}|{sub}", self.issuer).into()),
            username: username.into(),
            email: if verified { owned(&self.claims.email) } else { "".into() },
            name: owned(&self.claims.name),
            groups: words(&claims, &self.claims.groups, false),
            scopes: words(&claims, &self.claims.scopes, true),
            claims,
            ..Identity::default()
        }))
    }
}

fn not_valid(detail: &'static str) -> Refusal {
    Refusal::with_code(detail, "token_not_valid")
}

/// A claim by its name, or by a path with dots where no claim has the whole name.
fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(claim) = claims.get(name) {
        return Some(claim);
    }
    let (first, rest) = name.split_once('.')?;
    find(claims.get(first)?.as_object()?, rest)
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    find(claims, name)?.as_str()
}

fn words(
    claims: &Map<String, Value>,
    name: &str,
    split: bool,
) -> std::collections::BTreeSet<Box<str>> {
    match find(claims, name) {
        Some(Value::String(text)) if split => {
            // RFC 6749 section 3.3.
            text.split(' ').filter(|scope| !scope.is_empty()).map(Into::into).collect()
        }
        Some(Value::String(text)) => [text.as_str().into()].into(),
        Some(Value::Array(list)) => {
            list.iter().filter_map(|v| v.as_str()).map(Into::into).collect()
        }
        _ => Default::default(),
    }
}
