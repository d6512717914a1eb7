//! django-rest-knox's `TokenAuthentication`.

use std::sync::Arc;

use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Failure, Outcome, Parts, Scheme, count, outcome, remembered};
use crate::{
    crypto::digest::Fingerprint,
    lockout::Subject,
    login::Login,
    request::{
        Client, Request,
        credentials::{Authorization, Credential},
    },
    store::{Unavailable, cache::Facts},
    system::knox::Knox,
    value::{Path, Problem, Problems},
};

/// `knox`: its settings stand at the top of the file, under `knox`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "KnoxScheme")]
pub struct Config {
    /// A second name.
    pub(super) name: Option<String>,
}

impl Config {
    pub(super) fn build(
        &self,
        name: Arc<str>,
        _path: &Path,
        parts: &Parts<'_>,
    ) -> Result<Arc<dyn Scheme>, Problems> {
        let knox = Arc::clone(parts.knox);
        let challenge = HeaderValue::try_from(knox.keyword()).map_err(|_| {
            let at = Path::root().key("knox").key("keyword");
            Problem::new(&at, "the keyword cannot stand in a header")
        })?;
        let (facts, login) = (Arc::clone(parts.facts), Arc::clone(parts.login));
        Ok(Arc::new(KnoxScheme { name, knox, challenge, facts, login }))
    }
}

struct KnoxScheme {
    name: Arc<str>,
    knox: Arc<Knox>,
    challenge: HeaderValue,
    facts: Arc<Facts>,
    login: Arc<Login>,
}

impl Scheme for KnoxScheme {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request) -> Answer<'a> {
        let field = Authorization::read(&request.headers);
        let Some(field) = field.filter(|field| field.is(self.knox.keyword())) else {
            return Answer::not_attempted();
        };
        let token = match field.credential {
            Credential::One(token) => token,
            Credential::Missing => {
                return Answer::failed("Invalid token header. No credentials provided.");
            }
            Credential::Spaces => {
                return Answer::failed(
                    "Invalid token header. Token string should not contain spaces.",
                );
            }
        };
        let fingerprint = self.knox.fingerprint(token);
        if let Some(answer) = remembered(&self.name, &self.facts, &fingerprint) {
            return answer;
        }
        // The package answers 500 to this; no client can have relied on it.
        let Ok(token) = std::str::from_utf8(token) else {
            return Answer::failed(
                "Invalid token header. Token string should not contain invalid characters.",
            );
        };
        Answer::Later(Box::pin(self.look_up(fingerprint, token, &request.client)))
    }

    fn challenge(&self) -> Option<HeaderValue> {
        Some(self.challenge.clone())
    }
}

impl KnoxScheme {
    async fn look_up(
        &self,
        fingerprint: Fingerprint,
        token: &str,
        client: &Client,
    ) -> Result<Outcome, Unavailable> {
        if let Some(wait) = self.login.lockout.wait(Subject::Unguessable, client.address) {
            return Ok(Outcome::Failed(Failure::locked(wait)));
        }
        let outcome = outcome(&self.name, self.knox.fact(fingerprint, token).await?);
        count(&self.login, &outcome, Subject::Unguessable, client, &self.name);
        Ok(outcome)
    }
}
