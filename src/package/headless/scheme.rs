//! allauth's `JWTTokenAuthentication`.

use std::{sync::Arc, time::Duration};

use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    clock::Clock,
    credential_cache::{CachedResult, Loaded},
    crypto::jws::{self, Algorithm, Unverified, VerifyingKey},
    package::{SchemeContext, SchemeSettings},
    rejection::Refusal,
    request::{Purpose, Request, credentials::keyword_token},
    scheme::{Answer, Lookup, Scheme},
    store::{CredentialId, Database, Unavailable},
    value::{Problem, Problems},
};

const INVALID: &str = "Invalid token.";
const INACTIVE: &str = "User inactive or deleted.";

/// `- headless_jwt: { passes_on: true }`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "HeadlessJwt")]
pub(super) struct Config {
    /// A second name.
    name: Option<String>,
    /// Leaves tokens that are not good to the schemes behind it, in place of refusing them: for a
    /// chain in which several schemes read one keyword.
    passes_on: bool,
}

impl SchemeSettings for Config {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn build(&self, context: &SchemeContext<'_>) -> Result<Arc<dyn Scheme>, Problems> {
        let site = context.site;
        let path = site.path("headless");
        let settings = site.settings::<super::Config>("headless");
        let keyword = settings.jwt_keyword.clone();
        let word = !keyword.is_empty()
            && keyword.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let Some(challenge) = HeaderValue::try_from(&keyword).ok().filter(|_| word) else {
            let problem = Problem::new(&path.key("jwt_keyword"), "the keyword is not one word");
            return Err(problem.help("use letters and digits, for example Bearer").into());
        };
        let Some(algorithm) = Algorithm::named(&settings.jwt_algorithm) else {
            let message = format!("unknown algorithm `{}`", settings.jwt_algorithm);
            let problem = Problem::new(&path.key("jwt_algorithm"), message);
            return Err(problem.help("use RS256 or HS256, as allauth does").into());
        };
        let at = path.key("jwt_verifying_key");
        let key = match &settings.jwt_verifying_key {
            Some(key) if algorithm.is_symmetric() && key.reveal().len() < 32 => {
                let problem = Problem::new(&at, "the key is so short that it can be guessed");
                return Err(problem.help("use 32 random characters and more").into());
            }
            Some(key) => key,
            None if algorithm.is_symmetric() => {
                site.needs_secret_key(&path, "tokens")?;
                site.secrets.current()
            }
            None => {
                let problem = Problem::new(&path, "no key verifies the tokens");
                let help = "set `jwt_verifying_key` to the public key (PEM) of \
                            HEADLESS_JWT_PRIVATE_KEY";
                return Err(problem.help(help).into());
            }
        };
        let key = VerifyingKey::new(algorithm, key)
            .map_err(|error| Problem::new(&at, error.to_string()))?;
        Ok(Arc::new(HeadlessJwt {
            lookup: context.lookup(),
            keyword,
            challenge,
            key,
            passes_on: self.passes_on,
            db: site.db.clone(),
            clock: site.clock.clone(),
        }))
    }
}

struct HeadlessJwt {
    lookup: Lookup,
    keyword: String,
    challenge: HeaderValue,
    key: VerifyingKey,
    passes_on: bool,
    db: Database,
    clock: Clock,
}

impl Scheme for HeadlessJwt {
    fn name(&self) -> &Arc<str> {
        &self.lookup.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request, purpose: Purpose) -> Answer<'a> {
        let token = match keyword_token(&request.headers, &self.keyword) {
            None => return Answer::not_attempted(),
            Some(Err(_)) if self.passes_on => return Answer::not_attempted(),
            Some(Err(detail)) => return Answer::failed(Refusal::new(detail)),
            Some(Ok(token)) => token.as_bytes(),
        };
        self.lookup.answer(token, &request.client, purpose, || self.load(token))
    }

    fn challenge(&self) -> Option<HeaderValue> {
        Some(self.challenge.clone())
    }
}

impl HeadlessJwt {
    async fn load(&self, token: &[u8]) -> Result<Loaded, Unavailable> {
        let Some(claims) = self.claims(token) else { return Ok(self.refused(INVALID)) };
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        let user = match self.db.model().parse_key(subject) {
            Some(key) => self.db.user_by_key(&key).await?,
            None => None,
        };
        let expiry = claims.contains_key("exp").then(|| jws::moment(claims.get("exp")));
        Ok(match user {
            Some(user) if user.active => {
                let mut identity = user.identity;
                let jti = claims.get("jti").and_then(Value::as_str).unwrap_or_default();
                let id = CredentialId::new("headless", jti);
                // It is not shared yet.
                if let Some(identity) = Arc::get_mut(&mut identity) {
                    identity.claims = claims;
                }
                Loaded::new(CachedResult::Identity(identity)).until(expiry).named(id)
            }
            Some(_) => self.refused(INACTIVE),
            None => self.refused(INVALID),
        })
    }

    fn refused(&self, detail: &'static str) -> Loaded {
        match self.passes_on {
            true => Loaded::new(CachedResult::NotMine),
            false => Loaded::refused(Refusal::new(detail)),
        }
    }

    /// `decode_token` for an access token, without a look at its session.
    fn claims(&self, token: &[u8]) -> Option<Map<String, Value>> {
        let claims = Unverified::read(token)?.verify(&self.key)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let named =
            |name: &&str| text(name).is_some_and(|text| !text.contains(char::is_whitespace));
        let is_access = text("token_use") == Some("access")
            && ["jti", "sub", "sid"].iter().all(named)
            && jws::claims_have_their_types(&claims)
            && jws::check_times(&claims, self.clock.now(), Duration::ZERO).is_ok();
        is_access.then_some(claims)
    }
}
