//! DRF's `SessionAuthentication`: Django's session cookie, and the CSRF check that goes with it
//! because it is the session that was believed; a request with a token is not checked.

use std::sync::Arc;

use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Failure, Outcome, Parts, Scheme};
use crate::{
    identity::Accepted,
    request::Request,
    store::cache::Fact,
    system::{csrf, session::Sessions},
    value::{Path, Problems},
};

/// `session`: its settings stand at the top of the file, under `session` and `csrf`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "SessionScheme")]
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
        Ok(Arc::new(Session { name, sessions: Arc::clone(parts.sessions) }))
    }
}

struct Session {
    name: Arc<str>,
    sessions: Arc<Sessions>,
}

impl Scheme for Session {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn authenticate<'a>(&'a self, request: &'a Request) -> Answer<'a> {
        let Some(key) = self.sessions.key(&request.headers) else {
            return Answer::not_attempted();
        };
        match self.sessions.hit(&key) {
            Some(fact) => Answer::Now(fact.map(|fact| self.judge(fact, request))),
            None => Answer::Later(Box::pin(async move {
                // Keys that lead nowhere are not counted: every visitor who comes back has one, and
                // 165 random bits are not found by asking.
                let fact = self.sessions.fact(&key).await?;
                Ok(self.judge(fact, request))
            })),
        }
    }

    /// None: a refusal is 403, as DRF has it.
    fn challenge(&self) -> Option<HeaderValue> {
        None
    }

    fn reads_cookies(&self) -> bool {
        true
    }

    fn reads_body(&self, request: &Request) -> bool {
        csrf::may_be_in_body(request) && self.sessions.key(&request.headers).is_some()
    }
}

impl Session {
    fn judge(&self, fact: Fact, request: &Request) -> Outcome {
        let session = match fact {
            Fact::Session(session) => session,
            Fact::Ended => return Outcome::Ended(self.sessions.expired_cookie()),
            Fact::Identity(_)
            | Fact::Refused { .. }
            | Fact::Said(_)
            | Fact::Wait(_)
            | Fact::NotMine => return Outcome::NotAttempted,
        };
        let secret = session.csrf.as_ref().map(|secret| secret.reveal());
        let cookie = session.renewed.clone();
        match self.sessions.csrf.check(request, secret) {
            Ok(()) => Outcome::Authenticated(Accepted {
                identity: Arc::clone(&session.identity),
                scheme: Arc::clone(&self.name),
                cookies: cookie.into_iter().collect(),
            }),
            Err(reason) => Outcome::Failed(Failure {
                cookie,
                ..Failure::forbidden(format!("CSRF Failed: {reason}"))
            }),
        }
    }
}
