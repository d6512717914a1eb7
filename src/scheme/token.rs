//! DRF's `TokenAuthentication`: an opaque key in `authtoken_token`.

use std::sync::Arc;

use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Outcome, Parts, Scheme, count, outcome, remembered};
use crate::{
    crypto::digest::Fingerprint,
    lockout::Subject,
    login::Login,
    request::{
        Client, Request,
        credentials::{Authorization, Credential},
    },
    store::{
        Store, Unavailable,
        cache::{Fact, Facts, Verifier},
    },
    value::{Path, Problem, Problems},
};

/// `- token: { keyword: Bearer }`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Token")]
pub struct Config {
    /// A second name.
    pub(super) name: Option<String>,
    /// The word before the key, and the challenge: DRF's class attribute `keyword`.
    keyword: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { name: None, keyword: "Token".into() }
    }
}

impl Config {
    pub(super) fn build(
        &self,
        name: Arc<str>,
        path: &Path,
        parts: &Parts<'_>,
    ) -> Result<Arc<dyn Scheme>, Problems> {
        let word = !self.keyword.is_empty()
            && self.keyword.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let Some(challenge) = HeaderValue::try_from(&self.keyword).ok().filter(|_| word) else {
            let problem = Problem::new(&path.key("keyword"), "the keyword is not one word");
            return Err(problem.help("use letters and digits, for example Token or Bearer").into());
        };
        Ok(Arc::new(Token {
            name,
            keyword: self.keyword.clone(),
            challenge,
            store: Arc::clone(parts.store),
            facts: Arc::clone(parts.facts),
            verifier: parts.facts.verifier(),
            login: Arc::clone(parts.login),
        }))
    }
}

struct Token {
    name: Arc<str>,
    keyword: String,
    challenge: HeaderValue,
    store: Arc<dyn Store>,
    facts: Arc<Facts>,
    verifier: Verifier,
    login: Arc<Login>,
}

impl Scheme for Token {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request) -> Answer<'a> {
        let field = Authorization::read(&request.headers).filter(|field| field.is(&self.keyword));
        let Some(field) = field else { return Answer::not_attempted() };
        let key = match field.credential {
            Credential::One(key) => key,
            Credential::Missing => {
                return Answer::failed("Invalid token header. No credentials provided.");
            }
            Credential::Spaces => {
                return Answer::failed(
                    "Invalid token header. Token string should not contain spaces.",
                );
            }
        };
        let fingerprint = self.facts.key(self.verifier, &[key]);
        if let Some(answer) = remembered(&self.name, &self.facts, &fingerprint) {
            return answer;
        }
        let Ok(key) = std::str::from_utf8(key) else {
            return Answer::failed(
                "Invalid token header. Token string should not contain invalid characters.",
            );
        };
        Answer::Later(Box::pin(self.look_up(fingerprint, key, &request.client)))
    }

    fn challenge(&self) -> Option<HeaderValue> {
        Some(self.challenge.clone())
    }
}

impl Token {
    async fn look_up(
        &self,
        fingerprint: Fingerprint,
        key: &str,
        client: &Client,
    ) -> Result<Outcome, Unavailable> {
        if let Some(wait) = self.login.lockout.wait(Subject::Unguessable, client.address) {
            return Ok(Outcome::Failed(super::Failure::locked(wait)));
        }
        let load = async {
            // The column holds 40 characters: a longer text is nobody's.
            let user = match key.chars().count() <= 40 {
                true => self.store.user_by_token(key).await?,
                false => None,
            };
            let fact = match user {
                Some(user) if user.active => Fact::Identity(user.identity),
                Some(_) => Fact::refused("User inactive or deleted."),
                None => Fact::refused("Invalid token."),
            };
            Ok((fact, None))
        };
        let outcome = outcome(&self.name, self.facts.get(fingerprint, load).await?);
        count(&self.login, &outcome, Subject::Unguessable, client, &self.name);
        Ok(outcome)
    }
}
