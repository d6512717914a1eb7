//! Tokens that another party has signed: an identity provider, another service.

use std::{future::ready, sync::Arc};

use hyper::header::HeaderValue;
use serde_json::{Map, Value, json};

use super::{Claims, Config, UserSource, claim::ClaimPath};
use crate::{
    client::KeySet,
    clock::{Clock, Timestamp},
    credential_cache::{CachedResult, Loaded},
    crypto::jws::{self, Algorithm, Unverified, VerifyingKey},
    identity::Identity,
    limits::Subject,
    package::{Probe, SchemeContext},
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
    if config.audience.is_empty() && !config.unsafe_any_audience {
        let problem =
            Problem::new(path, "an issuer without an audience lets in tokens made for others");
        problems.push(problem.help("add `audience:`, the name that the issuer knows this API by"));
    }
    let defaults: &[&str] = match (&config.key, &config.secret) {
        (_, Some(_)) => &["HS256"],
        (Some(_), None) => &["RS256"],
        (None, None) => &["RS256", "ES256", "EdDSA"],
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
    let http = match &config.ca {
        Some(file) => problems.keep(site.http.trusting(file, &path.key("ca"))),
        None => None,
    };
    let http = http.as_ref().unwrap_or(site.http);
    let issuer = config.issuer.as_deref().unwrap_or_default();
    let keys = match (&config.jwks, text) {
        (published, None) => {
            if algorithms.iter().any(|algorithm| algorithm.is_symmetric()) {
                let problem =
                    Problem::new(&path.key("algorithms"), "published keys are no secrets");
                problems.push(problem.help("leave out HS256 to HS512"));
            }
            let keys = match published {
                Some(url) => KeySet::new(url, &algorithms, http, &path.key("jwks")),
                None => KeySet::of_issuer(issuer, &algorithms, http, &path.key("issuer")),
            };
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
            let problem = Problem::new(path, "more than one setting says which key verifies");
            problems.push(
                problem.help("give one of `jwks`, `key` (PEM) and `secret`, or none of them"),
            );
            None
        }
    };
    let Some(keys) = keys else { return Err(problems) };
    if let Keys::Published(keys) = &keys {
        let (keys, what) = (keys.clone(), format!("the keys of {issuer}, {}", keys.address()));
        site.reaches(Probe::new(what, move || {
            let keys = keys.clone();
            async move { keys.try_out().await }
        }));
    }
    problems.finish(()).map(|()| {
        Arc::new(Issuer {
            lookup: context.lookup(),
            issuer: config.issuer.clone().unwrap_or_default(),
            audience: config.audience.clone(),
            audience_claim: config.audience_claim.clone(),
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
    audience: Vec<String>,
    audience_claim: ClaimPath,
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
        let Some(claims) = claims else {
            let reason = format!("no key of {} has signed it", self.issuer);
            return Ok(Loaded::refused(not_valid(INVALID).because(reason)));
        };
        let expiry = match self.check(&claims) {
            Ok(expiry) => expiry,
            Err(Unfit(detail, reason)) => {
                return Ok(Loaded::refused(not_valid(detail).because(reason)));
            }
        };
        let wanted = &self.claims.username;
        let named = wanted.text(&claims).filter(|name| !name.is_empty());
        let identity = match (self.user, named) {
            (_, None) => Err(format!("`{wanted}` is no text")),
            (UserSource::Claims, Some(name)) => Ok(self.identity(name, claims)),
            (UserSource::Store, Some(name)) => {
                let user = self.db.user_by_name(&name).await?.filter(|user| user.active);
                user.map(|user| user.identity)
                    .ok_or_else(|| format!("`{wanted}` names no active user of the store"))
            }
        };
        let loaded = match identity {
            Ok(identity) => Loaded::new(CachedResult::Identity(identity)),
            Err(reason) => Loaded::refused(not_valid("User not found").because(reason)),
        };
        Ok(loaded.until(Some(expiry)))
    }

    /// RFC 7519 section 4.1, strictly: without an end no token is good.
    fn check(&self, claims: &Map<String, Value>) -> Result<Timestamp, Unfit> {
        let invalid = |reason: String| Unfit(INVALID, reason);
        if !jws::claims_have_their_types(claims) {
            return Err(invalid("a registered claim is of the wrong type".into()));
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
                _ => Err(invalid(format!("`{name}` is no moment"))),
            },
        };
        let expiry = seconds("exp")?.ok_or_else(|| invalid("`exp` is missing".into()))?;
        for name in ["nbf", "iat"] {
            if seconds(name)?.is_some_and(|moment| moment > now + leeway) {
                return Err(invalid(format!("`{name}` is later than now: are the clocks right?")));
            }
        }
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(invalid(format!("`iss` is not {}", self.issuer)));
        }
        self.check_audience(claims).map_err(invalid)?;
        let missing =
            self.required.iter().find(|name| ClaimPath::from(name.as_str()).find(claims).is_none());
        if let Some(missing) = missing {
            return Err(invalid(format!("`{missing}` is required, and missing")));
        }
        match expiry + leeway <= now {
            true => Err(Unfit("Token is expired", "`exp` has passed".into())),
            false => Ok(Timestamp::from_seconds(expiry + leeway)),
        }
    }

    /// # Errors
    /// What was wanted, and what the token says.
    fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), String> {
        let claim = &self.audience_claim;
        let wanted = self.audience.join(" or ");
        match claim.find(claims) {
            Some(said) => {
                let named = jws::audience(said).unwrap_or_default();
                let ours = named.iter().any(|name| self.audience.iter().any(|own| own == name));
                // Cut: a token says what it likes.
                let said: String = named.join(" and ").chars().take(200).collect();
                match ours || self.audience.is_empty() {
                    true => Ok(()),
                    false => Err(format!("`{claim}` is {said}, and not {wanted}")),
                }
            }
            None if self.audience.is_empty() => Ok(()),
            None => Err(format!("`{claim}` is missing, and has to be {wanted}")),
        }
    }

    fn identity(&self, username: String, claims: Map<String, Value>) -> Arc<Identity> {
        let owned = |path: &ClaimPath| path.text(&claims).unwrap_or_default().into();
        let words = |path: &ClaimPath, split: bool| {
            path.words(&claims, split).into_iter().map(Into::into).collect()
        };
        // Some issuers write it as a text.
        let verified = claims.get("email_verified");
        let verified = verified.is_none_or(|flag| *flag == json!(true) || *flag == json!("true"));
        Arc::new(Identity {
            // Another issuer may give the same name to another person.
            id: claims
                .get("sub")
                .and_then(Value::as_str)
                .map(|sub| format!("{}|{sub}", self.issuer).into()),
            username: username.into(),
            email: if verified { owned(&self.claims.email) } else { "".into() },
            name: owned(&self.claims.name),
            groups: words(&self.claims.groups, false),
            scopes: words(&self.claims.scopes, true),
            claims,
            ..Identity::default()
        })
    }
}

/// What the client is told of a token, and what the operator is.
struct Unfit(&'static str, String);

fn not_valid(detail: &'static str) -> Refusal {
    Refusal::with_code(detail, "token_not_valid")
}
