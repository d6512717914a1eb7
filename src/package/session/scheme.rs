//! DRF's `SessionAuthentication`: Django's session cookie. The chain checks for forgery when the user
//! is known, as DRF does; a request with a token is not checked.

use std::sync::Arc;

use hyper::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Sessions;
use crate::{
    credential_cache::CachedResult,
    identity::Accepted,
    package::{SchemeContext, SchemeSettings},
    request::{Purpose, Request},
    scheme::{Answer, Carrier, CsrfCheck, Examined, Notes, Outcome, Scheme},
    value::Problems,
};

/// `session`: its settings stand at the top of the file, under `session` and `csrf`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "SessionScheme")]
pub(super) struct Config {
    /// A second name.
    name: Option<String>,
}

impl SchemeSettings for Config {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn build(&self, context: &SchemeContext<'_>) -> Result<Arc<dyn Scheme>, Problems> {
        let sessions = context.site.shared::<Sessions>()?;
        context.site.db.needs(sessions.queries());
        Ok(Arc::new(Session { name: Arc::clone(&context.name), sessions }))
    }

    fn needs_secret_key(&self) -> Option<&'static str> {
        Some("sessions")
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

    fn authenticate<'a>(&'a self, request: &'a Request, purpose: Purpose) -> Answer<'a> {
        let Some(key) = self.sessions.key(&request.headers) else {
            return Answer::not_attempted();
        };
        match self.sessions.hit(&key, purpose) {
            Some(result) => Answer::Now(result.map(|result| self.judge(result))),
            None => Answer::Later(Box::pin(async move {
                // Keys that lead nowhere are not counted: every visitor who comes back has one, and
                // 165 random bits are not found by asking.
                Ok(self.judge(self.sessions.get(&key, purpose).await?))
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

    fn carrier(&self, request: &Request) -> Carrier {
        match self.sessions.key(&request.headers) {
            Some(_) => Carrier::Cookie(CsrfCheck::AfterUser),
            None => Carrier::Header,
        }
    }
}

impl Session {
    fn judge(&self, result: CachedResult) -> Examined {
        let session = match result {
            CachedResult::Session(session) => session,
            CachedResult::Ended => {
                let cookies = vec![self.sessions.expired_cookie()];
                let notes = Notes { cookies, ended: true, ..Notes::default() };
                return Examined::with(Outcome::NotAttempted, notes);
            }
            CachedResult::Identity(_) | CachedResult::Refused(_) | CachedResult::NotMine => {
                return Outcome::NotAttempted.into();
            }
        };
        let identity = Arc::clone(&session.identity);
        let outcome = Outcome::Authenticated(Accepted { identity, scheme: Arc::clone(&self.name) });
        match (&session.renewed, &session.csrf) {
            (None, None) => outcome.into(),
            (renewed, csrf) => Examined::with(
                outcome,
                Notes {
                    cookies: renewed.clone().into_iter().collect(),
                    csrf_secret: csrf.clone(),
                    ..Notes::default()
                },
            ),
        }
    }
}
